//! Workers: further processes of this program, each of which carries out command lines one after the other.
//!
//! Libraries under the model have locks and threads of their own (on a GPU one thread goes through all gradients), so that
//! work that needs no other is done side by side by processes, not by threads. `commands/carry_out.rs` is the other end.

use crate::failure::Failure;
use crate::typed::Line;
use crate::{interrupt, output};
use anyhow::{Context, Result, anyhow};
use serde::{Deserialize, Serialize};
use std::io::{BufRead, BufReader, Write};
use std::panic::resume_unwind;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// The verb of a worker.
pub(crate) const VERB: &str = "carry-out";
/// Begins the line that says how a command ended; no output of a command has it.
pub(crate) const END: char = '\u{1e}';
/// How often it is looked whether to stop.
const LOOK: Duration = Duration::from_millis(50);

/// How a command ended, as a worker says it.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ended {
    /// Its exit code.
    pub code: u8,
    /// What went wrong.
    pub error: Option<String>,
}

/// What a worker is sent command lines through, until it is told to stop.
type Requests = Arc<Mutex<Option<ChildStdin>>>;

/// Processes that wait for work, and those at work.
#[derive(Debug, Default)]
pub(crate) struct Workers {
    idle: Mutex<Vec<Worker>>,
    /// Of every worker that was ever started.
    requests: Mutex<Vec<Requests>>,
}

/// One of them. It ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Worker {
    process: Child,
    requests: Requests,
    replies: BufReader<ChildStdout>,
}

impl Workers {
    /// Has `work` done for every job, in order, by as many workers as `wanted`. After a failure no further job is begun, and the
    /// first failure is told.
    ///
    /// # Errors
    /// The first failure of a job, or that no worker could be started.
    pub(crate) fn each<J: Sync>(
        &self,
        jobs: &[J],
        wanted: usize,
        work: impl Fn(&mut Worker, &J) -> Result<(), Failure> + Sync,
    ) -> Result<(), Failure> {
        let (next, done) = (AtomicUsize::new(0), AtomicBool::new(false));
        let worker = || -> Result<(), Failure> {
            let mut worker = self.worker()?;
            while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                work(&mut worker, job).inspect_err(|_| next.store(jobs.len(), Ordering::Relaxed))?;
            }
            locked(&self.idle).push(worker);
            Ok(())
        };
        // Workers that are told to stop finish what is worth it; this process waits for them.
        let _finishing = interrupt::finishing();
        thread::scope(|scope| {
            thread::Builder::new()
                .spawn_scoped(scope, || self.stop_if_asked(&done))
                .context("no thread can be started")?;
            let start = |_| thread::Builder::new().spawn_scoped(scope, worker);
            // What cannot be started leaves its work to the others, or to this thread.
            let threads: Vec<_> = (0..wanted.clamp(1, jobs.len().max(1))).map_while(|i| start(i).ok()).collect();
            let ends: Vec<_> = match threads.is_empty() {
                true => vec![Ok(worker())],
                false => threads.into_iter().map(thread::ScopedJoinHandle::join).collect(),
            };
            // Before a panic goes on: the scope waits for the thread that looks for this.
            done.store(true, Ordering::Relaxed);
            ends.into_iter().try_for_each(|end| end.unwrap_or_else(|panic| resume_unwind(panic)))
        })
    }

    /// A worker that has nothing to do, or another one.
    fn worker(&self) -> Result<Worker> {
        if let Some(idle) = locked(&self.idle).pop() {
            return Ok(idle);
        }
        let worker = Worker::start()?;
        locked(&self.requests).push(Arc::clone(&worker.requests));
        Ok(worker)
    }

    /// Lets no worker wait for further requests once somebody asks to stop: that ends them.
    fn stop_if_asked(&self, done: &AtomicBool) {
        while !done.load(Ordering::Relaxed) {
            if interrupt::asked() {
                locked(&self.requests).iter().for_each(|requests| drop(locked(requests).take()));
            }
            thread::sleep(LOOK);
        }
    }
}

impl Worker {
    fn start() -> Result<Self> {
        let program = std::env::current_exe().context("this program's own file is not to be found")?;
        let mut command = Command::new(&program);
        command.arg(VERB).stdin(Stdio::piped()).stdout(Stdio::piped());
        // Ctrl-C reaches this process, which tells its workers.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut process = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        let (requests, replies) = (process.stdin.take(), process.stdout.take());
        let replies = BufReader::new(replies.context("a worker without output")?);
        Ok(Self { process, requests: Arc::new(Mutex::new(requests)), replies })
    }

    /// Carries out a command and returns what it printed.
    ///
    /// # Errors
    /// The command's own failure, which is said and ends with its code; that the worker ended.
    pub(crate) fn carry_out(&mut self, line: &Line) -> Result<String, Failure> {
        let mut printed = String::new();
        let ended = if self.send(line)? { self.reply(&mut printed)? } else { None };
        match ended {
            Some(Ended { error: None, .. }) => Ok(printed),
            _ if interrupt::asked() => {
                Err(Failure::Interrupted("interrupted; the same command goes on from there".into()))
            }
            Some(Ended { code, error: Some(error) }) => {
                output::say(&format!("{printed}mosa: {error}\n     in $ {}", line.quoted()));
                Err(Failure::Elsewhere(code))
            }
            None => {
                let status = self.process.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
                let line = line.quoted();
                Err(anyhow!("a worker ended ({status}) in $ {line}; the same command goes on from there").into())
            }
        }
    }

    /// Whether the worker could be sent a command line.
    fn send(&self, line: &Line) -> Result<bool> {
        let request = serde_json::to_string(line.words())?;
        let mut requests = locked(&self.requests);
        let sent = |to: &mut ChildStdin| writeln!(to, "{request}").and_then(|()| to.flush()).is_ok();
        Ok(requests.as_mut().is_some_and(sent))
    }

    /// How the command ended, with what it printed until then; none if the worker ended.
    fn reply(&mut self, printed: &mut String) -> Result<Option<Ended>> {
        loop {
            let mut reply = String::new();
            if self.replies.read_line(&mut reply).context("a worker's output")? == 0 {
                return Ok(None);
            }
            match reply.strip_prefix(END) {
                Some(ended) => return serde_json::from_str(ended).context("a worker's reply").map(Some),
                None => printed.push_str(&reply),
            }
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(locked(&self.requests).take());
        let _ = self.process.wait();
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
