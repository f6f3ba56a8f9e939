//! Limits, output, and what is left behind.

use crate::{outcome, program, sandboxes, unguarded};
use mosa_sandbox::{Backend, Limits, Outcome, Sandbox};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Long enough for an interpreter to start on a busy machine.
fn short() -> Limits {
    Limits { wall: Duration::from_millis(1500), ..Limits::default() }
}

#[test]
fn a_program_that_does_not_end_is_timed_out() {
    const PROGRAMS: [&str; 4] = [
        "import time\ntime.sleep(600)",
        "while True: pass",
        "x = 9 ** 9 ** 9",
        "import re\nre.match('(a+)+b', 'a' * 60)",
    ];
    let stopped = |sandbox: &Sandbox, source| {
        let run = sandbox.with_limits(short()).observe(&program(source, "")).unwrap();
        assert_eq!(run.outcome, Outcome::TimedOut, "{source}");
        assert!(run.wall >= short().wall && run.wall < 5 * short().wall, "{source}: {:?}", run.wall);
    };
    for sandbox in sandboxes().iter().chain([&unguarded()]) {
        std::thread::scope(|scope| {
            for source in PROGRAMS {
                scope.spawn(move || stopped(sandbox, source));
            }
        });
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

/// Starts two processes where that is allowed, says their numbers, and stays.
const STAYS: &str = "
import os, time
print(os.getpid(), flush=True)
try:
    if os.fork() == 0:
        print(os.getpid(), flush=True)
except OSError:
    pass
time.sleep(600)
";

#[test]
fn no_process_is_left_behind() {
    for sandbox in sandboxes().iter().chain([&unguarded()]) {
        let run = sandbox.with_limits(short()).observe(&program(STAYS, "")).unwrap();
        assert_eq!(run.outcome, Outcome::TimedOut);
        let said = String::from_utf8(run.stdout).unwrap();
        assert_eq!(said.lines().count(), if sandbox.backend() == Backend::None { 2 } else { 1 });
        // Inside bubblewrap the numbers are those of another namespace.
        if sandbox.backend() != Backend::Bubblewrap {
            said.lines().for_each(|pid| assert!(gone(pid), "{}: {pid} is still there", sandbox.backend()));
        }
    }
}

/// A program ends with the process that runs it, also when that is killed.
#[test]
fn a_program_does_not_outlive_its_parent() {
    for sandbox in sandboxes() {
        let mut parent = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "bounds::a_parent_that_is_killed", "--ignored"])
            .env(PARENT, sandbox.backend().name())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        BufReader::new(parent.stderr.take().unwrap()).read_line(&mut said).unwrap();
        assert_eq!(said, "opened\n");
        let running = program_of(parent.id());
        parent.kill().unwrap();
        parent.wait().unwrap();
        assert!(gone(&running), "{}: {running} is still there", sandbox.backend());
    }
}

const PARENT: &str = "MOSA_TEST_PARENT";

#[test]
#[ignore = "is started by another test"]
fn a_parent_that_is_killed() {
    let backend = std::env::var(PARENT).unwrap().parse().unwrap();
    let limits = Limits { wall: Duration::from_secs(60), cpu: Duration::from_secs(60), ..Limits::default() };
    let sandbox = Sandbox::open(Some(backend), limits).unwrap();
    crate::say("opened");
    let _ = sandbox.run(&program(STAYS, ""));
}

/// The interpreter among the descendants of a process, once it sleeps in its program.
fn program_of(ancestor: u32) -> String {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let mut family = vec![ancestor.to_string()];
        let mut at = 0;
        while at < family.len() {
            family.extend(children(&family[at]));
            at += 1;
        }
        let name = |pid: &&String| std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        if let Some(pid) = family.iter().find(|pid| name(pid).starts_with("python")) {
            return pid.clone();
        }
        assert!(Instant::now() < deadline, "no program was started");
        std::thread::yield_now();
    }
}

fn children(parent: &str) -> Vec<String> {
    let parent_line = format!("PPid:\t{parent}\n");
    let is_child = |pid: &String| {
        std::fs::read_to_string(format!("/proc/{pid}/status")).is_ok_and(|status| status.contains(&parent_line))
    };
    let all = std::fs::read_dir("/proc").unwrap().flatten().map(|e| e.file_name().to_string_lossy().into_owned());
    all.filter(|name| name.bytes().all(|b| b.is_ascii_digit())).filter(is_child).collect()
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
