//! What kills and crashes leave of files, and what comes of it.

use crate::{fill, record};
use mosa_records::{
    Archive, CurveRecord, LandscapeRecord, Log, OrderRecord, Record, RunFolder, foreign, is_torn, lines, remove_folder,
    remove_known, restore, unfinished_name, unfinished_of, write_whole,
};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::fs;
use std::path::Path;

fn named(id: &str) -> OrderRecord {
    OrderRecord { id: id.into(), ..record(0) }
}

#[test]
fn a_last_line_that_ends_inside_a_character_is_cut_off_wherever_it_ends() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("order.jsonl");
    let mut log = Log::open(&path).unwrap();
    log.push(named("größe")).unwrap();
    log.push(named("\u{1f9ea} äöü")).unwrap();
    drop(log);
    let whole = fs::read(&path).unwrap();
    let first = whole.iter().position(|&b| b == b'\n').unwrap() + 1;
    for end in first..whole.len() {
        fs::write(&path, &whole[..end]).unwrap();
        assert_eq!(Log::<OrderRecord>::read(&path).unwrap(), [named("größe")], "cut at {end}");
        let mut seen = 0;
        drop(Archive::open(&path, |_: OrderRecord, _| seen += 1).unwrap());
        assert_eq!(seen, 1);
        fs::write(&path, &whole[..end]).unwrap();
        let mut log = Log::open(&path).unwrap();
        log.push(named("\u{1f9ea} äöü")).unwrap();
        assert_eq!(fs::read(&path).unwrap(), whole, "cut at {end}");
    }
}

#[test]
fn zero_bytes_that_a_crash_left_are_no_records() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("order.jsonl");
    fill(&path, 3, 9);
    let whole = fs::read(&path).unwrap();
    let starts: Vec<usize> = (0..whole.len()).filter(|&i| i == 0 || whole[i - 1] == b'\n').collect();
    // At the end; alone on a line; before a record that was written after the crash; behind half a record.
    for damaged in [
        [&whole[..], &[0; 40]].concat(),
        [&whole[..starts[2]], &[0; 9], b"\n", &whole[starts[2]..]].concat(),
        [&whole[..starts[2]], &[0; 9], &whole[starts[2]..]].concat(),
        [&whole[..starts[2]], b"{\"schema\":\"ord", &[0; 9], &whole[starts[2]..]].concat(),
    ] {
        fs::write(&path, &damaged).unwrap();
        assert_eq!(Log::<OrderRecord>::read(&path).unwrap(), [0, 1, 2].map(record));
        let mut places = Vec::new();
        let mut archive = Archive::open(&path, |r: OrderRecord, place| places.push((r, place))).unwrap();
        assert_eq!(places.len(), 3);
        for (read, place) in places {
            assert_eq!(archive.read(place).unwrap(), read);
        }
        let mut log = Log::open(&path).unwrap();
        log.push(record(3)).unwrap();
        assert_eq!(Log::<OrderRecord>::read(&path).unwrap(), [0, 1, 2, 3].map(record));
    }
    fs::write(&path, [0; 4096]).unwrap();
    assert!(Log::<OrderRecord>::open(&path).unwrap().records().is_empty());
    let numbered: Vec<(usize, &[u8])> = lines(b"a\n\0\0\nc\nhalf").collect();
    assert_eq!(numbered, [(1, &b"a"[..]), (3, b"c")]);
}

#[test]
fn text_that_is_no_utf8_in_the_middle_is_an_error_with_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("order.jsonl");
    fill(&path, 3, 9);
    let mut bytes = fs::read(&path).unwrap();
    let id = bytes.windows(8).position(|w| w == b"\"id\":\"1\"").unwrap();
    bytes[id + 6] = 0xff;
    fs::write(&path, &bytes).unwrap();
    let messages = [
        Log::<OrderRecord>::open(&path).unwrap_err().to_string(),
        Archive::open(&path, |_: OrderRecord, _| ()).unwrap_err().to_string(),
    ];
    assert!(messages.iter().all(|m| m.contains("line 2")), "{messages:?}");
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

#[test]
fn records_that_two_commands_wrote_are_kept_once_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("order.jsonl");
    fill(&path, 3, 9);
    let text = fs::read_to_string(&path).unwrap();
    let spoiled = text.repeat(5);
    fs::write(&path, &spoiled).unwrap();
    let mut notes = Vec::new();
    assert_eq!(Log::<OrderRecord>::read_noting(&path, &mut notes).unwrap(), [0, 1, 2].map(record));
    assert!(notes.len() == 1 && notes[0].contains("12 lines repeat a record"), "{notes:?}");
    let mut log = Log::<OrderRecord>::open(&path).unwrap();
    assert_eq!(log.note(), Some(notes.remove(0)));
    assert_eq!(fs::read_to_string(&path).unwrap(), spoiled, "reading changes nothing");
    log.push(record(3)).unwrap();
    assert_eq!(Log::<OrderRecord>::read(&path).unwrap(), [0, 1, 2, 3].map(record));
    fs::write(&path, &text).unwrap();
    assert_eq!(Log::<OrderRecord>::open(&path).unwrap().note(), None);
}

