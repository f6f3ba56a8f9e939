//! Hashes that say which model, data and words a run used.

use anyhow::{Context, Result};
use mosa_core::hex;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// What counted of a model file for earlier versions, if it is larger than this: its beginning, its end and its size.
const WHOLE: u64 = 64 << 20;
const PART: u64 = 4 << 20;

/// SHA-256 of a text, the first 16 hex digits.
pub(crate) fn of_text(text: &str) -> String {
    short(Sha256::new_with_prefix(text))
}

/// SHA-256 of bytes, all of it.
pub(crate) fn whole(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// SHA-256 of a file, the first 16 hex digits.
pub(crate) fn of_file(path: &Path) -> Result<String> {
    let mut hasher = Sha256::new();
    add_file(&mut hasher, path, u64::MAX)?;
    Ok(short(hasher))
}

/// SHA-256 of this program, the first 16 hex digits: by it processes know that they are the same.
pub(crate) fn of_program() -> Result<String> {
    // The file that runs, also where another one has its name by now.
    let own = Path::new("/proc/self/exe");
    if own.exists() {
        return of_file(own);
    }
    of_file(&std::env::current_exe().context("this program's file is not found")?)
}

/// The fingerprint of a checkpoint or adapter folder: see [`mosa_model::fingerprint`].
pub(crate) fn of_model(dir: &Path) -> Result<String> {
    Ok(mosa_model::fingerprint(dir)?)
}

/// The fingerprint that versions up to 0.1.0 gave a folder, to compare with what they recorded: of large files only the
/// beginning, the end and the size count.
pub(crate) fn of_ends_of_model(dir: &Path) -> Result<String> {
    let mut names: Vec<_> = std::fs::read_dir(dir)
        .with_context(|| format!("cannot read {}", dir.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|p| p.extension().is_some_and(|e| ["json", "safetensors", "jinja", "txt"].iter().any(|k| e == *k)))
        .collect();
    names.sort();
    let mut hasher = Sha256::new();
    for path in names {
        hasher.update(path.file_name().unwrap_or_default().as_encoded_bytes());
        add_file(&mut hasher, &path, WHOLE)?;
    }
    Ok(short(hasher))
}

fn add_file(hasher: &mut Sha256, path: &Path, whole: u64) -> Result<()> {
    let context = || format!("cannot read {}", path.display());
    let mut file = File::open(path).with_context(context)?;
    let size = file.metadata().with_context(context)?.len();
    hasher.update(size.to_le_bytes());
    if size <= whole {
        std::io::copy(&mut file, hasher).with_context(context)?;
        return Ok(());
    }
    std::io::copy(&mut file.by_ref().take(PART), hasher).with_context(context)?;
    file.seek(SeekFrom::Start(size - PART)).with_context(context)?;
    std::io::copy(&mut file, hasher).with_context(context)?;
    Ok(())
}

fn short(hasher: Sha256) -> String {
    hex(&hasher.finalize()[..8])
}
