//! Safetensors files of a checkpoint folder, mapped into memory.

use crate::ModelError;
use crate::shards::{INDEX, Index, Layout, disguise};
use memmap2::Mmap;
use safetensors::{Dtype, SafeTensors};
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

/// The tensors of a folder (single file, or shards with or without an index), or of one file.
#[derive(Debug)]
pub struct Checkpoint {
    /// What says which tensors there are: the file, the index, or the folder.
    source: PathBuf,
    shards: Vec<Shard>,
    tensors: BTreeMap<String, StoredTensor>,
    /// Tensors that are in a shard but not in the index, with their shard.
    unlisted: BTreeMap<String, usize>,
}

impl Checkpoint {
    /// Maps the weights in `dir`: model.safetensors, the shards of model.safetensors.index.json, or all of
    /// model-00001-of-0000N.safetensors.
    ///
    /// # Errors
    /// [`ModelError`] if a file is missing, truncated or malformed, the index names a tensor its shard lacks, or two
    /// shards hold different tensors of one name.
    pub fn open(dir: &Path) -> Result<Self, ModelError> {
        match Layout::find(dir)? {
            Layout::Single(path) => Self::open_file(&path),
            Layout::Indexed(index) => Self::open_indexed(dir, &index),
            Layout::Numbered(paths) => Self::open_numbered(dir, paths),
        }
    }

    /// Maps one safetensors file.
    ///
    /// # Errors
    /// [`ModelError`] if it is missing, truncated or malformed.
    pub fn open_file(path: &Path) -> Result<Self, ModelError> {
        let mut checkpoint = Self::empty(path);
        checkpoint.tensors = checkpoint.add_shard(path.to_owned())?;
        Ok(checkpoint)
    }

    fn empty(source: &Path) -> Self {
        Self { source: source.to_owned(), shards: Vec::new(), tensors: BTreeMap::new(), unlisted: BTreeMap::new() }
    }

    fn open_numbered(dir: &Path, paths: Vec<PathBuf>) -> Result<Self, ModelError> {
        let mut checkpoint = Self::empty(dir);
        for path in paths {
            for (name, stored) in checkpoint.add_shard(path)? {
                checkpoint.same_as_elsewhere(&name, &stored)?;
                checkpoint.tensors.entry(name).or_insert(stored);
            }
        }
        Ok(checkpoint)
    }

    fn open_indexed(dir: &Path, index: &Index) -> Result<Self, ModelError> {
        let mut by_file: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (tensor, file) in &index.map {
            by_file.entry(file).or_default().push(tensor);
        }
        let mut checkpoint = Self::empty(&index.path);
        let mut others = Vec::new();
        for (file, names) in by_file {
            let path = dir.join(file);
            if !path.exists() {
                let what = format!("is missing; {} keeps {} tensors in it: download it again", INDEX, names.len());
                return Err(ModelError::file(&path, what));
            }
            let mut held = checkpoint.add_shard(path.clone())?;
            for name in names {
                let stored = held.remove(name).ok_or_else(|| {
                    let what =
                        format!("is missing, but {INDEX} says it is there: the files belong to different downloads");
                    ModelError::stored(&path, name, what)
                })?;
                checkpoint.tensors.insert(name.to_owned(), stored);
            }
            others.extend(held);
        }
        for (name, stored) in others {
            checkpoint.same_as_elsewhere(&name, &stored)?;
            if !checkpoint.tensors.contains_key(&name) {
                checkpoint.unlisted.insert(name, stored.shard);
            }
        }
        Ok(checkpoint)
    }

    /// Refuses a second tensor of a name, unless it is the same one.
    fn same_as_elsewhere(&self, name: &str, stored: &StoredTensor) -> Result<(), ModelError> {
        let Some(other) = self.tensors.get(name) else { return Ok(()) };
        if (&other.shape, other.dtype) == (&stored.shape, stored.dtype) && self.bytes(other) == self.bytes(stored) {
            return Ok(());
        }
        let (here, there) = (&self.shards[stored.shard].path, self.shards[other.shard].path.display());
        let what =
            format!("is another one than the tensor of that name in {there}: the shards are of different checkpoints");
        Err(ModelError::stored(here, name, what))
    }

