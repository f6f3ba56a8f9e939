//! The objective `vrpo`.

use crate::{data, fresh, ids, load, made, perturbed, settings};
use mosa_align::{
    AlignConfig, AlignError, Data, Example, Likelihoods, Linear, Pair, Policy, Retain, Trainer, Vrpo, objective,
};
use mosa_model::{Adapter, Call, DenoisingModel, Transformer};
use tch::{Kind, Tensor};

fn config(draws: usize) -> AlignConfig {
    AlignConfig { vrpo: Vrpo { draws, ..Vrpo::default() }, batch_size: 2, ..settings() }
}

#[test]
fn the_loss_of_a_pair_is_that_of_dpo() {
    let of = |policy, reference| Likelihoods { policy, reference };
    let pair = Pair { beta: 0.2, chosen: of(-10.0, -12.0), rejected: of(-5.0, -4.0), looks: [1, 1] };
    assert!((pair.margin() - 3.0).abs() < 1e-12);
    assert!((pair.loss() - 0.437_488).abs() < 1e-6, "ln(1 + exp(-0.6)): {}", pair.loss());
    assert!((pair.slope(true) + 0.2 * 0.354_344).abs() < 1e-6, "-0.2 sigmoid(-0.6): {}", pair.slope(true));
    let shifted = |by: f64| Pair { chosen: of(-10.0 + by, -12.0), ..pair }.loss();
    assert!(((shifted(1e-5) - shifted(-1e-5)) / 2e-5 - pair.slope(true)).abs() < 1e-8);
    assert_eq!(pair.slope(false), -pair.slope(true));
    for far in [-1e5, 1e5] {
        let pair = Pair { chosen: of(far, 0.0), ..pair };
        assert!(pair.loss().is_finite() && pair.slope(true).is_finite());
    }
}

#[test]
fn the_mask_probabilities_of_the_draws_are_spread_evenly() {
    let vrpo = Vrpo { draws: 4, ..Vrpo::default() };
    assert_eq!(vrpo.shares(0.5), [0.125, 0.375, 0.625, 0.875]);
    assert_eq!(vrpo.shares(0.0)[0], 0.0);
}

/// The looks of each pair: chosen ones, rejected ones.
fn by_pair(examples: &[Example], pair: usize) -> [Vec<&Example>; 2] {
    [true, false].map(|chosen| {
        let own = |e: &&Example| e.preference.as_ref().is_some_and(|p| p.pair == pair && p.chosen == chosen);
        examples.iter().filter(own).collect()
    })
}

#[test]
fn an_answer_is_looked_at_once_per_draw_and_weighed_by_one_over_t() {
    let model = load("llada");
    let (mask, data) = (model.spec().mask, data(&model));
    for step in 0..5 {
        let examples = made("vrpo", &config(4), &model).examples(step).unwrap();
        assert_eq!(examples.len(), 2 * 2 * 4);
        for pair in 0..2 {
            let [chosen, rejected] = by_pair(&examples, pair);
            let weights = |looks: &[&Example]| {
                let of = |e: &Example| e.preference.as_ref().unwrap().terms.first().map(|l| 1.0 / (4.0 * l.weight));
                looks.iter().map(|e| of(e)).collect::<Vec<_>>()
            };
            let shares: Vec<_> = weights(&chosen).into_iter().zip(weights(&rejected)).collect();
            for (i, (a, b)) in shares.into_iter().enumerate() {
                if let (Some(a), Some(b)) = (a, b) {
                    assert!((a - b).abs() < 1e-9, "both answers of a pair have the same t");
                    assert!((i as f64 / 4.0..=(i + 1) as f64 / 4.0).contains(&a), "t {a} of draw {i}");
                }
            }
            for e in chosen.iter().chain(&rejected) {
                let terms = &e.preference.as_ref().unwrap().terms;
                let masked = (e.prompt..e.canvas.len()).filter(|&at| e.canvas[at] == mask).map(|at| at - e.prompt);
                assert!(terms.iter().map(|l| l.offset).eq(masked));
            }
            let answer = &data.records[rejected[0].record].response;
            for e in rejected {
                assert!(e.linear.is_empty());
                assert!(
                    e.preference
                        .as_ref()
                        .unwrap()
                        .terms
                        .iter()
                        .all(|l| answer.get(l.offset).is_none_or(|t| *t == l.token))
                );
            }
        }
    }
}

/// ln p of the whole vocabulary at the response.
fn log(model: &Transformer, e: &Example, adapter: Option<&Adapter>) -> Tensor {
    let want: Vec<(usize, usize)> = (e.prompt..e.canvas.len()).map(|at| (0, at)).collect();
    model.forward(Call::new(&[&e.canvas], &want).with_adapter(adapter)).unwrap().log_softmax(-1, Kind::Float)
}

