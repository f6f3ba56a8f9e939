//! The command line as it is typed.

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use mosa_model::{DeviceChoice, DtypeChoice};
use mosa_probe::gcg::GcgSettings;
use std::path::PathBuf;

/// Safety toolkit for masked diffusion language models: generate, align, measure.
#[derive(Debug, Parser)]
#[command(name = "mosa", version, max_term_width = 110)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Answer prompts by iterative unmasking.
    Generate(Box<GenerateArgs>),
    /// Train a LoRA adapter that makes the model refuse in its middle tokens.
    Align(AlignArgs),
    /// Show architecture, ids, parameters and LoRA targets of a checkpoint.
    Inspect(InspectArgs),
    /// Check the engine against folders of golden numbers.
    Verify(VerifyArgs),
    /// Write a checkpoint whose weights include an adapter.
    Merge(MergeArgs),
    /// Measure speed and peak memory.
    Bench(BenchArgs),
    /// Say what this machine offers, and how to get what is missing.
    Doctor(DoctorArgs),
    /// Find out where a model is unsafe: prefill, order, suffix search, steering, landscape.
    #[command(subcommand)]
    Probe(Box<ProbeCommand>),
    /// Judge the answers of a run; the model is not asked again.
    Judge(JudgeArgs),
    /// Draw the records of runs as one HTML page.
    Report(ReportArgs),
    /// The embedded world: its files, and the model trained on it.
    World(WorldArgs),
    /// The paper's argument, measured on the model that comes with mosa.
    Quickstart(QuickstartArgs),
}

/// Where and how to compute.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct Compute {
    /// auto, cpu, cuda:N or mps.
    #[arg(long, default_value = "auto", value_parser = |s: &str| s.parse::<DeviceChoice>())]
    pub device: DeviceChoice,
    /// auto (as stored), f32 or bf16.
    #[arg(long, default_value = "auto", value_parser = |s: &str| s.parse::<DtypeChoice>())]
    pub dtype: DtypeChoice,
    /// CPU threads; default: all.
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// No progress and no notes on stderr.
    #[arg(long)]
    pub quiet: bool,
}

/// Which model.
#[derive(Clone, Debug, Default, ClapArgs)]
pub(crate) struct ModelArgs {
    /// Checkpoint folder, or a Hugging Face hub id (owner/name).
    #[arg(long, value_name = "DIR")]
    pub model: String,
    /// PEFT LoRA adapter folder.
    #[arg(long, value_name = "DIR")]
    pub adapter: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct GenerateArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub compute: Compute,
    /// One prompt.
    #[arg(long, value_name = "TEXT", conflicts_with = "prompts", required_unless_present = "prompts")]
    pub prompt: Option<String>,
    /// Prompt file: .jsonl or .json rows with `prompt` or `messages` (and `id`), or .csv.
    #[arg(long, value_name = "FILE")]
    pub prompts: Option<PathBuf>,
    /// Columns of the prompt file, e.g. prompt=goal,id=BehaviorID.
    #[arg(long, value_name = "MAP", value_parser = mosa_text::Columns::parse)]
    pub columns: Option<mosa_text::Columns>,
    /// Send prompts as plain text instead of through the chat template.
    #[arg(long)]
    pub raw: bool,
    /// Write these words into the response at this offset before the first step; may be given several times.
    #[arg(long, value_name = "OFFSET:TEXT", value_parser = parse_force)]
    pub force: Vec<(usize, String)>,
    /// Rows decoded together.
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub batch_size: usize,
    /// Write one JSON line per decoding step.
    #[arg(long, value_name = "FILE.jsonl")]
    pub trace: Option<PathBuf>,
    /// One JSON object per prompt on stdout.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub sampling: SamplingArgs,
}

