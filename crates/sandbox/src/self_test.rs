//! The self-test: programs that misbehave (`escapes/`), and by what evidence each is judged.

use crate::{Escape, Limits, Outcome, Program, Run, Sandbox, SandboxError};
use std::fs;
use std::io::{self, ErrorKind};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// What a program prints for each thing it did that it should not have done.
const MARK: &str = "ESCAPED: ";
/// What it prints when it has tried everything. A program that never came so far proves nothing.
const TRIED: &str = "TRIED";
/// Limits by the clock of programs that must be stopped: the first in which one came so far that it proves something
/// counts. The later ones are for machines that are busy.
const SHORT: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(4), Duration::from_secs(20)];
/// What a program that comes to its end may take at least.
const PATIENCE: Duration = Duration::from_secs(10);
/// What is kept of output: less than what one attempt prints.
const OUTPUT_BYTES: usize = 16 << 10;

/// How one sees that an attempt failed.
#[derive(Clone, Copy)]
enum Evidence {
    /// It tried everything and printed no mark, and nothing outside shows a trace of it.
    NoMark,
    /// It was stopped at its limit.
    Stopped,
    /// It came to its end and did not pass.
    NoPass,
    /// It passed, and what was kept of its output is bounded.
    Drained,
}

/// One program that misbehaves.
struct Attempt {
    name: &'static str,
    source: &'static str,
    evidence: Evidence,
}

const ATTEMPTS: &[Attempt] = &[
    Attempt { name: "read a canary", source: include_str!("escapes/canary.py"), evidence: Evidence::NoMark },
    Attempt { name: "open a socket", source: include_str!("escapes/network.py"), evidence: Evidence::NoMark },
    Attempt { name: "fork without end", source: include_str!("escapes/fork.py"), evidence: Evidence::NoMark },
    Attempt { name: "allocate 8 GB", source: include_str!("escapes/memory.py"), evidence: Evidence::NoMark },
    Attempt { name: "write 1 GB", source: include_str!("escapes/write.py"), evidence: Evidence::NoMark },
    Attempt { name: "sleep past the limit", source: include_str!("escapes/sleep.py"), evidence: Evidence::Stopped },
    Attempt { name: "compute past the limit", source: include_str!("escapes/spin.py"), evidence: Evidence::Stopped },
    Attempt { name: "exit 0 before the check", source: include_str!("escapes/exit.py"), evidence: Evidence::NoPass },
    Attempt { name: "print the nonce early", source: include_str!("escapes/nonce.py"), evidence: Evidence::NoPass },
    Attempt { name: "replace the harness", source: include_str!("escapes/replace.py"), evidence: Evidence::NoPass },
    Attempt { name: "kill its parent", source: include_str!("escapes/parent.py"), evidence: Evidence::NoMark },
    Attempt { name: "fill stderr", source: include_str!("escapes/flood.py"), evidence: Evidence::Drained },
    Attempt { name: "start a shell", source: include_str!("escapes/shell.py"), evidence: Evidence::NoMark },
];

/// Whether a program tried everything it has.
fn tried(run: &Run) -> bool {
    String::from_utf8_lossy(&run.stdout).lines().any(|line| line == TRIED)
}

/// An honest program must pass, or nothing is learnt from those that fail.
pub(crate) fn honest(sandbox: &Sandbox) -> Result<(), String> {
    let program = Program {
        source: "import collections, hashlib, math, random, re, string\ndef double(x):\n    return 2 * x\n".into(),
        check: "assert double(21) == 42\nassert hashlib.md5(b'').hexdigest().startswith('d41d')\n".into(),
    };
    match sandbox.run(&program) {
        Ok(Outcome::Passed) => Ok(()),
        Ok(other) => Err(format!("an honest program does not pass in it ({}: {})", other.name(), other.what())),
        Err(error) => Err(error.to_string()),
    }
}

/// All attempts at once.
pub(crate) fn run(sandbox: &Sandbox) -> Result<Vec<Escape>, SandboxError> {
    let scene = Scene::set(sandbox).map_err(SandboxError::io("preparing the self-test"))?;
    let prelude = scene.prelude();
    let runs: Vec<_> = std::thread::scope(|scope| {
        let start = |a: &'static Attempt| {
            let program = a.program(&prelude);
            scope.spawn(move || a.observe(sandbox, &program))
        };
        let threads: Vec<_> = ATTEMPTS.iter().map(start).collect();
        threads.into_iter().map(std::thread::ScopedJoinHandle::join).collect()
    });
    let mut escapes = Vec::with_capacity(ATTEMPTS.len());
    for (attempt, run) in ATTEMPTS.iter().zip(runs) {
        let run = run.map_err(|_| SandboxError::Run(format!("the self-test {:?} panicked", attempt.name)))??;
        let judged = attempt.judge(&run).and_then(|what| scene.unread(&run).map(|()| what));
        let contained = judged.is_ok();
        escapes.push(Escape { name: attempt.name, contained, what: judged.unwrap_or_else(|what| what) });
    }
    escapes.push(scene.untouched());
    Ok(escapes)
}

impl Attempt {
    fn program(&self, prelude: &str) -> Program {
        Program { source: format!("{prelude}{}", self.source), check: self.check().into() }
    }

