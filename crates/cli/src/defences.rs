//! The defences that flags name, in front of a model.

use crate::args::DefenceArgs;
use crate::commands::judge;
use crate::manifest::Fingerprints;
use anyhow::{Context, Result, ensure};
use mosa_defence::{Setting, Spec, open};
use mosa_engine::Options;
use mosa_runtime::{Runtime, Stack};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;

/// A model behind its defences, and what a manifest says of them.
pub(crate) struct Defended {
    pub runtime: Runtime,
    /// A list; empty without a defence.
    pub said: Value,
}

/// Puts a model behind the defences that are named. What one of them lacks is an error now, before anything is asked.
pub(crate) fn defended(runtime: Runtime, options: &Options, args: &DefenceArgs, model: &str) -> Result<Defended> {
    let judge = |name: &str, config: Option<&Path>| judge::one(name, config).map_err(|error| format!("{error:#}"));
    let setting = Setting { runtime: &runtime, options, model, judge: &judge };
    let (mut stack, mut said) = (Vec::new(), Vec::new());
    for typed in &args.defence {
        let spec: Spec = typed.parse()?;
        let opened = open(&setting, &spec).with_context(|| format!("--defence {typed}"))?;
        said.push(json!({"name": spec.name, "settings": opened.settings, "asset": opened.asset}));
        stack.push(Arc::clone(&opened.defence));
    }
    let runtime = if stack.is_empty() { runtime } else { runtime.defended(Stack::new(stack)?) };
    Ok(Defended { runtime, said: Value::Array(said) })
}

/// How assets name a model with its adapter. `known` is what was read of them already.
pub(crate) fn identity(
    known: &mut Fingerprints,
    model: &Path,
    adapter: Option<&Path>,
    args: &DefenceArgs,
) -> Result<String> {
    // Without a defence nobody asks, and reading a sample of every tensor takes a moment.
    if args.defence.is_empty() {
        return Ok(String::new());
    }
    fingerprint(known, model, adapter)
}

/// The same, whoever asks.
pub(crate) fn fingerprint(fingerprints: &mut Fingerprints, model: &Path, adapter: Option<&Path>) -> Result<String> {
    let (model, adapter) = (fingerprints.of(model)?, fingerprints.of_any(adapter)?);
    Ok(adapter.map_or_else(|| model.clone(), |adapter| format!("{model}+{adapter}")))
}

/// Refuses defences where no model of this process answers.
pub(crate) fn refused_without_model(args: &DefenceArgs) -> Result<()> {
    ensure!(args.defence.is_empty(), "--defence needs a model in this process: give --model instead of an endpoint");
    Ok(())
}
