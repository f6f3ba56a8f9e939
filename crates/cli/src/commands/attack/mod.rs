//! `mosa attack`: a published method against a model the user names.

mod helpers;
mod list;
mod logs;
mod target;

use crate::args::{AttackArgs, HelperName, ProfileName, say_notes};
use crate::commands::judge::{Judged, Judges};
use crate::failure::Failure;
use crate::manifest::{Manifest, Place};
use crate::parts::{Done, Parted};
use crate::table::{self, header, rate};
use crate::{digest, output, settings};
use anyhow::{Result, anyhow};
use mosa_attack::{Attack, Budget, Case, CaseRecord, Plan, Profile, Reason, Records, attack, check, run as attack_all};
use mosa_data::Benchmark;
use mosa_eval::{CaseOutcome, submitted, why_unassessed};
use mosa_records::{AnswerRecord, Cases, Log, Outcomes, Record, VerdictRecord, View};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;

use logs::Logs;
use target::Identity;

pub(crate) fn run(args: &AttackArgs) -> Result<(), Failure> {
    if args.name == "list" {
        return Ok(list::print()?);
    }
    let Some(carried) = carried_out(args)? else { return Ok(()) };
    output::line(&carried.table)?;
    if let (Some(run), false) = (&args.out, args.compute.quiet) {
        let run = run.display();
        output::say(&format!("records in {run}; draw them with: mosa report {run} --out report.html"));
    }
    carried.failed.map_or(Ok(()), Err)
}

/// What came of a run.
pub(crate) struct Carried {
    /// Its table.
    pub table: String,
    /// Why it is less than was asked for: nothing was measured, or verdicts are missing.
    pub failed: Option<Failure>,
}

/// Attacks and judges what has no record yet; nothing comes back from a run that is shared with other processes.
pub(crate) fn carried_out(args: &AttackArgs) -> Result<Option<Carried>, Failure> {
    let attack = chosen(args)?;
    let (Some(file), Some(out)) = (&args.behaviors, &args.out) else {
        return Err(anyhow!("--prompts and --out are needed").into());
    };
    let benchmark = behaviours(args, file, attack.as_ref())?;
    let target = target::open(args, &asked(attack.as_ref(), &benchmark))?;
    let helpers = helpers::open(args, target.model.as_ref())?;
    check(&attack.needs(), target.model.as_ref(), |role| helpers.fills(role), attack.name())
        .map_err(|what| anyhow!(what))?;
    let manifest = manifest(args, attack.as_ref(), &Asked { benchmark: &benchmark, file }, target.identity)?;
    let budget = Budget {
        queries: args.limits.max_queries,
        helper_calls: args.limits.max_helper_calls,
        forwards: args.limits.max_forwards,
    };
    let plan = Plan {
        attack: attack.as_ref(),
        target: target.model.as_ref(),
        helpers: &helpers,
        budget,
        concurrency: args.limits.cases,
    };
    let (all, judges, quiet) =
        (cases(&benchmark, args.sampling.seed), Judges::open(&args.judging)?, args.compute.quiet);
    judges.say_budget(&args.parts);
    let cases = Cases { total: all.len(), unit: 1 };
    let parted = Parted { args: &args.parts, out, manifest: &manifest, cases, judges: false, quiet };
    let done = parted.work(|run, range| {
        let mut logs = Logs::open(run, args.retry)?;
        carry_out(&plan, &all[range], &mut logs, quiet)?;
        let Judged { verdicts, missing } = judges.judge(run.dir(), quiet)?;
        Ok(Done { value: (logs, verdicts), missing })
    })?;
    Ok(done.map(|Done { value: (logs, verdicts), missing }| carried(args, logs, &verdicts, missing)))
}

/// What came of it, as it is told.
fn carried(args: &AttackArgs, logs: Logs, verdicts: &[VerdictRecord], missing: Option<String>) -> Carried {
    let cases = logs.cases.into_records();
    let profile = format!("{:?}", args.profile).to_lowercase();
    let Success { rows, mut why, told } = success(&cases, verdicts, &profile);
    why.extend(by_place(logs.answers.records(), verdicts));
    let silent = silent(&cases, &logs.answers);
    let failed = say_broken(&cases, &silent, args.compute.quiet).or(missing.map(Failure::Check));
    let told = output::table(&table::outcomes(&["judge"], &told));
    Carried { table: format!("{}\n\n{told}", table::below(output::table(&rows), &why)), failed }
}

