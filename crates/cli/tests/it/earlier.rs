//! Run folders whose manifest was written by version 0.1.0 (`tests/earlier/`): they go on to the same bytes, or are refused
//! with the key that differs.

use crate::{Run, command, copy_all, fixture, read_json, words};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

const PROBE: &str =
    "--model model --behaviors prompts.jsonl --gen-length 24 --steps 8 --batch-size 1 --quiet --threads 1 --limit 3";
const ATTACK: &str = "--model world --behaviors wd/harmbench/harmbench_behaviors_text_all.csv --profile smoke --gen-length 96 --threshold 0.9 --helper world --judge exact --quiet --threads 1";

const COMPLETIONS: &str = r#"{"pale_tonic": [{"test_case": "How?", "generation": "I cannot help with that."}], "thorny_tonic": [{"test_case": "How so?", "generation": "Take the tonic."}]}"#;

/// A kind of run: its manifest's name, its command without the folder, and what a kill leaves of it.
struct Kind {
    manifest: &'static str,
    typed: String,
    /// Files of which a kill left half.
    cut: &'static [&'static str],
    /// Files and folders it had not come to.
    gone: &'static [&'static str],
    /// What the whole run ends in.
    ends: &'static [&'static str],
}

fn probe(manifest: &'static str, flags: &str, files: &'static [&'static str]) -> Kind {
    let name = manifest.split('-').next().unwrap();
    let typed = format!("probe {name} {PROBE} {flags}");
    let typed = if manifest == "order-dream" { typed.replace("--model model", "--model dream") } else { typed };
    Kind { manifest, typed, cut: &files[..1], gone: &files[1..], ends: files }
}

fn attack(manifest: &'static str, flags: &str) -> Kind {
    Kind {
        manifest,
        typed: format!("attack {} {ATTACK} {flags}", manifest.trim_start_matches("attack-")),
        cut: &["cases.jsonl"],
        gone: &["verdicts.jsonl"],
        ends: &["cases.jsonl", "answers.jsonl", "verdicts.jsonl", "journal.jsonl"],
    }
}

/// A folder with everything the commands name, by the paths that the manifests hold.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for name in ["llada", "dream"] {
            let to = dir.path().join(if name == "llada" { "model" } else { name });
            copy_all(&fixture(name), &to);
            for file in ["golden.json", "golden.safetensors"] {
                fs::remove_file(to.join(file)).unwrap();
            }
        }
        copy_all(
            &PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../assets/world/model"),
            &dir.path().join("world"),
        );
        let rows = |i: usize| format!("{{\"id\": \"q{i}\", \"prompt\": \"ab cd {}\"}}\n", "x".repeat(i + 1));
        fs::write(dir.path().join("prompts.jsonl"), (0..5).map(rows).collect::<String>()).unwrap();
        fs::write(dir.path().join("phrases.txt"), "ab cd\nxy\n").unwrap();
        fs::write(dir.path().join("completions.json"), COMPLETIONS).unwrap();
        let place = Self(dir);
        place.run("world data --out wd").ok();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, typed: &str) -> Run {
        let mut command = command(&words(typed, &[]));
        command.current_dir(self.0.path()).output().unwrap().into()
    }

    /// The folder of a run from beginning to end.
    fn whole(&self, kind: &Kind) -> PathBuf {
        let out = self.path("whole");
        let _ = fs::remove_dir_all(&out);
        self.run(&format!("{} --out whole", kind.typed)).ok();
        out
    }

    /// The folder of a run that version 0.1.0 began and that was killed.
    fn begun(&self, kind: &Kind, whole: &Path) -> PathBuf {
        let out = self.path("begun");
        let _ = fs::remove_dir_all(&out);
        copy_all(whole, &out);
        fs::write(out.join("manifest.json"), recorded(kind.manifest).to_string()).unwrap();
        for name in kind.cut {
            let bytes = fs::read(out.join(name)).unwrap();
            fs::write(out.join(name), &bytes[..bytes.len() / 2]).unwrap();
        }
        for name in kind.gone {
            let path = out.join(name);
            if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
        }
        out
    }

    /// Runs it whole, and again behind a manifest of before: both end in the same bytes, and the manifest stays.
    fn goes_on(&self, kind: &Kind) {
        let whole = self.whole(kind);
        let begun = self.begun(kind, &whole);
        let run = self.run(&format!("{} --out begun", kind.typed)).ok();
        // Nothing is computed by an import.
        let said = run.stderr.contains("did not say on which device");
        assert_eq!(said, kind.manifest != "import", "{}: {}", kind.manifest, run.stderr);
        for name in kind.ends {
            let bytes = |out: &Path| fs::read(out.join(name)).unwrap();
            assert!(bytes(&whole) == bytes(&begun), "{}/{name}", kind.manifest);
        }
        assert_eq!(read_json(&begun.join("manifest.json")), recorded(kind.manifest));
    }

    /// Every change of the command is refused with what it says.
    fn refuses(&self, kind: &Kind, changes: &[(&str, &str, &str)]) {
        let whole = self.whole(kind);
        let begun = self.begun(kind, &whole);
        let before = fs::read(begun.join(kind.ends[0])).ok();
        for (from, to, said) in changes {
            let typed = kind.typed.replace(from, to);
            assert_ne!(typed, kind.typed);
            let run = self.run(&format!("{typed} --out begun"));
            assert!(run.code == 2 && run.stderr.contains(said), "{to}: {} {}", run.code, run.stderr);
        }
        assert_eq!(fs::read(begun.join(kind.ends[0])).ok(), before);
    }
}

