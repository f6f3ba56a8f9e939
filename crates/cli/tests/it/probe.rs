use crate::{Run, command, fixture, line, prompt_file};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A command line of every probe, small enough for a test, and the records it writes.
const PROBES: [(&str, &str, &[&str]); 6] = [
    (
        "prefill",
        "--offsets 0,6 --affirmative {phrases} --procedural {phrases} --judge keyword",
        &["answers.jsonl", "verdicts.jsonl"],
    ),
    ("gcg", "--offsets 0,5 --target ab --init xyxy --iterations 3 --candidates 4", &["curves.jsonl", "answers.jsonl"]),
    ("order", "--benign {b}", &["orders.jsonl"]),
    ("steer", "--positions 1,3 --phrases {phrases}", &["answers.jsonl"]),
    ("landscape", "--safe-sentences {phrases} --harmful-sentences {phrases} --width 8", &["landscapes.jsonl"]),
    (
        "monitor",
        "--benign {b} --refusal-words {phrases}.no --compliance-words {phrases}.yes --affirmative {phrases} --anchors {phrases} --from 2",
        &["monitors.jsonl"],
    ),
];

fn typed(name: &str, flags: &str, model: &str) -> String {
    format!(
        "probe {name} --model {model} --behaviors {{b}} --out {{o}} --gen-length 24 --steps 8 --batch-size 2 --quiet --threads 1 {flags}"
    )
}

/// A folder with behaviours and phrases.
fn data() -> (tempfile::TempDir, std::path::PathBuf, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let behaviours = prompt_file(dir.path(), 5);
    let phrases = dir.path().join("phrases.txt");
    fs::write(&phrases, "ab cd\nxy\n").unwrap();
    fs::write(dir.path().join("phrases.txt.no"), "a\nb\n").unwrap();
    fs::write(dir.path().join("phrases.txt.yes"), "x\ny\n").unwrap();
    (dir, behaviours, phrases)
}