#[test]
fn different_records_of_one_key_are_an_error_that_names_both_lines() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("order.jsonl");
    fill(&path, 3, 9);
    let text = fs::read_to_string(&path).unwrap();
    let other = text.lines().next().unwrap().replace("\"length\":8", "\"length\":9");
    fs::write(&path, format!("{text}{other}\n")).unwrap();
    let message = Log::<OrderRecord>::open(&path).unwrap_err().to_string();
    assert!(message.contains("lines 1 and 4") && message.contains("benign/0"), "{message}");
}

#[test]
fn a_folder_that_a_kill_left_before_its_manifest_goes_on() {
    for (name, content) in [
        ("manifest.json.partial", &b""[..]),
        ("manifest.json.partial", b"{\n  \"schema\": \"ru"),
        ("manifest.json.partial", &[0; 64]),
        ("manifest.json.mosa-77-0.partial", b"{"),
        (".mosa.lock", b"process 99 (mosa align)\n"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(name), content).unwrap();
        RunFolder::open(dir.path(), &json!({"command": "x"})).unwrap();
        let left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left.len(), 2, "manifest and lock alone: {left:?}");
    }
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("manifest.json.partial"), "my notes").unwrap();
    RunFolder::open(dir.path(), &json!({"command": "x"})).unwrap();
    assert_eq!(fs::read_to_string(dir.path().join("manifest.json.partial")).unwrap(), "my notes");
}

#[test]
fn a_manifest_that_a_crash_emptied_is_named_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    RunFolder::open(dir.path(), &json!({"command": "x"})).unwrap();
    for damaged in [&b""[..], &[0; 200], b"{\"schema\": \"run/1\", \"comm", b"\xff\xfe"] {
        fs::write(dir.path().join("manifest.json"), damaged).unwrap();
        let message = RunFolder::open(dir.path(), &json!({"command": "x"})).unwrap_err().to_string();
        assert!(message.contains("manifest.json") && message.contains("put a copy"), "{message}");
        assert_eq!(fs::read(dir.path().join("manifest.json")).unwrap(), damaged);
    }
}

#[test]
fn a_file_of_known_content_is_restored_after_a_crash_and_never_written_over() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("world.toml");
    for torn in [&b""[..], b"lr =", &[0; 9], b"lr\0\0\0\0"] {
        fs::write(&path, torn).unwrap();
        restore(&path, b"lr = 1\n").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"lr = 1\n");
    }
    restore(&path, b"lr = 1\n").unwrap();
    for other in ["lr = 2\n", "lr = 1\n# mine\n"] {
        fs::write(&path, other).unwrap();
        let message = restore(&path, b"lr = 1\n").unwrap_err().to_string();
        assert!(message.contains("world.toml"), "{message}");
        assert_eq!(fs::read_to_string(&path).unwrap(), other);
    }
    assert!(is_torn(b"ab\0", b"abc") && !is_torn(b"abc", b"abc") && !is_torn(b"ac", b"abc"));
}

#[test]
fn a_file_is_written_beside_every_other_and_nothing_is_left_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let (path, own) = (dir.path().join("report.html"), dir.path().join("report.html.partial"));
    fs::write(&own, "a file of the user's").unwrap();
    write_whole(&path, b"page").unwrap();
    assert_eq!(fs::read_to_string(&own).unwrap(), "a file of the user's");
    let name = unfinished_name(&path).file_name().unwrap().to_str().unwrap().to_owned();
    assert_eq!(unfinished_of(&name), Some("report.html"));
    for other in ["report.html.partial", "a.mosa-1-x.partial", "a.mosa-1.partial", "a.mosa--1.partial"] {
        assert_eq!(unfinished_of(other), None, "{other}");
    }
    // A folder cannot be replaced by a file: the old one stays, and no half-written one beside it.
    fs::create_dir(dir.path().join("folder")).unwrap();
    assert!(write_whole(&dir.path().join("folder"), b"x").is_err());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3);
    // Two at a time, as two processes would.
    std::thread::scope(|scope| {
        for text in ["one", "two"] {
            let path = &path;
            scope.spawn(move || (0..50).for_each(|_| write_whole(path, text.repeat(1000).as_bytes()).unwrap()));
        }
    });
    let text = fs::read_to_string(&path).unwrap();
    assert!(text == "one".repeat(1000) || text == "two".repeat(1000));
}

#[cfg(unix)]
#[test]
fn a_link_is_written_through_and_a_device_is_not_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let (file, link) = (dir.path().join("file"), dir.path().join("link"));
    fs::write(&file, "old").unwrap();
    std::os::unix::fs::symlink(&file, &link).unwrap();
    write_whole(&link, b"new").unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::read_to_string(&file).unwrap(), "new");
    let null = dir.path().join("null");
    std::os::unix::fs::symlink("/dev/null", &null).unwrap();
    write_whole(&null, b"x").unwrap();
    assert!(!fs::metadata("/dev/null").unwrap().is_file());
}

