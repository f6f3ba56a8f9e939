//! Products of a few rows of f32 with a large matrix that is held narrower, widened in registers.
//!
//! Such a product takes as long as reading the matrix, so half the bytes are half the time. Every element is a sum over the
//! inputs in an order that depends on their number and the processor alone: not on the rows, nor on the threads.

#![allow(unsafe_code, reason = "instructions and pointers are the promise of whoever calls")]

use crate::cpu::{Instructions, instructions};
use crate::lanes::Lanes;
#[cfg(target_arch = "x86_64")]
use crate::lanes::{Avx2, Avx512};
use crate::lanes::{Narrow, Plain};
use crate::team::in_parts;
use std::ops::Range;

/// A matrix of numbers, row by row.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<T> {
    pub data: *const T,
    pub rows: usize,
    pub columns: usize,
}

/// x Wᵀ into y [rows of x, rows of W].
struct Job<W> {
    x: Matrix<f32>,
    w: Matrix<W>,
    y: *mut f32,
}

// SAFETY: threads read x and W, and every element of y or of the copy is written by one of them.
unsafe impl<W> Sync for Job<W> {}

/// Rows of W that are worked on together, and those that stay in the nearest cache while all rows of x pass.
const TOGETHER: usize = 4;
const NEAR: usize = 16;
/// Rows of x that share a widened register.
const SHARE: usize = 4;
/// Bytes that come from memory together.
const LINE: usize = 64;

/// x Wᵀ into `y`.
///
/// # Safety
/// Both matrices must be readable, `y` writable for x.rows * w.rows numbers, and x.columns be w.columns.
pub(crate) unsafe fn product<W: Narrow>(x: Matrix<f32>, w: Matrix<W>, y: *mut f32) {
    let job = Job { x, w, y };
    let how = instructions();
    // SAFETY: the instructions were asked for; the rest is the caller's promise.
    in_parts(w.rows, NEAR, &|part| unsafe {
        match how {
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512 => avx512::part(&job, part),
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2 => avx2::part(&job, part),
            Instructions::Plain => part_of::<Plain, W>(&job, part),
        }
    });
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use super::{Avx512, Job, Narrow, Range, part_of};

    /// # Safety
    /// As [`super::product`], on a processor that has these instructions.
    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn part<W: Narrow>(job: &Job<W>, rows: Range<usize>) {
        // SAFETY: the caller's promise.
        unsafe { part_of::<Avx512, W>(job, rows) }
    }
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::{Avx2, Job, Narrow, Range, part_of};

    /// # Safety
    /// As [`super::product`], on a processor that has these instructions.
    #[target_feature(enable = "avx2,fma,f16c")]
    pub(super) unsafe fn part<W: Narrow>(job: &Job<W>, rows: Range<usize>) {
        // SAFETY: the caller's promise.
        unsafe { part_of::<Avx2, W>(job, rows) }
    }
}

/// All rows of x with these rows of W.
///
/// # Safety
/// As [`product`], and the instructions of `L` must be enabled where this is inlined.
#[inline(always)]
unsafe fn part_of<L: Lanes, W: Narrow>(job: &Job<W>, rows: Range<usize>) {
    let mut near = rows.start;
    while near < rows.end {
        let end = (near + NEAR).min(rows.end);
        let mut x = 0;
        while x < job.x.rows {
            // SAFETY: the caller's promise; x and near are below the rows there are.
            unsafe {
                match job.x.rows - x {
                    1 => strip::<L, W, 1>(job, x, near..end),
                    2 => strip::<L, W, 2>(job, x, near..end),
                    3 => strip::<L, W, 3>(job, x, near..end),
                    _ => strip::<L, W, SHARE>(job, x, near..end),
                }
            }
            x += SHARE;
        }
        near = end;
    }
}

/// `M` rows of x from `x` on with these rows of W.
///
/// # Safety
/// As [`part_of`].
#[inline(always)]
unsafe fn strip<L: Lanes, W: Narrow, const M: usize>(job: &Job<W>, x: usize, rows: Range<usize>) {
    let mut w = rows.start;
    // SAFETY: the caller's promise.
    unsafe {
        // Sixteen registers hold the sums of two rows of W with four of x beside what they are made of; more hold twice that.
        let wide = L::N > 8 || M <= 2;
        while wide && w + TOGETHER <= rows.end {
            tile::<L, W, TOGETHER, M>(job, x, w);
            w += TOGETHER;
        }
        while w + 2 <= rows.end {
            tile::<L, W, 2, M>(job, x, w);
            w += 2;
        }
        if w < rows.end {
            tile::<L, W, 1, M>(job, x, w);
        }
    }
}

/// `M` rows of x from `x` on with `R` rows of W from `w` on.
///
/// # Safety
/// As [`part_of`].
#[allow(clippy::needless_range_loop, reason = "loops of fixed length that become registers")]
#[inline(always)]
unsafe fn tile<L: Lanes, W: Narrow, const R: usize, const M: usize>(job: &Job<W>, x: usize, w: usize) {
    let k = job.x.columns;
    let whole = k / L::N * L::N;
    // SAFETY: rows x..x + M and w..w + R exist and have k columns.
    unsafe {
        let xs: [*const f32; M] = std::array::from_fn(|m| job.x.data.add((x + m) * k));
        let ws: [*const W; R] = std::array::from_fn(|r| job.w.data.add((w + r) * k));
        let mut sums = [[L::zero(); M]; R];
        let mut at = 0;
        while at < whole {
            let mut wide = [L::zero(); R];
            for r in 0..R {
                if (at * size_of::<W>()).is_multiple_of(LINE) {
                    // A row is often a page, and processors read ahead to the end of a page only: ask for the next tile.
                    L::prefetch(ws[r].wrapping_add(R * k + at).cast());
                }
                wide[r] = W::widen::<L>(ws[r].add(at));
            }
            for m in 0..M {
                let row = L::load(xs[m].add(at));
                for r in 0..R {
                    sums[r][m] = L::fma(row, wide[r], sums[r][m]);
                }
            }
            at += L::N;
        }
        for r in 0..R {
            for m in 0..M {
                let mut sum = L::sum(sums[r][m]);
                for at in whole..k {
                    sum += *xs[m].add(at) * (*ws[r].add(at)).one();
                }
                *job.y.add((x + m) * job.w.rows + w + r) = sum;
            }
        }
    }
}
