//! Helper models from flags and a file.

use super::target::opened;
use crate::args::{AttackArgs, HelperName, ModelArgs, SamplingArgs};
use crate::endpoint::sent_otherwise;
use crate::load::load;
use crate::manifest::Fingerprints;
use crate::parts::say_budget;
use crate::settings::{SettingsFile, key_of};
use crate::{hub, interrupt};
use anyhow::{Result, anyhow};
use mosa_attack::Target;
use mosa_attack::world::WorldHelper;
use mosa_client::{Endpoint, EndpointSettings};
use mosa_target::{InProcess, Local, Roles};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use toml::Spanned;

/// Response positions of a helper in this process, if nothing else is said.
const LONGEST: usize = 256;

/// A file of helpers.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct HelperFile {
    helper: Vec<Spanned<Entry>>,
}

/// Who fills the roles that fit a pattern: an endpoint, or a checkpoint in this process.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    roles: String,
    endpoint: Option<EndpointSettings>,
    model: Option<String>,
    adapter: Option<PathBuf>,
    gen_length: Option<usize>,
}

impl Entry {
    fn checkpoint(&self) -> Option<InThisProcess> {
        Some(InThisProcess { model: self.model.clone()?, adapter: self.adapter.clone(), gen_length: self.gen_length })
    }
}

/// A checkpoint that helps.
struct InThisProcess {
    model: String,
    adapter: Option<PathBuf>,
    gen_length: Option<usize>,
}

/// Checkpoints that are open already, by folder and adapter.
type Open = BTreeMap<(String, Option<PathBuf>), Arc<Local>>;

/// Who fills which role. Roles of the file come first, then the one helper of the flags fills the rest.
pub(crate) fn open<'a>(args: &AttackArgs, target: &'a dyn Target) -> Result<Roles<'a>> {
    let (mut roles, mut open) = (Roles::new(interrupt::stop()), Open::new());
    let (file, entries) = read(args)?;
    for entry in entries {
        let part = entry.span().start..file.as_ref().map_or(0, |file| file.from("").end);
        let entry = entry.into_inner();
        if let Some(local) = entry.checkpoint() {
            roles.add(entry.roles, Box::new(in_process(args, &local, &mut open)?));
        } else if let Some(settings) = entry.endpoint {
            say_budget(&args.parts, "helper", &settings.budget);
            let endpoint = Endpoint::new(settings).map_err(|error| match &file {
                Some(file) => file.wrong(part, key_of(&error), error),
                None => error.into(),
            })?;
            roles.add_endpoint(entry.roles, Arc::new(endpoint.stopped_by(interrupt::stop())));
        }
    }
    if let Some(settings) = by_flags(args) {
        roles.add_endpoint("*", Arc::new(Endpoint::new(settings)?.stopped_by(interrupt::stop())));
    }
    if let Some(local) = checkpoint(args) {
        roles.add("*", Box::new(in_process(args, &local, &mut open)?));
    }
    match args.helpers.helper {
        Some(HelperName::World) => roles.add("*", Box::new(WorldHelper)),
        Some(HelperName::Target) => {
            let longest = args.sampling.gen_length.unwrap_or(LONGEST);
            roles.add("*", Box::new(InProcess { model: target, longest }));
        }
        None => {}
    }
    Ok(roles)
}

/// A checkpoint with the default sampler of its family; whoever names it again shares it.
fn in_process(args: &AttackArgs, local: &InThisProcess, open: &mut Open) -> Result<InProcess<Arc<Local>>> {
    let longest = local.gen_length.unwrap_or(LONGEST);
    let key = (local.model.clone(), local.adapter.clone());
    if let Some(model) = open.get(&key) {
        return Ok(InProcess { model: model.clone(), longest });
    }
    let named = ModelArgs { model: local.model.clone(), adapter: local.adapter.clone() };
    let loaded = load(&named, &args.compute)?;
    let sampling = SamplingArgs { gen_length: Some(longest), eos_stop: true, ..SamplingArgs::default() };
    let options = loaded.options(&sampling.of_target(loaded.spec().family))?;
    let batching = sampling.batching(loaded.model.device());
    let model = Arc::new(opened(loaded, options, batching, args)?);
    open.insert(key, model.clone());
    Ok(InProcess { model, longest })
}

/// Whether a helper is computed here, whatever the target is.
pub(crate) fn are_here(said: &Value) -> bool {
    let entries = said["by_role"].as_array().into_iter().flatten();
    entries.chain([said]).any(|entry| entry["checkpoint"].is_object())
}

/// What the manifest says of the helpers; keys of endpoints are not among it.
pub(crate) fn said(args: &AttackArgs, fingerprints: &mut Fingerprints) -> Result<Value> {
    let by_role: Vec<Value> = read(args)?
        .1
        .into_iter()
        .map(|e| {
            let e = e.into_inner();
            let mut said = json!({"roles": e.roles});
            said["endpoint"] = json!(e.endpoint.as_ref().map(model));
            if let Some(local) = e.checkpoint() {
                said["checkpoint"] = hashed(&local, fingerprints)?;
            }
            Ok(said)
        })
        .collect::<Result<_>>()?;
    let mut said = json!({
        "by_role": by_role,
        "endpoint": by_flags(args).as_ref().map(model),
        "helper": args.helpers.helper.map(|h| format!("{h:?}").to_lowercase()),
        "encoder": mosa_attack::similar::ENCODER,
    });
    if let Some(local) = checkpoint(args) {
        said["checkpoint"] = hashed(&local, fingerprints)?;
    }
    Ok(said)
}

fn model(e: &EndpointSettings) -> Value {
    let mut said = json!({"base": e.base, "model": e.model});
    if let Some(changes) = sent_otherwise(e) {
        said["sent"] = json!(changes);
    }
    said
}

fn hashed(local: &InThisProcess, fingerprints: &mut Fingerprints) -> Result<Value> {
    let dir = hub::resolve(&local.model)?;
    let mut said = json!({
        "model": local.model,
        "hash": fingerprints.of(&dir)?,
        "adapter": fingerprints.of_any(local.adapter.as_deref())?,
        "gen_length": local.gen_length.unwrap_or(LONGEST),
    });
    hub::record(&mut said, &dir);
    Ok(said)
}

fn checkpoint(args: &AttackArgs) -> Option<InThisProcess> {
    let model = args.helpers.helper_checkpoint.clone()?;
    Some(InThisProcess { model, adapter: None, gen_length: None })
}

/// As many requests at the same time as there are cases.
fn by_flags(args: &AttackArgs) -> Option<EndpointSettings> {
    Some(EndpointSettings {
        base: args.helpers.helper_endpoint.clone()?,
        model: args.helpers.helper_model.clone()?,
        max_concurrency: args.limits.cases.max(1),
        ..EndpointSettings::default()
    })
}

/// The file of helpers, if there is one, and its entries.
fn read(args: &AttackArgs) -> Result<(Option<SettingsFile>, Vec<Spanned<Entry>>)> {
    let Some(path) = args.helpers.helpers.as_deref() else { return Ok((None, Vec::new())) };
    let file = SettingsFile::open(path)?;
    let HelperFile { helper } = file.read("a file of helpers")?;
    for entry in &helper {
        let Entry { roles, endpoint, model, .. } = entry.as_ref();
        if endpoint.is_some() == model.is_some() {
            let what = format!("the helper for \"{roles}\" needs either `endpoint` or `model`, and not both");
            return Err(file.wrong(entry.span(), Some("roles"), anyhow!(what)));
        }
    }
    Ok((Some(file), helper))
}
