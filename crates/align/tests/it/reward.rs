use mosa_align::{Columns, Pick, Reduction, RewardRule, RewardTerms, SentencePair, WindowReward};
use mosa_core::{Placement, Window, WindowError};
use proptest::prelude::*;

const LENGTH: usize = 12;

fn rule(first: usize, last: usize) -> RewardRule {
    RewardRule {
        windows: vec![Window { first, last }],
        placement: Placement::Contained,
        reduction: Reduction::Sum,
        pick: Pick::Max,
        tau: 1.0,
        safe_weight: 1.0,
        harmful_weight: 1.0,
        harmful_floor: None,
    }
}

fn pair(safe: &[u32], harmful: &[u32]) -> SentencePair {
    SentencePair { safe: safe.to_vec(), harmful: harmful.to_vec() }
}

/// L of a table [length][token].
fn columns(reward: &WindowReward, table: &[Vec<f32>]) -> Columns {
    let (offsets, tokens) = (reward.offsets(), reward.tokens());
    let values = offsets.iter().flat_map(|&i| tokens.iter().map(move |&t| table[i][t as usize])).collect();
    Columns { width: tokens.len(), offsets, values }
}

/// The reward on a fully masked response, and the sum of weight * L over its terms.
fn evaluate(rule: &RewardRule, pair: SentencePair, table: &[Vec<f32>]) -> (RewardTerms, f64) {
    let reward = WindowReward::new(rule, pair, &vec![true; table.len()], 0.4).unwrap().unwrap();
    let (terms, linear) = reward.evaluate([&columns(&reward, table); 2]);
    let sum = linear.iter().map(|(_, l)| l.weight * f64::from(table[l.offset][l.token as usize])).sum();
    (terms, sum)
}

fn brute(rule: &RewardRule, sentence: &[u32], table: &[Vec<f32>]) -> Vec<f64> {
    let starts = rule.windows[0].starts(rule.placement, sentence.len(), table.len()).unwrap();
    let score = |k: usize| {
        let sum: f64 = sentence.iter().enumerate().map(|(j, &s)| f64::from(table[k + j][s as usize])).sum();
        if rule.reduction == Reduction::Mean { sum / sentence.len() as f64 } else { sum }
    };
    starts.map(score).collect()
}

proptest! {
    #[test]
    fn the_window_search_finds_what_brute_force_finds(
        table in prop::collection::vec(prop::collection::vec(-9f32..0.0, 10), LENGTH),
        safe in prop::collection::vec(0u32..10, 1..5), harmful in prop::collection::vec(0u32..10, 1..5),
        first in 0usize..5, extra in 0usize..6, mean in any::<bool>(), contained in any::<bool>(),
    ) {
        let rule = RewardRule {
            placement: if contained { Placement::Contained } else { Placement::StartInside },
            reduction: if mean { Reduction::Mean } else { Reduction::Sum },
            ..rule(first, first + extra)
        };
        let fits = |s: &[u32]| rule.windows[0].starts(rule.placement, s.len(), LENGTH).is_ok();
        prop_assume!(fits(&safe) && fits(&harmful));
        let (terms, sum) = evaluate(&rule, pair(&safe, &harmful), &table);
        for (found, sentence) in [(&terms.safe, &safe), (&terms.harmful, &harmful)] {
            let all = brute(&rule, sentence, &table);
            let best = all.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            prop_assert!(found.all.iter().zip(&all).all(|(a, b)| (a - b).abs() < 1e-9));
            prop_assert!((found.score - best).abs() < 1e-9 && (all[found.start - first] - best).abs() < 1e-9);
        }
        prop_assert!((terms.reward - terms.safe.score + terms.harmful.score).abs() < 1e-9);
        // -R is linear in L once the starts are fixed.
        prop_assert!((sum + terms.reward).abs() < 1e-6);
    }

    #[test]
    fn every_pick_lies_between_the_smallest_and_the_largest_score_and_has_weights_that_sum_to_one(
        table in prop::collection::vec(prop::collection::vec(-9f32..0.0, 4), LENGTH), tau in 0.1f64..3.0,
    ) {
        for pick in [Pick::Max, Pick::Mean, Pick::Random, Pick::Logsumexp] {
            let rule = RewardRule { pick, tau, harmful_weight: 0.0, ..rule(2, 9) };
            let reward = WindowReward::new(&rule, pair(&[1, 2], &[3]), &[true; LENGTH], 0.4).unwrap().unwrap();
            let (terms, linear) = reward.evaluate([&columns(&reward, &table); 2]);
            let all = &terms.safe.all;
            let (low, high) = all.iter().fold((0.0f64, f64::NEG_INFINITY), |(l, h), s| (l.min(*s), h.max(*s)));
            let slack = if pick == Pick::Logsumexp { tau * (all.len() as f64).ln() } else { 0.0 };
            prop_assert!(terms.safe.score >= low - 1e-9 && terms.safe.score <= high + slack + 1e-9, "{pick:?}");
            let weights: f64 = linear.iter().filter(|(_, l)| l.token == 1).map(|(_, l)| -l.weight).sum();
            prop_assert!((weights - 1.0).abs() < 1e-9, "{pick:?} {weights}");
        }
    }
}

