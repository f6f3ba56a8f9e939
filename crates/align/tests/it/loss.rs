use crate::{data, fresh, ids, load, made, perturbed, settings};
use mosa_align::{
    AlignConfig, AlignError, Contaminate, Example, KlDirection, KlPositions, KlSettings, Linear, Normalise, Part, Pick,
    Policy, Reduction, Refusal, Retain, Reveal, Sft, Terms, Vrpo, Windows, objective,
};
use mosa_model::{Adapter, Call, DenoisingModel, Transformer};
use tch::{Kind, Tensor};

fn terms(model: &Transformer, adapter: &Adapter, examples: &[Example]) -> (f64, Vec<Terms>) {
    let terms = Policy::new(model, Some(adapter)).evaluate(examples).unwrap();
    (examples.iter().zip(&terms).map(|(e, t)| e.share * t.loss).sum(), terms)
}

/// Every option that changes a term, all at once and one by one.
fn variants() -> Vec<(&'static str, AlignConfig)> {
    let kl = |direction, positions, reduction| KlSettings { direction, positions, reduction };
    let retain = Retain { batch_size: 2, weight: 0.3, partly: 0.5, ..Retain::default() };
    let contaminate = |kind| Contaminate { share: 0.8, kind, tokens: [1, 3] };
    vec![
        ("mosa", settings()),
        ("initial", settings()),
        ("mosa", AlignConfig { reduction: Reduction::Mean, retain: retain.clone(), ..settings() }),
        ("mosa", AlignConfig { pick: Pick::Logsumexp, tau: 2.0, harmful_weight: 0.5, ..settings() }),
        ("mosa", AlignConfig { pick: Pick::Mean, window: Windows::Several(vec![[2, 6], [9, 15]]), ..settings() }),
        ("mosa", AlignConfig { pick: Pick::Random, harmful_floor: Some(-5.0), ..settings() }),
        (
            "mosa",
            AlignConfig {
                refusal: Refusal { weight: 1.5, ..Refusal::default() },
                contaminate: contaminate(Reveal::Mixed),
                safe_weight: 0.5,
                ..settings()
            },
        ),
        (
            "mosa",
            AlignConfig {
                kl: kl(KlDirection::ReferencePolicy, KlPositions::Window, Reduction::Mean),
                retain: retain.clone(),
                beta: 2.0,
                ..settings()
            },
        ),
        (
            "mosa",
            AlignConfig {
                kl: kl(KlDirection::PolicyReference, KlPositions::Outside, Reduction::Sum),
                contaminate: contaminate(Reveal::Random),
                retain,
                ..settings()
            },
        ),
        ("mosa", AlignConfig { contaminate: contaminate(Reveal::Prefix), beta: 0.0, ..settings() }),
        ("mosa", AlignConfig { contaminate: contaminate(Reveal::Segment), ..settings() }),
        ("sft", AlignConfig { beta: 0.0, ..settings() }),
        (
            "sft",
            AlignConfig {
                sft: Sft { nearly_masked: 0.5, eos_weight: 0.1, normalise: Normalise::Document },
                ..settings()
            },
        ),
        ("a2d-eos", settings()),
        ("vrpo", AlignConfig { vrpo: Vrpo { draws: 3, ..Vrpo::default() }, batch_size: 2, ..settings() }),
        (
            "vrpo",
            AlignConfig {
                vrpo: Vrpo { draws: 2, beta: 0.6, sft_weight: 0.4 },
                retain: Retain { batch_size: 2, weight: 0.3, partly: 0.5, ..Retain::default() },
                sft: Sft { eos_weight: 0.2, ..Sft::default() },
                ..settings()
            },
        ),
    ]
}

#[test]
fn the_gradient_of_every_variant_agrees_with_finite_differences() {
    for family in ["llada", "dream"] {
        let model = load(family);
        for (i, (name, config)) in variants().into_iter().enumerate() {
            let adapter = perturbed(&model);
            let examples = made(name, &config, &model).examples(i).unwrap();
            Policy::new(&model, Some(&adapter)).backward(&examples).unwrap().unwrap();
            for (tensor_name, t) in adapter.tensors().into_iter().step_by(5) {
                let gradient = t.grad();
                let best = gradient.abs().flatten(0, -1).argmax(-1, false).int64_value(&[]);
                let (flat, h) = (t.detach().view([-1]), 2e-3);
                let at = |shift: f64| {
                    let _ = tch::no_grad(|| flat.narrow(0, best, 1).g_add_scalar_(shift));
                    let value = terms(&model, &adapter, &examples).0;
                    let _ = tch::no_grad(|| flat.narrow(0, best, 1).g_add_scalar_(-shift));
                    value
                };
                let (numeric, exact) = ((at(h) - at(-h)) / (2.0 * h), gradient.flatten(0, -1).double_value(&[best]));
                assert!(
                    (numeric - exact).abs() < 3e-2 * exact.abs() + 5e-2,
                    "{family} variant {i} {tensor_name}: {numeric} {exact}"
                );
            }
        }
    }
}

