//! Programs that do what they are asked.

use crate::{outcome, program, sandboxes, unguarded};
use mosa_sandbox::{Backend, Limits, Sandbox};
use std::time::Duration;

#[test]
fn an_honest_program_passes_everywhere() {
    for sandbox in sandboxes().iter().chain([&unguarded()]) {
        assert_eq!(outcome(sandbox, "def f(x):\n    return x + 1\n", "assert f(1) == 2\n"), "passed");
    }
}

#[test]
fn what_solutions_import_can_be_imported() {
    let modules = "typing, math, hashlib, collections, re, string, random, copy, itertools, functools, heapq, bisect, \
        operator, datetime, decimal, fractions, statistics, json, dataclasses, enum, cmath, array, struct, textwrap, \
        unicodedata, zlib, bz2, lzma, time, queue, inspect, traceback, unittest, abc, contextlib, numbers, secrets";
    for sandbox in sandboxes() {
        assert_eq!(outcome(sandbox, &format!("import {modules}\nimport encodings.idna\n"), ""), "passed");
    }
}

#[test]
fn everyday_python_works() {
    let source = r#"
from __future__ import annotations
from collections import namedtuple
from dataclasses import dataclass
from typing import List, NamedTuple
import sys, random

Point = namedtuple("Point", "x y")

class Named(NamedTuple):
    value: int

@dataclass
class Data:
    items: List[int]

def deep(n):
    return 0 if n == 0 else 1 + deep(n - 1)

if __name__ == "__main__":
    raise SystemExit("not a script")
"#;
    let check = r#"
assert Point(1, 2).x == 1 and Named(3).value == 3 and Data([1]).items == [1]
assert deep(900) == 900
sys.setrecursionlimit(20000)
assert deep(10000) == 10000
assert len(str(3 ** 20000)) == 9543
assert list({"b", "a", "c"}) == list({"b", "a", "c"})
assert 0 <= random.random() < 1
assert len(bytearray(1 << 30)) == 1 << 30
print("no matter", file=sys.stderr)
"#;
    for sandbox in sandboxes() {
        assert_eq!(outcome(sandbox, source, check), "passed");
    }
}

#[test]
fn the_order_of_a_set_is_the_same_in_every_run() {
    for sandbox in sandboxes() {
        let run = || sandbox.observe(&program("print(hash('a word'), list({'b', 'a', 'c'}))", "")).unwrap().stdout;
        assert_eq!(run(), run());
    }
}

#[test]
fn a_failure_names_the_exception_its_message_and_the_line() {
    let cases = [
        (
            "def f(): return 1",
            "\nassert f() == 2, 'one\\nis not two'",
            "failed AssertionError: one is not two (line 2 of the check)",
        ),
        ("def f(): return 1", "assert f() == 2", "failed AssertionError (line 1 of the check)"),
        ("def f():\n    return [][1]", "f()", "failed IndexError: list index out of range (line 2 of the program)"),
        ("def f(:", "f()", "failed SyntaxError: invalid syntax (<program>, line 1)"),
        ("x = 1", "y = = 2", "failed SyntaxError: invalid syntax (<check>, line 1)"),
        ("import sys", "sys.exit(0)", "failed SystemExit: 0 (line 1 of the check)"),
        (
            "class Own(Exception): pass",
            "raise Own('\u{e9}' * 9)",
            "failed Own: \u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9} (line 1 of the check)",
        ),
        (
            "def f(): return f()",
            "f()",
            "failed RecursionError: maximum recursion depth exceeded (line 1 of the program)",
        ),
        ("import numpy", "", "failed ModuleNotFoundError: No module named 'numpy' (line 1 of the program)"),
    ];
    for sandbox in sandboxes() {
        for (source, check, expected) in cases {
            assert_eq!(outcome(sandbox, source, check), expected, "{source}");
        }
        let long = outcome(sandbox, "", "raise ValueError('x' * 10 ** 7)");
        assert!(long.starts_with("failed ValueError: xxx") && long.len() < 520, "{long}");
    }
}

#[test]
fn a_program_of_any_size_arrives_whole() {
    let source = format!("TEXT = '''{}'''\n", "a line that is long enough\n".repeat(40_000));
    for sandbox in sandboxes() {
        assert_eq!(outcome(sandbox, &source, "assert len(TEXT) == 40_000 * 27"), "passed");
        assert_eq!(outcome(sandbox, "", ""), "passed");
    }
}

#[test]
fn a_record_says_what_decided() {
    for sandbox in sandboxes() {
        let said = sandbox.describe();
        assert_eq!((said.backend.as_str(), said.seccomp), (sandbox.backend().name(), true));
        assert_eq!(said.bubblewrap.is_some(), sandbox.backend() == Backend::Bubblewrap);
        assert_eq!(said.landlock_abi.is_some(), sandbox.backend() == Backend::Landlock);
        assert_eq!((said.wall_seconds, said.cpu_seconds, said.memory_bytes), (10.0, 10, 4 << 30));
        assert!(sandbox.python_version().starts_with("3."));
        let text = serde_json::to_string(&said).unwrap();
        assert_eq!(serde_json::from_str::<mosa_sandbox::Description>(&text).unwrap(), said);
    }
}

#[test]
fn without_a_choice_the_best_that_holds_is_opened() {
    let sandbox = Sandbox::open(None, Limits::default()).unwrap();
    assert_eq!(sandbox.backend(), sandboxes()[0].backend());
}

#[test]
fn a_program_that_could_not_be_started_is_an_error_and_no_outcome() {
    for sandbox in sandboxes() {
        let hopeless = Limits { wall: Duration::ZERO, ..Limits::default() };
        let hopeless = sandbox.with_limits(hopeless);
        // Where this thread waits for a core that long, a program may be through before anybody looks at the clock.
        let mut tries = (0..20).filter_map(|_| hopeless.run(&program("", "")).err());
        let error = tries.next().expect("one of twenty programs is not through at once").to_string();
        assert!(error.ends_with(" sandbox did not reach the program (no interpreter within 0.0 s)"), "{error}");
    }
}

#[test]
fn backends_are_named() {
    for backend in Backend::ALL {
        assert_eq!(backend.name().parse::<Backend>(), Ok(backend));
    }
    let error = "docker".parse::<Backend>().unwrap_err().to_string();
    assert_eq!(error, "no sandbox is called \"docker\": use bubblewrap, landlock or none");
}
