//! `mosa utility` on data of our own, in the formats of the published benchmarks.

use crate::load::server::{Act, Server};
use crate::{Run, command, fixture, line, words};
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// A folder with small benchmarks, and room for runs.
struct Bench {
    dir: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Sums, in GSM8K's form.
    fn sums(&self, n: usize) {
        let row = |i: usize| {
            let answer = format!("{i} and 2 are <<{i}+2={0}>>{0}.\n#### {0}", i + 2);
            json!({"question": format!("What are {i} and 2?"), "answer": answer}).to_string() + "\n"
        };
        self.write("sums/test.jsonl", &(0..n).map(row).collect::<String>());
        self.write("sums/train.jsonl", &(50..60).map(row).collect::<String>());
    }

    /// Choices, in MMLU's two forms: without a header line and letters, and with one and numbers.
    fn choices(&self) {
        let original = |subject: &str, n: usize| -> String {
            (0..n)
                .map(|i| format!("\"Which of {i}, in {subject}?\",one,two,three,four,{}\n", ["A", "C"][i % 2]))
                .collect()
        };
        let again = |subject: &str, n: usize| -> String {
            let rows = (0..n).map(|i| format!("\"Which of {i}, in {subject}?\",one,two,three,four,{}\n", i % 4));
            "question,choice0,choice1,choice2,choice3,answer\n".chars().collect::<String>() + &rows.collect::<String>()
        };
        self.write("choices/test/law_test.csv", &original("law", 7));
        self.write("choices/dev/law_dev.csv", &original("law dev", 5));
        self.write("choices/test/trees_test.csv", &again("trees", 6));
        self.write("choices/dev/trees_dev.csv", &again("trees dev", 5));
    }

    /// Functions, in HumanEval's form.
    fn functions(&self) {
        let one = |i: usize| {
            json!({
                "task_id": format!("Ours/{i}"),
                "prompt": format!("def plus(n):\n    \"\"\"n and {i}\"\"\"\n"),
                "entry_point": "plus",
                "canonical_solution": format!("    return n + {i}\n"),
                "test": format!("def check(candidate):\n    assert candidate(1) == {}\n", i + 1),
            })
            .to_string()
                + "\n"
        };
        self.write("functions.jsonl", &(0..3).map(one).collect::<String>());
    }

    fn run(&self, text: &str) -> Run {
        let at = |text: &str| {
            words(text, &[("d", self.dir.path()), ("m", &fixture("llada")), ("a", &fixture("llada/adapter"))])
        };
        crate::mosa(&at(text))
    }

