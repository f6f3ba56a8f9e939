//! The files of a checkpoint at one commit: found in the cache, or fetched.

use crate::cache::{Cache, Held};
use crate::download::Download;
use crate::error::shown;
use crate::http::Http;
use crate::name::{Commit, RepoId, Revision, is_plain};
use crate::{Event, Hub, HubError};
use mosa_core::Interrupt;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// A checkpoint folder of the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The folder.
    pub dir: PathBuf,
    /// What it is a snapshot of.
    pub commit: Commit,
}

/// How often a request that fails in passing is made.
const ATTEMPTS: u32 = 3;
const CONFIG: &str = "config.json";
const INDEX: &str = "model.safetensors.index.json";
const SINGLE: &str = "model.safetensors";

/// Files a checkpoint may have besides its config and weights.
const OPTIONAL: [&str; 9] = [
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "generation_config.json",
    "chat_template.jinja",
    "chat_template.json",
    "vocab.json",
    "merges.txt",
    "added_tokens.json",
];

/// What the cache has of a snapshot.
#[derive(Default)]
struct Found {
    /// Files without which there is no checkpoint.
    missing: Vec<String>,
    /// Files that are there and not whole.
    broken: Vec<String>,
    /// Files of which nobody knows whether the commit has them.
    unknown: Vec<&'static str>,
}

impl Found {
    fn is_usable(&self) -> bool {
        self.missing.is_empty() && self.broken.is_empty()
    }

    fn told(&self) -> String {
        let broken = self.broken.iter().map(|n| format!("{n} is broken"));
        self.missing.iter().map(|n| format!("{n} is missing")).chain(broken).collect::<Vec<_>>().join(", ")
    }
}

pub(crate) fn resolve(hub: &mut Hub<'_>, repo: &RepoId, revision: &Revision) -> Result<Snapshot, HubError> {
    let Hub { settings, interrupt, tell } = hub;
    let cache = Cache::new(settings, repo);
    let cached = match cache.commit(revision) {
        Some(commit) => Some((look(&cache, &commit, interrupt)?, commit)),
        None => None,
    };
    let whole = |commit: Commit| Snapshot { dir: cache.snapshot(&commit), commit };
    let usable = match cached {
        Some((found, commit)) if found.is_usable() && (found.unknown.is_empty() || settings.offline) => {
            return Ok(whole(commit));
        }
        Some((found, _)) if settings.offline => {
            return Err(HubError::Offline { repo: repo.to_string(), what: found.told() });
        }
        None if settings.offline => {
            let what = format!("it has no revision {}", revision.as_str());
            return Err(HubError::Offline { repo: repo.to_string(), what });
        }
        Some((found, commit)) => found.is_usable().then_some(commit),
        None => None,
    };
    // Who can do without the hub does not wait for it.
    let http = Http::new(settings, interrupt, if usable.is_some() { 1 } else { ATTEMPTS });
    let fetch = Fetch { http: &http, cache: &cache, repo, revision, interrupt };
    match (fetch.all(&mut **tell), usable) {
        (Err(error @ (HubError::Unreachable { .. } | HubError::Status { .. })), Some(commit)) => {
            let note = format!("the hub cannot be asked ({error}): using the cached commit {}", commit.as_str());
            tell(Event::Note(note));
            Ok(whole(commit))
        }
        (result, _) => result.map(whole),
    }
}

