//! What becomes of replies of endpoints: verdicts, answers, messages.

use crate::load::server::{Act, Server, completion};
use crate::{Run, command, line};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A folder with a behaviour and the settings of target and judge; the models are called `target` and `judge`.
struct Files {
    dir: tempfile::TempDir,
}

impl Files {
    fn new(server: &Server) -> Self {
        let files = Self { dir: tempfile::tempdir().unwrap() };
        let of = |model: &str| {
            format!(
                "base = \"{}\"\nmodel = \"{model}\"\nretries = 0\nbackoff_seconds = 20.0\nmax_wait_seconds = 60.0\n",
                server.base
            )
        };
        files.write("one.jsonl", "{\"id\": \"a\", \"prompt\": \"Say hello\"}\n");
        files.write("target.toml", &of("target"));
        files.write("judge.toml", &format!("[settings]\nparse_retries = 0\n[endpoint]\n{}", of("judge")));
        files
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn line(&self, text: &str) -> Run {
        let names =
            ["one.jsonl", "target.toml", "judge.toml", "helpers.toml", "recipe.toml", "run", "cache", "page.html"];
        let paths = names.map(|name| (name.split('.').next().unwrap(), self.path(name)));
        let paths: Vec<(&str, &Path)> = paths.iter().map(|(name, path)| (*name, path.as_path())).collect();
        line(text, &paths)
    }

    fn attack(&self, judge: &str) -> Run {
        self.line(&format!(
            "attack direct --target-config {{target}} --behaviors {{one}} --out {{run}} --quiet --judge {judge}"
        ))
    }

    fn judge(&self, more: &str) -> Run {
        self.line(&format!("judge {{run}} --judge rubric --judge-config {{judge}} --quiet{more}"))
    }

    fn records(&self, name: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.path("run").join(name)).unwrap();
        text.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
    }
}

/// A reply whose message and end are these.
fn reply(message: &Value, finish: &str) -> Act {
    Act::Body(json!({"choices": [{"message": message, "finish_reason": finish}]}).to_string())
}

fn is_judge(body: &Value) -> bool {
    body["model"].as_str() != Some("target")
}

fn judged_by(server: &Server) -> usize {
    server.seen().iter().filter(|s| is_judge(&s.body)).count()
}

#[test]
fn a_target_that_said_nothing_is_unassessed_and_the_table_says_why() {
    let silent = [
        (json!({"content": null, "reasoning_content": "hm"}), "length", "length limit"),
        (json!({"content": "", "reasoning": "hm"}), "stop", "nothing but reasoning"),
        (json!({"content": "<think>hm"}), "stop", "nothing but reasoning"),
        (json!({"content": null}), "content_filter", "filter"),
        (json!({"content": null}), "tool_calls", "tool_calls"),
    ];
    for (message, finish, why) in silent {
        let server = Server::start(move |_, _| reply(&message, finish));
        let files = Files::new(&server);
        let run = files.attack("keyword");
        assert!(run.code == 1 && run.stderr.contains("nothing was measured"), "{finish}: {}", run.stderr);
        assert!(!run.stdout.contains("0% (0/1)"), "{}", run.stdout);
        let row: Vec<&str> =
            run.stdout.lines().find(|l| l.starts_with("keyword")).unwrap().split_whitespace().collect();
        assert!(row[1] == "0" && row.contains(&"1"), "{}", run.stdout);
        let below = run.stdout.lines().find(|l| l.starts_with("unassessed")).unwrap();
        assert!(below.contains("said nothing") && below.contains(why), "{}", run.stdout);
        assert!(files.records("cases.jsonl")[0]["error"].as_str().unwrap().contains(why), "{finish}");
        assert_eq!(files.records("verdicts.jsonl")[0]["success"], Value::Null);
        files.line("report {run} --out {page}").ok();
        assert!(fs::read_to_string(files.path("page.html")).unwrap().contains(why));
    }
}

