//! No way to end leaves a mask in an answer.

use crate::{blocks, decode, load_on, on_devices, one, request};
use mosa_core::{Canvas, Cause};
use mosa_engine::{
    Answer, CacheMode, Commit, EngineError, Finish, Flow, Intervention, MaskRule, Options, RevealCount, Schedule, Step,
};
use mosa_model::DenoisingModel;

/// The numbers of committed positions, step by step, behind the last block.
fn behind(answer: &Answer, blocks: usize) -> Vec<usize> {
    let commits = |s: &mosa_engine::StepRecord| s.edits.iter().filter(|e| e.cause == Cause::Committed).count();
    answer.trace.steps.iter().filter(|s| s.step.block == blocks).map(commits).collect()
}

#[test]
fn masks_in_a_prompt_are_refused_unless_infilling_is_asked_for() {
    on_devices(|device| {
        let model = load_on("llada", device);
        let mask = model.spec().mask;
        let options = blocks(&model, 8, 8, 8);
        let holes = || crate::ask("holes", vec![5, mask, 6, mask, 7]);
        let error = holes().with_options(&options).check(model.spec()).unwrap_err();
        assert!(matches!(&error, EngineError::Request { id, .. } if id == "holes"), "{error}");
        let text = error.to_string();
        assert!(text.contains("token 1 of the prompt") && text.contains("--infill"), "{text}");
        assert!(decode(&model, &options, vec![request(0, 5), holes()]).is_err());
        holes().with_infill().with_options(&options).check(model.spec()).unwrap();
        assert_eq!(one(&model, &options, request(0, 5)).prompt, None);
    });
}

#[test]
fn infilling_fills_every_gap_of_the_prompt_and_every_position_of_the_response() {
    on_devices(|device| {
        let model = load_on("llada", device);
        let mask = model.spec().mask;
        let prompt = vec![5, mask, 6, mask, 7, mask];
        let base = blocks(&model, 8, 4, 4);
        for options in [
            base.clone(),
            Options { stop_at_end: true, ..base.clone() },
            Options { commit: Commit::Threshold(0.9), ..base.clone() },
            Options { cache: CacheMode::Dual, ..base.clone() },
            Options {
                gen_length: 8,
                schedule: Schedule::Timesteps { steps: 3, eps: 1e-3, count: RevealCount::PerRow },
                ..base
            },
        ] {
            let answer = one(&model, &options, crate::ask("holes", prompt.clone()).with_infill());
            assert!(!answer.ids.contains(&mask), "{options:?}: {:?}", answer.ids);
            let filled = answer.prompt.unwrap();
            assert_eq!((filled[0], filled[2], filled[4], filled.len()), (5, 6, 7, 6));
            assert!(!filled.contains(&mask), "{options:?}: {filled:?}");
        }
    });
}

#[test]
fn a_mask_cannot_be_forced() {
    on_devices(|device| {
        let model = load_on("llada", device);
        let error = request(0, 5)
            .with_forced([(2, 9), (3, model.spec().mask)])
            .with_options(&blocks(&model, 8, 8, 8))
            .check(model.spec())
            .unwrap_err()
            .to_string();
        assert!(error.contains("mask token is forced at response offset 3"), "{error}");
    });
}

#[test]
fn any_number_of_steps_reveals_everything() {
    on_devices(|device| {
        for name in ["llada", "dream", "mmada"] {
            let model = load_on(name, device);
            let mask = model.spec().mask;
            let timesteps = |steps, count, commit| Options {
                gen_length: 16,
                schedule: Schedule::Timesteps { steps, eps: 1e-3, count },
                commit,
                ..Options::dream(blocks(&model, 16, 8, 8).ends)
            };
            for options in [
                blocks(&model, 16, 2, 8),
                blocks(&model, 16, 16, 1),
                Options { mask_rule: MaskRule::Allow, ..blocks(&model, 16, 4, 4) },
                timesteps(1, RevealCount::PerRow, Commit::Origin),
                timesteps(1, RevealCount::PerRow, Commit::Entropy),
                timesteps(50, RevealCount::PerRow, Commit::LowConfidence),
                // The mean over rows with another number of masks leaves some of the longer ones.
                timesteps(5, RevealCount::BatchMean, Commit::LowConfidence),
            ] {
                let rows = vec![request(0, 6), request(1, 7).with_forced((0..9).map(|k| (k, 3)))];
                for answer in decode(&model, &options, rows).unwrap() {
                    assert_eq!(answer.ids.len(), 16);
                    assert!(!answer.ids.contains(&mask), "{name} {options:?}: {:?}", answer.ids);
                    assert!(matches!(answer.finish, Finish::End | Finish::Length));
                }
            }
        }
    });
}

/// Masks the last positions of the response again: after a block, or before every step.
struct Remask {
    after_block: Option<usize>,
    before_steps: bool,
}

impl Remask {
    fn now(canvas: &mut Canvas) -> Result<(), EngineError> {
        let len = canvas.len();
        for position in len - 3..len {
            if !canvas.is_masked(position) {
                canvas.remask(position)?;
            }
        }
        Ok(())
    }
}

impl Intervention for Remask {
    fn name(&self) -> &str {
        "remask"
    }

    fn edit_canvas(&mut self, _: Step, canvas: &mut Canvas) -> Result<(), EngineError> {
        if self.before_steps { Self::now(canvas) } else { Ok(()) }
    }

    fn after_block(&mut self, step: Step, canvas: &mut Canvas) -> Result<Flow, EngineError> {
        if self.after_block == Some(step.block) {
            Self::now(canvas)?;
        }
        Ok(Flow::Continue)
    }
}

#[test]
fn what_is_masked_again_after_the_last_block_is_revealed_at_the_schedules_pace() {
    on_devices(|device| {
        let model = load_on("llada", device);
        for cache in [CacheMode::None, CacheMode::Prefix, CacheMode::Dual] {
            let options = Options { cache, ..blocks(&model, 16, 8, 8) };
            let remask = Remask { after_block: Some(1), before_steps: false };
            let answer = one(&model, &options, request(0, 8).with_interventions(vec![Box::new(remask)]));
            assert!(answer.ids.len() == 16 && !answer.ids.contains(&model.spec().mask));
            // Two positions per step, as in the blocks.
            assert_eq!(behind(&answer, 2), [2, 1]);
            assert_eq!(answer.forwards, 8 + 2);
        }
    });
}

#[test]
fn a_row_that_is_masked_again_for_ever_ends_complete_or_says_how_many_are_left() {
    on_devices(|device| {
        let model = load_on("llada", device);
        let mask = model.spec().mask;
        let with = |commit| {
            let remask = Remask { after_block: Some(1), before_steps: true };
            let options = Options { commit, ..blocks(&model, 16, 16, 8) };
            one(&model, &options, request(0, 8).with_interventions(vec![Box::new(remask)]))
        };
        // A quota reveals whatever is left in its last step.
        let complete = with(Commit::LowConfidence);
        assert!(complete.ids.len() == 16 && !complete.ids.contains(&mask));
        // A threshold of 1 reveals one position per step, and three are masked again before each.
        let answer = with(Commit::Threshold(1.0));
        assert_eq!(answer.finish.name(), "unfinished");
        let Finish::Unfinished { masks } = answer.finish else { panic!("{:?}", answer.finish) };
        assert!(masks > 0 && masks <= 16 - answer.ids.len(), "{masks} {:?}", answer.ids);
        assert!(!answer.ids.contains(&mask));
    });
}
