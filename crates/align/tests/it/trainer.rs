use crate::{data, fresh, load, settings};
use mosa_align::{AlignConfig, AlignError, Data, Objective, StepMetrics, Trainer};
use mosa_model::{Adapter, Call, DenoisingModel, ModelError, ModelSpec, Transformer};
use tch::Tensor;

fn train(model: &Transformer, config: AlignConfig, steps: usize) -> (Adapter, Vec<StepMetrics>) {
    let mut adapter = fresh(model, 4);
    let data = data(model);
    let objective = Objective::by_name("mosa", &config).unwrap();
    let mut trainer = Trainer::new((model, &mut adapter), objective, config, &data).unwrap();
    let metrics = (0..steps).map(|_| trainer.step().unwrap()).collect();
    (adapter, metrics)
}

#[test]
fn training_raises_the_reward_and_keeps_the_divergence_bounded() {
    for name in ["llada", "dream", "mmada"] {
        let model = load(name);
        // One pair, so that rewards of different steps can be compared.
        let (mut adapter, config) = (fresh(&model, 4), AlignConfig { batch_size: 7, ..settings() });
        let one_pair =
            Data { safe: data(&model).safe[..1].to_vec(), harmful: data(&model).harmful[..1].to_vec(), ..data(&model) };
        let objective = Objective::by_name("mosa", &config).unwrap();
        let mut trainer = Trainer::new((&model, &mut adapter), objective, config, &one_pair).unwrap();
        let metrics: Vec<StepMetrics> = (0..30).map(|_| trainer.step().unwrap()).collect();
        let (first, last) = (&metrics[0], &metrics[29]);
        assert_eq!((first.kl, first.reward), (0.0, first.reward_reference));
        assert!((last.reward_reference - first.reward_reference).abs() < 1e-3, "the base does not move");
        assert!(last.reward > first.reward + 10.0, "{name}: {} -> {}", first.reward, last.reward);
        assert!(last.loss < first.loss && last.kl < 2000.0, "{name}: {}", last.kl);
    }
}

#[test]
fn every_factor_moves() {
    let model = load("llada");
    let (before, (after, _)) = (fresh(&model, 4), train(&model, settings(), 3));
    for ((name, a), (_, b)) in before.tensors().into_iter().zip(after.tensors()) {
        assert!((a - b).abs().max().double_value(&[]) > 0.0, "{name} did not move");
    }
}

#[test]
fn a_run_is_a_function_of_its_settings_and_seed() {
    let model = load("llada");
    let run = |seed| {
        let (adapter, metrics) = train(&model, AlignConfig { seed, ..settings() }, 4);
        let values: Vec<(f64, Vec<usize>)> = metrics.into_iter().map(|m| (m.loss, m.prompts)).collect();
        (
            adapter.tensors().into_iter().map(|(_, t)| t.sum(tch::Kind::Double).double_value(&[])).collect::<Vec<_>>(),
            values,
        )
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1).1, run(2).1);
}

#[test]
fn every_epoch_visits_every_prompt_once_in_a_fresh_order() {
    let model = load("mmada");
    let config = AlignConfig { batch_size: 2, ..settings() };
    assert_eq!(config.total_steps(7), 4);
    let (_, metrics) = train(&model, config, 7);
    let visited: Vec<usize> = metrics.iter().flat_map(|m| m.prompts.clone()).collect();
    for epoch in visited.chunks(7) {
        let mut sorted = epoch.to_vec();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..7).collect::<Vec<_>>());
    }
    assert_ne!(visited[..7], visited[7..]);
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

#[test]
fn what_cannot_be_trained_on_is_refused() {
    let model = load("llada");
    let start = |config: AlignConfig, data: Data| -> AlignError {
        let objective = Objective::by_name("mosa", &config).unwrap();
        Trainer::new((&model, &mut fresh(&model, 2)), objective, config, &data).err().unwrap()
    };
    let good = || data(&model);
    assert!(matches!(start(settings(), Data { prompts: vec![], ..good() }), AlignError::Setting { key: "data", .. }));
    assert!(matches!(start(settings(), Data { safe: vec![], ..good() }), AlignError::Setting { key: "sentences", .. }));
    let long = Data { prompts: vec![vec![1; 5], vec![1; 239]], ..good() };
    assert!(matches!(start(settings(), long), AlignError::PromptTooLong { number: 2, tokens: 239, .. }));
    assert!(matches!(start(AlignConfig { lr: -1.0, ..settings() }, good()), AlignError::Setting { key: "lr", .. }));
}

/// A model that ignores the adapter it is handed.
struct Deaf(Transformer);

impl DenoisingModel for Deaf {
    fn spec(&self) -> &ModelSpec {
        self.0.spec()
    }

    fn forward(&self, call: Call<'_>) -> Result<Tensor, ModelError> {
        self.0.forward(Call { adapter: None, ..call })
    }
}

#[test]
fn a_tensor_that_receives_no_gradient_is_an_error_that_names_it() {
    let model = Deaf(load("llada"));
    let (mut adapter, data, config) = (fresh(&model.0, 2), data(&model.0), settings());
    let objective = Objective::by_name("mosa", &config).unwrap();
    let error = Trainer::new((&model, &mut adapter), objective, config, &data).unwrap().step().unwrap_err();
    assert!(
        matches!(&error, AlignError::NoGradient { step: 1, name } if name.ends_with("blocks.0.q_proj.lora_A.weight")),
        "{error}"
    );
}
