//! Vectors of f32 in the registers of a processor, and narrow numbers widened into them.

#![allow(unsafe_code, reason = "instructions and pointers are the promise of whoever calls")]

/// Numbers of the widest register.
pub(crate) const WIDEST: usize = 16;

/// A register of f32.
///
/// Every method may only be called where the instructions it is made of exist: inside a function that enables them, on
/// a processor that was asked. Pointers must be valid for `N` numbers.
pub(crate) trait Lanes {
    const N: usize;
    type V: Copy;
    /// Zeros.
    unsafe fn zero() -> Self::V;
    /// N numbers of memory.
    unsafe fn load(from: *const f32) -> Self::V;
    /// N numbers to memory.
    unsafe fn store(to: *mut f32, v: Self::V);
    /// One number in all lanes.
    unsafe fn all(value: f32) -> Self::V;
    /// a + b.
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    /// The larger of both; the second where one is not a number.
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V;
    /// a b + c.
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// The sum of all lanes.
    unsafe fn sum(v: Self::V) -> f32;
    /// N bf16.
    unsafe fn bf16(from: *const u16) -> Self::V;
    /// N f16.
    unsafe fn f16(from: *const u16) -> Self::V;
    /// N whole numbers.
    unsafe fn int8(from: *const i8) -> Self::V;
    /// Asks for what stands at an address, which need not be one of memory; where there is no such instruction, nothing.
    #[inline(always)]
    unsafe fn prefetch(_at: *const u8) {}
}

/// A number narrower than f32, or f32 itself.
pub(crate) trait Narrow: Copy {
    /// N of them as f32.
    ///
    /// # Safety
    /// As [`Lanes`].
    unsafe fn widen<L: Lanes>(from: *const Self) -> L::V;
    /// One of them as f32.
    fn one(self) -> f32;
}

/// The bits of a bf16.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub(crate) struct Bf16(u16);

/// The bits of an f16.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub(crate) struct F16(u16);

// SAFETY of all four: what the caller of `widen` promises is what the lanes ask for.
#[allow(clippy::undocumented_unsafe_blocks)]
mod narrow {
    use super::{Bf16, F16, Lanes, Narrow};

    impl Narrow for f32 {
        #[inline(always)]
        unsafe fn widen<L: Lanes>(from: *const Self) -> L::V {
            unsafe { L::load(from) }
        }

        #[inline(always)]
        fn one(self) -> f32 {
            self
        }
    }

    impl Narrow for Bf16 {
        #[inline(always)]
        unsafe fn widen<L: Lanes>(from: *const Self) -> L::V {
            unsafe { L::bf16(from.cast()) }
        }

        #[inline(always)]
        fn one(self) -> f32 {
            f32::from_bits(u32::from(self.0) << 16)
        }
    }

    impl Narrow for F16 {
        #[inline(always)]
        unsafe fn widen<L: Lanes>(from: *const Self) -> L::V {
            unsafe { L::f16(from.cast()) }
        }

        #[inline(always)]
        fn one(self) -> f32 {
            super::f16(self.0)
        }
    }

    impl Narrow for i8 {
        #[inline(always)]
        unsafe fn widen<L: Lanes>(from: *const Self) -> L::V {
            unsafe { L::int8(from) }
        }

        #[inline(always)]
        fn one(self) -> f32 {
            f32::from(self)
        }
    }
}

/// An f16 as f32, exactly: its exponent is moved by a product, which leaves numbers below the normal ones right too.
#[inline(always)]
fn f16(bits: u16) -> f32 {
    let (sign, rest) = (u32::from(bits & 0x8000) << 16, u32::from(bits & 0x7fff));
    let whole = f32::from_bits(rest << 13) * f32::from_bits((127 + 112) << 23);
    let special = if rest >= 0x7c00 { 0x7f80_0000 } else { 0 };
    f32::from_bits(sign | whole.to_bits() | special)
}

/// Plain code, which the compiler turns into whatever every processor of the kind has.
pub(crate) struct Plain;

#[allow(clippy::undocumented_unsafe_blocks, reason = "pointers are the caller's promise")]
impl Lanes for Plain {
    const N: usize = 4;
    type V = [f32; 4];

    #[inline(always)]
    unsafe fn zero() -> Self::V {
        [0.0; 4]
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::V {
        unsafe { from.cast::<[f32; 4]>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn store(to: *mut f32, v: Self::V) {
        unsafe { to.cast::<[f32; 4]>().write_unaligned(v) }
    }

    #[inline(always)]
    unsafe fn all(value: f32) -> Self::V {
        [value; 4]
    }

    #[inline(always)]
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|i| a[i] + b[i])
    }

    #[inline(always)]
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|i| if a[i] > b[i] { a[i] } else { b[i] })
    }

    #[inline(always)]
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        let one = |i: usize| {
            // Where the processor has no such instruction, a function of the C library would stand in for it.
            if cfg!(target_arch = "aarch64") { a[i].mul_add(b[i], c[i]) } else { a[i] * b[i] + c[i] }
        };
        [one(0), one(1), one(2), one(3)]
    }

    #[inline(always)]
    unsafe fn sum(v: Self::V) -> f32 {
        (v[0] + v[2]) + (v[1] + v[3])
    }

    #[inline(always)]
    unsafe fn bf16(from: *const u16) -> Self::V {
        unsafe { from.cast::<[u16; 4]>().read_unaligned() }.map(|bits| Bf16(bits).one())
    }

    #[inline(always)]
    unsafe fn f16(from: *const u16) -> Self::V {
        unsafe { from.cast::<[u16; 4]>().read_unaligned() }.map(f16)
    }

    #[inline(always)]
    unsafe fn int8(from: *const i8) -> Self::V {
        unsafe { from.cast::<[i8; 4]>().read_unaligned() }.map(f32::from)
    }
}

