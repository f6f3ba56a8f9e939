//! The objective `recovery`.

use crate::{data, fresh, ids, load, perturbed, settings};
use mosa_align::{
    AlignConfig, AlignError, Data, Example, Objective, Policy, Recovery, Reduction, Reward, Rollout, Rollouts, Trainer,
    advantages, objective, rewarded_objective,
};
use mosa_engine::{Batching, Ends, Options, Schedule};
use mosa_model::{DenoisingModel, Transformer};
use mosa_parallel::Team;
use std::collections::BTreeSet;

/// The share of an answer's tokens below a bound, or what is not a reward.
#[derive(Debug)]
enum Graded {
    Below(u32),
    Broken,
    Few,
}

impl Reward for Graded {
    fn rewards(&self, answers: &[Rollout<'_>]) -> Result<Vec<f64>, AlignError> {
        let share = |tokens: &[u32], bound: u32| {
            tokens.iter().filter(|t| **t < bound).count() as f64 / tokens.len().max(1) as f64
        };
        Ok(match self {
            Self::Below(bound) => answers.iter().map(|a| share(a.tokens, *bound)).collect(),
            Self::Broken => vec![f64::NAN; answers.len()],
            Self::Few => vec![0.0],
        })
    }
}

fn config() -> AlignConfig {
    let recovery = Recovery { group: 4, t_min: 2, t_max: 12, temperature: 1.0, ..Recovery::default() };
    AlignConfig { recovery, steps: Some(10), batch_size: 2, ..settings() }
}

fn options(model: &Transformer, block_length: usize) -> Options {
    Options {
        gen_length: 18,
        schedule: Schedule::Blocks { steps: 18, block_length },
        temperature: 1.0,
        stop_at_end: true,
        ..Options::llada(Ends { eos: model.spec().eos, eot: None })
    }
}

fn made<'r>(
    model: &Transformer,
    config: &AlignConfig,
    block_length: usize,
    reward: &'r Graded,
) -> Box<dyn Objective + 'r> {
    let rollouts = Rollouts { options: options(model, block_length), batching: Batching::SHARED, reward };
    rewarded_objective(config, ids(model), data(model), rollouts).unwrap()
}

#[test]
fn the_policy_takes_over_later_and_later() {
    let recovery = |t_min, t_max| Recovery { t_min, t_max, ..Recovery::default() };
    assert_eq!([0, 1, 2, 3].map(|step| recovery(2, 10).t_inter(step, 4)), [2, 4, 6, 8]);
    assert_eq!([0, 1, 9].map(|step| recovery(0, 32).t_inter(step, 10)), [0, 3, 28], "rounded down");
    assert_eq!(recovery(5, 5).t_inter(7, 9), 5);
    let of = |t| Recovery { steps: Some(128), ..Recovery::default() }.revealed(t, 60, 96);
    assert_eq!([0, 1, 32, 127].map(of), [0, 0, 15, 59]);
}

#[test]
fn an_advantage_is_the_distance_from_the_group_in_units_of_its_spread() {
    let close = |found: Vec<f64>, wanted: [f64; 4]| found.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-5);
    // The sample's standard deviation of 1, 0, 0, 1 is sqrt(1/3); 1e-4 is added to it.
    let unit = 0.5 / ((1.0f64 / 3.0).sqrt() + 1e-4);
    assert!(close(advantages(&[1.0, 0.0, 0.0, 1.0], true), [unit, -unit, -unit, unit]));
    assert!(close(advantages(&[1.0, 0.0, 0.0, 1.0], false), [0.5, -0.5, -0.5, 0.5]));
    assert!(close(advantages(&[0.3; 4], true), [0.0; 4]));
}

/// What of the record's answer stands on a canvas.
fn shown(e: &Example, mask: u32) -> Vec<usize> {
    (0..18).filter(|i| e.canvas[e.prompt + i] != mask).collect()
}

