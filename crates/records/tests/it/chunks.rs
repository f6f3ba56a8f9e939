//! Chunks of a folder that many processes share: who has one, and what a worker may write that lost its own.

use crate::record;
use mosa_records::{
    Archive, Cases, Chunk, Chunks, Lease, Log, Next, OrderRecord, Part, Parts, RecordsError, RunFolder,
};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

/// After this a lease is over; it is never waited for, time is told to the code.
const PATIENCE: Duration = Duration::from_secs(600);

fn manifest(parts: &[Part]) -> Value {
    json!({"command": "probe order", "data": "ab", "chunks": {"size": 3, "count": parts.len()}})
}

fn joined(dir: &Path) -> Chunks {
    let parts = Cases { total: 7, unit: 1 }.chunks(3);
    Chunks::open(dir, &manifest(&parts), parts, PATIENCE).unwrap()
}

fn mine(chunks: &mut Chunks, now: Instant) -> Chunk {
    match chunks.next(now).unwrap() {
        Next::Mine(chunk) => *chunk,
        other => panic!("{other:?} is no chunk"),
    }
}

fn open(chunk: Chunk) -> (RunFolder, Lease, Part) {
    let (part, mut run) = (chunk.part.clone(), json!({"command": "probe order", "data": "ab"}));
    part.say(&mut run);
    let (folder, lease) = chunk.open(&run).unwrap();
    (folder, lease, part)
}

fn log(folder: &RunFolder) -> Log<OrderRecord> {
    Log::open(&folder.path("orders.jsonl")).unwrap()
}

fn whole(chunk: Chunk) {
    let (folder, _lease, part) = open(chunk);
    let mut log = log(&folder);
    part.cases.for_each(|case| log.push(record(case)).unwrap());
    folder.finish(false).unwrap();
}

/// What a lease says when its holder is on another machine: nothing that can be looked at but whether it changes.
fn from_afar(folder: &RunFolder, beat: usize) {
    fs::write(folder.path(".mosa.lease"), json!({"worker": "process 1 on afar", "beat": beat}).to_string()).unwrap();
}

#[test]
fn workers_take_different_chunks_and_what_they_make_is_the_run_in_one_piece() {
    let dir = tempfile::tempdir().unwrap();
    let (run, now) = (dir.path().join("run"), Instant::now());
    let (mut a, mut b) = (joined(&run), joined(&run));
    let (first, second) = (mine(&mut a, now), mine(&mut b, now));
    assert_eq!([&first.part.cases, &second.part.cases], [&(0..3), &(3..6)]);
    whole(second);
    whole(mine(&mut b, now));
    assert!(matches!(b.next(now).unwrap(), Next::Wait), "the first is still at work");
    let open = Parts::of(std::slice::from_ref(&run)).unwrap_err().to_string();
    assert!(open.contains("1 of 3 chunks are not finished: 1;"), "{open}");
    whole(first);
    assert!(matches!(b.next(now).unwrap(), Next::Done) && matches!(a.next(now).unwrap(), Next::Done));
    let merged = dir.path().join("merged");
    Parts::of(&[run]).unwrap().write(&merged).unwrap();
    let piece = RunFolder::open(&dir.path().join("piece"), &json!({"command": "probe order", "data": "ab"})).unwrap();
    (0..7).for_each(|case| log(&piece).push(record(case)).unwrap());
    for name in ["manifest.json", "orders.jsonl"] {
        assert_eq!(fs::read(merged.join(name)).unwrap(), fs::read(piece.path(name)).unwrap(), "{name}");
    }
}

#[test]
fn a_worker_on_this_machine_that_is_gone_is_followed_at_once_and_what_it_recorded_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let now = Instant::now();
    let (mut a, mut b) = (joined(dir.path()), joined(dir.path()));
    let (folder, lease, part) = open(mine(&mut a, now));
    log(&folder).push(record(0)).unwrap();
    fs::write(
        folder.path("orders.jsonl"),
        [fs::read(folder.path("orders.jsonl")).unwrap(), b"{\"sch".to_vec()].concat(),
    )
    .unwrap();
    // As a kill leaves it: the lock is gone, the lease says what it said.
    let said = fs::read(folder.path(".mosa.lease")).unwrap();
    drop(lease);
    fs::write(folder.path(".mosa.lease"), said).unwrap();
    let dead = folder.path("");
    drop(folder);
    let taken = mine(&mut b, now);
    assert!(taken.part == part && taken.before.as_ref().unwrap().starts_with("process "), "{:?}", taken.before);
    let (folder, _lease, _) = open(taken);
    assert_eq!(log(&folder).records(), [record(0)]);
    assert_ne!(folder.path(""), dead);
}

