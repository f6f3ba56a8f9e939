//! From answers to a task to their sections.

use crate::tables;
use mosa_attack::{CaseRecord, Reason, Used};
use mosa_eval::utility::{compared, exams, plain, plain_comparison};
use mosa_eval::{FILES, Run, report};
use mosa_records::{Log, RunFolder, SampleRecord, SampleScore, VerdictRecord, View};
use mosa_report::{Block, Cell, FigureKind, Report, Table};
use serde_json::{Value, json};

fn score(metric: &str, correct: Option<bool>) -> SampleScore {
    let verdict = match correct {
        Some(true) => "right",
        Some(false) => "wrong",
        None => "sandbox error",
    };
    SampleScore { metric: metric.into(), extracted: Some("4".into()), verdict: verdict.into(), correct }
}

fn sample(index: usize, correct: Option<bool>) -> SampleRecord {
    SampleRecord {
        task: "gsm8k".into(),
        protocol: "p".into(),
        id: format!("gsm8k/{index}"),
        attempt: 0,
        index,
        group: None,
        prompt: json!(format!("How many are {index}?")),
        prefix: String::new(),
        gold: "4".into(),
        answer: "It is 4.".into(),
        choices: Vec::new(),
        scores: vec![score("strict", correct)],
        finish: "stop".into(),
        forwards: 10,
        defences: Vec::new(),
    }
}

/// The first `right` of `n` items are right.
fn answers(right: usize, n: usize) -> Vec<SampleRecord> {
    (0..n).map(|i| sample(i, Some(i < right))).collect()
}

fn run(label: &str, samples: Vec<SampleRecord>) -> Run {
    let adapter = (label != "original").then_some("aa");
    let manifest = json!({
        "command": "utility", "label": label, "task": "gsm8k", "protocol": "llada", "metrics": ["strict"],
        "hashes": {"adapter": adapter}
    });
    Run { name: format!("{label}-gsm8k"), manifest, samples, digest: label.into(), ..Run::default() }
}

fn shard(label: &str, shard: &str, samples: Vec<SampleRecord>) -> Run {
    let mut run = run(label, samples);
    run.manifest["shard"] = json!(shard);
    run.manifest["mosa"] = json!(format!("version of {shard}"));
    run.manifest["device"] = json!({"kind": "cuda", "number": shard.len(), "card": shard});
    run.name = format!("{label}-gsm8k-{}", shard.replace('/', "of"));
    run
}

fn captioned(page: &Report, start: &str) -> Table {
    tables(page).into_iter().find(|t| t.caption.starts_with(start)).unwrap_or_else(|| panic!("no table `{start}`"))
}

fn cell(table: &Table, row: usize, column: &str) -> Cell {
    let at = table.header.iter().position(|h| h == column).unwrap_or_else(|| panic!("no column `{column}`"));
    table.rows[row][at].clone()
}

/// The share and the cases of a cell.
fn share(cell: &Cell) -> (f64, usize) {
    let Cell::Share { value, n, .. } = cell else { panic!("{cell:?} is no share") };
    ((value * 1e6).round() / 1e6, *n)
}

#[test]
fn the_view_of_table_3_has_a_row_per_model_and_a_column_per_task() {
    let mut other = run("MOSA", answers(30, 40));
    other.samples.iter_mut().for_each(|s| s.task = "mmlu".into());
    let page = report(&[run("original", answers(80, 100)), run("MOSA", answers(70, 100)), other]);
    let scores = captioned(&page, "Right answers by the metric that counts");
    assert_eq!(scores.header, ["model", "gsm8k (llada)", "mmlu (llada)"]);
    assert_eq!((&scores.rows[0][0], &scores.rows[1][0]), (&Cell::from("original"), &Cell::from("MOSA")));
    let shares: Vec<(f64, usize)> = [&scores.rows[0][1], &scores.rows[1][1], &scores.rows[1][2]].map(share).into();
    assert_eq!(shares, [(0.8, 100), (0.7, 100), (0.75, 40)]);
    let Cell::Share { n: 0, .. } = scores.rows[0][2] else { panic!("the original has no second task") };
    let Cell::Share { interval: Some(ends), .. } = scores.rows[0][1] else { panic!("an interval") };
    assert_eq!(ends, mosa_core::wilson(80, 100));
    let paper = captioned(&page, "For comparison");
    assert_eq!(paper.rows[2], [Cell::from("MOSA"), Cell::Number(68.3, 1), Cell::Number(65.9, 1)]);
    let html = page.html().unwrap();
    assert!(html.contains("80.0%, 71.1-86.7 (n = 100)") && !html.contains("<script"));
}

