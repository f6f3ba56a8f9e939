//! `mosa align`: train an adapter.

use crate::args::AlignArgs;
use crate::failure::Failure;
use crate::load::{Loaded, load};
use crate::training::Session;
use crate::{digest, interrupt, output, settings};
use anyhow::{Context, Result, ensure};
use mosa_align::{
    AlignConfig, AlignError, CanvasIds, Data, EndToken, Objective, Policy, Record, RunFolder, Trainer, objective,
};
use mosa_core::TokenId;
use mosa_model::{Adapter, AdapterConfig};
use mosa_text::{PromptRecord, read_prompts};
use serde_json::{Value, json};
use std::path::Path;

pub(crate) fn run(args: &AlignArgs) -> Result<(), Failure> {
    interrupt::install();
    ensure_no_adapter(args)?;
    let mut config: AlignConfig = settings::read(args.config.as_deref(), &args.set)?;
    if let Some(path) = &args.retain {
        config.retain.data = Some(path.display().to_string());
    }
    config.check()?;
    let loaded = load(&args.model, &args.compute)?;
    let words = args.sentences.read()?;
    let records = args.select.read(&args.data, config.seed)?;
    let retain = retain(&config)?;
    let objective = make_objective(args, &config, &loaded, (&words, &records, &retain))?;
    let fresh = fresh_adapter(args, &config, &loaded)?;
    let manifest = manifest(args, &config, &loaded, (&words, &records, &retain))?;
    let folder = RunFolder::open(&args.out, &manifest)?;
    mosa_model::write_whole(&folder.path("config.toml"), toml::to_string(&config)?.as_bytes())?;
    let finished = folder.path("adapter");
    if finished.join("adapter_config.json").exists() {
        say(args, &format!("already done: {}", finished.display()));
        return Ok(());
    }
    let from = folder.latest()?;
    let mut adapter = match &from {
        Some(saved) => Adapter::load(&saved.dir, loaded.spec(), loaded.model.device())?,
        None => fresh,
    };
    adapter.set_trainable(true);
    let modules = adapter.pairs().count();
    say(args, &format!("{} prompts, {} trainable weights in {modules} modules", records.len(), adapter.parameters()));
    let recompute = config.gradient_checkpointing;
    let policy = Policy { recompute, ..Policy::new(&loaded.model, Some(&adapter)) };
    let mut trainer = Trainer::new(policy, adapter.tensors(), objective.as_ref(), config.clone())?;
    let session = Session {
        folder: &folder,
        from: from.as_ref(),
        device: loaded.model.device(),
        save_every: config.save_every,
        keep_last: config.keep_last,
        compute: &args.compute,
        json: args.json,
        save: &|dir| adapter.save(dir, loaded.spec()),
    };
    if !session.run(&mut trainer)? {
        let (done, total) = (trainer.step_number(), trainer.total_steps());
        return Err(Failure::Interrupted(format!(
            "interrupted after {done} of {total} steps; the same command with the same --out goes on from there"
        )));
    }
    adapter.save(&finished, loaded.spec())?;
    say(args, &format!("adapter written to {}", finished.display()));
    Ok(())
}

fn say(args: &AlignArgs, text: &str) {
    if !args.compute.quiet {
        output::say(text);
    }
}

fn ensure_no_adapter(args: &AlignArgs) -> Result<()> {
    ensure!(
        args.model.adapter.is_none(),
        "--adapter cannot be given to align: it trains a fresh adapter; merge the old one first"
    );
    Ok(())
}

/// The token ids of every sentence, and what ends it.
fn sentence_ids(sentences: &[String], end: EndToken, loaded: &Loaded) -> Result<Vec<Vec<TokenId>>> {
    let end = end
        .tokens(loaded.spec().eos, loaded.text.special.eot)
        .context("`end`: the tokenizer has no end-of-turn token; use \"eos\"")?;
    let one = |s: &String| Ok(loaded.text.words(s)?.into_iter().chain(end.iter().copied()).collect());
    sentences.iter().map(one).collect()
}

