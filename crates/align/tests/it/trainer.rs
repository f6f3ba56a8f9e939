use crate::{data, fresh, ids, load, load_on_all, made, settings};
use mosa_align::{AlignConfig, AlignError, Data, Objective, Policy, Retain, Schedule, StepMetrics, Trainer, objective};
use mosa_model::{Adapter, Call, DenoisingModel, ModelError, ModelSpec, TrainableModel, Transformer};
use std::cell::Cell;
use tch::Tensor;

fn run(model: &Transformer, adapter: &Adapter, objective: &dyn Objective, config: AlignConfig) -> Vec<StepMetrics> {
    let steps = config.steps.unwrap_or(1);
    let policy = Policy::new(model, Some(adapter));
    let mut trainer = Trainer::new(policy, adapter.tensors(), objective, config).unwrap();
    (0..steps).map(|_| trainer.step().unwrap()).collect()
}

fn train(model: &Transformer, config: AlignConfig, steps: usize) -> (Adapter, Vec<StepMetrics>) {
    let adapter = fresh(model, 4);
    let objective = made("mosa", &config, model);
    let metrics = run(model, &adapter, objective.as_ref(), AlignConfig { steps: Some(steps), ..config });
    (adapter, metrics)
}

#[test]
fn training_raises_the_reward_and_keeps_the_divergence_bounded() {
    for (name, model) in
        ["llada", "dream", "mmada"].into_iter().flat_map(|name| load_on_all(name).map(move |m| (name, m)))
    {
        // One pair, so that rewards of different steps can be compared.
        let (adapter, config) = (fresh(&model, 4), AlignConfig { batch_size: 7, steps: Some(30), ..settings() });
        let one_pair =
            Data { safe: data(&model).safe[..1].to_vec(), harmful: data(&model).harmful[..1].to_vec(), ..data(&model) };
        let objective = objective("mosa", &config, ids(&model), one_pair).unwrap().unwrap();
        let metrics = run(&model, &adapter, objective.as_ref(), config);
        let (first, last) = (&metrics[0], &metrics[29]);
        let reward = |m: &StepMetrics| m.reward.clone().unwrap();
        assert_eq!((first.kl, Some(reward(first).value)), (0.0, reward(first).reference));
        let base = |m: &StepMetrics| reward(m).reference.unwrap();
        assert!((base(last) - base(first)).abs() < 1e-3, "the base does not move");
        assert!(reward(last).value > reward(first).value + 10.0, "{name}: {:?} -> {:?}", first, last);
        assert!(last.loss < first.loss && last.kl < 2000.0, "{name}: {}", last.kl);
        assert!((last.kl - last.kl_inside - last.kl_outside).abs() < 1e-9);
    }
}

#[test]
fn every_factor_moves() {
    for model in load_on_all("llada") {
        let (before, (after, _)) = (fresh(&model, 4), train(&model, settings(), 3));
        for ((name, a), (_, b)) in before.tensors().into_iter().zip(after.tensors()) {
            assert!((a - b).abs().max().double_value(&[]) > 0.0, "{name} did not move");
        }
    }
}

#[test]
fn a_run_is_a_function_of_its_settings_and_seed() {
    let model = load("llada");
    let run = |seed| {
        let (adapter, metrics) = train(&model, AlignConfig { seed, ..settings() }, 4);
        let values: Vec<(f64, Vec<usize>)> = metrics.into_iter().map(|m| (m.loss, m.records)).collect();
        (
            adapter.tensors().into_iter().map(|(_, t)| t.sum(tch::Kind::Double).double_value(&[])).collect::<Vec<_>>(),
            values,
        )
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1).1, run(2).1);
}

#[test]
fn accumulating_over_small_passes_draws_and_learns_the_same() {
    let model = load("llada");
    let config = AlignConfig { retain: Retain { batch_size: 2, ..Retain::default() }, lr: 1e-3, ..settings() };
    let (whole, a) = train(&model, config.clone(), 4);
    let (split, b) = train(&model, AlignConfig { micro_batch_size: 2, ..config }, 4);
    for (a, b) in a.iter().zip(&b) {
        assert_eq!(a.records, b.records);
        assert!((a.loss - b.loss).abs() < 1e-2 && a.kl_retain.is_some());
    }
    for ((name, a), (_, b)) in whole.tensors().into_iter().zip(split.tensors()) {
        assert!((a - b).abs().max().double_value(&[]) < 2e-4, "{name}");
    }
}

