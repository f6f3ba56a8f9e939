//! Checkpoints, forward passes and adapters on the tiny checkpoints of `fixtures/`.

// A test fails by panicking.
#![allow(clippy::unwrap_used)]

mod adapter;
mod bad_files;
mod checkpoint;
mod config;
mod devices;
mod experts;
mod exports;
mod fingerprint;
mod forward;
mod merge;
mod mutation;
mod naive;
mod rows;
mod widened;

use mosa_model::{Call, Checkpoint, DenoisingModel, ModelConfig, ModelError, Slot, Transformer, cuda_status};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name)
}

fn open(dir: &Path) -> Result<Transformer, ModelError> {
    open_on(dir, Device::Cpu)
}

fn open_on(dir: &Path, device: Device) -> Result<Transformer, ModelError> {
    // libtorch's CUDA part has to be there before the first tensor of any test.
    let _ = cuda_status();
    let config = ModelConfig::read(&dir.join("config.json"))?;
    Transformer::load(&config, &Checkpoint::open(dir)?, Kind::Float, device)
}

fn load(name: &str) -> Transformer {
    open(&fixture(name)).unwrap()
}

/// A copy of a fixture's checkpoint (without its golden numbers) that a test may damage.
fn copy(name: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(fixture(name)).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_file() && !file.starts_with("golden") {
            std::fs::copy(&path, dir.path().join(file)).unwrap();
        }
    }
    dir
}

/// A tensor of a safetensors file: name, type, shape, bytes.
type Stored = (String, Dtype, Vec<usize>, Vec<u8>);

fn read_tensors(path: &Path) -> Vec<Stored> {
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    file.iter().map(|(n, t)| (n.to_owned(), t.dtype(), t.shape().to_vec(), t.data().to_vec())).collect()
}

fn write_tensors(path: &Path, tensors: &[Stored]) {
    let views = tensors.iter().map(|(n, d, s, b)| (n.as_str(), TensorView::new(*d, s.clone(), b).unwrap()));
    std::fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

/// Gives the tensors of a file other names.
fn rename(path: &Path, name: impl Fn(&str) -> String) {
    let mut tensors = read_tensors(path);
    tensors.iter_mut().for_each(|t| t.0 = name(&t.0));
    write_tensors(path, &tensors);
}

/// Changes one key of a JSON file; `None` removes it.
fn edit(path: &Path, key: &str, value: Option<serde_json::Value>) {
    let mut map: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    match value {
        Some(v) => map.insert(key.into(), v),
        None => map.remove(key),
    };
    std::fs::write(path, serde_json::to_string(&map).unwrap()).unwrap();
}

/// Logits of every position of one row.
fn logits(model: &Transformer, row: &[u32]) -> Tensor {
    let want: Vec<Slot> = (0..row.len()).map(|p| (0, p)).collect();
    tch::no_grad(|| model.forward(Call::new(&[row], &want))).unwrap()
}

fn distance(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.size(), b.size());
    (a - b).abs().max().double_value(&[])
}

/// A prompt and masks, the same for every model.
fn canvas(model: &Transformer, prompt: usize, masks: usize) -> Vec<u32> {
    let words = (0..prompt as u32).map(|i| 3 + (i * 37) % 200);
    words.chain(std::iter::repeat_n(model.spec().mask, masks)).collect()
}
