//! A pair of types that a product is made of: how numbers of both become terms of f32 sums, a register at a time.

#![allow(unsafe_code, reason = "instructions and pointers are the promise of whoever calls")]

use crate::lanes::{Lanes, Narrow};
use std::marker::PhantomData;

/// How numbers of a row of x and of a row of W are multiplied and added up.
///
/// Every method may only be called where the instructions it is made of exist. Pointers must be valid for `N` numbers.
pub(crate) trait Pair {
    type X: Narrow;
    type W: Narrow;
    /// Numbers of a register.
    const N: usize;
    /// Whether there are registers for the sums of four rows of W with four of x; else for two with four.
    const ROOMY: bool;
    type Sum: Copy;
    type Left: Copy;
    type Right: Copy;
    /// Zeros.
    unsafe fn zero() -> Self::Sum;
    /// N numbers of x.
    unsafe fn left(from: *const Self::X) -> Self::Left;
    /// N numbers of W.
    unsafe fn right(from: *const Self::W) -> Self::Right;
    /// a b + c, or with several products in a lane.
    unsafe fn add(a: Self::Left, b: Self::Right, c: Self::Sum) -> Self::Sum;
    /// The sum of all lanes.
    unsafe fn total(sum: Self::Sum) -> f32;
    /// Asks for what stands at an address, which need not be one of memory.
    unsafe fn prefetch(at: *const u8);
}

/// Both widened to f32 in registers.
pub(crate) struct Widened<L, X, W>(PhantomData<(L, X, W)>);

#[allow(clippy::undocumented_unsafe_blocks, reason = "what the caller promises is what the lanes ask for")]
impl<L: Lanes, X: Narrow, W: Narrow> Pair for Widened<L, X, W> {
    type X = X;
    type W = W;
    const N: usize = L::N;
    const ROOMY: bool = L::N > 8;
    type Sum = L::V;
    type Left = L::V;
    type Right = L::V;

    #[inline(always)]
    unsafe fn zero() -> L::V {
        unsafe { L::zero() }
    }

    #[inline(always)]
    unsafe fn left(from: *const X) -> L::V {
        unsafe { X::widen::<L>(from) }
    }

    #[inline(always)]
    unsafe fn right(from: *const W) -> L::V {
        unsafe { W::widen::<L>(from) }
    }

    #[inline(always)]
    unsafe fn add(a: L::V, b: L::V, c: L::V) -> L::V {
        unsafe { L::fma(a, b, c) }
    }

    #[inline(always)]
    unsafe fn total(sum: L::V) -> f32 {
        unsafe { L::sum(sum) }
    }

    #[inline(always)]
    unsafe fn prefetch(at: *const u8) {
        unsafe { L::prefetch(at) }
    }
}

#[cfg(target_arch = "x86_64")]
pub(crate) use x86::Dots;

#[cfg(target_arch = "x86_64")]
#[allow(clippy::undocumented_unsafe_blocks, reason = "instructions and pointers are the caller's promise")]
mod x86 {
    use super::Pair;
    use crate::lanes::Bf16;
    use std::arch::x86_64::*;

    /// AVX-512 BF16: each lane adds the products of two neighbours to a sum in f32. Numbers below the normal ones
    /// count as zero.
    pub(crate) struct Dots;

    impl Pair for Dots {
        type X = Bf16;
        type W = Bf16;
        const N: usize = 32;
        const ROOMY: bool = true;
        type Sum = __m512;
        type Left = __m512bh;
        type Right = __m512bh;

        #[inline(always)]
        unsafe fn zero() -> __m512 {
            unsafe { _mm512_setzero_ps() }
        }

        #[inline(always)]
        unsafe fn left(from: *const Bf16) -> __m512bh {
            unsafe { from.cast::<__m512bh>().read_unaligned() }
        }

        #[inline(always)]
        unsafe fn right(from: *const Bf16) -> __m512bh {
            unsafe { from.cast::<__m512bh>().read_unaligned() }
        }

        #[inline(always)]
        unsafe fn add(a: __m512bh, b: __m512bh, c: __m512) -> __m512 {
            unsafe { _mm512_dpbf16_ps(c, a, b) }
        }

        #[inline(always)]
        unsafe fn total(sum: __m512) -> f32 {
            unsafe { _mm512_reduce_add_ps(sum) }
        }

        #[inline(always)]
        unsafe fn prefetch(at: *const u8) {
            unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) }
        }
    }
}
