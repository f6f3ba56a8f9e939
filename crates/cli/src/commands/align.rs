//! `mosa align`: train an adapter.

use crate::args::{AlignArgs, JudgingArgs, PromptArgs, PromptFile, ReadArgs, SamplerName, SamplingArgs, SelectArgs};
use crate::failure::Failure;
use crate::load::{Loaded, load};
use crate::manifest::{Fingerprints, Manifest, Place};
use crate::ranks::Ranks;
use crate::rewarded::Rewarded;
use crate::training::{Session, ensure_trainable};
use crate::{digest, folder, hub, interrupt, output, settings};
use anyhow::{Context, Result, ensure};
use mosa_align::{
    AlignConfig, AlignError, CanvasIds, Data, EndToken, Objective, Policy, RECOVERY, Record, Rollouts, RunFolder,
    Saved, Trainer, objective, rewarded_objective,
};
use mosa_core::TokenId;
use mosa_engine::{Batching, Options};
use mosa_model::{Adapter, AdapterConfig};
use mosa_records::{Identity, restore};
use mosa_text::PromptRecord;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::Path;

/// Where a finished adapter is, in the run folder.
const ADAPTER: &str = "adapter";

pub(crate) fn run(args: &AlignArgs) -> Result<(), Failure> {
    let mut args = args.clone();
    let ranks = Ranks::join(&mut args)?;
    ranks.end(train(&mut args, &ranks))
}

/// The whole of it on one rank, or on the only one.
fn train(args: &mut AlignArgs, ranks: &Ranks) -> Result<(), Failure> {
    let config = read_settings(args, ranks)?;
    ranks.settle_threads(&mut args.compute, config.shards());
    let args = &*args;
    let words = args.sentences.read()?;
    let data = args.select.read(&args.data, config.seed, args.compute.quiet)?;
    let retain = retain(args, &config)?;
    let safe = safe_answers(args, &config, &data)?;
    let loaded = load(&args.model, &args.compute)?;
    ensure_trainable(loaded.model.kind())?;
    config.attention(loaded.spec())?;
    let answering = Answering::new(args, &config, &loaded, &data)?;
    let inputs = Inputs {
        sentences: &words,
        data: &data,
        retain: retain.as_ref(),
        safe: safe.as_ref(),
        answering: answering.as_ref(),
    };
    let objective = make_objective(args, &config, &loaded, &inputs)?;
    let fresh = fresh_adapter(args, &config, &loaded)?;
    let manifest = manifest(args, &config, &loaded, &inputs)?;
    ranks.agree(manifest.manifest())?;
    let begun = ranks.leads().then(|| begin(args, &config, &loaded, &manifest)).transpose()?;
    if ranks.told(begun.as_ref().is_some_and(|begun| begun.done))? {
        return Ok(());
    }
    let job = Job { args, config: &config, loaded: &loaded, objective: objective.as_ref(), ranks };
    job.run(begun.as_ref(), fresh, data.records.len())
}

/// What is trained, and by whom.
struct Job<'a> {
    args: &'a AlignArgs,
    config: &'a AlignConfig,
    loaded: &'a Loaded,
    objective: &'a dyn Objective,
    ranks: &'a Ranks,
}

impl Job<'_> {
    /// Trains the adapter to the end of the run and writes it.
    fn run(&self, begun: Option<&Begun>, fresh: Adapter, prompts: usize) -> Result<(), Failure> {
        let Self { args, config, loaded, .. } = *self;
        let from = begun.and_then(|begun| begun.from.as_ref());
        let mut adapter = match from {
            Some(saved) => Adapter::load(&saved.dir, loaded.spec(), loaded.model.device())?,
            None => fresh,
        };
        adapter.set_trainable(true);
        let (weights, modules) = (adapter.parameters(), adapter.pairs().count());
        say(args, &format!("{prompts} prompts, {weights} trainable weights in {modules} modules"));
        let recompute = config.gradient_checkpointing;
        let policy = Policy { recompute, ..Policy::new(&loaded.model, Some(&adapter)) };
        let trainer = Trainer::new(policy, adapter.tensors(), self.objective, config.clone())?;
        let mut trainer = trainer.with_ranks(self.ranks.exchange())?;
        let session = Session {
            folder: begun.map(|begun| &begun.folder),
            from,
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
        if let Some(begun) = begun {
            let finished = begun.folder.path(ADAPTER);
            adapter.save(&finished, loaded.spec())?;
            say(args, &format!("adapter written to {}", finished.display()));
        }
        Ok(())
    }
}

