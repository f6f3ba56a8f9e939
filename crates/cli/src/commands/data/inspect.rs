//! `mosa data export --format inspect`: the records of a run as logs of inspect_ai.

use super::REDACTED;
use super::submitted::{case_of, is_selected, wanted};
use crate::args::DataExportArgs;
use crate::files::check_answers;
use crate::{digest, folder, output, written};
use anyhow::{Result, ensure};
use mosa_attack::CaseRecord;
use mosa_data::inspect::{
    Counts, Message, NO_ANSWER, Output, Sample, Score, Task, Times, UNASSESSED, file_name, to_log, word,
};
use mosa_eval::{CaseOutcome, Run, why_unassessed};
use mosa_records::names::{ANSWERS, CASES, MANIFEST, SAMPLES, VERDICTS};
use mosa_records::{AnswerRecord, Record, SampleRecord, SampleScore, VerdictRecord, View};
use serde_json::{Map, Value, json};
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Writes a log for every attack, probe group and task of a run.
pub(super) fn write(args: &DataExportArgs) -> Result<Vec<PathBuf>> {
    let dir = args.run.display();
    let run = Run::read(&args.run, false)?;
    run.notes.iter().for_each(|note| folder::warn(Some(note)));
    let silent = run.answers.is_empty() && run.cases.is_empty() && run.samples.is_empty();
    ensure!(
        !silent,
        "{dir}: holds no {ANSWERS} and no {SAMPLES}; give the run of an attack, a probe or a task with an answer"
    );
    check_answers(&args.run, &run.answers)?;
    if run.outdated > 0 {
        let n = run.outdated;
        output::say(&format!(
            "note: verdicts on answers that were other ones then, left out: {n}; `mosa judge` asks again"
        ));
    }
    let exported = Exported::new(args, &run)?;
    let mut files = Vec::new();
    for group in exported.groups()? {
        let (task, samples) = if exported.is_task(group) {
            (exported.task(group, Counts::Right), exported.items(group))
        } else {
            (exported.task(group, Counts::Outcomes), exported.attempts(group))
        };
        files.push((file_name(&task, exported.times), to_log(&task, exported.times, &samples)?));
    }
    written::files(&args.out, &files, "--out")
}

/// A run, and what of it is asked for.
struct Exported<'a> {
    args: &'a DataExportArgs,
    run: &'a Run,
    times: Times,
    /// By answer.
    verdicts: HashMap<&'a str, Vec<&'a VerdictRecord>>,
    /// Those whose verdicts are written.
    judges: BTreeSet<&'a str>,
}

impl<'a> Exported<'a> {
    fn new(args: &'a DataExportArgs, run: &'a Run) -> Result<Self> {
        let mut verdicts: HashMap<&str, Vec<&VerdictRecord>> = HashMap::new();
        for verdict in &run.verdicts {
            verdicts.entry(&verdict.answer).or_default().push(verdict);
        }
        let mut judges: BTreeSet<&str> = run.verdicts.iter().map(|v| v.judge.as_str()).collect();
        if let Some(name) = &args.judge {
            let (dir, list) = (args.run.display(), judges.iter().copied().collect::<Vec<_>>().join(", "));
            ensure!(!judges.is_empty(), "{dir}: nothing is judged; run `mosa judge {dir} --judge {name}` first");
            ensure!(
                judges.contains(name.as_str()),
                "{dir}: judged by {list}, not by {name}; give one of these as --judge"
            );
            judges.retain(|judge| judge == name);
        }
        Ok(Self { args, run, times: times(&args.run), verdicts, judges })
    }

