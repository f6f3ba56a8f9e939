//! `mosa judge`: verdicts on the answers of a run, without asking the model again.

use super::probe::ANSWERS;
use crate::args::{JudgeArgs, JudgingArgs};
use crate::failure::Failure;
use crate::{interrupt, output, settings};
use anyhow::{Context, Result};
use mosa_client::{Endpoint, EndpointSettings};
use mosa_judge::{Cache, Case, DegeneracyGate, Judge, Settings, Verdict, judge, judge_all};
use mosa_records::{AnswerRecord, Log, Record, VerdictRecord, View};
use serde::Deserialize;
use serde_json::json;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

/// Records of verdicts.
pub(crate) const VERDICTS: &str = "verdicts.jsonl";

/// A file of judge settings.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct JudgeFile {
    settings: Settings,
    endpoint: EndpointSettings,
    gate: DegeneracyGate,
}

pub(crate) fn run(args: &JudgeArgs) -> Result<(), Failure> {
    interrupt::install();
    let verdicts = judge_folder(&args.run, &args.judging, args.quiet)?;
    let mut rows = vec![super::probe::header(&["judge", "view", "n", "success", "95% interval", "unassessed"])];
    let mut cells: Vec<(&str, View)> = Vec::new();
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
    }
    Ok(output::line(&output::table(&rows))?)
}

/// Judges what has no verdict yet; returns all verdicts of the run.
pub(crate) fn judge_folder(run: &Path, args: &JudgingArgs, quiet: bool) -> Result<Vec<VerdictRecord>, Failure> {
    let answers = run.join(ANSWERS);
    if !answers.exists() {
        let what = format!("{}: holds no {ANSWERS}; it is not the run of a probe or an attack", run.display());
        return Err(anyhow::anyhow!(what).into());
    }
    let answers: Vec<AnswerRecord> = Log::read(&answers)?;
    let file = settings(args)?;
    let mut log = Log::<VerdictRecord>::open(&run.join(VERDICTS))?;
    for name in &args.judge {
        let judge = judge(name, &file.settings)?;
        judge_with(judge.as_ref(), &answers, &mut log, (&file.gate, args.concurrency, quiet))?;
    }
    Ok(log.into_records())
}

fn settings(args: &JudgingArgs) -> Result<JudgeFile> {
    let mut file: JudgeFile = match &args.judge_config {
        Some(path) => {
            let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            settings::finite_file(path, &text)?;
            toml::from_str(&text).with_context(|| format!("{}: not judge settings", path.display()))?
        }
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
        file.settings.endpoint = Some(Arc::new(Endpoint::new(file.endpoint.clone())?));
        if let Some(dir) = &args.judge_cache {
            file.settings.cache = Some(Arc::new(Cache::open(dir)?));
        }
    }
    Ok(file)
}

/// A text to judge: the answer it belongs to and which of its texts it is.
struct Text<'a> {
    answer: &'a AnswerRecord,
    view: View,
}

impl Text<'_> {
    fn words(&self) -> &str {
        let texts = &self.answer.texts;
        match self.view {
            View::Answer => texts.after_forced.as_deref().unwrap_or(&texts.to_end),
            View::WithoutForced => texts.without_forced.as_deref().unwrap_or(&texts.to_end),
        }
    }

    fn case(&self) -> Case {
        Case {
            id: self.answer.key(),
            behaviour: self.answer.behaviour.clone(),
            context: self.answer.tags.get("context").cloned(),
            answer: self.words().to_owned(),
        }
    }

    fn record(&self, verdict: &Verdict, gate: &DegeneracyGate) -> VerdictRecord {
        let found = gate.look(self.words());
        let status = serde_json::to_value(&verdict.status).unwrap_or_default();
        VerdictRecord {
            answer: self.answer.key(),
            view: self.view,
            judge: verdict.judge.clone(),
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

/// Verdicts are written in the order of the answers, however they come in, so that a resumed run has the same bytes.
fn judge_with(
    judge: &dyn Judge,
    answers: &[AnswerRecord],
    log: &mut Log<VerdictRecord>,
    (gate, concurrency, quiet): (&DegeneracyGate, usize, bool),
) -> Result<(), Failure> {
    let views = |a: &AnswerRecord| {
        if a.forced.is_empty() { vec![View::Answer] } else { vec![View::Answer, View::WithoutForced] }
    };
    let texts: Vec<Text<'_>> =
        answers.iter().flat_map(|answer| views(answer).into_iter().map(move |view| Text { answer, view })).collect();
    let key = |t: &Text<'_>| format!("{}/{}/{}", judge.name(), t.view.name(), t.answer.key());
    let bar = output::bar(quiet, texts.len())?;
    bar.set_message(judge.name().to_owned());
    let done = log.fill((&texts, 4 * concurrency.max(1)), key, interrupt::asked, |batch| {
        let cases: Vec<Case> = batch.iter().map(Text::case).collect();
        let verdicts = judge_all(&[judge], &cases, concurrency, |_| {
            bar.inc(1);
            ControlFlow::Continue(())
        });
        Ok::<_, Failure>(verdicts.iter().flatten().zip(batch).map(|(v, t)| t.record(v, gate)).collect())
    })?;
    bar.finish_and_clear();
    if done { Ok(()) } else { Err(Failure::Interrupted("interrupted; the same command judges the rest".into())) }
}