fn lines(path: &Path) -> Vec<serde_json::Value> {
    fs::read_to_string(path).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

#[test]
fn every_probe_writes_records_that_the_report_draws() {
    let (dir, behaviours, phrases) = data();
    let mut runs = Vec::new();
    for (name, flags, files) in PROBES {
        let out = dir.path().join(name);
        let typed = typed(name, flags, "{m}");
        let model = fixture("llada");
        let run = line(&typed, &[("m", &model), ("b", &behaviours), ("o", &out), ("phrases", &phrases)]).ok();
        assert!(run.stdout.lines().count() >= 2, "{name}: {}", run.stdout);
        for file in files {
            assert!(!lines(&out.join(file)).is_empty(), "{name}/{file}");
        }
        let manifest = crate::read_json(&out.join("manifest.json"));
        assert_eq!(manifest["command"], format!("probe {name}"));
        assert!(
            manifest["hashes"]["model"].is_string()
                && manifest["hashes"].get("behaviors").or(manifest["hashes"].get("adversarial")).is_some()
        );
        runs.push(out);
    }
    let page = dir.path().join("report.html");
    let mut words: Vec<String> = vec!["report".into()];
    words.extend(runs.iter().map(|r| r.display().to_string()));
    let tables = dir.path().join("tables");
    words.extend(["--out".into(), page.display().to_string(), "--tables".into(), tables.display().to_string()]);
    crate::mosa(&words).ok();
    let html = fs::read_to_string(&page).unwrap();
    for part in [
        "Words forced",
        "Suffix search",
        "Order of writing",
        "Ordering a place",
        "Where sentences fit",
        "Monitors",
        "<svg",
        "Answers",
    ] {
        assert!(html.contains(part), "{part}");
    }
    assert!(!html.contains("http://") || html.contains("www.w3.org"), "the page needs no network");
    for kind in ["csv", "md", "tex"] {
        assert!(fs::read_dir(&tables).unwrap().flatten().any(|f| f.path().extension().is_some_and(|e| e == kind)));
    }
}

#[test]
fn a_probe_that_is_killed_anywhere_ends_in_the_same_bytes() {
    let (dir, behaviours, phrases) = data();
    let model = fixture("llada");
    for (k, (name, flags, files)) in PROBES.into_iter().enumerate() {
        let typed = typed(name, flags, "{m}");
        let run_in = |out: &Path| line(&typed, &[("m", &model), ("b", &behaviours), ("o", out), ("phrases", &phrases)]);
        let (whole, killed) = (dir.path().join(format!("{name}-whole")), dir.path().join(format!("{name}-killed")));
        run_in(&whole).ok();
        // Killed as soon as some records are there, at another number of lines for every probe.
        let words = typed.split(' ').map(|w| {
            [("{m}", &model), ("{b}", &behaviours), ("{o}", &killed), ("{phrases}", &phrases)]
                .into_iter()
                .fold(w.to_owned(), |w, (name, path)| w.replace(name, &path.to_string_lossy()))
        });
        let mut child = command(&words.collect::<Vec<_>>()).stdout(std::process::Stdio::null()).spawn().unwrap();
        let first = killed.join(files[0]);
        let deadline = Instant::now() + Duration::from_secs(60);
        while Instant::now() < deadline && child.try_wait().unwrap().is_none() {
            if fs::read_to_string(&first).is_ok_and(|t| t.lines().count() > k) {
                break;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        let _ = child.kill();
        child.wait().unwrap();
        // And the last line torn.
        if let Ok(text) = fs::read(&first) {
            fs::write(&first, &text[..text.len().saturating_sub(7)]).unwrap();
        }
        run_in(&killed).ok();
        for file in files {
            assert_eq!(fs::read(whole.join(file)).unwrap(), fs::read(killed.join(file)).unwrap(), "{name}/{file}");
        }
    }
}

/// Requests of the embedded world: harmful ones as a benchmark's file has them, and benign ones.
fn world() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    line("world data --out {d}", &[("d", dir.path())]).ok();
    (dir, PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../assets/world/model"))
}

const HARMFUL: &str = "advbench/harmful_behaviors.csv";
const BENIGN: &str = "retain/retain.jsonl";
const SHORT: &str = "--gen-length 48 --block-length 24 --threshold 0.9 --limit 5 --quiet --threads 1";

/// A run of an attack on the embedded model.
fn attacked(dir: &Path, model: &Path, attack: &str, out: &str) -> PathBuf {
    let (file, out) = (dir.join(HARMFUL), dir.join(out));
    let typed =
        format!("attack {attack} --model {{m}} --prompts {{b}} --out {{o}} --helper world --judge exact {SHORT}");
    line(&typed, &[("m", model), ("b", &file), ("o", &out)]).ok();
    out
}

fn monitored(dir: &Path, model: &Path, out: &Path, more: &str) -> Run {
    let (behaviours, benign) = (dir.join(HARMFUL), dir.join(BENIGN));
    let typed = format!("probe monitor --model {{m}} --prompts {{b}} --benign {{n}} --out {{o}} {SHORT} {more}");
    line(&typed, &[("m", model), ("b", &behaviours), ("n", &benign), ("o", out)])
}

/// What a monitor said of each answer of a group, so that suspicious values are high.
fn scores(records: &[serde_json::Value], group: &str, monitor: &str) -> Vec<f64> {
    let own = records.iter().filter(|record| record["group"] == group);
    let reading = |record: &serde_json::Value| {
        let readings = record["readings"].as_array().unwrap();
        let one = readings.iter().find(|reading| reading["monitor"] == monitor).unwrap();
        let sign = if one["suspicious"] == "low" { -1.0 } else { 1.0 };
        one["value"].as_f64().map(|value| sign * value)
    };
    own.filter_map(reading).collect()
}

/// Of all pairs of a harmful and a benign request the share in which the harmful one is the more suspicious; ties count
/// half.
fn area(harmful: &[f64], benign: &[f64]) -> f64 {
    let one = |h: &f64, b: &f64| match h.total_cmp(b) {
        std::cmp::Ordering::Greater => 1.0,
        std::cmp::Ordering::Equal => 0.5,
        std::cmp::Ordering::Less => 0.0,
    };
    let wins: f64 = harmful.iter().flat_map(|h| benign.iter().map(move |b| one(h, b))).sum();
    wins / (harmful.len() * benign.len()) as f64
}

#[test]
fn what_attacks_sent_is_watched_again_and_each_has_the_area_that_its_records_say() {
    let (dir, model) = world();
    let runs = [("direct", "one"), ("direct", "two"), ("prefill --set offset=8", "three")]
        .map(|(attack, out)| attacked(dir.path(), &model, attack, out));
    let out = dir.path().join("watched");
    let named = runs.iter().map(|run| run.display().to_string()).collect::<Vec<_>>().join(",");
    let table = monitored(dir.path(), &model, &out, &format!("--runs {named}")).ok().stdout;
    let records = lines(&out.join("monitors.jsonl"));
    let rows: Vec<Vec<&str>> = table.lines().skip(1).map(|row| row.split_whitespace().collect()).collect();
    let mut seen = 0;
    for row in rows.iter().filter(|row| ["direct", "direct-2", "prefill-2"].contains(&row[0])) {
        let [harmful, benign] = [row[0], "benign"].map(|group| scores(&records, group, row[1]));
        assert_eq!(row[2], "5", "{row:?}");
        let wanted = match harmful.is_empty() || benign.is_empty() {
            true => "-".to_owned(),
            false => format!("{:.3}", area(&harmful, &benign)),
        };
        assert_eq!(row[3], wanted, "{row:?}: {harmful:?} {benign:?}");
        seen += 1;
    }
    assert_eq!(seen, 3 * rows.iter().filter(|row| row[0] == "plain").count(), "{table}");
    // A plain request that was sent is the plain request, and what an attack wrote stands in what is watched.
    let texts = |group: &str| -> Vec<String> {
        let own = records.iter().filter(|record| record["group"] == group);
        own.map(|record| record["text"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(texts("direct"), texts("plain"));
    assert_eq!(texts("direct"), texts("direct-2"));
    let forced = lines(&runs[2].join("answers.jsonl"))[0]["forced"][0]["text"].as_str().unwrap().to_owned();
    assert!(texts("prefill-2").iter().all(|text| text.contains(&forced)), "{forced}: {:?}", texts("prefill-2"));
    // The runs are part of what the run is.
    let again = monitored(dir.path(), &model, &out, &format!("--runs {}", runs[0].display()));
    assert!(again.code == 2 && again.stderr.contains("runs"), "{}", again.stderr);
}

#[test]
fn runs_that_are_none_of_an_attack_are_named_before_anything_is_watched() {
    let (dir, model) = world();
    let (empty, out) = (dir.path().join("empty"), dir.path().join("watched"));
    let bare = attacked(dir.path(), &model, "direct", "bare");
    fs::create_dir(&empty).unwrap();
    fs::write(bare.join("answers.jsonl"), "").unwrap();
    for (run, wanted) in [
        (&empty, "manifest.json"),
        (&dir.path().join("nowhere"), "nowhere"),
        (&bare, "holds no answers; give the run folder of an attack"),
    ] {
        let refused = monitored(dir.path(), &model, &out, &format!("--runs {}", run.display()));
        assert!(refused.code == 2 && refused.stderr.contains(wanted), "{wanted}: {} {}", refused.code, refused.stderr);
        assert!(!out.exists(), "{wanted}");
    }
    fs::remove_file(bare.join("answers.jsonl")).unwrap();
    let refused = monitored(dir.path(), &model, &out, &format!("--runs {}", bare.display()));
    assert!(refused.code == 2 && refused.stderr.contains("answers.jsonl"), "{}", refused.stderr);
}

#[test]
fn a_changed_or_missing_record_changes_the_report() {
    let (dir, behaviours, phrases) = data();
    let (name, flags, _) = PROBES[0];
    let out = dir.path().join("run");
    let typed = typed(name, flags, "{m}");
    line(&typed, &[("m", &fixture("llada")), ("b", &behaviours), ("o", &out), ("phrases", &phrases)]).ok();
    let page = |to: &str| {
        let path = dir.path().join(to);
        line("report {r} --out {p}", &[("r", &out), ("p", &path)]).ok();
        fs::read_to_string(path).unwrap()
    };
    let before = page("a.html");
    assert_eq!(before, page("b.html"), "a page is a function of its records");
    let answers = out.join("answers.jsonl");
    let text = fs::read_to_string(&answers).unwrap();
    let without_last: String = text.lines().take(text.lines().count() - 1).flat_map(|l| [l, "\n"]).collect();
    fs::write(&answers, without_last).unwrap();
    assert_ne!(before, page("c.html"));
    fs::write(&answers, text.replacen("\"forwards\":8", "\"forwards\":9", 1)).unwrap();
    assert_ne!(before, page("d.html"));
}

#[test]
fn another_judge_is_added_without_asking_the_model_again() {
    let (dir, behaviours, phrases) = data();
    let (name, flags, _) = PROBES[0];
    let out = dir.path().join("run");
    line(
        &typed(name, flags, "{m}"),
        &[("m", &fixture("llada")), ("b", &behaviours), ("o", &out), ("phrases", &phrases)],
    )
    .ok();
    let answers = fs::read(out.join("answers.jsonl")).unwrap();
    let settings = dir.path().join("judge.toml");
    fs::write(&settings, "[settings]\nkeyword_list = \"broad\"\nkeyword_place = \"prefix\"\n").unwrap();
    let run = line("judge {r} --judge keyword --judge-config {c} --quiet", &[("r", &out), ("c", &settings)]).ok();
    assert!(
        run.stdout.contains("keyword-broad-prefix") && run.stdout.contains("keyword-strict-anywhere"),
        "{}",
        run.stdout
    );
    assert_eq!(fs::read(out.join("answers.jsonl")).unwrap(), answers);
    // Two judges, two offsets, five behaviours, with the forced words and without.
    assert_eq!(lines(&out.join("verdicts.jsonl")).len(), 2 * 2 * 5 * 2);
    let wrong = line("judge {r} --judge oracle --quiet", &[("r", &out)]);
    assert!(
        wrong.code == 2 && wrong.stderr.contains("oracle") && wrong.stderr.contains("strongreject"),
        "{}",
        wrong.stderr
    );
    let alone = line("judge {r} --judge rubric --quiet", &[("r", &out)]);
    assert!(alone.code == 2 && alone.stderr.contains("endpoint"), "{}", alone.stderr);
}

#[test]
fn bad_input_of_a_probe_is_named_and_nothing_is_written() {
    let (dir, behaviours, phrases) = data();
    let model = fixture("llada");
    let out = dir.path().join("run");
    let cases = [
        ("prefill --offsets 0,23 --affirmative {phrases} --procedural {phrases}", "raise --gen-length"),
        ("gcg --likelihood second_step", "second_step"),
        ("gcg --init {e}", "--init"),
        ("steer --template please", "{phrase}"),
        ("steer --positions 0", "from 1"),
        ("prefill --procedural {none}", "none.txt"),
        ("landscape --width 8 --safe-sentences {none}", "none.txt"),
        ("monitor", "--benign FILE is missing"),
        ("monitor --benign {b}", "`refusal` has no word"),
    ];
    for (flags, wanted) in cases {
        let typed =
            format!("probe {flags} --model {{m}} --behaviors {{b}} --out {{o}} --gen-length 24 --steps 8 --quiet");
        let none = dir.path().join("none.txt");
        let paths = [
            ("m", model.as_path()),
            ("b", &behaviours),
            ("o", &out),
            ("phrases", &phrases),
            ("none", &none),
            ("e", Path::new(" ")),
        ];
        let run = line(&typed, &paths);
        assert!(run.code == 2 && run.stderr.contains(wanted), "{flags}: {} {}", run.code, run.stderr);
        let _ = fs::remove_dir_all(&out);
    }
    let drifted = |steps: usize| {
        let typed =
            format!("probe order --model {{m}} --behaviors {{b}} --out {{o}} --gen-length 24 --steps {steps} --quiet");
        line(&typed, &[("m", &model), ("b", &behaviours), ("o", &out)])
    };
    drifted(8).ok();
    let again = drifted(12);
    assert!(again.code == 2 && again.stderr.contains("sampler.schedule.blocks.steps was 8, is 12"), "{}", again.stderr);
    let empty = line("report {r}", &[("r", dir.path())]);
    assert!(empty.code == 2 && empty.stderr.contains("manifest.json"), "{}", empty.stderr);
}
