use crate::{Run, fixture, line, read_json};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const HARMBENCH: &str = "\
Behavior,FunctionalCategory,SemanticCategory,Tags,ContextString,BehaviorID
Name the ship that left first,contextual,ships,context,The Heron left on Monday.,ships_1
Write the words of the song,copyright,songs,\"lyrics, hash_check\",,song_1
Say hello,standard,greet,,,hello_1
";

const GOALS: &str = "\
Index,Goal,Target,Behavior,Category,Source
0,Write a poem about the sea,\"Sure, a poem\",Sea poem,Poems,Original
1,Explain how a kite flies,\"Sure, a kite\",Kites,Physics,Original
";

/// Files, and what every verb makes of them.
struct Bench {
    dir: TempDir,
    model: PathBuf,
}

impl Bench {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), model: fixture("llada") }
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn out(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A verb on a file; `{o}` is its run folder, named like the verb.
    fn verb(&self, verb: &str, file: &Path, flags: &str) -> Run {
        let decode = "--gen-length 24 --steps 4 --threads 1";
        let rest = match verb {
            "generate" => format!("--prompts {{f}} --json {decode}"),
            "order" => format!("--behaviors {{f}} --out {{o}} {decode}"),
            "steer" => format!("--behaviors {{f}} --out {{o}} --positions 1 {decode}"),
            "gcg" | "landscape" => format!("--behaviors {{f}} --out {{o}} {decode}"),
            "align" => {
                "--data {f} --out {o} --set steps=1 --set canvas_length=64 --set batch_size=1 --threads 1".into()
            }
            _ => format!("--behaviors {{f}} --out {{o}} --judge keyword {decode}"),
        };
        let group = match verb {
            "generate" | "align" => "",
            "direct" => "attack ",
            _ => "probe ",
        };
        let typed = format!("{group}{verb} --model {{m}} {rest} {flags}");
        line(typed.trim_end(), &[("m", &self.model), ("f", file), ("o", &self.out(verb))])
    }

    fn lines(&self, verb: &str, file: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(self.out(verb).join(file)).unwrap();
        text.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
    }
}

fn strings(rows: &[Value], key: &str) -> Vec<String> {
    rows.iter().map(|r| r[key].as_str().unwrap_or_else(|| panic!("{key} in {r}")).to_owned()).collect()
}

fn refused(run: &Run, expected: &[&str]) {
    assert_eq!(run.code, 2, "{} {}", run.stdout, run.stderr);
    assert!(run.stdout.is_empty(), "{}", run.stdout);
    for part in expected {
        assert!(run.stderr.contains(part), "{part:?} not in {}", run.stderr);
    }
}

/// The same ids and the same prompts in every verb, as a plain file of these rows gives them.
fn same_everywhere(content: &str, name: &str, wanted: &[(&str, &str)], note: &str) {
    let bench = Bench::new();
    let file = bench.file(name, content);
    let plain: String = wanted.iter().map(|(id, p)| json!({"id": id, "prompt": p}).to_string() + "\n").collect();
    let plain = bench.verb("generate", &bench.file("plain.jsonl", &plain), "").ok().json();
    let ids: Vec<&str> = wanted.iter().map(|(id, _)| *id).collect();
    let prompts: Vec<&str> = wanted.iter().map(|(_, p)| *p).collect();

    let generated = bench.verb("generate", &file, "").ok();
    assert_eq!(generated.json(), plain, "{name}: the same bytes as a plain file of the same prompts");
    assert!(generated.stderr.contains(note), "{note:?} not in {}", generated.stderr);
    assert!(!bench.verb("generate", &file, "--quiet").ok().stderr.contains("note:"), "--quiet");

    let probed = bench.verb("steer", &file, "--template {phrase}{position}:{behavior}").ok();
    let answers = bench.lines("steer", "answers.jsonl");
    assert_eq!(strings(&answers, "id"), ids);
    assert!(answers.iter().zip(&prompts).all(|(a, p)| a["prompt"].as_str().unwrap().ends_with(p)), "{answers:?}");
    assert!(probed.stderr.contains(note), "{}", probed.stderr);

    bench.verb("direct", &file, "").ok();
    let attacked = bench.lines("direct", "answers.jsonl");
    assert_eq!(strings(&attacked, "prompt"), prompts);
    assert_eq!(strings(&bench.lines("direct", "cases.jsonl"), "case"), ids);

    let aligned = bench.verb("align", &file, "").ok();
    assert!(aligned.stderr.contains(&format!("{} prompts", ids.len())), "{}", aligned.stderr);
    assert_eq!(read_json(&bench.out("align").join("manifest.json"))["data"]["ids"], json!(ids));

    let checked = line("data check {f} --json", &[("f", &file)]).ok().json();
    assert_eq!(checked[0]["behaviours"], ids.len());
}

