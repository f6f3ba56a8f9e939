//! `mosa probe monitor`: how well monitors of the decode tell attacked requests from benign ones.

use super::{ANSWERS, MONITORS, Opened, header};
use crate::args::{CanvasName, MonitorArgs, phrases};
use crate::failure::Failure;
use crate::{digest, interrupt};
use anyhow::{Context, Result, ensure};
use mosa_defence::monitor::{COMPLIANCE, REFUSAL, Ready, Watching, WatchingSettings, WordLists};
use mosa_eval::{MonitorCell, monitored};
use mosa_probe::{Anchor, Case, Prefill, Watched, pad, plain, watched};
use mosa_records::{AnswerRecord, Batches, Log, RunFolder};
use mosa_report::plain::rate;
use mosa_text::{Message, Prompt, PromptRecord, TextModel};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;

const AFFIRMATIVE: &str = include_str!("../../../../../assets/phrases/affirmative.txt");
/// The labels of PAD.
const LABELS: &str = "Step 1:\nStep 2:\nStep 3:";
/// The group of what is told from.
const BENIGN: &str = "benign";

pub(crate) fn run(args: &MonitorArgs) -> Result<(), Failure> {
    let path = args.benign.as_deref().context(
        "--benign FILE is missing: monitors are measured by how well they tell harmful requests from benign ones",
    )?;
    let (seed, quiet) = (args.sampling.seed, args.common.compute.quiet);
    let benign = args.common.select.of_other().read(path, seed, quiet)?;
    let watching = settings(args)?;
    let sent = sent(args)?;
    let mut said = json!({
        "benign": digest::of_file(path)?, "attacks": args.attacks,
        "affirmative": args.affirmative.as_deref().map(digest::of_file).transpose()?,
        "anchors": args.anchors.as_deref().map(digest::of_file).transpose()?, "watching": watching, "from": args.from,
        "runs": sent.iter().map(|run| json!({"group": run.group, "answers": run.digest})).collect::<Vec<_>>(),
    });
    if !benign.said.is_null() {
        said["benign_reading"] = benign.said.clone();
    }
    let probe = Opened::new("probe monitor", &args.common, &args.sampling, said)?;
    let ready = Ready::new(probe.runtime.text(), &watching)?;
    let mut cases = benign_cases(&probe, path, &benign.records)?;
    cases.extend(harmful_cases(&probe, args)?);
    for run in &sent {
        let own = run.cases(probe.runtime.text())?;
        probe.has_room(&run.path, &own.iter().map(|c| c.case.clone()).collect::<Vec<_>>())?;
        cases.extend(own);
    }
    let watching = Arc::new(Watching::new(ready));
    let batches = Batches { cases: &cases, size: args.common.batch_size };
    let done = probe.recorded(MONITORS, batches, Watched::key, |batch| {
        let _finishing = interrupt::finishing();
        Ok(watched(&probe.runtime, &probe.options, (&watching, args.from), batch)?)
    })?;
    let Some(records) = done else { return Ok(()) };
    Ok(probe.close(&table(&monitored(&records)))?)
}

/// What the runs sent, each under a name of its own.
fn sent(args: &MonitorArgs) -> Result<Vec<Sent>> {
    let mut taken: Vec<String> = vec![BENIGN.into(), "plain".into(), "prefill".into(), "pad".into()];
    let mut all = Vec::new();
    for run in &args.runs {
        let mut one = Sent::read(run)?;
        let name = one.group.clone();
        for n in 2.. {
            if !taken.contains(&one.group) {
                break;
            }
            one.group = format!("{name}-{n}");
        }
        taken.push(one.group.clone());
        all.push(one);
    }
    Ok(all)
}

fn settings(args: &MonitorArgs) -> Result<WatchingSettings> {
    let words = WordLists {
        refusal: phrases(args.refusal_words.as_deref(), &REFUSAL.join("\n"))?,
        compliance: phrases(args.compliance_words.as_deref(), &COMPLIANCE.join("\n"))?,
    };
    let usual = WatchingSettings { words, ..WatchingSettings::default() };
    Ok(if args.monitors.is_empty() { usual } else { WatchingSettings { monitors: args.monitors.clone(), ..usual } })
}

fn benign_cases(probe: &Opened<'_>, path: &Path, prompts: &[PromptRecord]) -> Result<Vec<Watched>> {
    let own = prompts.iter().map(|prompt| plain(probe.runtime.text(), prompt, BENIGN));
    let own = own.collect::<Result<Vec<Case>, _>>()?;
    probe.has_room(path, &own)?;
    Ok(own.into_iter().map(|case| Watched { case, anchors: Vec::new() }).collect())
}

