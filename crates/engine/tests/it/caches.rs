//! Cached keys and values, and what happens outside the window that a cached pass computes.

use crate::{blocks, load_on, on_devices, one, request};
use mosa_core::{Canvas, Cause};
use mosa_engine::{Answer, CacheMode, EngineError, Flow, HiddenAt, Intervention, Options, Step};
use mosa_model::{Call, DenoisingModel, Transformer};
use std::sync::{Arc, Mutex};
use tch::Tensor;

const CACHES: [CacheMode; 2] = [CacheMode::Prefix, CacheMode::Dual];

/// The canvas a pass was about, and what it returned.
struct Seen {
    clock: u64,
    canvas: Vec<u32>,
    positions: Vec<usize>,
    logits: Tensor,
}

/// Writes tokens (none: a mask) at canvas positions before one step, and keeps what every pass returns.
struct Spy {
    clock: u64,
    writes: Vec<(usize, Option<u32>)>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Intervention for Spy {
    fn name(&self) -> &str {
        "spy"
    }

    fn edit_canvas(&mut self, step: Step, canvas: &mut Canvas) -> Result<(), EngineError> {
        for &(position, token) in self.writes.iter().filter(|_| step.clock == self.clock) {
            match token {
                Some(token) => canvas.force(position, token)?,
                None => canvas.remask(position)?,
            }
        }
        Ok(())
    }

    fn edit_logits(
        &mut self,
        step: Step,
        canvas: &Canvas,
        positions: &[usize],
        logits: Tensor,
    ) -> Result<Tensor, EngineError> {
        let (canvas, positions) = (canvas.tokens().to_vec(), positions.to_vec());
        self.seen.lock().unwrap().push(Seen { clock: step.clock, canvas, positions, logits: logits.copy() });
        Ok(logits)
    }
}

/// A decode of three blocks with four steps each behind a prompt of 9 tokens.
fn spied(
    model: &Transformer,
    cache: CacheMode,
    (clock, writes): (u64, Vec<(usize, Option<u32>)>),
) -> (Answer, Vec<Seen>) {
    let options = Options { cache, ..blocks(model, 24, 12, 8) };
    let seen = Arc::new(Mutex::new(Vec::new()));
    let spy = Spy { clock, writes, seen: Arc::clone(&seen) };
    let answer = one(model, &options, request(3, 9).with_interventions(vec![Box::new(spy)]));
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    (answer, seen)
}

/// Largest distance of what a pass returned from a pass over its whole canvas.
fn distance(model: &Transformer, seen: &Seen) -> f64 {
    let want: Vec<_> = seen.positions.iter().map(|&p| (0, p)).collect();
    let fresh = tch::no_grad(|| model.forward(Call::new(&[&seen.canvas], &want))).unwrap();
    (fresh - &seen.logits).abs().max().double_value(&[])
}

fn full_steps(answer: &Answer) -> Vec<u64> {
    answer
        .trace
        .steps
        .iter()
        .filter(|s| s.full && s.edits.iter().any(|e| e.cause == Cause::Committed))
        .map(|s| s.step.clock)
        .collect()
}

#[test]
fn what_is_written_outside_the_window_is_seen_by_the_very_next_pass() {
    on_devices(|device| {
        let model = load_on("llada", device);
        for cache in CACHES {
            // In the prompt, in the block before, and in the one behind (which a prefix cache computes anyway).
            for (position, refilled) in [(2, true), (9 + 3, true), (9 + 20, cache == CacheMode::Dual)] {
                let (answer, seen) = spied(&model, cache, (5, vec![(position, Some(77))]));
                let at = |clock| seen.iter().find(|s| s.clock == clock).unwrap();
                assert_eq!(at(5).canvas[position], 77);
                let off = distance(&model, at(5));
                if refilled {
                    assert!(off < 1e-4, "{cache:?} {position}: {off}");
                    assert_eq!(full_steps(&answer), [0, 4, 5, 8], "{cache:?} {position}");
                } else {
                    assert_eq!(full_steps(&answer), [0, 4, 8], "{cache:?} {position}");
                }
            }
        }
    });
}

#[test]
fn an_answer_goes_on_from_the_refilled_cache_as_from_a_whole_pass() {
    on_devices(|device| {
        let model = load_on("llada", device);
        for cache in CACHES {
            let (cached, seen) = spied(&model, cache, (5, vec![(2, Some(77)), (4, Some(78))]));
            let at_write = seen.iter().find(|s| s.clock == 5).unwrap();
            // What a pass without any cache would commit on that canvas: the two surest tokens.
            let options = blocks(&model, 24, 12, 8);
            let all: Vec<(usize, u32)> =
                (9..33).map(|p| (p - 9, at_write.canvas[p])).filter(|(_, t)| *t != model.spec().mask).collect();
            let prompt = at_write.canvas[..9].to_vec();
            let fresh = one(&model, &options, crate::ask("p3", prompt).with_forced(all));
            let commits = |answer: &Answer, clock: u64| {
                let step = answer.trace.steps.iter().find(|s| s.step.clock == clock).unwrap();
                let commits = step.edits.iter().filter(|e| e.cause == Cause::Committed);
                commits.map(|e| (e.position, e.token)).collect::<Vec<_>>()
            };
            let first = fresh.trace.steps.iter().find(|s| s.edits.iter().any(|e| e.cause == Cause::Committed)).unwrap();
            let first: Vec<_> =
                first.edits.iter().filter(|e| e.cause == Cause::Committed).map(|e| (e.position, e.token)).collect();
            assert_eq!(commits(&cached, 5), first);
        }
    });
}

#[test]
fn without_such_writes_a_cache_is_filled_once_a_block_and_nothing_else_changes() {
    on_devices(|device| {
        let model = load_on("llada", device);
        for cache in CACHES {
            let options = Options { cache, ..blocks(&model, 24, 12, 8) };
            let plain = one(&model, &options, request(3, 9));
            let (watched, seen) = spied(&model, cache, (99, Vec::new()));
            assert_eq!((&plain.ids, plain.forwards), (&watched.ids, 12));
            assert_eq!(full_steps(&plain), [0, 4, 8]);
            assert_eq!(full_steps(&watched), [0, 4, 8]);
            // The cached passes are approximate, or this file would test nothing.
            assert!(seen.iter().any(|s| distance(&model, s) > 1e-2));
            // A write inside the window needs no refill.
            let (written, _) = spied(&model, cache, (5, vec![(9 + 15, Some(77))]));
            assert_eq!(full_steps(&written), [0, 4, 8]);
        }
    });
}

#[test]
fn positions_masked_again_before_the_window_are_revealed_within_the_block() {
    on_devices(|device| {
        let model = load_on("llada", device);
        for cache in [CacheMode::None, CacheMode::Prefix, CacheMode::Dual] {
            let (answer, _) = spied(&model, cache, (5, vec![(9, None), (10, None), (14, None)]));
            assert!(!answer.ids.contains(&model.spec().mask), "{cache:?}");
            let last = answer.trace.steps.iter().flat_map(|s| s.edits.iter().map(move |e| (s.step.block, e)));
            let again: Vec<usize> = last
                .filter(|(block, e)| *block == 1 && e.cause == Cause::Committed && e.position < 17)
                .map(|(_, e)| e.position)
                .collect();
            let mut sorted = again.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, [9, 10, 14], "{cache:?}");
            assert_eq!(answer.forwards, 12);
        }
    });
}

