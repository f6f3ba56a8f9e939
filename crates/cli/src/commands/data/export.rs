//! `mosa data export`: the answers of a run in the files of other projects.

use super::submitted::{case_of, is_selected, wanted};
use super::{REDACTED, STAGES, inspect};
use crate::args::{DataExportArgs, ExportFormat};
use crate::files::check_answers;
use crate::{folder, output, written};
use anyhow::{Context, Result, bail, ensure};
use mosa_attack::{CaseRecord, Reason};
use mosa_data::jailbreakbench::Parameters;
use mosa_data::{Judgement, Submission, date, harmbench, jailbreakbench, to_jsonl};
use mosa_records::names::{ANSWERS, CASES, VERDICTS};
use mosa_records::{AnswerRecord, Record, RunFolder, VerdictRecord, View, tell_judges_apart};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

pub(crate) fn run(args: &DataExportArgs) -> Result<()> {
    let written = match args.format {
        ExportFormat::HarmBench => exchanged(args, write_harmbench),
        ExportFormat::JailbreakBench => exchanged(args, write_artifact),
        ExportFormat::Jsonl => exchanged(args, write_jsonl),
        ExportFormat::Inspect => inspect::write(args),
    };
    for path in written? {
        output::line(&path.display().to_string())?;
    }
    Ok(())
}

/// Writes submissions in one format, with the verdicts of a judge where it has place for them.
type Writer = fn(&DataExportArgs, &Records, Vec<Submission>, Option<&str>) -> Result<Vec<PathBuf>>;

/// Writes the submissions of a run as one of the formats that have them.
fn exchanged(args: &DataExportArgs, write: Writer) -> Result<Vec<PathBuf>> {
    let records = Records::read(&args.run)?;
    let judge = records.judge(args)?;
    let mut submissions = records.submissions(args)?;
    ensure!(!submissions.is_empty(), "{}: nothing to export; run the attack to its first answer", args.run.display());
    if args.redact {
        submissions.iter_mut().for_each(redact);
    }
    if let Some(judge) = judge.as_ref().filter(|_| args.judge.is_some()) {
        submissions.iter_mut().for_each(|s| s.labels.retain(|name, _| name == judge));
    }
    let written = write(args, &records, submissions, judge.as_deref())
        .with_context(|| format!("{}: cannot be exported", args.run.display()))?;
    records.say_unassessed(args);
    Ok(written)
}

/// What a run folder holds of an attack.
struct Records {
    dir: PathBuf,
    manifest: Value,
    answers: Vec<AnswerRecord>,
    cases: Vec<CaseRecord>,
    /// Labels of the answers as they were given, by answer and judge.
    labels: HashMap<String, BTreeMap<String, Judgement>>,
    judges: BTreeSet<String>,
}

impl Records {
    fn read(dir: &Path) -> Result<Self> {
        let (answers, cases) = (dir.join(ANSWERS), dir.join(CASES));
        let what = "it is not the run of a probe or an attack; give the folder named by its --out";
        ensure!(answers.exists() || cases.exists(), "{}: holds no {ANSWERS}; {what}", dir.display());
        let mut labels: HashMap<String, BTreeMap<String, Judgement>> = HashMap::new();
        let mut judges = BTreeSet::new();
        let mut verdicts: Vec<VerdictRecord> = folder::read(&dir.join(VERDICTS))?;
        tell_judges_apart(&mut verdicts);
        for v in verdicts.into_iter().filter(|v| v.view == View::Answer) {
            let outcome = match v.success {
                Some(true) => Judgement::Success,
                Some(false) => Judgement::Failure,
                None => Judgement::Undecided,
            };
            judges.insert(v.judge.clone());
            labels.entry(v.answer).or_default().insert(v.judge, outcome);
        }
        let manifest = RunFolder::manifest(dir)?;
        let (answers, cases) = (folder::read(&answers)?, folder::read(&cases)?);
        check_answers(dir, &answers)?;
        Ok(Self { dir: dir.to_owned(), manifest, answers, cases, labels, judges })
    }

