//! `Description`: what a record says about a sandbox.

use serde::{Deserialize, Serialize};

/// What decides about outcomes, for a manifest. No paths: two machines with the same description count as one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// [`Backend::name`](crate::Backend::name).
    pub backend: String,
    /// Version of `bwrap`, where it is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bubblewrap: Option<String>,
    /// Version of the kernel's Landlock interface, where it is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub landlock_abi: Option<u32>,
    /// Whether a system call filter is in force.
    pub seccomp: bool,
    /// Version of Python.
    pub python: String,
    /// Seconds by the clock.
    pub wall_seconds: f64,
    /// Seconds of processor time.
    pub cpu_seconds: u64,
    /// Bytes of address space.
    pub memory_bytes: u64,
    /// Bytes of a file.
    pub file_bytes: u64,
    /// Why a preferred backend is not the one in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead_of_bubblewrap: Option<String>,
}
