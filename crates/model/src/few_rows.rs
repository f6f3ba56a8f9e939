//! Products of a few rows with large matrices, which may be held narrower than f32; several products at a time.
//!
//! Such a product takes as long as reading its matrix, so half the bytes are half the time. Every element is a sum
//! over the inputs in an order that depends on their number, the types and the processor alone: not on the rows, nor
//! on the threads.

#![allow(unsafe_code, reason = "instructions and pointers are the promise of whoever calls")]

use crate::cpu::{Instructions, dots, instructions};
#[cfg(target_arch = "x86_64")]
use crate::lanes::{Avx2, Avx512};
use crate::lanes::{Bf16, F16, Lanes, Narrow, Plain};
#[cfg(target_arch = "x86_64")]
use crate::pair::Dots;
use crate::pair::{Pair, Widened};
use crate::team::in_turns;
use std::ops::Range;

/// A matrix of numbers, row by row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matrix<T> {
    pub data: *const T,
    pub rows: usize,
    pub columns: usize,
}

/// x and W of a product x Wᵀ.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Factors {
    F32(Matrix<f32>, Matrix<f32>),
    Bf16(Matrix<f32>, Matrix<Bf16>),
    F16(Matrix<f32>, Matrix<F16>),
    Int8(Matrix<f32>, Matrix<i8>),
    /// Both in bf16, with sums in f32.
    AllBf16(Matrix<Bf16>, Matrix<Bf16>),
}

/// x Wᵀ into y [rows of x, rows of W].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Job {
    pub factors: Factors,
    pub y: *mut f32,
}

/// Some rows of the W of a job.
struct Piece<'a> {
    job: &'a Job,
    rows: Range<usize>,
}

// SAFETY: threads read x and W, and every element of y is written by one of them.
unsafe impl Sync for Piece<'_> {}

/// Rows of W that are worked on together, and those that stay in a near cache while all rows of x pass.
const TOGETHER: usize = 4;
const NEAR: usize = 16;
/// Rows of x that share a register of W.
const SHARE: usize = 4;
/// Bytes that come from memory together.
const LINE: usize = 64;
/// Bytes of W that a thread takes at a time.
const TURN: usize = 256 << 10;

/// All products, shared by the threads of the pass.
///
/// # Safety
/// Matrices must be readable and fit, and each `y` writable for all elements of its product.
pub(crate) unsafe fn products(jobs: &[Job]) {
    let pieces: Vec<Piece<'_>> = jobs.iter().flat_map(Job::pieces).collect();
    let (how, dots) = (instructions(), dots());
    in_turns(pieces.len(), &|i| {
        let Piece { job, rows } = &pieces[i];
        // SAFETY: the instructions were asked for; the rest is the caller's promise.
        unsafe {
            match (how, job.factors) {
                #[cfg(target_arch = "x86_64")]
                (_, Factors::AllBf16(x, w)) if dots => x86::dots(x, w, job.y, rows.clone()),
                #[cfg(target_arch = "x86_64")]
                (Instructions::Avx512, _) => x86::avx512(job, rows.clone()),
                #[cfg(target_arch = "x86_64")]
                (Instructions::Avx2, _) => x86::avx2(job, rows.clone()),
                (Instructions::Plain, _) => widened::<Plain>(job, rows.clone()),
            }
        }
    });
}

impl Factors {
    /// Rows of W, and bytes of one of them.
    fn size(&self) -> [usize; 2] {
        fn of<T>(w: &Matrix<T>) -> [usize; 2] {
            [w.rows, w.columns * size_of::<T>()]
        }
        match self {
            Self::F32(_, w) => of(w),
            Self::Bf16(_, w) | Self::AllBf16(_, w) => of(w),
            Self::F16(_, w) => of(w),
            Self::Int8(_, w) => of(w),
        }
    }
}

impl Job {
    /// The rows of W in pieces that are worth a turn.
    fn pieces(&self) -> impl Iterator<Item = Piece<'_>> {
        let [rows, bytes] = self.factors.size();
        let turn = (TURN / bytes.max(1)).max(1).next_multiple_of(NEAR);
        (0..rows).step_by(turn).map(move |from| Piece { job: self, rows: from..(from + turn).min(rows) })
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Avx2, Avx512, Bf16, Dots, Job, Matrix, Range, part, widened};

    /// # Safety
    /// As [`super::products`], on a processor that has these instructions.
    #[target_feature(enable = "avx512f,avx512bf16")]
    pub(super) unsafe fn dots(x: Matrix<Bf16>, w: Matrix<Bf16>, y: *mut f32, rows: Range<usize>) {
        // SAFETY: the caller's promise.
        unsafe { part::<Dots>(x, w, y, rows) }
    }

    /// # Safety
    /// As [`super::products`], on a processor that has these instructions.
    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn avx512(job: &Job, rows: Range<usize>) {
        // SAFETY: the caller's promise.
        unsafe { widened::<Avx512>(job, rows) }
    }

    /// # Safety
    /// As [`super::products`], on a processor that has these instructions.
    #[target_feature(enable = "avx2,fma,f16c")]
    pub(super) unsafe fn avx2(job: &Job, rows: Range<usize>) {
        // SAFETY: the caller's promise.
        unsafe { widened::<Avx2>(job, rows) }
    }
}

