//! `mosa judge`: verdicts on the answers of a run, without asking the model again.

use crate::args::{JudgeArgs, JudgingArgs, PartArgs};
use crate::failure::Failure;
use crate::files::check_answers;
use crate::manifest::Manifest;
use crate::parts::{Done, Parted, say_budget};
use crate::settings::{SettingsFile, key_of};
use crate::table::{below, header, in_a_line, outcomes, rate, unassessed};
use crate::{digest, folder, interrupt, output};
use anyhow::{Context, Error, Result};
use mosa_client::{Endpoint, EndpointSettings};
use mosa_judge::{
    Cache, DegeneracyGate, Judge, JudgeError, Judging, Missing, Pace, Settings, Text, judge, tallies, tell_outcomes,
    texts,
};
use mosa_records::names::{ANSWERS, CASES, VERDICTS};
use mosa_records::{
    AnswerRecord, CHUNKS, Cases, Lock, Log, RunFolder, VerdictRecord, drop_outdated, tell_judges_apart,
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;

/// A file of judge settings.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct JudgeFile {
    pub settings: Settings,
    endpoint: EndpointSettings,
    pub gate: DegeneracyGate,
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
    if args.parts.is_given() {
        return part(args);
    }
    if args.out.is_some() {
        return Err(
            anyhow::anyhow!("--out is for --shard and --join: other verdicts stand in the folder of the run").into()
        );
    }
    let lock = Lock::take(&args.run, "judge")?;
    folder::warn(lock.warning());
    let Judged { verdicts, missing } = judge_folder(&args.run, &args.judging, args.quiet)?;
    output::line(&table(&verdicts))?;
    missing.map_or(Ok(()), |missing| Err(Failure::Check(missing)))
}

/// Judges a part of the texts, in a folder of its own; `mosa records merge` adds the verdicts to the run.
fn part(args: &JudgeArgs) -> Result<(), Failure> {
    let out = args.out.as_deref().context("--out is needed with --shard and --join: the folder of the part")?;
    let answers: Vec<AnswerRecord> = folder::read(&args.run.join(ANSWERS))?;
    check_answers(&args.run, &answers)?;
    let (judges, texts) = (Judges::open(&args.judging)?, texts(&answers));
    judges.say_budget(&args.parts);
    let manifest = Manifest::new(json!({
        "command": "judge",
        "hashes": {"answers": digest::of_file(&args.run.join(ANSWERS))?},
        "judges": judges.said(),
        "gate": judges.file.gate,
    }));
    let (cases, quiet) = (Cases { total: texts.len(), unit: 1 }, args.quiet);
    let parted = Parted { args: &args.parts, out, manifest: &manifest, cases, judges: true, quiet };
    let done = parted.work(|folder, range| {
        let (log, missing) = judges.ask(&texts[range], &folder.path(VERDICTS), quiet)?;
        Ok(Done { value: standing(log.into_records(), &answers, quiet), missing })
    })?;
    let Some(Done { value: verdicts, missing }) = done else { return Ok(()) };
    output::line(&table(&verdicts))?;
    missing.map_or(Ok(()), |missing| Err(Failure::Check(missing)))
}

/// Success by judge and view, why texts are unassessed, and what the others are.
fn table(verdicts: &[VerdictRecord]) -> String {
    let mut rows = vec![header(&["judge", "view", "n", "success", "95% interval", "unassessed"])];
    let (mut why, mut told) = (Vec::new(), Vec::new());
    for tally in tallies(verdicts) {
        let [success, interval] = rate(tally.successes, tally.assessed);
        let (assessed, open) = (tally.assessed.to_string(), tally.unassessed.len().to_string());
        let cell = format!("{}, {}", tally.judge, tally.view.name());
        why.extend(unassessed(&cell, tally.unassessed.iter().map(String::as_str)));
        told.push((vec![tally.judge.clone(), tally.view.name().into()], tally.outcomes));
        rows.push(vec![tally.judge, tally.view.name().into(), assessed, success, interval, open]);
    }
    let told = output::table(&outcomes(&["judge", "view"], &told));
    format!("{}\n\n{told}", below(output::table(&rows), &why))
}

/// Judges what has no verdict yet, and asks again where a judge gave none.
pub(crate) fn judge_folder(run: &Path, args: &JudgingArgs, quiet: bool) -> Result<Judged, Failure> {
    Judges::open(args)?.judge(run, quiet)
}

/// Opened judges, with their endpoint and what it may use.
pub(crate) struct Judges {
    file: JudgeFile,
    all: Vec<Box<dyn Judge>>,
    concurrency: usize,
}

