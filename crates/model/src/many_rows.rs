//! Products of many rows of f32 with a large matrix that is held narrower, widened tile by tile.
//!
//! Rows are the lanes of a register: they are laid out once so that numbers of one column stand side by side, and every
//! number of the matrix, widened into a tile that stays in a near cache, meets all of them. The matrix is read once. Every
//! element is summed in blocks of fixed length, one after the other: its bits depend neither on the other rows nor on the
//! threads.

#![allow(unsafe_code, reason = "instructions and pointers are the promise of whoever calls")]

use crate::cpu::{Instructions, instructions};
use crate::few_rows::Matrix;
#[cfg(target_arch = "x86_64")]
use crate::lanes::{Avx2, Avx512};
use crate::lanes::{Lanes, Narrow, Plain};
use crate::team::in_parts;
use std::ops::Range;

/// Which way a product with W [rows, columns] goes.
pub(crate) trait Way {
    /// Outputs and summed numbers of a tile.
    const OUT: usize;
    const SUMMED: usize;
    /// Where in a tile the number stands that leads from a summed one to an output: steps from one to the next.
    const OUT_STEP: usize;
    const SUMMED_STEP: usize;
    /// Numbers of outputs and of summed ones.
    fn size<W>(w: &Matrix<W>) -> [usize; 2];
    /// Widens a part of W into the tile.
    ///
    /// # Safety
    /// The part must be inside W, `tile` have room for a tile, and the instructions of `L` be enabled.
    unsafe fn fill<L: Lanes, W: Narrow>(w: &Matrix<W>, out: Range<usize>, summed: Range<usize>, tile: *mut f32);
}

/// x Wᵀ: outputs are the rows of W.
pub(crate) struct Forth;

impl Way for Forth {
    const OUT: usize = 48;
    const SUMMED: usize = 256;
    // Not a power of two, or rows would compete for the same places of the cache.
    const OUT_STEP: usize = Self::SUMMED + 16;
    const SUMMED_STEP: usize = 1;

    #[inline(always)]
    fn size<W>(w: &Matrix<W>) -> [usize; 2] {
        [w.rows, w.columns]
    }

    #[inline(always)]
    unsafe fn fill<L: Lanes, W: Narrow>(w: &Matrix<W>, out: Range<usize>, summed: Range<usize>, tile: *mut f32) {
        for (i, row) in out.enumerate() {
            // SAFETY: the caller's promise.
            unsafe {
                line::<L, W>(w.data.add(row * w.columns + summed.start), summed.len(), tile.add(i * Self::OUT_STEP))
            }
        }
    }
}

/// dy W: outputs are the columns of W.
pub(crate) struct Back;

impl Way for Back {
    // A row of the tile is a few lines of memory: shorter pieces of rows are slow to fetch.
    const OUT: usize = 192;
    const SUMMED: usize = 128;
    const OUT_STEP: usize = 1;
    const SUMMED_STEP: usize = Self::OUT;

    #[inline(always)]
    fn size<W>(w: &Matrix<W>) -> [usize; 2] {
        [w.columns, w.rows]
    }

    #[inline(always)]
    unsafe fn fill<L: Lanes, W: Narrow>(w: &Matrix<W>, out: Range<usize>, summed: Range<usize>, tile: *mut f32) {
        for (i, row) in summed.enumerate() {
            // SAFETY: the caller's promise.
            unsafe { line::<L, W>(w.data.add(row * w.columns + out.start), out.len(), tile.add(i * Self::SUMMED_STEP)) }
        }
    }
}

/// Widens `length` numbers.
///
/// # Safety
/// Both must hold so many, and the instructions of `L` be enabled.
#[inline(always)]
unsafe fn line<L: Lanes, W: Narrow>(from: *const W, length: usize, to: *mut f32) {
    let whole = length / L::N * L::N;
    let mut at = 0;
    // SAFETY: `at` stays below `length`.
    unsafe {
        while at < whole {
            L::store(to.add(at), W::widen::<L>(from.add(at)));
            at += L::N;
        }
        while at < length {
            *to.add(at) = (*from.add(at)).one();
            at += 1;
        }
    }
}

/// Rows of x that are worked on at a time: sums of all of them with a tile's outputs stay in a near cache.
const ROWS: usize = 256;

/// x Wᵀ (`Forth`) or x W (`Back`) into `y`.
///
/// # Safety
/// Both matrices must be readable and fit, `y` writable for all elements of the product.
pub(crate) unsafe fn product<P: Way, W: Narrow>(x: Matrix<f32>, w: Matrix<W>, y: *mut f32) {
    let [outputs, summed] = P::size(&w);
    for from in (0..x.rows).step_by(ROWS) {
        let rows = ROWS.min(x.rows - from);
        // SAFETY: row `from` exists.
        let (data, y) = unsafe { (x.data.add(from * summed), y.add(from * outputs)) };
        let x = Matrix { data, rows, columns: summed };
        let how = instructions();
        // SAFETY: the instructions were asked for; the rest is the caller's promise.
        unsafe {
            match how {
                #[cfg(target_arch = "x86_64")]
                Instructions::Avx512 => run::<P, W>(x, w, y, Avx512::N, |job, part| avx512::<P, W>(job, part)),
                #[cfg(target_arch = "x86_64")]
                Instructions::Avx2 => run::<P, W>(x, w, y, Avx2::N, |job, part| avx2::<P, W>(job, part)),
                Instructions::Plain => {
                    run::<P, W>(x, w, y, Plain::N, |job, part| part_of::<Plain, P, W, 2>(job, part));
                }
            }
        }
    }
}