/// The settings, checked, with what follows from the flags and the ranks.
fn read_settings(args: &AlignArgs, ranks: &Ranks) -> Result<AlignConfig, Failure> {
    ensure_no_adapter(args)?;
    ensure_used(args)?;
    let mut config = settings::read(args.config.as_deref(), &args.settings(), AlignConfig::check)?;
    if let Some(path) = &args.retain {
        config.retain.data = Some(path.display().to_string());
    }
    config.check()?;
    ranks.settle_shards(&mut config, &args.out, args.compute.quiet)?;
    Ok(config)
}

/// The run folder of the rank that writes it.
struct Begun {
    folder: RunFolder,
    /// Where the run goes on.
    from: Option<Saved>,
    /// Whether nothing is left to do.
    done: bool,
}

/// Opens the folder, and finds out how far its run has come.
fn begin(args: &AlignArgs, config: &AlignConfig, loaded: &Loaded, manifest: &Manifest) -> Result<Begun> {
    let folder = RunFolder::open(&args.out, manifest)?;
    folder::tell(folder.records());
    write_settings(&folder.path("config.toml"), config)?;
    let finished = folder.path(ADAPTER);
    let from = folder.latest(|what| folder::warn(Some(&what)))?;
    let done = is_finished(&finished, from.as_ref(), loaded)?;
    if done {
        if let Some(last) = from.as_ref().filter(|saved| saved.is_last()) {
            folder.restore_metrics(last.step, Some(last), |what| folder::warn(Some(&what)))?;
        }
        say(args, &format!("already done: {}", finished.display()));
    }
    Ok(Begun { folder, from, done })
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

/// Refuses flags that the objective would not look at.
fn ensure_used(args: &AlignArgs) -> Result<()> {
    let objective = args.objective.as_str();
    ensure!(
        objective == RECOVERY || args.judging == JudgingArgs::default(),
        "--judge and its settings are the reward of --objective {RECOVERY}; {objective} asks no judge"
    );
    ensure!(
        args.safe_answers.is_none() || matches!(objective, "a2d-eos" | "vrpo"),
        "--safe-answers is for --objective a2d-eos and vrpo; {objective} has no use for them"
    );
    Ok(())
}

/// The safe answers: a file whose columns are its own, with a row for every prompt.
fn safe_answers(args: &AlignArgs, config: &AlignConfig, data: &PromptFile) -> Result<Option<PromptFile>> {
    let Some(path) = &args.safe_answers else { return Ok(None) };
    let read = ReadArgs { columns: args.safe_columns.clone(), ..ReadArgs::default() };
    let select = SelectArgs { read, styles: None, limit: None, sample: None };
    let file = PromptArgs { select, raw: args.select.raw }.read(path, config.seed, args.compute.quiet)?;
    let there = by_id(&file.records);
    let lacks = |r: &&PromptRecord| there.get(r.id.as_str()).is_none_or(|answer| answer.trim().is_empty());
    let missing: Vec<&str> = data.records.iter().filter(lacks).map(|r| r.id.as_str()).collect();
    ensure!(
        missing.is_empty(),
        "{}: has no answer (`response`, or --safe-columns response=NAME) for {} of {} prompts: {}",
        path.display(),
        missing.len(),
        data.records.len(),
        missing.join(", ")
    );
    Ok(Some(file))
}

fn by_id(records: &[PromptRecord]) -> HashMap<&str, &str> {
    records.iter().filter_map(|r| Some((r.id.as_str(), r.response.as_deref()?))).collect()
}

/// How the model answers while it is trained, and who says what the answers are worth.
struct Answering<'a> {
    options: Options,
    batching: Batching,
    reward: Rewarded<'a>,
}

