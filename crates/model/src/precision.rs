//! In what a model computes, and how it holds its weights.

use crate::{DtypeChoice, ModelError};
use std::str::FromStr;
use tch::{Device, Kind, Tensor};

/// `--weights`: how the matrices of linear layers are held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WeightsChoice {
    /// As they are stored.
    #[default]
    Stored,
    /// As whole numbers from -127 to 127 with a scale per row, made when they are loaded.
    Int8,
}

impl WeightsChoice {
    /// As `--weights` calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Int8 => "int8",
        }
    }
}

impl FromStr for WeightsChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "stored" => Ok(Self::Stored),
            "int8" => Ok(Self::Int8),
            _ => Err(format!("{text:?} is not a way to hold weights: stored or int8")),
        }
    }
}

/// In what a model computes, and how it holds its weights. Weights that are stored narrower than f32 stay so on the CPU if
/// the model computes in f32: they are widened just before each product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Precision {
    /// The type of activations.
    pub compute: Kind,
    /// How the matrices of linear layers are held.
    pub weights: WeightsChoice,
}

impl Precision {
    /// What the two flags mean for weights of this type on this device.
    ///
    /// # Errors
    /// [`ModelError::Device`] if they contradict each other or the device.
    pub fn resolve(
        dtype: DtypeChoice,
        weights: WeightsChoice,
        stored: Kind,
        device: Device,
    ) -> Result<Self, ModelError> {
        if weights == WeightsChoice::Stored {
            return Ok(dtype.resolve(stored, device).into());
        }
        if dtype == DtypeChoice::Bf16 {
            let what = "--weights int8 is widened to f32 for every product: leave out --dtype bf16";
            return Err(ModelError::Device(what.into()));
        }
        if device != Device::Cpu {
            return Err(no_int8(device));
        }
        Ok(Self { compute: Kind::Float, weights })
    }
}

/// The error about whole numbers on a device that has no product for them.
pub(crate) fn no_int8(device: Device) -> ModelError {
    ModelError::Device(format!("--weights int8 is for the CPU, not for {device:?}: add --device cpu, or leave it out"))
}

impl From<Kind> for Precision {
    fn from(compute: Kind) -> Self {
        Self { compute, weights: WeightsChoice::Stored }
    }
}

/// A matrix [out, in] as it is held.
#[derive(Debug)]
pub(crate) struct Held {
    pub values: Tensor,
    /// What the rows of whole numbers are to be multiplied with, [out].
    pub scale: Option<Tensor>,
}

/// Rows that are rounded at a time: a copy of them in f32 is made.
const ROWS: i64 = 1024;

/// Whole numbers and a scale per row, such that the largest of a row in magnitude becomes 127. `read` is called whenever some
/// rows were read: a mapped file need not keep their pages.
///
/// # Errors
/// [`ModelError::Torch`] if memory runs out.
pub(crate) fn to_int8(weight: &Tensor, read: &dyn Fn()) -> Result<Held, ModelError> {
    let _no_grad = tch::no_grad_guard();
    let (n, device) = (weight.size()[0], weight.device());
    let values = Tensor::f_empty(weight.size(), (Kind::Int8, device))?;
    let scale = Tensor::f_empty([n], (Kind::Float, device))?;
    for from in (0..n).step_by(ROWS as usize) {
        let rows = ROWS.min(n - from);
        let part = weight.f_narrow(0, from, rows)?.f_to_kind(Kind::Float)?;
        let largest = part.f_abs()?.f_amax([1i64].as_slice(), true)?;
        let step = largest.f_div_scalar(127.0)?;
        let divisor = step.f_masked_fill(&step.f_eq(0.0)?, 1.0)?; // a row of zeros
        let whole = part.f_div(&divisor)?.f_round()?;
        values.f_narrow(0, from, rows)?.f_copy_(&whole)?;
        scale.f_narrow(0, from, rows)?.f_copy_(&step.f_squeeze_dim(1)?)?;
        read();
    }
    Ok(Held { values, scale: Some(scale) })
}
