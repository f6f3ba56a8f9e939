//! `mosa align`: train an adapter.

use crate::args::AlignArgs;
use crate::failure::Failure;
use crate::load::{Loaded, load};
use crate::{interrupt, output};
use anyhow::{Context, Result, bail, ensure};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use mosa_align::{AlignConfig, AlignError, Data, Objective, SentencePair, StepMetrics, Trainer};
use mosa_core::TokenId;
use mosa_model::{Adapter, AdapterConfig};
use mosa_text::read_prompts;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The sentence sets; ours, since the paper's are not public.
const SAFE: &str = include_str!("../../../../assets/phrases/safe.txt");
const HARMFUL: &str = include_str!("../../../../assets/phrases/harmful.txt");

pub(crate) fn run(args: &AlignArgs) -> Result<(), Failure> {
    interrupt::install();
    check_args(args)?;
    let config = settings(args)?;
    config.check()?;
    let loaded = load(&args.model, &args.compute)?;
    let data = data(args, &loaded)?;
    let objective = Objective::by_name(&args.objective, &config)
        .with_context(|| format!("--objective {} is not known", args.objective))?;
    check_sentences(&objective, args, &loaded, &data)?;
    let mut adapter = fresh_adapter(args, &config, &loaded)?;
    if !args.compute.quiet {
        let modules = adapter.pairs().count();
        output::say(&format!(
            "{} prompts, {} trainable weights in {modules} modules",
            data.prompts.len(),
            adapter.parameters()
        ));
    }
    let mut trainer = Trainer::new((&loaded.model, &mut adapter), objective, config.clone(), &data)?;
    let folder = RunFolder::create(&args.out, &config)?;
    let done = train(&mut trainer, &folder, args)?;
    let total = trainer.total_steps();
    adapter.save(&folder.path("adapter"), loaded.spec())?;
    if !args.compute.quiet {
        output::say(&format!("adapter written to {}", folder.path("adapter").display()));
    }
    if done < total {
        return Err(Failure::Interrupted(format!(
            "interrupted after {done} of {total} steps; the adapter holds what was learned so far"
        )));
    }
    Ok(())
}

fn check_args(args: &AlignArgs) -> Result<()> {
    ensure!(
        args.model.adapter.is_none(),
        "--adapter cannot be given to align: it trains a fresh adapter; merge the old one first"
    );
    ensure!(!args.out.exists(), "--out {}: already exists; name a new folder", args.out.display());
    Ok(())
}

/// Runs all steps, or as many as happen before an interrupt; returns how many.
fn train(trainer: &mut Trainer<'_>, folder: &RunFolder, args: &AlignArgs) -> Result<usize> {
    let total = trainer.total_steps();
    let target = if args.compute.quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    let bar = ProgressBar::with_draw_target(Some(total as u64), target);
    bar.set_style(ProgressStyle::with_template("{bar:20} {pos}/{len} {elapsed}<{eta}  {msg}")?.progress_chars("█▌ "));
    let path = folder.path("metrics.jsonl");
    let mut metrics = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    let mut steps: Vec<StepMetrics> = Vec::new();
    while steps.len() < total && !interrupt::asked() {
        let m = trainer.step()?;
        writeln!(metrics, "{}", serde_json::to_string(&m)?)
            .with_context(|| format!("cannot write {}", path.display()))?;
        if args.json {
            output::json(&m)?;
        }
        bar.set_message(format!(
            "R {:+.1} ({:+.1} over the base)  KL {:.2}  |g| {:.2}  {:.0} tok/s",
            m.reward,
            m.reward - m.reward_reference,
            m.kl,
            m.grad_norm,
            m.tokens_per_s
        ));
        bar.inc(1);
        steps.push(m);
    }
    bar.finish_and_clear();
    if !args.compute.quiet && !steps.is_empty() {
        summary(&steps);
    }
    Ok(steps.len())
}

/// What the run achieved: the mean over its last tenth.
fn summary(steps: &[StepMetrics]) {
    let tail = &steps[steps.len() - steps.len().div_ceil(10)..];
    let mean = |f: fn(&StepMetrics) -> f64| tail.iter().map(f).sum::<f64>() / tail.len() as f64;
    output::say(&format!(
        "last {} of {} steps: R {:+.1}, {:+.1} over the base; KL {:.2}; {:.2} s per step",
        tail.len(),
        steps.len(),
        mean(|m| m.reward),
        mean(|m| m.reward - m.reward_reference),
        mean(|m| m.kl),
        mean(|m| m.seconds)
    ));
}

