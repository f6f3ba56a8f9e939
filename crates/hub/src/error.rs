//! What can go wrong between a hub and its cache.

use std::path::{Path, PathBuf};

/// An error that names the file or the address, and the fix.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// Somebody asked to stop.
    #[error("interrupted while waiting for the hub; what arrived is kept, and the same command goes on from there")]
    Interrupted,
    /// An environment variable or an argument cannot be used.
    #[error("{name}: {what}")]
    Setting {
        /// The variable.
        name: &'static str,
        /// What is wrong and how to fix it.
        what: String,
    },
    /// The network must not be used, and the cache does not have everything.
    #[error("{repo} is not complete in the cache ({what}), and HF_HUB_OFFLINE forbids to fetch it: unset it once")]
    Offline {
        /// The repository.
        repo: String,
        /// What is missing.
        what: String,
    },
    /// The hub could not be reached or went silent.
    #[error("{url}: {why}")]
    Unreachable {
        /// The address.
        url: String,
        /// Why.
        why: String,
    },
    /// The hub answered with another status than 200.
    #[error("{url}: status {status}; {advice}")]
    Status {
        /// The address.
        url: String,
        /// The status.
        status: u16,
        /// What it means here.
        advice: &'static str,
    },
    /// The hub named something that must not become a path or an address.
    #[error("{url}: {what}; nothing was written")]
    Unsafe {
        /// The address.
        url: String,
        /// What was named.
        what: String,
    },
    /// What came is not what was announced.
    #[error("{url}: {what}")]
    Broken {
        /// The address.
        url: String,
        /// What differs.
        what: String,
    },
    /// The repository does not hold what a checkpoint needs.
    #[error("{repo}: {what}")]
    Repository {
        /// The repository.
        repo: String,
        /// What is missing.
        what: String,
    },
    /// A file of the cache could not be read or written.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl HubError {
    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }
}

/// Some text of a server as it may be shown: quoted, without control characters, short.
pub(crate) fn shown(text: &str) -> String {
    let short: String = text.chars().take(120).collect();
    format!("{short:?}")
}
