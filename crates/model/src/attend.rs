//! Attention of rows that stand one behind the other, on the CPU in f32.
//!
//! libtorch makes a call per row and multiplies its heads one by one in a BLAS that does not know every processor; here
//! all rows and heads are one parallel region. Equal up to rounding, so only for passes that share. What a row's position
//! gets depends on its row and on the processor alone: not on other rows, nor on the threads.

#![allow(unsafe_code, reason = "instructions and pointers are the promise of whoever calls")]

use crate::ModelError;
use crate::cpu::{Instructions, instructions};
use crate::fused::{self, exp};
#[cfg(target_arch = "x86_64")]
use crate::lanes::{Avx2, Avx512};
use crate::lanes::{Lanes, Plain, WIDEST};
use crate::team::in_turns;
use std::cell::RefCell;
use tch::Tensor;

/// Queries that share what is read of keys and values, and registers of each.
const QUERIES: usize = 4;
const WIDE: usize = 2;

/// Queries, keys and values of rows one behind the other, and where the mixed values go: [t, heads, c] each.
#[derive(Clone, Copy)]
struct Heads {
    q: *const f32,
    k: *const f32,
    v: *const f32,
    y: *mut f32,
    query: usize,
    key: usize,
    channels: usize,
}

// SAFETY: threads read q, k and v, and every element of y is written by one of them.
unsafe impl Sync for Heads {}

/// One head of one row.
struct Piece {
    from: usize,
    len: usize,
    head: usize,
}

/// Whether [`attend`] takes these.
pub(crate) fn takes(q: &Tensor, channels: i64) -> bool {
    fused::takes(q) && channels % (WIDEST as i64) == 0
}

/// softmax(q kᵀ / sqrt(c)) v of rows of these lengths, each to itself: queries [1, t, h, c], keys and values
/// [1, t, g, c] -> [1, t, h, c].
///
/// # Errors
/// [`ModelError`] if memory does not suffice.
pub(crate) fn attend([q, k, v]: [&Tensor; 3], spans: &[i64]) -> Result<Tensor, ModelError> {
    let (q, k, v) = (q.f_contiguous()?, k.f_contiguous()?, v.f_contiguous()?);
    let y = q.f_empty_like()?;
    let size = |x: &Tensor, dim: usize| x.size()[dim] as usize;
    let heads = Heads {
        q: q.data_ptr().cast(),
        k: k.data_ptr().cast(),
        v: v.data_ptr().cast(),
        y: y.data_ptr().cast(),
        query: size(&q, 2),
        key: size(&k, 2),
        channels: size(&q, 3),
    };
    let (mut from, mut pieces) = (0, Vec::with_capacity(spans.len() * heads.query));
    for len in spans.iter().map(|&n| n as usize) {
        pieces.extend((0..heads.query).map(|head| Piece { from, len, head }));
        from += len;
    }
    let heads = &heads;
    // SAFETY: the tensors are contiguous, of these sizes, and live; the spans are their rows.
    in_turns(pieces.len(), &|i| unsafe { heads.mix(&pieces[i]) });
    Ok(y)
}

impl Heads {
    /// # Safety
    /// Pointers must be valid for the sizes, and the piece inside them.
    unsafe fn mix(&self, piece: &Piece) {
        thread_local! {
            static ROOM: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
        }
        ROOM.with_borrow_mut(|room| {
            // SAFETY: the caller's promise; the instructions were asked for.
            unsafe {
                match instructions() {
                    #[cfg(target_arch = "x86_64")]
                    Instructions::Avx512 => x86::avx512(self, piece, room),
                    #[cfg(target_arch = "x86_64")]
                    Instructions::Avx2 => x86::avx2(self, piece, room),
                    Instructions::Plain => mix::<Plain>(self, piece, room),
                }
            }
        });
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Avx2, Avx512, Heads, Piece, mix};

    /// # Safety
    /// As [`mix`], on a processor that has these instructions.
    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn avx512(heads: &Heads, piece: &Piece, room: &mut Vec<f32>) {
        // SAFETY: the caller's promise.
        unsafe { mix::<Avx512>(heads, piece, room) }
    }

    /// # Safety
    /// As [`mix`], on a processor that has these instructions.
    #[target_feature(enable = "avx2,fma")]
    pub(super) unsafe fn avx2(heads: &Heads, piece: &Piece, room: &mut Vec<f32>) {
        // SAFETY: the caller's promise.
        unsafe { mix::<Avx2>(heads, piece, room) }
    }
}

