//! What the processor can do.

use std::sync::OnceLock;

/// The instructions a product may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Instructions {
    Plain,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Instructions {
    /// Whether a product of a few rows still waits for memory if it has a few more.
    pub(crate) fn are_wide(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => true,
            _ => false,
        }
    }
}

/// What libtorch's kernels are held to by the environment (`ONEDNN_MAX_CPU_ISA`), so that mosa's are held to the same:
/// whoever wants to know how a smaller processor does says it once.
fn held_to() -> Option<String> {
    let names = ["ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"];
    names.iter().find_map(|name| std::env::var(name).ok()).map(|isa| isa.to_ascii_uppercase())
}

/// Whether instructions up to `isa` (AVX2, AVX512, BF16) may be used under a limit.
fn allows(limit: Option<&str>, isa: &str) -> bool {
    let Some(limit) = limit else { return true };
    let small = matches!(limit, "SSE41" | "AVX");
    match isa {
        "AVX2" => !small,
        "AVX512" => !small && !limit.starts_with("AVX2"),
        _ => !small && !limit.starts_with("AVX2") && !matches!(limit, "AVX512_CORE" | "AVX512_CORE_VNNI"),
    }
}

/// The best instructions of this processor.
pub(crate) fn instructions() -> Instructions {
    static FOUND: OnceLock<Instructions> = OnceLock::new();
    *FOUND.get_or_init(find)
}

#[cfg(target_arch = "x86_64")]
fn find() -> Instructions {
    let limit = held_to();
    let limit = limit.as_deref();
    if is_x86_feature_detected!("avx512f") && allows(limit, "AVX512") {
        return Instructions::Avx512;
    }
    let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("f16c");
    if avx2 && allows(limit, "AVX2") { Instructions::Avx2 } else { Instructions::Plain }
}

#[cfg(not(target_arch = "x86_64"))]
fn find() -> Instructions {
    Instructions::Plain
}

/// Whether pairs of bf16 may be multiplied and added to f32 in one instruction (AVX-512 BF16).
#[cfg(target_arch = "x86_64")]
pub(crate) fn dots() -> bool {
    static FOUND: OnceLock<bool> = OnceLock::new();
    let find = || is_x86_feature_detected!("avx512bf16") && allows(held_to().as_deref(), "BF16");
    *FOUND.get_or_init(|| instructions() == Instructions::Avx512 && find())
}

/// The same elsewhere: no.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn dots() -> bool {
    false
}

/// What multiplies bf16 in hardware here, or `None`: then products of bf16 are many times slower than those of f32.
pub fn bf16_units() -> Option<&'static str> {
    static FOUND: OnceLock<Option<&'static str>> = OnceLock::new();
    *FOUND.get_or_init(find_bf16)
}

#[cfg(target_arch = "x86_64")]
fn find_bf16() -> Option<&'static str> {
    // Every processor with AMX-BF16 has these too.
    let there = is_x86_feature_detected!("avx512bf16") && allows(held_to().as_deref(), "BF16");
    let flags = || std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    there.then(|| if flags().split_whitespace().any(|f| f == "amx_bf16") { "AMX" } else { "AVX-512 BF16" })
}

#[cfg(target_arch = "aarch64")]
fn find_bf16() -> Option<&'static str> {
    std::arch::is_aarch64_feature_detected!("bf16").then_some("the BF16 extension")
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn find_bf16() -> Option<&'static str> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_of_libtorch_is_a_limit_of_ours() {
        let all = ["AVX2", "AVX512", "BF16"];
        let under = |limit: Option<&str>| all.map(|isa| allows(limit, isa));
        assert_eq!(under(None), [true; 3]);
        assert_eq!(under(Some("DEFAULT")), [true; 3]);
        assert_eq!(under(Some("AVX512_CORE_AMX")), [true; 3]);
        assert_eq!(under(Some("AVX512_CORE_VNNI")), [true, true, false]);
        assert_eq!(under(Some("AVX2_VNNI_2")), [true, false, false]);
        assert_eq!(under(Some("SSE41")), [false; 3]);
    }
}
