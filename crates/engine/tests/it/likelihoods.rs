use crate::{load, prompt};
use mosa_core::Canvas;
use mosa_engine::{Estimator, Scoring, View, likelihood};
use mosa_model::{Adapted, Call, DenoisingModel, Transformer};

/// Scored tokens of three draws over four tokens, seed 7, sample 11.
const DRAWN: [&[usize]; 3] = [&[1], &[1, 0], &[2, 3, 0]];

fn log_p(model: &Transformer, canvas: &[u32], position: usize, token: u32) -> f64 {
    let logits = tch::no_grad(|| model.forward(Call::new(&[canvas], &[(0, position)]))).unwrap();
    logits.log_softmax(-1, tch::Kind::Float).double_value(&[0, i64::from(token)])
}

fn setup(name: &str) -> (Transformer, Canvas, Vec<(usize, u32)>) {
    let model = load(name);
    let canvas = Canvas::new(&prompt(1, 8), 12, model.spec().mask);
    (model, canvas, vec![(10, 5), (11, 17), (12, 3)])
}

#[test]
fn mean_field_and_chain_are_sums_of_single_log_probabilities() {
    for name in ["llada", "dream"] {
        let (model, canvas, tokens) = setup(name);
        let flat = likelihood(Adapted::plain(&model), &canvas, &tokens, Estimator::MeanField).unwrap();
        let chain = likelihood(Adapted::plain(&model), &canvas, &tokens, Estimator::Chain).unwrap();
        let mut shown = canvas.tokens().to_vec();
        for (j, &(p, t)) in tokens.iter().enumerate() {
            assert!((flat.per_token[j] - log_p(&model, canvas.tokens(), p, t)).abs() < 1e-4);
            assert!((chain.per_token[j] - log_p(&model, &shown, p, t)).abs() < 1e-4);
            shown[p] = t;
        }
        assert_eq!((flat.forwards, chain.forwards), (1, 3));
        assert!((chain.total - chain.per_token.iter().sum::<f64>()).abs() < 1e-9);
    }
}

#[test]
fn what_already_stands_at_a_scored_position_is_masked_first_and_the_rest_is_seen() {
    let (model, canvas, tokens) = setup("llada");
    let score = |canvas: &Canvas| likelihood(Adapted::plain(&model), canvas, &tokens, Estimator::Chain).unwrap().total;
    let mut filled = canvas.clone();
    filled.commit(11, 200, 1.0).unwrap();
    assert_eq!(score(&filled), score(&canvas));
    filled.commit(15, 200, 1.0).unwrap();
    assert_ne!(score(&filled), score(&canvas));
}

#[test]
fn the_bound_of_one_token_is_its_mean_field_value_and_of_more_a_mean_over_masks() {
    let (model, canvas, tokens) = setup("llada");
    let elbo = |tokens: &[(usize, u32)], draws, seed| {
        likelihood(Adapted::plain(&model), &canvas, tokens, Estimator::Elbo { draws, seed, sample: 0 }).unwrap()
    };
    let single = likelihood(Adapted::plain(&model), &canvas, &tokens[..1], Estimator::MeanField).unwrap().total;
    assert!((elbo(&tokens[..1], 4, 0).total - single).abs() < 1e-4);
    assert_eq!(elbo(&tokens, 32, 1), elbo(&tokens, 32, 1));
    assert_eq!(elbo(&tokens, 32, 1).forwards, 32);
    // Numbers of masked tokens are spread evenly: three draws hold 1, 2 and 3 of them.
    let all = likelihood(Adapted::plain(&model), &canvas, &tokens, Estimator::MeanField).unwrap().total;
    let spread = elbo(&tokens, 300, 2).total;
    assert!(spread.is_finite() && (spread - all).abs() < all.abs());
    assert_ne!(elbo(&tokens, 3, 1).total, elbo(&tokens, 3, 9).total);
}

#[test]
fn scoring_nothing_or_outside_the_canvas_is_refused() {
    let (model, canvas, _) = setup("llada");
    for (tokens, estimator) in [
        (vec![], Estimator::Chain),
        (vec![(99, 1)], Estimator::Chain),
        (vec![(10, 9999)], Estimator::MeanField),
        (vec![(10, 1)], Estimator::Elbo { draws: 0, seed: 0, sample: 0 }),
    ] {
        assert!(likelihood(Adapted::plain(&model), &canvas, &tokens, estimator).is_err(), "{tokens:?}");
    }
}

#[test]
fn every_estimator_says_which_tokens_are_revealed_and_which_are_scored() {
    let all = |n: usize| (0..n).collect::<Vec<_>>();
    assert_eq!(Estimator::MeanField.views(3).unwrap(), [View { revealed: vec![], scored: all(3) }]);
    let chain = Estimator::Chain.views(4).unwrap();
    assert!(chain.iter().enumerate().all(|(j, view)| *view == View { revealed: all(j), scored: vec![j] }));
    let bound = |seed, sample| Estimator::Elbo { draws: 12, seed, sample }.views(6).unwrap();
    for view in bound(1, 2) {
        let mut both = [view.revealed, view.scored.clone()].concat();
        both.sort_unstable();
        assert!(both == all(6) && !view.scored.is_empty());
    }
    let mut counts: Vec<usize> = bound(1, 2).iter().map(|view| view.scored.len()).collect();
    counts.sort_unstable();
    assert_eq!(counts, [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6], "spread evenly over the draws");
    assert_eq!(bound(1, 2), bound(1, 2));
    assert!(bound(1, 2) != bound(1, 3) && bound(1, 2) != bound(2, 2));
    // The streams are part of every recorded bound: these draws never change.
    let drawn: Vec<Vec<usize>> =
        Estimator::Elbo { draws: 3, seed: 7, sample: 11 }.views(4).unwrap().into_iter().map(|v| v.scored).collect();
    assert_eq!(drawn, DRAWN);
    assert!(Estimator::MeanField.views(0).is_err());
}

#[test]
fn what_a_pass_says_of_the_scored_tokens_is_the_likelihood_of_them() {
    let (model, canvas, tokens) = setup("dream");
    let subject: Adapted<'_> = Adapted::plain(&model);
    let scoring = Scoring::new(model.spec(), &canvas, &tokens).unwrap();
    for estimator in [Estimator::MeanField, Estimator::Chain] {
        let (mut log_p, mut ids) = (Vec::new(), Vec::new());
        let views = estimator.views(tokens.len()).unwrap();
        scoring
            .passes(subject, &views, &mut |scores| {
                ids.extend(scores.ids.clone());
                for (row, id) in scores.ids.iter().enumerate() {
                    log_p.push(scores.log_p.double_value(&[row as i64, i64::from(*id)]));
                }
                assert_eq!(scores.of_tokens(subject)?, log_p[log_p.len() - scores.ids.len()..]);
                Ok(())
            })
            .unwrap();
        assert_eq!(ids, [5, 17, 3]);
        assert_eq!(likelihood(subject, &canvas, &tokens, estimator).unwrap().per_token, log_p);
    }
}