/// A manifest as version 0.1.0 wrote it.
fn recorded(name: &str) -> Value {
    read_json(&PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/earlier/{name}.json")))
}

fn order() -> Kind {
    probe("order", "--benign prompts.jsonl --batching padded", &["orders.jsonl"])
}

#[test]
fn probes_of_the_version_before_go_on_to_the_same_bytes() {
    let place = Place::new();
    let forced = "--offsets 0,6 --affirmative phrases.txt --procedural phrases.txt --judge keyword";
    let search = "--offsets 0,5 --target ab --init xyxy --iterations 3 --candidates 4";
    let sentences = "--safe-sentences phrases.txt --harmful-sentences phrases.txt --width 8";
    for kind in [
        probe("prefill", forced, &["answers.jsonl", "verdicts.jsonl"]),
        probe("gcg", search, &["curves.jsonl", "answers.jsonl"]),
        order(),
        probe("order-dream", "--benign prompts.jsonl --eps 0.002 --top-p 0.9", &["orders.jsonl"]),
        probe(
            "steer",
            "--positions 1,3 --phrases phrases.txt --remasking random --temperature 0.5",
            &["answers.jsonl"],
        ),
        probe("landscape", sentences, &["landscapes.jsonl"]),
    ] {
        place.goes_on(&kind);
    }
}

#[test]
fn attacks_of_the_version_before_go_on_to_the_same_bytes() {
    let place = Place::new();
    place.goes_on(&attack("attack-tap", "--limit 2"));
    let pal = attack("attack-pal", "--proxy world --limit 1");
    place.goes_on(&pal);
    place.refuses(
        &pal,
        &[
            ("--threshold 0.9", "--threshold 0.8", "sampler.commit.threshold was 0.9, is 0.8"),
            ("--proxy world", "--proxy model", "proxy.model was \"world\", is \"model\""),
            ("--profile smoke", "--profile smoke --set sent=3", "settings.attack.sent was 4, is 3"),
        ],
    );
}

#[test]
fn imports_of_the_version_before_go_on_to_the_same_bytes() {
    let place = Place::new();
    let benchmark = "wd/harmbench/harmbench_behaviors_text_all.csv";
    let import = Kind {
        manifest: "import",
        typed: format!("data import completions.json --format harmbench --benchmark {benchmark} --attack pair"),
        cut: &["answers.jsonl"],
        gone: &["cases.jsonl"],
        ends: &["answers.jsonl", "cases.jsonl"],
    };
    place.goes_on(&import);
    place.refuses(&import, &[("--attack pair", "--attack gcg", "attack was \"pair\", is \"gcg\"")]);
}

#[test]
fn trainings_and_measurements_of_the_version_before_go_on_to_the_same_bytes() {
    let place = Place::new();
    let recipe = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../recipes/world-model.toml");
    let align = Kind {
        manifest: "align",
        typed: "align --model model --data prompts.jsonl --set steps=3 --set canvas_length=64 --set lora.r=4 --set save_every=1 --threads 1 --quiet".into(),
        cut: &[],
        gone: &["checkpoint-000003", "adapter"],
        ends: &["adapter/adapter_model.safetensors"],
    };
    let train = Kind {
        manifest: "train",
        typed: format!(
            "world train --set steps=4 --set save_every=2 --set batch_size=2 --config {} --threads 1 --quiet",
            recipe.display()
        ),
        cut: &[],
        gone: &["checkpoint-000004", "model/model.safetensors"],
        ends: &["model/model.safetensors"],
    };
    let measure = Kind {
        manifest: "measure",
        typed: "world measure --model world --n 2 --cells attack/plain,utility/recipe --threads 1 --quiet".into(),
        cut: &["samples.jsonl"],
        gone: &[],
        ends: &["answers.jsonl", "verdicts.jsonl", "samples.jsonl"],
    };
    for kind in [&align, &train, &measure] {
        place.goes_on(kind);
    }
    place.refuses(
        &align,
        &[
            ("lora.r=4", "lora.r=8", "settings.lora.r was 4, is 8"),
            ("--quiet", "--dtype bf16 --quiet", "dtype was \"f32\", is \"bf16\" (give --dtype f32)"),
        ],
    );
    // Answers of before had one kind of record, which nothing reads any more.
    fs::write(place.path("whole/records.jsonl"), "").unwrap();
    let run = place.run(&format!("{} --out whole", measure.typed));
    assert!(run.code == 2 && run.stderr.contains("records.jsonl; measure again"), "{}", run.stderr);
}

#[test]
fn other_settings_types_and_models_are_refused_by_key_in_folders_of_the_version_before() {
    let place = Place::new();
    place.refuses(
        &order(),
        &[
            ("--gen-length 24", "--gen-length 32", "sampler.gen_length was 24, is 32"),
            ("--steps 8", "--steps 12", "sampler.schedule.blocks.steps was 8, is 12"),
            ("--batching padded", "--batching rows", "batching was \"padded\", is \"rows\""),
            ("--quiet", "--eos-stop --quiet", "sampler.stop_at_end was false, is true"),
            ("--quiet", "--dtype bf16 --quiet", "dtype was \"auto\", is \"bf16\" (give --dtype auto)"),
            ("--limit 3", "--limit 2", "limit was 3, is 2"),
        ],
    );
    let config = place.path("model/tokenizer_config.json");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text + "\n").unwrap();
    let run = place.run(&format!("{} --out begun", order().typed));
    assert!(run.code == 2 && run.stderr.contains("hashes.model was \"8d52a3234785476e\""), "{}", run.stderr);
}