impl Judges {
    /// Opens them.
    pub(crate) fn open(args: &JudgingArgs) -> Result<Self> {
        let (file, all) = judges(args)?;
        Ok(Self { file, all, concurrency: args.concurrency })
    }

    /// Says that their endpoint's budget holds for each process, where several work on a run.
    pub(crate) fn say_budget(&self, parts: &PartArgs) {
        say_budget(parts, "judge", &self.file.endpoint.budget);
    }

    /// What a manifest says of them: names, and what decides beside the rule.
    fn said(&self) -> Value {
        self.all.iter().map(|judge| json!({"name": judge.name(), "by": judge.provenance().decides()})).collect()
    }

    /// Judges what has no verdict yet in a run, and asks again where a judge gave none.
    pub(crate) fn judge(&self, run: &Path, quiet: bool) -> Result<Judged, Failure> {
        check_run(run)?;
        let answers: Vec<AnswerRecord> = folder::read(&run.join(ANSWERS))?;
        check_answers(run, &answers)?;
        let (log, missing) = self.ask(&texts(&answers), &run.join(VERDICTS), quiet)?;
        Ok(Judged { verdicts: standing(log.into_records(), &answers, quiet), missing })
    }

    /// Asks each judge for what a file of verdicts lacks of some texts; what is missing behind that.
    fn ask(
        &self,
        texts: &[Text<'_>],
        file: &Path,
        quiet: bool,
    ) -> Result<(Log<VerdictRecord>, Option<String>), Failure> {
        let judging: Vec<Judging<'_>> =
            self.all.iter().map(|judge| Judging::new(judge.as_ref(), &self.file.gate)).collect();
        let mut log = folder::log::<VerdictRecord>(file)?;
        for judge in &judging {
            ask(judge, texts, &mut log, Asking { concurrency: self.concurrency, quiet })?;
        }
        if let Some(problem) = self.file.settings.cache.as_ref().and_then(|cache| cache.problem()) {
            output::say(&format!("warning: {problem}"));
        }
        let missing = judging.iter().filter_map(|judge| judge.missing(texts, log.records())).collect();
        Ok((log, said(missing)))
    }
}

/// Refuses a folder that holds nothing to judge. One that names answers it has lost is told from it later.
fn check_run(run: &Path) -> Result<()> {
    if !run.join(ANSWERS).exists() && RunFolder::manifest(run).is_ok_and(|manifest| manifest[CHUNKS].is_object()) {
        let run = run.display();
        anyhow::bail!(
            "{run}: its chunks are not put together yet; run mosa records merge {run} --out RUN, then judge that"
        );
    }
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
    tell_outcomes(&mut verdicts, answers);
    verdicts
}

/// How judges are asked.
struct Asking {
    concurrency: usize,
    quiet: bool,
}

/// Asks a judge for what it has not judged, with a progress bar.
fn ask(
    judge: &Judging<'_>,
    texts: &[Text<'_>],
    log: &mut Log<VerdictRecord>,
    Asking { concurrency, quiet }: Asking,
) -> Result<(), Failure> {
    let open = judge.open(texts, log.records());
    let bar = output::bar(quiet, texts.len())?;
    bar.set_message(judge.name());
    bar.set_position((texts.len() - open.places.len()) as u64);
    let mut judged = || bar.inc(1);
    let mut pace = Pace { concurrency: concurrency.max(1), judged: &mut judged, stopped: &interrupt::asked };
    let done = judge.ask(texts, &open, log, &mut pace)?;
    bar.finish_and_clear();
    match done {
        true => Ok(()),
        false => Err(Failure::Interrupted("interrupted; the same command judges the rest".into())),
    }
}

/// What judges gave no verdict on, in a sentence.
fn said(missing: Vec<Missing>) -> Option<String> {
    let one = |Missing { judge, n, of, reason }: &Missing| {
        format!("{n} of {of} answers have no verdict of {judge}; most often: {}", in_a_line(reason))
    };
    let all: Vec<String> = missing.iter().map(one).collect();
    (!all.is_empty()).then(|| format!("{}; the same command asks for these again", all.join("; ")))
}

/// The settings and the judges made with them; what is wrong with a file's settings is said with its place.
pub(crate) fn judges(args: &JudgingArgs) -> Result<(JudgeFile, Vec<Box<dyn Judge>>)> {
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

/// One judge, by the settings of a file if one is named.
pub(crate) fn one(name: &str, config: Option<&Path>) -> Result<Box<dyn Judge>> {
    let (judge, judge_config) = (vec![name.to_owned()], config.map(Path::to_owned));
    let (_, mut judges) = judges(&JudgingArgs { judge, judge_config, ..JudgingArgs::default() })?;
    judges.pop().with_context(|| format!("there is no judge {name}"))
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
