use crate::{command, fixture, line, mosa, press_ctrl_c, prompt_file, read_json};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

#[test]
fn answers_come_in_input_order_and_do_not_depend_on_the_batch_size() {
    let dir = tempfile::tempdir().unwrap();
    let (model, prompts) = (fixture("llada"), prompt_file(dir.path(), 7));
    let paths = [("m", model.as_path()), ("p", prompts.as_path())];
    for sampling in [
        "--block-length 8",
        "--temperature 0.7 --remasking random --seed 3",
        "--threshold 0.6 --cache dual --block-length 8",
    ] {
        let at = |size: usize| {
            line(
                &format!(
                    "generate --model {{m}} --prompts {{p}} --json --gen-length 24 --batch-size {size} {sampling}"
                ),
                &paths,
            )
            .ok()
        };
        let one = at(1);
        let ids: Vec<String> = one.json().iter().map(|r| r["id"].as_str().unwrap().to_owned()).collect();
        assert_eq!(ids, (0..7).map(|i| format!("q{i}")).collect::<Vec<_>>());
        assert_eq!(one.stdout, at(3).stdout, "{sampling}");
        assert_eq!(one.stdout, at(16).stdout, "{sampling}");
    }
}

#[test]
fn a_json_line_tells_what_was_answered_and_at_what_cost() {
    let run = line("generate --model {m} --prompt hello --gen-length 16 --json", &[("m", &fixture("llada"))]).ok();
    let record = &run.json()[0];
    assert_eq!(record["ids"].as_array().unwrap().len(), 16);
    assert_eq!(record["forwards"], 16);
    assert!(["stop", "length"].contains(&record["finish_reason"].as_str().unwrap()));
    assert!(record["text_full"].as_str().unwrap().starts_with(record["text"].as_str().unwrap()));
    let plain = line("generate --model {m} --prompt hello --gen-length 16", &[("m", &fixture("llada"))]).ok();
    assert_eq!(plain.stdout.trim_end_matches('\n'), record["text"].as_str().unwrap().trim_end_matches('\n'));
}

#[test]
fn the_golden_answers_come_out_of_the_command_line_too() {
    for (name, flags) in [("llada", "--block-length 19"), ("dream", "--alg maskgit_plus --temperature 0")] {
        let dir = tempfile::tempdir().unwrap();
        let golden = read_json(&fixture(name).join("golden.json"));
        let want = if name == "llada" { "full" } else { "maskgit_plus" };
        let trace = golden["traces"].as_array().unwrap().iter().find(|t| t["name"] == want).unwrap().clone();
        let file = dir.path().join("p.jsonl");
        std::fs::write(&file, serde_json::json!({"ids": trace["prompts"][0]}).to_string()).unwrap();
        let n = trace["args"]["gen_length"].as_u64().unwrap();
        let run = line(
            &format!("generate --model {{m}} --prompts {{p}} --json --gen-length {n} {flags}"),
            &[("m", &fixture(name)), ("p", &file)],
        )
        .ok();
        assert_eq!(run.json()[0]["ids"], trace["final"][0], "{name}");
        assert_eq!(run.json()[0]["text_full"], trace["final_text"][0]);
    }
}

#[test]
fn forced_words_stand_where_they_were_put_and_the_trace_tells_every_step() {
    let dir = tempfile::tempdir().unwrap();
    let (model, trace) = (fixture("llada"), dir.path().join("t.jsonl"));
    let args = [
        "generate",
        "--model",
        model.to_str().unwrap(),
        "--prompt",
        "hi",
        "--gen-length",
        "20",
        "--block-length",
        "10",
        "--json",
    ];
    let forced = ["--force", "5:First wash", "--force", "15:bowl", "--trace", trace.to_str().unwrap()];
    let record = mosa(&[args.as_slice(), &forced].concat()).ok().json().remove(0);
    let lines: Vec<Value> =
        std::fs::read_to_string(&trace).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let edits: Vec<&Value> = lines.iter().flat_map(|l| l["edits"].as_array().unwrap()).collect();
    let of = |cause: &str| {
        edits.iter().filter(|e| e["cause"] == cause).map(|e| e["offset"].as_u64().unwrap() as usize).collect::<Vec<_>>()
    };
    let forced = of("forced");
    assert!(forced.contains(&5) && forced.contains(&15));
    let mut all = [forced, of("committed")].concat();
    all.sort_unstable();
    assert_eq!(all, (0..20).collect::<Vec<_>>());
    assert!(edits.iter().all(|e| record["ids"][e["offset"].as_u64().unwrap() as usize] == e["token"]));
    assert!(
        edits
            .iter()
            .filter(|e| e["cause"] == "committed")
            .all(|e| (0.0..=1.0).contains(&e["confidence"].as_f64().unwrap()))
    );
    assert!(lines.iter().all(|l| l["id"] == "prompt" && l["full"] == true));
}

