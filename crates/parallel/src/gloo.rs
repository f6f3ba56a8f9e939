//! Ranks that talk over TCP: c10d's Gloo, in main memory.

use crate::beat::{self, Beat, Sign};
use crate::launch::Meeting;
use crate::shim::{LACKS, RawGloo};
use crate::store::{Gone, Store};
use crate::sum::{self, Transport};
use crate::{Addends, Exchange, Launch, ParallelError};
use serde::{Deserialize, Serialize};
use std::cell::Cell;
use std::mem::ManuallyDrop;
use std::net::UdpSocket;
use std::thread::sleep;
use std::time::{Duration, Instant};
use tch::{Device, Tensor};

/// How long a rank may show no life before it counts as gone.
const SILENCE: Duration = Duration::from_secs(3);
/// How long rank 0 stays, if it keeps the store, for the others to read why the job ends.
const LINGER: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(50);
/// Why the job ends; the first rank to know writes it.
const VERDICT: &str = "verdict";
/// Set by rank 0 when all have come, or with those who have not.
const ALL: &str = "all";

/// Ranks connected by Gloo.
#[derive(Debug)]
pub struct Gloo {
    rank: usize,
    /// Machines of all ranks.
    hosts: Vec<String>,
    store: Store,
    group: ManuallyDrop<RawGloo>,
    beat: Beat,
    timeout: Duration,
    /// Whether the store goes with this process.
    keeps_store: bool,
    /// Whether the connections are beyond use.
    broken: Cell<bool>,
}

/// Why a job ends.
#[derive(Debug, Deserialize, Serialize)]
struct Verdict {
    /// The rank that tells the user.
    by: usize,
    code: u8,
    text: String,
    /// In the words of the rank that ended.
    why: String,
}