/// Adds to the hidden states of the prompt from a step on.
struct Steer(u64);

impl Intervention for Steer {
    fn name(&self) -> &str {
        "steer"
    }

    fn wants_hidden(&self) -> bool {
        true
    }

    fn edit_hidden(&mut self, step: Step, at: &HiddenAt, hidden: Tensor) -> Result<Tensor, EngineError> {
        if step.clock >= self.0 && at.layer == 0 {
            assert_eq!(at.positions.start, 0, "a pass over the window alone cannot be steered in the prompt");
            let _ = hidden.f_narrow(0, 0, 9)?.f_add_scalar_(2.0)?;
        }
        Ok(hidden)
    }
}

#[test]
fn hidden_states_outside_the_window_can_be_edited_at_any_step() {
    on_devices(|device| {
        let model = load_on("llada", device);
        let with = |cache, from| {
            let options = Options { cache, ..blocks(&model, 24, 12, 8) };
            one(&model, &options, request(3, 9).with_interventions(vec![Box::new(Steer(from))]))
        };
        let (plain, steered) = (with(CacheMode::None, 99), with(CacheMode::None, 5));
        assert_ne!(plain.ids, steered.ids);
        for cache in CACHES {
            assert_eq!(with(cache, 5).ids, steered.ids, "{cache:?}");
        }
    });
}

/// Masks positions of the first block again when the second is over, once.
struct GoBack(bool);

impl Intervention for GoBack {
    fn name(&self) -> &str {
        "go-back"
    }

    fn after_block(&mut self, step: Step, canvas: &mut Canvas) -> Result<Flow, EngineError> {
        if step.block != 1 || std::mem::replace(&mut self.0, true) {
            return Ok(Flow::Continue);
        }
        for offset in [0, 5] {
            canvas.remask(canvas.response_start() + offset)?;
        }
        Ok(Flow::Repeat { steps: 2 })
    }
}

#[test]
fn a_repeat_reaches_positions_before_the_block_with_and_without_a_cache() {
    on_devices(|device| {
        let model = load_on("llada", device);
        for commit in [mosa_engine::Commit::LowConfidence, mosa_engine::Commit::Threshold(0.99)] {
            for cache in [CacheMode::None, CacheMode::Prefix, CacheMode::Dual] {
                let options = Options { cache, commit, ..blocks(&model, 24, 12, 8) };
                let answer = one(&model, &options, request(3, 9).with_interventions(vec![Box::new(GoBack(false))]));
                let again = answer.trace.steps.iter().filter(|s| s.step.block == 1);
                let again = again.flat_map(|s| &s.edits).filter(|e| e.cause == Cause::Committed && e.position < 17);
                assert_eq!(again.count(), 2, "{cache:?} {commit:?}");
                assert!(!answer.ids.contains(&model.spec().mask));
            }
        }
    });
}
