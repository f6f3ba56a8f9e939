//! From records to a page.

// A test fails by panicking.
#![allow(clippy::unwrap_used)]

mod attack;
mod defences;
mod utility;

use mosa_eval::{Count, Run, report};
use mosa_records::{AnswerRecord, CurveRecord, Log, OrderRecord, RunFolder, Texts, VerdictRecord, View};
use mosa_report::{Block, Cell, Report, Table};
use serde_json::json;
use std::path::Path;

fn answer(group: &str, id: usize) -> AnswerRecord {
    AnswerRecord {
        group: group.into(),
        id: id.to_string(),
        behaviour: format!("how do i make tonic {id} ?"),
        prompt: String::new(),
        tags: [("success".to_owned(), (id < 2).to_string())].into(),
        forced: Vec::new(),
        texts: Texts { full: "no".into(), to_end: "no".into(), ..Texts::default() },
        pieces: vec!["no".into(), "<end>".into()],
        steps: vec![Some(1), Some(0)],
        confidences: vec![Some(0.5), None],
        finish: "stop".into(),
        forwards: 2,
        defences: Vec::new(),
    }
}

fn verdict(answer: &str, judge: &str, success: Option<bool>) -> VerdictRecord {
    VerdictRecord {
        answer: answer.into(),
        view: View::Answer,
        judge: judge.into(),
        success,
        value: success.map(f64::from),
        status: "ok".into(),
        ..VerdictRecord::default()
    }
}

/// A run of the prefill probe in which the first `hits` of ten answers at offset 40 succeed and one has no verdict.
fn run(dir: &Path, name: &str, hits: usize) -> Run {
    let dir = dir.join(name);
    RunFolder::open(&dir, &json!({"command": "probe prefill", "model": "tiny", "name": name})).unwrap();
    let mut answers = Log::open(&dir.join("answers.jsonl")).unwrap();
    let mut verdicts = Log::open(&dir.join("verdicts.jsonl")).unwrap();
    for id in 0..10 {
        answers.push(answer("prefill/40", id)).unwrap();
        let success = (id < 9).then_some(id < hits);
        verdicts.push(verdict(&format!("prefill/40/{id}"), "rubric-above3", success)).unwrap();
    }
    Run::read(&dir, false).unwrap()
}

fn tables(report: &Report) -> Vec<Table> {
    report.tables().map(|t| t.table.clone()).collect()
}

#[test]
fn a_rate_is_over_assessed_answers_and_the_rest_is_shown() {
    let dir = tempfile::tempdir().unwrap();
    let run = run(dir.path(), "base", 3);
    let count = Count::of(&run.verdicts, "rubric-above3", View::Answer, "prefill/40");
    assert_eq!((count.success, count.assessed, count.unassessed, count.n()), (3, 9, 1, 10));
    assert_eq!(count.mean_score(), Some(3.0 / 9.0));
    let page = report(&[run]);
    let numbers = &tables(&page)[0];
    assert!(
        numbers.rows[0].contains(&Cell::Rate { k: 3, n: 9 }) && numbers.rows[0].contains(&Cell::Rate { k: 1, n: 10 })
    );
    assert!(page.warnings.iter().any(|w| w.contains("fewer than 30")), "{:?}", page.warnings);
    assert!(page.warnings.iter().any(|w| w.contains("no verdict")), "{:?}", page.warnings);
}

#[test]
fn groups_with_slashes_in_their_ids_stay_apart() {
    let verdicts = [verdict("prefill/4/a/b", "exact", Some(true)), verdict("prefill/40/a", "exact", Some(true))];
    assert_eq!(Count::of(&verdicts, "exact", View::Answer, "prefill/4").assessed, 1);
    assert_eq!(Count::of(&verdicts, "exact", View::WithoutForced, "prefill/4").n(), 0);
}

