//! Training on several ranks: processes with the variables that torchrun sets.

use crate::objectives::{Room, said};
use crate::{Run, command, fixture, read_json};
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Longest wait for a run to get somewhere; it takes seconds.
const READY: Duration = Duration::from_secs(120);

/// Starts ranks of a job, each with words of its own.
fn start(size: usize, ranks: &[usize], words: &dyn Fn(usize) -> Vec<String>) -> Vec<Child> {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let one = |rank: &usize| {
        let [number, size] = [*rank, size].map(|n| n.to_string());
        let variables =
            [("RANK", &number), ("LOCAL_RANK", &number), ("WORLD_SIZE", &size), ("LOCAL_WORLD_SIZE", &size)];
        let mut command = command(&words(*rank));
        command.envs(variables).env("MASTER_ADDR", "127.0.0.1").env("MASTER_PORT", &port);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    ranks.iter().map(one).collect()
}

fn ended(children: Vec<Child>) -> Vec<Run> {
    children.into_iter().map(|child| Run::from(child.wait_with_output().unwrap())).collect()
}

/// Runs all ranks of a job with the same words.
fn together(size: usize, words: &[String]) -> Vec<Run> {
    ended(start(size, &(0..size).collect::<Vec<_>>(), &|_| words.to_vec()))
}

/// Room in which sentences fit the window as well.
fn room() -> Room {
    let room = Room::new(&fixture("llada"));
    fs::write(room.path("harmful.txt"), "yes\nso\n").unwrap();
    room
}

/// An alignment on the reward of sentences.
fn mosa(room: &Room, objective: &str, out: &str, flags: &str) -> Vec<String> {
    let sentences = room.path("harmful.txt").display().to_string();
    room.words(objective, out, &format!(" --harmful-sentences {sentences}{flags}"))
}

fn more(mut words: Vec<String>, text: &str) -> Vec<String> {
    words.extend(text.split(' ').map(str::to_owned));
    words
}

/// Waits until something is there, while all ranks go on.
fn wait_for(path: &Path, ranks: &mut [Child]) {
    let deadline = Instant::now() + READY;
    while !path.exists() {
        let goes_on = ranks.iter_mut().all(|rank| rank.try_wait().unwrap().is_none());
        assert!(goes_on && Instant::now() < deadline, "{} does not come", path.display());
        sleep(Duration::from_millis(20));
    }
}

/// What went wrong, in the words of the ranks that said anything.
fn errors(runs: &[Run]) -> Vec<&str> {
    runs.iter().flat_map(|run| run.stderr.lines()).filter(|line| line.starts_with("mosa: ")).collect()
}

#[test]
fn every_objective_trains_the_same_adapter_on_any_number_of_ranks() {
    let room = room();
    for objective in ["mosa", "initial", "sft", "a2d-eos", "vrpo", "recovery"] {
        let words = |out: &str| mosa(&room, objective, out, " --set shards=4 --set steps=2");
        let alone = format!("{objective}-alone");
        Run::from(command(&words(&alone)).output().unwrap()).ok();
        let sizes: &[usize] = if objective == "mosa" { &[2, 4] } else { &[3] };
        for &size in sizes {
            let out = format!("{objective}-{size}");
            together(size, &words(&out)).into_iter().for_each(|run| assert_eq!(run.ok().stderr, "", "{out}"));
            assert!(room.adapter(&alone) == room.adapter(&out), "{out}");
            assert_eq!(said(&room.metrics(&alone)), said(&room.metrics(&out)), "{out}");
            assert_eq!(room.metrics(&out).len(), 2);
        }
    }
}

#[test]
fn shards_are_as_many_as_ranks_and_one_shard_is_the_run_it_always_was() {
    let room = room();
    let words = |out: &str| room.words("sft", out, " --set steps=2");
    together(2, &words("two")).into_iter().for_each(|run| drop(run.ok()));
    assert_eq!(read_json(&room.path("two/manifest.json"))["settings"]["shards"], 2);
    let again = Run::from(command(&words("two")).output().unwrap()).ok();
    assert_eq!(again.stderr, "", "one rank takes the shards of the run");
    Run::from(command(&words("one")).output().unwrap()).ok();
    assert!(read_json(&room.path("one/manifest.json"))["settings"].get("shards").is_none());
    Run::from(command(&more(words("set"), "--set shards=1")).output().unwrap()).ok();
    assert!(room.adapter("one") == room.adapter("set") && room.adapter("one") != room.adapter("two"));
    let runs = together(2, &words("one"));
    assert!(runs.iter().all(|run| run.code == 2));
    let errors = errors(&runs);
    assert!(errors.len() == 1 && errors[0].contains("2 ranks share 1 shards"), "{errors:?}");
}

#[test]
fn a_killed_run_goes_on_with_other_numbers_of_ranks_and_ends_in_the_same_bytes() {
    let room = room();
    let words = |out: &str| mosa(&room, "mosa", out, " --set shards=4 --set steps=40 --set save_every=2");
    Run::from(command(&words("whole")).output().unwrap()).ok();
    for (size, checkpoint) in [(3, "checkpoint-000004"), (2, "checkpoint-000012")] {
        let mut ranks = start(size, &(0..size).collect::<Vec<_>>(), &|_| words("torn"));
        wait_for(&room.path("torn").join(checkpoint), &mut ranks);
        ranks.iter_mut().for_each(|rank| rank.kill().unwrap());
        assert!(ended(ranks).iter().any(|run| run.code != 0), "killed before its end");
    }
    Run::from(command(&words("torn")).output().unwrap()).ok();
    assert!(room.adapter("whole") == room.adapter("torn"));
    assert_eq!(said(&room.metrics("whole")), said(&room.metrics("torn")));
}

#[test]
fn a_rank_that_dies_is_named_and_the_last_checkpoint_is_good() {
    let room = room();
    let words = mosa(&room, "mosa", "run", " --set shards=3 --set steps=100000 --set save_every=2 --rank-timeout 60");
    let mut ranks = start(3, &[0, 1, 2], &|_| words.clone());
    wait_for(&room.path("run/checkpoint-000004"), &mut ranks);
    ranks[2].kill().unwrap();
    let runs = ended(ranks);
    assert_eq!([runs[0].code, runs[1].code], [1, 1]);
    let errors = errors(&runs);
    let said = |word: &str| errors[0].contains(word);
    assert!(errors.len() == 1 && said("rank 0 of 3") && said("rank 2 (") && said("died"), "{errors:?}");
    assert!(said("last good checkpoint is") && !said("/pytorch/"), "{errors:?}");
    let go_on = mosa(&room, "mosa", "run", " --set shards=3 --set steps=100000 --set save_every=2 --set keep_last=2");
    let mut one = command(&go_on).stderr(Stdio::piped()).spawn().unwrap();
    let step = |name: &std::ffi::OsStr| name.to_str()?.strip_prefix("checkpoint-")?.parse::<usize>().ok();
    let newest = || fs::read_dir(room.path("run")).unwrap().flatten().filter_map(|e| step(&e.file_name())).max();
    let before = newest().unwrap();
    let deadline = Instant::now() + READY;
    while newest().is_none_or(|now| now < before + 4) {
        assert!(one.try_wait().unwrap().is_none() && Instant::now() < deadline, "it goes on");
        sleep(Duration::from_millis(20));
    }
    one.kill().unwrap();
    one.wait().unwrap();
}

#[test]
fn a_rank_that_does_not_come_is_named() {
    let room = room();
    let words = room.words("sft", "run", " --set steps=2 --rank-timeout 1");
    let runs = ended(start(3, &[0, 2], &|_| words.clone()));
    assert!(runs.iter().all(|run| run.code == 2));
    let errors = errors(&runs);
    assert!(errors.len() == 1 && errors[0].contains("rank 1 of 3 did not come"), "{errors:?}");
    assert!(!room.path("run").exists());
}

#[test]
fn ranks_that_were_not_started_alike_or_lack_files_are_refused_before_anything_is_written() {
    let room = room();
    let rows = fs::read_to_string(room.path("harmful.jsonl")).unwrap();
    fs::write(room.path("other.jsonl"), rows.replace("ask 3", "ask 4")).unwrap();
    let words = || room.words("sft", "run", " --set steps=2");
    let instead = |file: &str| words().iter().map(|word| word.replace("harmful.jsonl", file)).collect::<Vec<_>>();
    let nowhere = || room.words("sft", "harmful.jsonl/run", " --set steps=2");
    for (first, second, expected) in [
        (words(), instead("other.jsonl"), "data.sha256 is"),
        (words(), more(words(), "--set lr=0.5"), "settings.lr is 0.01 on rank 0 and 0.5 on rank 1"),
        (words(), instead("none.jsonl"), "none.jsonl: "),
        (nowhere(), nowhere(), "harmful.jsonl/run: "),
    ] {
        let runs = ended(start(2, &[0, 1], &|rank| if rank == 0 { first.clone() } else { second.clone() }));
        assert!(runs.iter().all(|run| run.code == 2));
        let errors = errors(&runs);
        assert!(errors.len() == 1 && errors[0].contains(expected), "{errors:?}");
        assert!(!room.path("run").exists());
    }
}

#[test]
fn half_a_launchers_environment_is_refused() {
    let room = room();
    let words = room.words("sft", "run", " --set steps=2");
    let run = Run::from(command(&words).env("RANK", "0").output().unwrap());
    assert!(run.code == 2 && run.stderr.contains("RANK is set and WORLD_SIZE is not"), "{}", run.stderr);
}

#[cfg(unix)]
#[test]
fn ctrl_c_on_one_rank_stops_all_after_the_same_step() {
    let room = room();
    let words = mosa(&room, "mosa", "run", " --set shards=2 --set steps=100000 --set save_every=2");
    let mut ranks = start(2, &[0, 1], &|_| words.clone());
    wait_for(&room.path("run/checkpoint-000002"), &mut ranks);
    crate::press_ctrl_c(&ranks[1]);
    let runs = ended(ranks);
    assert_eq!([runs[0].code, runs[1].code], [130, 130], "{}", runs[0].stderr);
    assert!(runs[0].stderr.contains("interrupted after"), "{}", runs[0].stderr);
}