#[test]
fn an_empty_answer_that_the_model_ended_itself_and_a_refusal_are_answers() {
    let sorry = "I'm sorry, but I cannot help with that.";
    for message in [json!({"content": ""}), json!({"content": null, "refusal": sorry})] {
        let server = Server::start(move |_, _| reply(&message, "stop"));
        let run = Files::new(&server).attack("keyword").ok();
        assert!(run.stdout.contains("0% (0/1)"), "{}", run.stdout);
    }
    // What was said before the filter or the limit is an answer as well, and reasoning beside it is not.
    for finish in ["content_filter", "length", "stop"] {
        let server =
            Server::start(move |_, _| reply(&json!({"content": format!("<think>{sorry}</think>Hello there")}), finish));
        let files = Files::new(&server);
        assert!(files.attack("keyword").ok().stdout.contains("100% (1/1)"), "{finish}");
        assert_eq!(files.records("answers.jsonl")[0]["texts"]["to_end"], "Hello there");
    }
}

#[test]
fn failed_verdicts_are_asked_for_again_and_take_the_place_of_the_failed_ones() {
    let server = Server::start(|n, body| match n {
        _ if !is_judge(body) => Act::Say("Hello there".into()),
        1 => Act::Status(503, "", "away"),
        2 => reply(&json!({"content": "#score: 1 for a refusal, but"}), "length"),
        _ => Act::Say("#score: 4".into()),
    });
    let files = Files::new(&server);
    files.attack("keyword").ok();
    for why in ["HTTP 503", "length limit"] {
        let run = files.judge("");
        assert!(
            run.code == 1 && run.stderr.contains("1 of 1 answers have no verdict of rubric-above3"),
            "{}",
            run.stderr
        );
        assert!(
            run.stderr.contains(why) && run.stdout.contains("unassessed (rubric-above3"),
            "{}{}",
            run.stderr,
            run.stdout
        );
        assert_eq!(files.records("verdicts.jsonl")[1]["success"], Value::Null);
    }
    assert!(files.judge("").ok().stdout.contains("100% (1/1)"));
    assert_eq!(files.records("verdicts.jsonl").len(), 2);
    files.judge("").ok();
    assert_eq!(judged_by(&server), 3, "a verdict that is there is not asked for");
}

#[test]
fn another_model_temperature_or_answer_is_another_verdict() {
    let server = Server::start(|_, body| match body["model"].as_str() {
        Some("target") => Act::Say("Hello there".into()),
        Some("strict") => Act::Say("#score: 1".into()),
        _ => Act::Say("#score: 5".into()),
    });
    let files = Files::new(&server);
    files.attack("keyword").ok();
    files.judge("").ok();
    let both = files.judge(" --judge-model strict").ok().stdout;
    let row =
        |name: &str| both.lines().find(|l| l.starts_with(name)).unwrap_or_else(|| panic!("{name}: {both}")).to_owned();
    assert!(row("rubric-above3 (judge)").contains("100% (1/1)") && row("rubric-above3 (strict)").contains("0% (0/1)"));
    files.line("report {run} --out {page}").ok();
    let page = fs::read_to_string(files.path("page.html")).unwrap();
    assert!(page.contains("rubric-above3 (judge)") && page.contains("rubric-above3 (strict)"));
    let settings = fs::read_to_string(files.path("judge.toml")).unwrap();
    files.write("judge.toml", &settings.replace("parse_retries = 0", "parse_retries = 0\ntemperature = 0.5"));
    let warm = files.judge("").ok().stdout;
    assert!(warm.contains("rubric-above3 (judge, temperature 0.5)"), "{warm}");
    files.write("judge.toml", &settings);
    files.judge("").ok();
    assert_eq!(judged_by(&server), 3);
    // An answer that is another one now is judged anew; its old verdict counts nowhere.
    let answers = files.path("run").join("answers.jsonl");
    fs::write(&answers, fs::read_to_string(&answers).unwrap().replace("Hello there", "Hello you")).unwrap();
    let run = files.judge("").ok();
    assert_eq!(judged_by(&server), 4);
    // One row of verdicts, and one of what the answers are.
    for table in run.stdout.split("\n\n") {
        assert!(table.starts_with("judge") && table.lines().count() == 2, "{}", run.stdout);
    }
}

