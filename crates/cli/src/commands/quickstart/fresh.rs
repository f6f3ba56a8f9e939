//! What a run of the quickstart consists of, and how it is removed: its own files, and only if there are no others.

use super::arms::{ARMS, RECIPES};
use super::plan::ASSET;
use super::{COMMAND, MODEL, PHRASES};
use crate::written::is_page;
use anyhow::{Context, Result, ensure};
use mosa_eval::FILES;
use mosa_records::names::{JOURNAL, MANIFEST, MANIFEST_BEGUN, RECORDS};
use mosa_records::{LOCK, Lock, RunFolder, foreign, remove_known, unfinished_of};
use std::collections::BTreeSet;
use std::path::Path;

const ADAPTER: [&str; 2] = ["adapter_config.json", "adapter_model.safetensors"];

/// Refuses to remove anything but a run of the quickstart that holds nothing else; a folder that is not there or is empty
/// is fine. Changes nothing.
pub(super) fn check(dir: &Path) -> Result<()> {
    let name = dir.display();
    let Ok(data) = std::fs::symlink_metadata(dir) else { return Ok(()) };
    ensure!(!data.is_symlink(), "{name}: is a symbolic link, and --fresh follows none; give the folder itself");
    ensure!(data.is_dir(), "{name}: is no folder; name another with --out");
    if !dir.join(MANIFEST).exists() {
        let others = foreign(dir, &|path| is_start(path)).with_context(|| format!("cannot read {name}"))?;
        ensure!(
            others.is_empty(),
            "{name}: holds files but no manifest.json, so it is no run of the quickstart; nothing was removed; name another folder with --out"
        );
        return Ok(());
    }
    let manifest = RunFolder::manifest(dir)?;
    ensure!(
        manifest["command"] == COMMAND,
        "{name}: is the folder of another command ({}), not a run of the quickstart; nothing was removed; name another folder with --out",
        manifest["command"].as_str().or(manifest["objective"].as_str()).unwrap_or("unknown")
    );
    let page = |path: &Path| std::fs::read(dir.join(path)).is_ok_and(|text| text.is_empty() || is_page(&text));
    let (known, data) = (|path: &Path| is_known(path, &page), data_files());
    let others =
        foreign(dir, &|path| known(path) || is_data(path, &data)).with_context(|| format!("cannot read {name}"))?;
    if let Some(first) = others.first() {
        let more = if others.len() > 1 { format!(" and {} more", others.len() - 1) } else { String::new() };
        anyhow::bail!(
            "{}{more}: not written by the quickstart; nothing was removed; move it away, or name another folder with --out",
            first.display()
        );
    }
    Ok(())
}

/// Removes a run of the quickstart, its manifest last, so that a kill on the way leaves a folder that can be removed.
pub(super) fn remove(lock: &Lock) -> Result<()> {
    let dir = lock.dir();
    check(dir)?;
    for held in locked(dir)? {
        ensure!(
            !Lock::is_held(&dir.join(&held)),
            "{}: another command writes into this folder",
            dir.join(held).display()
        );
    }
    let cannot = || format!("cannot remove {}", dir.display());
    let is = |path: &Path, name: &str| path == Path::new(name);
    remove_known(dir, &|path| !is(path, LOCK) && !is(path, MANIFEST)).with_context(cannot)?;
    remove_known(dir, &|path| is(path, MANIFEST)).with_context(cannot)
}

/// The folders below that some command has locked at some time.
fn locked(dir: &Path) -> Result<BTreeSet<std::path::PathBuf>> {
    let found = std::cell::RefCell::new(BTreeSet::new());
    foreign(dir, &|path| {
        if path.file_name().is_some_and(|name| name == LOCK) {
            let inner = path.parent().filter(|inner| !inner.as_os_str().is_empty());
            found.borrow_mut().extend(inner.map(Path::to_owned));
        }
        true
    })?;
    Ok(found.into_inner())
}

/// What a run has before its manifest.
fn is_start(path: &Path) -> bool {
    let whole = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    path.components().count() == 1 && (whole == LOCK || whole == MANIFEST_BEGUN || unfinished_of(whole).is_some())
}

/// Whether the quickstart writes a file of this name at this place; `page` says whether the report is one of mosa's.
fn is_known(path: &Path, page: &dyn Fn(&Path) -> bool) -> bool {
    let Some(parts) = path.iter().map(|part| part.to_str()).collect::<Option<Vec<_>>>() else { return false };
    let Some((last, folders)) = parts.split_last() else { return false };
    let name = unfinished_of(last).or_else(|| last.strip_suffix(".partial")).unwrap_or(last);
    let record = |name: &str| name == LOCK || name == JOURNAL || FILES.contains(&name);
    match folders {
        [] => match name {
            "report.html" => name != *last || page(path),
            _ => name == LOCK || name == MANIFEST || name == "world.toml",
        },
        ["model"] => MODEL.iter().any(|(file, _)| *file == name),
        ["recipes"] => RECIPES.iter().any(|(file, _)| *file == name),
        ["probes", _] | ["attacks", _, _] => record(name),
        [arm, "answers"] if is_arm(arm) => record(name) || name == RECORDS,
        [arm, "adapter"] if is_arm(arm) => ADAPTER.contains(&name),
        [arm] if is_arm(arm) && (name == LOCK || name == "config.toml" || name == ASSET) => true,
        [arm, ..] if is_arm(arm) => {
            let inner: std::path::PathBuf = folders[1..].iter().copied().chain([name]).collect();
            mosa_align::is_of_training(&inner)
        }
        _ => false,
    }
}

/// `original`, `initial-seed0` and so on; `mosa` is what earlier versions called the one they had.
fn is_arm(name: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let (arm, of) = name.split_once("-seed").map_or((name, None), |(arm, of)| (arm, Some(of)));
    (arm == "mosa" || ARMS.iter().any(|known| known.name == arm)) && of.is_none_or(is_number)
}

/// The files of the folder `data`.
fn data_files() -> BTreeSet<String> {
    mosa_world::benchmark::names().into_iter().chain(PHRASES.map(|(name, _)| name.to_owned())).collect()
}

fn is_data(path: &Path, files: &BTreeSet<String>) -> bool {
    let inner = path.strip_prefix("data").ok().and_then(Path::to_str).unwrap_or_default();
    let (folder, name) = inner.rsplit_once('/').map_or(("", inner), |(folder, name)| (folder, name));
    let name = unfinished_of(name).unwrap_or(name);
    files.contains(inner) || files.contains(&format!("{folder}/{name}")) || (folder.is_empty() && files.contains(name))
}
