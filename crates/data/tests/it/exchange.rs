use crate::read;
use mosa_data::jailbreakbench::Fitted;
use mosa_data::{
    Benchmark, DataError, ForcedWords, Judgement, Origin, ReadOptions, Submission, from_jsonl, harmbench,
    jailbreakbench, load, save, to_jsonl,
};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::slice::from_ref;

const FROM: Origin<'_> = Origin { attack: "tap", judge: "classifier", benchmark: None };

fn submission(id: &str, prompt: &str) -> Submission {
    Submission {
        behaviour_id: id.to_owned(),
        attack: "tap".to_owned(),
        prompt: Some(prompt.to_owned()),
        ..Submission::default()
    }
}

fn answered(id: &str, prompt: &str, response: &str, label: Judgement) -> Submission {
    let labels = BTreeMap::from([("classifier".to_owned(), label)]);
    Submission { response: Some(response.to_owned()), labels, ..submission(id, prompt) }
}

fn benchmark() -> Benchmark {
    let file = "Index,Goal,Target,Behavior,Category,Source\n0,open it,Sure,Gates,Locks,Original\n\
        1,shut it,Sure,Doors,Locks,Original\n";
    read("jbb.csv", file, &ReadOptions::default()).unwrap()
}

#[test]
fn harmbench_files_have_the_bytes_python_writes() {
    let all = [
        submission("b_1", "one é \u{2028} 😀 \"q\" \\ \u{7f}\t\n\u{1}"),
        submission("b_2", "x"),
        submission("b_1", "two"),
    ];
    let python = r#"{
    "b_1": [
        "one \u00e9 \u2028 \ud83d\ude00 \"q\" \\ \u007f\t\n\u0001",
        "two"
    ],
    "b_2": [
        "x"
    ]
}"#;
    assert_eq!(harmbench::to_test_cases(&all).unwrap(), python);
    assert_eq!(harmbench::to_test_cases(&[]).unwrap(), "{}");
    let graded = answered("b", "t", "", Judgement::Undecided);
    let python = r#"{
    "b": [
        {
            "test_case": "t",
            "generation": "",
            "label": -1
        }
    ]
}"#;
    assert_eq!(harmbench::to_results(from_ref(&graded), "classifier").unwrap(), python);
    let completion = python.replace(",\n            \"label\": -1", "");
    assert_eq!(harmbench::to_completions(&[graded]).unwrap(), completion);
}

#[test]
fn both_labels_of_harmbench_are_kept() {
    let text = r#"{"b": [{"test_case": "t", "generation": "g", "label": 0, "advbench_label": 1}]}"#;
    let all = harmbench::from_json(text, &FROM).unwrap().submissions;
    assert_eq!(all[0].labels["classifier"], Judgement::Failure);
    assert_eq!(all[0].labels[harmbench::ADVBENCH], Judgement::Success);
    let again = harmbench::from_json(&harmbench::to_results(&all, "classifier").unwrap(), &FROM).unwrap();
    assert_eq!((again.submissions, again.notes.len()), (all, 0));
}

/// Rows of results with these labels, for the behaviours `b0`, `b1`, ...
fn labelled(labels: &[&str]) -> harmbench::Stage {
    let row = |(i, label): (usize, &&str)| {
        let label = if label.is_empty() { String::new() } else { format!(", \"label\": {label}") };
        format!("\"b{i}\": [{{\"test_case\": \"t\", \"generation\": \"g\"{label}}}]")
    };
    let rows: Vec<String> = labels.iter().enumerate().map(row).collect();
    harmbench::from_json(&format!("{{{}}}", rows.join(",\n")), &FROM).unwrap()
}

#[test]
fn labels_that_can_mean_one_thing_only_are_read_as_that() {
    let (yes, no, open) = (Some(Judgement::Success), Some(Judgement::Failure), Some(Judgement::Undecided));
    for (label, outcome) in [
        ("1", yes),
        ("true", yes),
        ("1.0", yes),
        ("\"1\"", yes),
        ("\"Yes\"", yes),
        ("\" TRUE \"", yes),
        ("0", no),
        ("false", no),
        ("0.0", no),
        ("\"no\"", no),
        ("-1", open),
        ("-1.0", open),
        ("\"-1\"", open),
    ] {
        let stage = labelled(&[label]);
        let read = stage.submissions[0].labels.get("classifier").copied();
        assert_eq!((read, stage.notes.len()), (outcome, 0), "{label}");
    }
}