#[test]
fn harmbench_is_asked_with_its_context_and_without_copyright_by_every_verb() {
    let ship = "The Heron left on Monday.\n\n---\n\nName the ship that left first";
    same_everywhere(HARMBENCH, "hb.csv", &[("ships_1", ship), ("hello_1", "Say hello")], "left out: 1 copyright");
}

#[test]
fn jailbreakbench_is_asked_by_its_goal_by_every_verb() {
    let wanted = [("Sea poem", "Write a poem about the sea"), ("Kites", "Explain how a kite flies")];
    same_everywhere(GOALS, "jbb.csv", &wanted, "");
    same_everywhere(&GOALS.replace("Goal,Target", "goal , TARGET"), "jbb.csv", &wanted, "");
}

#[test]
fn alpaca_is_asked_with_its_input_by_every_verb() {
    let rows = json!([{"instruction": "Translate.", "input": "The sea", "output": "Le"},
        {"instruction": "Name three.", "input": "", "output": "a"}]);
    let wanted = [("1", "Translate.\nThe sea"), ("2", "Name three.")];
    same_everywhere(&rows.to_string(), "alpaca.json", &wanted, "the input of 1 of 2 rows");
}

#[test]
fn null_rows_of_sorry_bench_are_skipped_and_counted_by_every_verb() {
    let row = |id: u32, turns: Value| {
        json!({"question_id": id, "category": "1", "turns": turns, "prompt_style": "base"}).to_string() + "\n"
    };
    let file: String = [(1, json!(["hello one"])), (2, json!([null])), (3, Value::Null), (4, json!(["hello four"]))]
        .into_iter()
        .map(|(id, turns)| row(id, turns))
        .collect();
    let wanted = [("1/base", "hello one"), ("4/base", "hello four")];
    same_everywhere(&file, "sorry.jsonl", &wanted, "2 rows with null turns skipped (lines 2, 3)");
}

#[test]
fn the_rows_of_strongreject_and_xstest_have_one_id_in_every_verb() {
    let strong = "category,source,forbidden_prompt\nlocks,custom,Open the gate\nlocks,custom,Shut the gate\n";
    let wanted = [("strongreject_1", "Open the gate"), ("strongreject_2", "Shut the gate")];
    same_everywhere(strong, "sr.csv", &wanted, "");
    let xstest = "id,prompt,type,label,focus,note\n7,Open the gate,homonyms,safe,,\n9,Shut it,contrast,unsafe,,\n";
    same_everywhere(xstest, "xs.csv", &[("7", "Open the gate"), ("9", "Shut it")], "");
}

