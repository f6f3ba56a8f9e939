//! Nothing of a user's is lost: what is removed and overwritten, who writes into a folder, what a kill or a crash leaves.

mod crashes;
mod locks;
mod overwriting;

use crate::{Run, line, mosa};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn world_model() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../assets/world/model")
}

/// The words of a command line, `{name}` replaced by the path of that name.
fn words(text: &str, paths: &[(&str, &Path)]) -> Vec<String> {
    let fill = |word: &str| {
        paths.iter().fold(word.to_owned(), |w, (name, path)| w.replace(&format!("{{{name}}}"), &path.to_string_lossy()))
    };
    text.split(' ').map(fill).collect()
}

/// An attack of two behaviours of the embedded world, one at a time.
struct Attacked {
    dir: tempfile::TempDir,
    name: &'static str,
    flags: &'static str,
}

impl Attacked {
    fn new(name: &'static str, flags: &'static str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        line("world data --out {d}", &[("d", dir.path())]).ok();
        Self { dir, name, flags }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn words(&self, out: &Path) -> Vec<String> {
        let (model, file) = (world_model(), self.path("harmbench/harmbench_behaviors_text_all.csv"));
        let (name, flags) = (self.name, self.flags);
        let text = format!(
            "attack {name} --model {{m}} --behaviors {{b}} --out {{o}} --profile smoke --gen-length 96 --threshold 0.9 --helper world --judge exact --quiet --threads 1 --limit 2 --cases 1{flags}"
        );
        words(&text, &[("m", &model), ("b", &file), ("o", out)])
    }

    fn run(&self, out: &Path) -> Run {
        mosa(&self.words(out))
    }
}

/// The files of a folder that do not depend on the time.
fn records(run: &Path) -> BTreeMap<&'static str, Vec<u8>> {
    let names = ["answers.jsonl", "cases.jsonl", "verdicts.jsonl", "journal.jsonl"];
    names.into_iter().map(|name| (name, fs::read(run.join(name)).unwrap_or_default())).collect()
}

fn count(path: &Path) -> usize {
    fs::read(path).unwrap().split(|&b| b == b'\n').filter(|l| !l.is_empty()).count()
}

/// Everything below a folder, with its content.
fn everything(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            all.extend(everything(&path));
        } else {
            let content = fs::read(&path).unwrap_or_default();
            all.insert(path, content);
        }
    }
    all
}

fn put(dir: &Path, name: &str, content: &str) {
    fs::create_dir_all(dir.join(name).parent().unwrap()).unwrap();
    fs::write(dir.join(name), content).unwrap();
}

/// Refused with exit code 2, naming these.
fn refused(run: &Run, parts: &[&str]) {
    assert_eq!(run.code, 2, "{} {}", run.stdout, run.stderr);
    for part in parts {
        assert!(run.stderr.contains(part), "{part:?} not in {}", run.stderr);
    }
}

const QUICKSTART: &str = r#"{"schema": "run/1", "command": "quickstart", "settings": {"n": 1}}"#;