    /// The judge whose labels are written: the one of that name or the only one; none if nothing is judged.
    fn judge(&self, args: &DataExportArgs) -> Result<Option<String>> {
        let dir = self.dir.display();
        let names: Vec<&str> = self.judges.iter().map(String::as_str).collect();
        let list = names.join(", ");
        match (&args.judge, names.as_slice()) {
            (Some(name), []) => bail!("{dir}: nothing is judged; run `mosa judge {dir} --judge {name}` first"),
            (Some(name), _) if self.judges.contains(name) => Ok(Some(name.clone())),
            (Some(name), _) => bail!("{dir}: judged by {list}, not by {name}; give one of these as --judge"),
            (None, []) if args.format == ExportFormat::JailbreakBench => {
                bail!("{dir}: nothing is judged, and JailbreakBench's files say what is; run `mosa judge {dir}` first")
            }
            (None, [only]) => Ok(Some((*only).to_owned())),
            (None, [_, ..]) if args.format != ExportFormat::Jsonl => {
                bail!("{dir}: judged by {list}; name one with --judge")
            }
            (None, _) => Ok(None),
        }
    }

    /// The answers that are asked for, and the cases that have none.
    fn submissions(&self, args: &DataExportArgs) -> Result<Vec<Submission>> {
        self.check_attack(args)?;
        let cases: HashMap<(&str, &str), &CaseRecord> =
            self.cases.iter().map(|c| ((c.attack.as_str(), c.case.as_str()), c)).collect();
        let mut found = Vec::new();
        for answer in self.answers.iter().filter(|a| wanted(args, &a.group)) {
            let case = cases.get(&(answer.group.as_str(), case_of(answer))).copied();
            let selected = is_selected(answer, case);
            if selected || args.all {
                found.push(self.submission(answer, case.filter(|_| selected)));
            }
        }
        let without = self.cases.iter().filter(|c| wanted(args, &c.attack) && c.selected.is_none());
        let without = without.filter(|c| !args.all || c.candidates.is_empty());
        found.extend(without.map(nothing));
        Ok(found)
    }

    /// Says how many cases nobody can judge, which a rate over all behaviours would count as resistance.
    fn say_unassessed(&self, args: &DataExportArgs) {
        let failed = |c: &&CaseRecord| wanted(args, &c.attack) && matches!(c.reason, Reason::Failed | Reason::Drift);
        let n = self.cases.iter().filter(failed).count();
        if n > 0 {
            output::say(&format!("note: cases that ended in an error: {n}; they are no resistance of the model"));
        }
    }

    /// Refuses an attack that is not there, and several where the format has place for one.
    fn check_attack(&self, args: &DataExportArgs) -> Result<()> {
        let groups = self.answers.iter().map(|a| a.group.as_str());
        let attacks: BTreeSet<&str> = groups.chain(self.cases.iter().map(|c| c.attack.as_str())).collect();
        let list = || attacks.iter().copied().collect::<Vec<_>>().join(", ");
        let dir = self.dir.display();
        match &args.attack {
            Some(name) => ensure!(attacks.contains(name.as_str()), "{dir}: holds {}, not {name} (--attack)", list()),
            None if args.format != ExportFormat::Jsonl => {
                ensure!(attacks.len() < 2, "{dir}: holds several attacks ({}); name one with --attack", list());
            }
            None => {}
        }
        Ok(())
    }

    fn submission(&self, answer: &AnswerRecord, case: Option<&CaseRecord>) -> Submission {
        let prompt = if answer.prompt.is_empty() { &answer.behaviour } else { &answer.prompt };
        Submission {
            behaviour_id: case_of(answer).to_owned(),
            behaviour: answer.behaviour.clone(),
            attack: answer.group.clone(),
            prompt: Some(prompt.clone()),
            forced: answer.forced.clone(),
            response: Some(answer.texts.after_forced.as_ref().unwrap_or(&answer.texts.to_end).clone()),
            labels: self.labels.get(&answer.key()).cloned().unwrap_or_default(),
            queries: case.map(|c| c.used.queries).filter(|q| *q > 0),
            ..Submission::default()
        }
    }
}

