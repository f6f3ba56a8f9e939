//! Who of the ranks lives, and why the job ends, as all can read it in the store.

use crate::beat::{self, Sign};
use crate::coming::{Coming, LINGER, LOOK};
use crate::launch::Meeting;
use crate::store::{Gone, Store};
use crate::{Launch, ParallelError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::{Arc, mpsc};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a rank may show no life before it counts as gone.
const SILENCE: Duration = Duration::from_secs(3);
/// How long the store may take to answer; a machine that stands still keeps its connections.
const ANSWER: Duration = Duration::from_secs(8);
/// Why the job ends; the first rank to know writes it.
const VERDICT: &str = "verdict";

/// Why a job ends.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Verdict {
    /// The rank that tells the user.
    pub(crate) by: usize,
    /// The exit code.
    pub(crate) code: u8,
    pub(crate) text: String,
    /// In the words of the rank that ended.
    pub(crate) why: String,
}

/// The ranks of a job, as one of them sees them.
#[derive(Debug)]
pub(crate) struct Roster {
    pub(crate) rank: usize,
    /// Machines and processes of all ranks.
    pub(crate) hosts: Vec<String>,
    pub(crate) store: Store,
    /// How long others are waited for.
    pub(crate) timeout: Duration,
    /// Whether the store goes with this process.
    keeps_store: bool,
}

impl Roster {
    /// Meets the others.
    pub(crate) fn meet(launch: &Launch, timeout: Duration) -> Result<Arc<Self>, ParallelError> {
        let store = Store::open(launch, timeout)?;
        let hosts = Coming { store: &store, launch, timeout }.all()?;
        let keeps_store = launch.rank == 0 && matches!(launch.meeting, Meeting::Tcp { agent: false, .. });
        Ok(Arc::new(Self { rank: launch.rank, hosts, store, timeout, keeps_store }))
    }

    /// A rank and its machine, in words.
    pub(crate) fn named(&self, rank: usize) -> String {
        format!("rank {rank} ({})", self.hosts[rank])
    }

    /// How many machines there are.
    pub(crate) fn machines(&self) -> usize {
        let machine = |host: &String| host.split(", process").next().map(str::to_owned);
        self.hosts.iter().filter_map(machine).collect::<BTreeSet<_>>().len()
    }

    fn size(&self) -> usize {
        self.hosts.len()
    }

    /// Asks the store, and not for longer than it may take to answer.
    pub(crate) fn ask<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, Gone> + Send + 'static,
    ) -> Result<T, Gone> {
        let (done, result) = mpsc::channel();
        let this = self.clone();
        std::thread::spawn(move || {
            let _ = done.send(work(&this));
        });
        result.recv_timeout(ANSWER).unwrap_or_else(|_| Err(Gone("the store does not answer".into())))
    }

    /// The verdict on the job: the one that is there already, or who of the others shows no life or did not come.
    pub(crate) fn diagnose(&self, cause: &str, exchanges: u64) -> Result<Verdict, Gone> {
        let began = Instant::now();
        let first = self.signs()?;
        let mut lives: Vec<bool> = (0..self.size()).map(|rank| rank == self.rank).collect();
        let mut last = first.clone();
        while began.elapsed() < SILENCE && lives.contains(&false) {
            if let Some(verdict) = self.verdict()? {
                return Ok(verdict);
            }
            sleep(LOOK);
            last = self.signs()?;
            for (rank, lives) in lives.iter_mut().enumerate() {
                *lives |= last[rank].count != first[rank].count;
            }
        }
        let of = |f: &dyn Fn(usize) -> bool| (0..self.size()).filter(|rank| f(*rank)).collect::<Vec<_>>();
        let dead = of(&|rank| !lives[rank]);
        let late = of(&|rank| last[rank].exchanges < exchanges);
        let (who, what) = match (dead.is_empty(), late.is_empty()) {
            (false, _) => (dead, "died or stands still".to_owned()),
            (true, false) => (
                late,
                format!("lives and did not come within {} s; --rank-timeout waits longer", self.timeout.as_secs_f64()),
            ),
            (true, true) => (Vec::new(), String::new()),
        };
        let text = match who.is_empty() {
            true => "the ranks have lost each other".to_owned(),
            false => format!("{} {what}", who.iter().map(|rank| self.named(*rank)).collect::<Vec<_>>().join(", ")),
        };
        let by = (0..self.size()).find(|rank| !who.contains(rank)).unwrap_or(self.rank);
        self.claim(&Verdict { by, code: 1, text, why: cause.to_owned() })
    }

    fn signs(&self) -> Result<Vec<Sign>, Gone> {
        let sign =
            |rank| Ok(self.store.look(&beat::key(rank))?.and_then(|bytes| Sign::read(&bytes)).unwrap_or_default());
        (0..self.size()).map(sign).collect()
    }

    fn verdict(&self) -> Result<Option<Verdict>, Gone> {
        let found = self.store.look(VERDICT)?.map(|bytes| read(&bytes)).transpose()?;
        if found.is_some() {
            self.store.set(&format!("read/{}", self.rank), b"1")?;
        }
        Ok(found)
    }

    /// Writes a verdict, unless there is one; the one that counts.
    pub(crate) fn claim(&self, verdict: &Verdict) -> Result<Verdict, Gone> {
        let text = serde_json::to_vec(verdict).map_err(|error| Gone(error.to_string()))?;
        let counts = read(&self.store.claim(VERDICT, &text)?);
        self.store.set(&format!("read/{}", self.rank), b"1")?;
        counts
    }

    /// Stays until the others have read the verdict, if the store goes with this process.
    pub(crate) fn linger(&self) {
        if !self.keeps_store {
            return;
        }
        let began = Instant::now();
        let has_read = |rank: usize| matches!(self.store.look(&format!("read/{rank}")), Ok(Some(_)));
        let Ok(before) = self.signs() else { return };
        let mut waited: Vec<usize> = (1..self.size()).collect();
        while began.elapsed() < LINGER && !waited.is_empty() {
            waited.retain(|rank| !has_read(*rank));
            // Who shows no life will read nothing.
            if let (true, Ok(now)) = (began.elapsed() > SILENCE, self.signs()) {
                waited.retain(|rank| now[*rank].count != before[*rank].count);
            }
            sleep(LOOK);
        }
    }
}

fn read(bytes: &[u8]) -> Result<Verdict, Gone> {
    serde_json::from_slice(bytes).map_err(|error| Gone(error.to_string()))
}
