//! Products of f32 activations with weights that are held narrower: bf16, f16, or whole numbers with a scale per row.
//!
//! The weights are widened just before each product, a tile at a time, so that memory holds them as they are stored and
//! the numbers are those of f32 weights, up to the order of sums.

use crate::ModelError;
use crate::few_rows::{self, Matrix};
use crate::lanes::{Bf16, F16, Narrow};
use crate::many_rows::{self, Back, Forth};
use tch::{Device, Kind, Tensor};

/// Up to so many rows the matrix is widened in registers; more of them are worth a copy of every tile.
pub(crate) const FEW: usize = 16;

/// A matrix [out, in] as it is held.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Narrowed<'a> {
    pub values: &'a Tensor,
    /// What the rows of whole numbers are to be multiplied with, [out].
    pub scale: Option<&'a Tensor>,
}

impl Narrowed<'_> {
    /// x Wᵀ of x [.., in] in f32: [.., out].
    pub(crate) fn product(self, x: &Tensor) -> Result<Tensor, ModelError> {
        let y = self.multiply(x, true)?;
        Ok(match self.scale {
            Some(scale) => y.f_mul(scale)?,
            None => y,
        })
    }

    /// dy W of dy [.., out] in f32: [.., in].
    pub(crate) fn product_back(self, dy: &Tensor) -> Result<Tensor, ModelError> {
        match self.scale {
            Some(scale) => self.multiply(&dy.f_detach()?.f_mul(scale)?, false),
            None => self.multiply(dy, false),
        }
    }

    /// x Wᵀ, or x W, without scales.
    fn multiply(self, x: &Tensor, forth: bool) -> Result<Tensor, ModelError> {
        let w = self.values.f_contiguous()?;
        let (rows, columns) = (w.size()[0], w.size()[1]);
        let [outputs, inputs] = if forth { [rows, columns] } else { [columns, rows] };
        let mut shape = x.size();
        if shape.pop() != Some(inputs) {
            return Err(ModelError::Call(format!("a product of {:?} with weights {:?}", x.size(), w.size())));
        }
        shape.push(outputs);
        let x = x.f_detach()?.f_reshape([-1, inputs])?.f_contiguous()?;
        let y = Tensor::f_empty(&shape[..], (Kind::Float, Device::Cpu))?;
        let to = y.data_ptr().cast::<f32>();
        // SAFETY: contiguous tensors of the CPU of sizes that were compared, of these types; y is new.
        #[allow(unsafe_code)]
        unsafe {
            match w.kind() {
                Kind::BFloat16 => multiply::<Bf16>(matrix(&x), matrix(&w), to, forth),
                Kind::Half => multiply::<F16>(matrix(&x), matrix(&w), to, forth),
                Kind::Int8 => multiply::<i8>(matrix(&x), matrix(&w), to, forth),
                Kind::Float => multiply::<f32>(matrix(&x), matrix(&w), to, forth),
                other => return Err(ModelError::Call(format!("weights cannot be held as {other:?}"))),
            }
        }
        Ok(y)
    }

    /// The whole matrix in f32.
    pub(crate) fn whole(self) -> Result<Tensor, ModelError> {
        let all = self.values.f_to_kind(Kind::Float)?;
        match self.scale {
            Some(scale) => Ok(all.f_mul(&scale.f_unsqueeze(1)?)?),
            None => Ok(all),
        }
    }
}

/// # Safety
/// As [`many_rows::product`].
#[allow(unsafe_code)]
unsafe fn multiply<W: Narrow>(x: Matrix<f32>, w: Matrix<W>, y: *mut f32, forth: bool) {
    // SAFETY: the caller's promise.
    unsafe {
        match forth {
            true if x.rows <= FEW => few_rows::product(x, w, y),
            true => many_rows::product::<Forth, W>(x, w, y),
            false => many_rows::product::<Back, W>(x, w, y),
        }
    }
}

