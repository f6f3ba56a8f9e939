//! An append-only file of records.

use crate::fence::Fence;
use crate::lines::{lines, whole_lines};
use crate::{RecordsError, write_whole};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::collections::hash_map::{Entry, HashMap};
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// What a line of a record file holds.
pub trait Record: Serialize + DeserializeOwned {
    /// Kind and version, for example `answer/1`. A change of meaning is a new version.
    const SCHEMA: &'static str;

    /// Unique in its file.
    fn key(&self) -> String;

    /// Whether another record of the same key may be left out because this one says all that counts. By default it has
    /// to be the same word for word.
    fn repeats(&self, other: &Self) -> bool {
        let (a, b) = (serde_json::to_string(self), serde_json::to_string(other));
        matches!((a, b), (Ok(a), Ok(b)) if a == b)
    }
}

/// A file of records, open for appending, with all that it holds.
#[derive(Debug)]
pub struct Log<R> {
    path: PathBuf,
    file: File,
    fence: Option<Fence>,
    keys: HashSet<String>,
    records: Vec<R>,
    repeated: usize,
}

/// What a file of records holds.
struct Parsed<R> {
    records: Vec<R>,
    /// Lines that repeat a record.
    repeated: usize,
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
    /// Opens or creates the file. Half a line at its end, left by a kill or a crash, is cut off. A record that is there
    /// several times (two commands wrote at once) is kept once, and [`note`](Self::note) says so.
    ///
    /// # Errors
    /// [`RecordsError`] if a whole line cannot be read, has another schema, or holds another record of the same key; the
    /// file then stays as it is.
    pub fn open(path: &Path) -> Result<Self, RecordsError> {
        let wrong = |e: std::io::Error| RecordsError::file(path, e);
        let mut file = File::options().create(true).read(true).append(true).open(path).map_err(wrong)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(wrong)?;
        let Parsed { records, repeated } = parse(path, &bytes)?;
        let whole = whole_lines(&bytes).len();
        if whole < bytes.len() {
            file.set_len(whole as u64).map_err(wrong)?;
        }
        let keys = records.iter().map(R::key).collect();
        Ok(Self { path: path.to_owned(), file, fence: Fence::of(path), keys, records, repeated })
    }

