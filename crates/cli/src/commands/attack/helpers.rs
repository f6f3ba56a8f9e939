//! Helper models from flags and a file.

use super::target::opened;
use crate::args::{AttackArgs, HelperName, ModelArgs, SamplingArgs};
use crate::load::load;
use crate::sampling::Shipped;
use crate::{digest, hub, interrupt, settings};
use anyhow::{Context, Result, bail};
use mosa_attack::Target;
use mosa_attack::world::WorldHelper;
use mosa_client::{Endpoint, EndpointSettings};
use mosa_target::{InProcess, Local, Roles};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Response positions of a helper in this process, if nothing else is said.
const LONGEST: usize = 256;

/// A file of helpers.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
struct HelperFile {
    helper: Vec<Entry>,
}

/// Who fills the roles that fit a pattern: an endpoint, or a checkpoint in this process.
#[derive(Debug, Deserialize, Serialize)]
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
    let (mut roles, mut open) = (Roles::new(interrupt::asked), Open::new());
    for entry in read(args.helpers.helpers.as_deref())? {
        if let Some(local) = entry.checkpoint() {
            roles.add(entry.roles, Box::new(in_process(args, &local, &mut open)?));
        } else if let Some(settings) = entry.endpoint {
            roles.add_endpoint(entry.roles, Arc::new(Endpoint::new(settings)?));
        }
    }
    if let Some(settings) = by_flags(args) {
        roles.add_endpoint("*", Arc::new(Endpoint::new(settings)?));
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
    let family = loaded.spec().family;
    let options = sampling.of_target(family).options(family, loaded.ends(), &Shipped::read(&loaded.dir)?)?;
    options.check(loaded.spec())?;
    let model = Arc::new(opened(loaded, options, args));
    open.insert(key, model.clone());
    Ok(InProcess { model, longest })
}

/// What the manifest says of the helpers; keys of endpoints are not among it.
pub(crate) fn said(args: &AttackArgs) -> Result<Value> {
    let by_role: Vec<Value> = read(args.helpers.helpers.as_deref())?
        .into_iter()
        .map(|e| {
            let mut said = json!({"roles": e.roles});
            said["endpoint"] = json!(e.endpoint.as_ref().map(model));
            if let Some(local) = e.checkpoint() {
                said["checkpoint"] = hashed(&local)?;
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
        said["checkpoint"] = hashed(&local)?;
    }
    Ok(said)
}

fn model(e: &EndpointSettings) -> Value {
    json!({"base": e.base, "model": e.model})
}

fn hashed(local: &InThisProcess) -> Result<Value> {
    Ok(json!({
        "model": local.model,
        "hash": digest::of_model(&hub::resolve(&local.model)?)?,
        "adapter": local.adapter.as_deref().map(digest::of_model).transpose()?,
        "gen_length": local.gen_length.unwrap_or(LONGEST),
    }))
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

fn read(path: Option<&Path>) -> Result<Vec<Entry>> {
    let Some(path) = path else { return Ok(Vec::new()) };
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    settings::finite_file(path, &text)?;
    let file: HelperFile =
        toml::from_str(&text).with_context(|| format!("{}: not a file of helpers", path.display()))?;
    for Entry { roles, endpoint, model, .. } in &file.helper {
        if endpoint.is_some() == model.is_some() {
            bail!("{}: the helper for \"{roles}\" needs either `endpoint` or `model`, and not both", path.display());
        }
    }
    Ok(file.helper)
}