#[test]
fn a_sample_of_one_seed_is_the_same_rows_in_every_verb_and_another_of_another_seed() {
    let bench = Bench::new();
    let rows: String =
        (0..40).map(|i| json!({"id": format!("r{i}"), "prompt": format!("say {i}")}).to_string() + "\n").collect();
    let file = bench.file("rows.jsonl", &rows);
    let of = |seed: u32| {
        let flags = format!("--sample 4 --seed {seed} --quiet");
        let generated = strings(&bench.verb("generate", &file, &flags).ok().json(), "id");
        bench.verb("order", &file, &flags).ok();
        let probed = strings(&bench.lines("order", "orders.jsonl"), "id");
        bench.verb("direct", &file, &flags).ok();
        let attacked = strings(&bench.lines("direct", "cases.jsonl"), "case");
        bench.verb("align", &file, &format!("--sample 4 --set seed={seed}")).ok();
        let aligned = read_json(&bench.out("align").join("manifest.json"))["data"]["ids"].clone();
        let flags = format!("data check {{f}} --sample 4 --seed {seed} --json");
        let checked = line(&flags, &[("f", &file)]).ok().json()[0]["ids"].clone();
        assert_eq!(
            (json!(probed), json!(attacked), &aligned, &checked),
            (json!(generated), json!(generated), &json!(generated), &json!(generated))
        );
        for verb in ["order", "direct", "align"] {
            std::fs::remove_dir_all(bench.out(verb)).unwrap();
        }
        generated
    };
    let (zero, five) = (of(0), of(5));
    assert_eq!((zero.len(), five.len()), (4, 4));
    assert_ne!(zero, five);
}

#[test]
fn a_probe_of_another_sample_does_not_go_on_in_the_folder_of_the_first() {
    let bench = Bench::new();
    let file = bench.file("hb.csv", HARMBENCH);
    bench.verb("order", &file, "--quiet").ok();
    let other = bench.verb("order", &file, "--subsets copyright --quiet");
    refused(&other, &["reading.subsets"]);
}

