//! Adapter, MOSA scores, KL, loss, gradients and training runs.

use super::golden::{LogitsEntry, MosaEntry, TrainEntry, VariantEntry};
use super::logits::raw_logits;
use super::{Check, Folder, distance};
use anyhow::{Context, Result};
use mosa_align::{
    AlignConfig, CanvasIds, Data, Objective, Placing, Policy, Record, Reduction, RewardTerms, SentencePair,
    StepMetrics, Terms, Trainer, Windows, objective,
};
use mosa_core::TokenId;
use mosa_model::{Adapter, Attention, Call, DenoisingModel, Row, Slot, Transformer};
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
        Ok(Adapter::load(&self.folder.dir.join(&self.mosa.adapter.folder), self.model.spec(), self.folder.device)?)
    }

    /// Whom the tokens of a canvas see; none: as the model was trained.
    fn attention(&self) -> Option<Attention> {
        self.mosa.block.map(|block| Attention::BlockCausal { block })
    }

    /// The settings of a variant; all prompts in every step.
    fn config(&self, v: &VariantEntry) -> AlignConfig {
        AlignConfig {
            batch_size: self.prompts.len(),
            beta: self.mosa.beta,
            window: Windows::One(self.mosa.window),
            placement: if v.start_in_window { Placing::StartInside } else { Placing::Contained },
            reduction: if v.mean { Reduction::Mean } else { Reduction::Sum },
            canvas_length: self.mosa.gen_length,
            block_length: self.mosa.block,
            ..AlignConfig::default()
        }
    }

    fn objective(&self, v: &VariantEntry, config: &AlignConfig) -> Result<Box<dyn Objective>> {
        let record = |(i, prompt): (usize, &Vec<TokenId>)| Record {
            id: i.to_string(),
            prompt: prompt.clone(),
            ..Record::default()
        };
        let data = Data {
            records: self.prompts.iter().enumerate().map(record).collect(),
            safe: vec![self.pair.safe.clone()],
            harmful: vec![self.pair.harmful.clone()],
            ..Data::default()
        };
        let ids = CanvasIds { mask: self.model.spec().mask, eos: self.model.spec().eos };
        let name = if v.variant == "initial" { "initial" } else { "mosa" };
        objective(name, config, ids, data)?.context("the objective exists")
    }

    /// L of one prompt: log_softmax in f32 of its masked response, [gen_length, vocabulary].
    fn response_log_probs(&self, adapter: Option<&Adapter>, prompt: &[TokenId]) -> Result<Tensor> {
        let mask = std::iter::repeat_n(self.model.spec().mask, self.mosa.gen_length);
        let canvas: Vec<TokenId> = prompt.iter().copied().chain(mask).collect();
        let want: Vec<Slot> = (prompt.len()..canvas.len()).map(|at| (0, at)).collect();
        let row = Row { attention: self.attention(), ..Row::new(&canvas) };
        let logits = self.model.forward(Call::of(vec![row], &want).with_adapter(adapter))?;
        Ok(logits.f_to_kind(Kind::Float)?.f_log_softmax(-1, Kind::Float)?)
    }

    fn sentences(&self) -> Result<Vec<Check>> {
        let text = &self.folder.text;
        let mut safe = text.tokenizer.encode(&self.mosa.safe_text)?;
        safe.push(self.mosa.eos.unwrap_or(text.special.eos));
        let harmful = text.tokenizer.encode(&self.mosa.harm_text)?;
        let same = safe == self.pair.safe && harmful == self.pair.harmful;
        Ok(vec![Check::exact("mosa.sentences", "ids", (!same).then(|| format!("{safe:?}, {harmful:?}")))])
    }

    /// The entry the adapter's logits were recorded for.
    fn single(&self) -> Result<&LogitsEntry> {
        let mut entries = self.folder.golden.logits.iter();
        entries.find(|e| e.name == "single").context("golden.json has no logits entry `single`")
    }

    /// Logits with the adapter on the fly, and after merging it.
    fn adapter(&self) -> Result<Vec<Check>> {
        let single = self.single()?;
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
        let mut checks = Vec::new();
        for (i, prompt) in self.mosa.prompts.iter().enumerate() {
            let of = |adapter| self.response_log_probs(adapter, &prompt.ids);
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
            let kl = Vec::<f32>::try_from(kl.f_to_device(Device::Cpu)?)?;
            let worst =
                kl.iter().zip(&prompt.kl_per_position).map(|(a, b)| (f64::from(*a) - b).abs()).fold(0.0, f64::max);
            checks.push(Check::within(&format!("mosa.prompts.{i}"), "KL per position", worst, SCORES));
        }
        Ok(checks)
    }

    fn variant(&self, name: &str, v: &VariantEntry) -> Result<Vec<Check>> {
        let entry = format!("mosa.{name}");
        let mut adapter = self.fresh_adapter()?;
        adapter.set_trainable(true);
        let mut examples = self.objective(v, &self.config(v))?.examples(0)?;
        examples.sort_by_key(|e| e.record);
        let policy = Policy { attention: self.attention(), ..Policy::new(self.model, Some(&adapter)) };
        let terms = policy.backward(&examples)?.context("the adapter takes part")?;
        let loss: f64 = examples.iter().zip(&terms).map(|(e, t)| e.share * t.loss).sum();
        let mut checks = rows_checks(&entry, &terms, v);
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
        let config = AlignConfig {
            steps: Some(train.steps),
            lr: train.lr,
            clip: train.clip,
            weight_decay: train.weight_decay,
            ..self.config(v)
        };
        let objective = self.objective(v, &config)?;
        let mut adapter = self.fresh_adapter()?;
        adapter.set_trainable(true);
        let policy = Policy::new(self.model, Some(&adapter));
        let mut trainer = Trainer::new(policy, adapter.tensors(), objective.as_ref(), config)?;
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
        let single = self.single()?;
        let logits = raw_logits(self.model, Some(adapter), single)?;
        let recorded = self.folder.tensor(&format!("mosa.{name}.trained_logits.single"))?.f_flatten(0, 1)?;
        Ok(vec![
            Check::within(entry, "trained adapter", worst, TRAINED),
            Check::within(entry, "trained logits", distance(&logits, &recorded)?, TRAINED_LOGITS),
        ])
    }
}

