//! Runs in parts: who gets which cases, and what is put together.

use crate::record;
use mosa_records::{Cases, Log, OrderRecord, Part, Parts, RunFolder, Shard, VerdictRecord};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

proptest! {
    #[test]
    fn shards_are_contiguous_whole_units_that_together_are_all_cases(total in 1..400usize, unit in 1..20usize, of in 1..9usize) {
        let parts: Vec<_> = (1..=of).map(|n| Shard::new(n, of).unwrap().part(Cases { total, unit })).collect();
        let mut end = 0;
        for part in parts.into_iter().flatten() {
            prop_assert_eq!(part.cases.start, end);
            prop_assert!(part.cases.start % unit == 0 && !part.cases.is_empty());
            end = part.cases.end;
        }
        prop_assert_eq!(end, total);
        let chunks = Cases { total, unit }.chunks(of);
        prop_assert_eq!(chunks.iter().map(|chunk| chunk.cases.len()).sum::<usize>(), total);
        prop_assert!(chunks.iter().all(|chunk| chunk.cases.start % unit == 0 && chunk.of == chunks.len()));
    }

    #[test]
    fn the_manifest_of_a_part_holds_that_of_the_whole(number in 1..9usize, items in 0..90usize, has in any::<bool>()) {
        let mut whole = json!({"mosa": "1", "command": "utility", "lr": 0.1, "seed": 3});
        if has {
            whole = json!({"command": "utility", "shard": null, "items": items, "seed": 3});
        }
        let part = Part { number, of: 9, cases: number * 10..number * 10 + 10, total: 90 };
        let mut said = whole.clone();
        part.say(&mut said);
        let taken = Part::take(serde_json::from_str(&said.to_string()).unwrap()).unwrap();
        prop_assert_eq!(&taken.0, &part);
        prop_assert_eq!(taken.1.to_string(), whole.to_string());
        prop_assert_eq!(has.then_some(items * 10 / 90), said["items"].as_u64().map(|n| n as usize));
        prop_assert!(Part::take(whole).is_none());
    }
}

#[test]
fn a_shard_that_is_none_or_that_nothing_is_left_for_is_refused() {
    for wrong in ["0/4", "5/4", "2", "a/b", "2/0"] {
        assert!(wrong.parse::<Shard>().unwrap_err().to_string().contains("2/4"), "{wrong}");
    }
    let none = "1/2".parse::<Shard>().unwrap().part(Cases { total: 16, unit: 16 }).unwrap_err().to_string();
    assert!(none.contains("--shard 1/2") && none.contains("16 cases, 16 together"), "{none}");
}

/// A run of `n` orders in one piece, and its shards.
struct Run {
    dir: tempfile::TempDir,
    n: usize,
}

impl Run {
    fn new(n: usize) -> Self {
        Self { dir: tempfile::tempdir().unwrap(), n }
    }

