//! What packed passes do number by number, each in one go over memory, on the CPU in f32.
//!
//! libtorch reads and writes an activation once for every operation. Equal up to rounding, so only for passes that share.

#![allow(unsafe_code, reason = "rows of tensors are shared out to threads")]

use crate::ModelError;
use crate::cpu::{Instructions, instructions};
use crate::lanes::WIDEST;
use crate::team::in_parts;
use std::ops::Range;
use tch::{Device, Kind, Tensor};

/// Numbers worth a part of their own.
const GRAIN: usize = 1 << 13;

/// Whether a pass over `x` is done here.
pub(crate) fn takes(x: &Tensor) -> bool {
    let plain = x.device() == Device::Cpu && x.kind() == Kind::Float && !x.requires_grad();
    plain && instructions() != Instructions::Plain
}

/// e to the x of a number that is at most 0, within two units of the last digit; NaN stays NaN. Plain arithmetic, so
/// that a loop over it becomes vectors where the processor has fused products: 2 to a whole number, times a polynomial on the rest.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    const LOG2_E: f32 = std::f32::consts::LOG2_E;
    // ln 2 in two parts, of which the first times a small whole number is exact.
    const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
    // Adding it rounds to a whole number, which is then in the last bits.
    const ROUND: f32 = 12_582_912.0;
    let bounded = if x < -87.0 { -87.0 } else { x };
    let shifted = bounded.mul_add(LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = n.mul_add(-LN_2[1], n.mul_add(-LN_2[0], bounded));
    // The terms of the series up to r^7; |r| is at most ln 2 / 2.
    let terms = [1.0 / 5040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0];
    let series = terms.into_iter().fold(0.0f32, |sum, term| sum.mul_add(r, term));
    let power = f32::from_bits((shifted.to_bits().wrapping_add(127)) << 23);
    if x < -87.0 { 0.0 } else { series * power }
}

/// Rows of a contiguous tensor, to be read, or written by one thread each.
#[derive(Clone, Copy)]
struct Rows {
    data: *mut f32,
    width: usize,
}

// SAFETY: whoever takes a row mutably is the only one (`each_row`).
unsafe impl Sync for Rows {}

impl Rows {
    /// Of a tensor whose rows have this many numbers.
    fn of(x: &Tensor, width: usize) -> Self {
        debug_assert!(x.is_contiguous() && x.numel().is_multiple_of(width));
        Self { data: x.data_ptr().cast(), width }
    }

    /// # Safety
    /// The tensor lives, has the row, and nobody writes it.
    unsafe fn get<'a>(self, row: usize) -> &'a [f32] {
        // SAFETY: the caller's promise.
        unsafe { std::slice::from_raw_parts(self.data.add(row * self.width), self.width) }
    }

    /// # Safety
    /// The same, and nobody else has the row.
    unsafe fn get_mut<'a>(self, row: usize) -> &'a mut [f32] {
        // SAFETY: the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.data.add(row * self.width), self.width) }
    }
}

/// What is done with every row. Methods have to be inlined where the instructions are enabled.
trait Work: Sync {
    /// # Safety
    /// The row exists, and is given to one thread.
    unsafe fn row(&self, row: usize);
}

/// Does the work of all rows, compiled for this processor.
///
/// # Safety
/// There are so many rows of this width in all that `work` reads and writes.
unsafe fn each_row(rows: usize, width: usize, work: &impl Work) {
    in_parts(rows, (GRAIN / width.max(1)).max(1), &|part| {
        // SAFETY: the instructions were asked for; parts are apart, and the rest is the caller's promise.
        unsafe {
            match instructions() {
                #[cfg(target_arch = "x86_64")]
                Instructions::Avx512 => avx512(work, part),
                #[cfg(target_arch = "x86_64")]
                Instructions::Avx2 => avx2(work, part),
                Instructions::Plain => part.for_each(|row| work.row(row)),
            }
        }
    });
}

