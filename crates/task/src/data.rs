//! The files of a task: finding them, and reading their rows.

use crate::TaskError;
use crate::spec::Data;
use flate2::read::MultiGzDecoder;
use mosa_core::hex;
use mosa_text::{Columns, Row, TableRow, TextError, parse_headless_rows, parse_rows, text_of_bytes};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The most bytes that a compressed file may unfold to: more than any benchmark has.
const UNFOLDED: u64 = 1 << 30;
/// What a compressed file begins with, whatever it is called.
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// What stands for a group in the path of a file.
pub(crate) const GROUP: &str = "{group}";

/// A file of rows, and the group its name says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct File {
    pub(crate) path: PathBuf,
    pub(crate) group: Option<String>,
}

/// The files of a task and the folder that other files of it are looked for in.
pub(crate) struct Found {
    pub(crate) root: PathBuf,
    pub(crate) files: Vec<File>,
    /// Hashes of their bytes, as far as they were read.
    pub(crate) hashes: Vec<String>,
}

/// How rows are read.
pub(crate) struct Reading<'a> {
    pub(crate) data: &'a Data,
    /// The columns that templates speak of.
    pub(crate) names: &'a [String],
}

/// A row that was read.
pub(crate) struct Line {
    /// Its number in its file, from 0.
    pub(crate) number: usize,
    /// The line it begins in, from 1.
    pub(crate) line: usize,
    /// File and line, for messages.
    pub(crate) place: String,
    /// The group its file's name says.
    pub(crate) group: Option<String>,
    pub(crate) row: Map<String, Value>,
}

impl Line {
    /// Where it stands in its file.
    pub(crate) fn at(&self) -> String {
        format!("line {}", self.line)
    }
}

/// Rows and the hash of the bytes they are from.
pub(crate) struct Table {
    pub(crate) lines: Vec<Line>,
    pub(crate) sha256: String,
}

/// The files that `patterns` mean below `given`, which is a folder, or one of the files itself.
pub(crate) fn find(given: &Path, patterns: &[String]) -> Result<Found, TaskError> {
    let meta = std::fs::metadata(given)
        .map_err(|e| TaskError::file(given, format!("{e}; give the folder of the data, or its file")))?;
    if !meta.is_dir() {
        return Ok(patterns.iter().find_map(|p| placed(given, p)).unwrap_or_else(|| Found {
            root: given.parent().map(Path::to_owned).unwrap_or_default(),
            files: vec![File { path: given.to_owned(), group: None }],
            hashes: Vec::new(),
        }));
    }
    for pattern in patterns {
        for root in [Some(given), above(given, pattern)].into_iter().flatten() {
            let files = expand(root, pattern)?;
            if !files.is_empty() {
                return Ok(Found { root: root.to_owned(), files, hashes: Vec::new() });
            }
        }
    }
    let what = format!(
        "there is no {} in this folder; give the folder that holds it, or the file itself",
        patterns.join(" and no ")
    );
    Err(TaskError::file(given, what))
}

/// The folder above one that is itself the first part of a pattern.
fn above<'a>(folder: &'a Path, pattern: &str) -> Option<&'a Path> {
    let (first, _) = pattern.split_once('/')?;
    (folder.file_name()? == first).then(|| folder.parent()).flatten()
}

/// A file whose path ends as `pattern` says: the folder the pattern begins in, and the group.
fn placed(path: &Path, pattern: &str) -> Option<Found> {
    let mut root = path.to_owned();
    let mut group = None;
    for part in pattern.rsplit('/') {
        let name = root.file_name()?.to_str()?;
        group = fits(name, part)?.or(group);
        root.pop();
    }
    Some(Found { root, files: vec![File { path: path.to_owned(), group }], hashes: Vec::new() })
}

/// Whether a name is as a part of a pattern says, and the group it holds.
pub(crate) fn fits(name: &str, part: &str) -> Option<Option<String>> {
    match part.split_once(GROUP) {
        None => (name == part).then_some(None),
        Some((before, after)) => {
            let group = name.strip_prefix(before)?.strip_suffix(after)?;
            (!group.is_empty() && !name.starts_with('.')).then(|| Some(group.to_owned()))
        }
    }
}

/// The files below a folder that a pattern means, by their names.
fn expand(root: &Path, pattern: &str) -> Result<Vec<File>, TaskError> {
    let mut found = vec![File { path: root.to_owned(), group: None }];
    for part in pattern.split('/') {
        let mut next = Vec::new();
        for File { path, group } in found {
            match part.contains(GROUP) {
                true => next.extend(entries(&path, part)?),
                false => next.push(File { path: path.join(part), group }),
            }
        }
        next.retain(|file| file.path.exists());
        found = next;
    }
    Ok(found)
}

fn entries(folder: &Path, part: &str) -> Result<Vec<File>, TaskError> {
    let at = |e: std::io::Error| TaskError::file(folder, e);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(at)? {
        let entry = entry.map_err(at)?;
        if let Some(Some(group)) = entry.file_name().to_str().and_then(|name| fits(name, part)) {
            names.push(File { path: entry.path(), group: Some(group) });
        }
    }
    names.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(names)
}