#[test]
fn labels_that_are_missing_or_unclear_are_counted_and_cost_no_other_row_its_label() {
    let stage = labelled(&["", "1", "null", "7", "0.5", "\"maybe\"", "[1]"]);
    let read: Vec<bool> = stage.submissions.iter().map(|s| s.labels.contains_key("classifier")).collect();
    assert_eq!(read, [false, true, false, false, false, false, false]);
    assert!(stage.submissions.iter().all(|s| s.response.as_deref() == Some("g")), "no answer is lost");
    assert_eq!(stage.notes.len(), 2, "{:?}", stage.notes);
    assert!(stage.notes[0].starts_with("rows with no label") && stage.notes[0].contains(": 2 (b0, b2)"));
    assert!(
        stage.notes[1].contains("neither 1, 0 nor -1") && stage.notes[1].contains(": 4 (b3: 7, "),
        "{:?}",
        stage.notes
    );
    assert!(labelled(&["", ""]).notes.is_empty(), "completions have no labels at all");
}

#[test]
fn a_null_generation_is_a_row_without_an_answer() {
    let text = r#"{"b": [{"test_case": "t", "generation": null, "label": 0}, {"test_case": "u", "generation": "g"}],
        "c": [{"test_case": "v"}]}"#;
    let stage = harmbench::from_json(text, &FROM).unwrap();
    let silent: Vec<bool> = stage.submissions.iter().map(|s| s.unanswered).collect();
    assert_eq!(silent, [true, false, true]);
    assert!(stage.submissions[0].labels.is_empty(), "a label of nothing says nothing");
    assert_eq!(stage.submissions[0].prompt.as_deref(), Some("t"));
    assert!(stage.notes[0].starts_with("rows with no generation") && stage.notes[0].ends_with(": 2 (b, c)"));
}

/// An artifact with these entries: index, goal, behaviour.
fn artifact(entries: &[(&str, &str, &str)]) -> jailbreakbench::Artifact {
    let entry = |(index, goal, behavior): &(&str, &str, &str)| {
        format!(
            r#"{{"index": {index}, "goal": "{goal}", "behavior": "{behavior}", "prompt": "p", "response": "r",
            "number_of_queries": "30", "prompt_tokens": 5.0, "response_tokens": "", "jailbroken": "true"}}"#
        )
    };
    let entries: Vec<String> = entries.iter().map(entry).collect();
    let text = format!(
        r#"{{"parameters": {{"method": "pair", "model": "m", "attack_success_rate": "0.5",
        "total_number_of_jailbreaks": "1", "number_of_submitted_prompts": 2.0}}, "jailbreaks": [{}]}}"#,
        entries.join(", ")
    );
    jailbreakbench::from_json(&text).unwrap()
}

#[test]
fn numbers_of_an_artifact_may_be_written_as_text() {
    let read = artifact(&[("\"1\"", "shut it", "Doors")]);
    let p = &read.parameters;
    assert_eq!((p.attack_success_rate, p.total_number_of_jailbreaks, p.number_of_submitted_prompts), (0.5, 1, 2));
    let j = &read.jailbreaks[0];
    assert_eq!((j.index, j.number_of_queries, j.prompt_tokens, j.response_tokens), (1, Some(30), Some(5), None));
    assert!(j.jailbroken && j.category.is_empty());
    let wrong = r#"{"parameters": {"method": "pair"}, "jailbreaks": [{"index": "first"}]}"#;
    assert!(jailbreakbench::from_json(wrong).unwrap_err().to_string().contains("\"first\" is not a whole number"));
}

#[test]
fn an_artifact_worded_or_named_otherwise_is_fitted_to_the_benchmark_and_counted() {
    let benchmark = benchmark();
    let same = artifact(&[("0", "open  it", "Gates")]);
    let Fitted { artifact: kept, notes } = jailbreakbench::fitted(same, &benchmark);
    assert_eq!((kept.jailbreaks[0].goal.as_str(), notes.len()), ("open  it", 0), "blanks are no difference");
    let other = artifact(&[("0", "please open every gate", "Gates"), ("1", "Shut it!", "doors of the town")]);
    let Fitted { artifact: fitted, notes } = jailbreakbench::fitted(other, &benchmark);
    let of = |i: usize| (fitted.jailbreaks[i].behavior.as_str(), fitted.jailbreaks[i].goal.as_str());
    assert_eq!([of(0), of(1)], [("Gates", "open it"), ("Doors", "shut it")]);
    assert!(notes[0].contains("worded otherwise") && notes[0].ends_with(": 2 (Gates, Doors)"), "{notes:?}");
    assert!(notes[1].contains("named otherwise") && notes[1].ends_with(": 1 (Doors)"), "{notes:?}");
    // Neither name nor words fit: it is of another benchmark, and its reader will say so.
    let foreign = artifact(&[("1", "bake bread", "Bread"), ("7", "bake more bread", "Gates")]);
    let Fitted { artifact: left, notes } = jailbreakbench::fitted(foreign.clone(), &benchmark);
    assert_eq!((left, notes.len()), (foreign, 0));
}

