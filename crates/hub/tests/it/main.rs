//! The client against a hub on this machine that misbehaves in every way a hub or a mirror can.

// A test fails by panicking.
#![allow(clippy::unwrap_used)]

mod cached;
mod faults;
mod hostile;
mod server;
mod token;

use mosa_core::Interrupt;
use mosa_hub::{Event, Hub, HubError, RepoId, Revision, Settings, Snapshot};
use server::{Act, Asked, Repo, Server};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// A safetensors file of this many bytes of data.
fn weights(data: usize) -> Vec<u8> {
    let header = format!("{{\"w\":{{\"dtype\":\"U8\",\"shape\":[{data}],\"data_offsets\":[0,{data}]}}}}");
    let bytes: Vec<u8> = (0..data).map(|i| (i % 251) as u8).collect();
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &bytes].concat()
}

/// A small checkpoint with one file of weights.
fn repo() -> Repo {
    let files = [
        ("config.json", b"{\"architectures\": []}".to_vec()),
        ("tokenizer.json", b"{\"model\": {}}".to_vec()),
        ("model.safetensors", weights(100_000)),
        ("README.md", b"read me".to_vec()),
    ];
    let files: BTreeMap<String, Vec<u8>> = files.into_iter().map(|(n, b)| (n.to_owned(), b)).collect();
    Repo { commit: COMMIT.into(), files }
}

/// The same with two shards and an index.
fn sharded() -> Repo {
    let mut repo = repo();
    repo.files.remove("model.safetensors");
    let names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
    for (i, name) in names.iter().enumerate() {
        repo.files.insert((*name).into(), weights(10 + i));
    }
    let index = serde_json::json!({"weight_map": {"a": names[0], "b": names[1]}});
    repo.files.insert("model.safetensors.index.json".into(), index.to_string().into_bytes());
    repo
}

/// A cache of its own in a folder of its own, with a file beside the cache that must stay.
struct Place {
    dir: tempfile::TempDir,
    events: Arc<Mutex<Vec<Event>>>,
    interrupt: Interrupt,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("precious"), "mine").unwrap();
        Self { dir, events: Arc::default(), interrupt: Interrupt::new() }
    }

    fn cache(&self) -> PathBuf {
        self.dir.path().join("cache")
    }

    fn settings(&self, base: &str) -> Settings {
        Settings {
            endpoint: base.to_owned(),
            cache: self.cache(),
            token: Some("hf_secret".into()),
            offline: false,
            timeout: Duration::from_secs(2),
        }
    }

    fn with(&self, settings: Settings, revision: &str) -> Result<Snapshot, HubError> {
        let events = Arc::clone(&self.events);
        let mut hub = Hub::new(settings, self.interrupt.clone(), move |e| events.lock().unwrap().push(e));
        hub.resolve(&RepoId::parse("council/tiny").unwrap(), &Revision::parse(revision).unwrap())
    }

    fn get(&self, server: &Server) -> Result<Snapshot, HubError> {
        self.with(self.settings(&server.base), "main")
    }

    fn offline(&self) -> Result<Snapshot, HubError> {
        self.with(Settings { offline: true, ..self.settings("http://127.0.0.1:9") }, "main")
    }

    /// The error of a fetch, after which nothing has the name of a whole file and nothing else has changed.
    fn refused(&self, server: &Server) -> String {
        let error = self.get(server).err().map(|e| e.to_string()).unwrap_or_else(|| panic!("it is fetched"));
        self.untouched();
        error
    }

    fn untouched(&self) {
        assert_eq!(std::fs::read_to_string(self.dir.path().join("precious")).unwrap(), "mine");
        let mut top: Vec<_> = std::fs::read_dir(self.dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        top.sort();
        assert!(top.iter().all(|n| n == "precious" || n == "cache"), "{top:?}");
    }

    fn notes(&self) -> String {
        self.events
            .lock()
            .unwrap()
            .iter()
            .filter_map(|e| if let Event::Note(n) = e { Some(n.clone()) } else { None })
            .collect()
    }

    fn repository(&self) -> PathBuf {
        self.cache().join("models--council--tiny")
    }
}

/// All files below a folder, links not followed.
fn all(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_type().unwrap().is_dir() {
                open.push(entry.path());
            } else {
                found.push(entry.path().strip_prefix(dir).unwrap().to_string_lossy().into_owned());
            }
        }
    }
    found.sort();
    found
}

/// A server of this repository that does something else for some requests.
fn serve(repo: Repo, other: impl Fn(&Repo, &Asked) -> Option<Act> + Send + Sync + 'static) -> Server {
    Server::start(move |asked| other(&repo, asked).unwrap_or_else(|| repo.serve(asked)))
}

fn plain(repo: Repo) -> Server {
    serve(repo, |_, _| None)
}

fn asks_for(asked: &Asked, file: &str) -> bool {
    asked.path.ends_with(&format!("/{file}"))
}