/// Defaults, then the file, then `--set`.
fn settings(args: &AlignArgs) -> Result<AlignConfig> {
    let mut table = match &args.config {
        Some(path) => {
            let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            text.parse::<toml::Table>().with_context(|| format!("{}: not valid TOML", path.display()))?
        }
        None => toml::Table::new(),
    };
    for pair in &args.set {
        let (key, value) = pair.split_once('=').with_context(|| format!("--set {pair}: not KEY=VALUE"))?;
        set(&mut table, key.trim(), toml_value(value.trim())).with_context(|| format!("--set {pair}"))?;
    }
    table.try_into().context("alignment settings")
}

/// A TOML value; what is not one is text.
fn toml_value(text: &str) -> toml::Value {
    let parsed = format!("v = {text}").parse::<toml::Table>().ok().and_then(|mut t| t.remove("v"));
    parsed.unwrap_or_else(|| toml::Value::String(text.to_owned()))
}

fn set(table: &mut toml::Table, key: &str, value: toml::Value) -> Result<()> {
    match key.split_once('.') {
        None => {
            table.insert(key.to_owned(), value);
            Ok(())
        }
        Some((head, rest)) => match table.entry(head).or_insert_with(|| toml::Value::Table(toml::Table::new())) {
            toml::Value::Table(inner) => set(inner, rest, value),
            _ => bail!("`{head}` is not a table"),
        },
    }
}

fn data(args: &AlignArgs, loaded: &Loaded) -> Result<Data> {
    let records = read_prompts(&args.data, &args.columns.clone().unwrap_or_default(), args.raw)?;
    let take = args.limit.unwrap_or(records.len());
    let encode =
        |r: &mosa_text::PromptRecord| loaded.text.encode(&r.prompt).with_context(|| format!("prompt {}", r.id));
    let prompts = records.iter().take(take).map(encode).collect::<Result<Vec<_>>>()?;
    let eos = loaded.spec().eos;
    let mut safe = sentences(loaded, args.safe_sentences.as_deref(), SAFE)?;
    safe.iter_mut().for_each(|s| s.push(eos));
    Ok(Data { prompts, safe, harmful: sentences(loaded, args.harmful_sentences.as_deref(), HARMFUL)? })
}

/// The token ids of a file of sentences, one per line, or of the built-in set.
fn sentences(loaded: &Loaded, file: Option<&Path>, built_in: &str) -> Result<Vec<Vec<TokenId>>> {
    let text = match file {
        Some(path) => std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?,
        None => built_in.to_owned(),
    };
    let lines = text.lines().map(str::trim).filter(|l| !l.is_empty());
    let ids = lines.map(|l| Ok(loaded.text.tokenizer.encode(l)?)).collect::<Result<Vec<_>>>()?;
    ensure!(!ids.is_empty(), "{}: holds no sentences", file.map_or("sentences".into(), |p| p.display().to_string()));
    Ok(ids)
}

/// Every sentence must fit the window, before the first step.
fn check_sentences(objective: &Objective, args: &AlignArgs, loaded: &Loaded, data: &Data) -> Result<()> {
    let sets = [("safe", &args.safe_sentences, &data.safe), ("harmful", &args.harmful_sentences, &data.harmful)];
    for (set, _, sentences) in sets {
        for sentence in sentences {
            let pair = SentencePair { safe: sentence.clone(), harmful: sentence.clone() };
            if let Err(AlignError::Window(source)) = objective.check(&pair) {
                let text = loaded.text.tokenizer.decode(sentence, mosa_text::Specials::Skip)?;
                return Err(AlignError::Sentence { set, text, source }.into());
            }
        }
    }
    Ok(())
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

/// The folder a run writes to.
struct RunFolder(PathBuf);

impl RunFolder {
    fn create(path: &Path, config: &AlignConfig) -> Result<Self> {
        std::fs::create_dir_all(path).with_context(|| format!("cannot create {}", path.display()))?;
        let file = path.join("config.toml");
        std::fs::write(&file, toml::to_string(config)?).with_context(|| format!("cannot write {}", file.display()))?;
        Ok(Self(path.to_owned()))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}
