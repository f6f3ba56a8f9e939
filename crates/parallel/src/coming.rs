//! How ranks come together: each shows that it is there, and all wait for all.

use crate::launch::Meeting;
use crate::store::{Gone, Store};
use crate::{Launch, ParallelError};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long rank 0 stays, if it keeps the store, for the others to read why the job ends.
pub(crate) const LINGER: Duration = Duration::from_secs(5);
/// How often a rank looks whether something has come.
pub(crate) const LOOK: Duration = Duration::from_millis(50);

/// Where it is written who has not come, as a list of ranks, by the first to know; an empty list lets all begin.
const ABSENT: &str = "absent";

/// One rank that waits for the others.
pub(crate) struct Coming<'a> {
    pub(crate) store: &'a Store,
    pub(crate) launch: &'a Launch,
    pub(crate) timeout: Duration,
}

impl Coming<'_> {
    /// Shows up and waits; the machines and processes of all ranks.
    pub(crate) fn all(&self) -> Result<Vec<String>, ParallelError> {
        self.show_up()?;
        let began = Instant::now();
        let mut absent: Vec<usize> = (0..self.launch.size).collect();
        let found = loop {
            if let Some(found) = self.look(ABSENT)? {
                break found;
            }
            // Rank 0 looks for all, and the others only when it is time to give up.
            let late = began.elapsed() >= self.timeout;
            if self.launch.rank == 0 || late {
                absent = self.still_absent(absent)?;
            }
            if late || (self.launch.rank == 0 && absent.is_empty()) {
                let list = serde_json::to_vec(&absent).unwrap_or_default();
                break self.store.claim(ABSENT, &list).map_err(|gone| self.left(gone))?;
            }
            sleep(LOOK);
        };
        let absent: Vec<usize> =
            serde_json::from_slice(&found).map_err(|_| ParallelError::Garbled("the list of absent ranks"))?;
        match absent.is_empty() {
            true => {
                (0..self.launch.size).map(|rank| Ok(first_line(&self.look(&here(rank))?.unwrap_or_default()))).collect()
            }
            false => Err(self.give_up(&absent)),
        }
    }

    fn show_up(&self) -> Result<(), ParallelError> {
        // What follows the line end only tells two of one process apart.
        static COMING: AtomicUsize = AtomicUsize::new(0);
        let number = COMING.fetch_add(1, Ordering::SeqCst);
        let own = format!("{}, process {}\n{number}", host_name(), std::process::id());
        let rank = self.launch.rank;
        let there = self.store.claim(&here(rank), own.as_bytes()).map_err(|gone| self.left(gone))?;
        match there == own.as_bytes() {
            true => Ok(()),
            false => Err(ParallelError::Twice { rank, who: first_line(&there) }),
        }
    }

    fn still_absent(&self, ranks: Vec<usize>) -> Result<Vec<usize>, ParallelError> {
        let mut absent = Vec::new();
        for rank in ranks {
            if self.look(&here(rank))?.is_none() {
                absent.push(rank);
            }
        }
        Ok(absent)
    }

    /// The error of this rank: the lowest one that has come tells it. Rank 0, with which the store may go, stays until the others
    /// have read it.
    fn give_up(&self, absent: &[usize]) -> ParallelError {
        let read = |rank: usize| format!("read/{rank}");
        let _ = self.store.set(&read(self.launch.rank), b"1");
        let came = |rank: &usize| !absent.contains(rank);
        let has_read = |rank: usize| !matches!(self.store.look(&read(rank)), Ok(None));
        let began = Instant::now();
        while self.launch.rank == 0 && began.elapsed() < LINGER && !(1..self.launch.size).filter(came).all(has_read) {
            sleep(LOOK);
        }
        let who = match absent {
            [one] => format!("rank {one}"),
            all => format!("ranks {}", all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
        };
        let error = self.missing(who, String::new());
        match (0..self.launch.size).find(came) == Some(self.launch.rank) {
            true => error,
            false => ParallelError::Elsewhere { text: error.to_string(), code: 2 },
        }
    }

    fn look(&self, key: &str) -> Result<Option<Vec<u8>>, ParallelError> {
        self.store.look(key).map_err(|gone| self.left(gone))
    }

    fn left(&self, Gone(what): Gone) -> ParallelError {
        self.missing("rank 0".into(), format!(", or has left again ({what})"))
    }

    fn missing(&self, missing: String, why: String) -> ParallelError {
        let at = match &self.launch.meeting {
            Meeting::Tcp { host, port, .. } => format!("{host}:{port}"),
            Meeting::File(path) => path.display().to_string(),
        };
        ParallelError::Missing {
            missing,
            size: self.launch.size,
            at,
            waited: self.timeout,
            why,
            hint: self.launch.hint(),
        }
    }
}

fn here(rank: usize) -> String {
    format!("here/{rank}")
}

fn first_line(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).lines().next().unwrap_or_default().to_owned()
}

fn host_name() -> String {
    let known = std::fs::read_to_string("/proc/sys/kernel/hostname").ok().or_else(|| std::env::var("HOSTNAME").ok());
    known.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).unwrap_or_else(|| "this machine".into())
}