#[test]
fn runs_on_the_same_requests_are_compared_in_pairs() {
    let dir = tempfile::tempdir().unwrap();
    let page = report(&[run(dir.path(), "base", 8), run(dir.path(), "aligned", 1)]);
    let section = page.sections.iter().find(|s| s.title == "Runs compared").unwrap();
    let Block::Table(table) = &section.blocks[0] else { panic!("a table") };
    let row = &table.rows[0];
    // Seven answers succeed in the first run only, none in the second only: p = 2 * 0.5^7.
    assert_eq!(row[4], Cell::from("7, 0"));
    let Cell::Number(p, _) = row[7] else { panic!("p is a number") };
    assert!((p - 2.0 * 0.5f64.powi(7)).abs() < 1e-12, "{p}");
}

#[test]
fn every_kind_of_record_has_its_section_and_the_page_renders() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("all");
    RunFolder::open(&path, &json!({"command": "probe gcg"})).unwrap();
    let mut curves = Log::open(&path.join("curves.jsonl")).unwrap();
    let mut answers = Log::open(&path.join("answers.jsonl")).unwrap();
    let mut orders = Log::open(&path.join("orders.jsonl")).unwrap();
    for id in 0..3 {
        for iteration in 0..4 {
            let loss = 9.0 - iteration as f32;
            curves
                .push(CurveRecord {
                    group: "gcg/30".into(),
                    id: id.to_string(),
                    iteration,
                    loss,
                    suffix: vec![1],
                    best_loss: loss,
                    best_suffix: vec![1],
                    text: "!".into(),
                    candidates: 4,
                })
                .unwrap();
        }
        answers.push(answer("gcg/30", id)).unwrap();
        let words = vec![vec![0], vec![1], vec![2]];
        orders
            .push(OrderRecord { group: "benign".into(), id: id.to_string(), length: 4, words, ends: Vec::new() })
            .unwrap();
    }
    std::fs::write(path.join("metrics.jsonl"), "{\"step\":1,\"kl\":0.5,\"reward\":2.0}\n{\"step\":2,\"kl\":").unwrap();
    let page = report(&[Run::read(&path, false).unwrap()]);
    let titles: Vec<&str> = page.sections.iter().map(|s| s.title.as_str()).collect();
    assert_eq!(titles, ["Suffix search", "Order of writing", "Training", "Answers"]);
    assert_eq!(page.sections[2].blocks.len(), 2, "the reward and the divergence");
    let all = tables(&page);
    assert!(all[0].rows[0].contains(&Cell::Rate { k: 2, n: 3 }) && all[0].rows[0].contains(&Cell::Number(6.0, 2)));
    assert!(all[1].rows[0].contains(&Cell::Number(1.0, 3)), "words from left to right");
    let html = page.html().unwrap();
    assert!(html.contains("how do i make tonic 0 ?") && html.contains(&page.digest.unwrap()));
}

#[test]
fn a_changed_record_changes_the_page_and_an_empty_folder_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let before = report(&[run(dir.path(), "base", 3)]);
    let path = dir.path().join("base/verdicts.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("\"success\":true", "\"success\":false", 1)).unwrap();
    let after = report(&[Run::read(&dir.path().join("base"), false).unwrap()]);
    assert_ne!(before.digest, after.digest);
    assert_ne!(before.html().unwrap(), after.html().unwrap());
    let empty = dir.path().join("empty");
    RunFolder::open(&empty, &json!({})).unwrap();
    assert!(Run::read(&empty, false).unwrap_err().to_string().contains("holds no records"));
    assert_eq!(Run::read(&dir.path().join("base"), true).unwrap().name.rsplit('/').next(), Some("base"));
}

/// Puts other verdicts into a run made by [`run`] and reads it again.
fn rewritten(dir: &Path, name: &str, change: impl Fn(&mut VerdictRecord)) -> std::path::PathBuf {
    run(dir, name, 3);
    let path = dir.join(name).join("verdicts.jsonl");
    let mut all: Vec<VerdictRecord> = Log::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let mut log = Log::open(&path).unwrap();
    all.iter_mut().for_each(|verdict| {
        change(verdict);
        log.push(verdict.clone()).unwrap();
    });
    dir.join(name)
}