#[test]
fn the_loss_by_hand_is_the_loss_by_autograd_over_the_whole_vocabulary() {
    let model = load("llada");
    let (adapter, config) = (perturbed(&model), AlignConfig { batch_size: 2, ..settings() });
    let examples = made("mosa", &config, &model).examples(0).unwrap();
    let by_hand = Policy::new(&model, Some(&adapter)).backward(&examples).unwrap().unwrap();
    let gradients: Vec<Tensor> = adapter.tensors().iter().map(|(_, t)| t.grad().copy()).collect();
    for (_, t) in adapter.tensors() {
        let _ = t.grad().zero_();
    }
    for (example, terms) in examples.iter().zip(&by_hand) {
        let want: Vec<(usize, usize)> = (example.prompt..example.canvas.len()).map(|at| (0, at)).collect();
        let log = |a| {
            model.forward(Call::new(&[&example.canvas], &want).with_adapter(a)).unwrap().log_softmax(-1, Kind::Float)
        };
        let (policy, reference) = (log(Some(&adapter)), tch::no_grad(|| log(None)));
        let kl = (policy.exp() * (&policy - reference)).sum(Kind::Float);
        let reward = terms.reward.as_ref().unwrap();
        let score = |start: usize, tokens: &[u32]| {
            tokens
                .iter()
                .enumerate()
                .map(|(j, &t)| policy.get((start + j) as i64).get(i64::from(t)))
                .fold(Tensor::from(0.0f32), |a, b| a + b)
        };
        let pair = example.reward.as_ref().unwrap().tokens();
        let (safe, harmful) = pair.split_at(reward.safe.tokens);
        let r = score(reward.safe.start, safe) - score(reward.harmful.start, harmful);
        assert!((r.double_value(&[]) - reward.reward).abs() < 1e-4);
        assert!((kl.double_value(&[]) - terms.kl).abs() < 1e-4);
        ((kl * config.beta - r) * example.share).backward();
    }
    for ((name, t), by_hand) in adapter.tensors().iter().zip(&gradients) {
        let (norm, difference) = (t.grad().norm().double_value(&[]), (t.grad() - by_hand).norm().double_value(&[]));
        assert!(norm > 0.0 && difference < 1e-5 * norm.max(1.0), "{name}: {difference} of {norm}");
    }
}

#[test]
fn a_fresh_adapter_has_the_rewards_of_the_reference_and_exactly_no_divergence() {
    for name in ["llada", "dream", "mmada"] {
        let model = load(name);
        let examples = made("mosa", &settings(), &model).examples(0).unwrap();
        for t in terms(&model, &fresh(&model, 2), &examples).1 {
            assert_eq!((t.kl, t.reward.map(|r| r.reward)), (0.0, t.reward_reference), "{name}");
        }
        assert!(terms(&model, &perturbed(&model), &examples).1.iter().all(|t| t.kl > 1e-3));
    }
}

#[test]
fn the_divergence_of_a_position_is_the_exact_one_in_both_directions() {
    let model = load("llada");
    let adapter = perturbed(&model);
    for direction in [KlDirection::PolicyReference, KlDirection::ReferencePolicy] {
        let config = AlignConfig { kl: KlSettings { direction, ..KlSettings::default() }, ..settings() };
        let examples = made("mosa", &config, &model).examples(0).unwrap();
        let (_, all) = terms(&model, &adapter, &examples);
        let e = &examples[0];
        let want: Vec<(usize, usize)> = (e.prompt..e.canvas.len()).map(|at| (0, at)).collect();
        let log = |a| {
            tch::no_grad(|| {
                model
                    .forward(Call::new(&[&e.canvas], &want).with_adapter(a))
                    .unwrap()
                    .to_kind(Kind::Double)
                    .log_softmax(-1, Kind::Double)
            })
        };
        let (p, r) = (log(Some(&adapter)), log(None));
        let (p, r) = if direction == KlDirection::PolicyReference { (p, r) } else { (r, p) };
        let exact = Vec::<f64>::try_from((p.exp() * (&p - r)).sum_dim_intlist(-1, false, Kind::Double)).unwrap();
        let mut by_offset = all[0].kl_by_offset.clone();
        by_offset.sort_by_key(|(i, _)| *i);
        assert_eq!(by_offset.len(), 18);
        assert!(by_offset.iter().all(|(i, kl)| (kl - exact[*i]).abs() < 1e-4), "{direction:?}");
        let inside: f64 = exact[4..=12].iter().sum();
        assert!((all[0].kl_inside - inside).abs() < 1e-3);
    }
}

