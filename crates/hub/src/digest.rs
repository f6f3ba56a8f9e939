//! The hash a file was announced with.

use crate::HubError;
use crate::name::is_hex;
use mosa_core::{Interrupt, hex};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// A hash in lower-case hexadecimal digits, as the hub names its files by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Digest {
    /// SHA-256 of the bytes: large files.
    Sha256(String),
    /// SHA-1: of the git object for small files; of the bytes themselves at some mirrors.
    Sha1(String),
}

/// The hashes of a file as it lies there.
pub(crate) struct Hashes {
    pub sha256: String,
    git: String,
    sha1: String,
}

impl Digest {
    /// Reads an entity tag: `"…"`, `W/"…"` or bare. One that is no hash says nothing about the bytes.
    pub(crate) fn of_etag(etag: &str) -> Option<Self> {
        let etag = etag.trim();
        Self::of_name(etag.strip_prefix("W/").unwrap_or(etag).trim_matches('"'))
    }

    /// The hash that is the name of a cached file, if it is one.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        match name.len() {
            64 if is_hex(name) => Some(Self::Sha256(name.to_owned())),
            40 if is_hex(name) => Some(Self::Sha1(name.to_owned())),
            _ => None,
        }
    }

    pub(crate) fn hex(&self) -> &str {
        match self {
            Self::Sha256(hex) | Self::Sha1(hex) => hex,
        }
    }

    /// Whether a file with these hashes is the announced one.
    pub(crate) fn fits(&self, hashes: &Hashes) -> bool {
        match self {
            Self::Sha256(hex) => *hex == hashes.sha256,
            Self::Sha1(hex) => *hex == hashes.git || *hex == hashes.sha1,
        }
    }
}

impl Hashes {
    /// Reads the file once, for the hashes a comparison with `digest` takes.
    pub(crate) fn of_file(path: &Path, digest: Option<&Digest>, interrupt: &Interrupt) -> Result<Self, HubError> {
        let error = |e| HubError::io(path, e);
        let mut file = File::open(path).map_err(error)?;
        let size = file.metadata().map_err(error)?.len();
        let (mut sha256, mut sha1) = (Sha256::new(), Sha1::new());
        let mut git = Sha1::new_with_prefix(format!("blob {size}\0"));
        let mut buffer = vec![0; 1 << 20];
        let both = matches!(digest, Some(Digest::Sha1(_)));
        loop {
            if interrupt.asked() {
                return Err(HubError::Interrupted);
            }
            let n = file.read(&mut buffer).map_err(error)?;
            if n == 0 {
                break;
            }
            sha256.update(&buffer[..n]);
            if both {
                sha1.update(&buffer[..n]);
                git.update(&buffer[..n]);
            }
        }
        Ok(Self { sha256: hex(&sha256.finalize()), git: hex(&git.finalize()), sha1: hex(&sha1.finalize()) })
    }
}