/// Settings of the sampler. Defaults are the published ones of the model's family.
#[derive(Clone, Debug, ClapArgs)]
#[command(next_help_heading = "Sampling", allow_negative_numbers = true)]
pub(crate) struct SamplingArgs {
    /// Response positions.
    #[arg(long, value_name = "N", default_value_t = 128)]
    pub gen_length: usize,
    /// Denoising steps; default: gen-length.
    #[arg(long, value_name = "N")]
    pub steps: Option<usize>,
    /// Positions per block (block sampler); default: gen-length.
    #[arg(long, value_name = "N")]
    pub block_length: Option<usize>,
    /// Which sampler; auto takes blocks for LLaDA and MMaDA, timesteps for Dream.
    #[arg(long, value_enum, default_value_t = SamplerName::Auto)]
    pub sampler: SamplerName,
    /// Sampling temperature; 0 takes the most likely token.
    #[arg(long, value_name = "T")]
    pub temperature: Option<f64>,
    /// Which positions are revealed first (block sampler).
    #[arg(long, value_name = "NAME", value_parser = ["low_confidence", "random", "margin", "entropy", "left_to_right"])]
    pub remasking: Option<String>,
    /// Which positions are revealed first (Dream's sampler).
    #[arg(long, value_name = "NAME", value_parser = ["origin", "maskgit_plus", "topk_margin", "entropy"])]
    pub alg: Option<String>,
    /// Reveal every position at least this probable (Fast-dLLM).
    #[arg(long, value_name = "P", conflicts_with = "factor")]
    pub threshold: Option<f64>,
    /// Reveal positions by Fast-dLLM's rank-dependent bar.
    #[arg(long, value_name = "F")]
    pub factor: Option<f64>,
    /// Keys and values kept between passes (Fast-dLLM; approximate).
    #[arg(long, value_enum, default_value_t = CacheName::None)]
    pub cache: CacheName,
    /// Classifier-free guidance; 0 is off.
    #[arg(long, value_name = "S", default_value_t = 0.0)]
    pub cfg_scale: f64,
    /// End of Dream's time grid.
    #[arg(long, value_name = "E")]
    pub eps: Option<f64>,
    /// Randomise the order of positions (Dream).
    #[arg(long, value_name = "T")]
    pub alg_temp: Option<f64>,
    /// Nucleus sampling (Dream).
    #[arg(long, value_name = "P")]
    pub top_p: Option<f64>,
    /// Keep the k most likely tokens (Dream).
    #[arg(long, value_name = "K")]
    pub top_k: Option<usize>,
    /// Never choose the end-of-text token.
    #[arg(long)]
    pub logits_eos_inf: bool,
    /// Reveal end tokens last.
    #[arg(long)]
    pub confidence_eos_eot_inf: bool,
    /// Let the model reveal the mask token, as the published code does.
    #[arg(long)]
    pub allow_mask: bool,
    /// Stop a row as soon as its answer can no longer change: same text, less work.
    #[arg(long)]
    pub eos_stop: bool,
    /// rows: each row in a pass of its own, independent of the batch; padded: one pass for all, faster on a GPU.
    #[arg(long, value_enum, default_value_t = BatchingName::Rows)]
    pub batching: BatchingName,
    /// Seed of every random draw.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SamplerName {
    Auto,
    Blocks,
    Timesteps,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CacheName {
    None,
    Prefix,
    Dual,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum BatchingName {
    Rows,
    Padded,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ProbeCommand {
    /// Attack success when words are forced at an offset of the answer.
    Prefill(PrefillArgs),
    /// Search suffixes that put a phrase at an offset of the answer (white box).
    Gcg(GcgArgs),
    /// In which order answers are revealed.
    Order(OrderArgs),
    /// Whether a prompt can order a phrase at the k-th word.
    Steer(SteerArgs),
    /// Where on the canvas refusals and harmful sentences fit best.
    Landscape(LandscapeArgs),
}

impl ProbeCommand {
    /// What every probe has.
    pub(crate) fn common_mut(&mut self) -> &mut ProbeArgs {
        match self {
            Self::Prefill(args) => &mut args.common,
            Self::Gcg(args) => &mut args.common,
            Self::Order(args) => &mut args.common,
            Self::Steer(args) => &mut args.common,
            Self::Landscape(args) => &mut args.common,
        }
    }
}

/// What every probe needs.
#[derive(Debug, ClapArgs)]
pub(crate) struct ProbeArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub compute: Compute,
    /// Columns of the prompt files, e.g. prompt=goal,id=BehaviorID.
    #[arg(long, value_name = "MAP", value_parser = mosa_text::Columns::parse)]
    pub columns: Option<mosa_text::Columns>,
    /// Use only the first N prompts of each file.
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Use a sample of N prompts of each file (seed 0), every style or category in proportion.
    #[arg(long, value_name = "N", conflicts_with = "limit")]
    pub sample: Option<usize>,
    /// Send prompts as plain text instead of through the chat template.
    #[arg(long)]
    pub raw: bool,
    /// Run folder; the same command again does what is missing.
    #[arg(long, value_name = "RUN")]
    pub out: PathBuf,
    /// Rows computed together.
    #[arg(long, value_name = "N", default_value_t = 16)]
    pub batch_size: usize,
}

/// Who judges, and how.
#[derive(Debug, ClapArgs)]
#[command(next_help_heading = "Judging")]
pub(crate) struct JudgingArgs {
    /// Judges, separated by commas: exact, keyword, rubric, strongreject, replay.
    #[arg(long, value_name = "NAMES", value_delimiter = ',', default_value = "keyword")]
    pub judge: Vec<String>,
    /// Judge settings: the tables `settings`, `endpoint` and `gate`.
    #[arg(long, value_name = "FILE.toml")]
    pub judge_config: Option<PathBuf>,
    /// OpenAI-compatible endpoint of judge models, up to and including the version: http://127.0.0.1:8000/v1.
    #[arg(long, value_name = "URL")]
    pub judge_endpoint: Option<String>,
    /// Judge model at the endpoint.
    #[arg(long, value_name = "NAME")]
    pub judge_model: Option<String>,
    /// Folder in which replies of judge models are kept, by content.
    #[arg(long, value_name = "DIR")]
    pub judge_cache: Option<PathBuf>,
    /// Answers judged at the same time.
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub concurrency: usize,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct JudgeArgs {
    /// Run folder of a probe.
    pub run: PathBuf,
    #[command(flatten)]
    pub judging: JudgingArgs,
    /// No progress on stderr.
    #[arg(long)]
    pub quiet: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ReportArgs {
    /// Run folders of probes, of alignments, or of the quickstart.
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<PathBuf>,
    /// The page.
    #[arg(long, value_name = "FILE.html", default_value = "report.html")]
    pub out: PathBuf,
    /// Also write every table as CSV, Markdown and LaTeX into this folder.
    #[arg(long, value_name = "DIR")]
    pub tables: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct PrefillArgs {
    #[command(flatten)]
    pub common: ProbeArgs,
    /// Behaviours: .jsonl, .json or .csv.
    #[arg(long, value_name = "FILE")]
    pub behaviors: PathBuf,
    /// Response offsets at which words are forced.
    #[arg(long, value_name = "OFFSETS", value_delimiter = ',', default_values_t = [0, 20, 40, 60, 80, 120, 160])]
    pub offsets: Vec<usize>,
    /// Beginnings of compliant answers, one per line; forced at offset 0.
    #[arg(long, value_name = "FILE")]
    pub affirmative: Option<PathBuf>,
    /// Pieces of procedures, one per line; forced everywhere else.
    #[arg(long, value_name = "FILE")]
    pub procedural: Option<PathBuf>,
    #[command(flatten)]
    pub judge: JudgingArgs,
    #[command(flatten)]
    pub sampling: SamplingArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct GcgArgs {
    #[command(flatten)]
    pub common: ProbeArgs,
    /// Behaviours: .jsonl, .json or .csv.
    #[arg(long, value_name = "FILE")]
    pub behaviors: PathBuf,
    /// Response offsets of the phrase.
    #[arg(long, value_name = "OFFSETS", value_delimiter = ',', default_values_t = [0, 30])]
    pub offsets: Vec<usize>,
    /// The phrase; default: the data's own target, else "Sure, here is how".
    #[arg(long, value_name = "TEXT")]
    pub target: Option<String>,
    /// The suffix to start from.
    #[arg(long, value_name = "TEXT", default_value = "! ! ! ! ! ! ! ! ! ! ! ! ! ! ! ! ! ! ! !")]
    pub init: String,
    /// Iterations; more of them continue an earlier search.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub iterations: usize,
    /// Candidates per iteration.
    #[arg(long, value_name = "N", default_value_t = 512)]
    pub candidates: usize,
    /// Tokens considered per position.
    #[arg(long, value_name = "N", default_value_t = 256)]
    pub search_top_k: usize,
    /// first_step, or mc(N): the mean over N random reveals of the target.
    #[arg(long, value_name = "NAME", default_value = "first_step")]
    pub likelihood: String,
    /// Only tokens of plain ASCII.
    #[arg(long)]
    pub ascii_only: bool,
    #[command(flatten)]
    pub sampling: SamplingArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct OrderArgs {
    #[command(flatten)]
    pub common: ProbeArgs,
    /// Adversarial prompts.
    #[arg(long, value_name = "FILE")]
    pub behaviors: PathBuf,
    /// Benign prompts to compare with.
    #[arg(long, value_name = "FILE")]
    pub benign: Option<PathBuf>,
    #[command(flatten)]
    pub sampling: SamplingArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct SteerArgs {
    #[command(flatten)]
    pub common: ProbeArgs,
    /// Behaviours: .jsonl, .json or .csv.
    #[arg(long, value_name = "FILE")]
    pub behaviors: PathBuf,
    /// Words at which the phrase is ordered, counted from 1.
    #[arg(long, value_name = "WORDS", value_delimiter = ',', default_values_t = [1, 10, 20, 40, 80])]
    pub positions: Vec<usize>,
    /// Phrases, one per line.
    #[arg(long, value_name = "FILE")]
    pub phrases: Option<PathBuf>,
    /// The order, with {behavior}, {phrase} and {position}.
    #[arg(long, value_name = "TEXT")]
    pub template: Option<String>,
    #[command(flatten)]
    pub sampling: SamplingArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct LandscapeArgs {
    #[command(flatten)]
    pub common: ProbeArgs,
    /// Prompts.
    #[arg(long, value_name = "FILE")]
    pub behaviors: PathBuf,
    /// Refusals, one per line; the end token is added.
    #[arg(long, value_name = "FILE")]
    pub safe_sentences: Option<PathBuf>,
    /// Harmful sentences, one per line.
    #[arg(long, value_name = "FILE")]
    pub harmful_sentences: Option<PathBuf>,
    /// Width of the window to propose.
    #[arg(long, value_name = "N", default_value_t = 40)]
    pub width: usize,
    #[command(flatten)]
    pub sampling: SamplingArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct AlignArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub compute: Compute,
    /// mosa: reward in the middle window; initial: the paper's baseline at offset 0; sft: masked fine-tuning on the
    /// answers of the data.
    #[arg(long, value_name = "NAME", value_parser = mosa_align::OBJECTIVES, default_value = "mosa")]
    pub objective: String,
    /// Prompts to align on: .jsonl, .json or .csv; SORRY-Bench's files are read as they are.
    #[arg(long, value_name = "FILE")]
    pub data: PathBuf,
    /// Columns of the data file, e.g. prompt=goal,response=target.
    #[arg(long, value_name = "MAP", value_parser = mosa_text::Columns::parse)]
    pub columns: Option<mosa_text::Columns>,
    /// Use only the first N prompts.
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Use a seeded sample of N prompts, every style (or category) in proportion; the ids are recorded.
    #[arg(long, value_name = "N")]
    pub sample: Option<usize>,
    /// Use only prompts of these styles (SORRY-Bench's prompt_style), separated by commas.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub styles: Option<Vec<String>>,
    /// Harmless prompts on which the model has to stay what it was (settings: retain.*).
    #[arg(long, value_name = "FILE")]
    pub retain: Option<PathBuf>,
    /// Run folder; the same command again continues an interrupted run.
    #[arg(long, value_name = "RUN")]
    pub out: PathBuf,
    /// Settings file (TOML).
    #[arg(long, value_name = "FILE.toml")]
    pub config: Option<PathBuf>,
    /// A setting: steps, epochs, batch_size, lr, beta, clip, window, canvas_length, seed, lora.r, lora.alpha, ...
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// File of refusals, one per line; the end token is added.
    #[arg(long, value_name = "FILE")]
    pub safe_sentences: Option<PathBuf>,
    /// File of harmful sentences, one per line.
    #[arg(long, value_name = "FILE")]
    pub harmful_sentences: Option<PathBuf>,
    /// Send prompts as plain text instead of through the chat template.
    #[arg(long)]
    pub raw: bool,
    /// One JSON object per step on stdout.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct InspectArgs {
    /// Checkpoint folder or hub id.
    pub model: String,
    /// One JSON object on stdout.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct VerifyArgs {
    /// Golden folders: a checkpoint with golden.json and golden.safetensors.
    #[arg(required = true, value_name = "GOLDEN_DIR")]
    pub folders: Vec<PathBuf>,
    /// Only what is wrong or skipped.
    #[arg(long)]
    pub quiet: bool,
    /// CPU threads; default: all.
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// One JSON object per entry on stdout.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct MergeArgs {
    /// Checkpoint folder or hub id.
    #[arg(long, value_name = "DIR")]
    pub model: String,
    /// PEFT LoRA adapter folder.
    #[arg(long, value_name = "DIR")]
    pub adapter: PathBuf,
    /// New checkpoint folder; must not exist yet.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    pub what: BenchCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum BenchCommand {
    /// Decoding speed on random prompts.
    Generate(BenchGenerateArgs),
    /// Speed and memory of an alignment step on random prompts.
    Align(BenchAlignArgs),
    /// Speed and memory of an iteration of the suffix search (GCG) on a random prompt.
    Gcg(BenchGcgArgs),
}

/// What to measure on.
#[derive(Debug, ClapArgs)]
pub(crate) struct BenchModelArgs {
    /// Checkpoint folder (tokeniser not needed).
    #[arg(long, value_name = "DIR", required_unless_present = "config")]
    pub model: Option<PathBuf>,
    /// Random weights of the model this config.json describes.
    #[arg(long, value_name = "FILE", conflicts_with = "model")]
    pub config: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct BenchAlignArgs {
    #[command(flatten)]
    pub model: BenchModelArgs,
    #[command(flatten)]
    pub compute: Compute,
    /// Prompt tokens per row.
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub prompt_len: usize,
    /// Response positions.
    #[arg(long, value_name = "N", default_value_t = 128)]
    pub gen_length: usize,
    /// Prompts per step.
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub batch_size: usize,
    /// Prompts per pass; 0: all.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub micro_batch_size: usize,
    /// Rank of the adapter.
    #[arg(long, value_name = "N", default_value_t = 32)]
    pub rank: usize,
    /// First and last offset of the window.
    #[arg(long, value_name = "FIRST,LAST", value_delimiter = ',', num_args = 2, default_values_t = [20, 60])]
    pub window: Vec<usize>,
    /// Timed steps, after one to warm up.
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub repeats: usize,
    /// Seed of prompts and weights.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// One JSON object on stdout.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct BenchGcgArgs {
    #[command(flatten)]
    pub model: BenchModelArgs,
    #[command(flatten)]
    pub compute: Compute,
    /// Prompt tokens; the last ones are the suffix.
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub prompt_len: usize,
    /// Response positions.
    #[arg(long, value_name = "N", default_value_t = 128)]
    pub gen_length: usize,
    /// Tokens of the suffix.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub suffix_len: usize,
    /// Tokens of the target phrase.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub target_len: usize,
    /// Response offset of the target phrase.
    #[arg(long, value_name = "N", default_value_t = 30)]
    pub offset: usize,
    /// Candidates per iteration.
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub candidates: usize,
    /// Canvases that share a pass.
    #[arg(long, value_name = "N", default_value_t = GcgSettings::default().rows_per_pass)]
    pub rows_per_pass: usize,
    /// Add prompt, target, candidates and their losses to the JSON.
    #[arg(long)]
    pub tokens: bool,
    /// Seed of prompt and candidates.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// One JSON object on stdout.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct BenchGenerateArgs {
    #[command(flatten)]
    pub model: BenchModelArgs,
    #[command(flatten)]
    pub compute: Compute,
    /// Prompt tokens per row.
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub prompt_len: usize,
    /// Rows.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub batch_size: usize,
    /// Add prompt and response ids to the JSON.
    #[arg(long)]
    pub tokens: bool,
    /// One JSON object on stdout.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub sampling: SamplingArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct DoctorArgs {
    /// One JSON object on stdout.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct WorldArgs {
    #[command(subcommand)]
    pub what: WorldCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum WorldCommand {
    /// Write the world's benchmark files, in the formats of the real ones.
    Data(WorldDataArgs),
    /// Train the world's model from nothing.
    Train(WorldTrainArgs),
    /// Measure attack success, prefill and utility, judged exactly.
    Measure(WorldMeasureArgs),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct WorldMeasureArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub compute: Compute,
    /// Run folder; the same command again answers what is missing.
    #[arg(long, value_name = "RUN")]
    pub out: PathBuf,
    /// Requests per cell.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub n: usize,
    /// Only cells whose name starts with one of these, for example attack,prefill/20.
    #[arg(long, value_name = "CELLS", value_delimiter = ',')]
    pub cells: Option<Vec<String>>,
    /// Denoising steps for the 96 response positions.
    #[arg(long, value_name = "N", default_value_t = 96)]
    pub steps: usize,
    /// Positions per block.
    #[arg(long, value_name = "N", default_value_t = 32)]
    pub block_length: usize,
    /// Reveal every position at least this probable (Fast-dLLM).
    #[arg(long, value_name = "P")]
    pub threshold: Option<f64>,
    /// Rows decoded together.
    #[arg(long, value_name = "N", default_value_t = 25)]
    pub batch_size: usize,
    /// Seed of the choice of requests.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct WorldDataArgs {
    /// Folder to write to.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct WorldTrainArgs {
    /// Run folder; the same command again continues an interrupted run.
    #[arg(long, value_name = "RUN")]
    pub out: PathBuf,
    /// Start from the weights of this checkpoint folder instead of fresh ones: a second stage.
    #[arg(long, value_name = "DIR")]
    pub init: Option<PathBuf>,
    /// Settings file (TOML), for example recipes/world-model.toml.
    #[arg(long, value_name = "FILE.toml")]
    pub config: Option<PathBuf>,
    /// A setting, as in `align`.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// One JSON object per step on stdout.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub compute: Compute,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct QuickstartArgs {
    /// Run folder; the same command again continues there.
    #[arg(long, value_name = "RUN", default_value = "runs/quickstart")]
    pub out: PathBuf,
    /// Throw away what an earlier run left in the folder.
    #[arg(long)]
    pub fresh: bool,
    /// 120 requests per kind and three alignment seeds instead of 40 and one.
    #[arg(long)]
    pub full: bool,
    /// Requests per kind.
    #[arg(long, value_name = "N")]
    pub n: Option<usize>,
    /// A setting of the alignments, as in `align`.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    #[command(flatten)]
    pub compute: Compute,
}

fn parse_force(text: &str) -> Result<(usize, String), String> {
    let (offset, words) = text.split_once(':').ok_or_else(|| format!("{text:?} is not OFFSET:TEXT"))?;
    let offset = offset.trim().parse().map_err(|_| format!("{offset:?} is not a response offset"))?;
    if words.is_empty() { Err("the text to force is empty".into()) } else { Ok((offset, words.to_owned())) }
}
