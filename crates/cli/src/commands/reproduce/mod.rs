//! `mosa reproduce`: the whole paper on real weights, as one command that can be killed and goes on.

mod claims;
mod cost;
mod done;
mod findings;
mod needs;
mod page;
mod paper;
mod rate;
mod recipe;
mod stages;

use crate::args::{ProfileName, ReproduceArgs};
use crate::commands::{align, attack, judge, probe, utility};
use crate::failure::Failure;
use crate::manifest::Manifest;
use crate::table::header;
use crate::{folder, interrupt, output, settings, written};
use anyhow::{Context, Result, anyhow};
use cost::Costs;
use done::Finished;
use findings::Findings;
use mosa_align::AlignConfig;
use mosa_attack::Profile;
use mosa_records::{RunFolder, write_whole};
use mosa_report::{Agreement, Report};
use needs::Found;
use rate::Rate;
use recipe::{AlignEntry, Recipe};
use serde_json::json;
use stages::{Plan, Request, Stage};
use std::path::Path;
use std::time::Instant;

const COMMAND: &str = "reproduce";
/// The page in the run folder.
const PAGE: &str = "report.html";
/// Finished stages and unfinished ones that a summary names.
const NAMED: usize = 8;

pub(crate) fn run(args: &ReproduceArgs) -> Result<(), Failure> {
    let recipe = Recipe::read(args)?;
    let compute = recipe.compute(&args.compute)?;
    let plan = Plan { recipe: &recipe, out: &args.out, compute: &compute, retry: args.retry };
    let stages = plan.stages();
    if !args.dry_run && !args.retry && all_done(&args.out, &stages) {
        return finish(&plan, &open(&plan)?, Vec::new());
    }
    let mut found = Found::look(&plan, &stages);
    let rate = if args.measure && found.parameters.is_some() { Some(Rate::here(&plan)?) } else { None };
    found.is_measured = rate.is_some();
    if args.dry_run || !compute.quiet {
        tell(&Costs { plan: &plan, found: &found, rate: &rate.unwrap_or_else(Rate::of_card) }, &stages)?;
    }
    let missing = found.missing();
    if !missing.is_empty() {
        let said: Vec<String> = missing.iter().map(|(what, why)| format!("  {what}: {why}")).collect();
        let (n, of) = (missing.len(), found.needs.len());
        return Err(anyhow!("{n} of {of} things that are needed are missing:\n{}", said.join("\n")).into());
    }
    if args.dry_run {
        return Ok(());
    }
    drop(found);
    let folder = open(&plan)?;
    let problems = carry_out(&plan, &stages)?;
    finish(&plan, &folder, problems)
}

/// Whether a folder is a run of a reproduction.
pub(crate) fn is_run(dir: &Path) -> bool {
    RunFolder::manifest(dir).is_ok_and(|m| m["command"] == COMMAND)
}

/// The page of a run, drawn anew from its records alone.
pub(crate) fn drawn(dir: &Path) -> Result<Report> {
    Ok(page::report(&Findings::read(dir)?))
}

/// A profile as attacks take it.
fn profile(name: ProfileName) -> Profile {
    match name {
        ProfileName::Paper => Profile::Paper,
        ProfileName::Standard => Profile::Standard,
        ProfileName::Smoke => Profile::Smoke,
    }
}

/// The settings of an alignment, whether they come with mosa or from a file.
fn config_of(entry: &AlignEntry) -> Result<AlignConfig> {
    if let Some(path) = &entry.config {
        return settings::read(Some(path), &entry.set, AlignConfig::check);
    }
    let mut table: toml::Table = toml::from_str(entry.own_recipe().unwrap_or_default())?;
    settings::overlay(&mut table, &entry.set)?;
    let config: AlignConfig = table.try_into()?;
    config.check()?;
    Ok(config)
}

/// Whether nothing is left to do in a folder.
fn all_done(out: &Path, stages: &[Stage]) -> bool {
    is_run(out) && Finished::read(out).is_ok_and(|done| done.has_all(stages))
}

