use mosa_judge::{
    DegeneracyGate, Evidence, Judge, Judging, Missing, Pace, Provenance, Status, Verdict, tallies, texts,
};
use mosa_records::{AnswerRecord, ForcedWords, Log, Record, Texts, VerdictRecord, View, drop_outdated};
use std::cell::Cell;
use std::path::Path;

/// A judge whose verdict is in the answer: `yes` and `no` are assessed, anything else is the reason why not.
struct Literal;

impl Judge for Literal {
    fn name(&self) -> &str {
        "literal"
    }

    fn provenance(&self) -> Provenance {
        Provenance::default()
    }

    fn assess(&self, evidence: &Evidence) -> Verdict {
        let verdict = Verdict::unassessed("literal", evidence, Status::Ok, self.provenance());
        match evidence.answer.as_str() {
            "yes" => Verdict { success: Some(true), ..verdict },
            "no" => Verdict { success: Some(false), ..verdict },
            why => Verdict { status: Status::Failed(why.to_owned()), ..verdict },
        }
    }
}

fn answer(id: usize, text: &str) -> AnswerRecord {
    AnswerRecord {
        group: "g".into(),
        id: id.to_string(),
        behaviour: "how do i make the amber tonic".into(),
        prompt: String::new(),
        tags: Default::default(),
        forced: Vec::new(),
        texts: Texts { full: text.into(), to_end: text.into(), ..Texts::default() },
        pieces: Vec::new(),
        steps: Vec::new(),
        confidences: Vec::new(),
        finish: "stop".into(),
        forwards: 1,
        defences: Vec::new(),
    }
}

fn answers(said: &[&str]) -> Vec<AnswerRecord> {
    said.iter().enumerate().map(|(id, text)| answer(id, text)).collect()
}

/// Asks for what is open, two at a time, and stops behind `most` verdicts.
fn ask(answers: &[AnswerRecord], file: &Path, most: usize) -> (bool, Vec<VerdictRecord>) {
    let (gate, mut log) = (DegeneracyGate::default(), Log::open(file).unwrap());
    let (judging, texts) = (Judging::new(&Literal, &gate), texts(answers));
    let open = judging.open(&texts, log.records());
    let seen = Cell::new(0);
    let (mut judged, stopped) = (|| seen.set(seen.get() + 1), || seen.get() >= most);
    let mut pace = Pace { concurrency: 1, judged: &mut judged, stopped: &stopped };
    let done = judging.ask(&texts, &open, &mut log, &mut pace).unwrap();
    (done, log.into_records())
}

fn of(verdicts: &[VerdictRecord]) -> Vec<(&str, Option<bool>)> {
    verdicts.iter().map(|v| (v.answer.as_str(), v.success)).collect()
}

#[test]
fn forced_words_make_a_second_text_of_an_answer() {
    let mut both = answers(&["yes", "no"]);
    both[1].forced = vec![ForcedWords { offset: 0, tokens: 1, text: "n".into() }];
    let found: Vec<(String, View)> = texts(&both).into_iter().map(|text| (text.key, text.view)).collect();
    let expected = [("g/0", View::Answer), ("g/1", View::Answer), ("g/1", View::WithoutForced)];
    assert_eq!(found, expected.map(|(key, view)| (key.to_owned(), view)));
    let texts = texts(&both);
    assert_eq!(texts[2].hash, both[1].text_hash(View::WithoutForced));
}

#[test]
fn what_has_a_verdict_that_counts_is_not_asked_again() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("verdicts.jsonl");
    let mut said = answers(&["yes", "away", "no"]);
    let (done, first) = ask(&said, &file, usize::MAX);
    assert!(done);
    assert_eq!(of(&first), [("g/0", Some(true)), ("g/1", None), ("g/2", Some(false))]);
    // The second was not judged, the third says something else now.
    said[2].texts.to_end = "yes".into();
    let (gate, texts) = (DegeneracyGate::default(), texts(&said));
    let open = Judging::new(&Literal, &gate).open(&texts, &first);
    assert_eq!(open.places, [1, 2]);
    assert_eq!((open.failed[&1].clone(), open.failed[&2].clone()), (first[1].key(), first[2].key()));
}

