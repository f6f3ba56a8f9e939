//! The right to work on a chunk of a shared folder, for as long as it is renewed.
//!
//! A lease is a file that its holder writes anew every few moments. Others look whether it changes: one that stays the same
//! for as long as their own clock says is over. No time is ever written, so clocks of machines need not agree. Where the
//! holder is on the same machine, a lock that nobody holds says at once that it is gone.

use crate::fence::LEASE;
use crate::{Lock, RecordsError};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often a lease is renewed within the time after which it is over.
const BEATS: u32 = 6;

/// What a lease says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Said {
    /// Who holds it, for people.
    worker: String,
    /// The running system of its machine, where that is known and the holder has the lock of the folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    locked_on: Option<String>,
    /// How often it was renewed.
    beat: u64,
    /// Whether its holder has given it up.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    over: bool,
}

/// A lease that is held. Dropping it gives it up.
#[derive(Debug)]
pub struct Lease {
    path: PathBuf,
    said: Arc<Mutex<Said>>,
    spent: Arc<AtomicU64>,
    problem: Arc<Mutex<Option<String>>>,
    stop: Option<Sender<()>>,
    renewing: Option<JoinHandle<()>>,
}

impl Lease {
    /// Writes the lease of a chunk's folder, which this process made and has locked, and renews it from now on.
    pub(crate) fn begin(lock: &Lock, patience: Duration) -> Result<Self, RecordsError> {
        let path = lock.dir().join(LEASE);
        let locked_on = lock.warning().is_none().then(running_system).flatten();
        let said = Said { worker: worker(), locked_on, ..Said::default() };
        write(&path, &said).map_err(|e| RecordsError::file(&path, e))?;
        let (stop, stopped) = channel();
        let mut this = Self {
            path: path.clone(),
            said: Arc::new(Mutex::new(said)),
            spent: Arc::default(),
            problem: Arc::default(),
            stop: Some(stop),
            renewing: None,
        };
        let (said, spent, problem) = (this.said.clone(), this.spent.clone(), this.problem.clone());
        let renew = move || {
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(patience / BEATS) {
                let began = Instant::now();
                if let Err(error) = beat(&path, &said) {
                    let what = format!("{}: the lease cannot be renewed: {error}", path.display());
                    problem.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(what);
                }
                spent.fetch_add(began.elapsed().as_nanos() as u64, Ordering::Relaxed);
            }
        };
        let thread = std::thread::Builder::new().name("lease".into()).spawn(renew);
        this.renewing = Some(thread.map_err(|e| RecordsError::file(&this.path, e))?);
        Ok(this)
    }

    /// What renewing it has taken so far.
    pub fn spent(&self) -> Duration {
        Duration::from_nanos(self.spent.load(Ordering::Relaxed))
    }

    /// Why it could not be renewed, the first time it was not.
    pub fn problem(&self) -> Option<String> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        drop(self.stop.take());
        // A thread that panicked has renewed nothing more; the lease is over either way.
        let _ = self.renewing.take().map(JoinHandle::join);
        let said = Said { over: true, ..self.said.lock().unwrap_or_else(PoisonError::into_inner).clone() };
        // Where this cannot be written, the lease runs out.
        let _ = write(&self.path, &said);
    }
}

fn beat(path: &Path, said: &Mutex<Said>) -> std::io::Result<()> {
    let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
    said.beat += 1;
    write(path, &said)
}

/// Opened, written and closed every time: whoever opens the file behind that on another machine sees it.
fn write(path: &Path, said: &Said) -> std::io::Result<()> {
    fs::write(path, format!("{}\n", serde_json::to_string(said)?))
}

/// What was last seen of a lease of somebody else, and since when.
#[derive(Debug)]
pub(crate) struct Watch {
    seen: Vec<u8>,
    since: Instant,
}

impl Watch {
    /// Begins to watch.
    pub(crate) fn new(now: Instant) -> Self {
        Self { seen: Vec::new(), since: now }
    }

    /// Looks at the lease of a folder: whether it is over, because it was given up, did not change for `patience`, or its
    /// holder was on this machine and is gone.
    pub(crate) fn is_over(&mut self, dir: &Path, patience: Duration, now: Instant) -> bool {
        // A folder that was made a moment ago has none yet.
        let content = fs::read(dir.join(LEASE)).unwrap_or_default();
        let said: Said = serde_json::from_slice(&content).unwrap_or_default();
        if content != self.seen {
            *self = Self { seen: content, since: now };
        }
        let here = said.locked_on.is_some() && said.locked_on == running_system();
        said.over || (here && Lock::is_free(dir)) || now.saturating_duration_since(self.since) >= patience
    }

    /// Who holds it, as far as it is known.
    pub(crate) fn holder(&self) -> String {
        serde_json::from_slice(&self.seen).map_or_else(|_| String::new(), |said: Said| said.worker)
    }
}

/// Host and process.
fn worker() -> String {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").ok().or_else(|| std::env::var("HOSTNAME").ok());
    format!("process {} on {}", std::process::id(), host.as_deref().map_or("this machine", str::trim))
}

/// An id of the system that runs on this machine since it was started. Processes with the same one see each other's locks.
fn running_system() -> Option<String> {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned()).filter(|id| !id.is_empty())
}