/// Token 1 is likely everywhere but a little more at each multiple of 5; token 2 is never likely.
fn waves(length: usize) -> Vec<Vec<f32>> {
    (0..length).map(|k| vec![-3.0, if k % 5 == 0 { -0.5 } else { -1.0 }, -8.0]).collect()
}

#[test]
fn shifting_the_window_shifts_the_best_start() {
    let best = |first: usize| evaluate(&rule(first, first + 4), pair(&[1], &[2]), &waves(30)).0.safe.start;
    assert_eq!([best(1), best(6), best(13)], [5, 10, 15]);
}

#[test]
fn the_two_readings_of_the_window_differ_only_in_the_starts_near_its_end() {
    let table: Vec<Vec<f32>> =
        (0..24).map(|i| (0..8).map(|t| -(((i * 37 + t * 5) % 17) as f32) / 3.0).collect()).collect();
    let scores =
        |placement| evaluate(&RewardRule { placement, ..rule(3, 12) }, pair(&[1, 4, 2], &[3]), &table).0.safe.all;
    let (contained, literal) = (scores(Placement::Contained), scores(Placement::StartInside));
    assert_eq!((contained.len(), literal.len()), (8, 10));
    assert_eq!(contained, literal[..8]);
}

#[test]
fn identical_sentences_have_no_reward() {
    let (terms, sum) = evaluate(&rule(2, 9), pair(&[1, 2], &[1, 2]), &waves(LENGTH));
    assert_eq!((terms.reward, terms.safe.start), (0.0, terms.harmful.start));
    assert!(sum.abs() < 1e-12);
}

#[test]
fn a_floor_keeps_the_harmful_term_from_dominating() {
    let floored = RewardRule { harmful_floor: Some(-4.0), ..rule(2, 9) };
    // The harmful sentence scores -8, below the floor: it counts as -4 and is not pushed further.
    let reward = WindowReward::new(&floored, pair(&[1], &[2]), &[true; LENGTH], 0.4).unwrap().unwrap();
    let (terms, linear) = reward.evaluate([&columns(&reward, &waves(LENGTH)); 2]);
    assert!((terms.reward - (-0.5 + 4.0)).abs() < 1e-6 && (terms.harmful.score + 8.0).abs() < 1e-6);
    assert!(linear.iter().all(|(_, l)| l.token != 2));
    let weighted = RewardRule { harmful_weight: 0.5, ..rule(2, 9) };
    assert!((evaluate(&weighted, pair(&[1], &[2]), &waves(LENGTH)).0.reward - (-0.5 + 4.0)).abs() < 1e-6);
}

#[test]
fn several_windows_are_averaged() {
    let both = RewardRule { windows: vec![Window { first: 1, last: 3 }, Window { first: 5, last: 9 }], ..rule(0, 0) };
    let (terms, sum) = evaluate(&both, pair(&[1], &[2]), &waves(LENGTH));
    assert!((terms.safe.score + 0.75).abs() < 1e-6, "the mean of -1.0 and -0.5: {}", terms.safe.score);
    assert_eq!((terms.safe.start, terms.safe.all.len()), (5, 3 + 5));
    assert!((sum + terms.reward).abs() < 1e-9);
}

#[test]
fn sentences_stand_only_where_the_response_is_masked() {
    let mut free = [true; LENGTH];
    free[5] = false;
    let starts = |free: &[bool]| {
        let reward = WindowReward::new(&rule(3, 8), pair(&[1, 1], &[2]), free, 0.0).unwrap()?;
        Some(reward.evaluate([&columns(&reward, &waves(LENGTH)); 2]).0.safe.all.len())
    };
    assert_eq!((starts(&[true; LENGTH]), starts(&free)), (Some(5), Some(3)));
    assert_eq!(starts(&[false; LENGTH]), None);
    let long = WindowReward::new(&rule(3, 8), pair(&[1; 7], &[2]), &free, 0.0);
    assert!(matches!(long, Err(WindowError::TooLong { sentence: 7, .. })));
}