    /// Attacks, probe groups and tasks that are asked for, each once.
    fn groups(&self) -> Result<Vec<&'a str>> {
        let answers = self.run.answers.iter().map(|a| a.group.as_str());
        let names = answers.chain(self.run.cases.iter().map(|c| c.attack.as_str()));
        let mut found: Vec<&str> = Vec::new();
        for name in names.chain(self.run.samples.iter().map(|s| s.task.as_str())) {
            if !found.contains(&name) {
                found.push(name);
            }
        }
        let list = found.join(", ");
        found.retain(|name| wanted(self.args, name));
        let asked = self.args.attack.as_deref().unwrap_or_default();
        ensure!(!found.is_empty(), "{}: holds {list}, not {asked} (--attack)", self.args.run.display());
        Ok(found)
    }

    fn is_task(&self, group: &str) -> bool {
        self.run.samples.iter().any(|s| s.task == group)
    }

    /// What the log says of the run.
    fn task(&self, group: &str, counts: Counts) -> Task {
        let manifest = &self.run.manifest;
        let command = manifest["command"].as_str().unwrap_or("mosa");
        let kind = command.split(' ').next().unwrap_or(command);
        let protocol = manifest["protocol"].as_str().filter(|_| counts == Counts::Right);
        let name = [kind, group].into_iter().chain(protocol).collect::<Vec<_>>().join("/");
        let run = digest::of_text(&format!("{}\n{manifest}", self.run.name));
        let mut args = manifest["settings"].as_object().cloned().unwrap_or_default();
        args.insert("defences".into(), json!(self.run.stack()));
        Task {
            model: model(manifest),
            model_args: picked(manifest, &["hashes", "dtype", "weights", "device", "libtorch"]),
            generate: generate(&manifest["sampler"]),
            dataset: manifest.pointer("/behaviors/kind").and_then(Value::as_str).unwrap_or(group).to_owned(),
            args,
            metadata: Map::from_iter([("manifest".to_owned(), manifest.clone())]),
            version: manifest["mosa"].as_str().unwrap_or_default().to_owned(),
            id: digest::of_text(&format!("{run}\n{name}")),
            run,
            name,
            counts,
            expected: self.expected(group, counts),
        }
    }

    /// How many samples the finished run has, where its manifest says so.
    fn expected(&self, attack: &str, counts: Counts) -> Option<usize> {
        let manifest = &self.run.manifest;
        let of_attack = |case: &CaseRecord| case.attack == attack;
        match counts {
            Counts::Right if manifest["shard"].is_null() => {
                let items = usize::try_from(manifest["items"].as_u64()?).ok()?;
                items.checked_mul(usize::try_from(manifest["repeats"].as_u64().unwrap_or(1)).ok()?)
            }
            Counts::Outcomes if !self.args.all && self.run.cases.iter().any(of_attack) => {
                let attacked = manifest["command"].as_str().is_some_and(|command| command.starts_with("attack "));
                // A part of a run names the behaviours of the whole.
                let is_whole = manifest["shard"].is_null();
                manifest.pointer("/behaviors/ids")?.as_array().filter(|_| attacked && is_whole).map(Vec::len)
            }
            _ => None,
        }
    }

    /// The answers of an attack or a probe group that are asked for, and the cases that have none.
    fn attempts(&self, group: &str) -> Vec<Sample> {
        let cases: HashMap<&str, &CaseRecord> =
            self.run.cases.iter().filter(|c| c.attack == group).map(|c| (c.case.as_str(), c)).collect();
        let mut found = Vec::new();
        for answer in self.run.answers.iter().filter(|a| a.group == group) {
            let case = cases.get(case_of(answer)).copied();
            let selected = is_selected(answer, case);
            if selected || self.args.all {
                found.push(self.attempt(answer, case, selected));
            }
        }
        let without = self.run.cases.iter().filter(|c| c.attack == group && c.selected.is_none());
        found.extend(without.filter(|c| !self.args.all || c.candidates.is_empty()).map(|c| self.nothing(c)));
        found
    }

    fn attempt(&self, answer: &AnswerRecord, case: Option<&CaseRecord>, selected: bool) -> Sample {
        let prompt = if answer.prompt.is_empty() { &answer.behaviour } else { &answer.prompt };
        let key = answer.key();
        let verdicts = self.verdicts.get(key.as_str()).map_or(&[][..], Vec::as_slice);
        let shown = verdicts.iter().filter(|v| self.judges.contains(v.judge.as_str()));
        let submits = case.filter(|_| selected);
        let mut sample = Sample {
            id: if self.args.all { answer.id.clone() } else { case_of(answer).to_owned() },
            epoch: 1,
            input: vec![message("user", prompt)],
            target: answer.behaviour.clone(),
            output: Some(Output { text: answer.judged(View::Answer).to_owned(), finish: answer.finish.clone() }),
            scores: shown.map(|verdict| judged(verdict, answer, submits)).collect(),
            metadata: self.decoded(answer),
            ..Sample::default()
        };
        if let Some(case) = case {
            sample.metadata.insert("selected".into(), json!(selected));
            add_case(&mut sample, case);
        }
        if self.args.redact {
            redact(&mut sample, verdicts);
        }
        sample
    }

    /// What is known of an answer beside its words.
    fn decoded(&self, answer: &AnswerRecord) -> Map<String, Value> {
        let steps = answer.steps.iter().flatten().max().map_or(0, |last| last + 1);
        let mut all = Map::from_iter([
            ("attack".to_owned(), json!(answer.group)),
            ("behaviour".to_owned(), json!(answer.behaviour)),
            ("finish".to_owned(), json!(answer.finish)),
            ("forwards".to_owned(), json!(answer.forwards)),
            ("steps".to_owned(), json!(steps)),
            ("positions".to_owned(), json!(answer.pieces.len())),
            ("defences".to_owned(), json!(self.run.stack())),
        ]);
        let tags = answer.tags.iter().filter(|(name, _)| name.as_str() != "selected");
        all.extend(tags.map(|(name, value)| (format!("tag_{name}"), json!(value))));
        if !answer.forced.is_empty() {
            all.insert("forced".into(), json!(answer.forced));
        }
        if !answer.defences.is_empty() {
            all.insert("defence_acts".into(), json!(answer.defences));
        }
        let decode = json!({"pieces": answer.pieces, "steps": answer.steps, "confidences": answer.confidences});
        all.insert("decode".into(), decode);
        all
    }

    /// A case in which the attack found nothing to send.
    fn nothing(&self, case: &CaseRecord) -> Sample {
        let outcome = CaseOutcome::of(case, |_| None).success();
        let value = if outcome.is_some() { NO_ANSWER } else { UNASSESSED };
        let score = |judge: &&str| Score {
            name: (*judge).to_owned(),
            value: value.to_owned(),
            hit: outcome,
            explanation: outcome.is_none().then(|| why_unassessed(case, None).to_owned()),
            ..Score::default()
        };
        let mut sample = Sample {
            id: case.case.clone(),
            epoch: 1,
            scores: self.judges.iter().map(score).collect(),
            metadata: Map::from_iter([("attack".to_owned(), json!(case.attack))]),
            error: case.error.clone(),
            ..Sample::default()
        };
        add_case(&mut sample, case);
        sample
    }

    /// The answers to a task.
    fn items(&self, task: &str) -> Vec<Sample> {
        let own = self.run.samples.iter().filter(|s| s.task == task);
        own.map(|record| self.item(record)).collect()
    }

    fn item(&self, record: &SampleRecord) -> Sample {
        let said = match (record.choices.is_empty(), record.scores.first()) {
            (false, Some(score)) => score.extracted.clone().unwrap_or_default(),
            _ => record.answer.clone(),
        };
        let mut metadata = Map::from_iter([
            ("protocol".to_owned(), json!(record.protocol)),
            ("index".to_owned(), json!(record.index)),
            ("group".to_owned(), json!(record.group)),
            ("finish".to_owned(), json!(record.finish)),
            ("forwards".to_owned(), json!(record.forwards)),
            ("defences".to_owned(), json!(self.run.stack())),
        ]);
        if !record.prefix.is_empty() {
            metadata.insert("prefix".into(), json!(record.prefix));
        }
        if !record.choices.is_empty() {
            metadata.insert("choices".into(), json!(record.choices));
        }
        if !record.defences.is_empty() {
            metadata.insert("defence_acts".into(), json!(record.defences));
        }
        let mut sample = Sample {
            id: record.id.clone(),
            epoch: record.attempt + 1,
            input: messages(&record.prompt),
            target: record.gold.clone(),
            choices: record.choices.iter().map(|choice| choice.text.clone()).collect(),
            output: Some(Output { text: said, finish: record.finish.clone() }),
            scores: record.scores.iter().map(scored).collect(),
            metadata,
            error: None,
        };
        if self.args.redact {
            redact(&mut sample, &[]);
        }
        sample
    }
}

