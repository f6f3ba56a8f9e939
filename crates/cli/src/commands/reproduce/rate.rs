//! How fast machines compute: rates that were measured, and one that is measured here.

use super::stages::Plan;
use crate::args::{ModelArgs, SamplingArgs};
use crate::load::load;
use anyhow::{Result, ensure};
use mosa_engine::{Request, generate};
use mosa_model::synchronise;
use std::time::Instant;

/// How fast a machine computes: positions of canvases a second, for a model of so many weights. The one is taken to fall as the
/// other rises.
#[derive(Clone, Debug)]
pub(super) struct Rate {
    pub machine: String,
    /// Positions of all rows that pass the model a second.
    pub positions: f64,
    /// Weights of the model that was measured.
    pub weights: f64,
    pub source: String,
}

/// Rows, prompt, response and steps of what is measured here.
const ROWS: usize = 8;
const PROMPT: usize = 64;
const LENGTH: usize = 128;
const STEPS: usize = 16;

impl Rate {
    /// LLaDA-8B's shape in bf16, 8 rows of 192 positions padded into one pass: 160.8 rows a second (`tokens_per_s`).
    pub(super) fn of_card() -> Self {
        Self {
            machine: "one H200".into(),
            positions: 160.8 * 192.0,
            weights: 8.02e9,
            source: "benches/results/gpu-check-h200.jsonl, case \"speed, generate, batch 8, padded\"".into(),
        }
    }

    /// LLaDA's shape with 8 layers of width 512 in bf16: 28.4 ms a pass of 192 positions. Of its 92 million weights 65 million are
    /// the head, which a third of the positions pass on average.
    pub(super) fn of_cpu() -> Self {
        Self {
            machine: "2 cores of a Zen 5".into(),
            positions: 192.0 / 0.0284,
            weights: 4.9e7,
            source: "benches/results/decoding-2core-zen5.jsonl, case \"bf16, batch 1\"".into(),
        }
    }

    /// That of this machine with the recipe's model, by a short decode behind one that warms up.
    pub(super) fn here(plan: &Plan<'_>) -> Result<Self> {
        let loaded = load(&ModelArgs { model: plan.recipe.model.clone(), adapter: None }, plan.compute)?;
        let sampling = SamplingArgs { gen_length: Some(LENGTH), steps: Some(STEPS), ..SamplingArgs::default() };
        let (options, device) = (loaded.options(&sampling)?, loaded.model.device());
        let mut prompt = loaded.text.words(&"a ".repeat(2 * PROMPT))?;
        prompt.truncate(PROMPT);
        let decode = |tag: &str| {
            let request = |i: usize| Request::new(format!("{tag}{i}"), prompt.clone(), &options);
            let answers =
                generate(loaded.subject(), sampling.batching(device), (0..ROWS).map(request).collect(), &mut ())?;
            synchronise(device);
            Ok::<_, anyhow::Error>(answers.iter().flatten().map(|answer| answer.forwards).sum::<usize>())
        };
        decode("warm")?;
        let began = Instant::now();
        let passes = decode("timed")?;
        let seconds = began.elapsed().as_secs_f64();
        ensure!(passes > 0 && seconds > 0.0, "the rate of this machine could not be measured: nothing was decoded");
        Ok(Self {
            machine: "this machine".into(),
            positions: (passes * (prompt.len() + LENGTH)) as f64 / seconds,
            weights: loaded.spec().parameters as f64,
            source: format!("measured now, {ROWS} rows of {} positions", prompt.len() + LENGTH),
        })
    }
}
