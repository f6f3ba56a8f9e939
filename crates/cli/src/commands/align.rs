//! `mosa align`: train an adapter.

use crate::args::{AlignArgs, PromptArgs, PromptFile, ReadArgs, SelectArgs};
use crate::failure::Failure;
use crate::load::{Loaded, load};
use crate::manifest::{Fingerprints, Manifest, Place};
use crate::training::{Session, ensure_trainable};
use crate::{digest, folder, hub, interrupt, output, settings};
use anyhow::{Context, Result, ensure};
use mosa_align::{
    AlignConfig, AlignError, CanvasIds, Data, EndToken, Objective, Policy, Record, RunFolder, Saved, Trainer, objective,
};
use mosa_core::TokenId;
use mosa_model::{Adapter, AdapterConfig};
use mosa_records::restore;
use mosa_text::PromptRecord;
use serde_json::{Value, json};
use std::path::Path;

pub(crate) fn run(args: &AlignArgs) -> Result<(), Failure> {
    ensure_no_adapter(args)?;
    let mut config = settings::read(args.config.as_deref(), &args.settings(), AlignConfig::check)?;
    if let Some(path) = &args.retain {
        config.retain.data = Some(path.display().to_string());
    }
    config.check()?;
    let words = args.sentences.read()?;
    let data = args.select.read(&args.data, config.seed, args.compute.quiet)?;
    let retain = retain(args, &config)?;
    let loaded = load(&args.model, &args.compute)?;
    ensure_trainable(loaded.model.kind())?;
    config.attention(loaded.spec())?;
    let inputs = Inputs { sentences: &words, data: &data, retain: retain.as_ref() };
    let objective = make_objective(args, &config, &loaded, &inputs)?;
    let fresh = fresh_adapter(args, &config, &loaded)?;
    let manifest = manifest(args, &config, &loaded, &inputs)?;
    let folder = RunFolder::open(&args.out, &manifest)?;
    folder::tell(folder.records());
    write_settings(&folder.path("config.toml"), &config)?;
    let finished = folder.path("adapter");
    let from = folder.latest(|what| folder::warn(Some(&what)))?;
    if is_finished(&finished, from.as_ref(), &loaded)? {
        if let Some(last) = from.as_ref().filter(|saved| saved.is_last()) {
            folder.restore_metrics(last.step, Some(last), |what| folder::warn(Some(&what)))?;
        }
        say(args, &format!("already done: {}", finished.display()));
        return Ok(());
    }
    let mut adapter = match &from {
        Some(saved) => Adapter::load(&saved.dir, loaded.spec(), loaded.model.device())?,
        None => fresh,
    };
    adapter.set_trainable(true);
    let modules = adapter.pairs().count();
    say(
        args,
        &format!("{} prompts, {} trainable weights in {modules} modules", data.records.len(), adapter.parameters()),
    );
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
    let _finishing = interrupt::finishing();
    adapter.save(&finished, loaded.spec())?;
    say(args, &format!("adapter written to {}", finished.display()));
    Ok(())
}

/// Writes down the settings of the run, unless they stand there already, perhaps in the user's own words.
fn write_settings(path: &Path, config: &AlignConfig) -> Result<()> {
    let same = |text: &str| toml::from_str::<AlignConfig>(text).ok().as_ref() == Some(config);
    match std::fs::read_to_string(path) {
        Ok(there) if same(&there) => Ok(()),
        _ => Ok(restore(path, toml::to_string(config)?.as_bytes())?),
    }
}

/// Whether training has ended and left a whole adapter. One that a crash spoiled is written anew from the last checkpoint.
fn is_finished(adapter: &Path, from: Option<&Saved>, loaded: &Loaded) -> Result<bool> {
    if !adapter.join("adapter_config.json").exists() {
        return Ok(false);
    }
    let (name, path) = ("adapter_model.safetensors", adapter.display());
    if let Err(error) = Adapter::load(adapter, loaded.spec(), loaded.model.device()) {
        ensure!(
            from.is_some(),
            "{path}: cannot be used ({error}), and no checkpoint is left; name a new folder with --out"
        );
        folder::warn(Some(&format!("{path}: cannot be used ({error}); it is written anew from the last checkpoint")));
        return Ok(false);
    }
    let weights = std::fs::read(adapter.join(name))?;
    let sum = from.filter(|saved| saved.is_last()).and_then(|saved| saved.sum(name));
    ensure!(
        sum.is_none_or(|sum| sum == digest::whole(&weights)),
        "{path}: {name} is not what training wrote; move the folder away, and the same command writes it anew from the last checkpoint"
    );
    Ok(true)
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

/// The harmless prompts: all rows of a file, whose columns are its own.
fn retain(args: &AlignArgs, config: &AlignConfig) -> Result<Option<PromptFile>> {
    let select = SelectArgs { read: ReadArgs::default(), styles: None, limit: None, sample: None };
    let all = PromptArgs { select, raw: args.select.raw };
    let path = config.retain.data.as_deref().map(Path::new);
    path.map(|path| all.read(path, config.seed, args.compute.quiet)).transpose()
}

/// What is trained on.
struct Inputs<'a> {
    /// Safe and harmful ones.
    sentences: &'a [Vec<String>; 2],
    data: &'a PromptFile,
    retain: Option<&'a PromptFile>,
}

impl Inputs<'_> {
    fn retained(&self) -> &[PromptRecord] {
        self.retain.map_or(&[], |file| &file.records)
    }
}

fn make_objective(
    args: &AlignArgs,
    config: &AlignConfig,
    loaded: &Loaded,
    inputs: &Inputs<'_>,
) -> Result<Box<dyn Objective>> {
    let spec = loaded.spec();
    let encode = |records: &[PromptRecord]| records.iter().map(|r| encode(r, loaded)).collect::<Result<Vec<_>>>();
    let [safe, harmful] = inputs.sentences;
    let data = Data {
        records: encode(&inputs.data.records)?,
        retain: encode(inputs.retained())?,
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
fn manifest(args: &AlignArgs, config: &AlignConfig, loaded: &Loaded, inputs: &Inputs<'_>) -> Result<Manifest> {
    let [safe, harmful] = inputs.sentences;
    let ids = |records: &[PromptRecord]| records.iter().map(|r| r.id.clone()).collect::<Vec<_>>();
    let read = |file: Option<&PromptFile>| file.map_or(Value::Null, |file| file.said.clone());
    let mut fingerprints = Fingerprints::default();
    let mut model = json!({"path": args.model.model, "fingerprint": fingerprints.of(&loaded.dir)?});
    hub::record(&mut model, &loaded.dir);
    let said = json!({
        "objective": args.objective,
        "settings": config,
        "model": model,
        "data": {"path": args.data, "sha256": digest::of_file(&args.data)?, "raw": args.select.raw, "ids": ids(&inputs.data.records), "reading": read(Some(inputs.data))},
        "retain": match &config.retain.data {
            Some(path) => json!({"path": path, "sha256": digest::of_file(Path::new(path))?, "ids": ids(inputs.retained()), "reading": read(inputs.retain)}),
            None => Value::Null,
        },
        "sentences": {"safe": digest::of_text(&safe.join("\n")), "harmful": digest::of_text(&harmful.join("\n"))},
    });
    let manifest = Manifest::new(said).with_fingerprints(fingerprints).computed(Place::of(loaded, &args.compute));
    manifest.with_defaults("settings", &AlignConfig::default())
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
