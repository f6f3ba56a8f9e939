//! A model argument: a folder, or the id of a repository on the Hugging Face hub.

use crate::{interrupt, output};
use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use mosa_hub::{Commit, Event, Hub, RepoId, Revision, Settings};
use serde_json::Value;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// The folder of `model`. An id like `GSAI-ML/LLaDA-8B-Instruct`, or with a branch, tag or commit
/// `GSAI-ML/LLaDA-8B-Instruct@main`, is downloaded once into the hub's cache.
pub(crate) fn resolve(model: &str) -> Result<PathBuf> {
    let path = Path::new(model);
    if path.is_dir() {
        return Ok(path.to_owned());
    }
    if path.exists() {
        bail!("--model {model}: not a folder; name the checkpoint folder that holds config.json");
    }
    let (id, revision) = model.split_once('@').map_or((model, None), |(id, r)| (id, Some(r)));
    let Some(repo) = RepoId::parse(id) else {
        bail!("--model {model}: there is no such folder, and it is not a hub id (owner/name or owner/name@revision)");
    };
    let revision = match revision {
        None => Revision::default(),
        Some(text) => Revision::parse(text)
            .with_context(|| format!("--model {model}: {text:?} cannot be a branch, tag or commit of a repository"))?,
    };
    download(&repo, &revision)
        .with_context(|| format!("--model {model}: there is no such folder, and it could not be fetched from the hub"))
}

/// Adds the commit to what a record says of a model in `dir`, where that is a snapshot of the hub's cache.
pub(crate) fn record(said: &mut Value, dir: &Path) {
    let is_snapshot = dir.parent().and_then(Path::file_name).is_some_and(|n| n == "snapshots");
    let name = dir.file_name().and_then(OsStr::to_str).filter(|_| is_snapshot);
    if let Some(commit) = name.and_then(Commit::parse) {
        said["revision"] = commit.as_str().into();
    }
}

fn download(repo: &RepoId, revision: &Revision) -> Result<PathBuf> {
    interrupt::install();
    let mut bar = None;
    let mut hub = Hub::new(Settings::from_env()?, interrupt::stop(), |event| tell(&mut bar, event));
    Ok(hub.resolve(repo, revision)?.dir)
}

/// A bar per file, on a terminal.
fn tell(bar: &mut Option<ProgressBar>, event: Event) {
    match event {
        Event::File { name, size } => {
            let next = size.map_or_else(ProgressBar::no_length, ProgressBar::new);
            if let Ok(style) = ProgressStyle::with_template("{msg} {bar:20} {bytes}/{total_bytes} {bytes_per_sec}") {
                next.set_style(style.progress_chars("█▌ "));
            }
            next.set_message(name);
            *bar = Some(next);
        }
        Event::Bytes(n) => bar.iter().for_each(|b| b.inc(n)),
        Event::Done => bar.take().iter().for_each(ProgressBar::finish_and_clear),
        Event::Note(text) => output::say(&format!("note: {text}")),
    }
}