#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{Avx2, Avx512};

#[cfg(target_arch = "x86_64")]
#[allow(clippy::undocumented_unsafe_blocks, reason = "instructions and pointers are the caller's promise")]
mod x86 {
    use super::Lanes;
    use std::arch::x86_64::*;

    /// AVX2, FMA, F16C.
    pub(crate) struct Avx2;

    impl Lanes for Avx2 {
        const N: usize = 8;
        type V = __m256;

        #[inline(always)]
        unsafe fn zero() -> Self::V {
            unsafe { _mm256_setzero_ps() }
        }

        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self::V {
            unsafe { _mm256_loadu_ps(from) }
        }

        #[inline(always)]
        unsafe fn store(to: *mut f32, v: Self::V) {
            unsafe { _mm256_storeu_ps(to, v) }
        }

        #[inline(always)]
        unsafe fn all(value: f32) -> Self::V {
            unsafe { _mm256_set1_ps(value) }
        }

        #[inline(always)]
        unsafe fn add(a: Self::V, b: Self::V) -> Self::V {
            unsafe { _mm256_add_ps(a, b) }
        }

        #[inline(always)]
        unsafe fn max(a: Self::V, b: Self::V) -> Self::V {
            unsafe { _mm256_max_ps(a, b) }
        }

        #[inline(always)]
        unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
            unsafe { _mm256_fmadd_ps(a, b, c) }
        }

        #[inline(always)]
        unsafe fn sum(v: Self::V) -> f32 {
            unsafe {
                let four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
                let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
                _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
            }
        }

        #[inline(always)]
        unsafe fn bf16(from: *const u16) -> Self::V {
            unsafe {
                let bits = _mm256_cvtepu16_epi32(_mm_loadu_si128(from.cast()));
                _mm256_castsi256_ps(_mm256_slli_epi32::<16>(bits))
            }
        }

        #[inline(always)]
        unsafe fn f16(from: *const u16) -> Self::V {
            unsafe { _mm256_cvtph_ps(_mm_loadu_si128(from.cast())) }
        }

        #[inline(always)]
        unsafe fn int8(from: *const i8) -> Self::V {
            unsafe { _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(from.cast()))) }
        }

        #[inline(always)]
        unsafe fn prefetch(at: *const u8) {
            unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) }
        }
    }

    /// AVX-512F.
    pub(crate) struct Avx512;

    impl Lanes for Avx512 {
        const N: usize = 16;
        type V = __m512;

        #[inline(always)]
        unsafe fn zero() -> Self::V {
            unsafe { _mm512_setzero_ps() }
        }

        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self::V {
            unsafe { _mm512_loadu_ps(from) }
        }

        #[inline(always)]
        unsafe fn store(to: *mut f32, v: Self::V) {
            unsafe { _mm512_storeu_ps(to, v) }
        }

        #[inline(always)]
        unsafe fn all(value: f32) -> Self::V {
            unsafe { _mm512_set1_ps(value) }
        }

        #[inline(always)]
        unsafe fn add(a: Self::V, b: Self::V) -> Self::V {
            unsafe { _mm512_add_ps(a, b) }
        }

        #[inline(always)]
        unsafe fn max(a: Self::V, b: Self::V) -> Self::V {
            unsafe { _mm512_max_ps(a, b) }
        }

        #[inline(always)]
        unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
            unsafe { _mm512_fmadd_ps(a, b, c) }
        }

        #[inline(always)]
        unsafe fn sum(v: Self::V) -> f32 {
            unsafe { _mm512_reduce_add_ps(v) }
        }

        #[inline(always)]
        unsafe fn bf16(from: *const u16) -> Self::V {
            unsafe {
                let bits = _mm512_cvtepu16_epi32(_mm256_loadu_si256(from.cast()));
                _mm512_castsi512_ps(_mm512_slli_epi32::<16>(bits))
            }
        }

        #[inline(always)]
        unsafe fn f16(from: *const u16) -> Self::V {
            unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(from.cast())) }
        }

        #[inline(always)]
        unsafe fn int8(from: *const i8) -> Self::V {
            unsafe { _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(from.cast()))) }
        }

        #[inline(always)]
        unsafe fn prefetch(at: *const u8) {
            unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_f16_is_the_same_number_in_f32() {
        let mut last = -1.0f32;
        for bits in 0..0x7c00u16 {
            let value = f16(bits);
            assert!(value > last && f16(bits | 0x8000) == -value, "{bits:#x}: they rise with their bits");
            last = value;
        }
        let known = [(0x3c00, 1.0), (0x0001, 2f32.powi(-24)), (0x7bff, 65504.0), (0xc000, -2.0)];
        assert!(known.iter().all(|&(bits, value)| f16(bits) == value));
        assert!(f16(0x7c00) == f32::INFINITY && f16(0xfc00) == f32::NEG_INFINITY && f16(0x7e00).is_nan());
    }
}