/// Says what is needed, what there is of it, and what it will cost.
fn tell(costs: &Costs<'_>, stages: &[Stage]) -> Result<()> {
    let Costs { plan, found, .. } = costs;
    let mut rows = vec![header(&["needed", "found"])];
    rows.extend(found.needs.iter().map(|need| {
        let state = match &need.found {
            Ok(there) => there.clone(),
            Err(_) => "MISSING".to_owned(),
        };
        vec![need.what.clone(), state]
    }));
    output::line(&output::table(&rows))?;
    output::line("")?;
    output::line(&cost::told(costs, stages)?)?;
    let done = Finished::read(plan.out).unwrap_or_default();
    let (n, seconds) = done.counted(stages);
    let last = if n == 0 { String::new() } else { format!(", {n} of them done in {}", cost::time(seconds / 3600.0)) };
    Ok(output::line(&format!("{} stages{last}.", stages.len()))?)
}

/// Opens the run folder, and writes into it the settings that stages read.
fn open(plan: &Plan<'_>) -> Result<RunFolder> {
    written::page_may_go(&plan.path(PAGE))?;
    let manifest = Manifest::new(json!({"command": COMMAND, "settings": plan.recipe.said()?}));
    let folder = folder::open(plan.out, &manifest)?;
    put(&plan.path(stages::HELPERS), &plan.recipe.helpers()?)?;
    for judge in &plan.recipe.judge {
        put(&plan.path(judge.file_name()), &judge.file()?)?;
    }
    for entry in &plan.recipe.align {
        if let Some(text) = entry.own_recipe() {
            put(&plan.path(entry.file()), text)?;
        }
    }
    Ok(folder)
}

/// Writes a file that is this run's own, unless it is there.
fn put(path: &Path, text: &str) -> Result<()> {
    if std::fs::read(path).is_ok_and(|there| there == text.as_bytes()) {
        return Ok(());
    }
    write_whole(path, text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))
}

/// Works off the stages. What a stage could not measure is said, and does not keep the others.
fn carry_out(plan: &Plan<'_>, stages: &[Stage]) -> Result<Vec<String>, Failure> {
    let mut finished = Finished::open(plan.out)?;
    let mut problems = Vec::new();
    for (number, stage) in stages.iter().enumerate() {
        if finished.has(stage) && !plan.retry {
            continue;
        }
        if !plan.compute.quiet {
            output::say(&format!("{}/{}  {}", number + 1, stages.len(), stage.name));
            output::say(&format!("     $ {}", stage.request.said()?));
        }
        let began = Instant::now();
        match carried_out(&stage.request) {
            Ok(()) => finished.note(stage, began.elapsed().as_secs_f64())?,
            Err(Failure::Check(problem)) => {
                output::say(&format!("warning: {}: {problem}", stage.name));
                problems.push(format!("{}: {problem}", stage.name));
            }
            Err(Failure::Input(error)) => return Err(error.context(stage.name.clone()).into()),
            Err(other) => return Err(other),
        }
        if interrupt::asked() {
            let left = stages.len() - number - 1;
            return Err(Failure::Interrupted(format!("interrupted: {left} stages are left; the same command goes on")));
        }
    }
    Ok(problems)
}

fn carried_out(request: &Request) -> Result<(), Failure> {
    match request {
        Request::Probe(args) => probe::run(args),
        Request::Align(args) => align::run(args),
        Request::Attack(args) => attack::run(args),
        Request::Utility(args) => utility::run(args),
        Request::Judge(args) => judge::run(args),
    }
}

/// Draws the page and says what came out.
fn finish(plan: &Plan<'_>, folder: &RunFolder, problems: Vec<String>) -> Result<(), Failure> {
    let findings = Findings::read(folder.dir())?;
    let report = page::report(&findings);
    let path = folder.path(PAGE);
    written::page(&path, &report.html().context("the report")?)?;
    let mut rows = vec![header(&["verdict", "claim", "measured"])];
    rows.extend(claims::claims(&findings).into_iter().map(|claim| {
        let verdict = match claim.verdict {
            Agreement::Agrees => "agrees",
            Agreement::Disagrees => "DISAGREES",
            Agreement::Undecided => "undecided",
        };
        vec![verdict.to_owned(), claim.what, claim.measured]
    }));
    output::line(&output::table(&rows))?;
    if !plan.compute.quiet {
        output::say(&format!("every table and figure of the paper: {}", path.display()));
    }
    if problems.is_empty() {
        return Ok(());
    }
    let n = problems.len();
    let shown = problems.into_iter().take(NAMED).collect::<Vec<_>>().join("\n  ");
    Err(Failure::Check(format!("{n} stages could not measure all of theirs; the same command tries again:\n  {shown}")))
}
