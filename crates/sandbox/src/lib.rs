//! Runs a Python program that nobody trusts, and says whether its check returned.
//!
//! ```no_run
//! use mosa_sandbox::{Limits, Outcome, Program, Sandbox};
//! let sandbox = Sandbox::open(None, Limits::default())?;
//! let program = Program { source: "def f(x): return x + 1".into(), check: "assert f(1) == 2".into() };
//! assert_eq!(sandbox.run(&program)?, Outcome::Passed);
//! # Ok::<(), mosa_sandbox::SandboxError>(())
//! ```
//!
//! # What is promised
//!
//! Under [`Backend::Bubblewrap`] and [`Backend::Landlock`] a program reads Python's own files and nothing else, opens
//! nothing for writing, has no network, starts no process and no thread, signals nobody, and ends at its limits.
//! [`Sandbox::open`] tries all of that with programs that misbehave (`self_test.rs`) and refuses if one gets through.
//! [`Backend::None`] promises limits of time and memory only.
//!
//! Under Landlock a program can still learn whether a path exists, and its metadata: Landlock does not cover that.
//!
//! # What a pass means
//!
//! A run passes when 32 random bytes, fresh for the run, come back on a descriptor of the harness: it writes them after
//! the check has returned (`harness.py` says how they are kept from the program). Exit codes mean nothing. Program and
//! check share one interpreter, because a check may use any object the program makes. So a program that wants to can
//! still forge a *pass*, never an escape:
//! - by answering the check with objects that are equal to everything, or by replacing a library function the check
//!   itself calls;
//! - by corrupting the interpreter's own memory, for instance with bytecode made by hand and loaded by `marshal`.
//!
//! Leaving early, printing, patching what the harness uses, tracing, and looking into frames, objects, arguments,
//! environment and files do not make a pass.

mod backend;
mod describe;
mod error;
mod escape;
mod limits;
mod outcome;
mod program;

#[cfg(target_os = "linux")]
mod bubblewrap;
#[cfg(target_os = "linux")]
mod child;
#[cfg(target_os = "linux")]
mod hand_over;
#[cfg(target_os = "linux")]
mod landlock;
#[cfg(target_os = "linux")]
mod process;
#[cfg(target_os = "linux")]
mod python;
#[cfg(target_os = "linux")]
mod sandbox;
#[cfg(target_os = "linux")]
mod seccomp;
#[cfg(target_os = "linux")]
mod self_test;
#[cfg(target_os = "linux")]
mod system;
#[cfg(target_os = "linux")]
mod watch;

#[cfg(not(target_os = "linux"))]
#[path = "elsewhere.rs"]
mod sandbox;

pub use backend::{Backend, UnknownBackend};
pub use describe::Description;
pub use error::SandboxError;
pub use escape::Escape;
pub use limits::Limits;
pub use outcome::{Outcome, Run};
pub use program::Program;
pub use sandbox::Sandbox;
