//! The model under attack, from flags.

use crate::args::{AttackArgs, ModelArgs};
use crate::load::{Loaded, load};
use crate::manifest::{Fingerprints, Place};
use crate::room::Room;
use crate::sampling::Shipped;
use crate::settings::{SettingsFile, key_of};
use crate::{hub, interrupt};
use anyhow::{Result, ensure};
use mosa_attack::Target;
use mosa_client::{Endpoint, EndpointSettings};
use mosa_data::Behaviour;
use mosa_engine::{Batching, Options};
use mosa_runtime::Settings;
use mosa_target::{Local, Proxied, Remote};
use serde_json::{Value, json};
use std::sync::Arc;

/// An opened target, and what the manifest says of it.
pub(super) struct Opened {
    pub model: Box<dyn Target>,
    pub identity: Identity,
}

/// What the manifest says of a target.
pub(super) struct Identity {
    pub said: Value,
    /// The fingerprints in `said`.
    pub fingerprints: Fingerprints,
    /// How it answers, if it is computed here.
    pub here: Option<Here>,
}

/// How a target of this process answers.
pub(super) struct Here {
    pub place: Place,
    pub options: Options,
    pub batching: Batching,
}

/// What is to be asked, as far as it is known before the attack.
pub(super) struct Asked<'a> {
    pub behaviours: &'a [Behaviour],
    /// The behaviours are sent as they are; other attacks put words around them.
    pub direct: bool,
    /// Response positions, where the attack has a number of its own.
    pub gen_length: Option<usize>,
}

impl Asked<'_> {
    /// Refuses behaviours that are too long for the model whatever the attack makes of them, all at once.
    fn fit(&self, args: &AttackArgs, loaded: &Loaded, options: &Options) -> Result<()> {
        let source = args.behaviors.as_ref().map_or_else(String::new, |p| p.display().to_string());
        let response = if self.direct { self.gen_length.unwrap_or(options.gen_length) } else { 1 };
        let setting = self.direct.then_some("--gen-length");
        let tokens = |b: &Behaviour| loaded.text.encode(&b.record(false).prompt).map(|ids| ids.len());
        let lengths = self.behaviours.iter().map(tokens).collect::<Result<Vec<_>, _>>()?;
        let room = Room { source: &source, setting, response, context: loaded.spec().max_length };
        room.holds(self.behaviours.iter().map(|b| b.id.as_str()).zip(lengths))
    }
}

pub(super) fn open(args: &AttackArgs, asked: &Asked<'_>) -> Result<Opened> {
    match &args.target.model {
        Some(model) => local(args, model, asked),
        None => remote(args),
    }
}

fn local(args: &AttackArgs, model: &str, asked: &Asked<'_>) -> Result<Opened> {
    let named = ModelArgs { model: model.to_owned(), adapter: args.target.adapter.clone() };
    let loaded = load(&named, &args.compute)?;
    let options = args.sampling.of_target(loaded.spec().family).options(
        loaded.spec().family,
        loaded.ends(),
        &Shipped::read(&loaded.dir)?,
    )?;
    options.check(loaded.spec())?;
    let batching = args.sampling.batching(loaded.model.device());
    asked.fit(args, &loaded, &options)?;
    let mut fingerprints = Fingerprints::default();
    let mut said = json!({
        "model": model,
        "hash": fingerprints.of(&loaded.dir)?,
        "adapter": fingerprints.of_any(named.adapter.as_deref())?,
    });
    hub::record(&mut said, &loaded.dir);
    let here = Some(Here { place: Place::of(&loaded, &args.compute), options: options.clone(), batching });
    let target = opened(loaded, options.clone(), batching, args)?;
    match &args.target.proxy {
        None => Ok(Opened { model: Box::new(target), identity: Identity { said, fingerprints, here } }),
        Some(proxy) => {
            let named = ModelArgs { model: proxy.clone(), adapter: None };
            let loaded = load(&named, &args.compute)?;
            said["proxy"] = json!({"model": proxy, "hash": fingerprints.of(&loaded.dir)?});
            hub::record(&mut said["proxy"], &loaded.dir);
            let proxy = opened(loaded, options, batching, args)?;
            let model = Box::new(Proxied::new(target, proxy));
            Ok(Opened { model, identity: Identity { said, fingerprints, here } })
        }
    }
}

/// A model on its thread, and its sampler.
pub(super) fn opened(loaded: Loaded, options: Options, batching: Batching, args: &AttackArgs) -> Result<Local> {
    let settings = Settings { batching, batch_size: args.target.batch_size, stop: interrupt::stop() };
    Ok(Local::new(loaded.started(settings)?, options))
}

fn remote(args: &AttackArgs) -> Result<Opened> {
    let file = args.target.target_config.as_deref().map(SettingsFile::open).transpose()?;
    let settings = endpoint(args, file.as_ref())?;
    let max_tokens = u32::try_from(args.sampling.gen_length.unwrap_or(256)).unwrap_or(u32::MAX);
    let mut sampler = format!("up to {max_tokens} tokens, temperature as the attack asks");
    if let Some(changes) = sent_otherwise(&settings) {
        sampler = format!("{sampler}; {changes}");
    }
    let said = json!({ "model": format!("{} at {}", settings.model, settings.base), "sampler": sampler });
    let endpoint = Endpoint::new(settings).map_err(|error| {
        let key = key_of(&error);
        let by_flag = (key == Some("base") && args.target.endpoint.is_some())
            || (key == Some("model") && args.target.target_model.is_some());
        match &file {
            Some(file) if !by_flag => file.wrong(file.from(""), key, error),
            _ => error.into(),
        }
    })?;
    let endpoint = Arc::new(endpoint.stopped_by(interrupt::stop()));
    let model = Box::new(Remote::new(endpoint, max_tokens, interrupt::stop()));
    Ok(Opened { model, identity: Identity { said, fingerprints: Fingerprints::default(), here: None } })
}

/// What an endpoint is not sent as usual, in words; nothing if it is.
pub(super) fn sent_otherwise(settings: &EndpointSettings) -> Option<String> {
    let omitted = (!settings.omit.is_empty()).then(|| format!("without {}", settings.omit.join(", ")));
    let role = (settings.system_role != "system").then(|| format!("system texts: {}", settings.system_role));
    let all: Vec<String> = omitted.into_iter().chain(role).collect();
    (!all.is_empty()).then(|| all.join("; "))
}

/// The file's settings, and what flags say above them. By flags alone, as many requests as there are cases.
fn endpoint(args: &AttackArgs, file: Option<&SettingsFile>) -> Result<EndpointSettings> {
    let mut settings = match file {
        Some(file) => file.read("the settings of an endpoint")?,
        None => EndpointSettings { max_concurrency: args.limits.cases.max(1), ..EndpointSettings::default() },
    };
    for (setting, flag) in
        [(&mut settings.base, &args.target.endpoint), (&mut settings.model, &args.target.target_model)]
    {
        if let Some(value) = flag {
            setting.clone_from(value);
        }
    }
    ensure!(
        !settings.base.is_empty() && !settings.model.is_empty(),
        "name a target: --model DIR, or --endpoint URL with --target-model NAME"
    );
    Ok(settings)
}
