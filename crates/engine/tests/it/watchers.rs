//! Interventions that only watch: the row is decoded as if there were none, until they end it.

use crate::{blocks, load, one, request};
use mosa_core::Canvas;
use mosa_engine::{
    Answer, CacheMode, Commit, EngineError, Finish, Flow, Intervention, MaskRule, Options, RevealCount, Schedule, Step,
};
use mosa_model::Transformer;
use proptest::prelude::*;

/// Ends a row once a token stands in the answer with nothing masked before it.
struct UntilToken {
    token: u32,
    watches: bool,
}

impl UntilToken {
    fn found(&self, canvas: &Canvas) -> bool {
        canvas.response().iter().take_while(|t| **t != canvas.mask()).any(|t| *t == self.token)
    }
}

impl Intervention for UntilToken {
    fn name(&self) -> &str {
        "until-token"
    }

    fn only_watches(&self) -> bool {
        self.watches
    }

    fn is_over(&mut self, _: Step, canvas: &Canvas) -> Result<bool, EngineError> {
        assert!(self.watches, "only those that watch are asked between blocks");
        Ok(self.found(canvas))
    }

    fn after_block(&mut self, _: Step, canvas: &mut Canvas) -> Result<Flow, EngineError> {
        Ok(if self.found(canvas) { Flow::Stop } else { Flow::Continue })
    }
}

fn samplers(model: &Transformer) -> Vec<Options> {
    let base = blocks(model, 16, 8, 8);
    let schedule = Schedule::Timesteps { steps: 24, eps: 1e-3, count: RevealCount::PerRow };
    let dream = Options { gen_length: 16, schedule, ..Options::dream(base.ends) };
    vec![
        base.clone(),
        Options { stop_at_end: true, temperature: 0.8, ..base.clone() },
        Options { cache: CacheMode::Dual, temperature: 1.5, ..base.clone() },
        Options { cache: CacheMode::Prefix, commit: Commit::Threshold(0.3), ..base.clone() },
        Options { schedule: Schedule::Blocks { steps: 32, block_length: 8 }, stop_at_end: true, ..base.clone() },
        Options { commit: Commit::LeftToRight, cfg_scale: 1.0, temperature: 1.0, ..base.clone() },
        Options { mask_rule: MaskRule::Allow, temperature: 3.0, ..base },
        Options { temperature: 0.7, stop_at_end: true, ..dream },
    ]
}

/// What stands before the first of a token, and whether there is one.
fn before(answer: &Answer, token: u32) -> (&[u32], bool) {
    let end = answer.ids.iter().position(|t| *t == token);
    (&answer.ids[..end.unwrap_or(answer.ids.len())], end.is_some())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn an_answer_up_to_what_ends_it_is_the_one_it_would_have_been(
        number in 0usize..1000, sampler in 0usize..8, place in 0usize..16
    ) {
        let model = load(if number.is_multiple_of(2) { "llada" } else { "dream" });
        let options = &samplers(&model)[sampler];
        let plain = one(&model, options, request(number, 5 + number % 7));
        let token = plain.ids[place.min(plain.ids.len() - 1)];
        let watching = request(number, 5 + number % 7)
            .with_interventions(vec![Box::new(UntilToken { token, watches: true })]);
        let ended = one(&model, options, watching);
        prop_assert_eq!(before(&ended, token), before(&plain, token));
        prop_assert!(ended.forwards <= plain.forwards);
        let whole = ended.ids.len() == plain.ids.len();
        prop_assert!(whole || ended.finish == Finish::Stopped("until-token".into()), "{:?}", ended.finish);
        // One that never finds anything changes nothing at all.
        let nothing = UntilToken { token: u32::MAX, watches: true };
        let watched = one(&model, options, request(number, 5 + number % 7).with_interventions(vec![Box::new(nothing)]));
        prop_assert_eq!(watched, plain);
    }
}

#[test]
fn a_row_ends_in_the_step_that_completes_what_is_waited_for() {
    let model = load("llada");
    let options = Options { commit: Commit::LeftToRight, ..blocks(&model, 16, 16, 16) };
    let plain = one(&model, &options, request(3, 6));
    let token = plain.ids[5];
    let first = plain.ids.iter().position(|t| *t == token).unwrap();
    let ended = |watches| {
        one(&model, &options, request(3, 6).with_interventions(vec![Box::new(UntilToken { token, watches })]))
    };
    assert_eq!((ended(true).forwards, plain.forwards), (first + 1, 16));
    assert_eq!(ended(true).ids, plain.ids[..=first]);
    assert_eq!(ended(false).forwards, 16, "what may act is asked behind the block");
}
