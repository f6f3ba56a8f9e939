//! `mosa data import`: attack artifacts from elsewhere as a run folder.

use super::{REDACTED, STAGES};
use crate::args::{DataImportArgs, ExchangeFormat};
use crate::manifest::Manifest;
use crate::{digest, folder, output};
use anyhow::{Context, Result, ensure};
use mosa_attack::{CaseRecord, Reason, Used};
use mosa_data::{
    Behaviour, Benchmark, Functional, Judgement, Origin, Submission, from_jsonl, harmbench, jailbreakbench, load,
};
use mosa_records::names::{ANSWERS, CASES, PROMPTS, VERDICTS};
use mosa_records::{AnswerRecord, Record, RunFolder, Texts, VerdictRecord, View, restore};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

pub(crate) fn run(args: &DataImportArgs) -> Result<()> {
    let benchmark = args.read.read(&args.benchmark, false)?;
    let file = file(args)?;
    let Found { submissions, model, notes } = read(args, &file, &benchmark)?;
    ensure!(!submissions.is_empty(), "{}: holds no submissions; give the complete file", file.display());
    let attempts = attempts(&submissions, &benchmark)
        .with_context(|| format!("{}: does not fit {}", file.display(), args.benchmark.display()))?;
    let records = Imported::new(&attempts)?;
    let run = folder::open(&args.out, &manifest(args, &file, &benchmark, &model)?)?;
    for path in records.write(&run)? {
        output::line(&path.display().to_string())?;
    }
    notes.iter().for_each(|note| output::say(&format!("note: {}: {note}", file.display())));
    advise(args, &attempts);
    Ok(())
}

/// The file that is read: of a folder of HarmBench, the last stage.
fn file(args: &DataImportArgs) -> Result<PathBuf> {
    let given = args.file.display();
    ensure!(args.file.exists(), "{given}: no such file; give the path of the artifacts");
    if !args.file.is_dir() {
        return Ok(args.file.clone());
    }
    ensure!(args.format == ExchangeFormat::HarmBench, "{given}: is a folder; give the file in it");
    let stage = STAGES.iter().map(|name| args.file.join(name)).find(|p| p.exists());
    stage.with_context(|| format!("{given}: holds none of {}; give one of these files", STAGES.join(", ")))
}

/// What a file holds.
struct Found {
    submissions: Vec<Submission>,
    /// The model it names.
    model: Option<String>,
    /// What was missing in it or did not fit.
    notes: Vec<String>,
}

fn read(args: &DataImportArgs, file: &Path, benchmark: &Benchmark) -> Result<Found> {
    let hint = || format!("{}: cannot be imported as {}", file.display(), name_of(args.format));
    let judge = args.judge.as_deref().unwrap_or(name_of(args.format));
    let origin = Origin { attack: &args.attack, judge, benchmark: Some(benchmark) };
    match args.format {
        ExchangeFormat::HarmBench => {
            let stage = load(file, |text| harmbench::from_json(text, &origin)).with_context(hint)?;
            Ok(Found { submissions: stage.submissions, model: None, notes: stage.notes })
        }
        ExchangeFormat::JailbreakBench => {
            let artifact = load(file, jailbreakbench::from_json).with_context(hint)?;
            let model = Some(artifact.parameters.model.clone());
            let jailbreakbench::Fitted { artifact, mut notes } = jailbreakbench::fitted(artifact, benchmark);
            let mut submissions = jailbreakbench::from_artifact(&artifact, judge);
            notes.extend(silent(&mut submissions));
            Ok(Found { submissions, model, notes })
        }
        ExchangeFormat::Jsonl => {
            Ok(Found { submissions: load(file, from_jsonl).with_context(hint)?, model: None, notes: Vec::new() })
        }
    }
}

/// In a file with responses, a prompt without one is a prompt to which nothing came back.
fn silent(submissions: &mut [Submission]) -> Option<String> {
    if submissions.iter().all(|s| s.response.is_none()) {
        return None;
    }
    let open = submissions.iter_mut().filter(|s| s.prompt.is_some() && s.response.is_none());
    let n = open.map(|s| s.unanswered = true).count();
    (n > 0).then(|| format!("entries with a prompt and no response: {n}; they are unassessed"))
}

fn name_of(format: ExchangeFormat) -> &'static str {
    match format {
        ExchangeFormat::HarmBench => "harmbench",
        ExchangeFormat::JailbreakBench => "jailbreakbench",
        ExchangeFormat::Jsonl => "jsonl",
    }
}

/// The submissions of an attack for one behaviour.
struct Attempts<'a> {
    behaviour: &'a Behaviour,
    submissions: Vec<&'a Submission>,
}

