use mosa_engine::{quota, reveal_count, reveal_probabilities};
use proptest::prelude::*;

proptest! {
    #[test]
    fn quotas_are_the_published_floor_plus_remainder_first(masks in 0usize..300, steps in 1usize..80) {
        let published: Vec<usize> = (0..steps).map(|i| masks / steps + usize::from(i < masks % steps)).collect();
        let mut left = masks;
        let ours: Vec<usize> = (0..steps).map(|i| {
            let k = quota(left, steps - i);
            left -= k;
            k
        }).collect();
        prop_assert_eq!(ours, published);
        prop_assert_eq!(left, 0);
    }

    #[test]
    fn dream_reveals_everything_by_the_last_step(masks in 1usize..200, steps in 1usize..100, eps in 1e-4f64..0.2) {
        let probabilities = reveal_probabilities(steps, eps);
        prop_assert_eq!(probabilities.len(), steps);
        prop_assert_eq!(probabilities[steps - 1], 1.0);
        let mut left = masks;
        for p in probabilities {
            prop_assert!(p > 0.0 && p <= 1.0);
            let k = reveal_count(left, 1, p);
            prop_assert!(k <= left);
            left -= k;
        }
        prop_assert_eq!(left, 0);
    }
}

#[test]
fn a_shared_count_is_the_mean_over_the_rows() {
    assert_eq!(reveal_count(10, 2, 1.0), 5);
    assert_eq!(reveal_count(11, 2, 0.5), 2);
}
