//! Block diffusion: blocks on a grid of the canvas, the exact cache, stops, revisions.

use crate::block_causal::{self, BLOCK};
use crate::{ask, decode, decode_in, ends, one, prompt};
use mosa_core::{Canvas, Cause};
use mosa_engine::{
    Answer, Batching, BlockQuota, CacheMode, Commit, Editing, EngineError, Finish, Flow, Intervention, Options,
    Request, Schedule, Step,
};
use mosa_model::{DenoisingModel, Transformer};
use tch::{Device, Kind};

/// Of the same shape, with weights that make some tokens likely.
fn model() -> Transformer {
    Transformer::random(block_causal::model().config(), 3, Kind::Float, Device::Cpu).unwrap()
}

fn options(model: &Transformer, gen_length: usize) -> Options {
    let schedule = Schedule::BlockDiffusion { block_length: BLOCK, quota: BlockQuota::Steps(4), editing: None };
    let commit = Commit::Dynamic(0.5);
    Options { gen_length, schedule, commit, block_stops: Vec::new(), ..Options::block_diffusion(ends(model), BLOCK) }
}

fn editing(model: &Transformer, gen_length: usize) -> Options {
    let editing = Some(Editing { threshold: 0.02, max_post_steps: 3 });
    let schedule = Schedule::BlockDiffusion { block_length: BLOCK, quota: BlockQuota::PerStep(1), editing };
    Options { schedule, commit: Commit::Dynamic(0.05), ..options(model, gen_length) }
}

/// Prompts that end inside a block, at its end, and in the first one.
fn requests() -> Vec<Request> {
    [(1, 3), (2, 11), (3, 16), (4, 29)].map(|(n, len)| ask(&format!("p{n}"), prompt(n, len))).into()
}

fn uncached(options: &Options) -> Options {
    Options { cache: CacheMode::None, ..options.clone() }
}

/// What was written when, without what the passes computed.
fn written(answer: &Answer) -> Vec<(Step, usize, u32, Cause)> {
    let edits = answer.trace.steps.iter().flat_map(|s| s.edits.iter().map(|e| (s.step, e.position, e.token, e.cause)));
    edits.collect()
}

#[test]
fn the_exact_cache_changes_no_step_and_computes_a_block_at_a_time() {
    let model = model();
    for options in [options(&model, 30), editing(&model, 30)] {
        let cached = decode(&model, &options, requests()).unwrap();
        let plain = decode(&model, &uncached(&options), requests()).unwrap();
        for (a, b) in cached.iter().zip(&plain) {
            assert_eq!(written(a), written(b));
            assert_eq!((&a.ids, a.forwards), (&b.ids, b.forwards));
            assert!(a.trace.steps.iter().filter(|s| s.step.block > 1).all(|s| !s.full), "a whole canvas was computed");
        }
    }
}

#[test]
fn a_row_has_the_same_bits_in_any_company_and_the_same_tokens_in_shared_passes() {
    let model = model();
    for options in [options(&model, 30), editing(&model, 30)] {
        let together = decode(&model, &options, requests()).unwrap();
        let alone: Vec<Answer> = requests().into_iter().map(|r| one(&model, &options, r)).collect();
        assert_eq!(together, alone);
        let shared = decode_in(Batching::SHARED, &model, &options, requests()).unwrap();
        for (a, b) in shared.iter().zip(&alone) {
            assert_eq!(written(a), written(b));
        }
    }
}

#[test]
fn what_the_last_block_has_beyond_the_response_is_seen_but_no_part_of_the_answer() {
    let model = model();
    let answer = one(&model, &options(&model, 30), ask("p", prompt(2, 11)));
    assert_eq!((answer.ids.len(), &answer.finish), (30, &Finish::Length));
    let last = answer.trace.steps.iter().flat_map(|s| &s.edits).map(|e| e.position).max();
    // 11 + 30 = 41 positions are 48 in whole blocks.
    assert_eq!(last, Some(47));
    let whole = one(&model, &options(&model, 37), ask("p", prompt(2, 11)));
    assert_eq!((whole.ids.len(), &whole.ids[..30]), (37, &answer.ids[..]));
    let schedule = Schedule::BlockDiffusion { block_length: 10, quota: BlockQuota::Steps(4), editing: None };
    let long = Options { schedule, ..options(&model, 84) };
    let error = decode(&model, &long, vec![ask("p", prompt(2, 11))]).unwrap_err().to_string();
    assert!(error.contains("gen-length 84 (89 in whole blocks)"), "{error}");
}

