//! Helper models from flags and a file.

use crate::args::{AttackArgs, HelperName};
use crate::interrupt;
use anyhow::{Context, Result};
use mosa_attack::Target;
use mosa_attack::world::WorldHelper;
use mosa_client::{Endpoint, EndpointSettings};
use mosa_target::{Roles, SelfHelper};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;

/// A file of helpers.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
struct HelperFile {
    helper: Vec<Entry>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    roles: String,
    endpoint: EndpointSettings,
}

/// Who fills which role. Roles of the file come first, then the one helper of the flags fills the rest.
pub(crate) fn open<'a>(args: &AttackArgs, target: &'a dyn Target) -> Result<Roles<'a>> {
    let mut roles = Roles::new(interrupt::asked);
    for entry in read(args.helpers.helpers.as_deref())?.helper {
        roles.add_endpoint(entry.roles, Arc::new(Endpoint::new(entry.endpoint)?));
    }
    if let Some(settings) = by_flags(args) {
        roles.add_endpoint("*", Arc::new(Endpoint::new(settings)?));
    }
    match args.helpers.helper {
        Some(HelperName::World) => roles.add("*", Box::new(WorldHelper)),
        Some(HelperName::Target) => roles.add("*", Box::new(SelfHelper { target })),
        None => {}
    }
    Ok(roles)
}

/// What the manifest says of the helpers; keys of endpoints are not among it.
pub(crate) fn said(args: &AttackArgs) -> Result<Value> {
    let model = |e: &EndpointSettings| json!({"base": e.base, "model": e.model});
    let file = read(args.helpers.helpers.as_deref())?;
    let by_role: Vec<Value> =
        file.helper.iter().map(|e| json!({"roles": e.roles, "endpoint": model(&e.endpoint)})).collect();
    Ok(json!({
        "by_role": by_role,
        "endpoint": by_flags(args).as_ref().map(model),
        "helper": args.helpers.helper.map(|h| format!("{h:?}").to_lowercase()),
        "encoder": mosa_attack::similar::ENCODER,
    }))
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

fn read(path: Option<&Path>) -> Result<HelperFile> {
    let Some(path) = path else { return Ok(HelperFile::default()) };
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    toml::from_str(&text).with_context(|| format!("{}: not a file of helpers", path.display()))
}
