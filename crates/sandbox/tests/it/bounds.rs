//! Limits, output, and what is left behind.

use crate::{outcome, program, sandboxes, unguarded};
use mosa_sandbox::{Limits, Outcome};
use std::time::{Duration, Instant};

fn short() -> Limits {
    Limits { wall: Duration::from_millis(500), ..Limits::default() }
}

#[test]
fn a_program_that_does_not_end_is_timed_out() {
    const PROGRAMS: [&str; 4] = [
        "import time\ntime.sleep(600)",
        "while True: pass",
        "x = 9 ** 9 ** 9",
        "import re\nre.match('(a+)+b', 'a' * 60)",
    ];
    for sandbox in sandboxes().iter().chain([&unguarded()]) {
        for source in PROGRAMS {
            let run = sandbox.with_limits(short()).observe(&program(source, "")).unwrap();
            assert_eq!(run.outcome, Outcome::TimedOut, "{source}");
            assert!(run.wall >= Duration::from_millis(500) && run.wall < Duration::from_secs(3), "{:?}", run.wall);
        }
    }
}

#[test]
fn processor_time_is_a_limit_of_its_own() {
    for sandbox in sandboxes().iter().chain([&unguarded()]) {
        let limits = Limits { cpu: Duration::from_millis(300), ..Limits::default() };
        assert_eq!(outcome(&sandbox.with_limits(limits), "while True: pass", ""), "timed_out");
    }
}

#[test]
fn memory_is_bounded_and_its_end_is_said() {
    for sandbox in sandboxes().iter().chain([&unguarded()]) {
        assert_eq!(outcome(sandbox, "x = bytearray(5 << 30)", ""), "memory");
        let limits = Limits { memory_bytes: 256 << 20, ..Limits::default() };
        let hungry = "x = []\nwhile True: x.append(bytearray(1 << 20))";
        assert_eq!(outcome(&sandbox.with_limits(limits), hungry, ""), "memory");
    }
}

#[test]
fn a_crash_is_an_end_and_says_its_signal() {
    let source = "import faulthandler\nfaulthandler._read_null()";
    for sandbox in sandboxes() {
        let said = outcome(sandbox, source, "");
        assert!(said.starts_with("ended by signal 11"), "{}: {said}", sandbox.backend());
        assert_eq!(outcome(sandbox, "import os\nos._exit(3)", ""), "ended with exit code 3 before the check returned");
    }
}

#[test]
fn output_is_drained_and_kept_up_to_a_bound() {
    let source = "import os\nfor n in range(2000):\n    os.write(1, b'a' * 65536)\n    os.write(2, b'b' * 65536)";
    for sandbox in sandboxes() {
        let limits = Limits { output_bytes: 1000, ..Limits::default() };
        let run = sandbox.with_limits(limits).observe(&program(source, "")).unwrap();
        assert_eq!(run.outcome, Outcome::Passed);
        assert_eq!((run.stdout, run.stderr), (vec![b'a'; 1000], vec![b'b'; 1000]));
    }
}

#[test]
fn many_programs_run_at_once_and_each_gets_its_own_verdict() {
    for sandbox in sandboxes() {
        std::thread::scope(|scope| {
            for n in 0..24 {
                scope.spawn(move || {
                    let source = format!("import sys\nprint({n}, flush=True)\ndef f(): return {}", n % 3);
                    let run = sandbox.observe(&program(&source, "assert f() == 0, f()")).unwrap();
                    assert_eq!(run.outcome.passed(), n % 3 == 0, "{n}: {:?}", run.outcome);
                    assert_eq!(String::from_utf8(run.stdout).unwrap(), format!("{n}\n"));
                });
            }
        });
    }
}

/// Without a sandbox processes can be started: the whole group ends with its program.
#[test]
fn no_process_is_left_behind() {
    let source = "import os, sys, time\nprint(os.getpid(), flush=True)\ntry:\n    if os.fork(): print(os.getpid())\n    \
        else: print(os.getpid(), flush=True)\nexcept OSError: pass\ntime.sleep(600)";
    for sandbox in sandboxes().iter().chain([&unguarded()]) {
        let run = sandbox.with_limits(short()).observe(&program(source, "")).unwrap();
        assert_eq!(run.outcome, Outcome::TimedOut);
        let said = String::from_utf8(run.stdout).unwrap();
        assert!(!said.is_empty());
        // Inside bubblewrap the numbers are those of another namespace.
        if sandbox.backend() != mosa_sandbox::Backend::Bubblewrap {
            for pid in said.lines() {
                assert!(gone(pid), "{}: process {pid} is still there", sandbox.backend());
            }
        }
    }
}

/// A killed orphan stays in the table until its new parent looks.
fn gone(pid: &str) -> bool {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        if status.is_empty() || status.contains("State:\tZ") {
            return true;
        }
        if Instant::now() > deadline {
            return false;
        }
        std::thread::yield_now();
    }
}

#[test]
fn no_file_is_left_behind() {
    let source = "import os\nopen('left', 'w').write('x')\nos.mkdir('folder')\nprint(os.getcwd())";
    let run = unguarded().observe(&program(source, "")).unwrap();
    assert_eq!(run.outcome, Outcome::Passed);
    let folder = String::from_utf8(run.stdout).unwrap();
    assert!(folder.trim_end().len() > 1 && !std::path::Path::new(folder.trim_end()).exists());
    for sandbox in sandboxes() {
        let said = outcome(sandbox, source, "");
        assert!(said.starts_with("failed PermissionError"), "{said}");
    }
}