impl Gloo {
    /// Meets the other ranks and connects all of them; a call that waits for others gives up after `timeout`.
    ///
    /// # Errors
    /// [`ParallelError::Port`], [`ParallelError::Missing`] naming who did not come, [`ParallelError::Twice`], or
    /// [`ParallelError::Unavailable`] where this program was built without c10d.
    pub fn join(launch: &Launch, timeout: Duration) -> Result<Self, ParallelError> {
        if let Some(lacks) = LACKS {
            return Err(ParallelError::Unavailable(lacks.into()));
        }
        let store = Store::open(launch, timeout)?;
        let hosts = meet(&store, launch, timeout)?;
        let gone = |Gone(what): Gone| ParallelError::Lost { who: "the meeting place of the ranks is gone".into(), cause: what };
        let beat = Beat::start(store.another().map_err(gone)?, launch.rank);
        let [host, interface] = address(&launch.meeting);
        let milliseconds = i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX);
        let group = RawGloo::new(store.raw(), [launch.rank, launch.size], milliseconds, [&host, &interface]);
        let group = group.map_err(|cause| ParallelError::Lost {
            who: "the ranks have met and could not be connected with each other; GLOO_SOCKET_IFNAME names the network to use".into(),
            cause,
        })?;
        let keeps_store = launch.rank == 0 && matches!(launch.meeting, Meeting::Tcp { agent: false, .. });
        let group = ManuallyDrop::new(group);
        Ok(Self { rank: launch.rank, hosts, store, group, beat, timeout, keeps_store, broken: Cell::new(false) })
    }

    /// A rank and its machine, in words.
    pub fn named(&self, rank: usize) -> String {
        format!("rank {rank} ({})", self.hosts[rank])
    }

    /// Does what all ranks do together.
    fn together<T>(&self, work: impl FnOnce(&RawGloo) -> Result<T, String>) -> Result<T, ParallelError> {
        self.beat.comes();
        work(&self.group).map_err(|cause| self.lost(cause))
    }

    /// How long others are waited for.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Finds out who is missing.
    pub(crate) fn lost(&self, cause: String) -> ParallelError {
        self.broken.set(true);
        match self.diagnose(&cause) {
            Ok(verdict) => {
                self.linger();
                match verdict.by == self.rank {
                    true => ParallelError::Lost { who: verdict.text, cause },
                    false => ParallelError::Elsewhere { text: verdict.text, code: verdict.code },
                }
            }
            Err(Gone(_)) => {
                let who = format!("{} has ended; what it said last tells why", self.named(0));
                ParallelError::Lost { who, cause }
            }
        }
    }

    /// The verdict on the job: the one that is there already, or who of the others shows no life or did not come.
    fn diagnose(&self, cause: &str) -> Result<Verdict, Gone> {
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
        let late = of(&|rank| last[rank].exchanges < self.beat.exchanges());
        let (who, what) = match (dead.is_empty(), late.is_empty()) {
            (false, _) => (dead, "died or stands still".to_owned()),
            (true, false) => (late, format!("lives and did not come within {} s; --rank-timeout waits longer", self.timeout.as_secs_f64())),
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
        let sign = |rank| Ok(self.store.look(&beat::key(rank))?.and_then(|bytes| Sign::read(&bytes)).unwrap_or_default());
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
    fn claim(&self, verdict: &Verdict) -> Result<Verdict, Gone> {
        let text = serde_json::to_vec(verdict).map_err(|error| Gone(error.to_string()))?;
        let counts = read(&self.store.claim(VERDICT, &text)?);
        self.store.set(&format!("read/{}", self.rank), b"1")?;
        counts
    }

    /// Stays until the others have read the verdict, if the store goes with this process.
    fn linger(&self) {
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

/// Shows the others that this rank is there, and waits for all; gives their machines.
fn meet(store: &Store, launch: &Launch, timeout: Duration) -> Result<Vec<String>, ParallelError> {
    let (began, key) = (Instant::now(), |rank: usize| format!("here/{rank}"));
    let missing = |missing: String| ParallelError::Missing {
        missing,
        size: launch.size,
        at: match &launch.meeting {
            Meeting::Tcp { host, port, .. } => format!("{host}:{port}"),
            Meeting::File(path) => path.display().to_string(),
        },
        waited: timeout,
        hint: launch.hint(),
    };
    let gone = |Gone(what): Gone| missing(format!("rank 0, which has left again ({what}),"));
    let me = format!("{} process {}", host_name(), std::process::id());
    let there = store.claim(&key(launch.rank), me.as_bytes()).map_err(gone)?;
    if there != me.as_bytes() {
        let who = String::from_utf8_lossy(&there).into_owned();
        return Err(ParallelError::Twice { rank: launch.rank, who });
    }
    let mut absent: Vec<usize> = (0..launch.size).collect();
    loop {
        // Rank 0 looks for all; the others for what it found.
        if let Some(found) = store.look(ALL).map_err(gone)? {
            match found.as_slice() {
                b"here" => break,
                _ if launch.rank == 0 => break,
                who => {
                    let _ = store.set(&format!("read/{}", launch.rank), b"1");
                    let text = missing(String::from_utf8_lossy(who).into_owned()).to_string();
                    return Err(ParallelError::Elsewhere { text, code: 2 });
                }
            }
        }
        let late = began.elapsed() >= timeout;
        if launch.rank == 0 || late {
            let mut still = Vec::new();
            for rank in absent {
                if store.look(&key(rank)).map_err(gone)?.is_none() {
                    still.push(rank);
                }
            }
            absent = still;
        }
        if launch.rank == 0 && absent.is_empty() {
            store.set(ALL, b"here").map_err(gone)?;
        } else if late {
            return Err(give_up(store, launch, &absent, missing));
        }
        sleep(LOOK);
    }
    let host = |rank: usize| {
        let text = store.look(&key(rank)).map_err(gone)?.unwrap_or_default();
        Ok(String::from_utf8_lossy(&text).into_owned())
    };
    (0..launch.size).map(host).collect()
}

/// Tells the ranks that are there who is not, and stays until they have read it.
fn give_up(
    store: &Store,
    launch: &Launch,
    absent: &[usize],
    missing: impl Fn(String) -> ParallelError,
) -> ParallelError {
    let who = match absent {
        [] => "some ranks".to_owned(),
        [one] => format!("rank {one}"),
        all => format!("ranks {}", all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
    };
    let told = store.claim(ALL, who.as_bytes()).unwrap_or_default();
    let began = Instant::now();
    let others: Vec<usize> = (1..launch.size).filter(|rank| !absent.contains(rank)).collect();
    let has_read = |rank: &usize| !matches!(store.look(&format!("read/{rank}")), Ok(None));
    while launch.rank == 0 && began.elapsed() < LINGER && !others.iter().all(has_read) {
        sleep(LOOK);
    }
    let first = (0..launch.size).find(|rank| !absent.contains(rank));
    match told == who.as_bytes() && first == Some(launch.rank) {
        true => missing(who),
        false => ParallelError::Elsewhere { text: missing(who).to_string(), code: 2 },
    }
}

fn read(bytes: &[u8]) -> Result<Verdict, Gone> {
    serde_json::from_slice(bytes).map_err(|error| Gone(error.to_string()))
}

/// The address to listen on, and the network that the user names. Without either it is the one this machine has towards rank 0,
/// and not that of its own name, which is often the loopback's.
fn address(meeting: &Meeting) -> [String; 2] {
    let interface = std::env::var("GLOO_SOCKET_IFNAME").unwrap_or_default();
    let towards = |host: &str, port: u16| {
        let any = |address: &str| UdpSocket::bind((address, 0)).ok().filter(|s| s.connect((host, port)).is_ok());
        Some(any("0.0.0.0").or_else(|| any("::"))?.local_addr().ok()?.ip().to_string())
    };
    let host = match meeting {
        Meeting::File(_) => "127.0.0.1".into(),
        Meeting::Tcp { host, port, .. } => towards(host, *port).unwrap_or_default(),
    };
    [host, interface]
}

fn host_name() -> String {
    let known = std::fs::read_to_string("/proc/sys/kernel/hostname").ok().or_else(|| std::env::var("HOSTNAME").ok());
    known.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).unwrap_or_else(|| "this machine".into())
}

impl Exchange for Gloo {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.hosts.len()
    }

    fn name(&self) -> &'static str {
        "gloo"
    }

    fn gather(&self, own: &[u8]) -> Result<Vec<Vec<u8>>, ParallelError> {
        let lengths = self.gather_equal(&(own.len() as u64).to_le_bytes())?;
        let number = |bytes: &[u8]| bytes.try_into().map(u64::from_le_bytes).unwrap_or(0) as usize;
        let lengths: Vec<usize> = lengths.chunks(8).map(number).collect();
        let longest = lengths.iter().copied().max().unwrap_or(0);
        if longest == 0 {
            return Ok(vec![Vec::new(); self.size()]);
        }
        let mut padded = own.to_vec();
        padded.resize(longest, 0);
        let all = self.gather_equal(&padded)?;
        Ok(all.chunks(longest).zip(lengths).map(|(part, n)| part[..n].to_vec()).collect())
    }

    fn broadcast(&self, from: usize, own: Vec<u8>) -> Result<Vec<u8>, ParallelError> {
        let mut length = (own.len() as u64).to_le_bytes();
        self.broadcast_bytes(from, &mut length)?;
        let mut data = if from == self.rank { own } else { vec![0; u64::from_le_bytes(length) as usize] };
        if !data.is_empty() {
            self.broadcast_bytes(from, &mut data)?;
        }
        Ok(data)
    }

    fn share(&self, from: usize, tensors: &[Tensor]) -> Result<(), ParallelError> {
        let _no_grad = tch::no_grad_guard();
        for tensor in tensors {
            let direct = tensor.device() == Device::Cpu && tensor.is_contiguous();
            let here = if direct { tensor.detach() } else { tensor.f_detach()?.f_to_device(Device::Cpu)?.f_contiguous()? };
            let n = here.numel() * here.kind().elt_size_in_bytes();
            self.together(|group| {
                // SAFETY: a contiguous tensor in main memory of `n` bytes, which lives for the call.
                #[allow(unsafe_code)]
                unsafe {
                    group.broadcast(here.data_ptr(), n, from)
                }
            })?;
            if !direct && from != self.rank {
                tensor.detach().f_copy_(&here)?;
            }
        }
        Ok(())
    }

    fn sum(&self, like: &[&Tensor], own: Addends) -> Result<Vec<Tensor>, ParallelError> {
        sum::sum(self, like, own)
    }

    fn barrier(&self) -> Result<(), ParallelError> {
        self.gather_equal(&[0]).map(drop)
    }

    fn finish(&self) -> Result<(), ParallelError> {
        self.barrier()?;
        // Nobody writes to the store any more when rank 0 takes it away.
        self.beat.stop();
        self.barrier()
    }

    fn leave(&self, why: &str, code: u8) -> bool {
        if self.broken.get() {
            return true;
        }
        self.broken.set(true);
        let text = format!("{} has ended: {why}", self.named(self.rank));
        let said = self.claim(&Verdict { by: self.rank, code, text, why: why.to_owned() });
        self.linger();
        // Where all fail alike, one says it.
        said.map_or(true, |verdict| verdict.by == self.rank || verdict.why != why)
    }
}

impl Gloo {
    /// As many bytes of every rank, one after the other.
    fn gather_equal(&self, own: &[u8]) -> Result<Vec<u8>, ParallelError> {
        let mut all = vec![0u8; own.len() * self.size()];
        self.together(|group| {
            // SAFETY: both live for the call, and `all` has room for `own` of every rank.
            #[allow(unsafe_code)]
            unsafe {
                group.all_gather(own.as_ptr().cast(), own.len(), all.as_mut_ptr().cast())
            }
        })?;
        Ok(all)
    }

    fn broadcast_bytes(&self, from: usize, data: &mut [u8]) -> Result<(), ParallelError> {
        self.together(|group| {
            // SAFETY: the bytes live for the call.
            #[allow(unsafe_code)]
            unsafe {
                group.broadcast(data.as_mut_ptr().cast(), data.len(), from)
            }
        })
    }
}

impl Transport for Gloo {
    fn device(&self) -> Device {
        Device::Cpu
    }

    fn all_to_all(&self, from: (&Tensor, &[usize]), to: (&Tensor, &[usize])) -> Result<(), ParallelError> {
        let bytes = |counts: &[usize]| counts.iter().map(|n| 4 * *n as i64).collect::<Vec<_>>();
        let (sent, received) = (bytes(from.1), bytes(to.1));
        self.together(|group| {
            // SAFETY: contiguous tensors of f32 in main memory with as many elements as the counts say, and four bytes each.
            #[allow(unsafe_code)]
            unsafe {
                group.all_to_all((from.0.data_ptr(), &sent), (to.0.data_ptr(), &received))
            }
        })
    }

    fn all_gather(&self, from: &Tensor, to: &Tensor) -> Result<(), ParallelError> {
        self.together(|group| {
            // SAFETY: contiguous tensors of f32 in main memory; `to` has room for `from` of every rank.
            #[allow(unsafe_code)]
            unsafe {
                group.all_gather(from.data_ptr(), 4 * from.numel(), to.data_ptr())
            }
        })
    }
}

impl Drop for Gloo {
    fn drop(&mut self) {
        self.beat.stop();
        // What is broken may still wait for somebody; the process is about to end.
        if !self.broken.get() {
            // SAFETY: dropped once, here.
            #[allow(unsafe_code)]
            unsafe {
                ManuallyDrop::drop(&mut self.group);
            }
        }
    }
}
