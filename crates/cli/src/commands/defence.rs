//! `mosa defence`: what defences need is made here.

use crate::args::{DefenceCommand, DefenceFitArgs, say_notes};
use crate::defences::fingerprint;
use crate::failure::Failure;
use crate::load::load;
use crate::manifest::Fingerprints;
use crate::table::header;
use crate::{interrupt, output, written};
use anyhow::{Context, Result, ensure};
use mosa_defence::{DEFENCES, FitFile, Fitting, Role, entry, fit};
use mosa_runtime::Settings;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Answers decoded together, where a fit asks for any.
const BATCH_SIZE: usize = 8;

pub(crate) fn run(command: &DefenceCommand) -> Result<(), Failure> {
    match command {
        DefenceCommand::List(args) => Ok(listed(args.json)?),
        DefenceCommand::Fit(args) => Ok(fitted(args)?),
    }
}

/// Every defence: what it needs, its settings, and what its asset is made of.
fn listed(json: bool) -> Result<()> {
    let mut rows = vec![header(&["defence", "needs", "settings", "fitted on", "settings of the fit"])];
    for entry in DEFENCES {
        let needs: Vec<&str> = entry.needs.iter().map(|need| need.words()).collect();
        let roles: &[Role] = entry.fit.as_ref().map_or(&[], |fit| fit.roles);
        let fit = entry.fit.as_ref().map(|fit| (fit.settings)());
        if json {
            let files: Map<String, Value> = roles.iter().map(|r| (r.name.into(), r.about.into())).collect();
            let settings = (entry.settings)();
            output::json(
                &json!({"name": entry.name, "needs": needs, "settings": settings, "fitted_on": files, "fit_settings": fit}),
            )?;
            continue;
        }
        let or_dash = |text: String| if text.is_empty() { "-".to_owned() } else { text };
        let files = roles.iter().map(|role| format!("{}: {}", role.name, role.about)).collect::<Vec<_>>().join("; ");
        let settings =
            |of: Value| of.as_object().into_iter().flatten().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>();
        let fit = fit.map_or_else(String::new, |fit| settings(fit).join(" "));
        let own = settings((entry.settings)()).join(" ");
        rows.push(vec![entry.name.into(), or_dash(needs.join(", ")), own, or_dash(files), or_dash(fit)]);
    }
    if !json {
        output::line(&output::table(&rows))?;
    }
    Ok(())
}

fn fitted(args: &DefenceFitArgs) -> Result<()> {
    let entry = entry(&args.name)?;
    written::asset_may_go(&args.out)?;
    let files = files(args)?;
    let settings = settings(args)?;
    let loaded = load(&args.model, &args.compute)?;
    // In the blocks that attacks decode in if nothing else is said.
    let options = loaded.options(&args.sampling.in_blocks(loaded.spec().family))?;
    let model = fingerprint(&mut Fingerprints::default(), &loaded.dir, args.model.adapter.as_deref())?;
    let batching = args.sampling.batching(loaded.model.device());
    let runtime = loaded.started(Settings { batching, batch_size: BATCH_SIZE, stop: interrupt::stop() })?;
    let fitting = Fitting { name: entry.name, runtime: &runtime, options: &options, model: &model, files, settings };
    let asset = fit(entry, &fitting)?;
    written::asset(&args.out, &asset.bytes()?)?;
    if !args.compute.quiet {
        output::say(&format!("{}: {}", args.out.display(), asset.made.settings));
    }
    Ok(())
}

/// The files by role, each read as every command reads it.
fn files(args: &DefenceFitArgs) -> Result<BTreeMap<String, FitFile>> {
    let mut files = BTreeMap::new();
    for (role, path) in &args.data {
        let benchmark = args.select.benchmark(path, args.sampling.seed, true)?;
        say_notes(path, &benchmark, args.compute.quiet);
        let rows = benchmark.behaviours.iter().map(|b| b.record(false)).collect();
        let file = FitFile { path: path.clone(), rows, sha256: benchmark.sha256 };
        ensure!(files.insert(role.clone(), file).is_none(), "--data {role} is given twice");
    }
    Ok(files)
}

fn settings(args: &DefenceFitArgs) -> Result<Value> {
    let mut settings = Map::new();
    for (key, value) in &args.set {
        let before = settings.insert(key.clone(), value.clone());
        before.is_none().then_some(()).with_context(|| format!("--set {key} is given twice"))?;
    }
    Ok(Value::Object(settings))
}
