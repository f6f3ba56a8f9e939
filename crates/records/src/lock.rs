//! Who writes into a folder: one command at a time.

use crate::RecordsError;
use std::fs::{self, File, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The file that is locked. It says which process holds the lock; without a lock on it its content means nothing.
pub const LOCK: &str = ".mosa.lock";

/// The right to write into a folder, until it is dropped or the process ends, however it ends.
#[derive(Debug)]
pub struct Lock {
    dir: PathBuf,
    file: File,
    warning: Option<String>,
}

impl Lock {
    /// Takes the lock of a folder for a command. Where the file system has no locks, that is a [`warning`](Self::warning).
    ///
    /// # Errors
    /// [`RecordsError::Busy`] naming the process that holds it; [`RecordsError::File`] if the lock file cannot be used.
    pub fn take(dir: &Path, command: &str) -> Result<Self, RecordsError> {
        let path = dir.join(LOCK);
        let wrong = |e: std::io::Error| RecordsError::file(&path, e);
        if fs::symlink_metadata(&path).is_ok_and(|data| !data.is_file()) {
            return Err(RecordsError::file(&path, "is no regular file; move it away"));
        }
        let mut file =
            File::options().create(true).read(true).write(true).truncate(false).open(&path).map_err(wrong)?;
        let warning = match file.try_lock() {
            Ok(()) => None,
            Err(TryLockError::WouldBlock) => {
                let (dir, holder) = (dir.to_owned(), holder(&mut file));
                return Err(RecordsError::Busy { dir, holder });
            }
            Err(TryLockError::Error(e)) => Some(format!(
                "{}: cannot be locked on this file system ({e}); see that no other command writes into this folder",
                dir.display()
            )),
        };
        let said = format!("process {} ({})\n", std::process::id(), format!("mosa {command}").trim_end());
        let written = file.set_len(0).and_then(|()| file.seek(SeekFrom::Start(0)));
        written.and_then(|_| file.write_all(said.as_bytes())).map_err(wrong)?;
        Ok(Self { dir: dir.to_owned(), file, warning })
    }

    /// Whether another command writes into the folder.
    pub fn is_held(dir: &Path) -> bool {
        File::open(dir.join(LOCK)).is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
    }

    /// Whether the lock is there and nobody holds it, as far as the file system can say; `false` where it cannot.
    pub(crate) fn is_free(dir: &Path) -> bool {
        let file = File::options().read(true).write(true).open(dir.join(LOCK));
        file.is_ok_and(|file| file.try_lock().is_ok())
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Why the folder is not protected, where it is not.
    pub fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }
}

/// Who holds the lock, by what the file says; nothing if it cannot be read. Whoever has just taken it is about to say so.
fn holder(file: &mut File) -> String {
    for wait in [0, 10, 40] {
        std::thread::sleep(Duration::from_millis(wait));
        let mut said = String::new();
        let read = file.seek(SeekFrom::Start(0)).and_then(|_| file.read_to_string(&mut said));
        if read.is_ok() && !said.trim().is_empty() {
            return said.trim().to_owned();
        }
    }
    String::new()
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing the file releases the lock; the name of a process that is gone would only confuse.
        let _ = self.file.set_len(0);
    }
}