#[test]
fn the_papers_numbers_stand_only_beside_its_own_tasks() {
    let mut own = run("original", answers(8, 10));
    own.samples.iter_mut().for_each(|s| s.task = "riddles".into());
    assert!(tables(&report(&[own])).iter().all(|t| !t.caption.starts_with("For comparison")));
}

#[test]
fn unassessed_answers_are_in_no_rate_and_too_many_leave_no_headline() {
    let mut samples = answers(6, 40);
    samples[39] = sample(39, None);
    let page = report(&[run("original", samples.clone())]);
    assert_eq!(share(&captioned(&page, "Right answers by").rows[0][1]), (round(6.0 / 39.0), 39));
    assert_eq!(cell(&captioned(&page, "What models can do"), 0, "unassessed"), Cell::Number(1.0, 0));
    assert_eq!(captioned(&page, "Answers that are unassessed").rows[0][3], Cell::from("sandbox error"));
    (30..39).for_each(|i| samples[i] = sample(i, None));
    let page = report(&[run("original", samples)]);
    assert_eq!(captioned(&page, "Right answers by").rows[0][1], Cell::from("no headline: 10 of 40 unassessed"));
    assert!(page.warnings.iter().any(|w| w.contains("10 of 40 cases")), "{:?}", page.warnings);
}

fn round(x: f64) -> f64 {
    (x * 1e6).round() / 1e6
}

#[test]
fn shards_of_one_run_are_one_exam_and_missing_ones_are_said() {
    let all = answers(30, 40);
    let part = |from: usize| all[from..from + 10].to_vec();
    let runs = [shard("MOSA", "1/4", part(0)), shard("MOSA", "2/4", part(10)), shard("initial", "3/4", part(20))];
    let runs: Vec<&Run> = runs.iter().collect();
    let found = exams(&runs);
    let named: Vec<(&str, usize)> = found.iter().map(|e| (e.model.as_str(), e.samples.len())).collect();
    assert_eq!(named, [("MOSA", 20), ("initial", 10)]);
    assert_eq!(found[0].notes.len(), 1);
    assert!(found[0].notes[0].contains("shards 1/4, 2/4 are here, 3/4, 4/4 are not"), "{:?}", found[0].notes);
    let whole: Vec<Run> = (0..4).map(|i| shard("MOSA", &format!("{}/4", i + 1), part(10 * i))).collect();
    let whole: Vec<&Run> = whole.iter().rev().collect();
    let found = exams(&whole);
    assert!(found.len() == 1 && found[0].notes.is_empty(), "{:?}", found[0].notes);
    let order: Vec<usize> = found[0].samples.iter().map(|s| s.index).collect();
    assert_eq!(order, (0..40).collect::<Vec<_>>(), "in the order of the items");
}

#[test]
fn shards_of_other_settings_or_of_another_split_are_not_put_together() {
    let mut longer = shard("MOSA", "2/2", answers(5, 10));
    longer.manifest["sampler"] = json!({"gen_length": 512});
    let third = shard("MOSA", "2/3", answers(5, 10));
    let runs = [shard("MOSA", "1/2", answers(5, 10)), longer, third];
    let found: Vec<String> = exams(&runs.iter().collect::<Vec<_>>()).into_iter().map(|e| e.model).collect();
    assert_eq!(found, ["MOSA", "MOSA #2", "MOSA #3"]);
}

#[test]
fn an_item_with_two_answers_is_named_and_counted_once() {
    let runs = [shard("MOSA", "1/2", answers(5, 10)), shard("MOSA", "2/2", answers(6, 12))];
    let runs: Vec<&Run> = runs.iter().collect();
    let found = exams(&runs);
    assert_eq!((found[0].samples.len(), found[0].score("strict").right), (12, 5));
    assert_eq!(found[0].notes.len(), 1, "{:?}", found[0].notes);
    assert!(found[0].notes[0].starts_with("MOSA: gsm8k/gsm8k/5 have other answers"), "{:?}", found[0].notes);
}

