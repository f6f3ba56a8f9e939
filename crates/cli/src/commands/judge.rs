//! `mosa judge`: verdicts on the answers of a run, without asking the model again.

use super::attack::{CASES, check_answers};
use super::probe::ANSWERS;
use crate::args::{JudgeArgs, JudgingArgs};
use crate::failure::Failure;
use crate::settings::{SettingsFile, key_of};
use crate::{folder, interrupt, output};
use anyhow::{Error, Result};
use mosa_client::{Endpoint, EndpointSettings};
use mosa_judge::{Cache, Case, DegeneracyGate, Judge, JudgeError, Settings, Status, Verdict, judge, judge_all};
pub(crate) use mosa_records::names::VERDICTS;
use mosa_records::{AnswerRecord, Lock, Log, Record, VerdictRecord, View, drop_outdated, tell_judges_apart};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

/// Verdicts that are asked for anew are put into the file this many at a time.
const AT_A_TIME: usize = 64;

/// A file of judge settings.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct JudgeFile {
    settings: Settings,
    endpoint: EndpointSettings,
    gate: DegeneracyGate,
}

/// What a run's answers were judged to be.
pub(crate) struct Judged {
    /// Every verdict on an answer that is there as it was judged. Judges that decide by different models have different
    /// names.
    pub verdicts: Vec<VerdictRecord>,
    /// How many answers a judge gave no verdict on, and why; none if all have one.
    pub missing: Option<String>,
}

pub(crate) fn run(args: &JudgeArgs) -> Result<(), Failure> {
    check_run(&args.run)?;
    let lock = Lock::take(&args.run, "judge")?;
    folder::warn(lock.warning());
    let Judged { verdicts, missing } = judge_folder(&args.run, &args.judging, args.quiet)?;
    let mut rows = vec![super::probe::header(&["judge", "view", "n", "success", "95% interval", "unassessed"])];
    let (mut cells, mut why): (Vec<(&str, View)>, Vec<String>) = (Vec::new(), Vec::new());
    for v in &verdicts {
        let cell = (v.judge.as_str(), v.view);
        if !cells.contains(&cell) {
            cells.push(cell);
        }
    }
    for (name, view) in cells {
        let own: Vec<_> = verdicts.iter().filter(|v| v.judge == name && v.view == view).collect();
        let assessed = own.iter().filter(|v| v.success.is_some()).count();
        let hits = own.iter().filter(|v| v.success == Some(true)).count();
        let [success, interval] = super::probe::rate(hits, assessed);
        let unassessed = (own.len() - assessed).to_string();
        rows.push(vec![name.into(), view.name().into(), assessed.to_string(), success, interval, unassessed]);
        let reasons = own.iter().filter(|v| v.success.is_none()).map(|v| v.status.as_str());
        why.extend(reasons_of(&format!("{name}, {}", view.name()), reasons));
    }
    output::line(&below(output::table(&rows), &why))?;
    missing.map_or(Ok(()), |missing| Err(Failure::Check(missing)))
}

/// A table with lines below it.
pub(crate) fn below(table: String, lines: &[String]) -> String {
    lines.iter().fold(table, |text, line| format!("{text}\n{line}"))
}

/// Why some of a cell are unassessed, in a line, most frequent first; nothing if there are none.
pub(crate) fn reasons_of<'a>(cell: &str, reasons: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut counted: BTreeMap<String, usize> = BTreeMap::new();
    for reason in reasons {
        *counted.entry(in_a_line(reason)).or_default() += 1;
    }
    let mut counted: Vec<(String, usize)> = counted.into_iter().collect();
    counted.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    let said: Vec<String> = counted.iter().map(|(reason, n)| format!("{n}: {reason}")).collect();
    (!said.is_empty()).then(|| format!("unassessed ({cell}): {}", said.join("; ")))
}

/// The beginning of a text, without line breaks.
fn in_a_line(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(200) {
        Some((end, _)) => format!("{}…", &words[..end]),
        None => words,
    }
}

/// Judges what has no verdict yet, and asks again where a judge gave none.
pub(crate) fn judge_folder(run: &Path, args: &JudgingArgs, quiet: bool) -> Result<Judged, Failure> {
    check_run(run)?;
    let answers: Vec<AnswerRecord> = folder::read(&run.join(ANSWERS))?;
    check_answers(run, &answers)?;
    let (file, judges) = judges(args)?;
    let texts = texts(&answers);
    let mut log = folder::log::<VerdictRecord>(&run.join(VERDICTS))?;
    for judge in &judges {
        Asking::new(judge.as_ref(), &file.gate).judge(&texts, &mut log, args.concurrency.max(1), quiet)?;
    }
    if let Some(problem) = file.settings.cache.as_ref().and_then(|cache| cache.problem()) {
        output::say(&format!("warning: {problem}"));
    }
    let missing = missing(&judges, &texts, log.records());
    Ok(Judged { verdicts: standing(log.into_records(), &answers, quiet), missing })
}

