//! The fingerprint of a folder: whether its files still compute the same numbers.

use crate::{Checkpoint, ModelError};
use mosa_core::hex;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// Bytes of a tensor that are read together.
const PAGE: usize = 4 << 10;
/// How many of them count: the first, the last, and others at equal distances.
const PAGES: usize = 8;
/// The files that can change what is computed, by the end of their names.
const COUNTED: [&str; 4] = ["json", "safetensors", "jinja", "txt"];

/// SHA-256 over what decides the numbers of a checkpoint or adapter folder, the first 16 hex digits: configuration and
/// tokeniser files in full, and of every tensor of every safetensors file its name, type, shape and a sample of its bytes.
/// The sample is all of a tensor of up to 32 KiB, and of a larger one eight pages of 4 KiB spread over it. A change of
/// most of a tensor, as a merged adapter makes it, is in every page; a change of a few numbers may lie between them.
///
/// It reads at most 32 KiB a tensor: 10 MB of the 16 GB of a dense 8B model (some 300 tensors), 100 MB of a model of 3,000
/// expert tensors; tens to a few hundred milliseconds. Texts for people (README.md) and hidden files do not count.
///
/// # Errors
/// [`ModelError`] if the folder or a file in it cannot be read.
pub fn fingerprint(dir: &Path) -> Result<String, ModelError> {
    let mut hash = Sha256::new();
    for path in counted_files(dir)? {
        part(&mut hash, path.file_name().unwrap_or_default().as_encoded_bytes());
        match weights(&path) {
            Some(weights) => tensors(&mut hash, &weights),
            None => part(&mut hash, &std::fs::read(&path).map_err(|e| ModelError::io(&path, e))?),
        }
    }
    Ok(hex(&hash.finalize()[..8]))
}

/// The files of a folder that can change what is computed, by name.
fn counted_files(dir: &Path) -> Result<Vec<PathBuf>, ModelError> {
    let entries = std::fs::read_dir(dir).map_err(|e| ModelError::io(dir, e))?;
    let hidden = |path: &Path| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    let named = |path: &Path| path.extension().is_some_and(|end| COUNTED.iter().any(|counted| end == *counted));
    let counts = |path: &PathBuf| named(path) && !hidden(path);
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(counts).collect();
    paths.sort();
    Ok(paths)
}

/// A file of weights; none if it is another one, or a damaged one that nothing was loaded from.
fn weights(path: &Path) -> Option<Checkpoint> {
    let named = path.extension().is_some_and(|end| end == "safetensors");
    named.then(|| Checkpoint::open_file(path).ok()).flatten()
}

fn tensors(hash: &mut Sha256, weights: &Checkpoint) {
    for (name, stored) in weights.tensors() {
        part(hash, name.as_bytes());
        part(hash, format!("{:?} {:?}", stored.dtype, stored.shape).as_bytes());
        let bytes = weights.bytes(stored);
        hash.update(bytes.len().to_le_bytes());
        sample(bytes).for_each(|page| hash.update(page));
    }
}

/// The pages of a tensor that count.
fn sample(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let whole = bytes.len() <= PAGE * PAGES;
    let (pages, length) = if whole { (1, bytes.len()) } else { (PAGES, PAGE) };
    let last = bytes.len() - length;
    (0..pages).map(move |i| {
        let start = last / (PAGES - 1) * i;
        let start = if i + 1 == PAGES { last } else { start };
        &bytes[start..start + length]
    })
}

/// Adds a part behind its length, so that no two lists of parts are confused.
fn part(hash: &mut Sha256, bytes: &[u8]) {
    hash.update(bytes.len().to_le_bytes());
    hash.update(bytes);
}
