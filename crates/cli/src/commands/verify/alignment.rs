//! Adapter, MOSA scores, KL, loss, gradients and training runs.

use super::golden::{MosaEntry, TrainEntry, VariantEntry};
use super::logits::raw_logits;
use super::{Check, Folder, distance};
use anyhow::{Context, Result};
use mosa_align::{
    AlignConfig, Data, Objective, PlacementName, Reduction, RowTerms, SentencePair, StepMetrics, Trainer,
};
use mosa_core::{Placement, TokenId, Window};
use mosa_model::{Adapter, DenoisingModel, Transformer};
use tch::{Device, Kind, Tensor};

const LOGITS: f64 = 2e-4;
const SCORES: f64 = 1e-3;
const GRADIENT: f64 = 1e-5;
const TRAIN_LOSS: f64 = 5e-3;
const TRAIN_NORM: f64 = 1e-4;
const TRAINED: f64 = 5e-4;
const TRAINED_LOGITS: f64 = 3e-3;

/// What the checks of one folder share.
struct Bench<'a> {
    folder: &'a Folder,
    model: &'a Transformer,
    mosa: &'a MosaEntry,
    pair: SentencePair,
    prompts: Vec<Vec<TokenId>>,
}

pub(crate) fn checks(folder: &Folder, model: &Transformer) -> Result<Vec<Check>> {
    let Some(mosa) = &folder.golden.mosa else { return Ok(Vec::new()) };
    let pair = SentencePair { safe: mosa.safe.clone(), harmful: mosa.harm.clone() };
    let prompts = mosa.prompts.iter().map(|p| p.ids.clone()).collect();
    let bench = Bench { folder, model, mosa, pair, prompts };
    let mut checks = bench.sentences()?;
    checks.extend(tch::no_grad(|| bench.adapter())?);
    checks.extend(tch::no_grad(|| bench.log_probs())?);
    for (name, variant) in &mosa.variants {
        checks.extend(bench.variant(name, variant)?);
    }
    if let Some(train) = &mosa.train {
        for name in train.runs.keys() {
            checks.extend(bench.train(name, train)?);
        }
    }
    Ok(checks)
}