/// Refuses a folder that holds nothing to judge. One that names answers it has lost is told from it later.
fn check_run(run: &Path) -> Result<()> {
    let found = run.join(ANSWERS).exists() || run.join(CASES).exists();
    anyhow::ensure!(found, "{}: holds no {ANSWERS}; it is not the run of a probe or an attack", run.display());
    Ok(())
}

/// The verdicts on answers as they are; says how many are on others.
fn standing(mut verdicts: Vec<VerdictRecord>, answers: &[AnswerRecord], quiet: bool) -> Vec<VerdictRecord> {
    let n = drop_outdated(&mut verdicts, answers);
    if n > 0 && !quiet {
        output::say(&format!("note: {n} verdicts are on answers that were other ones then, and do not count"));
    }
    tell_judges_apart(&mut verdicts);
    verdicts
}

/// How many answers have no verdict although a judge was asked for one, and the most frequent reason.
fn missing(judges: &[Box<dyn Judge>], texts: &[Text<'_>], verdicts: &[VerdictRecord]) -> Option<String> {
    let mut said = Vec::new();
    for judge in judges {
        let by = judge.provenance().decides();
        let own = verdicts.iter().filter(|v| v.success.is_none() && v.is_of(judge.name(), &by));
        let failed: HashMap<(&str, View), &VerdictRecord> = own.map(|v| ((v.answer.as_str(), v.view), v)).collect();
        let answered = texts.iter().filter(|t| t.answer.unsaid().is_none());
        let reasons: Vec<&str> = answered
            .filter_map(|t| failed.get(&(t.key.as_str(), t.view)).filter(|v| v.is_about(&t.hash)))
            .map(|v| v.status.as_str())
            .collect();
        let mut counted: BTreeMap<&str, usize> = BTreeMap::new();
        reasons.iter().for_each(|reason| *counted.entry(reason).or_default() += 1);
        if let Some((most, _)) = counted.iter().max_by_key(|(_, n)| **n) {
            let (n, of, name, most) = (reasons.len(), texts.len(), judge.name(), in_a_line(most));
            said.push(format!("{n} of {of} answers have no verdict of {name}; most often: {most}"));
        }
    }
    (!said.is_empty()).then(|| format!("{}; the same command asks for these again", said.join("; ")))
}

/// The settings and the judges made with them; what is wrong with a file's settings is said with its place.
fn judges(args: &JudgingArgs) -> Result<(JudgeFile, Vec<Box<dyn Judge>>)> {
    let source = args.judge_config.as_deref().map(SettingsFile::open).transpose()?;
    let file = settings(args, source.as_ref())?;
    let made = args.judge.iter().map(|name| {
        judge(name, &file.settings).map_err(|error| match (&source, &error) {
            (Some(source), JudgeError::Setting { key, .. } | JudgeError::Missing { key, .. }) => {
                source.wrong(source.from("[settings]"), Some(key), error)
            }
            _ => error.into(),
        })
    });
    let made = made.collect::<Result<Vec<_>>>()?;
    Ok((file, made))
}

fn settings(args: &JudgingArgs, source: Option<&SettingsFile>) -> Result<JudgeFile> {
    let mut file: JudgeFile = match source {
        Some(source) => source.read("judge settings")?,
        None => {
            let endpoint = EndpointSettings { max_concurrency: args.concurrency.max(1), ..EndpointSettings::default() };
            JudgeFile { endpoint, ..JudgeFile::default() }
        }
    };
    if let Some(url) = &args.judge_endpoint {
        file.endpoint.base.clone_from(url);
    }
    if let Some(model) = &args.judge_model {
        file.endpoint.model.clone_from(model);
    }
    if !file.endpoint.base.is_empty() {
        let endpoint = Endpoint::new(file.endpoint.clone()).map_err(|error| {
            let key = key_of(&error);
            let by_flag = (key == Some("base") && args.judge_endpoint.is_some())
                || (key == Some("model") && args.judge_model.is_some());
            match source.filter(|_| !by_flag) {
                Some(source) => source.wrong(source.from("[endpoint]"), key, error),
                None => Error::from(error),
            }
        })?;
        file.settings.endpoint = Some(Arc::new(endpoint.stopped_by(interrupt::stop())));
        if let Some(dir) = &args.judge_cache {
            file.settings.cache = Some(Arc::new(Cache::open(dir)?));
        }
    }
    Ok(file)
}

/// A text to judge: the answer it belongs to, which of its texts it is, and what its verdicts are found by.
struct Text<'a> {
    answer: &'a AnswerRecord,
    view: View,
    key: String,
    hash: String,
}

/// Every text of the answers, in their order.
fn texts(answers: &[AnswerRecord]) -> Vec<Text<'_>> {
    let views = |a: &AnswerRecord| {
        if a.forced.is_empty() { vec![View::Answer] } else { vec![View::Answer, View::WithoutForced] }
    };
    let of = |answer| views(answer).into_iter().map(move |view| Text::new(answer, view));
    answers.iter().flat_map(of).collect()
}

