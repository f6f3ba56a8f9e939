//! `mosa quickstart`: the paper's argument, measured on the embedded world.

mod claims;
mod story;

use crate::args::{AlignArgs, Args, Command, QuickstartArgs};
use crate::commands::align;
use crate::commands::world::measure::{Answered, Settings, measure, table};
use crate::commands::world::order::{Order, order};
use crate::failure::Failure;
use crate::load::load;
use crate::{interrupt, output};
use anyhow::{Context, Result};
use clap::Parser;
use mosa_align::StepMetrics;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The model that comes with mosa, trained on the world by `mosa world train` with `recipes/world-model.toml`.
const MODEL: [(&str, &[u8]); 4] = [
    ("config.json", include_bytes!("../../../../../assets/world/model/config.json")),
    ("model.safetensors", include_bytes!("../../../../../assets/world/model/model.safetensors")),
    ("tokenizer.json", include_bytes!("../../../../../assets/world/model/tokenizer.json")),
    ("tokenizer_config.json", include_bytes!("../../../../../assets/world/model/tokenizer_config.json")),
];
const RECIPE: &str = include_str!("../../../../../recipes/world.toml");

/// One model of the comparison, and everything measured on it.
pub(crate) struct Measured {
    /// `original`, `initial` or `mosa`.
    pub name: &'static str,
    pub seed: Option<u64>,
    pub training: Vec<StepMetrics>,
    pub answers: Vec<Answered>,
}

/// What a run of the quickstart found.
pub(crate) struct Findings {
    pub models: Vec<Measured>,
    pub order: Vec<Order>,
    pub n: usize,
    pub seconds: f64,
}

pub(crate) fn run(args: &QuickstartArgs) -> Result<(), Failure> {
    interrupt::install();
    let started = Instant::now();
    if args.fresh {
        remove(&args.out)?;
    }
    let plan = Plan::new(args)?;
    plan.say(
        "The embedded model answers questions about a fictional world; an imaginary council forbids some of its brews.",
    );
    plan.say(&format!("1/4  the original model: {} requests per kind, judged exactly", plan.n));
    let mut models = vec![plan.measured("original", None)?];
    plan.say("2/4  in which order it writes");
    let order = plan.order()?;
    plan.say(&format!("     correlation of step and position: {:.2}", story::mean_correlation(&order)));
    for (step, name, text) in [
        ("3/4", "initial", "Initial Alignment, the baseline: reward a refusal at the first tokens"),
        ("4/4", "mosa", "MOSA: reward a refusal that ends the answer inside response tokens 20..60"),
    ] {
        plan.say(&format!("{step}  {text}"));
        for seed in plan.seeds.clone() {
            plan.align(name, seed)?;
            models.push(plan.measured(name, Some(seed))?);
        }
    }
    let findings = Findings { models, order, n: plan.n, seconds: started.elapsed().as_secs_f64() };
    let report = args.out.join("report.html");
    let html = story::report(&findings).html().context("the report")?;
    mosa_model::write_whole(&report, html.as_bytes())?;
    output::line(&story::summary(&findings))?;
    plan.say(&format!(
        "{:.0} s; everything above, with intervals and examples: {}",
        findings.seconds,
        report.display()
    ));
    Ok(())
}

/// What is run, and where.
struct Plan<'a> {
    args: &'a QuickstartArgs,
    model: PathBuf,
    data: PathBuf,
    recipe: PathBuf,
    seeds: Vec<u64>,
    n: usize,
}

impl<'a> Plan<'a> {
    /// Unpacks model, data and recipe into the run folder.
    fn new(args: &'a QuickstartArgs) -> Result<Self> {
        let (model, data, recipe) = (args.out.join("model"), args.out.join("data"), args.out.join("world.toml"));
        std::fs::create_dir_all(&model).with_context(|| format!("cannot create {}", model.display()))?;
        for (name, bytes) in MODEL {
            mosa_model::write_whole(&model.join(name), bytes)?;
        }
        mosa_world::benchmark::write_all(&data)?;
        mosa_model::write_whole(&recipe, RECIPE.as_bytes())?;
        let (n, seeds) = if args.full { (120, vec![0, 1, 2]) } else { (40, vec![0]) };
        anyhow::ensure!(args.n != Some(0), "--n must be positive");
        Ok(Self { args, model, data, recipe, seeds, n: args.n.unwrap_or(n) })
    }

    fn say(&self, text: &str) {
        if !self.args.compute.quiet {
            output::say(text);
        }
    }

    fn folder(&self, name: &str, seed: Option<u64>) -> PathBuf {
        self.args.out.join(seed.map_or(name.to_owned(), |s| format!("{name}-seed{s}")))
    }

    /// Trains an adapter with `mosa align`; a finished one is kept.
    fn align(&self, name: &str, seed: u64) -> Result<(), Failure> {
        let text = |path: PathBuf| path.display().to_string();
        let mut words: Vec<String> = ["mosa", "align", "--objective", name].map(str::to_owned).to_vec();
        for (flag, value) in [
            ("--model", text(self.model.clone())),
            ("--data", text(self.data.join("sorry_bench/question.jsonl"))),
            ("--retain", text(self.data.join("retain/retain.jsonl"))),
            ("--safe-sentences", text(self.data.join("sentences/safe.txt"))),
            ("--harmful-sentences", text(self.data.join("sentences/harmful.txt"))),
            ("--config", text(self.recipe.clone())),
            ("--out", text(self.folder(name, Some(seed)))),
            ("--set", format!("seed={seed}")),
        ] {
            words.extend([flag.to_owned(), value]);
        }
        if name == "initial" {
            // Its sentence starts where a partly revealed answer already stands.
            words.extend(["--set".to_owned(), "contaminate.share=0".to_owned()]);
        }
        words.extend(self.args.set.iter().flat_map(|pair| ["--set".to_owned(), pair.clone()]));
        self.say(&format!("     $ {}", words.join(" ")));
        let parsed = Args::try_parse_from(&words).context("quickstart builds its commands from flags that exist")?;
        let Command::Align(mut inner) = parsed.command else { return Ok(()) };
        inner.compute = self.args.compute.clone();
        align::run(&AlignArgs { json: false, ..inner })
    }

    /// Measures one model and says what came out.
    fn measured(&self, name: &'static str, seed: Option<u64>) -> Result<Measured, Failure> {
        let run = self.folder(name, seed);
        let adapter = seed.map(|_| run.join("adapter"));
        let model = crate::args::ModelArgs { model: self.model.display().to_string(), adapter: adapter.clone() };
        let loaded = load(&model, &self.args.compute)?;
        let settings = Settings {
            n: self.n,
            seed: 0,
            steps: 48,
            block_length: 96,
            cells: None,
            batch_size: 40,
            quiet: self.args.compute.quiet,
        };
        let answers = measure(&loaded, adapter.as_deref(), &settings, &run.join("answers"))?;
        self.say(&table(&answers));
        Ok(Measured { name, seed, training: metrics(&run)?, answers })
    }

    fn order(&self) -> Result<Vec<Order>, Failure> {
        let model = crate::args::ModelArgs { model: self.model.display().to_string(), ..Default::default() };
        let loaded = load(&model, &self.args.compute)?;
        order(&loaded, self.n, self.args.compute.quiet, &self.args.out.join("order.jsonl"))
    }
}

/// The log of a training run; empty where there was none.
fn metrics(run: &Path) -> Result<Vec<StepMetrics>> {
    let text = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap_or_default();
    text.lines().map(|l| serde_json::from_str(l).context("metrics.jsonl")).collect()
}

fn remove(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(e).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}