fn rows_checks(entry: &str, rows: &[Terms], v: &VariantEntry) -> Vec<Check> {
    let rewards: Vec<&RewardTerms> = rows.iter().filter_map(|t| t.reward.as_ref()).collect();
    let ours: Vec<_> = rewards.iter().map(|r| (r.safe.start, r.harmful.start)).collect();
    let theirs: Vec<_> = v.rows.iter().map(|r| (r.k_pos, r.k_neg)).collect();
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
    for ((terms, r), b) in rows.iter().zip(rewards).zip(&v.rows) {
        let pairs =
            [(r.safe.score, b.score_pos), (r.harmful.score, b.score_neg), (r.reward, b.reward), (terms.kl, b.kl)];
        worst = pairs.into_iter().map(|(x, y)| (x - y).abs()).fold(worst, f64::max);
        windows = windows.max(list(&r.safe.all, &b.window_scores_pos)).max(list(&r.harmful.all, &b.window_scores_neg));
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
        let Some(r) = &a.reward else { continue };
        // Our batch is a permutation of the prompts.
        for (slot, &prompt) in a.records.iter().enumerate() {
            let ours = (r.safe_starts[slot], r.harmful_starts[slot]);
            if b.k_pos.get(prompt) != Some(&ours.0) || b.k_neg.get(prompt) != Some(&ours.1) {
                differs.get_or_insert_with(|| format!("step {} prompt {prompt}: {ours:?}", a.step));
            }
        }
    }
    vec![
        Check::exact(entry, "best offsets", differs),
        Check::within(entry, "loss and KL", loss, TRAIN_LOSS),
        Check::within(entry, "gradient norm, relative", norm, TRAIN_NORM),
    ]
}
