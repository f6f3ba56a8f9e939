//! `mosa bench generate`: decoding speed and peak memory.

use super::monitors::pairs;
use super::{open, random_prompts};
use crate::args::BenchGenerateArgs;
use crate::failure::Failure;
use crate::load::prepare;
use anyhow::Result;
use mosa_core::TokenId;
use mosa_engine::{Answer, Ends, Options, Request, Schedule, generate};
use mosa_model::{Adapted, Call, DenoisingModel, Memory, ModelError, ModelSpec, Transformer, all_threads, synchronise};
use serde_json::{Value, json};
use std::cell::Cell;
use std::time::Instant;
use tch::{Device, Kind, Tensor};

pub(crate) fn run(args: &BenchGenerateArgs) -> Result<(), Failure> {
    let device = prepare(&args.model.compute)?;
    let model = open(&args.model, args.sampling.seed, device)?;
    let config = model.config().clone();
    let options = args.sampling.options(model.spec(), Ends { eos: config.eos, eot: None }, &Default::default())?;
    let prompts = random_prompts(&config, [args.batch_size, args.model.prompt_len], args.sampling.seed)?;
    options.check(model.spec())?;
    Request::new("row0", prompts[0].clone(), &options).check(model.spec())?;
    let requests = |tag: &str| {
        prompts
            .iter()
            .enumerate()
            .map(|(i, p)| Request::new(format!("{tag}{i}"), p.clone(), &options))
            .collect::<Vec<_>>()
    };
    warm_up(&model, &prompts[0], options.gen_length)?;
    let timed = Timed { model: &model, seconds: Cell::new(0.0), forwards: Cell::new(0), multiply_adds: Cell::new(0.0) };
    let start = Instant::now();
    let answers = generate(Adapted::plain(&timed), args.sampling.batching(device), requests("row"), &mut ())?;
    synchronise(device);
    let seconds = start.elapsed().as_secs_f64();
    let answers: Vec<Answer> = answers.into_iter().flatten().collect();
    let (peak, on_device) = (Memory::now().peak_resident, Memory::of_device(device));
    let gemm = gemm_rate(model.kind(), device)?;
    let report = Report {
        args,
        timed: &timed,
        seconds,
        gemm,
        peak,
        on_device,
        prompts: &prompts,
        answers: &answers,
        options: &options,
    };
    let mut said = report.json();
    if args.monitors > 0 {
        said["monitors"] = pairs(&model, &prompts, &options, args)?;
    }
    Ok(super::report(&said, args.model.json)?)
}

/// Touches every weight once.
fn warm_up(model: &Transformer, prompt: &[TokenId], gen_length: usize) -> Result<()> {
    let _no_grad = tch::no_grad_guard();
    let mut canvas = prompt.to_vec();
    canvas.resize(prompt.len() + gen_length, model.spec().mask);
    let y = model.forward(Call::new(&[&canvas], &[(0, canvas.len() - 1)]))?;
    let _ = y.f_sum(Kind::Float)?.f_double_value(&[])?;
    Ok(())
}

/// A model that keeps the time and the work of its passes.
struct Timed<'a> {
    model: &'a Transformer,
    seconds: Cell<f64>,
    forwards: Cell<usize>,
    multiply_adds: Cell<f64>,
}

impl DenoisingModel for Timed<'_> {
    fn beside(&self) -> usize {
        self.model.beside()
    }

    fn spec(&self) -> &ModelSpec {
        self.model.spec()
    }

    fn forward(&self, call: Call<'_>) -> Result<Tensor, ModelError> {
        let width = call.rows.iter().map(|r| r.tokens.len()).max().unwrap_or(0);
        // The head runs once per scored position; the body once per row.
        let (config, scored) = (self.model.config(), call.want.len());
        let body: f64 = call.rows.iter().map(|r| config.multiply_adds(width, r.attended().max(width), 0)).sum();
        let head = config.multiply_adds(0, 0, scored);
        synchronise(self.model.device());
        let start = Instant::now();
        let result = self.model.forward(call);
        synchronise(self.model.device());
        self.seconds.set(self.seconds.get() + start.elapsed().as_secs_f64());
        self.forwards.set(self.forwards.get() + 1);
        self.multiply_adds.set(self.multiply_adds.get() + body + head);
        result
    }
}