    fn missing(&self, name: &str) -> ModelError {
        match self.unlisted.get(name) {
            None => ModelError::stored(&self.source, name, "is missing"),
            Some(&shard) => {
                let what = format!("is missing here, though {} holds it", self.shards[shard].path.display());
                ModelError::stored(&self.source, name, format!("{what}: the index belongs to another checkpoint"))
            }
        }
    }

    fn add_shard(&mut self, path: PathBuf) -> Result<BTreeMap<String, StoredTensor>, ModelError> {
        let file = File::open(&path).map_err(|e| ModelError::io(&path, e))?;
        // SAFETY: the mapping is private and read-only. If another process shortens the file while it is mapped, a
        // read past the new end raises SIGBUS; checkpoints are not edited in place, and every loader that maps
        // weights accepts this.
        #[allow(unsafe_code)]
        let map = unsafe { Mmap::map(&file) }.map_err(|e| ModelError::io(&path, e))?;
        let (header, metadata) = SafeTensors::read_metadata(&map).map_err(|e| {
            let what = disguise(&map).map_or_else(
                || format!("is not a complete safetensors file ({e}); it has {} bytes: download it again", map.len()),
                str::to_owned,
            );
            ModelError::file(&path, what)
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

    /// What says which tensors there are: the file, the index, or the folder.
    pub fn source(&self) -> &Path {
        &self.source
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
        let stored = self.tensors.get(name).ok_or_else(|| self.missing(name))?;
        let path = self.path_of(name);
        if let Some(shape) = shape
            && stored.shape != shape
        {
            let what = format!("has shape {:?}, but config.json asks for {shape:?}", stored.shape);
            return Err(ModelError::stored(path, name, what));
        }
        let stored_kind =
            kind_of(stored.dtype).ok_or_else(|| ModelError::stored(path, name, unusable(stored.dtype)))?;
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
        self.release(name);
        Ok(converted)
    }

    /// Takes the pages of a tensor that was converted or moved out of this process's memory.
    pub(crate) fn release(&self, name: &str) {
        let Some(stored) = self.tensors.get(name) else { return };
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

    /// The type the weights are stored in, if they all share one. Other tensors, like tables that some exports store, do
    /// not count.
    ///
    /// # Errors
    /// [`ModelError::Stored`] naming the first weight of a type mosa does not read, or of another type than the first one.
    pub fn weights_kind(&self) -> Result<Kind, ModelError> {
        let is_weight = |name: &str| name.ends_with(".weight") || name.ends_with(".bias");
        let mut kinds = Vec::new();
        for (name, t) in self.tensors.iter().filter(|(n, _)| is_weight(n)) {
            let kind = kind_of(t.dtype);
            let kind = kind.ok_or_else(|| ModelError::stored(self.path_of(name), name, unusable(t.dtype)))?;
            kinds.push((name, t.dtype, kind));
        }
        let Some((_, first, kind)) = kinds.first() else {
            return Err(ModelError::file(&self.source, "holds no weights"));
        };
        if let Some((name, other, _)) = kinds.iter().find(|(_, d, _)| d != first) {
            let what =
                format!("is stored as {other:?} while others are {first:?}: name the type to compute in with --dtype");
            return Err(ModelError::stored(self.path_of(name), name, what));
        }
        Ok(*kind)
    }
}

/// Why a tensor of this type cannot be a weight.
fn unusable(dtype: Dtype) -> String {
    format!(
        "is stored as {dtype:?}; only F32, F16 and BF16 weights can be used, whatever type is computed in: use the \
         checkpoint it was made from, or convert it to BF16 with the tool that wrote it, which knows the scales that \
         belong to it"
    )
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