/// Tokens given behind the current block are seen by their own block and later ones.
#[test]
fn given_tokens_anywhere_stay_and_are_seen_by_whoever_may_attend_to_them() {
    let model = model();
    for options in [options(&model, 32), editing(&model, 32)] {
        let plain = one(&model, &options, ask("p", prompt(3, 16)));
        let forced = one(&model, &options, ask("p", prompt(3, 16)).with_forced([(17, 9), (21, 7)]));
        assert_eq!(forced.ids[..16], plain.ids[..16]);
        assert_eq!([forced.ids[17], forced.ids[21]], [9, 7]);
        assert_ne!(forced.ids[16..], plain.ids[16..]);
        let whole = one(&model, &options, ask("p", prompt(3, 16)).with_forced((0..8).map(|k| (k, 3 + k as u32))));
        assert_eq!(whole.ids[..8], [3, 4, 5, 6, 7, 8, 9, 10], "a block without masks takes no step");
        assert!(whole.trace.steps.iter().all(|s| s.step.block > 0 || s.edits.iter().all(|e| e.cause == Cause::Forced)));
    }
}

#[test]
fn revisions_go_through_the_canvas_and_never_touch_what_was_given() {
    let model = model();
    let answer = one(&model, &editing(&model, 32), ask("p", prompt(1, 11)).with_forced([(2, 9), (12, 7)]));
    let mut canvas = Canvas::new(&prompt(1, 11), answer.ids.len(), model.spec().mask);
    let (mut revised, mut positions) = (0, Vec::new());
    for step in &answer.trace.steps {
        positions.clear();
        for edit in step.edits.iter().filter(|e| e.position < 43) {
            assert_eq!(canvas.tokens()[edit.position], edit.before);
            match edit.cause {
                Cause::Forced => canvas.force(edit.position, edit.token).unwrap(),
                Cause::Committed => {
                    positions.push(edit.position);
                    canvas.commit(edit.position, edit.token, 0.5).unwrap();
                }
                Cause::Revised => {
                    assert!(!positions.contains(&edit.position), "revealed and revised in one step");
                    assert!(edit.confidence.unwrap() > 0.02 && edit.before != edit.token);
                    let block = step.step.block * BLOCK + BLOCK;
                    assert!((block..block + BLOCK).contains(&edit.position), "another block was revised: {edit:?}");
                    canvas.revise(edit.position, edit.token, 0.5).unwrap();
                    revised += 1;
                }
                Cause::Remasked => panic!("nobody remasks"),
            }
        }
    }
    assert!(revised > 0, "the threshold is low enough for some");
    assert_eq!(canvas.response(), answer.ids);
    assert_eq!([answer.ids[2], answer.ids[12]], [9, 7]);
}

#[test]
fn steps_behind_the_last_mask_are_bounded_and_end_when_nothing_changes() {
    let model = model();
    for most in [0, 1, 2, 6] {
        let editing = Some(Editing { threshold: 0.02, max_post_steps: most });
        let schedule = Schedule::BlockDiffusion { block_length: BLOCK, quota: BlockQuota::PerStep(BLOCK), editing };
        let options = Options { schedule, ..options(&model, 16) };
        let answer = one(&model, &options, ask("p", prompt(3, 16)));
        // Each of two blocks is revealed in one step.
        assert!(
            answer.forwards >= 2 + 2 * most.min(1) && answer.forwards <= 2 + 2 * most,
            "{most}: {}",
            answer.forwards
        );
    }
    let never = Some(Editing { threshold: 1.0, max_post_steps: 5 });
    let schedule = Schedule::BlockDiffusion { block_length: BLOCK, quota: BlockQuota::PerStep(2), editing: never };
    let with = one(&model, &Options { schedule, ..options(&model, 16) }, ask("p", prompt(3, 16)));
    let schedule = Schedule::BlockDiffusion { block_length: BLOCK, quota: BlockQuota::PerStep(2), editing: None };
    let without = one(&model, &Options { schedule, ..options(&model, 16) }, ask("p", prompt(3, 16)));
    assert_eq!(
        (with.ids, with.forwards),
        (without.ids, without.forwards + 2),
        "one step a block finds nothing to change"
    );
}