    fn manifest() -> Value {
        json!({"mosa": "1", "command": "probe order", "hashes": {"behaviors": "ab"}, "settings": {"x": 0.1}})
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(dir: &Path, manifest: &Value, cases: std::ops::Range<usize>) -> RunFolder {
        let folder = RunFolder::open(dir, manifest).unwrap();
        let mut log: Log<OrderRecord> = Log::open(&folder.path("orders.jsonl")).unwrap();
        cases.clone().for_each(|case| log.push(record(case)).unwrap());
        let mut verdicts: Log<VerdictRecord> = Log::open(&folder.path("verdicts.jsonl")).unwrap();
        for judge in ["keyword", "exact"] {
            for case in cases.clone() {
                let (answer, judge) = (format!("benign/{case}"), judge.to_owned());
                verdicts.push(VerdictRecord { answer, judge, value: Some(0.1), ..VerdictRecord::default() }).unwrap();
            }
        }
        folder
    }

    fn whole(&self) -> PathBuf {
        Self::write(&self.path("whole"), &Self::manifest(), 0..self.n);
        self.path("whole")
    }

    fn shard(&self, number: usize, of: usize, change: impl Fn(&mut Value)) -> PathBuf {
        let part = Shard::new(number, of).unwrap().part(Cases { total: self.n, unit: 1 }).unwrap();
        let mut manifest = Self::manifest();
        change(&mut manifest);
        part.say(&mut manifest);
        let dir = self.path(&format!("part-{number}-of-{of}"));
        Self::write(&dir, &manifest, part.cases).finish(false).unwrap();
        dir
    }
}

fn refused(folders: &[PathBuf]) -> String {
    Parts::of(folders).map(|_| ()).unwrap_err().to_string()
}

const FILES: [&str; 3] = ["manifest.json", "orders.jsonl", "verdicts.jsonl"];

#[test]
fn shards_in_any_order_become_the_bytes_of_the_run_in_one_piece_also_after_a_killed_merge() {
    let run = Run::new(7);
    let (whole, merged) = (run.whole(), run.path("merged"));
    let parts = [3, 1, 2].map(|number| run.shard(number, 3, |_| {}));
    let all = Parts::of(&parts).unwrap();
    assert_eq!(all.counts(), (3, 7));
    let same = || {
        FILES.iter().for_each(|name| {
            assert_eq!(fs::read(merged.join(name)).unwrap(), fs::read(whole.join(name)).unwrap(), "{name}")
        })
    };
    assert!(all.write(&merged).unwrap().is_empty());
    same();
    for name in FILES {
        let bytes = fs::read(merged.join(name)).unwrap();
        fs::write(merged.join(name), &bytes[..bytes.len() / 2]).unwrap();
        all.write(&merged).unwrap();
        same();
    }
    fs::write(merged.join("orders.jsonl"), "mine").unwrap();
    let refused = all.write(&merged).unwrap_err().to_string();
    assert!(refused.contains("orders.jsonl: holds something else"), "{refused}");
    assert_eq!(fs::read_to_string(merged.join("orders.jsonl")).unwrap(), "mine");
    let refused = all.write(&parts[0]).unwrap_err().to_string();
    assert!(refused.contains("manifest.json: holds something else"), "{refused}");
}

#[test]
fn what_does_not_make_up_a_run_is_refused_by_name() {
    let run = Run::new(8);
    let [one, two, three, four] = [1, 2, 3, 4].map(|number| run.shard(number, 4, |_| {}));
    let all = [one.clone(), two.clone(), three.clone(), four.clone()];
    Parts::of(&all).unwrap();
    let missing = refused(&[one.clone(), four.clone()]);
    assert!(missing.contains("parts are missing: 2/4, 3/4"), "{missing}");
    let twice = refused(&[one.clone(), two.clone(), two.clone(), three.clone(), four.clone()]);
    assert!(twice.contains("are both part 2/4"), "{twice}");
    let other = refused(&[one.clone(), run.shard(2, 3, |_| {})]);
    assert!(other.contains("different divisions"), "{other}");
    let piece = refused(&[run.whole()]);
    assert!(piece.contains("no part of one"), "{piece}");
    // Unfinished, or changed since.
    fs::rename(three.join("done.json"), three.join("kept.json")).unwrap();
    let open = refused(&all);
    assert!(open.contains("part 3/4 is not finished"), "{open}");
    fs::rename(three.join("kept.json"), three.join("done.json")).unwrap();
    fs::write(three.join("orders.jsonl"), "").unwrap();
    let changed = refused(&all);
    assert!(changed.contains("orders.jsonl has changed since"), "{changed}");
    let held = mosa_records::Lock::take(&two, "probe order").unwrap();
    assert!(refused(&all).contains("another command writes"), "a part that is being written");
    drop(held);
}

#[test]
fn parts_of_different_runs_are_refused_with_the_key_and_machines_are_said() {
    for (key, change) in [
        ("hashes.behaviors was \"cd\", is \"ab\"", json!({"hashes": {"behaviors": "cd"}})),
        ("settings.x was 0.2, is 0.1", json!({"settings": {"x": 0.2}})),
        ("mosa was \"2\", is \"1\"", json!({"mosa": "2"})),
    ] {
        let run = Run::new(4);
        let one = run.shard(1, 2, |_| {});
        let two = run.shard(2, 2, |manifest| {
            change.as_object().unwrap().iter().for_each(|(key, value)| manifest[key] = value.clone());
        });
        let said = refused(&[one, two.clone()]);
        assert!(said.contains(key) && said.contains(&two.display().to_string()), "{said}");
    }
    let run = Run::new(4);
    let parts = [1, 2].map(|number| run.shard(number, 2, |_| {}));
    let path = parts[1].join("manifest.json");
    let elsewhere = fs::read_to_string(&path).unwrap().replace("\"cores\": ", "\"cores\": 1");
    fs::write(&path, elsewhere).unwrap();
    let all = Parts::of(&parts).unwrap();
    assert!(all.notes()[0].contains("different machines"), "{:?}", all.notes());
}