/// One head of one row. `room` holds the keys, one channel behind the other, and the weights of a few queries.
///
/// # Safety
/// Pointers must be valid for the sizes, and the instructions of `L` enabled where this is inlined.
#[inline(always)]
unsafe fn mix<L: Lanes>(heads: &Heads, piece: &Piece, room: &mut Vec<f32>) {
    let Heads { query, key, channels, .. } = *heads;
    let Piece { from, len, head } = *piece;
    let wide = len.next_multiple_of(WIDE * L::N);
    room.clear();
    room.resize((channels + QUERIES) * wide, 0.0);
    let (keys, weights) = room.split_at_mut(channels * wide);
    let of = head / (query / key);
    // SAFETY: the caller's promise; `wide` is what the chunks of registers add up to.
    unsafe {
        let at =
            |base: *const f32, heads: usize, head: usize, t: usize| base.add(((from + t) * heads + head) * channels);
        for t in 0..len {
            let k = std::slice::from_raw_parts(at(heads.k, key, of, t), channels);
            k.iter().enumerate().for_each(|(c, &value)| keys[c * wide + t] = value);
        }
        let values = at(heads.v, key, of, 0);
        for first in (0..len).step_by(QUERIES) {
            // Behind the last query it is computed again, and written once.
            let q: [*const f32; QUERIES] = std::array::from_fn(|i| at(heads.q, query, head, (first + i).min(len - 1)));
            score::<L>(q, keys, weights, wide);
            let mut scale = [0.0; QUERIES];
            for (row, scale) in weights.chunks_exact_mut(wide).zip(&mut scale) {
                *scale = 1.0 / exponentials::<L>(&mut row[..len], 1.0 / (channels as f32).sqrt());
            }
            let y: [*mut f32; QUERIES] =
                std::array::from_fn(|i| at(heads.y, query, head, (first + i).min(len - 1)).cast_mut());
            blend::<L>(&Blend { weights, wide, values, stride: key * channels, len, channels }, scale, y);
        }
    }
}

/// q kᵀ of a few queries into rows of `wide` weights.
///
/// # Safety
/// As [`mix`]; `keys` are [channels, wide].
#[inline(always)]
unsafe fn score<L: Lanes>(q: [*const f32; QUERIES], keys: &[f32], weights: &mut [f32], wide: usize) {
    let channels = keys.len() / wide;
    // SAFETY: `wide` is a multiple of the step; the rest is the caller's promise.
    unsafe {
        for at in (0..wide).step_by(WIDE * L::N) {
            let mut sums = [[L::zero(); WIDE]; QUERIES];
            for c in 0..channels {
                let k = loads::<L, WIDE>(keys.as_ptr().add(c * wide + at));
                for i in 0..QUERIES {
                    sums[i] = grown::<L, WIDE>(sums[i], *q[i].add(c), k);
                }
            }
            for (i, sum) in sums.into_iter().enumerate() {
                for (j, sum) in sum.into_iter().enumerate() {
                    L::store(weights.as_mut_ptr().add(i * wide + at + j * L::N), sum);
                }
            }
        }
    }
}

/// exp(scale (x - max x)) in place; their sum.
///
/// # Safety
/// As [`Lanes`].
#[inline(always)]
unsafe fn exponentials<L: Lanes>(x: &mut [f32], scale: f32) -> f32 {
    // SAFETY: the caller's promise.
    let most = scale * unsafe { highest::<L>(x) };
    let mut sums = [0.0; WIDEST];
    let mut chunks = x.chunks_exact_mut(WIDEST);
    for chunk in &mut chunks {
        for i in 0..WIDEST {
            chunk[i] = exp(scale.mul_add(chunk[i], -most));
            sums[i] += chunk[i];
        }
    }
    let mut rest = 0.0;
    for x in chunks.into_remainder() {
        *x = exp(scale.mul_add(*x, -most));
        rest += *x;
    }
    rest + sums.iter().sum::<f32>()
}

/// # Safety
/// As [`Lanes`].
#[inline(always)]
unsafe fn highest<L: Lanes>(x: &[f32]) -> f32 {
    let whole = x.len() / L::N * L::N;
    // SAFETY: `at` stays inside.
    let mut most = unsafe {
        let mut most = L::all(f32::NEG_INFINITY);
        let mut at = 0;
        while at < whole {
            most = L::max(most, L::load(x.as_ptr().add(at)));
            at += L::N;
        }
        let mut lanes = [f32::NEG_INFINITY; WIDEST];
        L::store(lanes.as_mut_ptr(), most);
        lanes.into_iter().fold(f32::NEG_INFINITY, f32::max)
    };
    for &x in &x[whole..] {
        most = most.max(x);
    }
    most
}

/// Weights of a few queries, and the values they mix.
struct Blend<'a> {
    weights: &'a [f32],
    /// Weights from one query to the next.
    wide: usize,
    values: *const f32,
    /// Numbers from one value to the next.
    stride: usize,
    len: usize,
    channels: usize,
}

/// The sums of weighted values, scaled, into y. A query that stands twice is written twice, with the same numbers.
///
/// # Safety
/// As [`mix`]; `channels` is a multiple of the register.
#[inline(always)]
unsafe fn blend<L: Lanes>(from: &Blend<'_>, scale: [f32; QUERIES], y: [*mut f32; QUERIES]) {
    let channels = from.channels;
    let mut at = 0;
    // SAFETY: the caller's promise; `at` and what is read behind it stay below `channels`.
    unsafe {
        while at < channels {
            let y = std::array::from_fn(|i| y[i].add(at));
            if channels - at >= WIDE * L::N {
                write::<L, WIDE>(sums::<L, WIDE>(from, at), scale, y);
                at += WIDE * L::N;
            } else {
                write::<L, 1>(sums::<L, 1>(from, at), scale, y);
                at += L::N;
            }
        }
    }
}