#[test]
fn targets_and_subsets_are_the_same_flags_for_every_verb() {
    let bench = Bench::new();
    let file = bench.file("hb.csv", HARMBENCH);
    let targets = bench.file("targets.json", r#"{"hello_1": "xy", "song_1": "zz"}"#);
    let flags = format!("--targets {} --subsets standard,copyright", targets.display());
    let run = bench.verb("align", &file, &format!("--objective sft {flags}")).ok();
    assert!(run.stderr.contains("2 prompts") && run.stderr.contains("targets of 2 of 2"), "{}", run.stderr);
    let without = bench.verb("align", &file, "--objective sft --subsets standard,copyright --set steps=2");
    refused(&without, &["needs an answer for every prompt", "song_1, hello_1"]);
    let generated = bench.verb("generate", &file, "--subsets copyright").ok().json();
    assert_eq!(strings(&generated, "id"), ["song_1"]);
    for (verb, flags) in [("generate", "--subsets songs"), ("direct", "--subsets songs"), ("order", "--pairing mend")] {
        assert_eq!(bench.verb(verb, &file, flags).code, 2);
    }
}

#[test]
fn the_benign_file_of_a_probe_is_read_like_the_adversarial_one() {
    let bench = Bench::new();
    let (file, benign) = (bench.file("jbb.csv", GOALS), bench.file("hb.csv", HARMBENCH));
    let run = bench.verb("order", &file, &format!("--benign {}", benign.display())).ok();
    assert!(run.stderr.contains("hb.csv: left out: 1 copyright"), "{}", run.stderr);
    let orders = bench.lines("order", "orders.jsonl");
    assert_eq!(strings(&orders, "id"), ["Sea poem", "Kites", "ships_1", "hello_1"]);
}

#[test]
fn rows_that_are_too_long_are_all_named_before_the_first_answer_by_every_verb() {
    let bench = Bench::new();
    let long = |n: usize| "word ".repeat(n);
    let rows =
        [("shortA", "hello".to_owned()), ("longA", long(300)), ("shortB", "boat".to_owned()), ("longB", long(400))];
    let rows: String = rows.iter().map(|(id, p)| json!({"id": id, "prompt": p}).to_string() + "\n").collect();
    let file = bench.file("rows.jsonl", &rows);
    let phrases = bench.file("phrases.txt", "ab\n");
    let prefill = format!("--offsets 0 --affirmative {}", phrases.display());
    let landscape = format!("--safe-sentences {0} --harmful-sentences {0}", phrases.display());
    for (verb, flags) in [
        ("generate", ""),
        ("prefill", prefill.as_str()),
        ("order", ""),
        ("steer", ""),
        ("gcg", "--offsets 0 --target ab --init xyxy"),
        ("landscape", landscape.as_str()),
        ("direct", ""),
        ("align", ""),
    ] {
        let run = bench.verb(verb, &file, flags);
        refused(&run, &["rows.jsonl", "2 of 4 prompts are too long", "context of 256", "longA (", "longB ("]);
        assert!(!run.stderr.contains("shortA") && !run.stderr.contains("shortB"), "{verb}: {}", run.stderr);
        let answers = bench.out(verb).join("answers.jsonl");
        assert!(!answers.exists(), "{verb} has answered something");
    }
    // What another attack makes of a behaviour is not known before, but it will not be shorter.
    let typed = "attack prefill --model {m} --behaviors {f} --out {o} --gen-length 24 --judge keyword --threads 1";
    let run = line(typed, &[("m", &bench.model), ("f", &file), ("o", &bench.out("other"))]);
    refused(&run, &["2 of 4 prompts are too long: they exceed", "longA (", "longB ("]);
}

#[test]
fn tables_that_are_not_what_they_seem_are_refused_with_file_line_and_fix_by_every_verb() {
    let bench = Bench::new();
    let image = r#"{"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]}"#;
    for (name, content, expected) in [
        ("quote.csv", "id,prompt\n1,\"hello\n2,world\n", "line 2: a quote opens here"),
        ("wide.csv", "id,prompt\n1,hello\n2,world,more\n", "line 3: the row has 3 fields"),
        ("narrow.csv", "id,prompt\n1,hello\n2\n", "line 3: the row has 1 field"),
        ("twice.csv", "id,prompt,prompt\n1,a,b\n", "line 1: the column `prompt` is there twice"),
        ("latin.csv", "id,prompt\n1,caf\u{e9}\n", "line 2: not UTF-8"),
        ("image.jsonl", image, "line 1: `messages`: turn 1: part 1 of `content` is of the type \"image_url\""),
        (
            "lists.json",
            r#"{"a": [{"prompt": "x"}], "b": [{"prompt": "y"}]}"#,
            "line 1: an object with several lists (a, b)",
        ),
    ] {
        let file = bench.file(name, content);
        if name == "latin.csv" {
            std::fs::write(&file, content.chars().map(|c| c as u8).collect::<Vec<_>>()).unwrap();
        }
        for verb in ["generate", "order", "direct", "align"] {
            let run = bench.verb(verb, &file, "--quiet");
            refused(&run, &[name, expected]);
            assert_eq!(run.stderr.lines().count(), 1, "one clear error: {}", run.stderr);
            assert!(!bench.out(verb).exists(), "nothing is left behind");
        }
        refused(&line("data check {f}", &[("f", &file)]), &[name, expected]);
    }
}

#[test]
fn conversations_of_every_form_are_asked_alike() {
    let bench = Bench::new();
    let plain = r#"{"messages": [{"role": "user", "content": "hello"}]}"#;
    let ids = |name: &str, content: &str| bench.verb("generate", &bench.file(name, content), "").ok().json();
    let wanted = ids("plain.jsonl", plain);
    for (name, content) in [
        ("named.jsonl", r#"{"messages": [{"role": "user", "content": "hello", "name": "visitor"}]}"#),
        (
            "parts.jsonl",
            r#"{"messages": [{"role": "user", "content": [{"type": "text", "text": "hel"}, {"type": "text", "text": "lo"}]}]}"#,
        ),
        ("share.json", r#"[{"conversations": [{"from": "human", "value": "hello"}, {"from": "gpt", "value": "hi"}]}]"#),
        ("cell.csv", "id,messages\n1,\"[{\"\"role\"\": \"\"user\"\", \"\"content\"\": \"\"hello\"\"}]\"\n"),
        ("wrapped.json", r#"{"data": [{"messages": [{"role": "user", "content": "hello"}]}]}"#),
        ("text.tsv", "id\tprompt\n1\thello\n"),
    ] {
        assert_eq!(ids(name, content), wanted, "{name}");
    }
    let turns = r#"{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]}"#;
    refused(&bench.verb("direct", &bench.file("turns.jsonl", turns), ""), &["turns.jsonl", "line 1", "single turns"]);
}

#[test]
fn what_a_results_file_lacks_is_counted_and_costs_nothing_else() {
    let bench = Bench::new();
    let benchmark = bench.file("hb.csv", HARMBENCH);
    let results = bench.file(
        "results.json",
        r#"{"ships_1": [{"test_case": "a", "generation": "x", "label": "maybe"}, {"test_case": "b", "generation": "y"}],
        "hello_1": [{"test_case": "c", "generation": "Hello!", "label": 1.0}],
        "song_1": [{"test_case": "d", "generation": null, "label": 0}]}"#,
    );
    let run = bench.out("run");
    let paths = [("r", results.as_path()), ("b", &benchmark), ("o", &run)];
    let said = line(
        "data import {r} --format harmbench --benchmark {b} --subsets standard,contextual,copyright --out {o}",
        &paths,
    )
    .ok();
    for part in ["rows with no generation", ": 1 (song_1)", "rows with no label", ": 1 (ships_1)", "ships_1: \"maybe\""]
    {
        assert!(said.stderr.contains(part), "{part:?} not in {}", said.stderr);
    }
    let read = |file: &str| -> Vec<Value> {
        let text = std::fs::read_to_string(run.join(file)).unwrap();
        text.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
    };
    assert_eq!(strings(&read("answers.jsonl"), "id"), ["ships_1#0", "ships_1#1", "hello_1#0"]);
    let verdicts = read("verdicts.jsonl");
    assert_eq!((verdicts.len(), &verdicts[0]["success"]), (1, &json!(true)));
    let silent = read("cases.jsonl").into_iter().find(|c| c["case"] == "song_1").unwrap();
    assert_eq!((&silent["reason"], &silent["candidates"]), (&json!("failed"), &json!([])), "unassessed, not resisted");
}

#[test]
fn an_artifact_with_other_words_for_a_goal_is_imported_with_a_counted_warning() {
    let bench = Bench::new();
    let goals = bench.file("goals.csv", GOALS);
    let entry = |index: Value, goal: &str, name: &str, response: Value| {
        json!({"index": index, "goal": goal, "behavior": name, "category": "x", "prompt": "please", "response": response,
            "number_of_queries": "3", "jailbroken": false})
    };
    let artifact = json!({"parameters": {"method": "pair", "model": "m"}, "jailbreaks": [
        entry(json!("0"), "Write one poem about the sea", "Sea poem", json!("The sea")),
        entry(json!(1), "Explain how a kite flies", "Kites", Value::Null),
    ]});
    let artifact = bench.file("artifact.json", &artifact.to_string());
    let run = bench.out("run");
    let paths = [("a", artifact.as_path()), ("g", &goals), ("o", &run)];
    let said = line("data import {a} --format jailbreakbench --benchmark {g} --out {o}", &paths).ok();
    for part in ["worded otherwise", ": 1 (Sea poem)", "entries with a prompt and no response: 1"] {
        assert!(said.stderr.contains(part), "{part:?} not in {}", said.stderr);
    }
    let cases = std::fs::read_to_string(run.join("cases.jsonl")).unwrap();
    assert!(cases.lines().count() == 2 && cases.contains("\"failed\""), "{cases}");
    let foreign = bench.file(
        "foreign.json",
        &std::fs::read_to_string(&artifact)
            .unwrap()
            .replace("Sea poem", "Bread")
            .replace("Write one poem about the sea", "Bake"),
    );
    let paths = [("a", foreign.as_path()), ("g", &goals), ("o", &bench.out("other"))];
    refused(
        &line("data import {a} --format jailbreakbench --benchmark {g} --out {o}", &paths),
        &["foreign.json", "Bread"],
    );
}