fn retain(config: &AlignConfig) -> Result<Vec<PromptRecord>> {
    match &config.retain.data {
        Some(path) => Ok(read_prompts(Path::new(path), &Default::default(), false)?),
        None => Ok(Vec::new()),
    }
}

/// Sentences (safe, harmful), prompts, retained prompts.
type Inputs<'a> = (&'a [Vec<String>; 2], &'a [PromptRecord], &'a [PromptRecord]);

fn make_objective(
    args: &AlignArgs,
    config: &AlignConfig,
    loaded: &Loaded,
    ([safe, harmful], records, retain): Inputs<'_>,
) -> Result<Box<dyn Objective>> {
    let spec = loaded.spec();
    let encode = |records: &[PromptRecord]| records.iter().map(|r| encode(r, loaded)).collect::<Result<Vec<_>>>();
    let data = Data {
        records: encode(records)?,
        retain: encode(retain)?,
        safe: sentence_ids(safe, config.end, loaded)?,
        harmful: sentence_ids(harmful, config.harmful_end, loaded)?,
    };
    data.check(config.canvas_length, spec.max_length).with_context(|| args.data.display().to_string())?;
    let ids = CanvasIds { mask: spec.mask, eos: spec.eos };
    let made = objective(&args.objective, config, ids, data).map_err(|e| name_sentence(e, loaded))?;
    made.with_context(|| format!("--objective {} is not known", args.objective))
}

/// A sentence that does not fit, in words.
fn name_sentence(error: AlignError, loaded: &Loaded) -> anyhow::Error {
    if let AlignError::Sentence { set, tokens, source } = &error
        && let Ok(text) = loaded.text.tokenizer.decode(tokens, mosa_text::Specials::Skip)
    {
        return anyhow::anyhow!("the {set} sentence {text:?}: {source}");
    }
    error.into()
}

fn encode(r: &PromptRecord, loaded: &Loaded) -> Result<Record> {
    let named = || format!("prompt {}", r.id);
    let prompt = loaded.text.encode(&r.prompt).with_context(named)?;
    let response = r.response.as_deref().map(|t| loaded.text.words(t)).transpose().with_context(named)?;
    Ok(Record { id: r.id.clone(), prompt, response: response.unwrap_or_default(), masked: None })
}

/// Everything the result depends on.
fn manifest(
    args: &AlignArgs,
    config: &AlignConfig,
    loaded: &Loaded,
    ([safe, harmful], records, retain): Inputs<'_>,
) -> Result<Value> {
    let ids = |records: &[PromptRecord]| records.iter().map(|r| r.id.clone()).collect::<Vec<_>>();
    Ok(json!({
        "mosa": env!("CARGO_PKG_VERSION"),
        "objective": args.objective,
        "settings": config,
        "model": {"path": args.model.model, "fingerprint": digest::of_model(&loaded.dir)?, "dtype": format!("{:?}", loaded.model.kind())},
        "data": {"path": args.data, "sha256": digest::of_file(&args.data)?, "raw": args.select.raw, "ids": ids(records)},
        "retain": match &config.retain.data {
            Some(path) => json!({"path": path, "sha256": digest::of_file(Path::new(path))?, "ids": ids(retain)}),
            None => Value::Null,
        },
        "sentences": {"safe": digest::of_text(&safe.join("\n")), "harmful": digest::of_text(&harmful.join("\n"))},
    }))
}

fn fresh_adapter(args: &AlignArgs, config: &AlignConfig, loaded: &Loaded) -> Result<Adapter> {
    let spec = loaded.spec();
    let targets = config.lora.targets.targets(&spec.block_linears);
    let settings = AdapterConfig {
        base_model: Some(args.model.model.clone()),
        ..AdapterConfig::new(config.lora.r, config.lora.alpha, targets)
    };
    Ok(Adapter::init(settings, spec, config.seed, loaded.model.device())?)
}