/// The numbers of a contiguous matrix of this type on the CPU.
fn matrix<T: Narrow>(tensor: &Tensor) -> Matrix<T> {
    let size = tensor.size();
    Matrix { data: tensor.data_ptr().cast::<T>().cast_const(), rows: size[0] as usize, columns: size[1] as usize }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::precision::{Held, to_int8};

    fn wave(size: [i64; 2], step: f64) -> Tensor {
        (Tensor::arange(size[0] * size[1], (Kind::Float, Device::Cpu)) * step).sin().view(size)
    }

    fn distance(a: &Tensor, b: &Tensor) -> f64 {
        (a - b).abs().max().double_value(&[])
    }

    /// A matrix in every form it can be held in.
    fn held(n: i64, k: i64) -> Vec<Held> {
        let plain = wave([n, k], 0.37);
        let kinds = [Kind::Float, Kind::BFloat16, Kind::Half];
        let mut all: Vec<Held> = kinds.map(|kind| Held { values: plain.to_kind(kind), scale: None }).into();
        all.push(to_int8(&plain, &|| {}).unwrap());
        all
    }

    #[test]
    fn products_are_those_of_the_widened_weights_both_ways() {
        for (n, k) in [(29, 37), (96, 64), (201, 530), (1, 1), (5, 300)] {
            for Held { values, scale } in held(n, k) {
                let narrow = Narrowed { values: &values, scale: scale.as_ref() };
                let whole = narrow.whole().unwrap();
                for m in [1, 2, 3, 4, 7, 16, 17, 33, 70, 300] {
                    let (x, dy) = (wave([m, k], 0.71), wave([m, n], 0.53));
                    let [forth, back] = [narrow.product(&x).unwrap(), narrow.product_back(&dy).unwrap()];
                    let place = format!("{m} x {n} x {k} {:?}", values.kind());
                    assert!(distance(&forth, &x.matmul(&whole.tr())) < 2e-4, "{place}");
                    assert!(distance(&back, &dy.matmul(&whole)) < 2e-4, "{place}");
                }
            }
        }
    }

    #[test]
    fn a_row_of_a_product_has_the_same_bits_whatever_stands_beside_it() {
        let Held { values, .. } = held(100, 333).swap_remove(1);
        let narrow = Narrowed { values: &values, scale: None };
        for (from, alone, many) in [(2, 1, 9), (40, 17, 200)] {
            let x = wave([many, 333], 0.71);
            let all = narrow.product(&x).unwrap().narrow(0, from, alone.min(many - from));
            let own = narrow.product(&x.narrow(0, from, alone.min(many - from))).unwrap();
            assert_eq!(distance(&all, &own), 0.0);
        }
    }

    #[test]
    fn whole_numbers_are_within_half_a_step_and_a_row_of_zeros_stays_zero() {
        let plain = wave([40, 64], 0.37) * wave([40, 1], 1.7) * 3.0;
        let _ = plain.narrow(0, 7, 1).zero_();
        let Held { values, scale } = to_int8(&plain, &|| {}).unwrap();
        let scale = scale.unwrap();
        let whole = Narrowed { values: &values, scale: Some(&scale) }.whole().unwrap();
        let half = scale.unsqueeze(1) * 0.5001;
        assert!((&whole - &plain).abs().less_equal_tensor(&half).all().int64_value(&[]) == 1);
        assert_eq!(values.to_kind(Kind::Float).abs().max().double_value(&[]), 127.0);
        assert_eq!(whole.get(7).abs().max().double_value(&[]), 0.0);
    }

    #[test]
    fn what_is_no_number_is_not_hidden_by_rounding() {
        let plain = wave([3, 8], 0.37);
        let _ = plain.get(1).get(2).fill_(f64::NAN);
        let held = to_int8(&plain, &|| {}).unwrap();
        let narrow = Narrowed { values: &held.values, scale: held.scale.as_ref() };
        assert!(narrow.product(&wave([1, 8], 0.7)).unwrap().double_value(&[0, 1]).is_nan());
    }
}
