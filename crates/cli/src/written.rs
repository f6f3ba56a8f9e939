//! Files that a user names for output: what may be written over, and what may not.
//!
//! A file that is there already is written over only if mosa made it for the same purpose. A page shows that itself, and so
//! do a trace and the asset of a defence; of tables and exports a list beside them ([`MADE`]) has the hash. Everything else is refused.

use crate::digest;
use anyhow::{Context, Result, ensure};
use mosa_records::write_whole;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

/// The list of the files that mosa wrote into a folder of a user's, with their hashes.
const MADE: &str = ".mosa-files.json";

/// Writes a page; one that mosa wrote is replaced.
pub(crate) fn page(path: &Path, html: &str) -> Result<()> {
    page_may_go(path)?;
    make_parent(path)?;
    write_whole(path, html.as_bytes()).with_context(|| format!("cannot write {}", path.display()))
}

/// Refuses to write a page over anything but a page of mosa's.
pub(crate) fn page_may_go(path: &Path) -> Result<()> {
    let free = !is_full_file(path) || is_page(&fs::read(path).with_context(|| path.display().to_string())?);
    ensure!(free, refusal(path, "is no page that mosa wrote", "--out"));
    Ok(())
}

/// Writes an asset of a defence; one that mosa made is replaced.
pub(crate) fn asset(path: &Path, bytes: &[u8]) -> Result<()> {
    asset_may_go(path)?;
    make_parent(path)?;
    write_whole(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

/// Refuses to write an asset over anything but an asset.
pub(crate) fn asset_may_go(path: &Path) -> Result<()> {
    let is_asset = |bytes: &[u8]| mosa_defence::Made::of(bytes).is_ok();
    let free = !is_full_file(path) || is_asset(&fs::read(path).with_context(|| path.display().to_string())?);
    ensure!(free, refusal(path, "is no asset of a defence that mosa made", "--out"));
    Ok(())
}

/// Whether a text is a page of a report.
pub(crate) fn is_page(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    text.starts_with("<!doctype html>") && text.contains("<svg class=\"hatches\" aria-hidden=\"true\">")
}

/// Opens a trace for writing; one that mosa wrote is emptied.
pub(crate) fn trace(path: &Path) -> Result<File> {
    let cannot = || format!("cannot write {}", path.display());
    if is_full_file(path) {
        let lines = BufReader::new(File::open(path).with_context(cannot)?).split(b'\n');
        let lines = lines.collect::<std::io::Result<Vec<_>>>().with_context(cannot)?;
        // The last line of a killed run is half a line.
        let (last, whole) = lines.split_last().map_or((&[][..], &[][..]), |(last, whole)| (last.as_slice(), whole));
        let half = !whole.is_empty() && serde_json::from_slice::<serde_json::Value>(last).is_err();
        let ours = whole.iter().all(|line| is_traced(line)) && (is_traced(last) || half);
        ensure!(ours, refusal(path, "is no trace that mosa wrote", "--trace"));
    }
    File::create(path).with_context(cannot)
}

/// Whether a line is one of a trace.
fn is_traced(line: &[u8]) -> bool {
    let keys = ["id", "block", "step", "clock", "full", "edits"];
    let map: Option<serde_json::Map<String, serde_json::Value>> = serde_json::from_slice(line).ok();
    map.is_some_and(|map| map.len() == keys.len() && keys.iter().all(|key| map.contains_key(*key)))
}

/// Writes files of these names and texts into a folder; what mosa wrote there before is replaced. Nothing is written if one
/// of them is somebody else's, or was changed since.
pub(crate) fn files(dir: &Path, files: &[(String, String)], flag: &str) -> Result<Vec<PathBuf>> {
    fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let list = dir.join(MADE);
    // A list that cannot be read allows nothing.
    let mut made: BTreeMap<String, Vec<String>> =
        fs::read(&list).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
    let mut changed = Vec::new();
    for (name, text) in files {
        let (path, new) = (dir.join(name), digest::of_text(text));
        let there =
            if is_full_file(&path) { Some(digest::of_text(&String::from_utf8_lossy(&fs::read(&path)?))) } else { None };
        if there.as_ref() == Some(&new) {
            continue;
        }
        let known = made.get(name).map_or(&[][..], Vec::as_slice);
        let free = there.as_ref().is_none_or(|sum| known.contains(sum));
        ensure!(free, refusal(&path, "was not written by mosa, or changed since", flag));
        // Both, so that a kill between the two writes leaves a file that is known.
        made.insert(name.clone(), there.into_iter().chain([new]).collect());
        changed.push((path, text));
    }
    let write = |path: &Path, text: &str| {
        write_whole(path, text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))
    };
    if !changed.is_empty() {
        write(&list, &format!("{}\n", serde_json::to_string_pretty(&made)?))?;
    }
    changed.into_iter().try_for_each(|(path, text)| write(&path, text))?;
    Ok(files.iter().map(|(name, _)| dir.join(name)).collect())
}

/// The same for one file.
pub(crate) fn file(path: &Path, text: &str, flag: &str) -> Result<Vec<PathBuf>> {
    let name =
        path.file_name().and_then(|name| name.to_str()).with_context(|| format!("{}: no file name", path.display()))?;
    if fs::metadata(path).is_ok_and(|data| !data.is_file()) {
        // A pipe or a device holds nothing to lose.
        write_whole(path, text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))?;
        return Ok(vec![path.to_owned()]);
    }
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    files(dir, &[(name.to_owned(), text.to_owned())], flag)?;
    Ok(vec![path.to_owned()])
}

fn make_parent(path: &Path) -> Result<()> {
    match path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        Some(dir) => fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display())),
        None => Ok(()),
    }
}

/// Whether there is a regular file with something in it.
fn is_full_file(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|data| data.is_file() && data.len() > 0)
}

fn refusal(path: &Path, what: &str, flag: &str) -> String {
    format!("{}: {what}, and is left as it is; name another with {flag}, or move it away", path.display())
}
