//! Programs that want out.

use crate::{outcome, program, sandboxes, unguarded};
use std::os::fd::AsRawFd;

#[test]
fn every_escape_of_the_self_test_is_contained() {
    for sandbox in sandboxes() {
        let escapes = sandbox.self_test().unwrap();
        assert!(escapes.len() >= 14);
        for escape in escapes {
            eprintln!("{}: {escape}", sandbox.backend());
            assert!(escape.contained, "{}: {escape}", sandbox.backend());
        }
    }
}

#[test]
fn the_self_test_sees_what_a_missing_sandbox_lets_out() {
    let out: Vec<_> = unguarded().self_test().unwrap().into_iter().filter(|e| !e.contained).map(|e| e.name).collect();
    let expected = [
        "read a canary",
        "open a socket",
        "fork without end",
        "write 1 GB",
        "kill its parent",
        "start a shell",
        "leave traces outside",
    ];
    assert_eq!(out, expected);
}

#[test]
fn what_this_process_left_open_is_not_inherited() {
    let mut file = tempfile::tempfile().unwrap();
    std::io::Write::write_all(&mut file, b"the secret of the parent").unwrap();
    // A duplicate made this way is inherited by any child.
    #[allow(unsafe_code)]
    // SAFETY: the descriptor is open; the copy is closed at the end of the process.
    let copy = unsafe { libc::dup(file.as_raw_fd()) };
    let source = format!("import os\nprint(os.pread({copy}, 100, 0))");
    let said =
        |sandbox: &crate::Sandbox| String::from_utf8(sandbox.observe(&program(&source, "")).unwrap().stdout).unwrap();
    for sandbox in sandboxes().iter().chain([&unguarded()]) {
        assert_eq!(said(sandbox), "", "{}", sandbox.backend());
    }
}

#[test]
fn another_program_of_the_machine_cannot_be_started() {
    let source = "
import os
for file in ('/bin/sh', '/usr/bin/env', '/usr/bin/perl', '/sbin/init'):
    try:
        os.execv(file, ['x', '-c', 'echo out'])
    except OSError:
        pass
";
    for sandbox in sandboxes() {
        assert_eq!(outcome(sandbox, source, ""), "passed");
    }
}

#[test]
fn an_account_of_the_machine_is_not_to_be_seen() {
    let source = "import os\nprint(sorted(os.environ), os.getcwd())\n";
    for sandbox in sandboxes() {
        let said = String::from_utf8(sandbox.observe(&program(source, "")).unwrap().stdout).unwrap();
        let names: Vec<&str> = said.split('\'').filter(|n| n.chars().all(|c| c.is_ascii_uppercase())).collect();
        assert!(names.iter().all(|n| n.starts_with("PYTHON") || *n == "PWD") && said.ends_with("] /\n"), "{said}");
        assert!(names.contains(&"PYTHONHASHSEED"), "{said}");
    }
}