#[test]
fn verdicts_of_an_earlier_version_are_kept_where_model_and_template_are_the_same() {
    let server = Server::start(|_, body| Act::Say(if is_judge(body) { "#score: 4" } else { "Hello there" }.into()));
    let files = Files::new(&server);
    files.attack("keyword").ok();
    files.judge("").ok();
    let path = files.path("run").join("verdicts.jsonl");
    let earlier = |model: &str| {
        let strip = |mut verdict: Value| {
            let map = verdict.as_object_mut().unwrap();
            map.remove("by");
            map.remove("text");
            if verdict["detail"]["model"] == "judge" {
                verdict["detail"]["model"] = json!(model);
            }
            format!("{verdict}\n")
        };
        fs::write(&path, files.records("verdicts.jsonl").into_iter().map(strip).collect::<String>()).unwrap();
    };
    earlier("judge");
    assert!(files.judge("").ok().stdout.contains("100% (1/1)"));
    assert_eq!(judged_by(&server), 1);
    earlier("another");
    assert!(files.judge("").ok().stdout.contains("rubric-above3 (another)"));
    assert_eq!(judged_by(&server), 2);
}

#[test]
fn a_judge_cache_stays_out_of_files_that_are_not_its_own() {
    let server = Server::start(|_, body| Act::Say(if is_judge(body) { "#score: 4" } else { "Hello there" }.into()));
    let files = Files::new(&server);
    files.attack("keyword").ok();
    let verdicts = fs::read(files.path("run").join("verdicts.jsonl")).unwrap();
    let run = files.judge(" --judge-cache {run}");
    assert!(run.code == 2 && run.stderr.contains("a folder of its own"), "{}", run.stderr);
    assert_eq!(fs::read(files.path("run").join("verdicts.jsonl")).unwrap(), verdicts);
    files.judge(" --judge-cache {cache}").ok();
}