/// Submissions by attack and behaviour, in the order in which these first appear.
fn attempts<'a>(submissions: &'a [Submission], benchmark: &'a Benchmark) -> Result<Vec<Attempts<'a>>> {
    let by_id: HashMap<&str, &Behaviour> = benchmark.behaviours.iter().map(|b| (b.id.as_str(), b)).collect();
    let mut places: HashMap<(&str, &str), usize> = HashMap::new();
    let mut all: Vec<Attempts<'_>> = Vec::new();
    for s in submissions {
        let id = s.behaviour_id.as_str();
        let unknown = || {
            let (kind, n) = (benchmark.kind, benchmark.behaviours.len());
            format!(
                "the benchmark ({kind}, {n} behaviours) has no id {id:?}; give the file and --subsets of the attack"
            )
        };
        let behaviour = *by_id.get(id).with_context(unknown)?;
        ensure!(
            same(s, behaviour),
            "{id:?} is another behaviour in the benchmark; give the benchmark that was attacked"
        );
        let place = *places.entry((s.attack.as_str(), id)).or_insert(all.len());
        match all.get_mut(place) {
            Some(attempts) => attempts.submissions.push(s),
            None => all.push(Attempts { behaviour, submissions: vec![s] }),
        }
    }
    Ok(all)
}

/// Whether a submission is for this behaviour, if it says so; spaces apart.
fn same(s: &Submission, behaviour: &Behaviour) -> bool {
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let said = words(&s.behaviour);
    said.is_empty() || said == words(&behaviour.text) || said == words(&behaviour.prompt())
}

/// What becomes of the submissions.
#[derive(Default)]
struct Imported {
    answers: Vec<AnswerRecord>,
    cases: Vec<CaseRecord>,
    verdicts: Vec<VerdictRecord>,
    /// Rows for `mosa generate`.
    prompts: Vec<Value>,
}

