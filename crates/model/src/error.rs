//! What can go wrong with a model.

use std::path::{Path, PathBuf};
use tch::TchError;

/// An error about a checkpoint, an adapter, a device or a call; names the file, the key and the fix.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A file could not be read or written.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A key of a JSON file is missing or has a value that cannot be used.
    #[error("{path}: `{key}` {what}", path = path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
        /// What is wrong and how to fix it.
        what: String,
    },
    /// A file does not hold what it should.
    #[error("{path}: {what}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong and how to fix it.
        what: String,
    },
    /// A tensor of the checkpoint or adapter is missing or has the wrong shape or type.
    #[error("{path}: tensor {name} {what}", path = path.display())]
    Stored {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// What is wrong.
        what: String,
    },
    /// LoRA targets that match nothing, adapters for another model, and the like.
    #[error("{0}")]
    Adapter(String),
    /// The device asked for cannot be used.
    #[error("{0}")]
    Device(String),
    /// An inconsistent call.
    #[error("{0}")]
    Call(String),
    /// Something would be larger than the memory of this machine; it was not tried.
    #[error("{what} would take {:.1} GB", *.bytes as f64 / 1e9)]
    Memory {
        /// What would be.
        what: String,
        /// How large it would be.
        bytes: u64,
        /// What this is a kind of.
        source: OutOfMemory,
    },
    /// A model does not fit into the memory of this machine; loading was not tried.
    #[error(
        "the model needs {:.1} GB, and this machine has {:.1} GB of memory available{otherwise}",
        *.needs as f64 / 1e9,
        *.available as f64 / 1e9
    )]
    TooLarge {
        /// Bytes that it needs.
        needs: u64,
        /// Bytes that are there.
        available: u64,
        /// What can be done, behind a colon; or nothing.
        otherwise: String,
    },
    /// libtorch failed. Only the first line of its message is shown.
    #[error("libtorch: {}", first_line(.0))]
    Torch(#[from] TchError),
}

/// The cause of errors about things that would be too large.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this machine has less memory")]
pub struct OutOfMemory;

impl ModelError {
    /// Something that would be larger than memory.
    pub fn memory(what: impl ToString, bytes: u64) -> Self {
        Self::Memory { what: what.to_string(), bytes, source: OutOfMemory }
    }

    /// Whether memory ran out.
    pub fn is_out_of_memory(&self) -> bool {
        match self {
            Self::Memory { .. } | Self::TooLarge { .. } => true,
            Self::Torch(e) => is_out_of_memory(e),
            _ => false,
        }
    }

    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    pub(crate) fn file(path: &Path, what: impl ToString) -> Self {
        Self::File { path: path.to_owned(), what: what.to_string() }
    }

    pub(crate) fn key(path: &Path, key: &str, what: impl ToString) -> Self {
        Self::Key { path: path.to_owned(), key: key.to_owned(), what: what.to_string() }
    }

    pub(crate) fn stored(path: &Path, name: &str, what: impl ToString) -> Self {
        Self::Stored { path: path.to_owned(), name: name.to_owned(), what: what.to_string() }
    }
}

/// Whether libtorch failed for want of memory, on the host or on a device, or because a tensor would be larger than any
/// memory. An illegal memory access is another matter.
pub fn is_out_of_memory(error: &TchError) -> bool {
    tells_of_memory(&error.to_string())
}

/// The same of what an error said, where only its words are left.
pub fn tells_of_memory(said: &str) -> bool {
    let text = said.to_ascii_lowercase();
    let signs = [
        "out of memory",
        "can't allocate memory",
        "cannot allocate memory",
        "not enough memory",
        "bad_alloc",
        "alloc_failed",
        "invalid buffer size",
        "storage size calculation overflowed",
        "numel: integer multiplication overflow",
    ];
    signs.iter().any(|sign| text.contains(sign))
}

fn first_line(error: &TchError) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}
