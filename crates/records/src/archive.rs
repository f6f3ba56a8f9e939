//! An append-only file of records that stay on disk.

use crate::fence::Fence;
use crate::lines::content;
use crate::log::{append, line_of, record_of};
use crate::{Record, RecordsError};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

/// A file of records like that of a [`Log`](crate::Log), for files too large to hold: whoever uses it keeps the places of
/// those it may want to read again.
#[derive(Debug)]
pub struct Archive<R> {
    path: PathBuf,
    file: File,
    fence: Option<Fence>,
    end: u64,
    kind: PhantomData<fn() -> R>,
}

/// Where a record stands in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    start: u64,
    length: usize,
}

impl<R: Record> Archive<R> {
    /// Opens or creates the file and shows what it holds, in order. Half a line at its end, left by a kill or a crash, is
    /// cut off.
    ///
    /// # Errors
    /// [`RecordsError`] if a whole line cannot be read or has another schema; the file then stays as it is.
    pub fn open(path: &Path, mut see: impl FnMut(R, Place)) -> Result<Self, RecordsError> {
        let wrong = |e: std::io::Error| RecordsError::file(path, e);
        let file = File::options().create(true).read(true).append(true).open(path).map_err(wrong)?;
        let (mut reader, mut line, mut end) = (BufReader::new(&file), Vec::new(), 0);
        for number in 1.. {
            line.clear();
            let length = reader.read_until(b'\n', &mut line).map_err(wrong)?;
            if line.last() != Some(&b'\n') {
                break;
            }
            if let Some(content) = content(&line) {
                see(record_of(path, number, content)?, Place { start: end, length });
            }
            end += length as u64;
        }
        if file.metadata().map_err(wrong)?.len() > end {
            file.set_len(end).map_err(wrong)?;
        }
        Ok(Self { path: path.to_owned(), file, fence: Fence::of(path), end, kind: PhantomData })
    }

    /// The record at a place of this file.
    ///
    /// # Errors
    /// [`RecordsError`] if it cannot be read any more.
    pub fn read(&mut self, place: Place) -> Result<R, RecordsError> {
        let mut line = vec![0; place.length];
        let read = self.file.seek(SeekFrom::Start(place.start)).and_then(|_| self.file.read_exact(&mut line));
        read.map_err(|e| RecordsError::file(&self.path, e))?;
        record_of(&self.path, 0, content(&line).unwrap_or_default())
    }

    /// Appends a record in one write.
    ///
    /// # Errors
    /// [`RecordsError::File`] if it cannot be written, [`RecordsError::Lost`] if it is of a chunk that another worker has now.
    pub fn push(&mut self, record: &R) -> Result<Place, RecordsError> {
        let line = line_of(&self.path, record)?;
        self.fence.as_ref().map_or(Ok(()), Fence::check)?;
        append(&mut self.file, line.as_bytes()).map_err(|e| RecordsError::file(&self.path, e))?;
        let place = Place { start: self.end, length: line.len() };
        self.end += line.len() as u64;
        Ok(place)
    }
}