impl<'a> Answering<'a> {
    /// None, if the objective does not let the model answer.
    fn new(args: &AlignArgs, config: &AlignConfig, loaded: &'a Loaded, data: &'a PromptFile) -> Result<Option<Self>> {
        if args.objective != RECOVERY {
            return Ok(None);
        }
        let settings = config.recovery;
        let usual = SamplingArgs::default();
        // There the steps of the sampler are those of a block.
        let in_blocks = usual.sampler_for(loaded.spec().family) == SamplerName::BlockDiffusion;
        let sampling = SamplingArgs {
            gen_length: Some(config.canvas_length),
            steps: settings.steps.filter(|_| !in_blocks),
            block_length: settings.block_length.or(config.block_length),
            temperature: Some(settings.temperature),
            eos_stop: true,
            ..usual
        };
        let options = loaded.options(&sampling).context("`recovery`: how the model answers")?;
        let batching = Batching::of_questions(loaded.model.device());
        let reward = Rewarded::new(&args.judging, &loaded.text, &data.records)?;
        Ok(Some(Self { options, batching, reward }))
    }
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
    /// Safe answers to the prompts, by id.
    safe: Option<&'a PromptFile>,
    answering: Option<&'a Answering<'a>>,
}

impl Inputs<'_> {
    fn retained(&self) -> &[PromptRecord] {
        self.retain.map_or(&[], |file| &file.records)
    }
}

fn make_objective<'a>(
    args: &AlignArgs,
    config: &AlignConfig,
    loaded: &Loaded,
    inputs: &Inputs<'a>,
) -> Result<Box<dyn Objective + 'a>> {
    let spec = loaded.spec();
    let answers = inputs.safe.map(|file| by_id(&file.records)).unwrap_or_default();
    let encode = |records: &[PromptRecord], answers: &HashMap<&str, &str>| {
        records.iter().map(|r| encode(r, answers.get(r.id.as_str()), loaded)).collect::<Result<Vec<_>>>()
    };
    let [safe, harmful] = inputs.sentences;
    let data = Data {
        records: encode(&inputs.data.records, &answers)?,
        retain: encode(inputs.retained(), &HashMap::new())?,
        safe: sentence_ids(safe, config.end, loaded)?,
        harmful: sentence_ids(harmful, config.harmful_end, loaded)?,
    };
    data.check(config.canvas_length, spec.max_length).with_context(|| args.data.display().to_string())?;
    let ids = CanvasIds { mask: spec.mask, eos: spec.eos };
    if let Some(Answering { options, batching, reward }) = inputs.answering {
        let rollouts = Rollouts { options: options.clone(), batching: *batching, reward };
        return Ok(rewarded_objective(config, ids, data, rollouts)?);
    }
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

fn encode(r: &PromptRecord, safe: Option<&&str>, loaded: &Loaded) -> Result<Record> {
    let named = || format!("prompt {}", r.id);
    let prompt = loaded.text.encode(&r.prompt).with_context(named)?;
    let words = |text: Option<&str>| -> Result<Vec<TokenId>> {
        Ok(text.map(|t| loaded.text.words(t)).transpose().with_context(named)?.unwrap_or_default())
    };
    let (response, safe) = (words(r.response.as_deref())?, words(safe.copied())?);
    Ok(Record { id: r.id.clone(), prompt, response, safe, masked: None })
}

/// Everything the result depends on.
fn manifest(args: &AlignArgs, config: &AlignConfig, loaded: &Loaded, inputs: &Inputs<'_>) -> Result<Manifest> {
    let [safe, harmful] = inputs.sentences;
    let ids = |records: &[PromptRecord]| records.iter().map(|r| r.id.clone()).collect::<Vec<_>>();
    let read = |file: Option<&PromptFile>| file.map_or(Value::Null, |file| file.said.clone());
    let mut fingerprints = Fingerprints::default();
    let mut model = json!({"path": args.model.model, "fingerprint": fingerprints.of(&loaded.dir)?});
    hub::record(&mut model, &loaded.dir);
    let mut said = json!({
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
    if let (Some(path), Some(file)) = (&args.safe_answers, inputs.safe) {
        said["safe_answers"] = json!({"path": path, "sha256": digest::of_file(path)?, "reading": file.said});
    }
    if let Some(answering) = inputs.answering {
        said["reward"] = answering.reward.said();
    }
    let mut manifest = Manifest::new(said).with_fingerprints(fingerprints).computed(Place::of(loaded, &args.compute));
    if let Some(answering) = inputs.answering {
        manifest = manifest.sampled(&answering.options, answering.batching)?;
    }
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