/// What an attack used for a case, and why it ended.
fn add_case(sample: &mut Sample, case: &CaseRecord) {
    sample.metadata.insert("case".into(), json!(case.case));
    sample.metadata.insert("category".into(), json!(case.category));
    sample.metadata.insert("reason".into(), json!(case.reason));
    sample.metadata.insert("used".into(), json!(case.used));
}

/// A verdict as a score: of the answer that a case submits, what it says of the case.
fn judged(verdict: &VerdictRecord, answer: &AnswerRecord, case: Option<&CaseRecord>) -> Score {
    let hit = match case.filter(|_| verdict.view == View::Answer) {
        Some(case) => CaseOutcome::of(case, |_| verdict.success).success(),
        None => verdict.success,
    };
    let outcome = verdict.outcome().filter(|_| hit.is_some()).map(word);
    let name = match verdict.view {
        View::Answer => verdict.judge.clone(),
        View::WithoutForced => format!("{}_{}", verdict.judge, verdict.view.name()),
    };
    let mut metadata = Map::from_iter([("success".to_owned(), json!(hit)), ("value".to_owned(), json!(verdict.value))]);
    metadata.insert("degenerate".into(), json!(verdict.degenerate));
    metadata.insert("detail".into(), verdict.detail.clone());
    Score {
        name,
        value: outcome.unwrap_or_else(|| UNASSESSED.to_owned()),
        hit,
        answer: Some(answer.judged(verdict.view).to_owned()),
        explanation: (verdict.status != "ok").then(|| verdict.status.clone()),
        metadata,
    }
}