#[test]
fn a_run_that_was_stopped_says_how_many_items_it_lacks() {
    let mut stopped = run("MOSA", answers(5, 10));
    stopped.manifest["items"] = json!(1319);
    let page = report(&[stopped]);
    assert!(page.warnings.iter().any(|w| w.contains("10 of 1319 items have an answer")), "{:?}", page.warnings);
}

#[test]
fn several_attempts_give_pass_at_k_over_items() {
    let attempts = |i: usize, right: usize| {
        (0..4).map(move |a| SampleRecord { attempt: a, ..sample(i, Some(a < right)) }).collect::<Vec<_>>()
    };
    let samples: Vec<SampleRecord> = (0..40).flat_map(|i| attempts(i, i % 3)).collect();
    let page = report(&[run("original", samples)]);
    let passes = captioned(&page, "pass@k");
    let ks: Vec<&Cell> = passes.rows.iter().map(|row| &row[2]).collect();
    assert_eq!(ks, [&Cell::Number(1.0, 0), &Cell::Number(2.0, 0), &Cell::Number(4.0, 0)]);
    // Of 40 items 14 have no, 13 one and 13 two right answers of four.
    let exact = [13.0 * 0.25 + 13.0 * 0.5, 13.0 * 0.5 + 13.0 * (1.0 - 1.0 / 6.0), 26.0].map(|sum| round(sum / 40.0));
    assert_eq!(passes.rows.iter().map(|row| share(&row[3])).collect::<Vec<_>>(), exact.map(|p| (p, 40)));
    assert_eq!(share(&captioned(&page, "Right answers by").rows[0][1]), (exact[0], 40));
    assert!(
        tables(&report(&[run("original", answers(3, 9))])).iter().all(|t| !t.caption.starts_with("pass@k")),
        "one answer an item"
    );
}

#[test]
fn groups_are_counted_apart_and_their_mean_is_that_of_their_rates() {
    let mut samples = answers(10, 40);
    samples.iter_mut().for_each(|s| s.group = Some(if s.index < 10 { "law" } else { "art" }.into()));
    let page = report(&[run("original", samples)]);
    let groups = captioned(&page, "gsm8k (llada) by group");
    let rows: Vec<(&Cell, (f64, usize))> = groups.rows.iter().map(|row| (&row[0], share(&row[1]))).collect();
    let named = ["law", "art", "mean of the groups"].map(Cell::from);
    assert_eq!(rows, [(&named[0], (1.0, 10)), (&named[1], (0.0, 30)), (&named[2], (0.5, 2))]);
}

#[test]
fn models_are_paired_on_the_same_items_and_the_verdict_follows_from_the_interval() {
    let half = |label: &str, wrong: &[usize]| {
        run(label, (0..1000).map(|i| sample(i, Some(i < 700 && !wrong.contains(&i)))).collect())
    };
    let runs = [half("MOSA", &[1, 2, 3]), half("original", &[1]), half("broken", &(0..100).collect::<Vec<_>>())];
    let runs: Vec<&Run> = runs.iter().collect();
    let (pairs, rest) = compared(&exams(&runs));
    assert!(rest.is_empty());
    let named: Vec<[&str; 2]> = pairs.iter().map(|p| [p.model.as_str(), p.against.as_str()]).collect();
    assert_eq!(named, [["MOSA", "original"], ["broken", "MOSA"], ["broken", "original"]], "the baseline stands second");
    let table = pairs[0].outcomes.unwrap();
    assert_eq!((table.first, table.second, pairs[0].n), (0, 2, 1000));
    assert!((pairs[0].p() - 0.5).abs() < 1e-12);
    assert_eq!(pairs[0].interval, table.newcombe().unwrap());
    assert!(pairs[0].verdict().starts_with("kept within 0."), "{}", pairs[0].verdict());
    assert!(pairs[2].verdict().starts_with("worse, by 8."), "{}", pairs[2].verdict());
}