/// The sums of W registers of values from channel `at` on.
///
/// # Safety
/// As [`mix`].
#[inline(always)]
unsafe fn sums<L: Lanes, const W: usize>(from: &Blend<'_>, at: usize) -> [[L::V; W]; QUERIES] {
    let &Blend { weights, wide, values, stride, len, .. } = from;
    // SAFETY: the caller's promise; every row of weights has `wide` of them, at least `len`.
    unsafe {
        let mut sums = [[L::zero(); W]; QUERIES];
        for t in 0..len {
            let v = loads::<L, W>(values.add(t * stride + at));
            for (i, sum) in sums.iter_mut().enumerate() {
                *sum = grown::<L, W>(*sum, *weights.get_unchecked(i * wide + t), v);
            }
        }
        sums
    }
}

// Without closures: those that library functions call are compiled for every processor, and cannot take instructions of one.

/// # Safety
/// As [`Lanes`].
#[inline(always)]
unsafe fn loads<L: Lanes, const W: usize>(from: *const f32) -> [L::V; W] {
    // SAFETY: the caller's promise.
    unsafe {
        let mut all = [L::zero(); W];
        for (j, v) in all.iter_mut().enumerate() {
            *v = L::load(from.add(j * L::N));
        }
        all
    }
}

/// sum + factor v.
///
/// # Safety
/// As [`Lanes`].
#[inline(always)]
unsafe fn grown<L: Lanes, const W: usize>(mut sum: [L::V; W], factor: f32, v: [L::V; W]) -> [L::V; W] {
    // SAFETY: the caller's promise.
    unsafe {
        let factor = L::all(factor);
        for (sum, v) in sum.iter_mut().zip(v) {
            *sum = L::fma(factor, v, *sum);
        }
        sum
    }
}

/// # Safety
/// As [`mix`].
#[inline(always)]
unsafe fn write<L: Lanes, const W: usize>(sums: [[L::V; W]; QUERIES], scale: [f32; QUERIES], y: [*mut f32; QUERIES]) {
    // SAFETY: the caller's promise.
    unsafe {
        for ((sum, scale), y) in sums.into_iter().zip(scale).zip(y) {
            for (j, sum) in sum.into_iter().enumerate() {
                L::store(y.add(j * L::N), L::fma(L::all(scale), sum, L::zero()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    fn wave(size: [i64; 4], step: f64) -> Tensor {
        let n: i64 = size.iter().product();
        (Tensor::arange(n, (Kind::Float, Device::Cpu)) * step).sin().view(size)
    }

    #[test]
    fn packed_rows_attend_as_libtorch_has_it() {
        let shapes = [([4, 4], 32), ([6, 2], 48), ([8, 1], 64), ([2, 2], 16), ([3, 3], 128)];
        for ([query, key], channels) in shapes {
            let spans = [1, 7, 120, 33, 4, 129];
            let total: i64 = spans.iter().sum();
            let q = wave([1, total, query, channels], 0.7) * 3.0;
            let (k, v) = (wave([1, total, key, channels], 1.3) * 2.0, wave([1, total, key, channels], 0.9));
            assert_eq!(takes(&q, channels), instructions() != Instructions::Plain);
            let ours = attend([&q, &k, &v], &spans).unwrap();
            let mut from = 0;
            for len in spans {
                let part = |x: &Tensor, heads: i64| {
                    let wide =
                        x.narrow(1, from, len).unsqueeze(3).expand([1, len, heads, query / heads, channels], false);
                    wide.reshape([1, len, query, channels]).transpose(1, 2).to_kind(Kind::Double)
                };
                let (q, k, v) = (part(&q, query), part(&k, key), part(&v, key));
                let right = Tensor::scaled_dot_product_attention::<Tensor>(&q, &k, &v, None, 0.0, false, None, false);
                let difference = (right.transpose(1, 2) - ours.narrow(1, from, len)).abs().max().double_value(&[]);
                assert!(difference < 2e-6, "{query} heads of {channels}, row of {len}: {difference}");
                let alone = [&q, &k, &v].map(|x| x.transpose(1, 2).to_kind(Kind::Float).contiguous());
                let alone = attend([&alone[0], &alone[1], &alone[2]], &[len]).unwrap();
                assert!(alone.equal(&ours.narrow(1, from, len).contiguous()), "a row does not depend on its company");
                from += len;
            }
        }
    }

    #[test]
    fn what_is_not_a_number_stays_in_its_row() {
        let q = wave([1, 24, 2, 32], 0.7);
        let broken = q.shallow_clone().copy();
        let _ = broken.narrow(1, 3, 1).fill_(f64::NAN);
        let ours = attend([&q, &broken, &q], &[8, 16]).unwrap();
        assert!(ours.narrow(1, 0, 8).isnan().all().int64_value(&[]) == 1);
        assert!(ours.narrow(1, 8, 16).isnan().any().int64_value(&[]) == 0);
    }
}