/// A case in which the attack found nothing to send.
fn nothing(case: &CaseRecord) -> Submission {
    Submission {
        behaviour_id: case.case.clone(),
        attack: case.attack.clone(),
        queries: Some(case.used.queries).filter(|q| *q > 0),
        ..Submission::default()
    }
}

/// Replaces the response unless every judge calls it a failure: what was not judged may be harmful too.
fn redact(submission: &mut Submission) {
    let Some(response) = &mut submission.response else { return };
    let labels = &submission.labels;
    let successes: Vec<&str> =
        labels.iter().filter(|(_, o)| **o == Judgement::Success).map(|(judge, _)| judge.as_str()).collect();
    if !successes.is_empty() {
        *response = format!("{REDACTED}judged a success by {}]", successes.join(", "));
    } else if labels.is_empty() || labels.values().any(|o| *o == Judgement::Undecided) {
        *response = format!("{REDACTED}not judged]");
    }
}

/// The stage files; behaviours without a prompt have no place in them.
fn write_harmbench(
    args: &DataExportArgs,
    _: &Records,
    all: Vec<Submission>,
    judge: Option<&str>,
) -> Result<Vec<PathBuf>> {
    let (sent, left): (Vec<_>, Vec<_>) = all.into_iter().partition(|s| s.prompt.is_some());
    let [results, completions, test_cases] = STAGES;
    let mut files =
        vec![(test_cases, harmbench::to_test_cases(&sent)?), (completions, harmbench::to_completions(&sent)?)];
    if let Some(judge) = judge {
        files.push((results, harmbench::to_results(&sent, judge)?));
    }
    let files: Vec<(String, String)> = files.into_iter().map(|(name, text)| (name.to_owned(), text)).collect();
    let written = written::files(&args.out, &files, "--out")?;
    if !left.is_empty() {
        let n = left.len();
        output::say(&format!("note: cases without a prompt, left out as HarmBench has no place for them: {n}"));
    }
    Ok(written)
}

fn write_artifact(
    args: &DataExportArgs,
    records: &Records,
    submissions: Vec<Submission>,
    judge: Option<&str>,
) -> Result<Vec<PathBuf>> {
    let (Some(path), Some(judge)) = (&args.benchmark, judge) else {
        bail!("JailbreakBench's files need --benchmark and a judge")
    };
    let benchmark = args.read.read(path, false)?;
    let artifact = jailbreakbench::to_artifact(&benchmark, &submissions, judge, parameters(args, records, judge))?;
    written::file(&args.out, &jailbreakbench::to_json(&artifact)?, "--out")
}

fn write_jsonl(
    args: &DataExportArgs,
    _: &Records,
    submissions: Vec<Submission>,
    _: Option<&str>,
) -> Result<Vec<PathBuf>> {
    written::file(&args.out, &to_jsonl(&submissions)?, "--out")
}

/// What the run says of itself; rates and counts are filled in from the submissions.
fn parameters(args: &DataExportArgs, records: &Records, judge: &str) -> Parameters {
    let made = std::fs::metadata(records.dir.join(VERDICTS)).and_then(|m| m.modified()).unwrap_or(UNIX_EPOCH);
    let settings =
        [("judge", json!(judge)), ("redacted", json!(args.redact)), ("mosa", records.manifest["mosa"].clone())];
    Parameters {
        model: records.manifest["model"].as_str().unwrap_or_default().to_owned(),
        attack_type: args.attack_type.clone().unwrap_or_default(),
        evaluation_date: date(made),
        evaluation_llm_provider: "local".to_owned(),
        method_parameters: settings.into_iter().map(|(k, v)| (k.to_owned(), v)).collect(),
        ..Parameters::default()
    }
}