impl Imported {
    fn new(all: &[Attempts<'_>]) -> Result<Self> {
        let mut records = Self::default();
        for attempts in all {
            records.add(attempts)?;
        }
        Ok(records)
    }

    fn add(&mut self, attempts: &Attempts<'_>) -> Result<()> {
        let (mut keys, mut waiting, mut silent) = (Vec::new(), 0, 0);
        for (number, s) in attempts.submissions.iter().enumerate() {
            match (&s.prompt, &s.response) {
                (Some(prompt), Some(response)) => {
                    let answer = answer(attempts, s, Place { number, selected: keys.is_empty() }, [prompt, response]);
                    let key = answer.key();
                    self.verdicts.extend(s.labels.iter().map(|(judge, outcome)| verdict(&key, judge, *outcome)));
                    self.answers.push(answer);
                    keys.push(key);
                }
                (Some(_), None) if s.unanswered => silent += 1,
                (Some(prompt), None) => {
                    ensure!(
                        s.forced.is_empty(),
                        "the submission for {:?} has forced words and no response: no prompt file holds forced \
                         words; answer it with `mosa generate --force`",
                        s.behaviour_id
                    );
                    waiting += 1;
                    // The key that its answer would have.
                    let id = format!("{}/{}#{number}", s.attack, s.behaviour_id);
                    self.prompts.push(json!({"id": id, "prompt": prompt, "category": attempts.behaviour.category}));
                }
                (None, _) => {}
            }
        }
        self.cases.extend((waiting == 0 || !keys.is_empty()).then(|| record(attempts, keys, silent)));
        Ok(())
    }

    /// Writes what there is; returns where.
    fn write(self, folder: &RunFolder) -> Result<Vec<PathBuf>> {
        let mut written = Vec::new();
        if self.answers.is_empty() && !self.prompts.is_empty() {
            write_prompts(&self.prompts, &folder.path(PROMPTS))?;
            return Ok(vec![folder.path(PROMPTS)]);
        }
        written.extend(log(folder.path(ANSWERS), self.answers)?);
        written.extend(log(folder.path(CASES), self.cases)?);
        written.extend(log(folder.path(VERDICTS), self.verdicts)?);
        if !self.prompts.is_empty() {
            write_prompts(&self.prompts, &folder.path(PROMPTS))?;
            written.push(folder.path(PROMPTS));
        }
        Ok(written)
    }
}

/// Which of the submissions for a behaviour an answer is of.
struct Place {
    number: usize,
    /// Whether it is the one that is submitted.
    selected: bool,
}

fn answer(attempts: &Attempts<'_>, s: &Submission, place: Place, [prompt, response]: [&String; 2]) -> AnswerRecord {
    let Place { number, selected } = place;
    let by_force = |text: String| (!s.forced.is_empty()).then_some(text);
    let mut tags =
        BTreeMap::from([("case".to_owned(), s.behaviour_id.clone()), ("selected".to_owned(), selected.to_string())]);
    tags.extend(attempts.behaviour.category.iter().map(|c| ("category".to_owned(), c.clone())));
    AnswerRecord {
        group: s.attack.clone(),
        id: format!("{}#{number}", s.behaviour_id),
        behaviour: attempts.behaviour.text.clone(),
        prompt: prompt.clone(),
        tags,
        texts: Texts {
            full: response.clone(),
            to_end: response.clone(),
            after_forced: by_force(response.clone()),
            without_forced: by_force(s.forced.iter().fold(response.clone(), |left, f| left.replacen(&f.text, "", 1))),
        },
        forced: s.forced.clone(),
        pieces: Vec::new(),
        steps: Vec::new(),
        confidences: Vec::new(),
        finish: "imported".to_owned(),
        forwards: 0,
        defences: Vec::new(),
    }
}

/// A case of which `silent` prompts got no answer. Where none got one, nothing is known of the model.
fn record(attempts: &Attempts<'_>, keys: Vec<String>, silent: usize) -> CaseRecord {
    let failed = keys.is_empty() && silent > 0;
    let attack = attempts.submissions.first().map(|s| s.attack.clone()).unwrap_or_default();
    CaseRecord {
        attack,
        case: attempts.behaviour.id.clone(),
        category: attempts.behaviour.category.clone(),
        reason: if failed { Reason::Failed } else { Reason::Exhausted },
        error: failed.then(|| "the imported file has a prompt and no response".to_owned()),
        selected: keys.first().cloned(),
        candidates: keys,
        used: Used { queries: attempts.submissions.iter().filter_map(|s| s.queries).sum(), ..Used::default() },
        events: Vec::new(),
    }
}

fn verdict(answer: &str, judge: &str, outcome: Judgement) -> VerdictRecord {
    let status = if outcome == Judgement::Undecided { "undecided" } else { "ok" };
    VerdictRecord {
        answer: answer.to_owned(),
        view: View::Answer,
        judge: judge.to_owned(),
        success: match outcome {
            Judgement::Success => Some(true),
            Judgement::Failure => Some(false),
            Judgement::Undecided => None,
        },
        status: status.to_owned(),
        detail: json!({"imported": true}),
        ..VerdictRecord::default()
    }
}

/// Appends records that are not there yet; says where, unless there are none.
fn log<R: Record>(path: PathBuf, records: Vec<R>) -> Result<Option<PathBuf>> {
    if records.is_empty() {
        return Ok(None);
    }
    let mut log = folder::log::<R>(&path)?;
    for record in records {
        log.push(record)?;
    }
    Ok(Some(path))
}

fn write_prompts(prompts: &[Value], path: &Path) -> Result<()> {
    let text: String = prompts.iter().map(|p| format!("{p}\n")).collect();
    Ok(restore(path, text.as_bytes())?)
}

/// The same file and flags are the same run.
fn manifest(args: &DataImportArgs, file: &Path, benchmark: &Benchmark, model: &Option<String>) -> Result<Manifest> {
    Ok(Manifest::new(json!({
        "command": "data import",
        "model": model,
        "format": name_of(args.format),
        "attack": args.attack,
        "judge": args.judge,
        "benchmark": benchmark.kind.name(),
        "hashes": {"file": digest::of_file(file)?, "behaviors": digest::of_file(&args.benchmark)?},
    })))
}

/// What to do next, and what judges cannot do.
fn advise(args: &DataImportArgs, attempts: &[Attempts<'_>]) {
    let run = args.out.display();
    let all = || attempts.iter().flat_map(|a| &a.submissions);
    let copyright = attempts.iter().filter(|a| a.behaviour.functional == Some(Functional::Copyright)).count();
    if copyright > 0 {
        output::say(&format!("note: behaviours about copyright: {copyright}; no judge of mosa can score these"));
    }
    let waiting = all().filter(|s| s.prompt.is_some() && s.response.is_none() && !s.unanswered).count();
    if waiting > 0 {
        let command = format!("mosa generate --model DIR --prompts {run}/{PROMPTS} --json");
        output::say(&format!("prompts without a response: {waiting}; ask a model: {command}"));
    }
    let redacted = all().filter(|s| s.response.as_ref().is_some_and(|r| r.starts_with(REDACTED))).count();
    if redacted > 0 {
        output::say(&format!(
            "note: redacted responses: {redacted}; their labels hold, a new judgement of them does not"
        ));
    }
    if all().any(|s| s.prompt.is_some() && s.response.is_some()) {
        output::say(&format!("judge the answers with: mosa judge {run}; draw them with: mosa report {run}"));
    }
}
