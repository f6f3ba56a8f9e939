//! The place where ranks meet and leave word for each other.

use crate::launch::Meeting;
use crate::shim::RawStore;
use crate::{Launch, ParallelError};
use std::net::{TcpStream, ToSocketAddrs};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Keys and values that all ranks see, as long as rank 0 (or the launcher's agent) lives.
#[derive(Debug)]
pub(crate) struct Store(RawStore);

/// The store cannot be reached.
#[derive(Debug)]
pub(crate) struct Gone(pub(crate) String);

impl Store {
    /// Opens the store of a job; rank 0 serves it, unless its launcher does.
    pub(crate) fn open(launch: &Launch, timeout: Duration) -> Result<Self, ParallelError> {
        let milliseconds = i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX);
        let garbled = |_| ParallelError::Garbled("a store");
        let store = match &launch.meeting {
            Meeting::File(path) => {
                let path = path.to_str().ok_or_else(|| ParallelError::Launch("the store's path is no text".into()))?;
                RawStore::file(path, i32::try_from(launch.size).unwrap_or(i32::MAX), milliseconds)
                    .map_err(|what| ParallelError::Launch(format!("{path}: {what}")))?
            }
            Meeting::Tcp { host, port, agent } => {
                let serves = launch.rank == 0 && !agent;
                if !serves {
                    wait_for(host, *port, launch, timeout)?;
                }
                RawStore::tcp(host, *port, serves, milliseconds).map_err(|what| {
                    let (host, port) = (host.clone(), *port);
                    match serves {
                        true => ParallelError::Port { host, port, what: plain(&what) },
                        false => missing_server(&host, port, launch, timeout, &plain(&what)),
                    }
                })?
            }
        };
        Ok(Self(store.below(&format!("mosa/{}", launch.attempt)).map_err(garbled)?))
    }

    pub(crate) fn raw(&self) -> &RawStore {
        &self.0
    }

    pub(crate) fn another(&self) -> Result<Self, Gone> {
        self.0.another().map(Self).map_err(Gone)
    }

    pub(crate) fn set(&self, key: &str, value: &[u8]) -> Result<(), Gone> {
        self.0.set(key, value).map_err(Gone)
    }

    /// Sets a key that is not there yet; what it then holds.
    pub(crate) fn claim(&self, key: &str, value: &[u8]) -> Result<Vec<u8>, Gone> {
        self.0.claim(key, value).map_err(Gone)
    }

    pub(crate) fn look(&self, key: &str) -> Result<Option<Vec<u8>>, Gone> {
        match self.0.has(key).map_err(Gone)? {
            true => self.0.get(key).map(Some).map_err(Gone),
            false => Ok(None),
        }
    }
}

/// Waits until somebody listens there: libtorch's own client writes a warning for every try.
fn wait_for(host: &str, port: u16, launch: &Launch, timeout: Duration) -> Result<(), ParallelError> {
    let began = Instant::now();
    loop {
        let tried = (host, port).to_socket_addrs().and_then(|mut all| {
            let refused = || std::io::Error::other("the name stands for no address");
            let first = all.next().ok_or_else(refused)?;
            all.fold(TcpStream::connect_timeout(&first, Duration::from_secs(5)), |tried, next| {
                tried.or_else(|_| TcpStream::connect_timeout(&next, Duration::from_secs(5)))
            })
        });
        match tried {
            Ok(_) => return Ok(()),
            Err(error) if began.elapsed() >= timeout => {
                return Err(missing_server(host, port, launch, timeout, &error.to_string()));
            }
            Err(_) => sleep(Duration::from_millis(50)),
        }
    }
}

fn missing_server(host: &str, port: u16, launch: &Launch, waited: Duration, what: &str) -> ParallelError {
    ParallelError::Missing {
        missing: "rank 0".into(),
        why: format!(" ({what})"),
        size: launch.size,
        at: format!("{host}:{port}"),
        waited,
        hint: launch.hint(),
    }
}

/// What the system said, of what c10d makes of it.
fn plain(what: &str) -> String {
    match what.contains("EADDRINUSE") {
        true => "it is taken".into(),
        false => what.to_owned(),
    }
}
