//! Removing what mosa wrote, and nothing else.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The files below a folder that `known` does not know; it is asked with paths relative to the folder. Symbolic links and
/// whatever else is neither file nor folder are never known and never followed.
///
/// # Errors
/// If a folder cannot be read.
pub fn foreign(dir: &Path, known: &dyn Fn(&Path) -> bool) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    walk(dir, Path::new(""), &mut |path, inner, is_file| {
        if !is_file || !known(inner) {
            found.push(path.to_owned());
        }
        Ok(())
    })?;
    Ok(found)
}

/// Removes the files below a folder that `known` knows, then folders that are empty. The folder itself stays.
///
/// # Errors
/// If a file or folder cannot be read or removed.
pub fn remove_known(dir: &Path, known: &dyn Fn(&Path) -> bool) -> io::Result<()> {
    walk(dir, Path::new(""), &mut |path, inner, is_file| {
        if is_file && known(inner) { fs::remove_file(path) } else { Ok(()) }
    })?;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_empty(&entry.path())?;
        }
    }
    Ok(())
}

/// Removes a folder that `known` alone filled; one that holds anything else loses what is known. Says whether it is gone.
///
/// # Errors
/// If a file or folder cannot be read or removed.
pub fn remove_folder(dir: &Path, known: &dyn Fn(&Path) -> bool) -> io::Result<bool> {
    if !fs::symlink_metadata(dir)?.is_dir() {
        return Ok(false);
    }
    remove_known(dir, known)?;
    remove_empty(dir)?;
    Ok(!dir.exists())
}

fn remove_empty(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_empty(&entry.path())?;
        }
    }
    if fs::read_dir(dir)?.next().is_none() { fs::remove_dir(dir) } else { Ok(()) }
}

/// Shows everything below a folder that is no folder: its path, the path relative to the first folder, and whether it is
/// a regular file.
fn walk(dir: &Path, inner: &Path, see: &mut dyn FnMut(&Path, &Path, bool) -> io::Result<()>) -> io::Result<()> {
    let mut entries = fs::read_dir(dir)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let (path, kind) = (entry.path(), entry.file_type()?);
        let inner = inner.join(entry.file_name());
        if kind.is_dir() {
            walk(&path, &inner, see)?;
        } else {
            see(&path, &inner, kind.is_file())?;
        }
    }
    Ok(())
}