    fn observe(&self, sandbox: &Sandbox, program: &Program) -> Result<Run, SandboxError> {
        let own = sandbox.limits();
        let within = |wall| sandbox.with_limits(Self::limits(own, wall)).observe(program);
        let [first, second, last] = match self.evidence {
            Evidence::Stopped => SHORT,
            _ => return within(own.wall.max(PATIENCE)),
        };
        for wall in [first, second] {
            match within(wall) {
                Ok(run) if tried(&run) => return Ok(run),
                _ => {}
            }
        }
        within(last)
    }

    /// What can only pass by cheating; where passing proves that output was drained, nothing.
    fn check(&self) -> &'static str {
        match self.evidence {
            Evidence::NoPass => "raise AssertionError",
            _ => "",
        }
    }

    /// The sandbox's own limits, except of time and output.
    fn limits(own: Limits, wall: Duration) -> Limits {
        Limits { wall, cpu: wall + PATIENCE, output_bytes: OUTPUT_BYTES, ..own }
    }

    /// The evidence that it was contained, or that it was not.
    fn judge(&self, run: &Run) -> Result<String, String> {
        let stdout = String::from_utf8_lossy(&run.stdout);
        if let Some(mark) = stdout.lines().find_map(|l| l.strip_prefix(MARK)) {
            return Err(mark.to_owned());
        }
        let saw = format!("{}: {}", run.outcome.name(), run.outcome.what());
        let tried = tried(run);
        match self.evidence {
            Evidence::NoMark | Evidence::NoPass | Evidence::Stopped if !tried => Err(format!("proved nothing, {saw}")),
            Evidence::NoMark => Ok(format!("{} refusals", stdout.matches("refused: ").count())),
            Evidence::NoPass if run.outcome.passed() => Err("passed".into()),
            Evidence::NoPass => Ok(saw),
            Evidence::Stopped if run.outcome == Outcome::TimedOut => {
                Ok(format!("stopped after {:.1} s", run.wall.as_secs_f64()))
            }
            Evidence::Stopped => Err(format!("{saw}, after {:.1} s", run.wall.as_secs_f64())),
            Evidence::Drained => {
                let bounded = run.stdout.len().max(run.stderr.len()) <= OUTPUT_BYTES;
                if run.outcome.passed() && bounded { Ok("passed, output bounded".into()) } else { Err(saw) }
            }
        }
    }
}

/// What is outside: things that can be read, reached and killed by any process that is not contained.
struct Scene {
    folder: TempDir,
    secret: String,
    tcp: TcpListener,
    unix: UnixListener,
    victim: Child,
}

impl Scene {
    fn set(sandbox: &Sandbox) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let secret: String = crate::hand_over::fresh_nonce()?.iter().map(|b| format!("{b:02x}")).collect();
        fs::write(folder.path().join("canary"), &secret)?;
        fs::write(folder.path().join("victim"), &secret)?;
        let tcp = TcpListener::bind(("127.0.0.1", 0))?;
        tcp.set_nonblocking(true)?;
        let unix = UnixListener::bind(folder.path().join("socket"))?;
        unix.set_nonblocking(true)?;
        // Waits for its input to close.
        let victim = Command::new(&sandbox.python().executable)
            .args(["-I", "-S", "-c", "import sys; sys.stdin.read()"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self { folder, secret, tcp, unix, victim })
    }

    /// What every attempt knows of the outside.
    fn prelude(&self) -> String {
        let path = |name: &str| serde_json::Value::from(self.path(name).to_string_lossy()).to_string();
        let port = self.tcp.local_addr().map_or(0, |a| a.port());
        format!(
            "CANARY = {}\nSCRATCH = {}\nSOCKET = {}\nVICTIM_FILE = {}\nPORT = {port}\nVICTIM = {}\n{}",
            path("canary"),
            path("."),
            path("socket"),
            path("victim"),
            self.victim.id(),
            include_str!("escapes/prelude.py"),
        )
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Whether a run does not know the canary.
    fn unread(&self, run: &Run) -> Result<(), String> {
        let secret = self.secret.as_bytes();
        if [&run.stdout, &run.stderr].iter().any(|out| out.windows(secret.len()).any(|w| w == secret)) {
            return Err("the canary was printed".into());
        }
        Ok(())
    }

    /// Whether the outside shows no trace of all of them.
    fn untouched(mut self) -> Escape {
        let nobody = |e: Option<ErrorKind>| e == Some(ErrorKind::WouldBlock);
        let names = fs::read_dir(self.folder.path()).map_or(0, Iterator::count);
        let traces = [
            ("somebody connected by TCP", !nobody(self.tcp.accept().err().map(|e| e.kind()))),
            ("somebody connected to a Unix socket", !nobody(self.unix.accept().err().map(|e| e.kind()))),
            ("a process outside was killed", !matches!(self.victim.try_wait(), Ok(None))),
            ("a file outside was changed", fs::read(self.path("victim")).ok() != Some(self.secret.clone().into())),
            ("there are files that nobody made", names != 3),
        ];
        let found: Vec<&str> = traces.iter().filter(|t| t.1).map(|t| t.0).collect();
        let what = if found.is_empty() { "nothing outside was touched".into() } else { found.join(", ") };
        Escape { name: "leave traces outside", contained: found.is_empty(), what }
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = self.victim.kill();
        let _ = self.victim.wait();
    }
}