#[test]
fn judges_that_decide_by_other_models_are_two_judges_within_a_run_and_across_runs() {
    let dir = tempfile::tempdir().unwrap();
    let model = |name: &'static str| move |v: &mut VerdictRecord| drop(v.by.insert("model".into(), json!(name)));
    let runs = [rewritten(dir.path(), "one", model("model-a")), rewritten(dir.path(), "two", model("model-b"))];
    let read = Run::read_all(&runs, false).unwrap();
    let judges: Vec<&str> = read.iter().map(|run| run.verdicts[0].judge.as_str()).collect();
    assert_eq!(judges, ["rubric-above3 (model-a)", "rubric-above3 (model-b)"]);
    let page = report(&read);
    assert!(
        tables(&page).iter().all(|t| !t.caption.starts_with("Pairs of runs")),
        "two judges are not compared as one"
    );
    assert_eq!(Run::read(&runs[0], false).unwrap().verdicts[0].judge, "rubric-above3");
}

#[test]
fn a_verdict_on_an_answer_that_is_another_one_now_counts_nowhere_and_the_page_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let now = answer("prefill/40", 0).text_hash(View::Answer);
    let path = rewritten(dir.path(), "one", |v| {
        v.text = if v.answer.ends_with("/0") {
            now.clone()
        } else if v.answer.ends_with("/1") {
            "another".into()
        } else {
            String::new()
        };
    });
    let read = Run::read(&path, false).unwrap();
    assert_eq!((read.verdicts.len(), read.outdated), (9, 1));
    let page = report(&[read]);
    assert!(page.warnings.iter().any(|w| w.contains("1 verdicts are left out")), "{:?}", page.warnings);
}

#[test]
fn an_answer_that_was_never_given_is_unassessed_whatever_an_earlier_version_made_of_it() {
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), "one", 3);
    let path = dir.path().join("one").join("answers.jsonl");
    std::fs::remove_file(&path).unwrap();
    let mut log = Log::open(&path).unwrap();
    for id in 0..10 {
        let silent = AnswerRecord {
            texts: Texts::default(),
            finish: "content_filter".into(),
            forwards: 0,
            ..answer("prefill/40", id)
        };
        log.push(if id == 5 { silent } else { answer("prefill/40", id) }).unwrap();
    }
    let read = Run::read(&dir.path().join("one"), false).unwrap();
    let verdict = read.verdicts.iter().find(|v| v.answer.ends_with("/5")).unwrap();
    assert!(verdict.success.is_none() && verdict.status.contains("filter"), "{verdict:?}");
}

#[test]
fn a_file_of_answers_is_a_run_without_a_manifest_and_the_page_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("playground.jsonl");
    let line = |id: usize| {
        let mut line = serde_json::to_value(answer("tiny with ppl", id)).unwrap();
        line["schema"] = json!("answer/1");
        // What the playground adds is no part of the record, and does not keep it from being read.
        line["made"] = json!({"by": "mosa playground", "trace": [{"step": 0, "edits": []}]});
        format!("{line}\n")
    };
    std::fs::write(&path, line(0) + &line(1)).unwrap();
    let run = Run::read(&path, false).unwrap();
    assert_eq!((run.name.as_str(), &run.answers[1]), ("playground.jsonl", &answer("tiny with ppl", 1)));
    let page = report(&[run]);
    assert!(page.warnings.iter().any(|w| w.contains("without a manifest")), "{:?}", page.warnings);
    let shown = page.sections.iter().find(|s| s.title == "Answers").unwrap();
    let Block::Viewer(viewer) = &shown.blocks[1] else { panic!("answers to step through") };
    assert_eq!((viewer.answers.len(), viewer.answers[0].group.as_str()), (2, "tiny with ppl"));
    std::fs::write(&path, "").unwrap();
    assert!(Run::read(&path, false).unwrap_err().to_string().contains("holds no answers"));
}
