//! An append-only file of records.

use crate::{RecordsError, write_whole};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// What a line of a record file holds.
pub trait Record: Serialize + DeserializeOwned {
    /// Kind and version, for example `answer/1`. A change of meaning is a new version.
    const SCHEMA: &'static str;

    /// Unique in its file.
    fn key(&self) -> String;
}

/// A file of records, open for appending, with all that it holds.
#[derive(Debug)]
pub struct Log<R> {
    path: PathBuf,
    file: File,
    keys: HashSet<String>,
    records: Vec<R>,
}

#[derive(Serialize)]
struct Outgoing<'a, R> {
    schema: &'static str,
    #[serde(flatten)]
    record: &'a R,
}

#[derive(Deserialize)]
struct Tag {
    schema: String,
}

impl<R: Record> Log<R> {
    /// Opens or creates the file. Half a line at its end, left by a kill, is cut off.
    ///
    /// # Errors
    /// [`RecordsError`] if a whole line cannot be read, has another schema, or repeats a key; the file then stays as it is.
    pub fn open(path: &Path) -> Result<Self, RecordsError> {
        let wrong = |e: std::io::Error| RecordsError::file(path, e);
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(e) => return Err(wrong(e)),
        };
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let records = parse(path, &text[..whole])?;
        if whole < text.len() {
            write_whole(path, &text.as_bytes()[..whole]).map_err(wrong)?;
        }
        let file = File::options().create(true).append(true).open(path).map_err(wrong)?;
        let keys = records.iter().map(R::key).collect();
        Ok(Self { path: path.to_owned(), file, keys, records })
    }

    /// Reads a file without opening it for writing; half a last line is left out. No file, no records.
    ///
    /// # Errors
    /// As [`Log::open`].
    pub fn read(path: &Path) -> Result<Vec<R>, RecordsError> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(RecordsError::file(path, e)),
        };
        parse(path, &text[..text.rfind('\n').map_or(0, |end| end + 1)])
    }

    /// All records in the order of the file.
    pub fn records(&self) -> &[R] {
        &self.records
    }

    /// All records in the order of the file.
    pub fn into_records(self) -> Vec<R> {
        self.records
    }

    /// Whether a record is there.
    pub fn has(&self, key: &str) -> bool {
        self.keys.contains(key)
    }

    /// Appends a record in one write; one that is there already is left alone.
    ///
    /// # Errors
    /// [`RecordsError::File`] if it cannot be written.
    pub fn push(&mut self, record: R) -> Result<(), RecordsError> {
        if !self.keys.insert(record.key()) {
            return Ok(());
        }
        let line = line_of(&self.path, &record)?;
        self.file.write_all(line.as_bytes()).map_err(|e| RecordsError::file(&self.path, e))?;
        self.records.push(record);
        Ok(())
    }

    /// Keeps the records that `keep` says. The file is replaced as a whole if any goes, and not touched otherwise.
    ///
    /// # Errors
    /// [`RecordsError::File`] if it cannot be written.
    pub fn retain(&mut self, keep: impl Fn(&R) -> bool) -> Result<(), RecordsError> {
        let before = self.records.len();
        self.records.retain(keep);
        if self.records.len() == before {
            return Ok(());
        }
        self.rewrite()
    }

    /// Puts another record in the place of each that `other` has one for. The file is replaced as a whole if any changes, and
    /// not touched otherwise.
    ///
    /// # Errors
    /// [`RecordsError::File`] if it cannot be written.
    pub fn replace(&mut self, mut other: impl FnMut(&R) -> Option<R>) -> Result<(), RecordsError>
    where
        R: PartialEq,
    {
        let mut changed = false;
        for record in &mut self.records {
            if let Some(other) = other(record).filter(|other| other != record) {
                *record = other;
                changed = true;
            }
        }
        if changed { self.rewrite() } else { Ok(()) }
    }

    /// Writes the file anew with the records there are.
    fn rewrite(&mut self) -> Result<(), RecordsError> {
        self.keys = self.records.iter().map(R::key).collect();
        let lines: Vec<String> = self.records.iter().map(|r| line_of(&self.path, r)).collect::<Result<_, _>>()?;
        let wrong = |e: std::io::Error| RecordsError::file(&self.path, e);
        write_whole(&self.path, lines.concat().as_bytes()).map_err(wrong)?;
        self.file = File::options().append(true).open(&self.path).map_err(wrong)?;
        Ok(())
    }

    /// Works off `cases` in batches and appends what they come to. A batch is always the same cases, whether some of
    /// them are there already or not: whatever an interruption left over is computed in the company it was meant to be
    /// in, and the finished file has the same bytes. Stops before the next batch once `stop` says so; returns whether
    /// all is done.
    ///
    /// # Errors
    /// Whatever `work` reports, and [`RecordsError`] if a record cannot be written.
    pub fn fill<C, E: From<RecordsError>>(
        &mut self,
        (cases, batch_size): (&[C], usize),
        key: impl Fn(&C) -> String,
        stop: impl Fn() -> bool,
        mut work: impl FnMut(&[C]) -> Result<Vec<R>, E>,
    ) -> Result<bool, E> {
        for batch in cases.chunks(batch_size.max(1)) {
            if batch.iter().all(|case| self.has(&key(case))) {
                continue;
            }
            if stop() {
                return Ok(false);
            }
            for record in work(batch)? {
                self.push(record)?;
            }
        }
        Ok(true)
    }
}

fn parse<R: Record>(path: &Path, text: &str) -> Result<Vec<R>, RecordsError> {
    let mut seen = HashSet::new();
    let mut records = Vec::new();
    for (line, content) in (1..).zip(text.lines()) {
        let record: R = record_of(path, line, content)?;
        if !seen.insert(record.key()) {
            let what = format!("repeats the record {}", record.key());
            return Err(RecordsError::Damaged { path: path.to_owned(), line, what });
        }
        records.push(record);
    }
    Ok(records)
}

/// The record in a line of a file.
pub(crate) fn record_of<R: Record>(path: &Path, line: usize, content: &str) -> Result<R, RecordsError> {
    let damaged = |what: String| RecordsError::Damaged { path: path.to_owned(), line, what };
    let tag: Tag = serde_json::from_str(content).map_err(|e| damaged(format!("not a record: {e}")))?;
    if tag.schema != R::SCHEMA {
        let what = format!("holds records of the schema `{}`; this version of mosa reads `{}`", tag.schema, R::SCHEMA);
        return Err(RecordsError::file(path, what));
    }
    serde_json::from_str(content).map_err(|e| damaged(e.to_string()))
}

/// A record as a line of a file, with its end.
pub(crate) fn line_of<R: Record>(path: &Path, record: &R) -> Result<String, RecordsError> {
    let line = serde_json::to_string(&Outgoing { schema: R::SCHEMA, record });
    line.map(|line| format!("{line}\n")).map_err(|e| RecordsError::file(path, e))
}