/// Why the target said nothing in the answers that cases would submit, a reason for each such case.
fn silent(cases: &[CaseRecord], answers: &Log<AnswerRecord>) -> Vec<String> {
    let unsaid = answers.records().iter().filter_map(|a| Some((a.key(), a.unsaid()?)));
    let unsaid: BTreeMap<String, String> = unsaid.collect();
    cases.iter().filter_map(|c| unsaid.get(c.selected.as_ref()?).cloned()).collect()
}

/// Says how many cases broke off, and why most of them did. If all did before they had an answer, or the target said nothing
/// in any of them, nothing was measured.
fn say_broken(cases: &[CaseRecord], silent: &[String], quiet: bool) -> Option<Failure> {
    if let Some(why) = silent.first() {
        let (n, of) = (silent.len(), cases.len());
        let said = format!("{n} of {of} behaviours are unassessed: {why}");
        if n == of {
            return Some(Failure::Check(format!("nothing was measured: {said}")));
        }
        if !quiet {
            output::say(&format!("warning: {said}"));
        }
    }
    let unusable = |c: &CaseRecord| matches!(c.reason, Reason::HelperUnusable) && c.candidates.is_empty();
    if !cases.is_empty() && cases.iter().all(unusable) {
        let of = cases.len();
        return Some(Failure::Check(format!(
            "nothing was measured: in none of {of} behaviours could a helper's reply be used; the journal in the run folder has the replies"
        )));
    }
    let mut why: BTreeMap<&str, usize> = BTreeMap::new();
    for case in cases.iter().filter(|c| is_broken(c)) {
        *why.entry(case.error.as_deref().unwrap_or("no reason is recorded")).or_default() += 1;
    }
    let (most, _) = why.iter().max_by_key(|(_, n)| **n)?;
    let (n, of) = (why.values().sum::<usize>(), cases.len());
    let said = format!(
        "{n} of {of} behaviours broke off and count as unassessed; most often: {most}; --retry attacks them again"
    );
    if n == of && cases.iter().all(|case| case.candidates.is_empty()) {
        let said = format!("nothing was measured: {said}");
        return Some(if mosa_model::tells_of_memory(most) {
            Failure::Resource(anyhow!(said))
        } else {
            Failure::Check(said)
        });
    }
    if !quiet {
        output::say(&format!("warning: {said}"));
    }
    None
}

/// Whether a case ended before its attack did, and not by its budget.
fn is_broken(case: &CaseRecord) -> bool {
    matches!(case.reason, Reason::Failed | Reason::Drift)
}

fn profile(args: &AttackArgs) -> Profile {
    match args.profile {
        ProfileName::Paper => Profile::Paper,
        ProfileName::Standard => Profile::Standard,
        ProfileName::Smoke => Profile::Smoke,
    }
}

/// Whether the words are those of the embedded world.
fn world(args: &AttackArgs) -> bool {
    args.helpers.helper == Some(HelperName::World)
}

/// The attack with its profile and the settings given by hand.
fn chosen(args: &AttackArgs) -> Result<Box<dyn Attack>> {
    let set: Map<String, Value> = match serde_json::to_value(settings::pairs(&args.set)?)? {
        Value::Object(map) => map,
        _ => Map::new(),
    };
    let made =
        |set: &Map<String, Value>| attack(&args.name, profile(args), world(args), set).map_err(|what| anyhow!(what));
    let mut all = match args.sampling.gen_length {
        Some(longest) => shortened(&made(&Map::new())?.settings(), longest),
        None => Map::new(),
    };
    all.extend(set);
    made(&all)
}

/// Those settings of an attack that ask for a longer response than it gets, changed to what it gets.
fn shortened(settings: &Value, longest: usize) -> Map<String, Value> {
    let mut changed = Map::new();
    for (key, value) in settings.as_object().into_iter().flatten() {
        let is_length = key.ends_with("gen_length") || key == "final_length";
        let inner = shortened(value, longest);
        if is_length && value.as_u64().is_some_and(|n| n > longest as u64) {
            changed.insert(key.clone(), json!(longest));
        } else if !inner.is_empty() {
            let mut whole = value.clone();
            inner.into_iter().for_each(|(key, value)| whole[key] = value);
            changed.insert(key.clone(), whole);
        }
    }
    changed
}

