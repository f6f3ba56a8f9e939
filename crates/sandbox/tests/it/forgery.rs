//! Programs that want to pass without doing what the check asks.

use crate::{outcome, sandboxes};

/// What the check asks: `f(1)` is 2, said in a function, so that there is something to jump over.
const CHECK: &str = "
def check(candidate):
    assert candidate(1) == 2
    return None

check(f)
";

/// What each program does, and the program.
fn programs() -> Vec<(&'static str, &'static str)> {
    let parts = include_str!("forgeries.py").split("#: ").skip(1);
    let programs: Vec<_> = parts.filter_map(|part| part.split_once('\n')).collect();
    assert!(programs.len() > 40, "{}", programs.len());
    programs
}

#[test]
fn a_wrong_program_does_not_pass_whatever_it_does() {
    for sandbox in sandboxes() {
        assert_eq!(outcome(sandbox, "def f(x): return 2", CHECK), "passed");
        for (what, source) in programs() {
            let outcome = outcome(sandbox, source, CHECK);
            eprintln!("{}: a program that {what}: {outcome}", sandbox.backend());
            assert_ne!(outcome, "passed", "{}: a program that {what}", sandbox.backend());
        }
    }
}

/// A list of attempts that all end in a misprint proves nothing: these must have got as far as the check.
#[test]
fn attempts_that_change_what_the_harness_uses_reach_the_check() {
    let reaching = [
        "replaces exec",
        "replaces assertions",
        "replaces the check",
        "replaces the check in the harness",
        "replaces hooks",
        "prints everywhere",
    ];
    for sandbox in sandboxes() {
        for (what, source) in programs().into_iter().filter(|(what, _)| reaching.contains(what)) {
            let outcome = outcome(sandbox, source, CHECK);
            let reached = outcome.contains("AssertionError") || what == "prints everywhere";
            assert!(reached, "{what}: {outcome}");
        }
    }
}
