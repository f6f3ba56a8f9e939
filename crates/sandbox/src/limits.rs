//! `Limits`: how much a program may use.

use std::time::Duration;

/// How much one program may use; several at once use it each. Processes are no number: a sandboxed program starts none,
/// and no thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Time by the clock, interpreter start included.
    pub wall: Duration,
    /// Processor time; counted in whole seconds, rounded up.
    pub cpu: Duration,
    /// Bytes of address space.
    pub memory_bytes: u64,
    /// Bytes of one file. Matters without a sandbox only: inside one nothing can be written.
    pub file_bytes: u64,
    /// Bytes kept of each of standard output and standard error; what follows is read and dropped.
    pub output_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            wall: Duration::from_secs(10),
            cpu: Duration::from_secs(10),
            memory_bytes: 4 << 30,
            file_bytes: 16 << 20,
            output_bytes: 64 << 10,
        }
    }
}

#[cfg(target_os = "linux")]
impl Limits {
    /// Processor time as the kernel counts it.
    pub(crate) fn cpu_seconds(&self) -> u64 {
        u64::try_from(self.cpu.as_millis().div_ceil(1000)).unwrap_or(u64::MAX - 1).clamp(1, u64::MAX - 1)
    }
}
