//! The model under attack, from flags.

use crate::args::{AttackArgs, ModelArgs};
use crate::defences::{self, Defended, defended};
use crate::load::{Loaded, load};
use crate::manifest::{Fingerprints, Place};
use crate::parts::say_budget;
use crate::room::Room;
use crate::{endpoint, hub, interrupt};
use anyhow::{Context, Result};
use mosa_attack::{Monitored, Target};
use mosa_data::Behaviour;
use mosa_defence::Stop;
use mosa_engine::{Batching, Options};
use mosa_runtime::{Runtime, Settings};
use mosa_target::{Local, Proxied, Remote};
use serde_json::{Value, json};

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
    /// What it is behind, as a manifest says it.
    pub defences: Value,
}

/// What is to be asked, as far as it is known before the attack.
pub(super) struct Asked<'a> {
    pub behaviours: &'a [Behaviour],
    /// The behaviours are sent as they are; other attacks put words around them.
    pub direct: bool,
    /// Response positions, where the attack has a number of its own.
    pub gen_length: Option<usize>,
    /// The monitor that the attack sees.
    pub watches: Option<Monitored>,
}

impl Asked<'_> {
    /// A model under the monitor that the attack sees; as it is if it sees none.
    fn watched(&self, local: Local, defences: &Value) -> Result<Local> {
        let Some(wanted) = &self.watches else { return Ok(local) };
        let by_gradient = wanted.by_gradient;
        local
            .watched(&watching(wanted, defences)?, by_gradient)
            .with_context(|| format!("--set monitor={}", wanted.monitor))
    }

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

/// The stop by whose monitor an attack is watched: one of the defences if its monitor is the same, so that words and threshold
/// are those the attack meets, else the usual one.
fn watching(wanted: &Monitored, defences: &Value) -> Result<Stop> {
    let stops = defences.as_array().into_iter().flatten().filter(|d| d["name"] == Stop::NAME);
    let own = stops.map(|d| &d["settings"]).find(|settings| settings["monitor"] == wanted.monitor.as_str());
    let stop = match own {
        Some(settings) => serde_json::from_value(settings.clone())?,
        None => Stop { monitor: wanted.monitor.clone(), ..Stop::default() },
    };
    Ok(Stop { threshold: wanted.threshold.or(stop.threshold), ..stop })
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
    let options = loaded.options(&args.sampling.of_target(loaded.spec().family))?;
    let batching = args.sampling.batching(loaded.model.device());
    asked.fit(args, &loaded, &options)?;
    let mut fingerprints = Fingerprints::default();
    let mut said = json!({
        "model": model,
        "hash": fingerprints.of(&loaded.dir)?,
        "adapter": fingerprints.of_any(named.adapter.as_deref())?,
    });
    hub::record(&mut said, &loaded.dir);
    let place = Place::of(&loaded, &args.compute);
    let named = defences::identity(&mut fingerprints, &loaded.dir, named.adapter.as_deref(), &args.defences)?;
    let runtime = started(loaded, batching, args)?;
    let Defended { runtime, said: defences } = defended(runtime, &options, &args.defences, &named)?;
    let target = asked.watched(Local::new(runtime, options.clone()), &defences)?;
    let here = Some(Here { place, options: options.clone(), batching, defences: defences.clone() });
    match &args.target.proxy {
        None => Ok(Opened { model: Box::new(target), identity: Identity { said, fingerprints, here } }),
        Some(proxy) => {
            let named = ModelArgs { model: proxy.clone(), adapter: None };
            let loaded = load(&named, &args.compute)?;
            said["proxy"] = json!({"model": proxy, "hash": fingerprints.of(&loaded.dir)?});
            hub::record(&mut said["proxy"], &loaded.dir);
            // A search by gradient reads the monitor off the model whose gradient it follows.
            let wants = asked.watches.as_ref().is_some_and(|wanted| wanted.by_gradient);
            let proxy = opened(loaded, options, batching, args)?;
            let proxy = if wants { asked.watched(proxy, &defences)? } else { proxy };
            let model = Box::new(Proxied::new(target, proxy));
            Ok(Opened { model, identity: Identity { said, fingerprints, here } })
        }
    }
}

/// A model on its thread, and its sampler.
pub(super) fn opened(loaded: Loaded, options: Options, batching: Batching, args: &AttackArgs) -> Result<Local> {
    Ok(Local::new(started(loaded, batching, args)?, options))
}

fn started(loaded: Loaded, batching: Batching, args: &AttackArgs) -> Result<Runtime> {
    loaded.started(Settings { batching, batch_size: args.target.batch_size, stop: interrupt::stop() })
}

fn remote(args: &AttackArgs) -> Result<Opened> {
    defences::refused_without_model(&args.defences)?;
    let endpoint = endpoint::open(&args.target.endpoint, args.limits.cases)?;
    say_budget(&args.parts, "target", &endpoint.settings().budget);
    let max_tokens = u32::try_from(args.sampling.gen_length.unwrap_or(256)).unwrap_or(u32::MAX);
    let mut sampler = format!("up to {max_tokens} tokens, temperature as the attack asks");
    if let Some(changes) = endpoint::sent_otherwise(endpoint.settings()) {
        sampler = format!("{sampler}; {changes}");
    }
    let said = json!({ "model": endpoint::name(endpoint.settings()), "sampler": sampler });
    let model = Box::new(Remote::new(endpoint, max_tokens, interrupt::stop()));
    Ok(Opened { model, identity: Identity { said, fingerprints: Fingerprints::default(), here: None } })
}