impl Bench<'_> {
    fn fresh_adapter(&self) -> Result<Adapter> {
        Ok(Adapter::load(&self.folder.dir.join(&self.mosa.adapter.folder), self.model.spec(), Device::Cpu)?)
    }

    fn objective(&self, v: &VariantEntry) -> Objective {
        let placement = match (v.variant.as_str(), v.start_in_window) {
            ("initial", _) => Placement::Fixed(0),
            (_, true) => Placement::StartInside,
            (_, false) => Placement::Contained,
        };
        Objective {
            window: Window { first: self.mosa.window[0], last: self.mosa.window[1] },
            placement,
            reduction: if v.mean { Reduction::Mean } else { Reduction::Sum },
            beta: self.mosa.beta,
            canvas_length: self.mosa.gen_length,
        }
    }

    fn sentences(&self) -> Result<Vec<Check>> {
        let text = &self.folder.text;
        let mut safe = text.tokenizer.encode(&self.mosa.safe_text)?;
        safe.push(text.special.eos);
        let harmful = text.tokenizer.encode(&self.mosa.harm_text)?;
        let same = safe == self.pair.safe && harmful == self.pair.harmful;
        Ok(vec![Check::exact("mosa.sentences", "ids", (!same).then(|| format!("{safe:?}, {harmful:?}")))])
    }

    /// Logits with the adapter on the fly, and after merging it.
    fn adapter(&self) -> Result<Vec<Check>> {
        let single = self
            .folder
            .golden
            .logits
            .iter()
            .find(|e| e.name == "single")
            .context("golden.json has no logits entry `single`")?;
        let adapter = self.fresh_adapter()?;
        let flat = |name: &str| -> Result<Tensor> { Ok(self.folder.tensor(name)?.f_flatten(0, 1)?) };
        let on = raw_logits(self.model, Some(&adapter), single)?;
        let mut merged = self.folder.model(Kind::Float)?;
        merged.merge(&adapter)?;
        let off = raw_logits(&merged, None, single)?;
        Ok(vec![
            Check::within("mosa.adapter", "logits", distance(&on, &flat("adapter.logits.single")?)?, LOGITS),
            Check::within(
                "mosa.adapter",
                "merged logits",
                distance(&off, &flat("adapter.merged_logits.single")?)?,
                LOGITS,
            ),
        ])
    }

    /// L of every prompt with the adapter on and off, and the KL at every position.
    fn log_probs(&self) -> Result<Vec<Check>> {
        let adapter = self.fresh_adapter()?;
        let Some(any) = self.mosa.variants.values().next() else { return Ok(Vec::new()) };
        let objective = self.objective(any);
        let mut checks = Vec::new();
        for (i, prompt) in self.mosa.prompts.iter().enumerate() {
            let of = |adapter| -> Result<Tensor> {
                Ok(objective.log_probs(self.model, adapter, &[&prompt.ids])?.f_select(0, 0)?)
            };
            let (policy, reference) = (of(Some(&adapter))?, of(None)?);
            for (name, ours) in [("policy", &policy), ("reference", &reference)] {
                let recorded = format!("mosa.logprobs.{name}.{i}");
                if self.folder.tensors.tensors().contains_key(&recorded) {
                    checks.push(Check::within(
                        &recorded,
                        "log-probabilities",
                        distance(ours, &self.folder.tensor(&recorded)?)?,
                        LOGITS,
                    ));
                }
            }
            let kl = policy.f_exp()?.f_mul(&policy.f_sub(&reference)?)?.f_sum_dim_intlist(-1, false, Kind::Float)?;
            let kl = Vec::<f32>::try_from(kl)?;
            let worst =
                kl.iter().zip(&prompt.kl_per_position).map(|(a, b)| (f64::from(*a) - b).abs()).fold(0.0, f64::max);
            checks.push(Check::within(&format!("mosa.prompts.{i}"), "KL per position", worst, SCORES));
        }
        Ok(checks)
    }

    fn variant(&self, name: &str, v: &VariantEntry) -> Result<Vec<Check>> {
        let entry = format!("mosa.{name}");
        let objective = self.objective(v);
        let mut adapter = self.fresh_adapter()?;
        adapter.set_trainable(true);
        let mut rows = Vec::new();
        let mut loss = 0.0;
        for prompt in &self.prompts {
            let reference = tch::no_grad(|| objective.log_probs(self.model, None, &[prompt]))?;
            let policy = objective.log_probs(self.model, Some(&adapter), &[prompt])?;
            let (sum, terms) = objective.loss(&policy, &reference, &self.pair)?;
            let share = sum.f_div_scalar(self.prompts.len() as i64)?;
            share.f_backward()?;
            loss += share.f_double_value(&[])?;
            rows.extend(terms);
        }
        let mut checks = rows_checks(&entry, &rows, v);
        checks.push(Check::within(&entry, "loss", (loss - v.loss).abs(), SCORES));
        let mut worst: f64 = 0.0;
        let mut squares = 0.0;
        for (tensor, value) in adapter.tensors() {
            let (ours, recorded) = (value.f_grad()?, self.folder.tensor(&format!("{entry}.grad.{tensor}"))?);
            worst = worst.max(distance(&ours, &recorded)? / v.grad_norm);
            squares += ours.f_norm()?.f_double_value(&[])?.powi(2);
        }
        checks.push(Check::within(&entry, "gradient / norm", worst, GRADIENT));
        checks.push(Check::within(
            &entry,
            "gradient norm, relative",
            (squares.sqrt() / v.grad_norm - 1.0).abs(),
            TRAIN_NORM,
        ));
        Ok(checks)
    }

    /// AdamW from the saved adapter, all prompts in each step.
    fn train(&self, name: &str, train: &TrainEntry) -> Result<Vec<Check>> {
        let entry = format!("mosa.train.{name}");
        let Some(v) = self.mosa.variants.get(name) else { return Ok(vec![Check::skipped(&entry, "no such variant")]) };
        let objective = self.objective(v);
        let config = AlignConfig {
            steps: Some(train.steps),
            batch_size: self.prompts.len(),
            lr: train.lr,
            clip: train.clip,
            weight_decay: train.weight_decay,
            beta: self.mosa.beta,
            window: self.mosa.window,
            placement: if v.start_in_window { PlacementName::StartInside } else { PlacementName::Contained },
            canvas_length: self.mosa.gen_length,
            ..AlignConfig::default()
        };
        let mut adapter = self.fresh_adapter()?;
        let data = Data {
            prompts: self.prompts.clone(),
            safe: vec![self.pair.safe.clone()],
            harmful: vec![self.pair.harmful.clone()],
        };
        let mut trainer = Trainer::new((self.model, &mut adapter), objective, config, &data)?;
        let steps = (0..train.steps).map(|_| Ok(trainer.step()?)).collect::<Result<Vec<_>>>()?;
        let mut checks = steps_checks(&entry, &steps, &train.runs[name]);
        checks.extend(tch::no_grad(|| self.trained(name, &entry, &adapter))?);
        Ok(checks)
    }

    fn trained(&self, name: &str, entry: &str, adapter: &Adapter) -> Result<Vec<Check>> {
        let mut worst: f64 = 0.0;
        for (tensor, value) in adapter.tensors() {
            worst = worst.max(distance(value, &self.folder.tensor(&format!("mosa.{name}.trained.{tensor}"))?)?);
        }
        let single = self
            .folder
            .golden
            .logits
            .iter()
            .find(|e| e.name == "single")
            .context("golden.json has no logits entry `single`")?;
        let logits = raw_logits(self.model, Some(adapter), single)?;
        let recorded = self.folder.tensor(&format!("mosa.{name}.trained_logits.single"))?.f_flatten(0, 1)?;
        Ok(vec![
            Check::within(entry, "trained adapter", worst, TRAINED),
            Check::within(entry, "trained logits", distance(&logits, &recorded)?, TRAINED_LOGITS),
        ])
    }
}

