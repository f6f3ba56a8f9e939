use mosa_engine::{Candidate, Commit, Moment, Statistic};

fn candidates(probabilities: &[f64]) -> Vec<Candidate> {
    let candidate = |(i, &p): (usize, &f64)| Candidate {
        position: 10 + i,
        token: i as u32,
        log_probability: p.ln(),
        statistic: -(i as f64),
    };
    probabilities.iter().enumerate().map(candidate).collect()
}

fn moment(quota: usize) -> Moment {
    Moment { seed: 1, clock: 2, sample: 3, quota, reveal: 0.5, rank_temperature: 0.0 }
}

fn choose(commit: Commit, quota: usize, probabilities: &[f64]) -> Vec<usize> {
    commit.policy().choose(&moment(quota), &candidates(probabilities))
}

#[test]
fn low_confidence_takes_the_most_probable_and_ties_go_left() {
    assert_eq!(choose(Commit::LowConfidence, 2, &[0.1, 0.9, 0.5, 0.9]), [1, 3]);
    assert_eq!(choose(Commit::LowConfidence, 0, &[0.5]), [0; 0]);
    assert_eq!(choose(Commit::LowConfidence, 9, &[0.5, 0.6]), [1, 0]);
}

#[test]
fn probabilities_that_round_to_one_keep_their_order() {
    let mut c = candidates(&[0.5, 0.5, 0.5]);
    for (c, log_probability) in c.iter_mut().zip([-1e-19, -1e-21, -1e-20]) {
        c.log_probability = log_probability;
    }
    assert!(c.iter().all(|c| c.probability() == 1.0));
    assert_eq!(Commit::LowConfidence.policy().choose(&moment(3), &c), [1, 2, 0]);
}

#[test]
fn margin_and_entropy_rank_by_the_statistic_they_ask_for() {
    assert_eq!(Commit::Margin.policy().statistic(), Statistic::Margin);
    assert_eq!(Commit::Entropy.policy().statistic(), Statistic::NegativeEntropy);
    assert_eq!(Commit::LowConfidence.policy().statistic(), Statistic::Probability);
    assert_eq!(choose(Commit::Margin, 2, &[0.1, 0.9, 0.9]), [0, 1]);
    assert_eq!(choose(Commit::Entropy, 1, &[0.1, 0.9, 0.9]), [0]);
}

#[test]
fn left_to_right_ignores_what_the_model_thinks() {
    assert_eq!(choose(Commit::LeftToRight, 2, &[0.1, 0.9, 0.99]), [0, 1]);
}

#[test]
fn threshold_reveals_all_that_are_probable_enough_and_always_the_best() {
    assert_eq!(choose(Commit::Threshold(0.8), 0, &[0.9, 0.2, 0.8, 0.85]), [0, 3, 2]);
    assert_eq!(choose(Commit::Threshold(0.8), 0, &[0.3, 0.4, 0.1]), [1]);
}

#[test]
fn factor_raises_the_bar_with_the_rank() {
    // Bars for f = 1: rank 1 free, rank 2: 2/3, rank 3: 3/4, rank 4: 4/5.
    assert_eq!(choose(Commit::Factor(1.0), 0, &[0.1, 0.7, 0.9, 0.74]), [2, 3]);
    assert_eq!(choose(Commit::Factor(1.0), 0, &[0.8, 0.8, 0.8, 0.8]), [0, 1, 2, 3]);
    assert_eq!(choose(Commit::Factor(1.0), 0, &[0.1, 0.2]), [1]);
}

#[test]
fn random_order_depends_on_the_key_and_the_position_and_not_on_the_list() {
    let all = candidates(&[0.5; 12]);
    let policy = Commit::Random.policy();
    let order = policy.choose(&moment(12), &all);
    assert_eq!(order, policy.choose(&moment(12), &all));
    assert_ne!(order, policy.choose(&Moment { clock: 5, ..moment(12) }, &all));
    assert_ne!(order, policy.choose(&Moment { sample: 5, ..moment(12) }, &all));
    // Without the first candidate the others keep their order.
    let rest = policy.choose(&moment(11), &all[1..]);
    let expected: Vec<usize> = order.iter().filter(|&&i| i > 0).map(|&i| i - 1).collect();
    assert_eq!(rest, expected);
}

#[test]
fn origin_reveals_each_position_with_the_schedules_probability() {
    let all = candidates(&[0.5; 4000]);
    let count = |reveal| Commit::Origin.policy().choose(&Moment { reveal, ..moment(0) }, &all).len() as f64 / 4000.0;
    assert_eq!(count(1.0), 1.0);
    assert!((count(0.25) - 0.25).abs() < 0.03);
}

#[test]
fn a_rank_temperature_samples_positions_without_replacement() {
    let c = candidates(&[0.9, 0.1, 0.1, 0.1]);
    let policy = Commit::LowConfidence.policy();
    let first = |temperature: f64| {
        let hits = (0..4000).filter(|&clock| {
            let moment = Moment { clock, rank_temperature: temperature, ..moment(2) };
            let order = policy.choose(&moment, &c);
            assert!(order.len() == 2 && order[0] != order[1]);
            order[0] == 0
        });
        hits.count() as f64 / 4000.0
    };
    let expected = |t: f64| (0.9f64 / t).exp() / ((0.9 / t).exp() + 3.0 * (0.1 / t).exp());
    for t in [0.2, 1.0] {
        assert!((first(t) - expected(t)).abs() < 0.03, "{t}: {} {}", first(t), expected(t));
    }
}

#[test]
fn policies_are_known_by_their_published_names() {
    for (name, commit) in [
        ("low_confidence", Commit::LowConfidence),
        ("maskgit_plus", Commit::LowConfidence),
        ("random", Commit::Random),
        ("topk_margin", Commit::Margin),
        ("entropy", Commit::Entropy),
        ("origin", Commit::Origin),
    ] {
        assert_eq!(Commit::by_name(name), Some(commit));
    }
    assert_eq!(Commit::by_name("best"), None);
}