/// Multiply-adds per second of a 2048 x 2048 product in this type, the best of several, through the same linear layer
/// code paths libtorch offers (BLAS and, for f32 on the CPU, oneDNN).
fn gemm_rate(kind: Kind, device: Device) -> Result<f64> {
    let _no_grad = tch::no_grad_guard();
    let n = 2048i64;
    let (a, b) = (Tensor::f_randn([n, n], (kind, device))?, Tensor::f_randn([n, n], (kind, device))?);
    let mut best = f64::INFINITY;
    let onednn = kind == Kind::Float && device == Device::Cpu && tch::utils::has_mkldnn();
    for i in 0..8 {
        let start = Instant::now();
        if onednn && i % 2 == 1 {
            let _ = a.f_to_mkldnn(Kind::Float)?.f_mkldnn_linear::<&Tensor>(&b, None)?;
        } else {
            let _ = a.f_linear::<&Tensor>(&b, None)?;
        }
        synchronise(device);
        if i >= 2 {
            best = best.min(start.elapsed().as_secs_f64());
        }
    }
    Ok((n * n * n) as f64 / best)
}

struct Report<'a> {
    args: &'a BenchGenerateArgs,
    timed: &'a Timed<'a>,
    seconds: f64,
    gemm: f64,
    peak: Option<u64>,
    on_device: Option<u64>,
    prompts: &'a [Vec<TokenId>],
    answers: &'a [Answer],
    options: &'a Options,
}

impl Report<'_> {
    /// Positions that are revealed before the next.
    fn block_length(&self) -> usize {
        match self.options.schedule {
            Schedule::Blocks { block_length, .. } | Schedule::BlockDiffusion { block_length, .. } => block_length,
            Schedule::Timesteps { .. } => self.options.gen_length,
        }
    }

    /// oracle.py's keys first, then ours.
    fn json(&self) -> Value {
        let (a, forwards, model_seconds) = (self.args, self.timed.forwards.get(), self.timed.seconds.get());
        let tokens: usize = self.answers.iter().map(|r| r.ids.len()).sum();
        let achieved = self.timed.multiply_adds.get() / model_seconds;
        let mut report = json!({
            "prompt_len": a.model.prompt_len,
            "gen_length": a.sampling.positions(),
            "steps": self.options.schedule.plan().steps(),
            "block": self.block_length(),
            "batch": a.batch_size,
            "seconds": self.seconds,
            "forward_seconds": model_seconds,
            "forwards_per_s": forwards as f64 / self.seconds,
            "tokens_per_s": tokens as f64 / self.seconds,
            "threads": all_threads(),
            "forwards": forwards,
            "ahead": self.answers.iter().map(|answer| answer.ahead).sum::<usize>(),
            "ms_per_forward": 1e3 * model_seconds / forwards.max(1) as f64,
            "share_outside_model": 1.0 - model_seconds / self.seconds,
            "peak_rss_bytes": self.peak,
            "device_bytes": self.on_device,
            "gflops": 2e-9 * achieved,
            "machine_gemm_gflops": 2e-9 * self.gemm,
            "fraction_of_gemm": achieved / self.gemm,
            "dtype": format!("{:?}", self.timed.model.kind()),
            "weights": self.timed.model.weights().name(),
            "device": format!("{:?}", self.timed.model.device()),
        });
        if a.tokens {
            report["prompt_ids"] = json!(self.prompts);
            report["ids"] = json!(self.answers.iter().map(|r| &r.ids).collect::<Vec<_>>());
        }
        report
    }
}