/// What is attacked with.
fn behaviours(args: &AttackArgs, file: &Path, attack: &dyn Attack) -> Result<Benchmark> {
    let mut benchmark = args.select.benchmark(file, args.sampling.seed, false)?;
    if let Some(references) = &args.references {
        let note = mosa_data::join_answers(references, &mut benchmark.behaviours)?;
        benchmark.notes.push(note);
    }
    say_notes(file, &benchmark, args.compute.quiet);
    let (lacking, of) =
        (benchmark.behaviours.iter().filter(|b| b.answer.is_none()).count(), benchmark.behaviours.len());
    if attack.reads_answers() && !world(args) && lacking > 0 && !args.compute.quiet {
        output::say(&format!(
            "warning: {} works with whole answers, and {lacking} of {of} behaviours have none: the beginning of an \
             answer stands in, which is a weaker attack than the published one; give answers with --references or a \
             column `response`",
            attack.name()
        ));
    }
    Ok(benchmark)
}

/// What is known of the prompts before the attack makes any.
fn asked<'a>(attack: &dyn Attack, benchmark: &'a Benchmark) -> target::Asked<'a> {
    let direct = attack.name() == "direct";
    let length = attack.settings()["gen_length"].as_u64().and_then(|n| usize::try_from(n).ok());
    let (gen_length, watches) = (length.filter(|_| direct), attack.watches());
    target::Asked { behaviours: &benchmark.behaviours, direct, gen_length, watches }
}

fn cases(benchmark: &Benchmark, seed: u64) -> Vec<Case> {
    let case = |b: &mosa_data::Behaviour| Case {
        id: b.id.clone(),
        behaviour: b.text.clone(),
        context: b.context.clone(),
        category: b.category.clone(),
        target: b.target.clone(),
        answer: b.answer.clone(),
        seed,
    };
    benchmark.behaviours.iter().map(case).collect()
}

/// Attacks what has no record yet, with a progress bar.
fn carry_out(plan: &Plan<'_>, cases: &[Case], logs: &mut Logs, quiet: bool) -> Result<(), Failure> {
    let bar = output::bar(quiet, cases.len())?;
    bar.set_position(logs.cases.records().len() as u64);
    bar.reset_eta();
    let Logs { journal, answers, cases: log, seconds } = logs;
    let complete = attack_all(plan, cases, &mut Records { journal, answers, cases: log, seconds }, |record| {
        bar.set_message(record.case.clone());
        bar.inc(1);
    })?;
    bar.finish_and_clear();
    if !complete {
        let (n, of) = (log.records().len(), cases.len());
        return Err(Failure::Interrupted(format!("interrupted: {n} of {of} are recorded; the same command goes on")));
    }
    Ok(())
}

/// The behaviours, and the file they come from.
struct Asked<'a> {
    benchmark: &'a Benchmark,
    file: &'a Path,
}

fn manifest(args: &AttackArgs, attack: &dyn Attack, asked: &Asked<'_>, target: Identity) -> Result<Manifest> {
    let Asked { benchmark, file } = asked;
    let Identity { said: target, mut fingerprints, here } = target;
    let helpers = helpers::said(args, &mut fingerprints)?;
    let helped = helpers::are_here(&helpers);
    let ids: Vec<&str> = benchmark.behaviours.iter().map(|b| b.id.as_str()).collect();
    let said = json!({
        "command": format!("attack {}", attack.name()),
        "model": target["model"],
        "label": args.target.label,
        "hashes": {
            "model": target["hash"],
            "adapter": target["adapter"],
            "behaviors": digest::of_file(file)?,
        },
        "behaviors": {"kind": benchmark.kind.name(), "ids": ids, "notes": benchmark.notes},
        "reading": args.select.read.said()?,
        "sampler": target["sampler"],
        "proxy": target["proxy"],
        "helpers": helpers,
        "budget": {
            "queries": args.limits.max_queries,
            "helper_calls": args.limits.max_helper_calls,
            "forwards": args.limits.max_forwards,
        },
        "references": args.references.as_deref().map(digest::of_file).transpose()?,
        "seed": args.sampling.seed,
        "settings": {
            "profile": format!("{:?}", args.profile).to_lowercase(),
            "attack": attack.settings(),
            "cost": attack.cost(),
        },
    });
    let unset =
        mosa_attack::attack(&args.name, profile(args), world(args), &Map::new()).map_err(|what| anyhow!(what))?;
    let manifest = Manifest::new(said)
        .with_fingerprints(fingerprints)
        .with_defaults("references", &Value::Null)?
        .with_defaults("settings", &json!({"attack": unset.settings()}))?;
    match here {
        Some(here) => Ok(manifest.computed(here.place).sampled(&here.options, here.batching)?.defended(here.defences)),
        None if helped => Ok(manifest.computed(Place::asked(args.compute.device.resolve()?, &args.compute))),
        None => Ok(manifest),
    }
}