fn rows_checks(entry: &str, rows: &[RowTerms], v: &VariantEntry) -> Vec<Check> {
    let starts = |safe: usize, harmful: usize| (safe, harmful);
    let ours: Vec<_> = rows.iter().map(|r| starts(r.start_safe, r.start_harmful)).collect();
    let theirs: Vec<_> = v.rows.iter().map(|r| starts(r.k_pos, r.k_neg)).collect();
    let differs = (ours != theirs).then(|| format!("{ours:?} instead of {theirs:?}"));
    let mut worst: f64 = 0.0;
    let mut windows = 0.0f64;
    let list = |ours: &[f64], theirs: &[f64]| {
        if theirs.is_empty() {
            0.0
        } else if ours.len() == theirs.len() {
            ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
        } else {
            f64::INFINITY
        }
    };
    for (a, b) in rows.iter().zip(&v.rows) {
        for (x, y) in [(a.score_safe, b.score_pos), (a.score_harmful, b.score_neg), (a.reward, b.reward), (a.kl, b.kl)]
        {
            worst = worst.max((x - y).abs());
        }
        windows = windows.max(list(&a.all_safe, &b.window_scores_pos)).max(list(&a.all_harmful, &b.window_scores_neg));
    }
    vec![
        Check::exact(entry, "best offsets", differs),
        Check::within(entry, "scores, R and KL", worst, SCORES),
        Check::within(entry, "all window scores", windows, SCORES),
    ]
}

fn steps_checks(entry: &str, steps: &[StepMetrics], recorded: &[super::golden::TrainStep]) -> Vec<Check> {
    let (mut loss, mut norm): (f64, f64) = (0.0, 0.0);
    let mut differs =
        (steps.len() != recorded.len()).then(|| format!("{} steps instead of {}", steps.len(), recorded.len()));
    for (a, b) in steps.iter().zip(recorded) {
        loss = loss.max((a.loss - b.loss).abs()).max((a.kl - b.kl).abs());
        norm = norm.max((a.grad_norm / b.grad_norm - 1.0).abs());
        // Our batch is a permutation of the prompts.
        for (slot, &prompt) in a.prompts.iter().enumerate() {
            if b.k_pos.get(prompt) != Some(&a.k_pos[slot]) || b.k_neg.get(prompt) != Some(&a.k_neg[slot]) {
                differs.get_or_insert_with(|| {
                    format!("step {} prompt {prompt}: {} and {}", a.step, a.k_pos[slot], a.k_neg[slot])
                });
            }
        }
    }
    vec![
        Check::exact(entry, "best offsets", differs),
        Check::within(entry, "loss and KL", loss, TRAIN_LOSS),
        Check::within(entry, "gradient norm, relative", norm, TRAIN_NORM),
    ]
}
