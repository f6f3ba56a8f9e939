use crate::{canvas, copy, distance, fixture, load, logits, open};
use mosa_model::{Checkpoint, DenoisingModel, DeviceChoice, DtypeChoice, ModelConfig, Transformer};
use safetensors::tensor::{Dtype, TensorView};
use std::path::Path;
use tch::{Device, Kind};

#[test]
fn weights_in_their_stored_type_are_views_of_the_mapped_file() {
    let dir = fixture("llada");
    let checkpoint = Checkpoint::open(&dir).unwrap();
    let name = "model.transformer.wte.weight";
    let stored = &checkpoint.tensors()[name];
    let view = checkpoint.load(name, None, None, Device::Cpu).unwrap();
    assert_eq!(view.data_ptr() as usize, checkpoint.bytes(stored).as_ptr() as usize);
    let converted = checkpoint.load(name, None, Some(Kind::BFloat16), Device::Cpu).unwrap();
    assert_ne!(converted.data_ptr() as usize, checkpoint.bytes(stored).as_ptr() as usize);
    assert!(distance(&converted.to_kind(Kind::Float), &view) < 0.02);
}

/// Rewrites a single-file checkpoint in another type, with `extra` bytes of metadata to shift the data.
fn restore(dir: &Path, dtype: Dtype, kind: Kind, extra: usize) {
    let path = dir.join("model.safetensors");
    let checkpoint = Checkpoint::open_file(&path).unwrap();
    let tensors: Vec<(String, Vec<usize>, Vec<u8>)> = checkpoint
        .tensors()
        .iter()
        .map(|(name, stored)| {
            let t = checkpoint.load(name, None, Some(kind), Device::Cpu).unwrap();
            let mut bytes = vec![0; t.numel() * kind.elt_size_in_bytes()];
            t.copy_data_u8(&mut bytes, t.numel());
            (name.clone(), stored.shape.clone(), bytes)
        })
        .collect();
    let views = tensors.iter().map(|(n, s, b)| (n.as_str(), TensorView::new(dtype, s.clone(), b).unwrap()));
    let note = std::collections::HashMap::from([("note".to_owned(), "x".repeat(extra))]);
    std::fs::write(path, safetensors::serialize(views, Some(note)).unwrap()).unwrap();
}

#[test]
fn f16_and_bf16_checkpoints_compute_in_f32_close_to_the_original() {
    let model = load("llada");
    let row = canvas(&model, 9, 9);
    for (dtype, kind) in [(Dtype::F16, Kind::Half), (Dtype::BF16, Kind::BFloat16)] {
        let dir = copy("llada");
        restore(dir.path(), dtype, kind, 3);
        let checkpoint = Checkpoint::open(dir.path()).unwrap();
        assert_eq!(checkpoint.weights_kind().unwrap(), kind);
        let rounded = open(dir.path()).unwrap();
        let difference = (logits(&rounded, &row) - logits(&model, &row)).abs().mean(Kind::Float).double_value(&[]);
        assert!(difference > 0.0 && difference < 0.1, "{kind:?} {difference}");
    }
}

#[test]
fn data_that_the_file_does_not_align_is_copied_and_not_misread() {
    let original = std::fs::read(fixture("llada").join("model.safetensors")).unwrap();
    let header = u64::from_le_bytes(original[..8].try_into().unwrap()) as usize;
    let dir = copy("llada");
    // One space more in the header moves every tensor by one byte.
    let mut shifted = ((header + 1) as u64).to_le_bytes().to_vec();
    shifted.extend(&original[8..8 + header]);
    shifted.push(b' ');
    shifted.extend(&original[8 + header..]);
    std::fs::write(dir.path().join("model.safetensors"), shifted).unwrap();
    let (model, moved) = (load("llada"), open(dir.path()).unwrap());
    let row = canvas(&model, 7, 7);
    assert_eq!(distance(&logits(&model, &row), &logits(&moved, &row)), 0.0);
}

#[test]
fn changing_one_weight_changes_the_logits() {
    let dir = copy("llada");
    let path = dir.path().join("model.safetensors");
    let mut bytes = std::fs::read(&path).unwrap();
    let start = Checkpoint::open_file(&path).unwrap();
    let stored = start.bytes(&start.tensors()["model.transformer.blocks.1.ff_proj.weight"]).as_ptr() as usize;
    let base = start
        .bytes(&start.tensors().values().min_by_key(|t| start.bytes(t).as_ptr() as usize).unwrap().clone())
        .as_ptr() as usize;
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize + 8;
    let at = header + stored - base;
    bytes[at..at + 4].copy_from_slice(&2.5f32.to_le_bytes());
    drop(start);
    let model = load("llada");
    let row = canvas(&model, 9, 9);
    std::fs::write(&path, bytes).unwrap();
    assert!(distance(&logits(&model, &row), &logits(&open(dir.path()).unwrap(), &row)) > 1e-4);
}

#[test]
fn parameters_of_the_config_are_the_elements_of_the_checkpoint() {
    for name in ["llada", "dream", "mmada"] {
        let checkpoint = Checkpoint::open(&fixture(name)).unwrap();
        let stored: usize = checkpoint.tensors().values().map(|t| t.shape.iter().product::<usize>()).sum();
        let model = load(name);
        assert_eq!(model.spec().parameters, stored, "{name}");
        assert!(model.unused_tensors().is_empty());
    }
}

#[test]
fn random_weights_have_the_shapes_of_the_config_and_depend_on_the_seed_alone() {
    let config = ModelConfig::read(&fixture("dream").join("config.json")).unwrap();
    let random = |seed| Transformer::random(&config, seed, Kind::Float, Device::Cpu).unwrap();
    let (a, b, c) = (random(1), random(1), random(2));
    let row = canvas(&a, 8, 4);
    assert_eq!(distance(&logits(&a, &row), &logits(&b, &row)), 0.0);
    assert!(distance(&logits(&a, &row), &logits(&c, &row)) > 1.0);
    assert_eq!(a.spec().parameters, load("dream").spec().parameters);
}

#[test]
fn multiply_adds_count_what_a_small_model_does() {
    let config = ModelConfig::read(&fixture("mmada").join("config.json")).unwrap();
    let (d, m, v, t, n) = (32.0, 80.0, 368.0, 10.0, 3.0);
    let want = t * 3.0 * d * d + 2.0 * t * t * d + n * (d * d + 3.0 * d * m) + n * d * v;
    assert_eq!(config.multiply_adds(10, 10, 3), want);
}

#[test]
fn devices_and_types_are_read_as_they_are_typed() {
    assert_eq!("cuda:3".parse(), Ok(DeviceChoice::Cuda(3)));
    assert_eq!("cuda".parse(), Ok(DeviceChoice::Cuda(0)));
    assert!("gpu".parse::<DeviceChoice>().unwrap_err().contains("cuda:N"));
    assert_eq!(DeviceChoice::Cpu.resolve().unwrap(), Device::Cpu);
    assert_eq!(DtypeChoice::Auto.resolve(Kind::Half, Device::Cpu), Kind::Float);
    assert_eq!(DtypeChoice::Auto.resolve(Kind::Half, Device::Cuda(0)), Kind::Half);
    assert_eq!(DtypeChoice::Auto.resolve(Kind::BFloat16, Device::Cpu), Kind::BFloat16);
    assert_eq!(DtypeChoice::Bf16.resolve(Kind::Float, Device::Cpu), Kind::BFloat16);
    assert!("f64".parse::<DtypeChoice>().is_err());
}
