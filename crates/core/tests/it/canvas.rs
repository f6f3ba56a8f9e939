use mosa_core::{Canvas, CanvasError, Cause};
use proptest::prelude::*;

const MASK: u32 = 9;

#[test]
fn a_new_canvas_is_the_prompt_followed_by_masks() {
    let c = Canvas::new(&[1, 2], 3, MASK);
    assert_eq!(c.tokens(), [1, 2, 9, 9, 9]);
    assert_eq!((c.response_start(), c.len()), (2, 5));
    assert_eq!(c.masked(0..c.len()), [2, 3, 4]);
}

#[test]
fn masks_inside_the_prompt_are_positions_to_reveal_and_are_not_given() {
    let c = Canvas::new(&[1, MASK, 2], 1, MASK);
    assert_eq!(c.masked(0..c.len()), [1, 3]);
    assert_eq!(c.unconditional(), [9, 9, 9, 9]);
}

#[test]
fn committing_twice_is_refused_and_changes_nothing() {
    let mut c = Canvas::new(&[1], 2, MASK);
    c.commit(1, 5, 0.5).unwrap();
    let before = c.clone();
    assert_eq!(c.commit(1, 6, 0.5), Err(CanvasError::NotMasked { position: 1, token: 5 }));
    assert_eq!(c.commit(3, 6, 0.5), Err(CanvasError::Outside { position: 3, len: 3 }));
    assert_eq!(c, before);
}

#[test]
fn forced_tokens_count_as_given_for_guidance_and_committed_ones_do_not() {
    let mut c = Canvas::new(&[1], 3, MASK);
    c.force(1, 4).unwrap();
    c.commit(2, 5, 1.0).unwrap();
    assert_eq!(c.unconditional(), [9, 9, 5, 9]);
    c.remask(1).unwrap();
    c.commit(1, 6, 1.0).unwrap();
    assert_eq!(c.unconditional(), [9, 6, 5, 9]);
}

#[test]
fn an_end_counts_as_settled_only_when_nothing_before_it_is_masked() {
    let mut c = Canvas::new(&[1], 4, MASK);
    c.commit(3, 7, 1.0).unwrap();
    assert_eq!(c.settled_end(&[7]), None);
    c.commit(1, 5, 1.0).unwrap();
    assert_eq!(c.settled_end(&[7]), None);
    c.commit(2, 5, 1.0).unwrap();
    assert_eq!(c.settled_end(&[7]), Some(3));
    assert_eq!(c.settled_end(&[5, 7]), Some(1));
}

#[test]
fn an_end_before_given_tokens_does_not_end_the_answer() {
    let mut c = Canvas::new(&[1], 4, MASK);
    c.force(3, 5).unwrap();
    c.commit(1, 7, 1.0).unwrap();
    c.commit(2, 6, 1.0).unwrap();
    assert_eq!(c.settled_end(&[7]), None);
    c.commit(4, 7, 1.0).unwrap();
    assert_eq!(c.settled_end(&[7]), Some(4));
}

#[test]
fn only_what_the_sampler_revealed_can_be_revised() {
    let mut c = Canvas::new(&[1], 3, MASK);
    c.force(2, 5).unwrap();
    c.commit(1, 6, 0.5).unwrap();
    assert_eq!([0, 1, 2, 3, 4].map(|p| c.is_revealed(p)), [false, true, false, false, false]);
    c.revise(1, 7, 0.9).unwrap();
    assert_eq!(c.response(), [7, 5, MASK]);
    for position in [0, 2, 3] {
        assert_eq!(c.revise(position, 8, 0.9), Err(CanvasError::NotRevealed { position }));
    }
    assert_eq!(c.revise(4, 8, 0.9), Err(CanvasError::Outside { position: 4, len: 4 }));
}

proptest! {
    #[test]
    fn replaying_the_edits_of_a_canvas_gives_its_tokens(ops in prop::collection::vec((0usize..12, 0u32..9, 0u8..4), 0..40)) {
        let mut c = Canvas::new(&[1, 2, MASK], 8, MASK);
        let mut replay = c.tokens().to_vec();
        let mut accepted = 0;
        for (p, t, kind) in ops {
            let ok = match kind {
                0 => c.force(p, t).is_ok(),
                1 => c.commit(p, t, 0.1).is_ok(),
                2 => c.revise(p, t, 0.2).is_ok(),
                _ => c.remask(p).is_ok(),
            };
            accepted += usize::from(ok);
        }
        let edits = c.take_edits();
        prop_assert_eq!(edits.len(), accepted);
        for e in edits {
            prop_assert_eq!(replay[e.position], e.before);
            prop_assert_eq!(e.confidence.is_some(), matches!(e.cause, Cause::Committed | Cause::Revised));
            replay[e.position] = e.token;
        }
        prop_assert_eq!(&replay, c.tokens());
        prop_assert!(c.take_edits().is_empty());
    }
}
