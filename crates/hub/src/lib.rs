//! Checkpoints from the Hugging Face hub, in the cache that `huggingface_hub` keeps and reads.
//!
//! Nothing a server says becomes a path: names of files are plain and known beforehand or checked, commits and hashes are
//! hexadecimal digits. What comes is compared with the hash and the size that were announced before it gets its name. The
//! token goes to the endpoint and to no other host.

mod cache;
mod digest;
mod download;
mod error;
mod http;
mod name;
mod settings;
mod snapshot;

pub use error::HubError;
pub use name::{Commit, RepoId, Revision};
pub use settings::Settings;
pub use snapshot::Snapshot;

use mosa_core::Interrupt;

/// What is going on, for people who wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A file begins to arrive.
    File {
        /// Its name.
        name: String,
        /// Its bytes, if announced.
        size: Option<u64>,
    },
    /// This many bytes more are there.
    Bytes(u64),
    /// The file is there.
    Done,
    /// Something to know.
    Note(String),
}

/// A client of one hub with one cache.
pub struct Hub<'a> {
    settings: Settings,
    interrupt: Interrupt,
    tell: Box<dyn FnMut(Event) + 'a>,
}

impl<'a> Hub<'a> {
    /// A client with these settings that stops where `interrupt` asks for it and tells what it does.
    pub fn new(settings: Settings, interrupt: Interrupt, tell: impl FnMut(Event) + 'a) -> Self {
        Self { settings, interrupt, tell: Box::new(tell) }
    }

    /// The folder of a checkpoint, downloaded where the cache does not have all of it. A whole cached snapshot is used
    /// without the network.
    ///
    /// # Errors
    /// [`HubError`]; nothing broken gets the name of a whole file.
    pub fn resolve(&mut self, repo: &RepoId, revision: &Revision) -> Result<Snapshot, HubError> {
        snapshot::resolve(self, repo, revision)
    }
}