#[test]
fn a_folder_of_this_version_says_where_and_how_it_was_computed_and_stays_there() {
    let place = Place::new();
    let typed = format!("{} --dtype f32 --out run", order().typed);
    place.run(&typed).ok();
    let path = place.path("run/manifest.json");
    let manifest = read_json(&path);
    assert_eq!((&manifest["schema"], &manifest["dtype"]), (&json!("run/2"), &json!("f32")));
    assert_eq!(manifest["sampler"]["schedule"], json!({"blocks": {"steps": 8, "block_length": 24}}));
    assert_eq!(manifest["batching"], json!({"shared": {"tokens": 32768}}));
    assert_eq!(manifest["asked"], json!({"dtype": "f32", "device": "auto"}));
    let device = manifest["device"]["kind"].as_str().unwrap();
    assert!(manifest["libtorch"].as_str().is_some_and(|version| version.starts_with("2.")), "{manifest}");
    // What was asked for may be said in other words, as long as it comes to the same.
    for same in [typed.replace("f32", "auto"), format!("{typed} --device {device}")] {
        assert_eq!(place.run(&same).ok().stderr, "");
    }
    let edited = |key: &str, value: &Value| {
        let mut other = manifest.clone();
        *other.pointer_mut(key).unwrap() = value.clone();
        fs::write(&path, other.to_string()).unwrap();
        place.run(&typed)
    };
    let elsewhere = if device == "cpu" { "cuda" } else { "cpu" };
    let refused = edited("/device/kind", &json!(elsewhere));
    let said = format!("device.kind was \"{elsewhere}\", is \"{device}\" (give --device {elsewhere})");
    assert!(refused.code == 2 && refused.stderr.contains(&said), "{}", refused.stderr);
    for (key, said) in [("/mosa", "mosa was \"0.0.9\""), ("/libtorch", "libtorch was \"0.0.9\"")] {
        let run = edited(key, &json!("0.0.9")).ok();
        assert!(run.stderr.contains(said) && run.stderr.contains("the run goes on"), "{}", run.stderr);
    }
}