#[test]
fn a_row_stops_behind_the_block_in_which_an_end_was_revealed() {
    let model = model();
    let free = one(&model, &options(&model, 32), ask("p", prompt(3, 16)));
    let stop = free.ids[11];
    let at = free.ids.iter().position(|t| *t == stop).unwrap();
    let stops = Options { block_stops: vec![stop], ..options(&model, 32) };
    let answer = one(&model, &stops, ask("p", prompt(3, 16)));
    let end = (at / BLOCK + 1) * BLOCK;
    assert_eq!(answer.ids, free.ids[..end], "the block is completed, no later one is begun");
    assert!(!matches!(answer.finish, Finish::Unfinished { .. }), "{:?}", answer.finish);
    // An end in the prompt, or one that was given, is none.
    let mut asked = prompt(3, 16);
    asked[4] = stop;
    assert_eq!(
        one(&model, &Options { block_stops: vec![asked[4]], ..options(&model, 8) }, ask("p", asked)).ids.len(),
        8
    );
    let forced = one(
        &model,
        &Options { block_stops: vec![9], ..options(&model, 32) },
        ask("p", prompt(3, 16)).with_forced([(1, 9)]),
    );
    assert!(forced.ids.len() > 8, "{:?}", forced.ids);
}

#[test]
fn an_end_that_may_still_be_revised_does_not_end_its_block() {
    let model = model();
    let mut cut = 0;
    for n in 0..12 {
        let request = || ask("p", prompt(n, 11));
        let free = one(&model, &editing(&model, 32), request());
        for &eos in &free.ids[..28] {
            let base = Options { ends: mosa_engine::Ends { eos, eot: None }, ..editing(&model, 32) };
            let stopped = one(&model, &Options { stop_at_end: true, ..base.clone() }, request());
            let at = free.ids.iter().position(|t| *t == eos).unwrap();
            assert_eq!(stopped.ids, free.ids[..=at], "prompt {n}, end {eos}");
            cut += usize::from(stopped.forwards < free.forwards);
        }
    }
    assert!(cut > 0, "no row was shorter");
}

/// Masks what stands at `position` again, once, before the first step of block 2.
struct Reopen {
    position: usize,
}

impl Intervention for Reopen {
    fn name(&self) -> &str {
        "reopen"
    }

    fn edit_canvas(&mut self, step: Step, canvas: &mut Canvas) -> Result<(), EngineError> {
        if (step.block, step.step) == (2, 0) {
            canvas.remask(self.position)?;
        }
        Ok(())
    }
}

#[test]
fn a_position_masked_again_in_an_earlier_block_is_revealed_again_and_the_cache_follows() {
    let model = model();
    for position in [18, 25] {
        let request = || ask("p", prompt(3, 16)).with_interventions(vec![Box::new(Reopen { position })]);
        let options = options(&model, 40);
        let (cached, plain) = (one(&model, &options, request()), one(&model, &uncached(&options), request()));
        assert_eq!((cached.ids.len(), &cached.finish), (40, &Finish::Length));
        assert_eq!(written(&cached), written(&plain));
        let again = cached.trace.steps.iter().flat_map(|s| &s.edits).filter(|e| e.position == position);
        assert_eq!(again.map(|e| e.cause).collect::<Vec<_>>(), [Cause::Committed, Cause::Remasked, Cause::Committed]);
    }
}

/// Masks the last position of the response's first block again after the block, and asks for steps.
struct Again(bool);

impl Intervention for Again {
    fn name(&self) -> &str {
        "again"
    }

    fn after_block(&mut self, step: Step, canvas: &mut Canvas) -> Result<Flow, EngineError> {
        if step.block > 0 || std::mem::replace(&mut self.0, true) {
            return Ok(Flow::Continue);
        }
        canvas.remask(23)?;
        Ok(Flow::Repeat { steps: 2 })
    }
}