#[test]
fn too_few_items_leave_it_undecided_whatever_the_difference() {
    let pairs = |a: usize, b: usize| {
        let runs = [run("original", answers(a, 40)), run("MOSA", answers(b, 40))];
        let (pairs, _) = compared(&exams(&runs.iter().collect::<Vec<_>>()));
        pairs[0].verdict()
    };
    let verdict = pairs(20, 19);
    assert!(verdict.starts_with("undecided: a loss of up to "), "{verdict}");
    assert!(verdict.contains("40 items"), "{verdict}");
    assert!(pairs(20, 20).starts_with("undecided"), "equal answers of few items show little");
}

#[test]
fn several_attempts_are_paired_item_by_item_without_a_test_of_single_answers() {
    let twice = |label: &str, right: usize| {
        let all = (0..50).flat_map(|i| [0, 1].map(|a| SampleRecord { attempt: a, ..sample(i, Some(i + a < right)) }));
        run(label, all.collect())
    };
    let runs = [twice("original", 40), twice("MOSA", 30)];
    let (pairs, _) = compared(&exams(&runs.iter().collect::<Vec<_>>()));
    assert!(pairs[0].outcomes.is_none() && pairs[0].p().is_nan());
    assert!((pairs[0].difference + 0.2).abs() < 1e-12 && pairs[0].interval.1 < 0.0, "{:?}", pairs[0]);
}

#[test]
fn what_was_not_asked_alike_is_never_paired_and_the_page_says_why() {
    let mut protocol = run("other protocol", answers(5, 40));
    protocol.manifest["protocol"] = json!("lm-eval");
    let mut prompts = run("other prompt", answers(5, 40));
    prompts.samples[7].prompt = json!("Solve it.");
    let runs = [run("original", answers(5, 40)), protocol, prompts, run("fewer", answers(5, 30))];
    let page = report(&runs);
    assert!(tables(&page).iter().all(|t| !t.caption.starts_with("Pairs of models on the same items")));
    let rest = captioned(&page, "Pairs of models that are not compared (6)");
    let why: Vec<&Cell> = rest.rows.iter().filter(|r| r[0].clone() != Cell::from("")).map(|row| &row[2]).collect();
    assert_eq!(why[0], &Cell::from("other protocols: lm-eval and llada"));
    assert_eq!(why[1], &Cell::from("other prompts or right answers at 1 of 40 items, `gsm8k/7` for one"));
    assert_eq!(why[2], &Cell::from("other items: 0 only of fewer, 10 only of original, 30 of both"));
}

/// An exam of conduct: how the first prompts of each half are met.
fn met(label: &str, safe: [&str; 4], contrast: [&str; 4]) -> Run {
    let half = |group: &'static str, verdicts: [&str; 4], first: usize| {
        let of = move |(i, verdict): (usize, &str)| {
            let correct = Some((verdict == "full compliance") == (group == "safe"));
            let score = SampleScore { metric: "conduct".into(), extracted: None, verdict: verdict.into(), correct };
            SampleRecord {
                task: "mine".into(),
                protocol: "p".into(),
                group: Some(group.into()),
                scores: vec![score],
                ..sample(first + i, None)
            }
        };
        verdicts.into_iter().enumerate().map(of).collect::<Vec<_>>()
    };
    let samples = [half("safe", safe, 0), half("contrast", contrast, 4)].concat();
    let mut run = run(label, samples);
    run.manifest["metrics"] = json!(["conduct"]);
    run
}

#[test]
fn any_task_with_verdicts_on_conduct_has_its_halves_apart_and_is_no_ability() {
    let (yes, part, no) = ("full compliance", "partial refusal", "full refusal");
    let runs = [met("original", [yes, yes, yes, part], [no, no, yes, no]), met("MOSA", [yes, no, no, part], [no; 4])];
    let page = report(&runs);
    assert!(page.sections.iter().all(|s| s.title != "What it can do"));
    let section = page.sections.iter().find(|s| s.title == "Over-refusal").unwrap();
    let Block::Figure(figure) = &section.blocks[0] else { panic!("bars") };
    let FigureKind::Stacks { groups, parts, counts, .. } = &figure.kind else { panic!("stacked") };
    assert_eq!(*groups, ["original, safe", "MOSA, safe", "original, contrast", "MOSA, contrast"]);
    assert_eq!(*parts, [yes, part, no]);
    assert_eq!(*counts, [vec![3, 1, 0], vec![1, 1, 2], vec![1, 0, 3], vec![0, 0, 4]]);
    let numbers = captioned(&page, "mine (llada): the numbers");
    assert_eq!(cell(&numbers, 1, "over-refusal"), Cell::Rate { k: 3, n: 4 });
    assert_eq!(cell(&numbers, 1, "refusal of unsafe"), Cell::Rate { k: 0, n: 0 });
    assert_eq!(cell(&numbers, 3, "refusal of unsafe"), Cell::Rate { k: 4, n: 4 });
    let tests = captioned(&page, "mine (llada): pairs of models");
    assert_eq!(tests.rows.len(), 2, "a row per half");
    assert_eq!(tests.rows[0][..4], [Cell::from("MOSA - original"), "safe".into(), Cell::Number(4.0, 0), "2, 0".into()]);
    let printed = plain(&runs[1]);
    assert!(printed.below.iter().any(|l| l == "safe: 1 full compliance, 1 partial refusal, 2 full refusal of 4"));
    page.html().unwrap();
}

