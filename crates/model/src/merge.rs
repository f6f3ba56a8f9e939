//! A checkpoint with an adapter added to its weights for good.

use crate::lora::{Adapter, LoraPair};
use crate::naming::Naming;
use crate::{Checkpoint, ModelConfig, ModelError, ModelSpec, StoredTensor};
use mosa_records::{LOCK, Lock, remove_folder, sync_folder, unfinished_name, unfinished_of};
use safetensors::tensor::{Dtype, View};
use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::ffi::OsString;
use std::fs::File;
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
    if std::fs::symlink_metadata(out).is_ok() {
        return Err(ModelError::file(out, "already exists: name a new folder"));
    }
    let _no_grad = tch::no_grad_guard();
    let checkpoint = Checkpoint::open(dir)?;
    let config = ModelConfig::read(&dir.join("config.json"))?;
    let naming = Naming::find(config.weight_names(), &config.names, &checkpoint)?;
    let weights: Vec<String> = spec.linears.iter().map(|l| format!("{}.weight", l.name)).collect();
    let pairs: HashMap<&str, &LoraPair> = adapter.pairs().map(|(i, p)| (naming.stored(&weights[i]), p)).collect();
    if let Some(name) = pairs.keys().find(|name| !checkpoint.tensors().contains_key(**name)) {
        return Err(ModelError::stored(checkpoint.path_of(name), name, "is missing, but the adapter changes it"));
    }
    let names = file_names(dir)?;
    clear_unfinished(out, &names)?;
    let partial = unfinished_name(out);
    if let Some(parent) = out.parent() {
        std::fs::create_dir_all(parent).map_err(|e| ModelError::io(parent, e))?;
    }
    std::fs::create_dir(&partial).map_err(|e| ModelError::io(&partial, e))?;
    let lock = Lock::take(&partial, "merge").map_err(|e| ModelError::file(&partial, e))?;
    let written = Source { dir, checkpoint: &checkpoint }.write_merged(&pairs, &partial);
    drop(lock);
    let lock = partial.join(LOCK);
    let placed = written.and_then(|()| {
        std::fs::remove_file(&lock).map_err(|e| ModelError::io(&lock, e))?;
        std::fs::rename(&partial, out).map_err(|e| ModelError::io(out, e))?;
        sync_folder(out).map_err(|e| ModelError::io(out, e))
    });
    if placed.is_err() {
        // The first error is the one to report.
        let _ = remove_folder(&partial, &|path| is_of_merge(path, &names));
    }
    placed
}

/// The names of the files in a folder.
fn file_names(dir: &Path) -> Result<BTreeSet<OsString>, ModelError> {
    let entries = std::fs::read_dir(dir).map_err(|e| ModelError::io(dir, e))?;
    Ok(entries.flatten().map(|entry| entry.file_name()).collect())
}

/// Whether a merge of a checkpoint with files of these names writes a file of this path.
fn is_of_merge(path: &Path, names: &BTreeSet<OsString>) -> bool {
    path.components().count() == 1 && (path == Path::new(LOCK) || names.contains(path.as_os_str()))
}

/// Removes what a killed merge into `out` left. One that is still at work holds a lock.
fn clear_unfinished(out: &Path, names: &BTreeSet<OsString>) -> Result<(), ModelError> {
    let parent = out.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
        let (name, path) = (entry.file_name(), entry.path());
        let of = name.to_str().and_then(unfinished_of).map(OsString::from);
        if of.as_deref() == out.file_name() && path.join(LOCK).is_file() && !Lock::is_held(&path) {
            remove_folder(&path, &|path| is_of_merge(path, names)).map_err(|e| ModelError::io(&path, e))?;
        }
    }
    Ok(())
}

/// A checkpoint and the folder it is in.
struct Source<'a> {
    dir: &'a Path,
    checkpoint: &'a Checkpoint,
}

impl Source<'_> {
    /// Writes the files of the merged checkpoint into a folder, down to the disk.
    fn write_merged(&self, pairs: &HashMap<&str, &LoraPair>, partial: &Path) -> Result<(), ModelError> {
        let Self { dir, checkpoint } = *self;
        copy_others(dir, checkpoint, partial)?;
        for (number, shard) in checkpoint.shards().iter().enumerate() {
            let mut tensors = Vec::new();
            for (name, stored) in checkpoint.tensors().iter().filter(|(_, t)| t.shard == number) {
                let bytes = match pairs.get(name.as_str()) {
                    Some(pair) => Cow::Owned(merged_bytes(checkpoint, name, pair)?),
                    None => Cow::Borrowed(checkpoint.bytes(stored)),
                };
                tensors.push((name.as_str(), Merged { stored, bytes }));
            }
            let name = shard.path.file_name().unwrap_or_default();
            let path = partial.join(name);
            safetensors::serialize_to_file(tensors, shard.metadata.clone(), &path)
                .map_err(|e| ModelError::file(&path, e))?;
            File::open(&path).and_then(|file| file.sync_all()).map_err(|e| ModelError::io(&path, e))?;
        }
        Ok(())
    }
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
