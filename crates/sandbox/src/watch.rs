//! `Watch`: waits for a program's verdict, drains what it prints, and ends it.

use crate::hand_over::NONCE_BYTES;
use crate::process::Process;
use crate::system::wait_readable;
use crate::{Limits, Outcome, Run};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

/// Bytes of a verdict that are kept; the harness writes fewer.
const VERDICT_BYTES: usize = 4096;
/// How often an end is looked for that closes no descriptor.
const TICK: Duration = Duration::from_millis(20);
/// How long a program that has said its last word has to end by itself, and its descriptors to close.
const GRACE: Duration = Duration::from_millis(500);

/// One descriptor of a program, read to its end, kept up to a bound.
struct Drain {
    file: Option<File>,
    kept: Vec<u8>,
    bound: usize,
}

impl Drain {
    fn new(end: OwnedFd, bound: usize) -> Self {
        Self { file: Some(File::from(end)), kept: Vec::new(), bound }
    }

    fn open(&self) -> bool {
        self.file.is_some()
    }

    /// One read, which does not block: there is something, or the writers are gone.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        match file.read(buffer) {
            Ok(0) => self.file = None,
            Ok(n) => self.kept.extend_from_slice(&buffer[..n.min(self.bound - self.kept.len())]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
        Ok(())
    }
}

/// Waits for a program's verdict, drains what it prints, and ends it.
pub(crate) struct Watch {
    process: Process,
    /// Verdict, standard output, standard error.
    drains: [Drain; 3],
    buffer: Vec<u8>,
    nonce: [u8; NONCE_BYTES],
    started: Instant,
    limits: Limits,
}

/// The program never reached the harness.
pub(crate) struct NotStarted {
    /// What there is to say: standard error, or how it ended.
    pub(crate) why: String,
}

impl Watch {
    /// Watches a process from now on, by its verdict, standard output and standard error.
    pub(crate) fn new(process: Process, ends: [OwnedFd; 3], nonce: [u8; NONCE_BYTES], limits: Limits) -> Self {
        let [verdict, stdout, stderr] = ends;
        let output = |end| Drain::new(end, limits.output_bytes);
        Self {
            process,
            drains: [Drain::new(verdict, VERDICT_BYTES), output(stdout), output(stderr)],
            buffer: vec![0; 64 << 10],
            nonce,
            started: Instant::now(),
            limits,
        }
    }

    /// Waits for the verdict; afterwards nothing of the program is left.
    pub(crate) fn finish(mut self) -> io::Result<Result<Run, NotStarted>> {
        let in_time = self.until_verdict();
        let wall = self.started.elapsed();
        // Whatever happened, the program ends here.
        let ended = self.end(matches!(in_time, Ok(true)));
        let in_time = in_time?;
        let status = ended?;
        let verdict = self.drains[0].kept.as_slice();
        let Some(said) = verdict.strip_prefix(b"+") else {
            return Ok(Err(self.not_started(in_time, status)));
        };
        let outcome = judge(said, &self.nonce, in_time, status);
        let [_, stdout, stderr] = self.drains.each_mut().map(|d| std::mem::take(&mut d.kept));
        Ok(Ok(Run { outcome, stdout, stderr, wall }))
    }

    fn not_started(&self, in_time: bool, status: ExitStatus) -> NotStarted {
        let stderr = String::from_utf8_lossy(&self.drains[2].kept);
        let last = stderr.lines().rfind(|line| !line.trim().is_empty());
        let why = match last {
            Some(last) => last.to_owned(),
            None if in_time => how(status),
            None => format!("no interpreter within {:.1} s", self.limits.wall.as_secs_f64()),
        };
        NotStarted { why }
    }

    /// Until the verdict is whole, nobody can give one any more, or time is up (`false`).
    fn until_verdict(&mut self) -> io::Result<bool> {
        loop {
            let left = self.limits.wall.saturating_sub(self.started.elapsed());
            if left.is_zero() {
                return Ok(false);
            }
            self.read_some(left.min(TICK))?;
            let verdict = &self.drains[0];
            if !verdict.open() || verdict.kept.strip_prefix(b"+") == Some(&self.nonce) {
                return Ok(true);
            }
            if self.process.has_ended()? {
                // What was written before the end is still to be read.
                self.read_some(Duration::ZERO)?;
                return Ok(true);
            }
        }
    }

    fn read_some(&mut self, patience: Duration) -> io::Result<bool> {
        let fds = [0, 1, 2].map(|i: usize| self.drains[i].file.as_ref().map(AsRawFd::as_raw_fd));
        let ready = wait_readable(fds, patience)?;
        for (drain, ready) in self.drains.iter_mut().zip(ready) {
            if ready {
                drain.read(&mut self.buffer)?;
            }
        }
        Ok(ready.contains(&true))
    }

    /// Lets the program end by itself if it may, kills what is left, and reads what it had printed.
    fn end(&mut self, gently: bool) -> io::Result<ExitStatus> {
        let deadline = Instant::now() + GRACE;
        while gently && !self.process.has_ended()? && Instant::now() < deadline {
            self.read_some(Duration::from_millis(1))?;
            if self.drains.iter().all(|d| !d.open()) {
                std::thread::sleep(Duration::from_micros(200));
            }
        }
        let status = self.process.end()?;
        let deadline = Instant::now() + GRACE;
        while self.drains.iter().any(Drain::open) && Instant::now() < deadline {
            self.read_some(TICK)?;
        }
        Ok(status)
    }
}

fn judge(said: &[u8], nonce: &[u8; NONCE_BYTES], in_time: bool, status: ExitStatus) -> Outcome {
    if said == nonce {
        return Outcome::Passed;
    }
    if !in_time || signal(status) == Some(libc::SIGXCPU) {
        return Outcome::TimedOut;
    }
    match said.strip_prefix(b"!") {
        Some(text) => failed(&String::from_utf8_lossy(text)),
        None => Outcome::Ended { how: how(status) },
    }
}

/// What the harness said, on one line.
fn failed(text: &str) -> Outcome {
    if text.split([':', ' ']).next() == Some("MemoryError") {
        return Outcome::Memory;
    }
    let what: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(500).collect();
    Outcome::Failed { what: what.trim_end().to_owned() }
}

/// The signal that ended a program; `bwrap` hands it on as a shell does.
fn signal(status: ExitStatus) -> Option<i32> {
    status.signal().or_else(|| status.code().filter(|c| *c > 128).map(|c| c - 128))
}

fn how(status: ExitStatus) -> String {
    match (signal(status), status.code()) {
        (Some(signal), _) => format!("by signal {signal} before the check returned"),
        (None, Some(code)) => format!("with exit code {code} before the check returned"),
        (None, None) => "before the check returned".into(),
    }
}
