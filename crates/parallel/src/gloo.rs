//! Ranks that talk over TCP: c10d's Gloo, in main memory.

use crate::beat::Beat;
use crate::launch::Meeting;
use crate::roster::{Roster, Verdict};
use crate::shim::{LACKS, RawGloo, quiet};
use crate::store::Gone;
use crate::sum::{self, Transport};
use crate::{Addends, Exchange, Launch, ParallelError};
use std::cell::RefCell;
use std::net::{IpAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;
use tch::{Device, Tensor};

/// Ranks connected by Gloo.
#[derive(Debug)]
pub struct Gloo {
    roster: Arc<Roster>,
    /// None once the connections are closed: then everyone sees that this rank comes to nothing any more.
    group: RefCell<Option<RawGloo>>,
    beat: Beat,
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
        quiet();
        let roster = Roster::meet(launch, timeout)?;
        let gone = |Gone(what): Gone| ParallelError::Lost {
            who: "the meeting place of the ranks is gone".into(),
            cause: what,
        };
        let beat = Beat::start(roster.store.another().map_err(gone)?, launch.rank);
        let [host, interface] = address(&launch.meeting);
        let is_loopback = host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        if is_loopback && interface.is_empty() && roster.machines() > 1 {
            let what = "MASTER_ADDR is the loopback's address on this machine, where ranks of other machines cannot reach it: give the machine's address in the network, or its interface in GLOO_SOCKET_IFNAME";
            return Err(ParallelError::Launch(what.into()));
        }
        let milliseconds = i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX);
        let group = RawGloo::new(roster.store.raw(), [launch.rank, launch.size], milliseconds, [&host, &interface]);
        let group = group.map_err(|cause| ParallelError::Lost {
            who: "the ranks have met and could not be connected with each other; GLOO_SOCKET_IFNAME names the network to use".into(),
            cause,
        })?;
        Ok(Self { roster, group: RefCell::new(Some(group)), beat })
    }

    /// A rank and its machine, in words.
    pub fn named(&self, rank: usize) -> String {
        self.roster.named(rank)
    }

    /// Does what all ranks do together.
    fn together<T>(&self, work: impl FnOnce(&RawGloo) -> Result<T, String>) -> Result<T, ParallelError> {
        self.beat.comes();
        let done = match self.group.borrow().as_ref() {
            Some(group) => work(group),
            None => Err("the connections are closed".into()),
        };
        done.map_err(|cause| self.lost(cause))
    }

    /// How long others are waited for.
    pub(crate) fn timeout(&self) -> Duration {
        self.roster.timeout
    }

    /// Finds out who is missing.
    pub(crate) fn lost(&self, cause: String) -> ParallelError {
        // Whoever waits for this rank waits in vain.
        self.group.take();
        let (seen, exchanges) = (cause.clone(), self.beat.exchanges());
        match self.roster.ask(move |roster| roster.diagnose(&seen, exchanges)) {
            Ok(verdict) => {
                self.roster.linger();
                match verdict.by == self.rank() {
                    true => ParallelError::Lost { who: verdict.text, cause },
                    false => ParallelError::Elsewhere { text: verdict.text, code: verdict.code },
                }
            }
            Err(Gone(_)) => {
                let who = format!("{} has ended or does not answer; what it said last tells why", self.named(0));
                ParallelError::Lost { who, cause }
            }
        }
    }
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

impl Exchange for Gloo {
    fn rank(&self) -> usize {
        self.roster.rank
    }

    fn size(&self) -> usize {
        self.roster.hosts.len()
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
        let mut data = if from == self.rank() { own } else { vec![0; u64::from_le_bytes(length) as usize] };
        if !data.is_empty() {
            self.broadcast_bytes(from, &mut data)?;
        }
        Ok(data)
    }

    fn share(&self, from: usize, tensors: &[Tensor]) -> Result<(), ParallelError> {
        let _no_grad = tch::no_grad_guard();
        for tensor in tensors {
            let direct = tensor.device() == Device::Cpu && tensor.is_contiguous();
            let here =
                if direct { tensor.detach() } else { tensor.f_detach()?.f_to_device(Device::Cpu)?.f_contiguous()? };
            let n = here.numel() * here.kind().elt_size_in_bytes();
            self.together(|group| {
                // SAFETY: a contiguous tensor in main memory of `n` bytes, which lives for the call.
                #[allow(unsafe_code)]
                unsafe {
                    group.broadcast(here.data_ptr(), n, from)
                }
            })?;
            if !direct && from != self.rank() {
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
        let Some(group) = self.group.take() else { return true };
        let rank = self.rank();
        let text = format!("{} has ended: {why}", self.named(rank));
        let own = Verdict { by: rank, code, text, why: why.to_owned() };
        let said = self.roster.ask(move |roster| roster.claim(&own));
        // Now the others see that there is something to read.
        drop(group);
        self.roster.linger();
        // Where all fail alike, one says it.
        said.map_or(true, |verdict| verdict.by == rank || verdict.why != why)
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
    }
}

#[cfg(all(test, c10d))]
mod tests {
    use super::*;
    use crate::shim::RawStore;
    use std::net::TcpListener;

    #[test]
    fn ranks_meet_at_the_store_that_an_agent_keeps_and_again_after_a_restart() {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port();
        let _agent = RawStore::tcp("127.0.0.1", port, true, 60_000).expect("a store");
        // Often enough that threads which hand in their first work at the same time would meet.
        for attempt in 0..24 {
            let join = move |rank| {
                let meeting = Meeting::Tcp { host: "127.0.0.1".into(), port, agent: true };
                let (local, attempt) = (Some(rank), attempt.to_string());
                let launch = Launch { rank, size: 2, local, local_size: Some(2), meeting, attempt, by: "torchrun" };
                let gloo = Gloo::join(&launch, Duration::from_secs(60)).expect("both come");
                gloo.gather(&[rank as u8]).expect("both are there")
            };
            let both = [0, 1].map(|rank| std::thread::spawn(move || join(rank)));
            let told = both.map(|thread| thread.join().expect("no panic"));
            assert_eq!(told, [[[0], [1]], [[0], [1]]].map(|all| all.map(|one| one.to_vec()).to_vec()));
        }
    }
}