    fn samples(&self, run: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.path(run).join("samples.jsonl")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn bytes(&self, run: &str) -> Vec<u8> {
        fs::read(self.path(run).join("samples.jsonl")).unwrap()
    }
}

#[test]
fn a_task_that_generates_is_killed_three_times_and_ends_in_the_same_records() {
    let bench = Bench::new();
    bench.sums(30);
    let command_of = |out: &str| {
        format!(
            "utility gsm8k --protocol lm-eval --model {{m}} --data {{d}}/sums --out {{d}}/{out} --shots 1 --gen-length 16 --block-length 8 --batch-size 4 --quiet"
        )
    };
    bench.run(&command_of("whole")).ok();
    for milliseconds in [250, 400, 550] {
        let words = words(&command_of("killed"), &[("d", bench.dir.path()), ("m", &fixture("llada"))]);
        let mut child = command(&words).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(milliseconds));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let table = bench.run(&command_of("killed")).ok().stdout;
    assert!(table.contains("strict-match") && table.contains("gsm8k"), "{table}");
    assert_eq!(bench.bytes("killed"), bench.bytes("whole"));
    let samples = bench.samples("whole");
    assert_eq!(samples.len(), 30);
    assert_eq!(samples[3]["id"], "3");
    assert_eq!(samples[3]["gold"], "5");
    assert_eq!(samples[3]["scores"][1]["metric"], "flexible-extract");
    assert!(samples.iter().all(|s| s["forwards"].as_u64().is_some_and(|n| (1..=16).contains(&n))));
    let prompt = samples[0]["prompt"].as_str().unwrap();
    assert!(prompt.matches("Question: ").count() == 2 && prompt.ends_with("What are 0 and 2?\nAnswer:"), "{prompt}");
}

#[test]
fn choices_are_scored_in_one_pass_a_question_whatever_form_the_files_have_and_passes_are_shared_on_demand() {
    let bench = Bench::new();
    bench.choices();
    let line = "utility mmlu --protocol lm-eval --shots 1 --model {m} --data {d}/choices --quiet";
    bench.run(&format!("{line} --out {{d}}/own")).ok();
    bench.run(&format!("{line} --out {{d}}/shared --batching padded")).ok();
    let (own, shared) = (bench.samples("own"), bench.samples("shared"));
    assert_eq!(own.len(), 13);
    let golds = |group: &str| -> Vec<String> {
        let own = own.iter().filter(|s| s["group"] == group);
        own.map(|s| s["gold"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(golds("law"), ["A", "C", "A", "C", "A", "C", "A"]);
    assert_eq!(golds("trees"), ["A", "B", "C", "D", "A", "B"]);
    for (a, b) in own.iter().zip(&shared) {
        assert_eq!(a["forwards"], 1, "four letters are read at one masked slot");
        assert_eq!(a["finish"], "chosen");
        for (x, y) in a["choices"].as_array().unwrap().iter().zip(b["choices"].as_array().unwrap()) {
            assert_eq!(x["text"], y["text"]);
            assert!((x["log_p"].as_f64().unwrap() - y["log_p"].as_f64().unwrap()).abs() < 1e-3);
        }
        assert_eq!(a["scores"], b["scores"]);
    }
    // Alone, a question has the same bits in any batch; in company the batch is part of the run.
    bench.run(&format!("{line} --out {{d}}/own --batch-size 3")).ok();
    let refused = bench.run(&format!("{line} --out {{d}}/shared --batching padded --batch-size 3"));
    assert!(refused.code == 2 && refused.stderr.contains("batch_size was 64, is 3"), "{}", refused.stderr);
    let refused = bench.run(&format!("{line} --out {{d}}/shared"));
    assert!(refused.code == 2 && refused.stderr.contains("batching"), "{}", refused.stderr);
    let prompt = own[0]["prompt"].as_str().unwrap();
    assert!(
        prompt.starts_with("The following are multiple choice questions (with answers) about law.\n\n"),
        "{prompt}"
    );
    assert!(prompt.ends_with("\nA. one\nB. two\nC. three\nD. four\nAnswer:"), "{prompt}");
}

#[test]
fn shards_are_disjoint_and_the_report_puts_them_together() {
    let bench = Bench::new();
    bench.sums(7);
    let line = "utility gsm8k --model {m} --data {d}/sums --shots 0 --gen-length 8 --block-length 8 --quiet";
    bench.run(&format!("{line} --out {{d}}/whole")).ok();
    for i in 1..=3 {
        bench.run(&format!("{line} --out {{d}}/part{i} --shard {i}/3")).ok();
    }
    let parts: Vec<Value> = (1..=3).flat_map(|i| bench.samples(&format!("part{i}"))).collect();
    assert_eq!(parts, bench.samples("whole"), "contiguous");
    bench.run("records merge {d}/part3 {d}/part1 {d}/part2 --out {d}/merged --quiet").ok();
    for name in ["manifest.json", "samples.jsonl"] {
        assert_eq!(
            fs::read(bench.path("merged").join(name)).unwrap(),
            fs::read(bench.path("whole").join(name)).unwrap()
        );
    }
    let page = |runs: &str, out: &str| {
        bench.run(&format!("report {runs} --out {{d}}/{out}")).ok();
        fs::read_to_string(bench.path(out)).unwrap()
    };
    let whole = page("{d}/part1 {d}/part2 {d}/part3", "page.html");
    assert!(whole.contains("gsm8k") && !whole.contains("items are missing"));
    assert!(page("{d}/part1 {d}/part3", "lacking.html").contains("2&#x2f;3"), "a missing part is said");
    let wrong = bench.run(&format!("{line} --out {{d}}/part9 --shard 4/3"));
    assert!(wrong.code == 2 && wrong.stderr.contains("2/4"), "{}", wrong.stderr);
}

#[test]
#[cfg(target_os = "linux")]
fn programs_of_answers_are_run_in_a_sandbox_and_none_only_where_it_is_asked_for() {
    let bench = Bench::new();
    bench.functions();
    // A model that answers right once, breaks the second function, and does not stop in the third.
    let server = Server::start(|n, _| {
        let body = ["    return n + 0\n", "    return n\n", "    while True: pass\n"][n % 3];
        Act::Say(format!("Here it is:\n```python\n{body}```\nThat is all."))
    });
    bench.write("target.toml", &format!("base = \"{}\"\nmodel = \"x\"\nmax_concurrency = 1\n", server.base));
    // The head ends behind its docstring, so what is found has to keep its blanks.
    bench.write(
        "ours.toml",
        "task = \"ours\"\nprotocol = \"own\"\nabout = \"functions\"\n[data]\nfiles = \"functions.jsonl\"\nid = \"{{ task_id }}\"\n\
         [prompt]\nform = \"chat\"\nquestion = \"Complete:\\n{{ prompt }}\"\n[gold]\ntext = \"{{ entry_point }}\"\n\
         [ask]\nkind = \"generate\"\ngen_length = 64\n[[metric]]\nname = \"pass@1\"\nscore = \"program\"\n\
         extract = [{ regex = '(?s)```\\w*\\n(.*?)```' }]\nprogram = \"{{ prompt }}{{ extracted }}\"\n\
         check = \"{{ test }}\\ncheck({{ entry_point }})\"\n",
    );
    let line = "utility {d}/ours.toml --target-config {d}/target.toml --data {d}/functions.jsonl --batch-size 1";
    let run = bench.run(&format!("{line} --out {{d}}/run --sandbox landlock --program-seconds 2")).ok();
    let verdicts: Vec<String> =
        bench.samples("run").iter().map(|sample| sample["scores"][0]["verdict"].as_str().unwrap().to_owned()).collect();
    assert_eq!(verdicts[0], "passed");
    assert!(verdicts[1].starts_with("failed: AssertionError"), "{verdicts:?}");
    assert_eq!(verdicts[2], "timed out");
    assert!(run.stdout.contains("33"), "{}", run.stdout);
    let manifest = fs::read_to_string(bench.path("run/manifest.json")).unwrap();
    assert!(manifest.contains("\"backend\": \"landlock\""), "{manifest}");
    let none = bench.run(&format!("{line} --out {{d}}/none --sandbox none --limit 1")).ok();
    assert!(none.stderr.contains("--sandbox none"), "{}", none.stderr);
}

#[test]
#[cfg(target_os = "linux")]
fn answers_that_were_given_before_are_scored_without_a_model() {
    let bench = Bench::new();
    bench.functions();
    let solution = |i: usize, wrong: usize| {
        json!({"task_id": format!("Ours/{i}"), "completion": format!("    return n + {}\n", i + wrong)}).to_string()
            + "\n"
    };
    bench.write("right.jsonl", &(0..3).map(|i| solution(i, 0)).collect::<String>());
    bench.write("broken.jsonl", &(0..2).map(|i| solution(i, 1)).collect::<String>());
    let line = "utility humaneval --protocol lm-eval --data {d}/functions.jsonl --sandbox landlock --quiet";
    bench.run(&format!("{line} --answers {{d}}/right.jsonl --out {{d}}/right")).ok();
    let run = bench.run(&format!("{line} --answers {{d}}/broken.jsonl --out {{d}}/broken")).ok();
    assert!(run.stdout.contains("has none to it"), "{}", run.stdout);
    let correct = |run: &str| -> Vec<Value> {
        bench.samples(run).iter().map(|sample| sample["scores"][0]["correct"].clone()).collect()
    };
    assert_eq!(correct("right"), [true, true, true]);
    assert_eq!(correct("broken"), [json!(false), json!(false), Value::Null]);
    // The samples of a run are answers as well.
    bench.run(&format!("{line} --answers {{d}}/right/samples.jsonl --out {{d}}/again")).ok();
    assert_eq!(bench.bytes("again"), bench.bytes("right"));
    bench.write("other.jsonl", "{\"task_id\": \"x\", \"completion\": \"y\"}\n");
    let run = bench.run(&format!("{line} --answers {{d}}/other.jsonl --out {{d}}/other"));
    assert!(run.code == 2 && run.stderr.contains("Ours/0") && run.stderr.contains("other.jsonl"), "{}", run.stderr);
}

#[test]
fn an_endpoint_is_measured_in_turns_and_what_it_did_not_say_is_unassessed_until_it_is_asked_again() {
    let bench = Bench::new();
    bench.sums(4);
    let server = Server::start(|n, body| {
        let asked = body["messages"].as_array().and_then(|all| all.last()?["content"].as_str().map(str::to_owned));
        let number: u64 = asked.unwrap_or_default().split(' ').find_map(|word| word.parse().ok()).unwrap_or(0);
        match n {
            1 => Act::Body(json!({"choices": [{"message": {"content": ""}, "finish_reason": "length"}]}).to_string()),
            _ => Act::Say(format!("{number} and 2 make {}.", number + 2)),
        }
    });
    bench.write("target.toml", &format!("base = \"{}\"\nmodel = \"x\"\nmax_concurrency = 1\n", server.base));
    let line =
        "utility gsm8k --shots 0 --target-config {d}/target.toml --data {d}/sums --out {d}/run --batch-size 1 --quiet";
    let table = bench.run(line).ok().stdout;
    assert!(table.contains("unassessed") && table.contains("length limit"), "{table}");
    let open = |samples: &[Value]| samples.iter().filter(|s| s["scores"][0]["correct"].is_null()).count();
    let right = |samples: &[Value]| samples.iter().filter(|s| s["scores"][0]["correct"] == true).count();
    let samples = bench.samples("run");
    assert_eq!((open(&samples), right(&samples)), (1, 3));
    bench.run(&format!("{line} --retry")).ok();
    let samples = bench.samples("run");
    assert_eq!((samples.len(), open(&samples), right(&samples)), (4, 0, 4));
    let run = bench.run(&format!("{line} --protocol lm-eval").replace("/run", "/other"));
    assert!(run.code == 2 && run.stderr.contains("--model"), "{}", run.stderr);
}

#[test]
fn what_cannot_be_asked_is_one_error_that_names_file_row_and_fix() {
    let bench = Bench::new();
    bench.sums(3);
    bench.choices();
    let refused = |text: &str, parts: &[&str]| {
        let run = bench.run(&format!("{text} --model {{m}} --out {{d}}/refused --quiet"));
        assert_eq!(run.code, 2, "{text}: {}", run.stderr);
        assert_eq!(run.stderr.trim().lines().count(), 1, "{text}: {}", run.stderr);
        for part in parts {
            assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
        }
        assert!(!bench.path("refused/samples.jsonl").exists(), "{text}");
    };
    bench.write("lacking/test.jsonl", "{\"question\": \"a\", \"answer\": \"#### 1\"}\n{\"question\": \"b\"}\n");
    bench.write("lacking/train.jsonl", "{\"question\": \"a\", \"answer\": \"#### 1\"}\n");
    refused("utility gsm8k --shots 0 --data {d}/lacking", &["test.jsonl", "line 2", "answer"]);
    bench.write("letters/test/law_test.csv", "q,one,two,three,four,A\nr,one,two,three,four,E\n");
    bench.write("letters/dev/law_dev.csv", "q,one,two,three,four,A\n");
    refused("utility mmlu --shots 0 --data {d}/letters", &["law_test.csv", "line 2", "E", "A"]);
    let task = fs::read_to_string(fixture("../assets/tasks/gsm8k-llada.toml")).unwrap();
    bench.write("groupless.toml", &task.replace("(-?\\d+\\.\\d+|-?\\d+)", "-?\\d+"));
    refused("utility {d}/groupless.toml --shots 0 --data {d}/sums", &["groupless.toml", "line", "group", "regex"]);
    refused(
        "utility gsm8k --protocol lm-eval --gen-length 32 --data {d}/sums",
        &["test.jsonl", "too long", "--shots", "256"],
    );
    refused("utility gsm9k --data {d}/sums", &["gsm9k", "gsm8k"]);
    refused("utility gsm8k --data {d}/nowhere", &["nowhere"]);
    // Flags that would count for nothing.
    let choose = "utility mmlu --protocol lm-eval --shots 0 --data {d}/choices";
    refused(&format!("{choose} --repeats 2"), &["--repeats 2", "the same"]);
    refused(&format!("{choose} --gen-length 8"), &["--gen-length", "remove it"]);
    bench.write("mine.toml", &task);
    refused("utility {d}/mine.toml --protocol lm-eval --shots 0 --data {d}/sums", &["mine.toml", "lm-eval", "llada"]);
    for (flag, part) in [("--data {d}/sums", "--data"), ("--groups x", "there are: "), ("--protocol x", "exact")] {
        refused(&format!("utility world {flag}"), &[part]);
    }
    bench.write("file", "");
    let run = bench.run("utility gsm8k --shots 0 --gen-length 8 --data {d}/sums --model {m} --out {d}/file --quiet");
    assert!(run.code == 2 && run.stderr.contains("is a file") && run.stderr.lines().count() == 1, "{}", run.stderr);
    let endpoint = "--endpoint http://127.0.0.1:1/v1 --target-model x --out {d}/refused --quiet";
    for (flag, part) in [("--steps 4", "--steps"), ("--adapter {a}", "--adapter")] {
        let run = bench.run(&format!("utility gsm8k --shots 0 --data {{d}}/sums {endpoint} {flag}"));
        assert!(run.code == 2 && run.stderr.contains(part), "{}", run.stderr);
    }
}

#[test]
fn a_record_of_what_is_not_asked_is_refused_and_not_counted() {
    let bench = Bench::new();
    bench.sums(2);
    let line =
        "utility gsm8k --shots 0 --gen-length 8 --block-length 8 --data {d}/sums --model {m} --out {d}/run --quiet";
    bench.run(line).ok();
    let own = String::from_utf8(bench.bytes("run")).unwrap();
    let stranger = own.lines().next().unwrap().replace("\"id\":\"0\"", "\"id\":\"77\"");
    assert_ne!(Some(stranger.as_str()), own.lines().next());
    bench.write("run/samples.jsonl", &format!("{own}{stranger}\n"));
    let run = bench.run(line);
    assert!(run.code == 2 && run.stderr.contains("samples.jsonl: the record of gsm8k/77"), "{}", run.stderr);
    bench.write("run/samples.jsonl", &own);
    bench.run(line).ok();
}

#[test]
fn an_item_that_an_endpoint_does_not_take_is_unassessed_even_where_it_is_asked_alone() {
    let bench = Bench::new();
    bench.sums(3);
    let server = Server::start(|_, body| {
        let asked = body["messages"].to_string();
        match asked.contains("What are 1 and 2?") {
            true => Act::Status(400, "", "too long"),
            false => Act::Say("It is 2.".into()),
        }
    });
    bench.write("target.toml", &format!("base = \"{}\"\nmodel = \"x\"\nmax_concurrency = 1\n", server.base));
    let line =
        "utility gsm8k --shots 0 --target-config {d}/target.toml --data {d}/sums --out {d}/run --batch-size 1 --quiet";
    let table = bench.run(line).ok().stdout;
    assert!(table.contains("unassessed: 1: no reply") && table.contains("400"), "{table}");
    bench.run(&format!("{line} --retry")).ok();
    let finishes: Vec<Value> = bench.samples("run").iter().map(|s| s["finish"].clone()).collect();
    assert_eq!(finishes.len(), 3);
    assert_eq!(finishes.iter().filter(|finish| *finish == "failed").count(), 1);
}

#[test]
fn the_world_s_own_tasks_go_through_the_same_verb_and_report() {
    let bench = Bench::new();
    let model = fixture("../assets/world/model");
    let run = line(
        "utility world --model {m} --sample 3 --groups recipe,facts --out {d}/run --quiet",
        &[("m", &model), ("d", bench.dir.path())],
    )
    .ok();
    assert!(run.stdout.contains("recipe") && run.stdout.contains("facts"), "{}", run.stdout);
    let samples = bench.samples("run");
    assert_eq!(samples.len(), 6);
    let right = samples.iter().filter(|s| s["scores"][0]["correct"] == true).count();
    assert!(right >= 4, "{right} of 6");
}

#[test]
fn the_built_in_tasks_are_listed_and_shown_as_files_that_can_be_run() {
    let bench = Bench::new();
    bench.sums(2);
    let list = bench.run("utility list").ok().stdout;
    for part in ["gsm8k", "mmlu", "humaneval", "xstest", "llada", "lm-eval", "world"] {
        assert!(list.contains(part), "{part}: {list}");
    }
    let shown = bench.run("utility show gsm8k --protocol llada").ok().stdout;
    bench.write("mine.toml", &shown);
    let tail = "--data {d}/sums --model {m} --shots 0 --gen-length 8 --block-length 8 --quiet";
    bench.run(&format!("utility {{d}}/mine.toml {tail} --out {{d}}/mine")).ok();
    bench.run(&format!("utility gsm8k {tail} --out {{d}}/built-in")).ok();
    assert_eq!(bench.bytes("mine"), bench.bytes("built-in"));
}

/// The records of a run, for whoever compares runs.
#[test]
fn two_runs_of_a_task_are_compared_pair_by_pair() {
    let bench = Bench::new();
    bench.sums(6);
    let line = "utility gsm8k --data {d}/sums --model {m} --shots 0 --gen-length 8 --block-length 8 --quiet";
    bench.run(&format!("{line} --out {{d}}/original --label original")).ok();
    bench.run(&format!("{line} --out {{d}}/adapted --label adapted --adapter {{a}}")).ok();
    bench.run("report {d}/original {d}/adapted --out {d}/page.html").ok();
    let page = fs::read_to_string(bench.path("page.html")).unwrap();
    for part in ["original", "adapted", "gsm8k", "McNemar"] {
        assert!(page.contains(part), "{part}");
    }
    let other = bench.run(&format!("{line} --out {{d}}/original --label original --limit 3"));
    assert!(other.code == 2 && other.stderr.contains("limit was null, is 3"), "{}", other.stderr);
}