#[test]
fn training_all_weights_teaches_the_answers() {
    let mut model = load("llada");
    model.set_trainable(true).unwrap();
    let config = AlignConfig { steps: Some(60), batch_size: 7, lr: 1e-2, clip: 1.0, ..settings() };
    let objective = made("sft", &config, &model);
    let policy = Policy::new(&model, None);
    let mut trainer = Trainer::new(policy, model.parameters(), objective.as_ref(), config).unwrap();
    let losses: Vec<f64> = (0..60).map(|_| trainer.step().unwrap().loss).collect();
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    assert!(mean(&losses[50..]) < 0.3 * mean(&losses[..10]), "{losses:?}");
}

#[test]
fn schedules_rise_and_fall() {
    let factors = |s: Schedule| [0, 1, 2, 6, 9].map(|step| (s.factor(step, 2, 10) * 1e4).round() / 1e4);
    assert_eq!(factors(Schedule::Constant), [0.3333, 0.6667, 1.0, 1.0, 1.0]);
    assert_eq!(factors(Schedule::Linear), [0.3333, 0.6667, 1.0, 0.5, 0.125]);
    assert_eq!(factors(Schedule::Cosine), [0.3333, 0.6667, 1.0, 0.5, 0.0381]);
}

#[test]
fn clipping_with_adam_hardly_changes_the_step_but_is_applied() {
    let model = load("llada");
    let (_, metrics) = train(&model, settings(), 2);
    assert!(metrics.iter().all(|m| m.grad_norm > settings().clip), "the norm before clipping is reported");
    let moved = |clip: f64| {
        let (after, _) = train(&model, AlignConfig { clip, lr: 1e-3, ..settings() }, 1);
        let before = fresh(&model, 4);
        let all = before
            .tensors()
            .into_iter()
            .zip(after.tensors())
            .map(|((_, a), (_, b))| (a - b).abs().max().double_value(&[]));
        all.fold(0.0, f64::max)
    };
    assert!((moved(0.01) - 1e-3).abs() < 1e-5);
    // A clip far below Adam's epsilon does show.
    assert!(moved(1e-10) < 5e-4);
}

/// A model that ignores the adapter it is handed.
struct Deaf(Transformer);

impl DenoisingModel for Deaf {
    fn spec(&self) -> &ModelSpec {
        self.0.spec()
    }

    fn forward(&self, call: Call<'_>) -> Result<Tensor, ModelError> {
        self.0.forward(call.with_adapter(None))
    }
}

impl TrainableModel for Deaf {
    fn hidden(&self, call: Call<'_>) -> Result<Tensor, ModelError> {
        self.0.hidden(call.with_adapter(None))
    }

    fn hidden_keeping_inputs(&self, call: Call<'_>, inputs: &mut Vec<Tensor>) -> Result<Tensor, ModelError> {
        self.0.hidden_keeping_inputs(call.with_adapter(None), inputs)
    }

    fn backward(&self, call: Call<'_>, inputs: Vec<Tensor>, upstream: Tensor) -> Result<(), ModelError> {
        self.0.backward(call.with_adapter(None), inputs, upstream)
    }

    fn score(&self, hidden: &Tensor, _: Option<&Adapter>) -> Result<Tensor, ModelError> {
        self.0.score(hidden, None)
    }
}

#[test]
fn a_tensor_that_receives_no_gradient_is_an_error_that_names_it() {
    let model = Deaf(load("llada"));
    let (adapter, objective) = (fresh(&model.0, 2), made("mosa", &settings(), &model.0));
    let policy = Policy::new(&model, Some(&adapter));
    let mut trainer = Trainer::new(policy, adapter.tensors(), objective.as_ref(), settings()).unwrap();
    let error = trainer.step().unwrap_err();
    assert!(matches!(&error, AlignError::NoGradient { step: 1, name } if name.contains("lora_A")), "{error}");
}

/// A model that adds a trained tensor to its hidden states in the first step only.
struct Forgets {
    model: Transformer,
    extra: Tensor,
    steps: Cell<usize>,
}

impl DenoisingModel for Forgets {
    fn spec(&self) -> &ModelSpec {
        self.model.spec()
    }

    fn forward(&self, call: Call<'_>) -> Result<Tensor, ModelError> {
        self.model.forward(call)
    }
}

impl TrainableModel for Forgets {
    fn hidden(&self, call: Call<'_>) -> Result<Tensor, ModelError> {
        let trains = call.adapter.is_some();
        let hidden = self.model.hidden(call)?;
        if trains && self.steps.replace(self.steps.get() + 1) == 0 {
            return Ok(hidden.f_add(&self.extra)?);
        }
        Ok(hidden)
    }