/// Looks through the cached files of a commit.
fn look(cache: &Cache, commit: &Commit, interrupt: &Interrupt) -> Result<Found, HubError> {
    let mut found = Found::default();
    let mut held = BTreeMap::new();
    for name in OPTIONAL.into_iter().chain([CONFIG, INDEX, SINGLE]) {
        let state = cache.held(commit, name, interrupt)?;
        match state {
            Held::Broken => found.broken.push(name.to_owned()),
            Held::Unknown if name != CONFIG && name != SINGLE => found.unknown.push(name),
            _ => {}
        }
        held.insert(name, state);
    }
    let has = |name: &str| held.get(name).is_some_and(|h| matches!(h, Held::Whole | Held::Broken));
    if !has(CONFIG) {
        found.missing.push(CONFIG.into());
    }
    let has_tokenizer = has("tokenizer.json") || (has("vocab.json") && has("merges.txt"));
    if !has_tokenizer {
        found.missing.push("tokenizer.json".into());
    }
    let shards: Vec<String> = if has(INDEX) {
        // An index that cannot be read is fetched again.
        let text = std::fs::read(cache.snapshot(commit).join(INDEX)).unwrap_or_default();
        shards(&text).unwrap_or_else(|_| BTreeSet::from([INDEX.to_owned()])).into_iter().collect()
    } else if has(SINGLE) {
        Vec::new()
    } else {
        match cached_shards(cache, commit) {
            shards if shards.is_empty() => vec![SINGLE.to_owned()],
            shards => shards,
        }
    };
    for name in shards {
        match cache.held(commit, &name, interrupt)? {
            Held::Whole => {}
            Held::Broken => found.broken.push(name),
            _ => found.missing.push(name),
        }
    }
    Ok(found)
}

/// The shards of a cached snapshot without an index, the missing ones among them.
fn cached_shards(cache: &Cache, commit: &Commit) -> Vec<String> {
    let entries = std::fs::read_dir(cache.snapshot(commit)).into_iter().flatten().flatten();
    let names: BTreeSet<String> = entries.filter_map(|e| e.file_name().into_string().ok()).collect();
    let Some(Shard { count, width, .. }) = names.iter().find_map(|n| shard(n)) else { return Vec::new() };
    // More than anybody has; a name must not ask for memory.
    if count > 100_000 {
        return Vec::new();
    }
    let from = u32::from(!names.iter().any(|n| shard(n).is_some_and(|s| s.number == 0)));
    (from..from + count).map(|i| format!("model-{i:0width$}-of-{count:0width$}.safetensors")).collect()
}

/// What `model-00001-of-00002.safetensors` says.
struct Shard {
    number: u32,
    count: u32,
    /// Digits of its number.
    width: usize,
}

fn shard(name: &str) -> Option<Shard> {
    let (number, count) = name.strip_prefix("model-")?.strip_suffix(".safetensors")?.split_once("-of-")?;
    Some(Shard { width: number.len(), number: number.parse().ok()?, count: count.parse().ok()? })
}

/// The shards an index names, each a plain name of a safetensors file.
fn shards(index: &[u8]) -> Result<BTreeSet<String>, String> {
    #[derive(Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let index: Index = serde_json::from_slice(index).map_err(|e| format!("{INDEX} is no weight index: {e}"))?;
    let files: BTreeSet<String> = index.weight_map.into_values().collect();
    if let Some(bad) = files.iter().find(|f| !is_plain(f) || !f.ends_with(".safetensors")) {
        return Err(format!(
            "{INDEX} names the file {}, which is not the plain name of a safetensors file",
            shown(bad)
        ));
    }
    if files.is_empty() {
        return Err(format!("{INDEX} names no file"));
    }
    Ok(files)
}

/// Everything that a checkpoint needs, from the hub.
struct Fetch<'a> {
    http: &'a Http<'a>,
    cache: &'a Cache,
    repo: &'a RepoId,
    revision: &'a Revision,
    interrupt: &'a Interrupt,
}

/// A revision on the hub.
struct Listed {
    commit: Commit,
    /// The plain names among its files.
    names: BTreeSet<String>,
}

/// What the hub says of a repository.
#[derive(Deserialize)]
struct Info {
    sha: String,
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
}

