//! Writing tensors: a file is whole or absent.

use crate::ModelError;
use safetensors::tensor::{Dtype, TensorView};
use std::collections::HashMap;
use std::path::Path;
use tch::{Device, Kind, Tensor};

/// Writes named tensors as f32 to a safetensors file that is complete or absent.
///
/// # Errors
/// [`ModelError::Io`] if it cannot be written.
pub fn save_tensors(path: &Path, tensors: &[(String, &Tensor)]) -> Result<(), ModelError> {
    let stored: Vec<(&str, Vec<usize>, Vec<u8>)> = tensors
        .iter()
        .map(|(name, t)| Ok((name.as_str(), t.size().iter().map(|&n| n as usize).collect(), f32_bytes(t)?)))
        .collect::<Result<_, ModelError>>()?;
    let views = stored
        .iter()
        .map(|(name, shape, bytes)| Ok((*name, TensorView::new(Dtype::F32, shape.clone(), bytes)?)))
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()
        .map_err(|e| ModelError::file(path, e))?;
    let format = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let bytes = safetensors::serialize(views, Some(format)).map_err(|e| ModelError::file(path, e))?;
    write_whole(path, &bytes)
}

/// The little-endian bytes of a tensor as f32.
fn f32_bytes(tensor: &Tensor) -> Result<Vec<u8>, ModelError> {
    let flat = tensor.detach().f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?.f_contiguous()?;
    let mut bytes = vec![0u8; flat.numel() * 4];
    flat.f_copy_data_u8(&mut bytes, flat.numel())?;
    Ok(bytes)
}

/// Writes a file under a temporary name and renames it, so that a reader never sees half of it.
///
/// # Errors
/// [`ModelError::Io`] if it cannot be written.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), ModelError> {
    mosa_records::write_whole(path, bytes).map_err(|e| ModelError::io(path, e))
}