#[test]
fn a_group_begins_with_the_same_part_of_the_harmful_answer_and_all_else_is_masked() {
    let model = load("llada");
    let (mask, data, reward) = (model.spec().mask, data(&model), Graded::Below(150));
    for (block_length, step, count) in [(18, 0, 1), (18, 9, 6), (6, 9, 6), (9, 9, 6)] {
        let policy = Policy::new(&model, None);
        let batch = made(&model, &config(), block_length, &reward).batch(step, &policy, &Team::ALONE).unwrap();
        assert_eq!(batch.examples.len(), 2 * 4);
        for group in batch.examples.chunks(4) {
            let start = shown(&group[0], mask);
            assert_eq!(start.len(), count, "floor(10 t_inter / 18)");
            assert!(group.iter().all(|e| shown(e, mask) == start && e.canvas == group[0].canvas));
            let answer = &data.records[group[0].record].response;
            assert!(start.iter().all(|&i| group[0].canvas[group[0].prompt + i] == answer[i]));
            if block_length == 6 {
                assert_eq!(start, [0, 1, 2, 3, 4, 5], "the first block is revealed before the second");
            }
        }
        let [a, b] = [&batch.examples[0], &batch.examples[4]].map(|e| shown(e, mask));
        assert!(block_length != 18 || count == 1 || a != b, "which tokens is drawn");
    }
}

#[test]
fn the_terms_are_the_advantages_over_the_tokens_the_policy_wrote() {
    let model = load("llada");
    let (eos, reward) = (model.spec().eos, Graded::Below(150));
    for (reduction, beta) in [(Reduction::Mean, 0.3), (Reduction::Sum, 0.0)] {
        let config = AlignConfig { beta, recovery: Recovery { reduction, ..config().recovery }, ..config() };
        let batch = made(&model, &config, 18, &reward).batch(4, &Policy::new(&model, None), &Team::ALONE).unwrap();
        for group in batch.examples.chunks(4) {
            let weights: Vec<f64> = group.iter().map(|e| e.linear.iter().map(|l| l.weight).sum()).collect();
            if reduction == Reduction::Mean {
                assert!(weights.iter().sum::<f64>().abs() < 1e-9, "advantages of a group add up to 0: {weights:?}");
            }
            for e in group {
                assert!(e.share == 1.0 / 8.0 && !e.linear.is_empty());
                let offsets: Vec<usize> = e.linear.iter().map(|l| l.offset).collect();
                let standing: BTreeSet<usize> = shown(e, model.spec().mask).into_iter().collect();
                assert!(offsets.iter().all(|i| !standing.contains(i)));
                let end = e.linear.iter().position(|l| l.token == eos);
                assert!(end.is_none_or(|at| at + 1 == e.linear.len()), "nothing behind the end counts");
                let wanted = if beta > 0.0 { offsets } else { Vec::new() };
                assert!(e.kl.iter().map(|(i, _)| *i).eq(wanted.iter().copied()));
                let kl = beta / if reduction == Reduction::Mean { e.linear.len() as f64 } else { 1.0 };
                assert!(e.kl.iter().all(|(_, w)| (w - kl).abs() < 1e-12));
            }
        }
        let rollouts = batch.rollouts.unwrap();
        assert!(rollouts.spread > 0.0 && rollouts.forwards > 0 && rollouts.t_inter == 6);
    }
}

#[test]
fn the_answers_of_a_step_follow_from_seed_and_step() {
    let model = load("llada");
    let (adapter, reward) = (perturbed(&model), Graded::Below(150));
    let tokens = |seed, step| {
        let config = AlignConfig { seed, ..config() };
        let objective = made(&model, &config, 18, &reward);
        let batch = objective.batch(step, &Policy::new(&model, Some(&adapter)), &Team::ALONE).unwrap();
        batch.examples.iter().map(|e| e.linear.iter().map(|l| l.token).collect::<Vec<_>>()).collect::<Vec<_>>()
    };
    let first = tokens(1, 3);
    assert_eq!(first, tokens(1, 3));
    assert_ne!(first, tokens(2, 3));
    assert!(first[..4].iter().collect::<BTreeSet<_>>().len() > 1, "the answers of a group differ");
}

