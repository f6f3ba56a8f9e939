//! Safetensors files of a checkpoint folder, mapped into memory.

use crate::ModelError;
use memmap2::Mmap;
use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tch::{Device, Kind, Tensor};

/// One mapped file.
#[derive(Debug)]
pub struct Shard {
    /// Where it lies.
    pub path: PathBuf,
    /// Its `__metadata__`.
    pub metadata: Option<std::collections::HashMap<String, String>>,
    map: Arc<Mmap>,
}

/// Where a tensor lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredTensor {
    /// Index of the shard.
    pub shard: usize,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its type: f32, f16 or bf16 for weights; other types can be listed but not loaded.
    pub dtype: Dtype,
    bytes: Range<usize>,
}

/// The tensors of a folder (single file or sharded with an index), or of one file.
#[derive(Debug)]
pub struct Checkpoint {
    shards: Vec<Shard>,
    tensors: BTreeMap<String, StoredTensor>,
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

const INDEX: &str = "model.safetensors.index.json";
const SINGLE: &str = "model.safetensors";

impl Checkpoint {
    /// Maps the weights in `dir`: the shards of model.safetensors.index.json, or model.safetensors.
    ///
    /// # Errors
    /// [`ModelError`] if a file is missing, truncated or malformed, or the index names a tensor its shard lacks.
    pub fn open(dir: &Path) -> Result<Self, ModelError> {
        let index = dir.join(INDEX);
        if index.exists() {
            return Self::open_sharded(dir, &index);
        }
        let single = dir.join(SINGLE);
        if single.exists() {
            return Self::open_file(&single);
        }
        Err(ModelError::file(dir, format!("holds neither {SINGLE} nor {INDEX}: weights must be safetensors files")))
    }

    /// Maps one safetensors file.
    ///
    /// # Errors
    /// [`ModelError`] if it is missing, truncated or malformed.
    pub fn open_file(path: &Path) -> Result<Self, ModelError> {
        let mut checkpoint = Self { shards: Vec::new(), tensors: BTreeMap::new() };
        let tensors = checkpoint.add_shard(path.to_owned())?;
        checkpoint.tensors = tensors;
        Ok(checkpoint)
    }

    fn open_sharded(dir: &Path, index_path: &Path) -> Result<Self, ModelError> {
        let text = std::fs::read_to_string(index_path).map_err(|e| ModelError::io(index_path, e))?;
        let index: Index = serde_json::from_str(&text)
            .map_err(|e| ModelError::file(index_path, format!("not a weight index: {e}")))?;
        let mut by_file: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (tensor, file) in &index.weight_map {
            by_file.entry(file).or_default().push(tensor);
        }
        let mut checkpoint = Self { shards: Vec::new(), tensors: BTreeMap::new() };
        for (file, names) in by_file {
            if Path::new(file).file_name().is_none_or(|n| n != file) {
                return Err(ModelError::key(
                    index_path,
                    "weight_map",
                    format!("names the file {file:?}, which is not a plain file name"),
                ));
            }
            let path = dir.join(file);
            if !path.exists() {
                return Err(ModelError::file(
                    &path,
                    format!("is missing; {INDEX} keeps {} tensors in it: download it again", names.len()),
                ));
            }
            let mut held = checkpoint.add_shard(path.clone())?;
            for name in names {
                let stored = held.remove(name).ok_or_else(|| {
                    ModelError::stored(
                        &path,
                        name,
                        format!("is missing, but {INDEX} says it is there: the files belong to different downloads"),
                    )
                })?;
                checkpoint.tensors.insert(name.to_owned(), stored);
            }
        }
        Ok(checkpoint)
    }

    fn add_shard(&mut self, path: PathBuf) -> Result<BTreeMap<String, StoredTensor>, ModelError> {
        let file = File::open(&path).map_err(|e| ModelError::io(&path, e))?;
        // SAFETY: the mapping is private and read-only. If another process shortens the file while it is mapped, a
        // read past the new end raises SIGBUS; checkpoints are not edited in place, and every loader that maps
        // weights accepts this.
        #[allow(unsafe_code)]
        let map = unsafe { Mmap::map(&file) }.map_err(|e| ModelError::io(&path, e))?;
        let (header, metadata) = SafeTensors::read_metadata(&map).map_err(|e| {
            ModelError::file(
                &path,
                format!("is not a complete safetensors file ({e}); it has {} bytes: download it again", map.len()),
            )
        })?;
        let start = header + 8;
        let shard = self.shards.len();
        let tensors = metadata
            .tensors()
            .into_iter()
            .map(|(name, info)| {
                let bytes = start + info.data_offsets.0..start + info.data_offsets.1;
                (name, StoredTensor { shard, shape: info.shape.clone(), dtype: info.dtype, bytes })
            })
            .collect();
        self.shards.push(Shard { path, metadata: metadata.metadata().clone(), map: Arc::new(map) });
        Ok(tensors)
    }

    /// The mapped files.
    pub fn shards(&self) -> &[Shard] {
        &self.shards
    }

