//! A checkpoint with an adapter added to its weights for good.

use crate::lora::{Adapter, LoraPair};
use crate::naming::Naming;
use crate::{Checkpoint, ModelConfig, ModelError, ModelSpec, StoredTensor};
use safetensors::tensor::{Dtype, View};
use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;
use tch::Device;

/// A tensor of the merged checkpoint: bytes of the mapped file, or merged ones.
struct Merged<'a> {
    stored: &'a StoredTensor,
    bytes: Cow<'a, [u8]>,
}

/// Writes to `out` a copy of the checkpoint in `dir` whose weights include `adapter`: same shards, same types, every
/// other file of the folder copied. The folder appears under its name only when it is complete. Memory holds the merged
/// tensors of one shard at a time.
///
/// # Errors
/// [`ModelError`] if `out` exists, a file cannot be read or written, or memory runs out.
pub fn merge_checkpoint(dir: &Path, spec: &ModelSpec, adapter: &Adapter, out: &Path) -> Result<(), ModelError> {
    if out.exists() {
        return Err(ModelError::file(out, "already exists: name a new folder"));
    }
    let _no_grad = tch::no_grad_guard();
    let checkpoint = Checkpoint::open(dir)?;
    let naming = Naming::find(&ModelConfig::read(&dir.join("config.json"))?, &checkpoint)?;
    let weights: Vec<String> = spec.linears.iter().map(|l| format!("{}.weight", l.name)).collect();
    for name in adapter.pairs().map(|(i, _)| naming.stored(&weights[i])) {
        if !checkpoint.tensors().contains_key(name) {
            return Err(ModelError::stored(checkpoint.path_of(name), name, "is missing, but the adapter changes it"));
        }
    }
    let partial = out.with_extension("partial");
    if partial.exists() {
        std::fs::remove_dir_all(&partial).map_err(|e| ModelError::io(&partial, e))?;
    }
    std::fs::create_dir_all(&partial).map_err(|e| ModelError::io(&partial, e))?;
    copy_others(dir, &checkpoint, &partial)?;
    let pairs: HashMap<&str, &LoraPair> = adapter.pairs().map(|(i, p)| (naming.stored(&weights[i]), p)).collect();
    for (number, shard) in checkpoint.shards().iter().enumerate() {
        let mut tensors = Vec::new();
        for (name, stored) in checkpoint.tensors().iter().filter(|(_, t)| t.shard == number) {
            let bytes = match pairs.get(name.as_str()) {
                Some(pair) => Cow::Owned(merged_bytes(&checkpoint, name, pair)?),
                None => Cow::Borrowed(checkpoint.bytes(stored)),
            };
            tensors.push((name.as_str(), Merged { stored, bytes }));
        }
        let name = shard.path.file_name().unwrap_or_default();
        let path = partial.join(name);
        safetensors::serialize_to_file(tensors, shard.metadata.clone(), &path)
            .map_err(|e| ModelError::file(&path, e))?;
    }
    std::fs::rename(&partial, out).map_err(|e| ModelError::io(out, e))
}

fn copy_others(dir: &Path, checkpoint: &Checkpoint, out: &Path) -> Result<(), ModelError> {
    for entry in std::fs::read_dir(dir).map_err(|e| ModelError::io(dir, e))? {
        let path = entry.map_err(|e| ModelError::io(dir, e))?.path();
        let is_shard = checkpoint.shards().iter().any(|s| s.path.file_name() == path.file_name());
        if path.is_file() && !is_shard {
            let target = out.join(path.file_name().unwrap_or_default());
            std::fs::copy(&path, &target).map_err(|e| ModelError::io(&path, e))?;
        }
    }
    Ok(())
}

/// The merged weight in the type it is stored in.
fn merged_bytes(checkpoint: &Checkpoint, name: &str, pair: &LoraPair) -> Result<Vec<u8>, ModelError> {
    let weight = checkpoint.load(name, None, None, Device::Cpu)?;
    let (a, b) = (pair.a.f_to_device(Device::Cpu)?, pair.b.f_to_device(Device::Cpu)?);
    let merged = LoraPair { a, b, scale: pair.scale }.merged(&weight)?;
    let mut bytes = vec![0u8; merged.numel() * merged.kind().elt_size_in_bytes()];
    merged.f_copy_data_u8(&mut bytes, merged.numel())?;
    Ok(bytes)
}

impl View for Merged<'_> {
    fn dtype(&self) -> Dtype {
        self.stored.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.stored.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}