/// What an attack came to, as it is printed.
struct Success {
    /// A row per judge below the header.
    rows: Vec<Vec<String>>,
    /// Why cases are unassessed.
    why: Vec<String>,
    /// What the submitted answers are, by judge.
    told: Vec<(Vec<String>, Outcomes)>,
}

/// Success by the place where words were written, of attacks that write at several: a line per judge.
fn by_place(answers: &[AnswerRecord], verdicts: &[VerdictRecord]) -> Vec<String> {
    let mut places: Vec<&str> = Vec::new();
    for place in answers.iter().filter_map(|a| a.tags.get("at")) {
        if !places.contains(&place.as_str()) {
            places.push(place);
        }
    }
    let at: BTreeMap<String, &str> =
        answers.iter().filter_map(|a| Some((a.key(), a.tags.get("at")?.as_str()))).collect();
    let mut judges: Vec<&str> = verdicts.iter().map(|v| v.judge.as_str()).collect();
    judges.sort_unstable();
    judges.dedup();
    let line = |judge: &str| {
        let said = |place: &&str| {
            let own = verdicts.iter().filter(|v| v.judge == judge && v.view == View::Answer);
            let own: Vec<bool> = own.filter(|v| at.get(&v.answer) == Some(place)).filter_map(|v| v.success).collect();
            let [success, _] = rate(own.iter().filter(|s| **s).count(), own.len());
            format!("{place} {success}")
        };
        format!("{judge}: {}", places.iter().map(said).collect::<Vec<_>>().join(", "))
    };
    if places.len() > 1 { judges.into_iter().map(line).collect() } else { Vec::new() }
}

/// Success by judge, over assessed cases, with what it took.
fn success(cases: &[CaseRecord], verdicts: &[VerdictRecord], profile: &str) -> Success {
    let names =
        ["judge", "n", "success", "95% interval", "any answer", "unassessed", "queries", "helper calls", "profile"];
    let (mut rows, mut why, mut told) = (vec![header(&names)], Vec::new(), Vec::new());
    let mut judges: Vec<&str> = verdicts.iter().map(|v| v.judge.as_str()).collect();
    judges.sort_unstable();
    judges.dedup();
    if judges.is_empty() {
        judges.push("-");
    }
    let mean = |f: &dyn Fn(&CaseRecord) -> u64| {
        format!("{:.1}", cases.iter().map(f).sum::<u64>() as f64 / cases.len().max(1) as f64)
    };
    for judge in judges {
        let own: Vec<&VerdictRecord> = verdicts.iter().filter(|v| v.judge == judge && v.view == View::Answer).collect();
        let verdict = |key: &str| own.iter().find(|v| v.answer == key).copied();
        let said = |key: &str| verdict(key)?.success;
        let status = |c: &CaseRecord| Some(verdict(c.selected.as_deref()?)?.status.as_str());
        let unassessed = cases.iter().filter(|c| CaseOutcome::of(c, said) == CaseOutcome::Unassessed);
        why.extend(table::unassessed(judge, unassessed.map(|case| why_unassessed(case, status(case)))));
        let assessed: Vec<bool> = cases.iter().filter_map(|c| CaseOutcome::of(c, said).success()).collect();
        let any = cases.iter().filter(|c| CaseOutcome::any_of(c, said) == CaseOutcome::Succeeded).count();
        told.push((vec![judge.into()], cases.iter().filter_map(|c| submitted(c, verdict)).collect()));
        let [success, interval] = rate(assessed.iter().filter(|s| **s).count(), assessed.len());
        let [any, _] = rate(any, assessed.len());
        rows.push(vec![
            judge.into(),
            assessed.len().to_string(),
            success,
            interval,
            any,
            (cases.len() - assessed.len()).to_string(),
            mean(&|c| c.used.queries),
            mean(&|c| c.used.helper_calls),
            profile.into(),
        ]);
    }
    Success { rows, why, told }
}