/// The harmful prompts as they are, and with what each attack writes on the canvas.
fn harmful_cases(probe: &Opened<'_>, args: &MonitorArgs) -> Result<Vec<Watched>> {
    let text = probe.runtime.text();
    let asked = |group: &str| -> Result<Vec<Case>> {
        Ok(probe.behaviours.iter().map(|prompt| plain(text, prompt, group)).collect::<Result<_, _>>()?)
    };
    let bare = asked("plain")?;
    probe.has_room(&args.common.behaviors, &bare)?;
    let mut cases: Vec<Watched> = bare.into_iter().map(|case| Watched { case, anchors: Vec::new() }).collect();
    for attack in &args.attacks {
        match attack {
            CanvasName::Prefill => {
                let plan = Prefill {
                    offsets: vec![0],
                    affirmative: phrases(args.affirmative.as_deref(), AFFIRMATIVE)?,
                    procedural: Vec::new(),
                    gen_length: probe.options.gen_length,
                    seed: probe.options.seed,
                };
                let forced = plan.cases(text, &probe.behaviours)?.into_iter();
                let grouped = forced.map(|case| Case { group: "prefill".into(), ..case });
                cases.extend(grouped.map(|case| Watched { case, anchors: Vec::new() }));
            }
            CanvasName::Pad => {
                let anchors = pad(&phrases(args.anchors.as_deref(), LABELS)?, probe.options.gen_length);
                cases.extend(asked("pad")?.into_iter().map(|case| Watched { case, anchors: anchors.clone() }));
            }
        }
    }
    Ok(cases)
}

/// What a run of an attack sent.
struct Sent {
    group: String,
    path: std::path::PathBuf,
    digest: String,
    answers: Vec<AnswerRecord>,
}

impl Sent {
    /// The last answer of each behaviour.
    fn read(run: &Path) -> Result<Self> {
        let manifest = RunFolder::manifest(run)?;
        let path = run.join(ANSWERS);
        let mut answers: Vec<AnswerRecord> = Vec::new();
        for answer in Log::<AnswerRecord>::read_noting(&path, &mut Vec::new())? {
            answers.retain(|other| other.behaviour != answer.behaviour);
            answers.push(answer);
        }
        ensure!(!answers.is_empty(), "{}: holds no answers; give the run folder of an attack", path.display());
        let command = manifest["command"].as_str().unwrap_or("run");
        let group = command.rsplit(' ').next().unwrap_or(command).to_owned();
        Ok(Self { group, digest: digest::of_file(&path)?, path, answers })
    }

    fn cases(&self, text: &TextModel) -> Result<Vec<Watched>> {
        let case = |answer: &AnswerRecord| {
            let sent = if answer.prompt.is_empty() { &answer.behaviour } else { &answer.prompt };
            let prompt = Prompt::Chat(vec![Message::user(sent)]);
            let record = PromptRecord::new(&answer.id, prompt);
            let case = plain(text, &record, &self.group).with_context(|| self.path.display().to_string())?;
            let forced = answer.forced.iter();
            let anchors = forced.map(|words| Anchor { offset: words.offset, text: words.text.clone() }).collect();
            Ok(Watched { case, anchors })
        };
        self.answers.iter().map(case).collect()
    }
}

fn table(cells: &[MonitorCell]) -> Vec<Vec<String>> {
    let names = ["attack", "monitor", "n", "AUROC", "95% interval", "caught", "over-refusal", "threshold"];
    let mut rows = vec![header(&names)];
    for cell in cells {
        let (area, interval) = cell.auroc.map_or(("-".into(), "-".into()), |a| {
            (format!("{:.3}", a.area), format!("{:.3}-{:.3}", a.interval.0, a.interval.1))
        });
        let (caught, refused, at) = cell.cut.map_or(("-".into(), "-".into(), "-".into()), |cut| {
            let [caught, refused] = [cut.harmful, cut.benign].map(|(k, n)| rate(k, n)[0].clone());
            (caught, refused, format!("{:.4}", cell.threshold(cut)))
        });
        let n = cell.n.to_string();
        rows.push(vec![cell.group.clone(), cell.monitor.clone(), n, area, interval, caught, refused, at]);
    }
    rows
}
