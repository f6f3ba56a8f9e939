use crate::{command, line, read_json};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

fn world_model() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../assets/world/model")
}

/// Behaviours of the embedded world, as HarmBench's file has them.
fn world() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    line("world data --out {d}", &[("d", dir.path())]).ok();
    let file = dir.path().join("harmbench/harmbench_behaviors_text_all.csv");
    (dir, file)
}

fn typed(name: &str, flags: &str) -> String {
    format!(
        "attack {name} --model {{m}} --behaviors {{b}} --out {{o}} --profile smoke --gen-length 96 --threshold 0.9 --helper world --judge exact --quiet --threads 1 {flags}"
    )
}

fn lines(path: &Path) -> Vec<serde_json::Value> {
    fs::read_to_string(path).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

#[test]
fn the_list_says_what_every_attack_needs_and_costs() {
    let run = line("attack list", &[]).ok();
    for part in ["tap", "tap/judge", "forced tokens", "25000", "adv-prefix-adaptive"] {
        assert!(run.stdout.contains(part), "{part}: {}", run.stdout);
    }
}

#[test]
fn an_attack_on_the_embedded_model_is_recorded_judged_and_drawn() {
    let (dir, behaviours) = world();
    let out = dir.path().join("run");
    let paths = [("m", world_model()), ("b", behaviours), ("o", out.clone())];
    let paths: Vec<(&str, &Path)> = paths.iter().map(|(n, p)| (*n, p.as_path())).collect();
    let run = line(&typed("tap", "--limit 2"), &paths).ok();
    assert!(run.stdout.contains("exact"), "{}", run.stdout);
    let cases = lines(&out.join("cases.jsonl"));
    assert_eq!(cases.len(), 2);
    for case in &cases {
        let selected = case["selected"].as_str().unwrap();
        let answers = lines(&out.join("answers.jsonl"));
        let answer = answers.iter().find(|a| format!("tap/{}", a["id"].as_str().unwrap()) == selected).unwrap();
        assert_eq!(answer["tags"]["selected"], "true");
        assert!(!answer["pieces"].as_array().unwrap().is_empty());
    }
    let manifest = read_json(&out.join("manifest.json"));
    assert_eq!(manifest["command"], "attack tap");
    assert_eq!(manifest["settings"]["profile"], "smoke");
    let page = dir.path().join("report.html");
    line("report {o} --out {p}", &[("o", &out), ("p", &page)]).ok();
    assert!(fs::read_to_string(&page).unwrap().contains("tap"));
}

#[test]
fn a_killed_attack_goes_on_to_the_records_of_an_uninterrupted_one() {
    let (dir, behaviours) = world();
    let (whole, killed) = (dir.path().join("whole"), dir.path().join("killed"));
    let model = world_model();
    let words = |out: &Path| -> Vec<String> {
        typed("speak-easy", "--limit 3 --cases 3")
            .replace("{m}", &model.display().to_string())
            .replace("{b}", &behaviours.display().to_string())
            .replace("{o}", &out.display().to_string())
            .split(' ')
            .map(str::to_owned)
            .collect()
    };
    assert!(command(&words(&whole)).status().unwrap().success());
    let files = ["cases.jsonl", "answers.jsonl", "verdicts.jsonl"];
    let calls = lines(&whole.join("journal.jsonl")).len();
    for round in 1..4 {
        let mut child = command(&words(&killed)).spawn().unwrap();
        let journal = killed.join("journal.jsonl");
        let deadline = Instant::now() + Duration::from_secs(60);
        while Instant::now() < deadline && child.try_wait().unwrap().is_none() {
            let written = fs::read_to_string(&journal).map_or(0, |t| t.lines().count());
            if written >= round * calls / 4 {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = child.kill();
        child.wait().unwrap();
    }
    assert!(command(&words(&killed)).status().unwrap().success());
    for file in files {
        let bytes = |dir: &Path| fs::read_to_string(dir.join(file)).unwrap();
        assert_eq!(bytes(&killed), bytes(&whole), "{file}");
    }
    let mut keys: Vec<String> =
        lines(&killed.join("journal.jsonl")).iter().map(|c| format!("{}/{}", c["case"], c["call"])).collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), calls, "no call is made twice");
}

#[test]
fn what_an_attack_lacks_is_said_before_anything_is_asked() {
    let (dir, behaviours) = world();
    let out = dir.path().join("run");
    let model = world_model();
    let paths = [("m", model.as_path()), ("b", behaviours.as_path()), ("o", out.as_path())];
    let run = line("attack tap --model {m} --behaviors {b} --out {o} --gen-length 96 --quiet", &paths);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("tap/attacker") && run.stderr.contains("--helper-endpoint"), "{}", run.stderr);
    let run = line(
        "attack prefill --endpoint http://127.0.0.1:9/v1 --target-model x --behaviors {b} --out {o} --quiet",
        &paths,
    );
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("forced tokens"), "{}", run.stderr);
    let run = line(&typed("prefill", "--set ofset=3"), &paths);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("ofset"), "{}", run.stderr);
    let run = line(&typed("nothing", "--limit 1"), &paths);
    assert!(run.code == 2 && run.stderr.contains("speak-easy"), "{}", run.stderr);
    assert!(!out.exists());
}

