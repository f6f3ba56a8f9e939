//! What keeps a worker from writing into a chunk that another has taken over.
//!
//! A chunk of a shared folder is worked on in a folder that says how many workers had it: `chunk-000007.g2` is the second
//! one's. Whoever takes it over makes the next folder, which only one can; that folder is the sign for the one before.

use crate::RecordsError;
use std::path::{Path, PathBuf};

/// The lease on the chunk whose folder it is in.
pub(crate) const LEASE: &str = ".mosa.lease";

/// What a folder of a chunk is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Generation {
    /// Which chunk, from 1.
    pub(crate) chunk: usize,
    /// Which worker's it is, from 1.
    pub(crate) number: u32,
}

impl Generation {
    /// What a name says.
    pub(crate) fn of(name: &str) -> Option<Self> {
        let (chunk, number) = name.strip_prefix("chunk-")?.split_once(".g")?;
        let this = Self { chunk: chunk.parse().ok()?, number: number.parse().ok()? };
        (this.name() == name).then_some(this)
    }

    pub(crate) fn name(self) -> String {
        format!("chunk-{:06}.g{}", self.chunk, self.number)
    }

    pub(crate) fn next(self) -> Self {
        Self { number: self.number + 1, ..self }
    }
}

/// The sign that a chunk has passed on, for files in its folder.
#[derive(Debug)]
pub(crate) struct Fence {
    dir: PathBuf,
    next: PathBuf,
}

impl Fence {
    /// The fence of a folder; none if it is not that of a chunk.
    pub(crate) fn around(dir: &Path) -> Option<Self> {
        let own = Generation::of(dir.file_name()?.to_str()?)?;
        let next = dir.with_file_name(own.next().name());
        dir.join(LEASE).exists().then(|| Self { dir: dir.to_owned(), next })
    }

    /// The fence around a file.
    pub(crate) fn of(file: &Path) -> Option<Self> {
        Self::around(file.parent()?)
    }

    /// Refuses a write once another worker has the chunk.
    pub(crate) fn check(&self) -> Result<(), RecordsError> {
        match self.next.symlink_metadata() {
            Ok(_) => Err(RecordsError::Lost { dir: self.dir.clone() }),
            Err(_) => Ok(()),
        }
    }
}
