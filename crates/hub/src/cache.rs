//! The folder of one repository in the cache, laid out as `huggingface_hub` lays it out: `blobs` by hash, `snapshots` of
//! links by commit, `refs` by branch, and `.no_exist` for files that a commit does not have.

use crate::digest::{Digest, Hashes};
use crate::name::{Commit, RepoId, Revision, is_plain};
use crate::{HubError, Settings};
use mosa_core::Interrupt;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Files up to this size are hashed whenever they are used.
const SMALL: u64 = 64 << 20;
/// The longest header of a safetensors file, as its library has it.
const LONGEST_HEADER: u64 = 100_000_000;

/// The folder of a repository.
pub(crate) struct Cache {
    /// The whole cache.
    root: PathBuf,
    name: String,
}

/// What the cache has of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    /// The file, whole as far as that can be told.
    Whole,
    /// A file that is not what it should be.
    Broken,
    /// A note that the commit does not have it.
    NotThere,
    /// Nothing.
    Unknown,
}

impl Cache {
    pub(crate) fn new(settings: &Settings, repo: &RepoId) -> Self {
        Self { root: settings.cache.clone(), name: repo.folder() }
    }

    fn folder(&self) -> PathBuf {
        self.root.join(&self.name)
    }

    pub(crate) fn blobs(&self) -> PathBuf {
        self.folder().join("blobs")
    }

    pub(crate) fn snapshot(&self, commit: &Commit) -> PathBuf {
        self.folder().join("snapshots").join(commit.as_str())
    }

    /// Where a process that downloads a blob says so, to others of its kind and to `huggingface_hub`.
    pub(crate) fn lock(&self, blob: &str) -> PathBuf {
        self.root.join(".locks").join(&self.name).join(format!("{blob}.lock"))
    }

    /// The commit a revision stood for when it was last looked at.
    pub(crate) fn commit(&self, revision: &Revision) -> Option<Commit> {
        if let Some(commit) = revision.as_commit() {
            return Some(commit);
        }
        let text = fs::read_to_string(self.folder().join("refs").join(revision.as_str())).ok()?;
        Commit::parse(text.trim())
    }

    /// Notes which commit a revision stands for.
    pub(crate) fn set_commit(&self, revision: &Revision, commit: &Commit) -> Result<(), HubError> {
        if revision.as_str() == commit.as_str() {
            return Ok(());
        }
        let path = self.folder().join("refs").join(revision.as_str());
        let partial = path.with_file_name(format!(".{}.{}", file_name(&path), std::process::id()));
        create_parent(&path)?;
        fs::write(&partial, commit.as_str()).map_err(|e| HubError::io(&partial, e))?;
        fs::rename(&partial, &path).map_err(|e| HubError::io(&path, e))
    }

    /// Notes that a commit does not have a file.
    pub(crate) fn set_not_there(&self, commit: &Commit, name: &str) -> Result<(), HubError> {
        let path = self.no_exist(commit, name);
        create_parent(&path)?;
        File::create(&path).map(drop).map_err(|e| HubError::io(&path, e))
    }

    fn no_exist(&self, commit: &Commit, name: &str) -> PathBuf {
        self.folder().join(".no_exist").join(commit.as_str()).join(name)
    }

    /// What there is of a file.
    pub(crate) fn held(&self, commit: &Commit, name: &str, interrupt: &Interrupt) -> Result<Held, HubError> {
        let path = self.snapshot(commit).join(name);
        if fs::symlink_metadata(&path).is_err() {
            return Ok(if self.no_exist(commit, name).exists() { Held::NotThere } else { Held::Unknown });
        }
        let Some(file) = self.inside(&path) else { return Ok(Held::Broken) };
        Ok(if is_whole(&file, name, interrupt)? { Held::Whole } else { Held::Broken })
    }

    /// The file a link of a snapshot leads to, if it is one of this repository.
    fn inside(&self, path: &Path) -> Option<PathBuf> {
        let file = path.canonicalize().ok().filter(|f| f.is_file())?;
        let folder = file.parent()?;
        let own = |dir: &Path| dir.canonicalize().is_ok_and(|d| d == folder);
        (own(&self.blobs()) || path.parent().is_some_and(own)).then_some(file)
    }

    /// Takes a broken file away: its link, and the blob behind it where that is one of this repository.
    pub(crate) fn remove(&self, commit: &Commit, name: &str) -> Result<(), HubError> {
        let path = self.snapshot(commit).join(name);
        let file = self.inside(&path);
        for gone in file.into_iter().chain([path]) {
            if fs::symlink_metadata(&gone).is_ok() {
                fs::remove_file(&gone).map_err(|e| HubError::io(&gone, e))?;
            }
        }
        Ok(())
    }

    /// Makes the blob a file of the snapshot.
    pub(crate) fn link(&self, commit: &Commit, name: &str, blob: &str) -> Result<(), HubError> {
        debug_assert!(is_plain(name) && is_plain(blob));
        let path = self.snapshot(commit).join(name);
        create_parent(&path)?;
        if fs::symlink_metadata(&path).is_ok() {
            fs::remove_file(&path).map_err(|e| HubError::io(&path, e))?;
        }
        #[cfg(unix)]
        let linked = std::os::unix::fs::symlink(Path::new("../../blobs").join(blob), &path);
        // Links need a permission there; `huggingface_hub` moves the file then.
        #[cfg(not(unix))]
        let linked = fs::rename(self.blobs().join(blob), &path);
        linked.map_err(|e| HubError::io(&path, e))
    }
}

/// Whether a file is all of what it should be, as far as its name and its own header tell.
pub(crate) fn is_whole(file: &Path, name: &str, interrupt: &Interrupt) -> Result<bool, HubError> {
    let size = file.metadata().map_err(|e| HubError::io(file, e))?.len();
    if name.ends_with(".safetensors") && safetensors_size(file) != Some(size) {
        return Ok(false);
    }
    match Digest::of_name(&file_name(file)).filter(|_| size <= SMALL) {
        Some(digest) => Ok(digest.fits(&Hashes::of_file(file, Some(&digest), interrupt)?)),
        None => Ok(size > 0),
    }
}

/// How long a safetensors file is by its own header.
fn safetensors_size(path: &Path) -> Option<u64> {
    let mut file = File::open(path).ok()?;
    let mut length = [0; 8];
    file.read_exact(&mut length).ok()?;
    let length = u64::from_le_bytes(length);
    if length > LONGEST_HEADER {
        return None;
    }
    let mut header = vec![0; usize::try_from(length).ok()?];
    file.read_exact(&mut header).ok()?;
    let header: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&header).ok()?;
    let ends = header.iter().filter(|(name, _)| *name != "__metadata__").map(|(_, t)| t["data_offsets"][1].as_u64());
    let data = ends.collect::<Option<Vec<u64>>>()?.into_iter().max().unwrap_or(0);
    length.checked_add(8)?.checked_add(data)
}

pub(crate) fn create_parent(path: &Path) -> Result<(), HubError> {
    let Some(parent) = path.parent() else { return Ok(()) };
    fs::create_dir_all(parent).map_err(|e| HubError::io(parent, e))
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
