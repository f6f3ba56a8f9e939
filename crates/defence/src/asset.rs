//! What a defence was fitted on: tensors in a safetensors file that says what made it.

use crate::DefenceError;
use mosa_core::hex;
use safetensors::tensor::{Metadata, SafeTensors};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor};

/// The key of the file's metadata under which [`Made`] stands.
const KEY: &str = "mosa_defence";

/// How an asset came about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Made {
    /// The defence it is for.
    pub defence: String,
    /// Fingerprint of the model it was made with, the adapter's behind it if there was one.
    pub model: String,
    /// The files it was made of, with their SHA-256.
    pub files: BTreeMap<String, String>,
    /// What it was made by, and numbers that belong to it.
    pub settings: Value,
}

impl Made {
    /// What a file says of itself; an error in words if it is no asset.
    pub fn of(bytes: &[u8]) -> Result<Self, String> {
        let (_, header): (usize, Metadata) = SafeTensors::read_metadata(bytes).map_err(|e| e.to_string())?;
        let said = header.metadata().as_ref().and_then(|m| m.get(KEY));
        let said = said.ok_or_else(|| format!("its metadata has no {KEY}"))?;
        serde_json::from_str(said).map_err(|e| e.to_string())
    }
}

/// A fitted asset.
#[derive(Debug)]
pub struct Asset {
    /// How it came about.
    pub made: Made,
    /// Its tensors by name, f32.
    pub tensors: BTreeMap<String, Tensor>,
    /// SHA-256 of its file; empty before it is written.
    pub hash: String,
    path: PathBuf,
}

impl Asset {
    /// A new one.
    pub fn new(made: Made, tensors: BTreeMap<String, Tensor>) -> Self {
        Self { made, tensors, hash: String::new(), path: PathBuf::new() }
    }

    /// Reads an asset of this defence that was made with this model. Its tensors are on the CPU.
    ///
    /// # Errors
    /// [`DefenceError`] if the file is none, is another defence's, or was made with another model.
    pub fn read(path: &Path, defence: &str, model: &str) -> Result<Self, DefenceError> {
        let wrong = |what: String| DefenceError::Asset { path: path.to_owned(), what };
        let bytes = std::fs::read(path).map_err(|source| DefenceError::Io { path: path.to_owned(), source })?;
        let no_file = |e: &dyn std::fmt::Display| wrong(format!("is no asset of a defence: {e}"));
        let made = Made::of(&bytes).map_err(|e| no_file(&e))?;
        if made.defence != defence {
            return Err(wrong(format!("is an asset of the defence {}, not of {defence}", made.defence)));
        }
        if made.model != model {
            return Err(wrong(format!(
                "was made with another model or adapter ({}, this is {model}); make one with `mosa defence fit {defence}`",
                made.model
            )));
        }
        let file = SafeTensors::deserialize(&bytes).map_err(|e| no_file(&e))?;
        let mut tensors = BTreeMap::new();
        for (name, view) in file.tensors() {
            if view.dtype() != safetensors::Dtype::F32 {
                return Err(wrong(format!("tensor {name} is {:?}, not F32", view.dtype())));
            }
            let shape: Vec<i64> = view.shape().iter().map(|&n| n as i64).collect();
            let tensor = Tensor::f_from_data_size(view.data(), &shape, Kind::Float)?;
            if !bool::try_from(tensor.f_isfinite()?.f_all()?)? {
                return Err(wrong(format!("tensor {name} holds numbers that are not finite")));
            }
            tensors.insert(name, tensor);
        }
        Ok(Self { made, tensors, hash: hex(&Sha256::digest(&bytes)), path: path.to_owned() })
    }

    /// A tensor of any shape.
    ///
    /// # Errors
    /// [`DefenceError::Asset`] if there is none.
    pub fn any(&self, name: &str) -> Result<&Tensor, DefenceError> {
        let wrong = || DefenceError::Asset { path: self.path.clone(), what: format!("has no tensor {name}") };
        self.tensors.get(name).ok_or_else(wrong)
    }

    /// A tensor of this shape.
    ///
    /// # Errors
    /// [`DefenceError::Asset`] if there is none.
    pub fn tensor(&self, name: &str, shape: &[i64]) -> Result<&Tensor, DefenceError> {
        let wrong = |what: String| DefenceError::Asset { path: self.path.clone(), what };
        let tensor = self.any(name)?;
        if tensor.size() != shape {
            return Err(wrong(format!("tensor {name} is {:?}, not {shape:?}", tensor.size())));
        }
        Ok(tensor)
    }

    /// The bytes of its file: the same for the same tensors and words.
    ///
    /// # Errors
    /// [`DefenceError`] if a tensor cannot be copied.
    pub fn bytes(&self) -> Result<Vec<u8>, DefenceError> {
        let mut data = Vec::new();
        for (name, tensor) in &self.tensors {
            let flat = tensor.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?.f_reshape([-1])?;
            let values = Vec::<f32>::try_from(flat)?;
            let shape: Vec<usize> = tensor.size().iter().map(|&n| n as usize).collect();
            data.push((name, shape, values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>()));
        }
        let wrong = |e: &dyn std::fmt::Display| DefenceError::Asset { path: self.path.clone(), what: e.to_string() };
        let mut views = Vec::with_capacity(data.len());
        for (name, shape, bytes) in &data {
            let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.clone(), bytes);
            views.push((name.as_str(), view.map_err(|e| wrong(&e))?));
        }
        let made = serde_json::to_string(&self.made).map_err(|e| wrong(&e))?;
        let said = std::collections::HashMap::from([(KEY.to_owned(), made)]);
        safetensors::serialize(views, Some(said)).map_err(|e| wrong(&e))
    }
}