    /// All tensors by name.
    pub fn tensors(&self) -> &BTreeMap<String, StoredTensor> {
        &self.tensors
    }

    /// The file a tensor lies in; for a tensor that is nowhere, the first file.
    pub fn path_of(&self, name: &str) -> &Path {
        &self.shards[self.tensors.get(name).map_or(0, |t| t.shard)].path
    }

    /// The raw little-endian bytes of a tensor.
    pub fn bytes(&self, stored: &StoredTensor) -> &[u8] {
        &self.shards[stored.shard].map[stored.bytes.clone()]
    }

    /// The tensor `name` on `device`, converted to `kind` (or as stored). On the CPU and in its stored type it is a
    /// view of the mapped file, without a copy.
    ///
    /// # Errors
    /// [`ModelError::Stored`] if it is missing, has another shape than `shape` or is not f32, f16 or bf16.
    pub fn load(
        &self,
        name: &str,
        shape: Option<&[usize]>,
        kind: Option<Kind>,
        device: Device,
    ) -> Result<Tensor, ModelError> {
        let stored =
            self.tensors.get(name).ok_or_else(|| ModelError::stored(self.path_of(name), name, "is missing"))?;
        let path = self.path_of(name);
        if let Some(shape) = shape
            && stored.shape != shape
        {
            let what = format!("has shape {:?}, but config.json asks for {shape:?}", stored.shape);
            return Err(ModelError::stored(path, name, what));
        }
        let stored_kind = kind_of(stored.dtype).ok_or_else(|| {
            ModelError::stored(
                path,
                name,
                format!("is stored as {:?}; only F32, F16 and BF16 weights can be used", stored.dtype),
            )
        })?;
        let view = self.view(stored, stored_kind)?;
        let kind = kind.unwrap_or(stored_kind);
        if device == Device::Cpu && kind == stored_kind {
            if aligned(self.bytes(stored), kind) {
                // The view outlives any borrow of the mapping, so the mapping stays for the rest of the process.
                std::mem::forget(Arc::clone(&self.shards[stored.shard].map));
            }
            return Ok(view);
        }
        let converted = view.f_to_device(device)?.f_to_kind(kind)?;
        self.release(stored);
        Ok(converted)
    }

    /// Takes the pages of a tensor that was converted or moved out of this process's memory.
    fn release(&self, stored: &StoredTensor) {
        #[cfg(unix)]
        {
            let map = &self.shards[stored.shard].map;
            // SAFETY: the mapping is read-only and backed by the file: whoever reads the range again gets the same
            // bytes. Failure only costs memory.
            #[allow(unsafe_code)]
            let _ = unsafe {
                map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, stored.bytes.start, stored.bytes.len())
            };
        }
    }

    /// A tensor over the mapped bytes, or a copy where the file does not align them.
    fn view(&self, stored: &StoredTensor, kind: Kind) -> Result<Tensor, ModelError> {
        let bytes = self.bytes(stored);
        let size: Vec<i64> = stored.shape.iter().map(|&n| n as i64).collect();
        if !aligned(bytes, kind) {
            return Ok(Tensor::f_from_data_size(bytes, &size, kind)?);
        }
        let mut strides = vec![1; size.len()];
        for i in (1..size.len()).rev() {
            strides[i - 1] = strides[i] * size[i];
        }
        // SAFETY: the bytes hold exactly the elements of `size` (the header was validated against the file length),
        // they are aligned, and no weight is ever written to. The caller keeps the mapping alive.
        #[allow(unsafe_code)]
        let tensor = unsafe { Tensor::f_from_blob(bytes.as_ptr(), &size, &strides, kind, Device::Cpu) }?;
        Ok(tensor)
    }

    /// The type the weights are stored in, if they all share one.
    ///
    /// # Errors
    /// [`ModelError::Stored`] naming the first tensor of another type.
    pub fn weights_kind(&self) -> Result<Kind, ModelError> {
        let mut kinds = self.tensors.iter().map(|(name, t)| (name, t.dtype));
        let Some((_, first)) = kinds.next() else {
            return Err(ModelError::file(&self.shards[0].path, "holds no tensors"));
        };
        if let Some((name, other)) = kinds.find(|(_, d)| *d != first) {
            let what =
                format!("is stored as {other:?} while others are {first:?}: name the type to compute in with --dtype");
            return Err(ModelError::stored(self.path_of(name), name, what));
        }
        kind_of(first).ok_or_else(|| {
            ModelError::file(
                &self.shards[0].path,
                format!("stores {first:?}; only F32, F16 and BF16 weights can be used"),
            )
        })
    }
}

/// Whether a tensor of this type may lie over the bytes as they are.
fn aligned(bytes: &[u8], kind: Kind) -> bool {
    bytes.as_ptr().addr().is_multiple_of(kind.elt_size_in_bytes())
}

/// The libtorch type of a stored weight type.
fn kind_of(dtype: Dtype) -> Option<Kind> {
    match dtype {
        Dtype::F32 => Some(Kind::Float),
        Dtype::F16 => Some(Kind::Half),
        Dtype::BF16 => Some(Kind::BFloat16),
        _ => None,
    }
}
