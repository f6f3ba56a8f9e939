//! Programs that behave, programs that do not, and the benchmark they are for.

#![cfg(target_os = "linux")]
// A test fails by panicking.
#![allow(clippy::unwrap_used)]

#[path = "../../../data/tests/it/at_hand.rs"]
mod at_hand;
mod bounds;
mod escapes;
mod forgery;
mod honest;
mod humaneval;

use mosa_sandbox::{Backend, Limits, Outcome, Program, Sandbox, SandboxError};
use std::io::Write;
use std::sync::OnceLock;

/// Every sandbox that can be used here, opened once. At least one; a test that has none proves nothing.
fn sandboxes() -> &'static [Sandbox] {
    static OPEN: OnceLock<Vec<Sandbox>> = OnceLock::new();
    OPEN.get_or_init(|| {
        let open = |backend| match Sandbox::open(Some(backend), Limits::default()) {
            Ok(sandbox) => Some(sandbox),
            Err(SandboxError::Unusable { backend, why }) => {
                say(&format!("skipped, every test under {backend}: {why}"));
                None
            }
            Err(error) => panic!("{error}"),
        };
        let open: Vec<_> = [Backend::Bubblewrap, Backend::Landlock].into_iter().filter_map(open).collect();
        assert!(!open.is_empty(), "neither bubblewrap nor Landlock can be used here");
        open
    })
}

/// Says something on standard error itself, since what a passing test prints is not shown.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// No sandbox at all.
fn unguarded() -> Sandbox {
    Sandbox::open(Some(Backend::None), Limits::default()).unwrap()
}

fn program(source: &str, check: &str) -> Program {
    Program { source: source.into(), check: check.into() }
}

/// What became of a program, in one string.
fn outcome(sandbox: &Sandbox, source: &str, check: &str) -> String {
    match sandbox.run(&program(source, check)).unwrap() {
        Outcome::Passed => "passed".into(),
        other => format!("{} {}", other.name(), other.what()).trim_end().to_owned(),
    }
}
