//! Products with weights that mosa multiplies itself: held narrower than f32 (bf16, f16, or whole numbers with a
//! scale per row), or met by a few rows only.
//!
//! Narrow weights are widened just before each product, a tile at a time, so that memory holds them as they are
//! stored and the numbers are those of f32 weights, up to the order of sums.

use crate::ModelError;
use crate::cpu::dots;
use crate::few_rows::{self, Factors, Job, Matrix};
use crate::lanes::{Bf16, F16, Narrow};
use crate::many_rows::{self, Back, Forth};
use std::ops::Range;
use tch::{Device, Kind, Tensor};

/// Up to so many rows the matrix is multiplied while it is read; more of them are worth a copy of every tile.
pub(crate) const FEW: usize = 16;

/// A matrix [out, in] as it is held.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Narrowed<'a> {
    pub values: &'a Tensor,
    /// What the rows of whole numbers are to be multiplied with, [out].
    pub scale: Option<&'a Tensor>,
}

/// The products x Wᵀ of all pairs of x [.., in], of f32 or of the type of bf16 weights, and W: f32 [.., out] each.
/// Those of few rows are shared by the threads together.
pub(crate) fn products(pairs: &[(Narrowed<'_>, &Tensor)]) -> Result<Vec<Tensor>, ModelError> {
    let laid = pairs.iter().map(|(w, x)| Laid::new(*w, x)).collect::<Result<Vec<_>, _>>()?;
    let (few, many): (Vec<&Laid>, _) = laid.iter().partition(|laid| laid.x.size()[0] <= FEW as i64);
    let jobs = few.into_iter().map(Laid::job).collect::<Result<Vec<_>, _>>()?;
    // SAFETY: contiguous tensors of the CPU whose sizes were compared; every y is new, and all live on.
    #[allow(unsafe_code)]
    unsafe {
        few_rows::products(&jobs);
    }
    for laid in many {
        laid.by_tiles(true)?;
    }
    let scaled = |(laid, (w, _)): (Laid, &(Narrowed<'_>, &Tensor))| match w.scale {
        Some(scale) => Ok(laid.y.f_mul(scale)?),
        None => Ok(laid.y),
    };
    laid.into_iter().zip(pairs).map(scaled).collect()
}

/// The products of matrices [out, in] with their own numbers of rows of x [rows, in], which stand one behind the
/// other; of every list of matrices f32 [rows, out]. All are shared by the threads together, whatever the numbers
/// are.
pub(crate) fn in_a_row(x: &Tensor, lists: &[Vec<(&Tensor, usize)>]) -> Result<Vec<Tensor>, ModelError> {
    let given = x;
    let first = lists.iter().flatten().next().map_or(Kind::Float, |(w, _)| kind_beside(w, given));
    let x = x.f_detach()?.f_to_kind(first)?.f_contiguous()?;
    let (rows, inputs) = x.size2()?;
    let (mut jobs, mut made) = (Vec::new(), Vec::with_capacity(lists.len()));
    for list in lists {
        let outputs = list.first().map_or(0, |(w, _)| w.size()[0]);
        let y = Tensor::f_empty([rows, outputs], (Kind::Float, Device::Cpu))?;
        let mut from = 0;
        for &(w, n) in list {
            let fits = w.size() == [outputs, inputs] && w.is_contiguous() && kind_beside(w, given) == first;
            if !fits || from + n > rows as usize {
                return Err(ModelError::Call(format!("products of {:?} with weights {:?}", x.size(), w.size())));
            }
            jobs.push(job(&x, w, &y, from..from + n)?);
            from += n;
        }
        if from != rows as usize {
            return Err(ModelError::Call(format!("{from} of {rows} rows have a matrix")));
        }
        made.push(y);
    }
    // SAFETY: contiguous tensors of the CPU whose sizes were compared; the rows of a y are new, and of one job each.
    #[allow(unsafe_code)]
    unsafe {
        few_rows::products(&jobs);
    }
    Ok(made)
}

/// The type of a few activations for a product with these weights: as they are where the processor multiplies pairs
/// of bf16, else widened once instead of in every tile.
fn kind_beside(w: &Tensor, x: &Tensor) -> Kind {
    if w.kind() == Kind::BFloat16 && dots() { x.kind() } else { Kind::Float }
}

/// The job that multiplies these rows of x [rows, in] with W [out, in], into the same rows of y [rows, out]; all
/// contiguous.
fn job(x: &Tensor, w: &Tensor, y: &Tensor, rows: Range<usize>) -> Result<Job, ModelError> {
    fn part<T>(x: &Tensor, rows: &Range<usize>) -> Matrix<T> {
        let whole = matrix::<T>(x);
        Matrix { data: whole.data.wrapping_add(rows.start * whole.columns), rows: rows.len(), ..whole }
    }
    let factors = match (x.kind(), w.kind()) {
        (Kind::BFloat16, Kind::BFloat16) => Factors::AllBf16(part(x, &rows), matrix(w)),
        (Kind::Float, Kind::BFloat16) => Factors::Bf16(part(x, &rows), matrix(w)),
        (Kind::Float, Kind::Half) => Factors::F16(part(x, &rows), matrix(w)),
        (Kind::Float, Kind::Int8) => Factors::Int8(part(x, &rows), matrix(w)),
        (Kind::Float, Kind::Float) => Factors::F32(part(x, &rows), matrix(w)),
        (_, other) => return Err(not_held(other)),
    };
    Ok(Job { factors, y: part::<f32>(y, &rows).data.cast_mut() })
}

/// A product whose sizes were compared.
struct Laid {
    /// [rows, in], contiguous.
    x: Tensor,
    /// [out, in], contiguous.
    w: Tensor,
    /// [.., out], f32.
    y: Tensor,
}

impl Laid {
    /// x Wᵀ, without scales.
    fn new(w: Narrowed<'_>, x: &Tensor) -> Result<Self, ModelError> {
        let few = x.numel() <= FEW * w.values.size()[1] as usize;
        let kind = if few { kind_beside(w.values, x) } else { Kind::Float };
        Self::of(w.values, x, kind, true)
    }

    /// With activations of this type; x Wᵀ or x W.
    fn of(w: &Tensor, x: &Tensor, kind: Kind, forth: bool) -> Result<Self, ModelError> {
        let w = w.f_contiguous()?;
        let (rows, columns) = (w.size()[0], w.size()[1]);
        let [outputs, inputs] = if forth { [rows, columns] } else { [columns, rows] };
        let mut shape = x.size();
        if shape.pop() != Some(inputs) {
            return Err(ModelError::Call(format!("a product of {:?} with weights {:?}", x.size(), w.size())));
        }
        shape.push(outputs);
        let x = x.f_detach()?.f_to_kind(kind)?.f_reshape([-1, inputs])?.f_contiguous()?;
        Ok(Self { x, w, y: Tensor::f_empty(&shape[..], (Kind::Float, Device::Cpu))? })
    }

    fn to(&self) -> *mut f32 {
        self.y.data_ptr().cast()
    }

    /// For a few rows.
    fn job(&self) -> Result<Job, ModelError> {
        let (rows, outputs) = (self.x.size()[0], self.w.size()[0]);
        job(&self.x, &self.w, &self.y.f_view([rows, outputs])?, 0..rows as usize)
    }

    /// For any number of rows, of f32.
    fn by_tiles(&self, forth: bool) -> Result<(), ModelError> {
        let (x, w, y) = (matrix(&self.x), &self.w, self.to());
        // SAFETY: contiguous tensors of the CPU of sizes that were compared, of these types; y is new.
        #[allow(unsafe_code)]
        unsafe {
            match w.kind() {
                Kind::BFloat16 => by_tiles::<Bf16>(x, matrix(w), y, forth),
                Kind::Half => by_tiles::<F16>(x, matrix(w), y, forth),
                Kind::Int8 => by_tiles::<i8>(x, matrix(w), y, forth),
                Kind::Float => by_tiles::<f32>(x, matrix(w), y, forth),
                other => return Err(not_held(other)),
            }
        }
        Ok(())
    }
}

fn not_held(kind: Kind) -> ModelError {
    ModelError::Call(format!("weights cannot be held as {kind:?}, or not beside these activations"))
}

impl Narrowed<'_> {
    /// x Wᵀ of x [.., in]: f32 [.., out]. See [`products`].
    pub(crate) fn product(self, x: &Tensor) -> Result<Tensor, ModelError> {
        Ok(products(&[(self, x)])?.swap_remove(0))
    }

    /// dy W of dy [.., out] in f32: [.., in].
    pub(crate) fn product_back(self, dy: &Tensor) -> Result<Tensor, ModelError> {
        let scaled = self.scale.map(|scale| dy.f_detach()?.f_mul(scale)).transpose()?;
        let laid = Laid::of(self.values, scaled.as_ref().unwrap_or(dy), Kind::Float, false)?;
        laid.by_tiles(false)?;
        Ok(laid.y)
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
unsafe fn by_tiles<W: Narrow>(x: Matrix<f32>, w: Matrix<W>, y: *mut f32, forth: bool) {
    // SAFETY: the caller's promise.
    unsafe {
        if forth {
            many_rows::product::<Forth, W>(x, w, y);
        } else {
            many_rows::product::<Back, W>(x, w, y);
        }
    }
}

/// The numbers of a contiguous matrix of this type on the CPU.
fn matrix<T>(tensor: &Tensor) -> Matrix<T> {
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
    fn rows_of_bf16_are_multiplied_as_in_f32_and_have_the_same_bits_whatever_stands_beside_them() {
        for (n, k) in [(29, 37), (96, 64), (201, 530), (1, 1), (5, 300)] {
            let w = wave([n, k], 0.37).to_kind(Kind::BFloat16);
            let narrow = Narrowed { values: &w, scale: None };
            let x = wave([FEW as i64, k], 0.71).to_kind(Kind::BFloat16);
            let all = narrow.product(&x).unwrap();
            assert!(distance(&all, &x.to_kind(Kind::Float).matmul(&w.to_kind(Kind::Float).tr())) < 2e-4, "{n} x {k}");
            for (from, rows) in [(0, 1), (3, 1), (5, 2), (2, 3), (7, 4), (1, 9)] {
                let own = narrow.product(&x.narrow(0, from, rows)).unwrap();
                assert!(own.equal(&all.narrow(0, from, rows)), "{n} x {k}: {rows} rows from {from} on");
            }
        }
    }

    #[test]
    fn rows_that_stand_one_behind_the_other_meet_their_own_matrix() {
        let counts = [3, 0, 20, 1];
        for kind in [Kind::Float, Kind::BFloat16] {
            let [gates, ups] = [0.37, 0.53].map(|step| {
                let matrix = |i: usize| wave([29, 37], step + 0.1 * i as f64).to_kind(Kind::BFloat16);
                (0..4).map(matrix).collect::<Vec<_>>()
            });
            let x = wave([24, 37], 0.71).to_kind(kind);
            let lists = [&gates, &ups].map(|all| all.iter().zip(counts).collect::<Vec<_>>());
            let made = in_a_row(&x, &lists).unwrap();
            for (weights, y) in [&gates, &ups].into_iter().zip(made) {
                let mut from = 0;
                for (w, n) in weights.iter().zip(counts).filter(|(_, n)| *n > 0) {
                    let n = n as i64;
                    let own = in_a_row(&x.narrow(0, from, n), &[vec![(w, n as usize)]]).unwrap();
                    assert!(y.narrow(0, from, n).equal(&own[0]));
                    let wide = x.narrow(0, from, n).to_kind(Kind::Float).matmul(&w.to_kind(Kind::Float).tr());
                    assert!(distance(&own[0], &wide) < 2e-4);
                    from += n;
                }
            }
            let few: Vec<_> = gates.iter().zip([3, 0, 20, 0]).collect();
            assert!(in_a_row(&x, &[few]).is_err(), "rows without a matrix");
        }
    }

    #[test]
    fn products_together_are_those_of_each() {
        let all: Vec<Held> = [(29, 37), (96, 64), (40, 37)].into_iter().flat_map(|(n, k)| held(n, k)).collect();
        let rows = |held: &Held| 3 + held.values.size()[0] % 17;
        let xs: Vec<Tensor> = all.iter().map(|held| wave([rows(held), held.values.size()[1]], 0.7)).collect();
        let pairs: Vec<_> =
            all.iter().zip(&xs).map(|(h, x)| (Narrowed { values: &h.values, scale: h.scale.as_ref() }, x)).collect();
        for (y, &(w, x)) in products(&pairs).unwrap().iter().zip(&pairs) {
            assert!(y.equal(&w.product(x).unwrap()));
            let none = w.product(&x.narrow(0, 0, 0)).unwrap();
            assert_eq!(none.size(), [0, w.values.size()[0]], "an expert that nobody goes through");
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