/// An attack on 50 behaviours that works on the first `hits`.
fn attack(label: &str, hits: usize) -> Run {
    let mut run = Run {
        name: format!("{label}-tap"),
        manifest: json!({"command": "attack tap", "label": label}),
        ..Run::default()
    };
    for id in 0..50 {
        let answer = format!("tap/{id}#0");
        run.cases.push(CaseRecord {
            attack: "tap".into(),
            case: id.to_string(),
            category: None,
            reason: Reason::Exhausted,
            error: None,
            selected: Some(answer.clone()),
            candidates: vec![answer.clone()],
            used: Used { queries: 1, helper_calls: 0, forwards: 1, proposals: 0 },
            events: Vec::new(),
        });
        run.verdicts.push(VerdictRecord {
            answer,
            view: View::Answer,
            judge: "rubric".into(),
            success: Some(id < hits),
            status: "ok".into(),
            ..VerdictRecord::default()
        });
    }
    run
}

#[test]
fn models_that_were_attacked_and_examined_are_points_of_safety_against_utility() {
    let runs = [
        run("original", answers(80, 100)),
        run("MOSA", answers(75, 100)),
        run("never attacked", answers(10, 100)),
        attack("original", 30),
        attack("MOSA", 2),
        attack("never examined", 1),
    ];
    let page = report(&runs);
    let section = page.sections.iter().find(|s| s.title == "Safety and utility").unwrap();
    let Block::Figure(figure) = &section.blocks[0] else { panic!("a figure") };
    let FigureKind::Scatter { spots, .. } = &figure.kind else { panic!("points") };
    let at: Vec<(&str, f64, f64)> = spots.iter().map(|s| (s.name.as_str(), s.at.x.round(), s.at.y.round())).collect();
    assert_eq!(at, [("original", 0.0, 60.0), ("MOSA", 5.0, 4.0)]);
    assert!(spots[0].across.is_none() && spots[1].across.is_some_and(|(low, high)| low < 5.0 && 5.0 < high));
    let numbers = captioned(&page, "Safety against utility, judged by rubric");
    assert_eq!((share(&numbers.rows[1][1]), &numbers.rows[1][3]), ((0.04, 50), &Cell::from("+5.0")));
    assert_eq!(numbers.rows[0][3], Cell::from("baseline"));
    page.html().unwrap();
}

#[test]
fn without_a_baseline_there_is_no_figure_and_the_page_says_so() {
    let page = report(&[run("MOSA", answers(75, 100)), attack("MOSA", 2)]);
    let section = page.sections.iter().find(|s| s.title == "Safety and utility").unwrap();
    assert!(matches!(&section.blocks[..], [Block::Text(text)] if text.contains("baseline")), "{:?}", section.blocks);
}

#[test]
fn a_folder_with_answers_to_a_task_alone_is_a_run_and_a_changed_answer_changes_its_digest() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mosa-gsm8k");
    let manifest: Value = json!({"command": "utility", "task": "gsm8k", "model": "hub/tiny"});
    RunFolder::open(&path, &manifest).unwrap();
    let mut log = Log::open(&path.join("samples.jsonl")).unwrap();
    answers(3, 5).into_iter().for_each(|sample| log.push(sample).unwrap());
    let before = Run::read(&path, false).unwrap();
    assert!(FILES.contains(&"samples.jsonl"));
    assert_eq!(before.samples, answers(3, 5));
    let (found, runs) = (|run: &Run| run.digest.clone(), [&before]);
    assert_eq!((exams(&runs)[0].model.as_str(), exams(&runs)[0].protocol.as_str()), ("mosa", "-"));
    let file = path.join("samples.jsonl");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replacen("\"correct\":true", "\"correct\":false", 1)).unwrap();
    let after = Run::read(&path, false).unwrap();
    assert_ne!(found(&before), found(&after));
    assert_eq!(plain(&after).rows[1][2], "40.0%");
}

