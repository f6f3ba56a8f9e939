use crate::{load, prompt};
use mosa_core::Canvas;
use mosa_engine::{Estimator, likelihood};
use mosa_model::{Adapted, Call, DenoisingModel, Transformer};

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
