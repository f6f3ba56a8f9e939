use mosa_core::{Placement, Window, WindowError};
use proptest::prelude::*;

#[test]
fn the_paper_window_holds_41_offsets_and_a_sentence_of_10_may_start_at_20_to_51() {
    let w = Window { first: 20, last: 60 };
    assert_eq!(w.size(), 41);
    assert_eq!(w.starts(Placement::Contained, 10, 128), Ok(20..=51));
    assert_eq!(w.starts(Placement::StartInside, 10, 128), Ok(20..=60));
    assert_eq!(w.starts(Placement::Fixed(0), 10, 128), Ok(0..=0));
}

#[test]
fn a_sentence_longer_than_the_window_is_refused_by_name() {
    let w = Window { first: 2, last: 4 };
    assert_eq!(
        w.starts(Placement::Contained, 4, 99),
        Err(WindowError::TooLong { sentence: 4, first: 2, last: 4, size: 3 })
    );
    assert_eq!(w.starts(Placement::Contained, 0, 99), Err(WindowError::EmptySentence));
    assert_eq!(
        w.starts(Placement::StartInside, 4, 5),
        Err(WindowError::PastCanvas { sentence: 4, start: 2, canvas: 5 })
    );
}

proptest! {
    #[test]
    fn starts_are_exactly_those_that_satisfy_the_definition(
        first in 0usize..20, extra in 0usize..20, len in 1usize..25, canvas in 0usize..50, fixed in 0usize..50
    ) {
        let w = Window { first, last: first + extra };
        for placement in [Placement::Contained, Placement::StartInside, Placement::Fixed(fixed)] {
            let want: Vec<usize> = (0..canvas).filter(|&k| {
                let end = k + len - 1;
                end < canvas && match placement {
                    Placement::Contained => k >= w.first && end <= w.last,
                    Placement::StartInside => k >= w.first && k <= w.last,
                    Placement::Fixed(f) => k == f,
                }
            }).collect();
            match w.starts(placement, len, canvas) {
                Ok(range) => prop_assert_eq!(range.collect::<Vec<_>>(), want),
                Err(_) => prop_assert!(want.is_empty()),
            }
        }
    }
}
