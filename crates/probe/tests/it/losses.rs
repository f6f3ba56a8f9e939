use crate::{FAMILIES, adapter, first_step, goal, load, plain, suffixes};
use mosa_core::{Canvas, sample_key};
use mosa_engine::{Estimator, likelihood};
use mosa_model::DenoisingModel;
use mosa_probe::ProbeError;
use mosa_probe::gcg::{GcgSettings, Goal, Subject, TargetLikelihood, TargetLoss};

#[test]
fn losses_of_many_suffixes_are_those_of_single_ones_in_every_family() {
    for name in FAMILIES {
        let (model, goal) = (load(name), goal(name));
        let trained = adapter(&model);
        let suffixes = suffixes(&goal, 23);
        for (adapter, kind) in [
            (None, TargetLikelihood::FirstStep),
            (Some(&trained), TargetLikelihood::FirstStep),
            (None, TargetLikelihood::Mc(3)),
        ] {
            let loss = |rows| TargetLoss::new(Subject { model: &model, adapter }, &goal, kind, 0, rows).unwrap();
            let together = loss(16).losses(&suffixes).unwrap();
            for (suffix, together) in suffixes.iter().zip(together) {
                let alone = loss(1).losses(std::slice::from_ref(suffix)).unwrap()[0];
                assert!((alone - together).abs() < 1e-4, "{name} {suffix:?}");
            }
        }
    }
}

#[test]
fn the_first_step_loss_is_the_mean_field_likelihood_and_the_monte_carlo_one_the_engines_bound() {
    for name in FAMILIES {
        let (model, goal) = (load(name), goal(name));
        let n = goal.target.len() as f64;
        let canvas = Canvas::new(&goal.prompt, goal.gen_length, model.spec().mask);
        let tokens: Vec<_> = (goal.prompt.len() + goal.offset..).zip(goal.target.iter().copied()).collect();
        let sample = sample_key(&goal.id);
        for (kind, estimator) in [
            (TargetLikelihood::FirstStep, Estimator::MeanField),
            (TargetLikelihood::Mc(7), Estimator::Elbo { draws: 7, seed: 5, sample }),
        ] {
            let loss = TargetLoss::new(plain(&model), &goal, kind, 5, 16).unwrap();
            let ours = loss.losses(&[goal.first_suffix().to_vec()]).unwrap()[0];
            let total = likelihood(plain(&model).black_box(), &canvas, &tokens, estimator).unwrap().total;
            assert!((ours + total / n).abs() < 1e-4, "{name} {kind:?}: {ours}, {}", -total / n);
        }
    }
}

#[test]
fn target_probabilities_give_the_first_step_loss() {
    let (model, goal) = (load("dream"), goal("p"));
    let loss = first_step(&model, None, &goal);
    let p = loss.probabilities(goal.first_suffix()).unwrap();
    assert_eq!(p.len(), goal.target.len());
    let mean = -p.iter().map(|p| p.ln()).sum::<f64>() / p.len() as f64;
    assert!((mean - loss.losses(&[goal.first_suffix().to_vec()]).unwrap()[0]).abs() < 1e-4);
}

#[test]
fn no_suffixes_have_no_losses_and_a_suffix_of_another_length_is_refused() {
    let (model, goal) = (load("llada"), goal("length"));
    let loss = first_step(&model, None, &goal);
    assert!(loss.losses(&[]).unwrap().is_empty());
    assert!(matches!(loss.losses(&[vec![1, 2]]), Err(ProbeError::Goal { .. })));
}

#[test]
fn goals_and_settings_that_cannot_be_used_are_refused_by_name() {
    let model = load("llada");
    let (vocab, mask) = (model.spec().vocab as u32, model.spec().mask);
    let change: [fn(&mut Goal, u32, u32); 9] = [
        |g, _, _| g.suffix = 4..4,
        |g, _, _| g.suffix = 10..15,
        |g, _, _| g.target.clear(),
        |g, _, _| g.offset = 9,
        |g, _, _| g.offset = usize::MAX,
        |g, _, _| g.gen_length = usize::MAX,
        |g, _, _| g.gen_length = 250,
        |g, vocab, _| g.prompt[0] = vocab,
        |g, _, mask| g.target[1] = mask,
    ];
    for (i, change) in change.into_iter().enumerate() {
        let mut goal = goal("bad");
        change(&mut goal, vocab, mask);
        let error = TargetLoss::new(plain(&model), &goal, TargetLikelihood::FirstStep, 0, 16).err();
        assert!(error.is_some_and(|e| e.to_string().starts_with("goal bad:")), "change {i}");
    }
    let goal = goal("settings");
    for (kind, rows, key) in
        [(TargetLikelihood::Mc(0), 16, "likelihood"), (TargetLikelihood::FirstStep, 0, "rows_per_pass")]
    {
        let error = TargetLoss::new(plain(&model), &goal, kind, 0, rows).err();
        assert!(matches!(error, Some(ProbeError::Setting { key: k, .. }) if k == key));
    }
}

#[test]
fn numbers_beyond_their_bounds_and_gaps_in_a_prompt_are_refused_by_name() {
    let model = load("llada");
    for (key, settings) in [
        ("candidates", GcgSettings { candidates: 1_000_000_000, ..GcgSettings::default() }),
        ("iterations", GcgSettings { iterations: usize::MAX, ..GcgSettings::default() }),
        ("rows_per_pass", GcgSettings { rows_per_pass: usize::MAX, ..GcgSettings::default() }),
    ] {
        let error = settings.check().unwrap_err();
        assert!(matches!(&error, ProbeError::Setting { key: found, .. } if *found == key), "{error}");
        assert!(error.to_string().contains("more than"), "{error}");
    }
    let goal = goal("g");
    let draws = TargetLoss::new(plain(&model), &goal, TargetLikelihood::Mc(usize::MAX), 0, 16).err().unwrap();
    assert!(draws.to_string().contains("mc(18446744073709551615)"), "{draws}");
    let mut gap = goal.clone();
    gap.prompt[2] = model.spec().mask;
    let error = gap.check(model.spec()).unwrap_err().to_string();
    assert!(error.contains("mask token"), "{error}");
}

#[test]
fn many_views_of_many_suffixes_cost_the_same_whatever_shares_a_pass() {
    let model = load("llada");
    let goal = goal("views");
    let all = suffixes(&goal, 9);
    let with = |rows| {
        let loss = TargetLoss::new(plain(&model), &goal, TargetLikelihood::Mc(5), 3, rows).unwrap();
        loss.losses(&all).unwrap()
    };
    let (one, many) = (with(1), with(7));
    assert!(one.iter().zip(&many).all(|(a, b)| (a - b).abs() < 1e-4), "{one:?} {many:?}");
}
