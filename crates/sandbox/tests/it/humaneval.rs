//! The benchmark: its own solutions pass, and with one token changed they fail.

use crate::at_hand::at_hand;
use crate::sandboxes;
use mosa_sandbox::{Limits, Outcome, Program, Sandbox};
use std::io::Read;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

struct Problem {
    name: String,
    prompt: String,
    solution: String,
    check: String,
}

/// The benchmark, where it is at hand; no part of the project.
fn problems() -> Option<Vec<Problem>> {
    let file = std::fs::File::open(at_hand("data/humaneval/HumanEval.jsonl.gz")?).unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    let problem = |line: &str| {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        let field = |name: &str| row[name].as_str().unwrap().to_owned();
        Problem {
            name: field("task_id"),
            prompt: field("prompt"),
            solution: field("canonical_solution"),
            check: format!("{}\ncheck({})\n", field("test"), field("entry_point")),
        }
    };
    Some(text.lines().filter(|l| !l.trim().is_empty()).map(problem).collect())
}

impl Problem {
    fn program(&self, solution: &str) -> Program {
        Program { source: format!("{}{solution}", self.prompt), check: self.check.clone() }
    }
}

/// Programs in which one token of the solution is another, in a fixed order.
fn mutants(solution: &str) -> Vec<String> {
    let tokens = tokens_of(solution);
    let mut mutants = Vec::new();
    for pass in 0..3 {
        for (start, end) in &tokens {
            let token = &solution[*start..*end];
            let other = match pass {
                0 => other_operator(token).map(str::to_owned),
                1 => token.parse::<u32>().ok().map(|n| (n + 1).to_string()),
                _ => token.starts_with(char::is_alphabetic).then(|| "None".to_owned()),
            };
            mutants.extend(other.map(|other| format!("{}{other}{}", &solution[..*start], &solution[*end..])));
        }
    }
    mutants
}

fn other_operator(token: &str) -> Option<&'static str> {
    let pairs = [
        ("==", "!="),
        ("!=", "=="),
        ("<=", ">"),
        (">=", "<"),
        ("<", ">="),
        (">", "<="),
        ("+", "-"),
        ("-", "+"),
        ("*", "+"),
        ("//", "*"),
        ("/", "*"),
        ("%", "+"),
        ("**", "*"),
        ("and", "or"),
        ("or", "and"),
        ("True", "False"),
        ("False", "True"),
        ("+=", "-="),
        ("-=", "+="),
    ];
    pairs.iter().find(|(from, _)| *from == token).map(|(_, to)| *to)
}

/// Words, numbers and operators, with strings and comments left out.
fn tokens_of(text: &str) -> Vec<(usize, usize)> {
    let bytes = text.as_bytes();
    let run =
        |from: usize, is: &dyn Fn(u8) -> bool| (from..bytes.len()).find(|i| !is(bytes[*i])).unwrap_or(bytes.len());
    let (mut tokens, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let end = match bytes[at] {
            b'#' => run(at, &|b| b != b'\n'),
            quote @ (b'"' | b'\'') => (run(at + 1, &|b| b != quote) + 1).min(bytes.len()),
            b if b.is_ascii_alphanumeric() || b == b'_' => run(at, &|b| b.is_ascii_alphanumeric() || b == b'_'),
            b if b"=!<>+-*/%".contains(&b) => run(at, &|b| b"=!<>+-*/%".contains(&b)),
            _ => at + 1,
        };
        if bytes[at].is_ascii() && !matches!(bytes[at], b'#' | b'"' | b'\'') {
            tokens.push((at, end));
        }
        at = end;
    }
    tokens
}

/// Does `work` for every problem on two threads; how many say true, and the names of those that do not.
fn count(problems: &[Problem], work: impl Fn(&Problem) -> bool + Sync) -> (usize, Vec<String>) {
    let next = AtomicUsize::new(0);
    let worker = || {
        let (mut yes, mut no) = (0, Vec::new());
        while let Some(problem) = problems.get(next.fetch_add(1, Ordering::Relaxed)) {
            if work(problem) { yes += 1 } else { no.push(problem.name.clone()) }
        }
        (yes, no)
    };
    std::thread::scope(|scope| {
        let threads = [scope.spawn(worker), scope.spawn(worker)];
        let mut all = (0, Vec::new());
        for thread in threads {
            let (yes, no) = thread.join().unwrap();
            all.0 += yes;
            all.1.extend(no);
        }
        all
    })
}

fn measure(sandbox: &Sandbox, problems: &[Problem]) {
    let start = Instant::now();
    let passes = |p: &Problem| sandbox.run(&p.program(&p.solution)).unwrap().passed();
    assert_eq!(count(problems, passes), (164, Vec::new()), "{}", sandbox.backend());
    let solved = start.elapsed();
    let runs = AtomicUsize::new(0);
    // A mutant that does not end is no answer; the next one is tried.
    let strict = sandbox.with_limits(Limits { wall: Duration::from_secs(2), ..sandbox.limits() });
    let fails = |p: &Problem| {
        mutants(&p.solution).iter().any(|mutant| {
            runs.fetch_add(1, Ordering::Relaxed);
            matches!(strict.run(&p.program(mutant)).unwrap(), Outcome::Failed { .. })
        })
    };
    assert_eq!(count(problems, fails), (164, Vec::new()), "{}", sandbox.backend());
    let (broken, runs) = (start.elapsed() - solved, runs.into_inner());
    crate::say(&format!("{}: solutions {solved:.1?}, broken ones {broken:.1?} ({runs} runs)", sandbox.backend()));
}

#[test]
fn all_solutions_of_humaneval_pass_and_each_fails_with_one_token_changed() {
    let Some(problems) = problems() else { return };
    let start = Instant::now();
    sandboxes().iter().for_each(|sandbox| measure(sandbox, &problems));
    let each = start.elapsed() / u32::try_from(sandboxes().len()).unwrap();
    assert!(each < Duration::from_secs(180), "{each:?} for all programs");
}