    /// Reads a file without opening it for writing; half a last line is left out. No file, no records. What there is to
    /// say about the file is added to `notes`.
    ///
    /// # Errors
    /// As [`Log::open`].
    pub fn read_noting(path: &Path, notes: &mut Vec<String>) -> Result<Vec<R>, RecordsError> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(RecordsError::file(path, e)),
        };
        let Parsed { records, repeated } = parse(path, &bytes)?;
        notes.extend(repetition(path, repeated));
        Ok(records)
    }

    /// The same where nobody listens to notes.
    ///
    /// # Errors
    /// As [`Log::open`].
    pub fn read(path: &Path) -> Result<Vec<R>, RecordsError> {
        Self::read_noting(path, &mut Vec::new())
    }

    /// What there is to say about the file as it was found.
    pub fn note(&self) -> Option<String> {
        repetition(&self.path, self.repeated)
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
    /// [`RecordsError::File`] if it cannot be written, [`RecordsError::Lost`] if it is of a chunk that another worker has now.
    pub fn push(&mut self, record: R) -> Result<(), RecordsError> {
        let key = record.key();
        if self.keys.contains(&key) {
            return Ok(());
        }
        self.fence.as_ref().map_or(Ok(()), Fence::check)?;
        append(&mut self.file, line_of(&self.path, &record)?.as_bytes())
            .map_err(|e| RecordsError::file(&self.path, e))?;
        self.keys.insert(key);
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
        self.fence.as_ref().map_or(Ok(()), Fence::check)?;
        self.keys = self.records.iter().map(R::key).collect();
        let lines: Vec<String> = self.records.iter().map(|r| line_of(&self.path, r)).collect::<Result<_, _>>()?;
        let wrong = |e: std::io::Error| RecordsError::file(&self.path, e);
        write_whole(&self.path, lines.concat().as_bytes()).map_err(wrong)?;
        self.file = File::options().append(true).open(&self.path).map_err(wrong)?;
        Ok(())
    }

    /// Works off the cases in batches and appends what they come to. A batch is always the same cases, whether some of
    /// them are there already or not: whatever an interruption left over is computed in the company it was meant to be
    /// in, and the finished file has the same bytes. Stops before the next batch once `stop` says so; returns whether
    /// all is done.
    ///
    /// # Errors
    /// Whatever `work` reports, and [`RecordsError`] if a record cannot be written.
    pub fn fill<C, E: From<RecordsError>>(
        &mut self,
        batches: Batches<'_, C>,
        key: impl Fn(&C) -> String,
        stop: impl Fn() -> bool,
        mut work: impl FnMut(&[C]) -> Result<Vec<R>, E>,
    ) -> Result<bool, E> {
        for batch in batches.cases.chunks(batches.size.max(1)) {
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

/// What is worked off together.
#[derive(Clone, Copy, Debug)]
pub struct Batches<'a, C> {
    /// All cases, in the order of their records.
    pub cases: &'a [C],
    /// How many of them make up a batch; 0 counts as 1.
    pub size: usize,
}

fn parse<R: Record>(path: &Path, bytes: &[u8]) -> Result<Parsed<R>, RecordsError> {
    let mut seen: HashMap<String, (usize, usize)> = HashMap::new();
    let mut parsed = Parsed { records: Vec::new(), repeated: 0 };
    let mut conflicts = Vec::new();
    for (line, content) in lines(bytes) {
        let record: R = record_of(path, line, content)?;
        match seen.entry(record.key()) {
            Entry::Vacant(free) => {
                free.insert((line, parsed.records.len()));
                parsed.records.push(record);
            }
            Entry::Occupied(taken) => {
                let (first, at) = *taken.get();
                if parsed.records[at].repeats(&record) {
                    parsed.repeated += 1;
                } else {
                    conflicts.push(([first, line], record.key()));
                }
            }
        }
    }
    let others = conflicts.len().saturating_sub(1);
    match conflicts.into_iter().next() {
        Some((lines, key)) => Err(RecordsError::Conflict { path: path.to_owned(), lines, key, others }),
        None => Ok(parsed),
    }
}

fn repetition(path: &Path, repeated: usize) -> Option<String> {
    (repeated > 0).then(|| {
        format!(
            "{}: {repeated} lines repeat a record, which is counted once; two commands wrote at once",
            path.display()
        )
    })
}

/// Appends a line in one write. One that does not go in whole is taken back, so that a later one does not stand behind half
/// of it.
pub(crate) fn append(file: &mut File, line: &[u8]) -> std::io::Result<()> {
    let before = file.metadata()?.len();
    file.write_all(line).inspect_err(|_| {
        // Half a line that stays is cut off when the file is opened again.
        let _ = file.set_len(before);
    })
}

/// The record in a line of a file.
pub(crate) fn record_of<R: Record>(path: &Path, line: usize, content: &[u8]) -> Result<R, RecordsError> {
    let damaged = |what: String| RecordsError::Damaged { path: path.to_owned(), line, what };
    let tag: Tag = serde_json::from_slice(content).map_err(|e| damaged(format!("not a record: {e}")))?;
    if tag.schema != R::SCHEMA {
        let what = format!("holds records of the schema `{}`; this version of mosa reads `{}`", tag.schema, R::SCHEMA);
        return Err(RecordsError::file(path, what));
    }
    serde_json::from_slice(content).map_err(|e| damaged(e.to_string()))
}

/// A record as a line of a file, with its end.
pub(crate) fn line_of<R: Record>(path: &Path, record: &R) -> Result<String, RecordsError> {
    let line = serde_json::to_string(&Outgoing { schema: R::SCHEMA, record });
    line.map(|line| format!("{line}\n")).map_err(|e| RecordsError::file(path, e))
}
