use mosa_align::{Reduction, best_start, window_scores};
use mosa_core::{Placement, Window};
use proptest::prelude::*;
use tch::Tensor;

/// Log-probabilities [length, vocabulary] from a list of numbers.
fn table(numbers: &[f32], length: usize) -> (Vec<Vec<f64>>, Tensor) {
    let vocab = numbers.len() / length;
    let t = Tensor::from_slice(&numbers[..length * vocab])
        .view([length as i64, vocab as i64])
        .log_softmax(-1, tch::Kind::Float);
    let rows = Vec::<Vec<f32>>::try_from(&t).unwrap();
    (rows.into_iter().map(|r| r.into_iter().map(f64::from).collect()).collect(), t)
}

proptest! {
    #[test]
    fn the_window_search_finds_what_brute_force_finds(
        numbers in prop::collection::vec(-6f32..6.0, 120),
        sentence in prop::collection::vec(0u32..10, 1..5),
        first in 0usize..5, extra in 0usize..6, mean in any::<bool>(), contained in any::<bool>(),
    ) {
        let length = 12;
        let (rows, t) = table(&numbers, length);
        let window = Window { first, last: first + extra };
        let placement = if contained { Placement::Contained } else { Placement::StartInside };
        let Ok(starts) = window.starts(placement, sentence.len(), length) else { return Ok(()) };
        let reduction = if mean { Reduction::Mean } else { Reduction::Sum };
        let brute: Vec<f64> = starts.clone().map(|k| {
            let sum: f64 = sentence.iter().enumerate().map(|(j, &s)| rows[k + j][s as usize]).sum();
            if mean { sum / sentence.len() as f64 } else { sum }
        }).collect();
        let found = best_start(&t, &sentence, starts.clone(), reduction).unwrap();
        let best = brute.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        prop_assert!(found.all.iter().zip(&brute).all(|(a, b)| (a - b).abs() < 1e-4));
        prop_assert!((found.score.double_value(&[]) - best).abs() < 1e-4);
        prop_assert!((brute[found.start - starts.start()] - best).abs() < 1e-4);
    }
}

#[test]
fn shifting_the_window_shifts_the_best_start() {
    // Token 1 is likely at every offset but a little more at each multiple of 5.
    let numbers: Vec<f32> = (0..30).flat_map(|k| [0.0, if k % 5 == 0 { 3.0 } else { 2.0 }, -1.0]).collect();
    let (_, t) = table(&numbers, 30);
    let best = |first: usize| {
        let starts = Window { first, last: first + 4 }.starts(Placement::Contained, 1, 30).unwrap();
        best_start(&t, &[1], starts, Reduction::Sum).unwrap().start
    };
    assert_eq!([best(1), best(6), best(13)], [5, 10, 15]);
}

#[test]
fn the_two_readings_of_the_window_agree_on_the_starts_they_share() {
    let numbers: Vec<f32> = (0..240).map(|i| ((i * 37) % 17) as f32 / 3.0).collect();
    let (_, t) = table(&numbers, 24);
    let (window, sentence) = (Window { first: 3, last: 12 }, [1, 4, 2]);
    let scores = |p| {
        Vec::<f32>::try_from(window_scores(&t, &sentence, window.starts(p, 3, 24).unwrap(), Reduction::Sum).unwrap())
            .unwrap()
    };
    let (contained, literal) = (scores(Placement::Contained), scores(Placement::StartInside));
    assert_eq!((contained.len(), literal.len()), (8, 10));
    assert_eq!(contained, literal[..8]);
}