#[test]
fn passes_of_any_size_add_up_to_the_same_gradient() {
    for family in ["llada", "dream"] {
        let model = load(family);
        let config = AlignConfig { retain: Retain { batch_size: 2, ..Retain::default() }, ..settings() };
        let examples = made("mosa", &config, &model).examples(0).unwrap();
        let gradient = |size: usize| {
            let adapter = perturbed(&model);
            let policy = Policy::new(&model, Some(&adapter));
            let loss: f64 = examples
                .chunks(size)
                .map(|pass| {
                    policy.backward(pass).unwrap().unwrap().iter().zip(pass).map(|(t, e)| e.share * t.loss).sum::<f64>()
                })
                .sum();
            (loss, Tensor::cat(&adapter.tensors().iter().map(|(_, t)| t.grad().flatten(0, -1)).collect::<Vec<_>>(), 0))
        };
        let (loss, whole) = gradient(examples.len());
        for size in [1, 2] {
            let (other, split) = gradient(size);
            assert!((loss - other).abs() < 1e-3, "{family} {size}");
            assert!(((&whole - split).norm() / whole.norm()).double_value(&[]) < 1e-5, "{family} {size}");
        }
    }
}

#[test]
fn recomputing_the_activations_gives_the_same_gradient() {
    for family in ["llada", "dream"] {
        let model = load(family);
        let examples = made("mosa", &settings(), &model).examples(0).unwrap();
        let gradients = |recompute: bool| {
            let adapter = perturbed(&model);
            Policy { recompute, ..Policy::new(&model, Some(&adapter)) }.backward(&examples).unwrap().unwrap();
            Tensor::cat(&adapter.tensors().iter().map(|(_, t)| t.grad().flatten(0, -1)).collect::<Vec<_>>(), 0)
        };
        let (kept, recomputed) = (gradients(false), gradients(true));
        assert!(((&kept - recomputed).norm() / kept.norm()).double_value(&[]) < 1e-5, "{family}");
    }
    // All weights of a model, the embedding among them.
    let mut model = load("mmada");
    model.set_trainable(true).unwrap();
    let examples = made("sft", &settings(), &model).examples(0).unwrap();
    let gradients = |recompute: bool| {
        Policy { recompute, ..Policy::new(&model, None) }.backward(&examples).unwrap().unwrap();
        let all = model.parameters().into_iter().map(|(_, t)| {
            let gradient = t.grad().flatten(0, -1).copy();
            let _ = t.grad().zero_();
            gradient
        });
        Tensor::cat(&all.collect::<Vec<_>>(), 0)
    };
    let (kept, recomputed) = (gradients(false), gradients(true));
    assert!(((&kept - recomputed).norm() / kept.norm()).double_value(&[]) < 1e-5);
}

#[test]
fn a_linear_term_is_a_weighted_log_probability() {
    let model = load("mmada");
    let canvas = vec![3, 9, model.spec().mask, model.spec().mask];
    let linear = vec![Linear { offset: 0, token: 5, weight: -1.0 }, Linear { offset: 1, token: 6, weight: 0.5 }];
    let example = Example {
        record: 0,
        part: Part::Aligned,
        canvas: canvas.clone(),
        written: Vec::new(),
        prompt: 2,
        share: 1.0,
        linear,
        kl: Vec::new(),
        direction: KlDirection::PolicyReference,
        reward: None,
        preference: None,
        windows: Vec::new(),
    };
    let found = Policy::new(&model, None).evaluate(&[example]).unwrap()[0].loss;
    let log =
        tch::no_grad(|| model.forward(Call::new(&[&canvas], &[(0, 2), (0, 3)])).unwrap().log_softmax(-1, Kind::Float));
    assert!((found - (-log.double_value(&[0, 5]) + 0.5 * log.double_value(&[1, 6]))).abs() < 1e-5);
}

#[test]
fn a_divergence_without_an_adapter_is_refused() {
    let model = load("llada");
    let o = objective("mosa", &settings(), ids(&model), data(&model)).unwrap().unwrap();
    let result = Policy::new(&model, None).evaluate(&o.examples(0).unwrap());
    assert!(matches!(result, Err(AlignError::Setting { key: "beta", .. })));
}