struct Job<W> {
    /// The rows of x in panels of two registers: [panel][summed][lanes], filled up with zeros.
    panels: Vec<f32>,
    w: Matrix<W>,
    y: *mut f32,
    rows: usize,
}

// SAFETY: threads read panels and W, and every element of y is written by one of them.
unsafe impl<W> Sync for Job<W> {}

/// # Safety
/// As [`product`]; `part` is called with outputs that are there.
unsafe fn run<P: Way, W: Narrow>(
    x: Matrix<f32>,
    w: Matrix<W>,
    y: *mut f32,
    lanes: usize,
    part: impl Fn(&Job<W>, Range<usize>) + Sync,
) {
    let width = 2 * lanes;
    let mut panels = vec![0f32; x.rows.div_ceil(width) * width * x.columns];
    for (p, panel) in panels.chunks_mut(width * x.columns).enumerate() {
        for lane in 0..width.min(x.rows - p * width) {
            for (at, number) in panel.chunks_mut(width).enumerate() {
                // SAFETY: the row is there and has so many columns.
                number[lane] = unsafe { *x.data.add((p * width + lane) * x.columns + at) };
            }
        }
    }
    let job = Job { panels, w, y, rows: x.rows };
    in_parts(P::size(&w)[0], P::OUT, &|outputs| part(&job, outputs));
}

/// # Safety
/// As [`part_of`], on a processor that has these instructions.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn avx512<P: Way, W: Narrow>(job: &Job<W>, outputs: Range<usize>) {
    // SAFETY: the caller's promise. Thirty-two registers: sums of twelve outputs with two of rows.
    unsafe { part_of::<Avx512, P, W, 12>(job, outputs) }
}

/// # Safety
/// As [`part_of`], on a processor that has these instructions.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn avx2<P: Way, W: Narrow>(job: &Job<W>, outputs: Range<usize>) {
    // SAFETY: the caller's promise. Sixteen registers: sums of six outputs with two of rows.
    unsafe { part_of::<Avx2, P, W, 6>(job, outputs) }
}

/// All rows with these outputs, `R` of them at a time.
///
/// # Safety
/// As [`product`], and the instructions of `L` must be enabled where this is inlined.
#[inline(always)]
unsafe fn part_of<L: Lanes, P: Way, W: Narrow, const R: usize>(job: &Job<W>, outputs: Range<usize>) {
    let (summed, width) = (P::size(&job.w)[1], 2 * L::N);
    let panels = job.panels.len() / (width * summed).max(1);
    let mut tile = vec![0f32; (P::OUT + R) * P::OUT_STEP.max(P::SUMMED) + P::SUMMED * P::SUMMED_STEP];
    let mut sums = vec![0f32; (P::OUT + R) * panels * width];
    for out in outputs.clone().step_by(P::OUT) {
        let here = out..(out + P::OUT).min(outputs.end);
        sums.fill(0.0);
        for from in (0..summed).step_by(P::SUMMED) {
            let block = from..(from + P::SUMMED).min(summed);
            // SAFETY: the part is inside W, the tile has room; numbers of a panel and sums are inside their vectors.
            unsafe {
                P::fill::<L, W>(&job.w, here.clone(), block.clone(), tile.as_mut_ptr());
                for p in 0..panels {
                    let panel = job.panels.as_ptr().add((p * summed + from) * width);
                    for r in (0..here.len()).step_by(R) {
                        let sum = sums.as_mut_ptr().add((r * panels + p) * width);
                        let factors = tile.as_ptr().add(r * P::OUT_STEP);
                        let sums = Sums { first: sum, step: panels * width };
                        if job.rows - p * width > L::N {
                            meet::<L, P, R, 2>(factors, panel, block.len(), sums);
                        } else {
                            meet::<L, P, R, 1>(factors, panel, block.len(), sums);
                        }
                    }
                }
            }
        }
        for row in 0..job.rows {
            for (i, output) in here.clone().enumerate() {
                // SAFETY: the element is inside y, and nobody else writes it.
                unsafe { *job.y.add(row * P::size(&job.w)[0] + output) = sums[i * panels * width + row] };
            }
        }
    }
}

/// The sums of some outputs: where those of the first stand, and the step from one output to the next.
#[derive(Clone, Copy)]
struct Sums {
    first: *mut f32,
    step: usize,
}

/// Adds to the sums of `R` outputs what the numbers of a block add for `V` registers of rows.
///
/// # Safety
/// As [`part_of`].
#[allow(clippy::needless_range_loop, reason = "loops of fixed length that become registers")]
#[inline(always)]
unsafe fn meet<L: Lanes, P: Way, const R: usize, const V: usize>(
    factors: *const f32,
    panel: *const f32,
    summed: usize,
    sums: Sums,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut all = [[L::zero(); V]; R];
        for at in 0..summed {
            let mut rows = [L::zero(); V];
            for v in 0..V {
                rows[v] = L::load(panel.add(at * 2 * L::N + v * L::N));
            }
            for r in 0..R {
                let factor = L::all(*factors.add(at * P::SUMMED_STEP + r * P::OUT_STEP));
                for v in 0..V {
                    all[r][v] = L::fma(factor, rows[v], all[r][v]);
                }
            }
        }
        for r in 0..R {
            for v in 0..V {
                let to = sums.first.add(r * sums.step + v * L::N);
                L::store(to, L::add(L::load(to), all[r][v]));
            }
        }
    }
}