#[test]
fn stopping_at_the_end_leaves_the_text_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let (model, prompts) = (fixture("llada"), prompt_file(dir.path(), 12));
    let run = |flag: &str| {
        line(
            &format!("generate --model {{m}} --prompts {{p}} --json --gen-length 64 --block-length 8{flag}"),
            &[("m", &model), ("p", &prompts)],
        )
        .ok()
        .json()
    };
    let (full, short) = (run(""), run(" --eos-stop"));
    for (a, b) in full.iter().zip(&short) {
        assert_eq!((&a["text"], &a["finish_reason"]), (&b["text"], &b["finish_reason"]));
        assert!(b["forwards"].as_u64() <= a["forwards"].as_u64());
    }
}

#[test]
fn a_prompt_goes_through_the_chat_template_unless_it_is_raw() {
    let tokens = |flag: &str| {
        let run = line(
            &format!("generate --model {{m}} --prompt hello --gen-length 4 --json{flag}"),
            &[("m", &fixture("dream"))],
        )
        .ok();
        run.json()[0]["prompt_tokens"].as_u64().unwrap()
    };
    assert!(tokens("") > tokens(" --raw") + 10);
}

#[test]
fn an_adapter_changes_what_is_said() {
    let (model, adapter) = (fixture("llada"), fixture("llada").join("adapter"));
    let paths = [("m", model.as_path()), ("a", adapter.as_path())];
    let plain = line("generate --model {m} --prompt hello --gen-length 16 --json", &paths).ok();
    let adapted = line("generate --model {m} --adapter {a} --prompt hello --gen-length 16 --json", &paths).ok();
    assert_ne!(plain.json()[0]["ids"], adapted.json()[0]["ids"]);
}

#[test]
fn every_family_and_compute_type_answers() {
    for (name, flags) in [
        ("mmada", ""),
        ("dream", ""),
        ("dream", " --sampler blocks --block-length 4 --cache dual --threshold 0.5"),
        ("llada", " --dtype bf16"),
    ] {
        let run = line(
            &format!("generate --model {{m}} --prompt hello --gen-length 12 --json --threads 1{flags}"),
            &[("m", &fixture(name))],
        )
        .ok();
        assert_eq!(run.json()[0]["ids"].as_array().unwrap().len(), 12, "{name}{flags}");
    }
}

#[test]
fn csv_benchmarks_are_read_by_their_column_names() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("b.csv");
    std::fs::write(&file, "Behavior,BehaviorID\n\"stir, slowly\",stir_1\nwash,wash_2\n").unwrap();
    let run =
        line("generate --model {m} --prompts {p} --gen-length 4 --json", &[("m", &fixture("llada")), ("p", &file)])
            .ok();
    assert_eq!(
        run.json().iter().map(|r| r["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>(),
        ["stir_1", "wash_2"]
    );
    let plain = line(
        "generate --model {m} --prompts {p} --gen-length 4 --columns prompt=BehaviorID",
        &[("m", &fixture("llada")), ("p", &file)],
    )
    .ok();
    assert!(plain.stdout.contains("[stir_1]") && plain.stdout.contains("[wash_2]"));
}

#[test]
fn a_reader_that_goes_away_ends_the_job_quietly() {
    let dir = tempfile::tempdir().unwrap();
    let (model, prompts) = (fixture("llada"), prompt_file(dir.path(), 50));
    let args = [
        "generate",
        "--model",
        model.to_str().unwrap(),
        "--prompts",
        prompts.to_str().unwrap(),
        "--json",
        "--gen-length",
        "8",
        "--batch-size",
        "1",
    ];
    let mut child = command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(first.starts_with("{\"id\":\"q0\""));
    assert_eq!((output.status.code(), String::from_utf8(output.stderr).unwrap().as_str()), (Some(0), ""));
}

#[test]
fn ctrl_c_keeps_every_answer_that_was_complete() {
    let dir = tempfile::tempdir().unwrap();
    let (model, prompts) = (fixture("llada"), prompt_file(dir.path(), 400));
    let args = [
        "generate",
        "--model",
        model.to_str().unwrap(),
        "--prompts",
        prompts.to_str().unwrap(),
        "--json",
        "--gen-length",
        "48",
        "--batch-size",
        "2",
    ];
    let mut child = command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    out.read_line(&mut text).unwrap();
    press_ctrl_c(&child);
    out.read_to_string(&mut text).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let lines: Vec<&str> = text.lines().collect();
    assert!(!lines.is_empty() && lines.len() < 400);
    let first = prompt_file(dir.path(), lines.len());
    let whole = line("generate --model {m} --prompts {p} --json --gen-length 48", &[("m", &model), ("p", &first)]).ok();
    assert_eq!(whole.stdout, text);
}