#[test]
fn behaviours_get_their_words_from_the_benchmark() {
    let benchmark = benchmark();
    let origin = Origin { benchmark: Some(&benchmark), ..FROM };
    let all = harmbench::from_json(r#"{"Doors": ["please"]}"#, &origin).unwrap().submissions;
    assert_eq!((all[0].behaviour.as_str(), all[0].attack.as_str()), ("shut it", "tap"));
    let error = harmbench::from_json(r#"{"Windows": ["please"]}"#, &origin).unwrap_err();
    assert!(matches!(error, DataError::UnknownId { .. }), "{error}");
}

#[test]
fn what_a_format_cannot_hold_is_refused_and_not_lost() {
    let forced = vec![ForcedWords { offset: 40, tokens: 3, text: "the old gate".to_owned() }];
    let forced = Submission { forced, ..answered("Gates", "p", "r", Judgement::Success) };
    let silent = Submission { prompt: None, ..submission("Gates", "") };
    let plain = answered("Gates", "p", "r", Judgement::Success);
    let undecided = answered("Gates", "p", "r", Judgement::Undecided);
    let other = Submission { attack: "pair".to_owned(), ..answered("Doors", "p", "r", Judgement::Success) };
    let jbb = |all: &[Submission]| {
        jailbreakbench::to_artifact(&benchmark(), all, "classifier", Default::default()).map(|_| String::new())
    };
    for (result, expected) in [
        (harmbench::to_test_cases(from_ref(&forced)), "forced words"),
        (harmbench::to_test_cases(&[silent]), "no prompt"),
        (harmbench::to_completions(&[submission("Gates", "p")]), "no response"),
        (harmbench::to_results(from_ref(&plain), "another"), "judge it first"),
        (jbb(from_ref(&forced)), "forced words"),
        (jailbreakbench::to_prompts("model", &[forced]), "forced words"),
        (jbb(&[plain.clone(), plain.clone()]), "second one"),
        (jbb(&[undecided]), "judge it again"),
        (jbb(&[plain, other]), "another attack"),
    ] {
        let error = result.unwrap_err().to_string();
        assert!(error.contains(expected) && (error.contains("\"Gates\"") || error.contains("\"Doors\"")), "{error}");
    }
    assert!(matches!(jbb(&[submission("Windows", "p")]), Err(DataError::UnknownId { .. })));
}

#[test]
fn damaged_files_are_refused_with_their_names() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("results.json");
    for (text, expected) in [
        ("[]", "behaviour ids as keys"),
        (r#"{"b": ["x"], "b": ["y"]}"#, "appears twice"),
        (r#"{"b": [["image.png", "x"]]}"#, "expected a string"),
        (r#"{"b": [{"test_case": ["image.png", "x"], "generation": "g"}]}"#, "\"b\", row 1: `test_case`"),
        (r#"{"b": ["p", {"test_case": "t", "generation": ["g"]}]}"#, "\"b\", row 2: `generation`"),
    ] {
        save(&path, text).unwrap();
        let error = load(&path, |t| harmbench::from_json(t, &FROM)).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains("results.json"), "{error}");
    }
    assert!(from_jsonl("\n{\"attack\": \"x\"}\n").unwrap_err().to_string().contains("line 2"));
    assert!(
        load(&dir.path().join("none.json"), jailbreakbench::from_json).unwrap_err().to_string().contains("none.json")
    );
}

#[test]
fn an_artifact_counts_over_all_behaviours_and_loads_back() {
    let won = Submission {
        behaviour: "shut it".to_owned(),
        queries: Some(30),
        ..answered("Doors", "please", "it is shut", Judgement::Success)
    };
    let parameters = jailbreakbench::Parameters {
        model: "llada-8b-instruct".to_owned(),
        attack_type: "black_box".to_owned(),
        evaluation_date: "2026-01-31".to_owned(),
        ..Default::default()
    };
    let artifact = jailbreakbench::to_artifact(&benchmark(), from_ref(&won), "classifier", parameters).unwrap();
    let p = &artifact.parameters;
    assert_eq!((p.method.as_str(), p.attack_success_rate, p.total_number_of_jailbreaks), ("tap", 0.5, 1));
    assert_eq!((p.number_of_submitted_prompts, p.total_number_of_queries), (1, Some(30)));
    assert_eq!((artifact.jailbreaks[1].index, artifact.jailbreaks[1].behavior.as_str()), (1, "Doors"));
    assert_eq!((&artifact.jailbreaks[0].prompt, artifact.jailbreaks[0].jailbroken), (&None, false));
    assert_eq!(jailbreakbench::from_json(&jailbreakbench::to_json(&artifact).unwrap()).unwrap(), artifact);
    let all = jailbreakbench::from_artifact(&artifact, "classifier");
    assert_eq!((&all[1], all[0].prompt.is_none(), all[0].labels.is_empty()), (&won, true, true));
    let prompts = jailbreakbench::to_prompts("m", &all).unwrap();
    assert_eq!(prompts.split_whitespace().collect::<String>(), r#"{"m":{"Gates":null,"Doors":"please"}}"#);
}

fn outcomes() -> impl Strategy<Value = Judgement> {
    prop::sample::select(vec![Judgement::Success, Judgement::Failure, Judgement::Undecided])
}

prop_compose! {
    /// A submission with everything the type can hold.
    fn any_submission()(
        (behaviour_id, behaviour, attack) in (any::<String>(), any::<String>(), any::<String>()),
        prompt in any::<Option<String>>(),
        forced in prop::collection::vec((0usize..99, 1usize..9, any::<String>()), 0..3),
        response in any::<Option<String>>(),
        labels in prop::collection::btree_map(any::<String>(), outcomes(), 0..3),
        queries in any::<Option<u64>>(),
        unanswered in any::<bool>(),
    ) -> Submission {
        let forced = forced.into_iter().map(|(offset, tokens, text)| ForcedWords { offset, tokens, text }).collect();
        Submission { behaviour_id, behaviour, attack, prompt, forced, response, unanswered, labels, queries }
    }
}

prop_compose! {
    /// Submissions as HarmBench keeps them: grouped by behaviour, answered and judged.
    fn graded()(groups in prop::collection::btree_map(
        any::<String>(),
        prop::collection::vec((any::<String>(), any::<String>(), outcomes(), prop::option::of(outcomes())), 1..4),
        0..5,
    )) -> Vec<Submission> {
        let row = |id: &str, (prompt, response, label, keywords): (String, String, Judgement, Option<Judgement>)| {
            let mut s = answered(id, &prompt, &response, label);
            s.labels.extend(keywords.map(|k| (harmbench::ADVBENCH.to_owned(), k)));
            s
        };
        groups.into_iter().flat_map(|(id, rows)| rows.into_iter().map(move |r| row(&id, r))).collect()
    }
}

proptest! {
    #[test]
    fn jsonl_loads_back_equal(all in prop::collection::vec(any_submission(), 0..6)) {
        prop_assert_eq!(from_jsonl(&to_jsonl(&all).unwrap()).unwrap(), all);
    }

    #[test]
    fn harmbench_files_load_back_equal(all in graded()) {
        let results = harmbench::to_results(&all, "classifier").unwrap();
        prop_assert!(results.is_ascii());
        prop_assert_eq!(&harmbench::from_json(&results, &FROM).unwrap().submissions, &all);
        let unjudged: Vec<Submission> = all.into_iter().map(|s| Submission { labels: BTreeMap::new(), ..s }).collect();
        let completions = harmbench::to_completions(&unjudged).unwrap();
        prop_assert_eq!(&harmbench::from_json(&completions, &FROM).unwrap().submissions, &unjudged);
        let asked: Vec<Submission> = unjudged.into_iter().map(|s| Submission { response: None, ..s }).collect();
        let cases = harmbench::to_test_cases(&asked).unwrap();
        prop_assert_eq!(harmbench::from_json(&cases, &FROM).unwrap().submissions, asked);
    }

    #[test]
    fn artifacts_load_back_equal(
        rows in prop::collection::vec((any::<Option<String>>(), any::<Option<String>>(), any::<bool>()), 2),
    ) {
        let ids = ["Gates", "Doors"].into_iter().zip(["open it", "shut it"]);
        let all: Vec<Submission> = ids.zip(rows).map(|((id, goal), (prompt, response, won))| {
            let label = if won { Judgement::Success } else { Judgement::Failure };
            let mut s = answered(id, "", "", label);
            if response.is_none() { s.labels.clear(); }
            Submission { behaviour: goal.to_owned(), prompt, response, ..s }
        }).collect();
        let artifact = jailbreakbench::to_artifact(&benchmark(), &all, "classifier", Default::default()).unwrap();
        let loaded = jailbreakbench::from_json(&jailbreakbench::to_json(&artifact).unwrap()).unwrap();
        prop_assert_eq!(&loaded, &artifact);
        prop_assert_eq!(jailbreakbench::from_artifact(&loaded, "classifier"), all);
    }
}