#[test]
fn a_lease_from_afar_is_over_when_it_does_not_change_whatever_the_clocks_say() {
    let dir = tempfile::tempdir().unwrap();
    let begin = Instant::now();
    let (mut a, mut b) = (joined(dir.path()), joined(dir.path()));
    let (folder, _lease, _) = open(mine(&mut a, begin));
    let is_free = |b: &mut Chunks, now| match b.next(now).unwrap() {
        Next::Mine(chunk) if chunk.part.number == 1 => true,
        Next::Mine(chunk) => {
            whole(*chunk);
            false
        }
        _ => false,
    };
    // Its file is from the year 2100, or from 1990: nobody looks.
    for (beat, years) in [(1, 130), (2, 20)] {
        from_afar(&folder, beat);
        let then = SystemTime::UNIX_EPOCH + Duration::from_secs(years * 31_536_000);
        File::options().append(true).open(folder.path(".mosa.lease")).unwrap().set_modified(then).unwrap();
        let seen = begin + PATIENCE * beat as u32;
        assert!(!is_free(&mut b, seen) && !is_free(&mut b, seen) && !is_free(&mut b, seen));
        assert!(!is_free(&mut b, seen + PATIENCE - Duration::from_secs(1)), "beat {beat}");
    }
    assert!(is_free(&mut b, begin + PATIENCE * 3));
}

#[test]
fn a_worker_that_lost_its_chunk_writes_nothing_more_into_it() {
    let dir = tempfile::tempdir().unwrap();
    let begin = Instant::now();
    let (mut a, mut b) = (joined(dir.path()), joined(dir.path()));
    let (folder, _lease, _) = open(mine(&mut a, begin));
    let mut own = log(&folder);
    let mut calls: Archive<OrderRecord> = Archive::open(&folder.path("journal.jsonl"), |_, _| {}).unwrap();
    own.push(record(0)).unwrap();
    from_afar(&folder, 1);
    whole(mine(&mut b, begin));
    whole(mine(&mut b, begin));
    assert!(matches!(b.next(begin).unwrap(), Next::Wait));
    let (taken, _second, part) = open(mine(&mut b, begin + PATIENCE));
    assert_eq!(part.number, 1);
    // It wakes up, and every way to write is closed.
    let before = fs::read(folder.path("orders.jsonl")).unwrap();
    let lost = |result: Result<(), RecordsError>| {
        let error = result.unwrap_err();
        assert!(matches!(error, RecordsError::Lost { .. }) && error.to_string().contains("chunk-000001.g1"), "{error}");
    };
    lost(own.push(record(1)));
    lost(calls.push(&record(1)).map(|_| ()));
    lost(own.retain(|_| false));
    lost(folder.finish(false));
    assert_eq!(fs::read(folder.path("orders.jsonl")).unwrap(), before);
    let mut log = log(&taken);
    (0..3).for_each(|case| log.push(record(case)).unwrap());
    taken.finish(false).unwrap();
    assert!(matches!(b.next(begin).unwrap(), Next::Done));
    assert_eq!(Parts::of(&[dir.path().to_owned()]).unwrap().counts(), (3, 7));
}

#[test]
fn a_copy_that_was_killed_is_not_gone_on_from() {
    let dir = tempfile::tempdir().unwrap();
    let begin = Instant::now();
    let (mut a, mut b) = (joined(dir.path()), joined(dir.path()));
    let (folder, lease, _) = open(mine(&mut a, begin));
    log(&folder).push(record(0)).unwrap();
    drop((folder, lease));
    // The next one died before all was copied.
    fs::create_dir(dir.path().join("chunk-000001.g2")).unwrap();
    whole(mine(&mut b, begin));
    whole(mine(&mut b, begin));
    assert!(matches!(b.next(begin + PATIENCE / 2).unwrap(), Next::Wait));
    let (folder, ..) = open(mine(&mut b, begin + PATIENCE));
    assert!(folder.path("").ends_with("chunk-000001.g3"), "{:?}", folder.path(""));
    assert_eq!(log(&folder).records(), [record(0)]);
}

#[test]
fn workers_of_another_run_and_folders_of_somebody_else_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (run, parts) = (dir.path().join("run"), Cases { total: 7, unit: 1 }.chunks(3));
    joined(&run);
    let open =
        |dir: &PathBuf, manifest: Value| Chunks::open(dir, &manifest, parts.clone(), PATIENCE).unwrap_err().to_string();
    let mut other = manifest(&parts);
    other["data"] = json!("cd");
    other["chunks"]["size"] = json!(4);
    let said = open(&run, other);
    assert!(said.contains("data was \"ab\", is \"cd\"") && said.contains("chunks.size was 3, is 4"), "{said}");
    let foreign = dir.path().join("foreign");
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("thesis.tex"), "x").unwrap();
    assert!(open(&foreign, manifest(&parts)).contains("not a run folder"));
    let said = open(&foreign.join("thesis.tex"), manifest(&parts));
    assert!(said.contains("thesis.tex"), "{said}");
    assert_eq!(fs::read_dir(&foreign).unwrap().count(), 1);
}