    fn hidden_keeping_inputs(&self, call: Call<'_>, inputs: &mut Vec<Tensor>) -> Result<Tensor, ModelError> {
        self.model.hidden_keeping_inputs(call, inputs)
    }

    fn backward(&self, call: Call<'_>, inputs: Vec<Tensor>, upstream: Tensor) -> Result<(), ModelError> {
        self.model.backward(call, inputs, upstream)
    }

    fn score(&self, hidden: &Tensor, adapter: Option<&Adapter>) -> Result<Tensor, ModelError> {
        self.model.score(hidden, adapter)
    }
}

#[test]
fn a_tensor_whose_gradient_stays_away_in_a_later_step_is_an_error_that_names_it() {
    let model = load("llada");
    let width = model.spec().width as i64;
    let extra = Tensor::zeros([width], (tch::Kind::Float, tch::Device::Cpu)).set_requires_grad(true);
    let (adapter, objective) = (fresh(&model, 2), made("mosa", &settings(), &model));
    let model = Forgets { model, extra: extra.shallow_clone(), steps: Cell::new(0) };
    let parameters = adapter.tensors().into_iter().chain([("extra".to_owned(), &extra)]).collect();
    let policy = Policy::new(&model, Some(&adapter));
    let mut trainer = Trainer::new(policy, parameters, objective.as_ref(), settings()).unwrap();
    trainer.step().unwrap();
    let error = trainer.step().unwrap_err();
    assert!(matches!(&error, AlignError::NoGradient { step: 2, name } if name == "extra"), "{error}");
}

#[test]
fn a_loss_that_is_no_number_ends_the_run_before_the_update() {
    let model = load("llada");
    let adapter = fresh(&model, 2);
    tch::no_grad(|| {
        let _ = adapter.tensors()[1].1.shallow_clone().fill_(f64::NAN);
    });
    let objective = made("mosa", &settings(), &model);
    let policy = Policy::new(&model, Some(&adapter));
    let mut trainer = Trainer::new(policy, adapter.tensors(), objective.as_ref(), settings()).unwrap();
    let error = trainer.step().unwrap_err();
    let name = adapter.tensors()[1].0.clone();
    assert!(matches!(&error, AlignError::Diverged { step: 1, cause, .. } if cause.contains(&name)), "{error}");
    assert!(adapter.tensors()[3].1.isfinite().all().int64_value(&[]) == 1, "nothing was updated");
}

#[test]
fn settings_that_cannot_be_used_are_refused_before_the_first_step() {
    let model = load("llada");
    let (adapter, objective) = (fresh(&model, 2), made("mosa", &settings(), &model));
    let policy = Policy::new(&model, Some(&adapter));
    let config = AlignConfig { lr: -1.0, ..settings() };
    let error = Trainer::new(policy, adapter.tensors(), objective.as_ref(), config).err().unwrap();
    assert!(matches!(error, AlignError::Setting { key: "lr", .. }));
}

#[test]
fn shards_change_the_last_bits_of_a_step_and_nothing_else() {
    let model = load("llada");
    let retain = Retain { batch_size: 3, ..settings().retain };
    let step = |shards| {
        let config = AlignConfig { shards, batch_size: 4, retain: retain.clone(), ..settings() };
        let (adapter, metrics) = train(&model, config, 1);
        (adapter, metrics.into_iter().next().unwrap())
    };
    let (_, one) = step(None);
    for shards in [1, 2, 3, 16] {
        let (_, m) = step(Some(shards));
        assert!((m.loss - one.loss).abs() <= 1e-4 * one.loss.abs(), "{shards} shards: {} {}", m.loss, one.loss);
        assert!((m.grad_norm - one.grad_norm).abs() <= 1e-4 * one.grad_norm, "{} {}", m.grad_norm, one.grad_norm);
        assert_eq!(
            (m.records.clone(), m.reward.clone().map(|r| r.safe_starts)),
            (one.records.clone(), one.reward.clone().map(|r| r.safe_starts))
        );
        assert!(shards > 1 || (m.loss, m.grad_norm) == (one.loss, one.grad_norm), "one shard is none");
    }
}

#[test]
fn no_shards_are_refused() {
    let config = AlignConfig { shards: Some(0), ..settings() };
    assert!(matches!(config.check(), Err(AlignError::Setting { key: "shards", .. })));
}
