use crate::{data, fresh, load, settings};
use mosa_align::{AlignError, Objective, PlacementName, Reduction, SentencePair};
use mosa_core::{Placement, Window};
use mosa_model::{Adapter, DenoisingModel, Transformer};
use tch::{Kind, Tensor};

fn objective() -> Objective {
    Objective::by_name("mosa", &settings()).unwrap()
}

fn pair(model: &Transformer) -> SentencePair {
    let data = data(model);
    SentencePair { safe: data.safe[0].clone(), harmful: data.harmful[1].clone() }
}

/// The loss of two prompts, gradients attached.
fn loss(objective: &Objective, model: &Transformer, adapter: &Adapter) -> (Tensor, Vec<mosa_align::RowTerms>) {
    let prompts = [&[3u32, 9, 27, 81][..], &[5, 25, 125, 100]];
    let reference = tch::no_grad(|| objective.log_probs(model, None, &prompts)).unwrap();
    let policy = objective.log_probs(model, Some(adapter), &prompts).unwrap();
    objective.loss(&policy, &reference, &pair(model)).unwrap()
}

/// An adapter whose B factors are not zero.
fn perturbed(model: &Transformer) -> Adapter {
    let mut adapter = fresh(model, 2);
    tch::no_grad(|| {
        for (i, (_, t)) in adapter.tensors().into_iter().enumerate() {
            let wave = (Tensor::arange(t.numel() as i64, (Kind::Float, t.device())) * (1.0 + i as f64)).sin() * 0.1;
            t.shallow_clone().copy_(&(t + wave.view_as(t)));
        }
    });
    adapter.set_trainable(true);
    adapter
}

#[test]
fn a_fresh_adapter_has_the_rewards_of_the_reference_and_exactly_no_divergence() {
    for name in ["llada", "dream"] {
        let model = load(name);
        let (_, rows) = loss(&objective(), &model, &fresh(&model, 2));
        assert!(rows.iter().all(|r| r.kl == 0.0), "{name} {rows:?}");
        let (_, moved) = loss(&objective(), &model, &perturbed(&model));
        assert!(moved.iter().all(|r| r.kl > 1e-3));
    }
}

#[test]
fn the_divergence_is_the_sum_over_positions_of_the_exact_one() {
    let o = Objective {
        window: Window { first: 0, last: 1 },
        placement: Placement::Contained,
        reduction: Reduction::Sum,
        beta: 0.5,
        canvas_length: 2,
    };
    let (p, q) = ([[0.5f64, 0.25, 0.25], [0.1, 0.1, 0.8]], [[0.25f64, 0.25, 0.5], [0.3, 0.3, 0.4]]);
    let tensor = |rows: [[f64; 3]; 2]| Tensor::from_slice(&rows.concat()).view([1, 2, 3]).to_kind(Kind::Float).log();
    let pair = SentencePair { safe: vec![0], harmful: vec![2] };
    let (loss, rows) = o.loss(&tensor(p), &tensor(q), &pair).unwrap();
    let kl: f64 = p.iter().flatten().zip(q.iter().flatten()).map(|(p, q)| p * (p / q).ln()).sum();
    assert!((rows[0].kl - kl).abs() < 1e-6);
    // Best offsets: token 0 at offset 0, token 2 at offset 1.
    assert_eq!((rows[0].start_safe, rows[0].start_harmful), (0, 1));
    let reward = 0.5f64.ln() - 0.8f64.ln();
    assert!((rows[0].reward - reward).abs() < 1e-6);
    assert!((loss.double_value(&[]) - (0.5 * kl - reward)).abs() < 1e-6);
}

#[test]
fn identical_sentences_have_no_reward() {
    let model = load("llada");
    let o = objective();
    let same = SentencePair { safe: vec![40, 41], harmful: vec![40, 41] };
    let logp = tch::no_grad(|| o.log_probs(&model, None, &[&[1, 2, 3]])).unwrap();
    let (_, rows) = o.loss(&logp, &logp, &same).unwrap();
    assert_eq!(rows[0].reward, 0.0);
    assert_eq!(rows[0].start_safe, rows[0].start_harmful);
}

#[test]
fn the_gradient_of_the_loss_agrees_with_finite_differences() {
    for name in ["llada", "dream"] {
        let model = load(name);
        let adapter = perturbed(&model);
        let o = objective();
        loss(&o, &model, &adapter).0.backward();
        for (tensor_name, t) in adapter.tensors() {
            let gradient = t.grad();
            let best = gradient.abs().flatten(0, -1).argmax(-1, false).int64_value(&[]);
            let (flat, h) = (t.detach().view([-1]), 2e-3);
            let at = |shift: f64| {
                tch::no_grad(|| {
                    let _ = flat.narrow(0, best, 1).g_add_scalar_(shift);
                    let value = loss(&o, &model, &adapter).0.double_value(&[]);
                    let _ = flat.narrow(0, best, 1).g_add_scalar_(-shift);
                    value
                })
            };
            let (numeric, exact) = ((at(h) - at(-h)) / (2.0 * h), gradient.flatten(0, -1).double_value(&[best]));
            assert!((numeric - exact).abs() < 3e-2 * exact.abs() + 5e-2, "{name} {tensor_name}: {numeric} {exact}");
        }
    }
}

#[test]
fn the_initial_objective_looks_at_the_first_offset_only() {
    let model = load("llada");
    let initial = Objective::by_name("initial", &settings()).unwrap();
    assert_eq!(initial.placement, Placement::Fixed(0));
    let (_, rows) = loss(&initial, &model, &fresh(&model, 2));
    assert!(rows.iter().all(|r| (r.start_safe, r.start_harmful, r.all_safe.len()) == (0, 0, 1)));
    let literal =
        mosa_align::AlignConfig { placement: PlacementName::StartInside, reduction: Reduction::Mean, ..settings() };
    let o = Objective::by_name("mosa", &literal).unwrap();
    assert_eq!((o.placement, o.reduction), (Placement::StartInside, Reduction::Mean));
    assert!(Objective::by_name("dpo", &settings()).is_none());
}

#[test]
fn a_sentence_that_does_not_fit_is_refused() {
    let long = SentencePair { safe: vec![1; 10], harmful: vec![1] };
    assert!(matches!(objective().check(&long), Err(AlignError::Window(_))));
    assert!(objective().check(&pair(&load("llada"))).is_ok());
}

#[test]
fn prompts_of_one_length_score_together_as_they_do_alone() {
    let model = load("mmada");
    let o = objective();
    let prompts = [&[3u32, 9, 27][..], &[5, 25, 125]];
    let together = tch::no_grad(|| o.log_probs(&model, None, &prompts)).unwrap();
    for (i, prompt) in prompts.into_iter().enumerate() {
        let alone = tch::no_grad(|| o.log_probs(&model, None, &[prompt])).unwrap();
        assert!((together.get(i as i64) - alone.get(0)).abs().max().double_value(&[]) < 1e-4);
    }
    assert_eq!(together.size(), [2, 18, model.spec().vocab as i64]);
}