/// The loss of a step by autograd, in the words of the paper.
fn by_autograd(model: &Transformer, adapter: &Adapter, examples: &[Example], config: &AlignConfig) -> Tensor {
    let read = |log: &Tensor, terms: &[Linear]| {
        let one = |l: &Linear| log.get(l.offset as i64).get(i64::from(l.token)) * l.weight;
        terms.iter().map(one).fold(Tensor::from(0.0f32), |a, b| a + b)
    };
    let mut loss = Tensor::from(0.0f32);
    for pair in 0..config.batch_size {
        let gains = by_pair(examples, pair).map(|looks| {
            let gain = |e: &&Example| {
                let terms = &e.preference.as_ref().unwrap().terms;
                let policy = read(&log(model, e, Some(adapter)), terms);
                policy - tch::no_grad(|| read(&log(model, e, None), terms))
            };
            looks.iter().map(gain).fold(Tensor::from(0.0f32), |a, b| a + b)
        });
        let preferred = ((&gains[0] - &gains[1]) * config.vrpo.beta).log_sigmoid();
        loss -= preferred / config.batch_size as f64;
    }
    for e in examples.iter().filter(|e| !e.linear.is_empty()) {
        loss += read(&log(model, e, Some(adapter)), &e.linear) * e.share;
    }
    loss
}

#[test]
fn the_loss_by_hand_is_dpo_on_the_estimates_by_autograd() {
    for name in ["llada", "dream"] {
        let model = load(name);
        let (adapter, config) = (perturbed(&model), config(3));
        let examples = made("vrpo", &config, &model).examples(1).unwrap();
        let terms = Policy::new(&model, Some(&adapter)).backward(&examples).unwrap().unwrap();
        let found: f64 = examples.iter().zip(&terms).map(|(e, t)| e.share * t.loss).sum();
        let gradients: Vec<Tensor> = adapter.tensors().iter().map(|(_, t)| t.grad().copy()).collect();
        adapter.tensors().iter().for_each(|(_, t)| drop(t.grad().zero_()));
        let loss = by_autograd(&model, &adapter, &examples, &config);
        assert!((loss.double_value(&[]) - found).abs() < 1e-4, "{name}: {} {found}", loss.double_value(&[]));
        loss.backward();
        for ((tensor, t), by_hand) in adapter.tensors().iter().zip(&gradients) {
            let (norm, off) = (t.grad().norm().double_value(&[]), (t.grad() - by_hand).norm().double_value(&[]));
            assert!(norm > 0.0 && off < 1e-4 * norm.max(1.0), "{name} {tensor}: {off} of {norm}");
        }
    }
}

#[test]
fn a_fresh_adapter_has_no_margin_because_policy_and_reference_see_the_same_masks() {
    let model = load("llada");
    let adapter = fresh(&model, 2);
    let config = AlignConfig { vrpo: Vrpo { sft_weight: 0.0, ..Vrpo::default() }, ..settings() };
    let objective = made("vrpo", &config, &model);
    let policy = Policy::new(&model, Some(&adapter));
    let mut trainer = Trainer::new(policy, adapter.tensors(), objective.as_ref(), config).unwrap();
    let first = trainer.step().unwrap();
    let pairs = first.preference.unwrap();
    assert_eq!((pairs.margin, pairs.chosen_gain, pairs.rejected_gain), (0.0, 0.0, 0.0));
    assert!((first.loss - 2f64.ln()).abs() < 1e-9, "{}", first.loss);
    assert_eq!(first.records.len(), 3, "a record for each pair");
}

#[test]
fn training_widens_the_margin_and_passes_of_any_size_learn_the_same() {
    let model = load("llada");
    let run = |micro_batch_size: usize, steps: usize| {
        let retain = Retain { batch_size: 2, ..Retain::default() };
        let config = AlignConfig { micro_batch_size, steps: Some(steps), retain, ..config(3) };
        let (adapter, objective) = (fresh(&model, 4), made("vrpo", &config, &model));
        let policy = Policy::new(&model, Some(&adapter));
        let mut trainer = Trainer::new(policy, adapter.tensors(), objective.as_ref(), config).unwrap();
        let steps: Vec<_> = (0..steps).map(|_| trainer.step().unwrap()).collect();
        (steps, adapter)
    };
    let (steps, whole) = run(0, 20);
    let margin = |n: usize| steps[n].preference.as_ref().unwrap().margin;
    assert!(margin(19) > margin(0) + 5.0 && steps[19].kl_retain.is_some(), "{}", margin(19));
    let (split, parts) = run(1, 20);
    assert!((split[5].loss - steps[5].loss).abs() < 1e-2);
    for ((name, a), (_, b)) in whole.tensors().into_iter().zip(parts.tensors()) {
        assert!((a - b).abs().max().double_value(&[]) < 5e-3, "{name}");
    }
}

#[test]
fn half_a_pair_and_missing_answers_are_refused() {
    let model = load("llada");
    let adapter = fresh(&model, 2);
    let examples = made("vrpo", &config(2), &model).examples(0).unwrap();
    let torn = Policy::new(&model, Some(&adapter)).evaluate(&examples[..2]);
    assert!(matches!(torn, Err(AlignError::Setting { key: "micro_batch_size", .. })));
    let alone = Policy::new(&model, None).evaluate(&examples);
    assert!(matches!(alone, Err(AlignError::Setting { key: "beta", .. })));
    let key = |data: Data| match objective("vrpo", &settings(), ids(&model), data) {
        Err(AlignError::Setting { key, .. }) => key,
        other => panic!("{other:?}"),
    };
    assert_eq!(key(Data { safe: vec![], ..data(&model) }), "sentences");
    assert_eq!(key(Data { safe: vec![vec![5; 30]], ..data(&model) }), "sentences");
    let mut silent = data(&model);
    silent.records[2].response.clear();
    assert_eq!(key(silent), "data");
}