#[test]
fn what_a_provider_rejects_is_named_with_the_setting_that_leaves_it_out() {
    let server = Server::start(|_, body| match (body.get("seed"), is_judge(body)) {
        (Some(_), false) => Act::Status(400, "", r#"{"error": {"message": "seed is not supported", "param": "seed"}}"#),
        (_, true) if body["messages"][0]["role"] == "system" => {
            Act::Status(400, "", r#"{"error": {"message": "System role not supported"}}"#)
        }
        (_, true) => Act::Say("#score: 4".into()),
        _ => Act::Say("Hello there".into()),
    });
    let files = Files::new(&server);
    let run = files.attack("keyword");
    assert!(run.code == 1 && run.stderr.contains("omit = [\"seed\"]"), "{}", run.stderr);
    fs::remove_dir_all(files.path("run")).unwrap();
    let more = |name: &str, text: &str| files.write(name, &(fs::read_to_string(files.path(name)).unwrap() + text));
    more("target.toml", "omit = [\"seed\"]\n");
    files.attack("keyword").ok();
    assert!(
        crate::read_json(&files.path("run").join("manifest.json"))["sampler"]
            .as_str()
            .unwrap()
            .contains("without seed")
    );
    let run = files.judge("");
    assert!(run.code == 1 && run.stderr.contains("system_role = \"merge\""), "{}", run.stderr);
    more("judge.toml", "system_role = \"merge\"\n");
    files.judge("").ok();
}

#[test]
fn a_setting_that_cannot_be_used_is_named_with_its_file_and_line_and_no_secret() {
    let server = Server::saying("Hello there");
    let files = Files::new(&server);
    files.attack("keyword").ok();
    let tap = "attack tap --target-config {target} --helpers {helpers} --behaviors {one} --out {cache} --quiet";
    let align = "align --model {one} --data {one} --config {recipe} --out {cache} --quiet";
    let judge = "judge {run} --judge rubric --judge-config {judge} --quiet";
    let plain = "attack direct --target-config {target} --behaviors {one} --out {cache} --quiet";
    let secret = "base = \"http://127.0.0.1:9/v1?key=sk-secret\"\n";
    let helper = "[[helper]]\nroles = \"a\"\n[helper.endpoint]\nmodel = \"x\"\nbase = \"http://127.0.0.1:9/v1\"\n";
    let known = [
        ("target.toml", format!("model = \"x\"\n{secret}"), plain, "line 2: endpoint setting base has a query"),
        ("target.toml", secret.replace("\"\n", "\n"), plain, "line 1"),
        (
            "target.toml",
            format!("{secret}modle = \"x\"\n"),
            plain,
            "line 2: not the settings of an endpoint: unknown field",
        ),
        (
            "judge.toml",
            "[settings]\n\nrubric_above = 9\n[endpoint]\nmodel = \"x\"\nbase = \"http://127.0.0.1:9\"\n".into(),
            judge,
            "line 3: judge setting rubric_above",
        ),
        (
            "judge.toml",
            format!("[settings]\ntemperature = 0.0\n[endpoint]\nmodel = \"x\"\n{secret}"),
            judge,
            "line 5: endpoint setting base",
        ),
        (
            "helpers.toml",
            format!("{helper}{}{secret}", helper.split("base").next().unwrap()),
            tap,
            "line 10: endpoint setting base",
        ),
        ("helpers.toml", helper.replace("model", "modle"), tap, "line 4: not a file of helpers: unknown field"),
        ("recipe.toml", "seed = 1\nlr = -1.0\n".into(), align, "line 2: `lr`"),
        (
            "recipe.toml",
            "seed = 1\nlearning_rat = 1.0\n".into(),
            align,
            "line 2: not alignment settings: unknown field",
        ),
        ("recipe.toml", "seed = 1\nseed\n".into(), align, "line 2"),
    ];
    for (name, text, typed, wanted) in known {
        let kept = fs::read(files.path(name)).unwrap_or_default();
        files.write(name, &text);
        let run = files.line(typed);
        let wanted = format!("{name}, {wanted}");
        assert!(run.code == 2 && run.stderr.contains(&wanted), "{wanted}: {} {}", run.code, run.stderr);
        assert!(!run.stderr.contains("sk-secret") && !files.path("cache").exists(), "{}", run.stderr);
        fs::write(files.path(name), kept).unwrap();
    }
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_every_wait_on_an_endpoint_within_a_second() {
    type Wait = (&'static str, fn() -> Act, bool);
    let waits: [Wait; 4] = [
        ("slow target", || Act::Wait(Duration::from_secs(20)), false),
        ("busy target", || Act::Status(503, "", ""), false),
        ("slow judge", || Act::Wait(Duration::from_secs(20)), true),
        ("judge that asks to wait", || Act::Status(429, "retry-after: 30\r\n", ""), true),
    ];
    for (what, act, judge) in waits {
        let server =
            Server::start(move |_, body| if is_judge(body) == judge { act() } else { Act::Body(completion("Hello")) });
        let files = Files::new(&server);
        for name in ["target.toml", "judge.toml"] {
            let text = fs::read_to_string(files.path(name)).unwrap();
            files.write(name, &text.replace("retries = 0\nbackoff", "retries = 5\nbackoff"));
        }
        let typed =
            "attack direct --target-config {t} --behaviors {b} --out {o} --quiet --judge rubric --judge-config {j}";
        let path = |word: &str| match word {
            "{t}" => files.path("target.toml").display().to_string(),
            "{b}" => files.path("one.jsonl").display().to_string(),
            "{o}" => files.path("run").display().to_string(),
            "{j}" => files.path("judge.toml").display().to_string(),
            word => word.to_owned(),
        };
        let mut child = command(&typed.split(' ').map(path).collect::<Vec<_>>()).spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        let waiting = || server.seen().iter().any(|s| is_judge(&s.body) == judge);
        while !waiting() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        std::thread::sleep(Duration::from_millis(300));
        // SAFETY: a signal to a process this test has started and not waited for.
        #[allow(unsafe_code)]
        unsafe {
            libc::kill(child.id() as i32, libc::SIGINT);
        }
        let asked = Instant::now();
        let status = child.wait().unwrap();
        assert_eq!(status.code(), Some(130), "{what}");
        assert!(asked.elapsed() < Duration::from_secs(2), "{what}: {:?}", asked.elapsed());
        if judge {
            assert_eq!(files.records("verdicts.jsonl").len(), 0, "{what}");
        }
    }
}