#[test]
fn the_gradient_agrees_with_finite_differences() {
    let (model, reward) = (load("llada"), Graded::Below(150));
    let adapter = perturbed(&model);
    let policy = Policy::new(&model, Some(&adapter));
    let config =
        AlignConfig { beta: 0.5, recovery: Recovery { reduction: Reduction::Sum, ..config().recovery }, ..config() };
    let examples = made(&model, &config, 18, &reward).batch(5, &policy, &Team::ALONE).unwrap().examples;
    let loss = || examples.iter().zip(policy.evaluate(&examples).unwrap()).map(|(e, t)| e.share * t.loss).sum::<f64>();
    policy.backward(&examples).unwrap().unwrap();
    for (name, t) in adapter.tensors().into_iter().step_by(3) {
        let gradient = t.grad().flatten(0, -1);
        let best = gradient.abs().argmax(-1, false).int64_value(&[]);
        let flat = t.detach().view([-1]);
        let at = |shift: f64| {
            let _ = tch::no_grad(|| flat.narrow(0, best, 1).g_add_scalar_(shift));
            let value = loss();
            let _ = tch::no_grad(|| flat.narrow(0, best, 1).g_add_scalar_(-shift));
            value
        };
        let (numeric, exact) = ((at(2e-3) - at(-2e-3)) / 4e-3, gradient.double_value(&[best]));
        assert!((numeric - exact).abs() < 3e-2 * exact.abs() + 5e-2, "{name}: {numeric} {exact}");
    }
}

#[test]
fn training_raises_the_reward() {
    let (model, reward) = (load("llada"), Graded::Below(150));
    let recovery = Recovery { group: 6, t_min: 0, t_max: 4, temperature: 1.0, ..Recovery::default() };
    let config = AlignConfig { recovery, steps: Some(16), batch_size: 3, lr: 1e-2, beta: 0.01, ..settings() };
    let (adapter, objective) = (fresh(&model, 4), made(&model, &config, 18, &reward));
    let policy = Policy::new(&model, Some(&adapter));
    let mut trainer = Trainer::new(policy, adapter.tensors(), objective.as_ref(), config).unwrap();
    let rewards: Vec<f64> = (0..16).map(|_| trainer.step().unwrap().rollouts.unwrap().reward).collect();
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    assert!(mean(&rewards[12..]) > mean(&rewards[..3]) + 0.1, "{rewards:?}");
}

#[test]
fn rewards_and_settings_that_cannot_be_used_are_refused() {
    let model = load("llada");
    for reward in [Graded::Broken, Graded::Few] {
        let error =
            made(&model, &config(), 18, &reward).batch(0, &Policy::new(&model, None), &Team::ALONE).unwrap_err();
        assert!(matches!(error, AlignError::Reward(_)), "{error}");
    }
    let reward = Graded::Below(150);
    let key = |config: &AlignConfig, data: Data| {
        let rollouts = Rollouts { options: options(&model, 18), batching: Batching::SHARED, reward: &reward };
        match rewarded_objective(config, ids(&model), data, rollouts) {
            Err(AlignError::Setting { key, .. }) => key,
            other => panic!("{other:?}"),
        }
    };
    let late = AlignConfig { recovery: Recovery { t_max: 18, ..config().recovery }, ..config() };
    assert_eq!(key(&late, data(&model)), "recovery.t_max");
    assert_eq!(key(&AlignConfig { canvas_length: 24, ..config() }, data(&model)), "canvas_length");
    let mut silent = data(&model);
    silent.records[2].response.clear();
    assert_eq!(key(&config(), silent), "data");
    assert!(matches!(objective("recovery", &config(), ids(&model), data(&model)), Err(AlignError::Reward(_))));
}
