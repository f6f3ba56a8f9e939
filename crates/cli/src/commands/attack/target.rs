//! The model under attack, from flags.

use crate::args::{AttackArgs, ModelArgs};
use crate::load::load;
use crate::sampling::Shipped;
use crate::{digest, interrupt};
use anyhow::{Context, Result, bail};
use mosa_attack::Target;
use mosa_client::{Endpoint, EndpointSettings};
use mosa_target::{Local, Remote};
use serde_json::{Value, json};
use std::sync::Arc;

/// An opened target, and what the manifest says of it.
pub(crate) struct Opened {
    pub model: Box<dyn Target>,
    pub said: Value,
}

pub(crate) fn open(args: &AttackArgs) -> Result<Opened> {
    match (&args.target.model, &args.target.endpoint) {
        (Some(model), _) => local(args, model),
        (None, Some(url)) => remote(args, url),
        (None, None) => bail!("name a target: --model DIR, or --endpoint URL with --target-model NAME"),
    }
}

fn local(args: &AttackArgs, model: &str) -> Result<Opened> {
    let named = ModelArgs { model: model.to_owned(), adapter: args.target.adapter.clone() };
    let loaded = load(&named, &args.compute)?;
    let options = args.sampling.options(loaded.spec().family, loaded.ends(), &Shipped::read(&loaded.dir)?)?;
    options.check(loaded.spec())?;
    let said = json!({
        "model": model,
        "hash": digest::of_model(&loaded.dir)?,
        "adapter": named.adapter.as_deref().map(digest::of_model).transpose()?,
        "sampler": format!("{options:?}"),
    });
    let parts = (loaded.model, loaded.adapter, loaded.text);
    Ok(Opened { model: Box::new(Local::new(parts, options, args.target.batch_size, interrupt::asked)), said })
}

fn remote(args: &AttackArgs, url: &str) -> Result<Opened> {
    let name = args.target.target_model.clone().context("--endpoint needs --target-model NAME")?;
    let settings =
        EndpointSettings { base: url.to_owned(), model: name.clone(), max_concurrency: 16, ..Default::default() };
    let max_tokens = u32::try_from(args.sampling.gen_length).unwrap_or(u32::MAX);
    let said = json!({
        "model": format!("{name} at {url}"),
        "sampler": format!("up to {max_tokens} tokens, temperature as the attack asks"),
    });
    let endpoint = Arc::new(Endpoint::new(settings)?);
    Ok(Opened { model: Box::new(Remote::new(endpoint, max_tokens, interrupt::asked)), said })
}