impl Fetch<'_> {
    fn all(&self, tell: &mut dyn FnMut(Event)) -> Result<Commit, HubError> {
        let Listed { commit, names: listed } = self.list()?;
        let has = |name: &str| listed.contains(name);
        if !has(CONFIG) {
            return Err(self.lacks(&format!("it has no {CONFIG}, so it is no checkpoint")));
        }
        let download = Download {
            http: self.http,
            cache: self.cache,
            commit: &commit,
            interrupt: self.interrupt,
            base: format!("/{}/resolve/{}", self.repo, self.revision.in_url()),
        };
        let mut get = |name: &str| -> Result<(), HubError> {
            match self.cache.held(&commit, name, self.interrupt)? {
                Held::Whole => return Ok(()),
                Held::Broken => {
                    tell(Event::Note(format!("{name} in the cache is broken: fetching it again")));
                    self.cache.remove(&commit, name)?;
                }
                Held::NotThere | Held::Unknown => {}
            }
            download.fetch(name, tell)
        };
        get(CONFIG)?;
        for name in OPTIONAL.into_iter().chain([INDEX]) {
            if has(name) {
                get(name)?;
            } else {
                self.cache.set_not_there(&commit, name)?;
            }
        }
        for name in self.weights(&commit, &listed)? {
            get(&name)?;
        }
        self.cache.set_commit(self.revision, &commit)?;
        Ok(commit)
    }

    /// What the hub has of the revision.
    fn list(&self) -> Result<Listed, HubError> {
        let path = format!("/api/models/{}/revision/{}", self.repo, self.revision.in_url());
        let text = self.http.text(&path)?;
        let info: Info = serde_json::from_str(&text).map_err(|e| HubError::Broken {
            url: path.clone(),
            what: format!("this is not how a hub describes a repository: {e}"),
        })?;
        let commit = Commit::parse(&info.sha).ok_or_else(|| HubError::Unsafe {
            url: path.clone(),
            what: format!("names the commit {}, which is none", shown(&info.sha)),
        })?;
        if self.revision.as_commit().is_some_and(|c| c != commit) {
            let what =
                format!("was asked for the commit {} and answers with {}", self.revision.as_str(), commit.as_str());
            return Err(HubError::Broken { url: path, what });
        }
        let names = info.siblings.into_iter().map(|s| s.rfilename).filter(|n| is_plain(n)).collect();
        Ok(Listed { commit, names })
    }

    /// The files of weights. The index is there already.
    fn weights(&self, commit: &Commit, listed: &BTreeSet<String>) -> Result<Vec<String>, HubError> {
        if listed.contains(INDEX) {
            let path = self.cache.snapshot(commit).join(INDEX);
            let text = std::fs::read(&path).map_err(|e| HubError::io(&path, e))?;
            let names = shards(&text).map_err(|what| self.hostile(what))?;
            if let Some(gone) = names.iter().find(|n| !listed.contains(*n)) {
                return Err(self.lacks(&format!("{INDEX} names {gone}, which it does not have")));
            }
            return Ok(names.into_iter().collect());
        }
        if listed.contains(SINGLE) {
            return Ok(vec![SINGLE.into()]);
        }
        let shards: Vec<String> = listed.iter().filter(|n| shard(n).is_some()).cloned().collect();
        if !shards.is_empty() {
            return Ok(shards);
        }
        let others: Vec<&str> = listed.iter().map(String::as_str).filter(|n| is_weights(n)).take(3).collect();
        let besides = if others.is_empty() { String::new() } else { format!(" (it has {})", others.join(", ")) };
        Err(self.lacks(&format!("it has no safetensors weights{besides}, which is what mosa reads")))
    }

    fn lacks(&self, what: &str) -> HubError {
        HubError::Repository { repo: format!("{} at {}", self.repo, self.revision.as_str()), what: what.to_owned() }
    }

    fn hostile(&self, what: String) -> HubError {
        HubError::Unsafe { url: format!("{} at {}", self.repo, self.revision.as_str()), what }
    }
}

fn is_weights(name: &str) -> bool {
    [".safetensors", ".bin", ".pt", ".pth", ".gguf", ".h5", ".msgpack"].iter().any(|e| name.ends_with(e))
}
