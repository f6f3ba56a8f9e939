//! A file that is whole or absent.

use std::fs::File;
use std::io;
use std::path::Path;

/// Writes a file under a temporary name and renames it, so that a reader never sees half of it.
///
/// # Errors
/// If it cannot be written.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    let partial = path.with_file_name(name);
    std::fs::write(&partial, bytes)?;
    File::open(&partial)?.sync_all()?;
    std::fs::rename(&partial, path)
}