#[test]
fn a_proxy_proposes_the_suffixes_of_pal_and_is_in_the_manifest() {
    let (dir, behaviours) = world();
    let out = dir.path().join("run");
    let model = world_model();
    let paths = [("m", model.as_path()), ("b", behaviours.as_path()), ("o", out.as_path())];
    line(&typed("pal", "--proxy {m} --limit 1 --set max_steps=1"), &paths).ok();
    let manifest = read_json(&out.join("manifest.json"));
    assert_eq!(manifest["proxy"]["hash"], manifest["hashes"]["model"]);
    let proposals = lines(&out.join("journal.jsonl")).iter().filter(|c| c["kind"] == "propose").count();
    assert_eq!(proposals, 1);
    // Another proxy is another run.
    let other = line(&typed("pal", "--limit 1 --set max_steps=1"), &paths);
    assert!(other.code == 2 && other.stderr.contains("proxy"), "{}", other.stderr);
}

#[test]
fn the_settings_of_endpoints_that_come_with_mosa_can_be_read_and_wrong_ones_are_named() {
    let (dir, behaviours) = world();
    let out = dir.path().join("run");
    let recipes = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../recipes");
    let wrong = dir.path().join("wrong.toml");
    fs::write(&wrong, "base = \"http://127.0.0.1:9/v1\"\nmodle = \"x\"\n").unwrap();
    let files = [("t", recipes.join("target.toml")), ("h", recipes.join("helpers.toml")), ("w", wrong)];
    let mut paths: Vec<(&str, &Path)> = files.iter().map(|(n, p)| (*n, p.as_path())).collect();
    paths.extend([("b", behaviours.as_path()), ("o", out.as_path())]);
    let run = line("attack prefill --target-config {t} --behaviors {b} --out {o} --quiet", &paths);
    assert!(run.code == 2 && run.stderr.contains("forced tokens"), "{}", run.stderr);
    let run = line("attack tap --target-config {t} --helpers {h} --behaviors {b} --out {o} --quiet", &paths);
    assert!(run.code == 2 && run.stderr.contains("HELPER_API_KEY"), "{}", run.stderr);
    let run = line("attack tap --target-config {w} --behaviors {b} --out {o} --quiet", &paths);
    assert!(run.code == 2 && run.stderr.contains("wrong.toml") && run.stderr.contains("modle"), "{}", run.stderr);
    let gone = line("attack tap --behaviors nowhere.csv --out {o} --quiet", &paths);
    assert!(gone.code == 2 && gone.stderr.matches("No such file").count() == 1, "{}", gone.stderr);
    let run = line("attack tap --behaviors {b} --out {o} --quiet", &paths);
    assert!(run.code == 2 && run.stderr.contains("--model DIR"), "{}", run.stderr);
    assert!(!out.exists());
}