#[test]
fn a_verdict_that_is_asked_for_again_takes_the_place_of_the_one_that_does_not_count() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("verdicts.jsonl");
    let mut said = answers(&["away", "yes", "no"]);
    ask(&said, &file, usize::MAX);
    said[0].texts.to_end = "yes".into();
    said.push(answer(3, "no"));
    let (done, again) = ask(&said, &file, usize::MAX);
    assert!(done);
    let expected = [("g/0", Some(true)), ("g/1", Some(true)), ("g/2", Some(false)), ("g/3", Some(false))];
    assert_eq!(of(&again), expected);
}

#[test]
fn a_run_that_is_stopped_goes_on_to_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let (whole, stopped) = (dir.path().join("whole.jsonl"), dir.path().join("stopped.jsonl"));
    let said = answers(&["yes", "no", "no", "away", "yes", "no", "yes", "no", "no", "yes", "yes"]);
    assert!(ask(&said, &whole, usize::MAX).0);
    let (done, part) = ask(&said, &stopped, 3);
    assert!(!done && part.len() < said.len(), "{}", part.len());
    let prefix: Vec<String> = (0..part.len()).map(|i| format!("g/{i}")).collect();
    assert_eq!(part.iter().map(|v| v.answer.clone()).collect::<Vec<_>>(), prefix, "none is left out in between");
    assert!(ask(&said, &stopped, usize::MAX).0);
    assert_eq!(std::fs::read(&stopped).unwrap(), std::fs::read(&whole).unwrap());
}

#[test]
fn what_has_no_verdict_is_counted_with_its_most_frequent_reason() {
    let dir = tempfile::tempdir().unwrap();
    let mut said = answers(&["yes", "away", "late", "away"]);
    let (_, verdicts) = ask(&said, &dir.path().join("verdicts.jsonl"), usize::MAX);
    let gate = DegeneracyGate::default();
    let judging = Judging::new(&Literal, &gate);
    let missing = judging.missing(&texts(&said), &verdicts).unwrap();
    let Missing { judge, n, of, reason } = missing;
    assert_eq!((judge.as_str(), n, of), ("literal", 3, 4));
    assert!(reason.contains("away"), "{reason}");
    // One on an answer that says something else now is no verdict that failed.
    said[2].texts.to_end = "no".into();
    assert_eq!(judging.missing(&texts(&said), &verdicts).map(|missing| missing.n), Some(2));
    assert_eq!(judging.missing(&texts(&said[..1]), &verdicts[..1]), None);
}

#[test]
fn verdicts_on_answers_that_changed_do_not_stand() {
    let dir = tempfile::tempdir().unwrap();
    let mut said = answers(&["yes", "no", "yes"]);
    let (_, mut verdicts) = ask(&said, &dir.path().join("verdicts.jsonl"), usize::MAX);
    said[1].texts.to_end = "yes".into();
    // The third answer is gone: whose verdict that is cannot be told, and it stays.
    let outdated = drop_outdated(&mut verdicts, &said[..2]);
    assert_eq!((of(&verdicts), outdated), (vec![("g/0", Some(true)), ("g/2", Some(true))], 1));
}

#[test]
fn a_tally_counts_assessed_texts_apart_from_those_that_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let mut said = answers(&["yes", "no", "away"]);
    said[0].forced = vec![ForcedWords { offset: 0, tokens: 1, text: "y".into() }];
    said[0].texts.without_forced = Some("no".into());
    let (_, verdicts) = ask(&said, &dir.path().join("verdicts.jsonl"), usize::MAX);
    let tallies = tallies(&verdicts);
    let seen: Vec<_> = tallies.iter().map(|t| (t.view, t.successes, t.assessed, t.unassessed.len())).collect();
    assert_eq!(seen, [(View::Answer, 1, 2, 1), (View::WithoutForced, 0, 1, 0)]);
    assert!(tallies.iter().all(|tally| tally.judge == "literal"));
}