#[test]
fn a_block_may_be_repeated_before_the_next_is_begun() {
    let model = model();
    let request = ask("p", prompt(3, 16)).with_interventions(vec![Box::new(Again(false))]);
    let answer = one(&model, &options(&model, 24), request);
    let blocks: Vec<usize> = answer.trace.steps.iter().map(|s| s.step.block).collect();
    assert!(blocks.windows(2).all(|b| b[0] <= b[1]), "{blocks:?}");
    let causes = answer.trace.steps.iter().flat_map(|s| &s.edits).filter(|e| e.position == 23).map(|e| e.cause);
    assert_eq!(causes.collect::<Vec<_>>(), [Cause::Committed, Cause::Remasked, Cause::Committed]);
}

#[test]
fn gaps_in_the_prompt_are_filled_before_the_response_is_begun() {
    let model = model();
    let mut gapped = prompt(4, 29);
    (5..8).for_each(|p| gapped[p] = model.spec().mask);
    let cached = one(&model, &options(&model, 16), ask("p", gapped.clone()).with_infill());
    let plain = one(&model, &uncached(&options(&model, 16)), ask("p", gapped.clone()).with_infill());
    assert_eq!((written(&cached), &cached.prompt), (written(&plain), &plain.prompt));
    let filled = cached.prompt.unwrap();
    assert!(!filled.contains(&model.spec().mask));
    assert_eq!((&filled[..5], &filled[8..]), (&gapped[..5], &gapped[8..]));
    let first: Vec<usize> = cached.trace.steps.iter().flat_map(|s| &s.edits).map(|e| e.position).take(3).collect();
    assert!(first.iter().all(|p| (5..8).contains(p)), "{first:?}");
}

#[test]
fn what_the_family_does_not_have_is_refused_by_name() {
    let model = model();
    let base = || options(&model, 16);
    let schedule = |block_length, quota, editing| Schedule::BlockDiffusion { block_length, quota, editing };
    let bad = [
        ("cfg-scale", Options { cfg_scale: 1.0, ..base() }),
        ("cache", Options { cache: CacheMode::Dual, ..base() }),
        ("cache", Options { cache: CacheMode::Block, ..crate::blocks(&model, 16, 16, 16) }),
        ("alg", Options { commit: Commit::Origin, ..base() }),
        ("alg-temp", Options { rank_temperature: Some(0.5), ..base() }),
        ("block-length", Options { schedule: schedule(0, BlockQuota::Steps(4), None), ..base() }),
        ("steps", Options { schedule: schedule(8, BlockQuota::Steps(0), None), ..base() }),
        ("num-to-transfer", Options { schedule: schedule(8, BlockQuota::PerStep(0), None), ..base() }),
        ("threshold", Options { commit: Commit::Dynamic(f64::NAN), ..base() }),
        ("eb-threshold", Options { commit: Commit::EntropyBounded(0.0), ..base() }),
    ];
    for (name, options) in bad {
        match options.check(model.spec()) {
            Err(EngineError::Option { option, .. }) => assert_eq!(option, name),
            other => panic!("{name}: {other:?}"),
        }
    }
    let full = crate::load("llada");
    let error = options(&model, 16).check(full.spec()).unwrap_err().to_string();
    assert!(error.contains("sampler") && error.contains("LLaDA"), "{error}");
}

#[test]
fn every_policy_reveals_every_position_once() {
    let model = model();
    for commit in [
        Commit::LeftToRight,
        Commit::LowConfidence,
        Commit::Random,
        Commit::Dynamic(0.2),
        Commit::EntropyBounded(3.0),
        Commit::Threshold(0.3),
        Commit::Factor(1.0),
    ] {
        for (temperature, top_p, top_k) in [(0.0, None, None), (0.8, Some(0.9), Some(20))] {
            let options = Options { commit, temperature, top_p, top_k, ..options(&model, 24) };
            let answer = one(&model, &options, ask("p", prompt(2, 8)));
            let mut at: Vec<usize> = answer.trace.steps.iter().flat_map(|s| &s.edits).map(|e| e.position).collect();
            let blocks: Vec<usize> = at.iter().map(|p| p / BLOCK).collect();
            assert!(blocks.windows(2).all(|b| b[0] <= b[1]), "{commit:?}: block after block");
            at.sort_unstable();
            assert_eq!(at, (8..32).collect::<Vec<_>>(), "{commit:?}");
        }
    }
}