/// # Safety
/// As [`Work::row`], on a processor that has these instructions.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn avx512(work: &impl Work, part: Range<usize>) {
    for row in part {
        // SAFETY: the caller's promise.
        unsafe { work.row(row) }
    }
}

/// # Safety
/// As [`Work::row`], on a processor that has these instructions.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2(work: &impl Work, part: Range<usize>) {
    for row in part {
        // SAFETY: the caller's promise.
        unsafe { work.row(row) }
    }
}

/// x / sqrt(mean(x^2) + eps) * weight over the last dimension.
///
/// # Errors
/// [`ModelError`] if memory does not suffice.
pub(crate) fn rms_norm(x: &Tensor, weight: &Tensor, eps: f64) -> Result<Tensor, ModelError> {
    let (x, weight) = (x.f_contiguous()?, weight.f_contiguous()?);
    let width = weight.numel();
    let y = x.f_empty_like()?;
    let work =
        Norm { x: Rows::of(&x, width), weight: Rows::of(&weight, width), y: Rows::of(&y, width), eps: eps as f32 };
    // SAFETY: all are contiguous, and live.
    unsafe { each_row(x.numel() / width, width, &work) };
    Ok(y)
}

struct Norm {
    x: Rows,
    weight: Rows,
    y: Rows,
    eps: f32,
}

impl Work for Norm {
    #[inline(always)]
    unsafe fn row(&self, row: usize) {
        // SAFETY: the caller's promise.
        let (x, weight, y) = unsafe { (self.x.get(row), self.weight.get(0), self.y.get_mut(row)) };
        let mut sums = [0.0f32; WIDEST];
        let chunks = x.chunks_exact(WIDEST);
        let mut rest = 0.0;
        for &x in chunks.remainder() {
            rest += x * x;
        }
        for chunk in chunks {
            for i in 0..WIDEST {
                sums[i] = chunk[i].mul_add(chunk[i], sums[i]);
            }
        }
        let mut sum = rest;
        for part in sums {
            sum += part;
        }
        let scale = 1.0 / (sum / x.len() as f32 + self.eps).sqrt();
        for i in 0..x.len() {
            y[i] = x[i] * scale * weight[i];
        }
    }
}

/// silu(gate) * up, written into `gate`.
///
/// # Errors
/// [`ModelError`] if memory does not suffice.
pub(crate) fn gated(gate: Tensor, up: &Tensor) -> Result<Tensor, ModelError> {
    let (gate, up) = (gate.f_contiguous()?, up.f_contiguous()?);
    let width = *gate.size().last().unwrap_or(&1) as usize;
    let work = Gated { gate: Rows::of(&gate, width), up: Rows::of(&up, width) };
    // SAFETY: both are contiguous, of one size, and live.
    unsafe { each_row(gate.numel() / width, width, &work) };
    Ok(gate)
}

struct Gated {
    gate: Rows,
    up: Rows,
}

impl Work for Gated {
    #[inline(always)]
    unsafe fn row(&self, row: usize) {
        // SAFETY: the caller's promise.
        let (gate, up) = unsafe { (self.gate.get_mut(row), self.up.get(row)) };
        for i in 0..gate.len() {
            let x = gate[i];
            // x / (1 + e^-x), by e to a number below 0 on both sides.
            let e = exp(-x.abs());
            let share = if x < 0.0 { e } else { 1.0 };
            gate[i] = x * share / (1.0 + e) * up[i];
        }
    }
}

/// x cos + roll(x) sin of heads [1, t, h, c] by tables [1, t, 1, c], of which the second has its first half negated.
///
/// # Errors
/// [`ModelError`] if memory does not suffice.
pub(crate) fn rotated(x: &Tensor, cos: &Tensor, signed_sin: &Tensor) -> Result<Tensor, ModelError> {
    let (x, cos, sin) = (x.f_contiguous()?, cos.f_contiguous()?, signed_sin.f_contiguous()?);
    let [heads, channels] = [2, 3].map(|dim| x.size()[dim] as usize);
    let y = x.f_empty_like()?;
    let of = |x: &Tensor| Rows::of(x, channels);
    let work = Rotated { x: of(&x), cos: of(&cos), sin: of(&sin), y: of(&y), heads };
    // SAFETY: all are contiguous, and live; there is a row of the tables for as many rows of x as there are heads.
    unsafe { each_row(x.numel() / channels, channels, &work) };
    Ok(y)
}