/// The rows of a file.
pub(crate) fn read(file: &File, how: &Reading<'_>) -> Result<Table, TaskError> {
    let path = &file.path;
    let bytes = std::fs::read(path).map_err(|e| TaskError::file(path, e))?;
    let sha256 = hex(&Sha256::digest(&bytes));
    let called = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("gz"));
    let bytes = if called || bytes.starts_with(&GZIP) { unfolded(path, &bytes)? } else { bytes };
    let named = if called { path.with_extension("") } else { path.clone() };
    let rows = rows(path, &named, &bytes, how.data)?;
    if rows.is_empty() {
        return Err(TaskError::file(path, "the file has no rows; give the complete file"));
    }
    let name = short(path);
    let lines = rows.into_iter().enumerate().map(|(number, TableRow { line, row })| {
        let place = format!("{name}, line {line}");
        accepted(row, how)
            .map(|row| Line { number, line, place: place.clone(), group: file.group.clone(), row })
            .map_err(|what| TaskError::file(path, format!("line {line}: {what}")))
    });
    Ok(Table { lines: lines.collect::<Result<_, _>>()?, sha256 })
}

/// The rows of a file's bytes; a table without a header line has the columns that the task file gives it.
fn rows(path: &Path, named: &Path, bytes: &[u8], data: &Data) -> Result<Vec<TableRow>, TaskError> {
    let read = || {
        let text = text_of_bytes(named, bytes)?;
        match data.header.as_slice() {
            [] => parse_rows(named, text, &Columns::default()),
            _ if is_parted_otherwise(text, data) => parse_rows(named, text, &Columns::default()),
            names => parse_headless_rows(named, text, names, |first| is_header(first, data)),
        }
    };
    read().map_err(|error| match error {
        TextError::Malformed { what, .. } => TaskError::file(path, what),
        other => TaskError::file(path, other),
    })
}

/// Whether these are the names of all columns that the task file speaks of, or of others that it accepts for them.
fn is_header(first: &[String], data: &Data) -> bool {
    let there = |name: &str| first.iter().any(|field| field.trim().eq_ignore_ascii_case(name));
    let others = |name: &String| data.accepted.get(name).into_iter().flatten().any(|other| there(other));
    data.header.iter().all(|name| there(name) || others(name))
}

/// Whether a table has a header line that something else than commas parts.
fn is_parted_otherwise(text: &str, data: &Data) -> bool {
    let first = text.lines().next().unwrap_or_default();
    let parted = |by: char| first.split(by).map(|field| field.trim_matches('"').to_owned()).collect::<Vec<_>>();
    [';', '\t'].into_iter().any(|by| is_header(&parted(by), data))
}

/// A row with the names that the task file has for its columns.
fn accepted(row: Row, how: &Reading<'_>) -> Result<Map<String, Value>, String> {
    let accepted = &how.data.accepted;
    let mut found = Vec::new();
    let others = how.names.iter().filter(|name| !accepted.contains_key(*name));
    for name in accepted.keys().chain(others) {
        let mut value = row.get(name)?;
        for other in accepted.get(name).into_iter().flatten() {
            value = if value.is_some() { value } else { cell(&row, other, accepted)? };
        }
        found.extend(value.map(|value| (name.clone(), value.clone())));
    }
    let mut object = row.into_object();
    object.extend(found);
    Ok(object)
}

/// The cell of a column, or of a place in a column's list: `choices.0`.
fn cell<'a>(row: &'a Row, name: &str, accepted: &BTreeMap<String, Vec<String>>) -> Result<Option<&'a Value>, String> {
    if let Some(value) = row.get(name)? {
        return Ok(Some(value));
    }
    let Some((list, place)) = place_of(name) else { return Ok(None) };
    let Some(entries) = row.get(list)?.and_then(Value::as_array) else { return Ok(None) };
    let places = accepted.values().flatten().filter_map(|other| place_of(other));
    let asked = places.filter(|(other, _)| *other == list).map(|(_, place)| place + 1).max().unwrap_or(0);
    match entries.len() > asked {
        true => {
            let n = entries.len();
            Err(format!(
                "`{list}` has {n} entries, and {asked} are asked about; remove the row, or add them to the task file"
            ))
        }
        false => Ok(entries.get(place)),
    }
}

/// A list and a place in it: of `choices.0` the first one.
fn place_of(name: &str) -> Option<(&str, usize)> {
    let (list, place) = name.rsplit_once('.')?;
    Some((list, place.parse().ok()?))
}

fn unfolded(path: &Path, bytes: &[u8]) -> Result<Vec<u8>, TaskError> {
    let mut text = Vec::new();
    let read = MultiGzDecoder::new(bytes).take(UNFOLDED + 1).read_to_end(&mut text);
    read.map_err(|e| TaskError::file(path, format!("it cannot be decompressed: {e}; fetch the complete file")))?;
    match text.len() as u64 > UNFOLDED {
        true => Err(TaskError::file(path, format!("it unfolds to more than {UNFOLDED} bytes; give a smaller file"))),
        false => Ok(text),
    }
}

/// A file's name for messages within a task.
fn short(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The hash of several files: of their names and hashes. Of one file its own.
pub(crate) fn together<'a>(files: impl IntoIterator<Item = (&'a Path, &'a str)>) -> String {
    let all: Vec<(String, &str)> = files.into_iter().map(|(path, hash)| (short(path), hash)).collect();
    match all.as_slice() {
        [(_, only)] => (*only).to_owned(),
        several => {
            let lines: String = several.iter().map(|(name, hash)| format!("{hash}  {name}\n")).collect();
            hex(&Sha256::digest(lines))
        }
    }
}