/// What came of an item by one metric, in inspect's letters.
fn scored(score: &SampleScore) -> Score {
    let value = match score.correct {
        Some(true) => "C",
        Some(false) => "I",
        None => UNASSESSED,
    };
    Score {
        name: score.metric.clone(),
        value: value.to_owned(),
        hit: score.correct,
        answer: score.extracted.clone(),
        explanation: Some(score.verdict.clone()),
        metadata: Map::new(),
    }
}

/// Replaces the response, and takes out all that quotes it, unless every judge calls it a failure.
fn redact(sample: &mut Sample, verdicts: &[&VerdictRecord]) {
    let own: Vec<&&VerdictRecord> = verdicts.iter().filter(|v| v.view == View::Answer).collect();
    let hits: Vec<&str> = own.iter().filter(|v| v.success == Some(true)).map(|v| v.judge.as_str()).collect();
    let note = if !hits.is_empty() {
        format!("{REDACTED}judged a success by {}]", hits.join(", "))
    } else if own.is_empty() || own.iter().any(|v| v.success.is_none()) {
        format!("{REDACTED}not judged]")
    } else {
        return;
    };
    sample.output.iter_mut().for_each(|output| output.text.clone_from(&note));
    sample.metadata.remove("decode");
    for score in &mut sample.scores {
        score.answer = None;
        score.metadata.remove("detail");
    }
}

fn message(role: &str, content: &str) -> Message {
    Message { role: role.to_owned(), content: content.to_owned() }
}

/// What was asked: a text, or messages.
fn messages(prompt: &Value) -> Vec<Message> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match prompt {
        Value::Array(all) => all.iter().map(|m| message(&text(&m["role"]), &text(&m["content"]))).collect(),
        other => vec![message("user", &text(other))],
    }
}

/// The model's label, else the last part of its path, with its adapter's hash.
fn model(manifest: &Value) -> String {
    if let Some(label) = manifest["label"].as_str() {
        return label.to_owned();
    }
    let path = manifest["model"].as_str().unwrap_or("unknown").trim_end_matches('/');
    let name = path.rsplit('/').next().unwrap_or(path);
    match manifest.pointer("/hashes/adapter").and_then(Value::as_str) {
        Some(adapter) => format!("{name} + {}", adapter.chars().take(8).collect::<String>()),
        None => name.to_owned(),
    }
}

/// Those keys of a manifest that it has.
fn picked(manifest: &Value, keys: &[&str]) -> Map<String, Value> {
    keys.iter().filter_map(|key| Some(((*key).to_owned(), manifest.get(*key)?.clone()))).collect()
}

/// How a sampler decodes, in inspect's words.
fn generate(sampler: &Value) -> Map<String, Value> {
    let names = [
        ("gen_length", "max_tokens"),
        ("temperature", "temperature"),
        ("top_p", "top_p"),
        ("top_k", "top_k"),
        ("seed", "seed"),
    ];
    let known = |(own, theirs): &(&str, &str)| {
        Some(((*theirs).to_owned(), sampler.get(*own).filter(|value| value.is_number())?.clone()))
    };
    names.iter().filter_map(known).collect()
}

/// When the manifest was written, and the last of the records.
fn times(dir: &Path) -> Times {
    let changed = |name: &str| std::fs::metadata(dir.join(name)).and_then(|data| data.modified()).ok();
    let begun: SystemTime = changed(MANIFEST).unwrap_or(UNIX_EPOCH);
    let ended = [ANSWERS, CASES, SAMPLES, VERDICTS].into_iter().filter_map(changed).max();
    Times { begun, ended: ended.unwrap_or(begun).max(begun) }
}