/// These rows of W, widened into the registers of `L`.
///
/// # Safety
/// As [`products`], and the instructions of `L` must be enabled where this is inlined.
#[inline(always)]
unsafe fn widened<L: Lanes>(job: &Job, rows: Range<usize>) {
    // SAFETY: the caller's promise.
    unsafe {
        match job.factors {
            Factors::F32(x, w) => part::<Widened<L, f32, f32>>(x, w, job.y, rows),
            Factors::Bf16(x, w) => part::<Widened<L, f32, Bf16>>(x, w, job.y, rows),
            Factors::F16(x, w) => part::<Widened<L, f32, F16>>(x, w, job.y, rows),
            Factors::Int8(x, w) => part::<Widened<L, f32, i8>>(x, w, job.y, rows),
            Factors::AllBf16(x, w) => part::<Widened<L, Bf16, Bf16>>(x, w, job.y, rows),
        }
    }
}

/// All rows of x with these rows of W.
///
/// # Safety
/// As [`products`], and the instructions of `P` must be enabled where this is inlined.
#[inline(always)]
unsafe fn part<P: Pair>(x: Matrix<P::X>, w: Matrix<P::W>, y: *mut f32, rows: Range<usize>) {
    let job = &Typed::<P> { x, w, y };
    let mut near = rows.start;
    while near < rows.end {
        let end = (near + NEAR).min(rows.end);
        let mut x = 0;
        while x < job.x.rows {
            // SAFETY: the caller's promise; x and near are below the rows there are.
            unsafe {
                match job.x.rows - x {
                    1 => strip::<P, 1>(job, x, near..end),
                    2 => strip::<P, 2>(job, x, near..end),
                    3 => strip::<P, 3>(job, x, near..end),
                    _ => strip::<P, SHARE>(job, x, near..end),
                }
            }
            x += SHARE;
        }
        near = end;
    }
}

/// A job whose types are known.
struct Typed<P: Pair> {
    x: Matrix<P::X>,
    w: Matrix<P::W>,
    y: *mut f32,
}

/// `M` rows of x from `x` on with these rows of W.
///
/// # Safety
/// As [`part`].
#[inline(always)]
unsafe fn strip<P: Pair, const M: usize>(job: &Typed<P>, x: usize, rows: Range<usize>) {
    let mut w = rows.start;
    // SAFETY: the caller's promise.
    unsafe {
        while (P::ROOMY || M <= 2) && w + TOGETHER <= rows.end {
            tile::<P, TOGETHER, M>(job, x, w);
            w += TOGETHER;
        }
        while w + 2 <= rows.end {
            tile::<P, 2, M>(job, x, w);
            w += 2;
        }
        if w < rows.end {
            tile::<P, 1, M>(job, x, w);
        }
    }
}

/// `M` rows of x from `x` on with `R` rows of W from `w` on.
///
/// # Safety
/// As [`part`].
#[allow(clippy::needless_range_loop, reason = "loops of fixed length that become registers")]
#[inline(always)]
unsafe fn tile<P: Pair, const R: usize, const M: usize>(job: &Typed<P>, x: usize, w: usize) {
    let k = job.x.columns;
    let whole = k / P::N * P::N;
    // SAFETY: rows x..x + M and w..w + R exist and have k columns.
    unsafe {
        let xs: [*const P::X; M] = std::array::from_fn(|m| job.x.data.add((x + m) * k));
        let ws: [*const P::W; R] = std::array::from_fn(|r| job.w.data.add((w + r) * k));
        // A row is often a page, and processors read ahead to the end of a page only. What is near next is asked for
        // by all strips in turn, so that memory is never idle while the later ones compute.
        let (strips, strip) = (job.x.rows.div_ceil(SHARE), x / SHARE);
        let mut mine = [false; R];
        for r in 0..R {
            mine[r] = r % strips == strip;
        }
        let mut sums = [[P::zero(); M]; R];
        let mut at = 0;
        while at < whole {
            // No closures here: they would not be compiled with the instructions.
            let mut right = [P::right(ws[0].add(at)); R];
            for r in 0..R {
                if mine[r] && (at * size_of::<P::W>()).is_multiple_of(LINE) {
                    P::prefetch(ws[r].wrapping_add(NEAR * k + at).cast());
                }
                right[r] = P::right(ws[r].add(at));
            }
            for m in 0..M {
                let left = P::left(xs[m].add(at));
                for r in 0..R {
                    sums[r][m] = P::add(left, right[r], sums[r][m]);
                }
            }
            at += P::N;
        }
        for r in 0..R {
            for m in 0..M {
                let mut sum = P::total(sums[r][m]);
                for at in whole..k {
                    sum += (*xs[m].add(at)).one() * (*ws[r].add(at)).one();
                }
                *job.y.add((x + m) * job.w.rows + w + r) = sum;
            }
        }
    }
}