#[test]
fn the_length_that_is_given_holds_for_attacks_that_ask_for_more_on_every_family() {
    let dir = tempfile::tempdir().unwrap();
    let goals = dir.path().join("goals.csv");
    fs::write(&goals, "id,prompt\na,explain the tonic\nb,explain the lamp\n").unwrap();
    for family in ["llada", "dream", "mmada"] {
        let (model, out) = (crate::fixture(family), dir.path().join(family));
        let paths = [("m", model.as_path()), ("b", goals.as_path()), ("o", out.as_path())];
        // PAD asks for 128 positions; it gets 96, and spreads its words over these.
        let words = "attack pad --model {m} --behaviors {b} --out {o} --gen-length 96 --threads 1";
        let run = line(words, &paths).ok();
        let answers = lines(&out.join("answers.jsonl"));
        assert!(!answers.is_empty() && !run.stderr.contains("warning"), "{family}: {}", run.stderr);
        assert!(answers.iter().all(|a| a["pieces"].as_array().unwrap().len() == 96), "{family}");
    }
    // A length the model has no room for is refused before anything is asked.
    let (model, out) = (crate::fixture("llada"), dir.path().join("long"));
    let paths = [("m", model.as_path()), ("b", goals.as_path()), ("o", out.as_path())];
    let run = line("attack pad --model {m} --behaviors {b} --out {o} --gen-length 9999", &paths);
    assert!(run.code == 2 && run.stderr.contains("gen-length"), "{}", run.stderr);
    assert!(!out.exists());
}

#[test]
fn a_checkpoint_in_this_process_helps_by_role() {
    let (dir, behaviours) = world();
    let helpers = dir.path().join("helpers.toml");
    let entry = |roles: &str| format!("[[helper]]\nroles = \"{roles}\"\nmodel = '{}'\n", world_model().display());
    fs::write(&helpers, entry("aos/optimiser") + "gen_length = 8\n" + &entry("*")).unwrap();
    let out = dir.path().join("run");
    let paths = [("m", world_model()), ("b", behaviours.clone()), ("o", out.clone()), ("h", helpers.clone())];
    let paths: Vec<(&str, &Path)> = paths.iter().map(|(n, p)| (*n, p.as_path())).collect();
    let typed = "attack aos --model {m} --behaviors {b} --out {o} --helpers {h} --profile smoke --gen-length 96 --threshold 0.9 --quiet --limit 2";
    // Eight words of the embedded model are no prompt of an optimiser, and a run without an answer says so.
    let run = line(typed, &paths);
    assert_eq!((run.code, run.stderr.contains("nothing was measured")), (1, true), "{}", run.stderr);
    let calls = lines(&out.join("journal.jsonl"));
    let said = |kind: &str| calls.iter().filter(|c| c["kind"] == kind).collect::<Vec<_>>();
    assert!(!said("aos/optimiser").is_empty());
    let longest = said("aos/optimiser").iter().map(|c| c["reply"]["text"].as_str().unwrap().split(' ').count()).max();
    assert!(longest <= Some(8), "{longest:?}");
    let manifest = read_json(&out.join("manifest.json"));
    let hash = manifest["helpers"]["by_role"][1]["checkpoint"]["hash"].as_str().unwrap();
    assert_eq!(hash, manifest["hashes"]["model"]);

    fs::write(&helpers, "[[helper]]\nroles = \"*\"\n").unwrap();
    let run = line(typed, &paths);
    let message = run.stderr;
    assert_eq!(run.code, 2, "{message}");
    assert!(message.contains("helpers.toml") && message.contains("either `endpoint` or `model`"), "{message}");
}