impl<'a> Text<'a> {
    fn new(answer: &'a AnswerRecord, view: View) -> Self {
        Self { answer, view, key: answer.key(), hash: answer.text_hash(view) }
    }

    fn case(&self) -> Case {
        Case {
            id: self.key.clone(),
            behaviour: self.answer.behaviour.clone(),
            context: self.answer.tags.get("context").cloned(),
            answer: self.answer.judged(self.view).to_owned(),
            unsaid: self.answer.unsaid(),
        }
    }
}

/// A judge at work: what its verdicts are known by.
struct Asking<'a> {
    judge: &'a dyn Judge,
    by: BTreeMap<String, Value>,
    gate: &'a DegeneracyGate,
}

impl<'a> Asking<'a> {
    fn new(judge: &'a dyn Judge, gate: &'a DegeneracyGate) -> Self {
        Self { judge, by: judge.provenance().decides(), gate }
    }

    /// Asks for what has no verdict. Verdicts are written in the order of the answers, however they come in, so that a
    /// resumed run has the same bytes; one that is asked for again takes the place of the failed one.
    fn judge(
        &self,
        texts: &[Text<'_>],
        log: &mut Log<VerdictRecord>,
        concurrency: usize,
        quiet: bool,
    ) -> Result<(), Failure> {
        let (open, failed) = self.open(texts, log.records());
        let bar = output::bar(quiet, texts.len())?;
        bar.set_message(self.judge.name());
        bar.set_position((texts.len() - open.len()) as u64);
        let mut anew: HashMap<String, VerdictRecord> = HashMap::new();
        let mut stopped = false;
        for batch in open.chunks(4 * concurrency) {
            let cases: Vec<Case> = batch.iter().map(|&i| texts[i].case()).collect();
            let go_on = || if interrupt::asked() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
            let verdicts = judge_all(&[self.judge], &cases, concurrency, |_| {
                bar.inc(1);
                go_on()
            });
            for (verdict, &i) in verdicts.iter().flatten().zip(batch) {
                if verdict.status == Status::Interrupted {
                    // It keeps its place: those behind it are judged again.
                    stopped = true;
                    break;
                }
                let record = self.record(&texts[i], verdict);
                match failed.get(&i) {
                    Some(key) => drop(anew.insert(key.clone(), record)),
                    None => log.push(record)?,
                }
            }
            stopped |= go_on().is_break() && batch.last() != open.last();
            if anew.len() >= AT_A_TIME || stopped || batch.last() == open.last() {
                log.replace(|record| anew.remove(&record.key()))?;
            }
            if stopped {
                break;
            }
        }
        bar.finish_and_clear();
        if stopped {
            return Err(Failure::Interrupted("interrupted; the same command judges the rest".into()));
        }
        Ok(())
    }

    /// The texts that have no verdict of this judge, and the keys of the records that say so: of verdicts that failed, and
    /// of verdicts on an answer that was another one then.
    fn open(&self, texts: &[Text<'_>], verdicts: &[VerdictRecord]) -> (Vec<usize>, HashMap<usize, String>) {
        let own = verdicts.iter().filter(|v| v.is_of(self.judge.name(), &self.by));
        let own: HashMap<(&str, View), &VerdictRecord> = own.map(|v| ((v.answer.as_str(), v.view), v)).collect();
        let (mut open, mut failed) = (Vec::new(), HashMap::new());
        for (i, text) in texts.iter().enumerate() {
            match own.get(&(text.key.as_str(), text.view)) {
                Some(verdict)
                    if verdict.success.is_some() && verdict.is_about(&text.hash) && text.answer.unsaid().is_none() => {}
                Some(verdict) => {
                    open.push(i);
                    failed.insert(i, verdict.key());
                }
                None => open.push(i),
            }
        }
        (open, failed)
    }

    fn record(&self, text: &Text<'_>, verdict: &Verdict) -> VerdictRecord {
        let found = self.gate.look(text.answer.judged(text.view));
        let status = serde_json::to_value(&verdict.status).unwrap_or_default();
        VerdictRecord {
            answer: text.key.clone(),
            view: text.view,
            judge: verdict.judge.clone(),
            by: self.by.clone(),
            text: text.hash.clone(),
            success: verdict.success,
            value: verdict.value,
            status: status.as_str().map_or_else(|| verdict.reason().unwrap_or_default(), str::to_owned),
            degenerate: found.fired.first().map(|t| format!("{t:?}")),
            detail: json!({
                "parts": verdict.parts,
                "raw": verdict.raw,
                "model": verdict.provenance.model,
                "served_model": verdict.provenance.served_model,
                "template": verdict.provenance.template_sha256,
            }),
        }
    }
}