#[cfg(unix)]
#[test]
fn what_is_removed_is_what_is_known_and_links_are_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    let (own, far) = (dir.path().join("own"), dir.path().join("far"));
    for path in ["own/a/known", "own/a/b/known", "own/c/known", "own/c/foreign", "far/known"] {
        fs::create_dir_all(dir.path().join(path).parent().unwrap()).unwrap();
        fs::write(dir.path().join(path), "x").unwrap();
    }
    std::os::unix::fs::symlink(&far, own.join("a/link")).unwrap();
    std::os::unix::fs::symlink(far.join("known"), own.join("c/known-link")).unwrap();
    let known = |path: &Path| path.file_name().is_some_and(|name| name != "foreign");
    let found = foreign(&own, &known).unwrap();
    assert_eq!(found, [own.join("a/link"), own.join("c/foreign"), own.join("c/known-link")]);
    remove_known(&own, &known).unwrap();
    assert!(far.join("known").exists() && own.join("c/foreign").exists() && own.join("a/link").exists());
    assert!(!own.join("a/b").exists() && !own.join("a/known").exists() && !own.join("c/known").exists());
    assert!(!remove_folder(&own, &known).unwrap());
    assert!(remove_folder(&far, &known).unwrap() && !far.exists());
}

/// A record with numbers of both sizes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Numbers {
    name: String,
    wide: f64,
    narrow: f32,
    all: Vec<f64>,
}

impl Record for Numbers {
    const SCHEMA: &'static str = "numbers/1";

    fn key(&self) -> String {
        self.name.clone()
    }
}

fn bits(numbers: &Numbers) -> (u64, u32, Vec<u64>) {
    (numbers.wide.to_bits(), numbers.narrow.to_bits(), numbers.all.iter().map(|n| n.to_bits()).collect())
}

proptest! {
    #[test]
    fn a_number_that_is_read_back_is_the_number_that_was_written(
        wide in any::<u64>().prop_map(f64::from_bits).prop_filter("finite", |n| n.is_finite()),
        narrow in any::<u32>().prop_map(f32::from_bits).prop_filter("finite", |n| n.is_finite()),
        share in 0.0..1.0f64,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("numbers.jsonl");
        let written = Numbers { name: "a".into(), wide, narrow, all: vec![share, 0.1 + 0.2, share.ln(), 1.0 / 3.0] };
        Log::open(&path).unwrap().push(written.clone()).unwrap();
        let read: Vec<Numbers> = Log::read(&path).unwrap();
        prop_assert_eq!(bits(&read[0]), bits(&written));
        let mut read = Vec::new();
        Archive::open(&path, |r: Numbers, _| read.push(r)).unwrap();
        prop_assert_eq!(bits(&read[0]), bits(&written));
        // A manifest with the number is the same manifest.
        let run = dir.path().join("run");
        let manifest = json!({"lr": wide, "narrow": narrow, "share": share});
        RunFolder::open(&run, &manifest).unwrap();
        prop_assert!(RunFolder::open(&run, &manifest).is_ok());
    }

    #[test]
    fn losses_are_read_back_whether_they_are_numbers_or_not(loss in any::<u32>().prop_map(f32::from_bits)) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("curves.jsonl");
        let curve = CurveRecord {
            group: "gcg/0".into(), id: "1".into(), iteration: 0, loss, suffix: vec![1], best_loss: loss,
            best_suffix: vec![1], text: "x".into(), candidates: 1,
        };
        Log::open(&path).unwrap().push(curve).unwrap();
        let read: Vec<CurveRecord> = Log::read(&path).unwrap();
        prop_assert!(read[0].loss.to_bits() == loss.to_bits() || (read[0].loss.is_nan() && loss.is_nan()));
    }
}

#[test]
fn a_probability_of_zero_does_not_make_a_folder_unreadable() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("landscapes.jsonl");
    let zero = vec![f64::NEG_INFINITY, -0.5, f64::INFINITY];
    let record = LandscapeRecord {
        group: "original".into(),
        id: "1".into(),
        safe: zero.clone(),
        harmful: zero.clone(),
        end: vec![0.25],
        refusal: Vec::new(),
        refusal_by_step: Vec::new(),
        end_by_step: vec![0.1 + 0.2],
    };
    Log::open(&path).unwrap().push(record.clone()).unwrap();
    assert_eq!(Log::<LandscapeRecord>::read(&path).unwrap(), std::slice::from_ref(&record));
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("\"end\":[0.25]"), "numbers are written as before: {text}");
    // Earlier versions wrote null.
    fs::write(&path, text.replace("\"-inf\"", "null")).unwrap();
    let read = Log::<LandscapeRecord>::read(&path).unwrap();
    assert!(read[0].safe[0].is_nan() && read[0].safe[1].to_bits() == (-0.5f64).to_bits());
}