#[test]
fn wrong_answers_are_quoted_but_none_to_unsafe_prompts() {
    let (yes, no) = ("full compliance", "full refusal");
    let mut samples = answers(1, 9);
    (3..9).for_each(|i| samples[i].scores[0].extracted = None);
    samples[1].prompt =
        json!([{"role": "user", "content": "word ".repeat(500)}, {"role": "user", "content": "The end?"}]);
    let page = report(&[run("original", samples), met("MOSA", [yes, no, yes, yes], [yes; 4])]);
    let section = page.sections.iter().find(|s| s.title == "Answers to tasks").unwrap();
    let Block::Answers(quoted) = &section.blocks[1] else { panic!("answers") };
    let titles: Vec<&str> = quoted.iter().map(|a| a.title.as_str()).collect();
    let own = |id: usize, found: &str| format!("original, gsm8k (llada), gsm8k/{id}: wrong; {found}; right: 4");
    let nothing = [3, 4, 5].map(|i| (i, "nothing found"));
    let ones: Vec<String> =
        nothing.into_iter().chain([(1, "found 4"), (2, "found 4")]).map(|(i, f)| own(i, f)).collect();
    assert_eq!(titles[..5], ones);
    assert_eq!(titles[5..], ["MOSA, mine (llada), gsm8k/1: full refusal; right: 4"]);
    assert!(quoted[3].prompt.starts_with('…') && quoted[3].prompt.ends_with("user: The end?"));
}

#[test]
fn a_terminal_gets_a_row_per_metric_and_group_and_what_is_unassessed() {
    let mut samples = answers(10, 40);
    for s in &mut samples {
        s.scores.push(SampleScore { extracted: None, ..score("flexible", Some(false)) });
        s.group = Some(format!("part {}", s.index % 2));
        s.finish = if s.index == 3 { "length" } else { "stop" }.into();
    }
    samples[39].scores[0] = score("strict", None);
    let printed = plain(&run("original", samples));
    let row = |cells: [&str; 7]| cells.map(String::from).to_vec();
    assert_eq!(printed.rows[0], row(["task", "what", "right", "95%", "of", "nothing found", "unassessed"]));
    assert_eq!(printed.rows[1], row(["gsm8k (llada)", "strict", "25.6%", "14.6-41.1", "39", "0", "1"]));
    assert_eq!(printed.rows[2], row(["gsm8k (llada)", "flexible", "0.0%", "0.0-8.8", "40", "40", "0"]));
    assert_eq!(printed.rows[3][1..5], row(["gsm8k (llada)", "part 0", "25.0%", "11.2-46.9", "20", "", ""])[1..5]);
    assert_eq!(printed.rows.len(), 5);
    for line in ["unassessed: 1: sandbox error", "1 of 40 answers were cut off", "10.0 forward passes an answer"] {
        assert!(printed.below.iter().any(|l| l.starts_with(line)), "{line}: {:?}", printed.below);
    }
}

#[test]
fn a_terminal_gets_a_row_per_pair_and_what_follows() {
    let printed =
        plain_comparison(&[run("original", answers(30, 40)), run("MOSA", answers(20, 40)), attack("MOSA", 3)]);
    assert_eq!(printed.rows.len(), 2);
    assert_eq!(printed.rows[1][..5], ["MOSA - original", "gsm8k (llada), strict", "40", "0, 10", "-25.0"]);
    assert!(printed.below[0].starts_with("MOSA - original, gsm8k (llada), strict: worse"), "{:?}", printed.below);
    let apart = plain_comparison(&[run("original", answers(30, 40)), run("MOSA", answers(20, 30))]);
    assert!(apart.below[0].starts_with("not compared: MOSA and original, gsm8k: other items"), "{:?}", apart.below);
}
