//! A file that is whole or absent, also after a crash.

use crate::RecordsError;
use crate::lines::content;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Why a file is left alone.
const FOREIGN: &str = "holds something else than this version of mosa writes there, and was left as it is; move it away, or name another folder";

/// Writes a file under a name of its own, brings it to disk and renames it, so that a reader never sees half of it and a
/// crash leaves the old file or the new one. Symbolic links are followed; what is no regular file (a pipe, `/dev/null`) is
/// written to and not replaced.
///
/// # Errors
/// If it cannot be written; nothing is left of it then.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let target = match fs::symlink_metadata(path) {
        Ok(data) if data.is_symlink() => fs::canonicalize(path)?,
        _ => path.to_owned(),
    };
    if fs::metadata(&target).is_ok_and(|data| !data.is_file() && !data.is_dir()) {
        return File::options().write(true).open(&target)?.write_all(bytes);
    }
    let unfinished = Unfinished::beside(&target)?;
    let written = (&unfinished.file).write_all(bytes).and_then(|()| unfinished.file.sync_all());
    written.and_then(|()| fs::rename(&unfinished.path, &target)).inspect_err(|_| unfinished.give_up())?;
    sync_folder(&target)
}

/// Puts a file of known content in its place: one that is there with the same bytes stays, one that a crash left empty or
/// cut short is written anew.
///
/// # Errors
/// [`RecordsError::File`] if the file there holds anything else, which then stays as it is, or cannot be read or written.
pub fn restore(path: &Path, bytes: &[u8]) -> Result<(), RecordsError> {
    match fs::read(path) {
        Ok(there) if there == bytes => Ok(()),
        Ok(there) if !is_torn(&there, bytes) => Err(RecordsError::file(path, FOREIGN)),
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(RecordsError::file(path, e)),
        _ => write_whole(path, bytes).map_err(|e| RecordsError::file(path, e)),
    }
}

/// Writes a file that must not be there yet, whole: of several processes that do, one succeeds, and that is no error of the
/// others. Where the file system has no links, a reader may see the beginning of it for a moment.
pub(crate) fn link_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = Unfinished::beside(path)?;
    let written = (&unfinished.file).write_all(bytes).and_then(|()| unfinished.file.sync_all());
    let linked = written.and_then(|()| fs::hard_link(&unfinished.path, path)).or_else(|error| match error.kind() {
        io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied => {
            File::options().write(true).create_new(true).open(path)?.write_all(bytes)
        }
        _ => Err(error),
    });
    unfinished.give_up();
    match linked {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(e),
        _ => sync_folder(path),
    }
}

/// Puts the whole lines of several files behind one another into one, as [`restore`] does with bytes that are in memory.
/// Files that are not there have no lines.
///
/// # Errors
/// As [`restore`].
pub(crate) fn concatenate(path: &Path, parts: &[PathBuf]) -> Result<(), RecordsError> {
    let wrong = |e: io::Error| RecordsError::file(path, e);
    let unfinished = Unfinished::beside(path).map_err(wrong)?;
    let made = parts.iter().try_for_each(|part| append_lines(&unfinished.file, part));
    let made = made.and_then(|()| match begins_with(&unfinished.path, path).map_err(wrong)? {
        None => Err(RecordsError::file(path, FOREIGN)),
        Some(true) => {
            unfinished.give_up();
            Ok(())
        }
        Some(false) => unfinished.file.sync_all().and_then(|()| fs::rename(&unfinished.path, path)).map_err(wrong),
    });
    made.inspect_err(|_| unfinished.give_up())?;
    sync_folder(path).map_err(wrong)
}

fn append_lines(to: &File, part: &Path) -> Result<(), RecordsError> {
    let wrong = |e: io::Error| RecordsError::file(part, e);
    let file = match File::open(part) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        file => file.map_err(wrong)?,
    };
    let (mut reader, mut writer, mut line) = (BufReader::new(file), BufWriter::new(to), Vec::new());
    while reader.read_until(b'\n', &mut line).map_err(wrong)? > 0 {
        if let (Some(b'\n'), Some(text)) = (line.last(), content(&line)) {
            writer.write_all(text).and_then(|()| writer.write_all(b"\n")).map_err(wrong)?;
        }
        line.clear();
    }
    writer.flush().map_err(wrong)
}

/// Whether the file `there` is the same as `whole`, or what a crash can have left of it: `Some(false)`, as where there is
/// none.
fn begins_with(whole: &Path, there: &Path) -> io::Result<Option<bool>> {
    let there = match File::open(there) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Some(false)),
        file => file?,
    };
    let same_length = there.metadata()?.len() == fs::metadata(whole)?.len();
    let mut a = BufReader::new(File::open(whole)?).bytes();
    let mut torn = false;
    for b in BufReader::new(there).bytes() {
        match (a.next().transpose()?, b?) {
            (Some(a), b) if a == b && !torn => {}
            (_, 0) => torn = true,
            _ => return Ok(None),
        }
    }
    Ok(Some(same_length && !torn))
}

/// Whether `there` is what a crash can make of `whole`: its beginning, perhaps filled up with zero bytes.
pub fn is_torn(there: &[u8], whole: &[u8]) -> bool {
    let end = there.iter().rposition(|&b| b != 0).map_or(0, |last| last + 1);
    there != whole && whole.starts_with(&there[..end])
}

/// The file whose unfinished copy a file of this name is: `NAME.mosa-PID-N.partial`.
pub fn unfinished_of(name: &str) -> Option<&str> {
    let (of, id) = name.strip_suffix(".partial")?.rsplit_once(".mosa-")?;
    let (process, number) = id.split_once('-')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    (digits(process) && digits(number)).then_some(of)
}

/// A name beside `path` that no other process uses: `NAME.mosa-PID-N.partial`.
pub fn unfinished_name(path: &Path) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".mosa-{}-{}.partial", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
    path.with_file_name(name)
}

/// Removes what killed processes left of files they were writing in a folder. Whoever is writing holds a lock on it.
pub(crate) fn clear_unfinished(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let ours = entry.file_name().to_str().is_some_and(|name| unfinished_of(name).is_some());
        if ours && entry.file_type().is_ok_and(|kind| kind.is_file()) {
            let dead = File::open(entry.path()).is_ok_and(|file| file.try_lock().is_ok());
            // One that stays is in nobody's way.
            let _ = if dead { fs::remove_file(entry.path()) } else { Ok(()) };
        }
    }
}

/// Brings the name of a file to disk, where the system can.
///
/// # Errors
/// If its folder cannot be opened.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if cfg!(unix) {
        // Some file systems cannot sync a folder; the file itself is on disk.
        let _ = File::open(parent)?.sync_all();
    }
    Ok(())
}

/// A file that is being written under another name.
struct Unfinished {
    path: PathBuf,
    file: File,
}

impl Unfinished {
    fn beside(target: &Path) -> io::Result<Self> {
        loop {
            let path = unfinished_name(target);
            match File::options().write(true).create_new(true).open(&path) {
                Ok(file) => {
                    // Without locks a left-over stays until it is removed by hand.
                    let _ = file.try_lock();
                    return Ok(Self { path, file });
                }
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(e),
            }
        }
    }

    fn give_up(&self) {
        let _ = fs::remove_file(&self.path);
    }
}