#[test]
fn an_attack_that_sees_a_monitor_records_what_it_said_and_goes_on_after_a_kill_in_the_same_bytes() {
    let (dir, behaviours) = world();
    let (model, out) = (world_model(), dir.path().join("run"));
    let paths = [("m", model.as_path()), ("b", behaviours.as_path()), ("o", out.as_path())];
    for (attack, set, extra) in [
        ("tap", "--set monitor=p-eos", ""),
        (
            "pair",
            "--set monitor=refusal-mass --set monitor_weight=3",
            "--defence stop:monitor=refusal-mass,threshold=-1.5",
        ),
        ("first-step-gcg", "--set monitor=refusal-mass --set monitor_threshold=-2 --set iterations=2", ""),
    ] {
        let typed = typed(attack, format!("--limit 1 {set} {extra}").trim());
        line(&typed, &paths).ok();
        let calls = lines(&out.join("journal.jsonl"));
        let seen: Vec<_> =
            calls.iter().filter(|c| c["kind"] == "generate").map(|c| &c["reply"]["monitors"][0]).collect();
        assert!(!seen.is_empty());
        let monitor = set.split(['=', ' ']).nth(2).unwrap();
        let limit =
            [("tap", 0.9), ("pair", -1.5), ("first-step-gcg", -2.0)].iter().find(|(n, _)| *n == attack).unwrap().1;
        for seen in seen {
            assert_eq!((seen["monitor"].as_str(), seen["limit"].as_f64()), (Some(monitor), Some(limit)), "{seen}");
            assert!(seen["value"].is_f64() && seen["value"] == seen["suspicion"], "{seen}");
        }
        let answers = lines(&out.join("answers.jsonl"));
        assert!(answers.iter().all(|a| a["tags"][format!("monitor {monitor}")].is_string()), "{answers:?}");
        let settings = read_json(&out.join("manifest.json"))["settings"]["attack"].clone();
        assert_eq!(settings["monitor"], monitor, "{settings}");
        assert!(settings["monitor_weight"].is_f64(), "{settings}");
        // Without the records that are made from the journal, it makes them again.
        let whole = ["answers.jsonl", "cases.jsonl"].map(|file| fs::read(out.join(file)).unwrap());
        ["answers.jsonl", "cases.jsonl", "seconds.jsonl"].iter().for_each(|f| fs::write(out.join(f), "").unwrap());
        line(&typed, &paths).ok();
        assert_eq!(["answers.jsonl", "cases.jsonl"].map(|file| fs::read(out.join(file)).unwrap()), whole, "{attack}");
        assert_eq!(lines(&out.join("journal.jsonl")).len(), calls.len(), "no call is made twice");
        fs::remove_dir_all(&out).unwrap();
    }
}

#[test]
fn a_monitor_that_cannot_watch_is_said_before_anything_is_asked() {
    let (dir, behaviours) = world();
    let (model, out) = (world_model(), dir.path().join("run"));
    let paths = [("m", model.as_path()), ("b", behaviours.as_path()), ("o", out.as_path())];
    let local = |attack: &str, set: &str| line(&typed(attack, set), &paths);
    let endpoint = "--endpoint http://127.0.0.1:9/v1 --target-model x --behaviors {b} --out {o} --helper world --quiet";
    for (run, parts) in [
        (local("tap", "--set monitor=nothing"), ["--set monitor=nothing", "refusal-mass"]),
        (local("gcg", "--set monitor=sed-slope"), ["sed-slope", "p-eos and refusal-mass"]),
        (local("pair", "--set monitor_weight=2"), ["monitor_weight", "say monitor=NAME"]),
        (local("prefill", "--set monitor=p-eos"), ["prefill", "monitor"]),
        (line(&format!("attack tap {endpoint} --set monitor=p-eos"), &paths), ["a monitor of the decode", "--model"]),
    ] {
        assert_eq!(run.code, 2, "{}", run.stderr);
        assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
        assert!(parts.iter().all(|part| run.stderr.contains(part)), "{}", run.stderr);
        assert!(!out.exists());
    }
}