struct Rotated {
    x: Rows,
    cos: Rows,
    sin: Rows,
    y: Rows,
    heads: usize,
}

impl Work for Rotated {
    #[inline(always)]
    unsafe fn row(&self, row: usize) {
        let position = row / self.heads;
        // SAFETY: the caller's promise.
        let (x, cos, sin, y) =
            unsafe { (self.x.get(row), self.cos.get(position), self.sin.get(position), self.y.get_mut(row)) };
        let half = x.len() / 2;
        let (low, high) = x.split_at(half);
        let (to_low, to_high) = y.split_at_mut(half);
        for i in 0..half {
            to_low[i] = low[i] * cos[i] + high[i] * sin[i];
            to_high[i] = high[i] * cos[half + i] + low[i] * sin[half + i];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(size: &[i64], step: f64) -> Tensor {
        let n: i64 = size.iter().product();
        (Tensor::arange(n, (Kind::Float, Device::Cpu)) * step).sin().view(size)
    }

    fn difference(a: &Tensor, b: &Tensor) -> f64 {
        assert_eq!(a.size(), b.size());
        (a - b).abs().max().double_value(&[])
    }

    #[test]
    fn the_exponential_is_right_to_the_last_digits() {
        for i in 0..=870_000 {
            let x = i as f32 * -1e-4;
            let (ours, right) = (exp(x), f64::from(x).exp());
            assert!((f64::from(ours) - right).abs() <= 3e-7 * right, "exp({x}) = {ours}, not {right}");
        }
        assert!(exp(0.0) == 1.0 && exp(-1e4) == 0.0 && exp(f32::NEG_INFINITY) == 0.0 && exp(f32::NAN).is_nan());
    }

    #[test]
    fn one_go_makes_what_many_operations_make() {
        for (rows, width) in [(1, 16), (7, 40), (333, 128), (50, 352)] {
            let (x, up) = (wave(&[1, rows, width], 0.7) * 9.0, wave(&[1, rows, width], 1.3));
            let weight = wave(&[width], 0.2);
            let norm = crate::norm::RmsNorm { weight: weight.shallow_clone(), eps: 1e-5 };
            assert!(difference(&rms_norm(&x, &weight, 1e-5).unwrap(), &norm.forward(&x).unwrap()) < 2e-6);
            assert!(difference(&gated(x.copy(), &up).unwrap(), &(x.silu() * &up)) < 4e-6);
        }
        let (x, cos, sin) = (wave(&[1, 37, 4, 32], 0.7), wave(&[1, 37, 1, 32], 0.3), wave(&[1, 37, 1, 32], 0.4));
        let right = &x * &cos + x.roll([16], [-1]) * &sin;
        assert!(difference(&rotated(&x, &cos, &sin).unwrap(), &right) < 1e-6);
    }

    #[test]
    fn what_is_not_a_number_stays_so_and_large_numbers_do_no_harm() {
        let x = Tensor::from_slice(&[f32::NAN, -200.0, 200.0, -1e30, 1e30, 0.0]).view([1, 1, 6]);
        let y = gated(x.copy(), &x.ones_like()).unwrap();
        let right = Vec::<f32>::try_from(x.silu().view([-1])).unwrap();
        for (ours, right) in Vec::<f32>::try_from(y.view([-1])).unwrap().into_iter().zip(right) {
            assert!(ours.is_nan() && right.is_nan() || (ours - right).abs() <= 1e-6 * right.abs(), "{ours} {right}");
        }
    }
}
