//! Several interventions on one row: repeats, stops, rankings, guidance, early ends, caches.

use crate::{block_causal, blocks, decode, ends, load, one, request};
use mosa_core::{Canvas, Cause};
use mosa_engine::{
    BlockQuota, CacheMode, Candidate, Commit, EngineError, Finish, Flow, HiddenAt, Intervention, Options, Pass,
    Schedule, Step,
};
use mosa_model::{DenoisingModel, Transformer};
use tch::{Device, Kind, Tensor};

/// Masks offsets again behind block 0, once, and asks for something.
struct Again {
    offsets: Vec<usize>,
    then: Option<Flow>,
}

impl Intervention for Again {
    fn name(&self) -> &str {
        "again"
    }

    fn wants_logits(&self) -> bool {
        false
    }

    fn edit_logits(&mut self, _: Step, _: &Canvas, _: &[usize], _: Tensor) -> Result<Tensor, EngineError> {
        panic!("whoever does not want logits is not shown any")
    }

    fn after_block(&mut self, _: Step, canvas: &mut Canvas) -> Result<Flow, EngineError> {
        let Some(flow) = self.then.take() else { return Ok(Flow::Continue) };
        for offset in &self.offsets {
            canvas.remask(canvas.response_start() + offset)?;
        }
        Ok(flow)
    }
}

fn again(offsets: &[usize], then: Flow) -> Box<dyn Intervention> {
    Box::new(Again { offsets: offsets.to_vec(), then: Some(then) })
}

#[test]
fn of_two_repeats_the_longer_counts_once_in_either_order() {
    let model = load("llada");
    let options = blocks(&model, 16, 8, 8);
    let plain = one(&model, &options, request(0, 8));
    let (short, long) = (Flow::Repeat { steps: 1 }, Flow::Repeat { steps: 3 });
    for [first, second] in [[short, long], [long, short]] {
        let stack = vec![again(&[1, 2], first), again(&[5], second)];
        let answer = one(&model, &options, request(0, 8).with_interventions(stack));
        assert_eq!(answer.forwards, plain.forwards + 3, "{first:?} {second:?}");
        assert!(!answer.ids.contains(&model.spec().mask));
    }
}

#[test]
fn a_stop_beside_a_repeat_wins_in_either_order() {
    let model = load("llada");
    let repeat = || again(&[1], Flow::Repeat { steps: 2 });
    for stack in [vec![repeat(), again(&[], Flow::Stop)], vec![again(&[], Flow::Stop), repeat()]] {
        let answer = one(&model, &blocks(&model, 16, 8, 8), request(0, 8).with_interventions(stack));
        assert_eq!((answer.finish, answer.forwards), (Finish::Stopped("again".into()), 4));
    }
}

/// What is done with scores.
type Rank = fn(&[Candidate], &mut [f64]);

/// Ranks as it is told.
struct Ranks(Rank);

impl Intervention for Ranks {
    fn name(&self) -> &str {
        "ranks"
    }

    fn rank(&mut self, _: Step, _: &Canvas, all: &[Candidate], scores: &mut [f64]) -> Result<(), EngineError> {
        assert_eq!(all.len(), scores.len());
        assert!(scores.iter().all(|s| s.is_infinite() || (0.0..=1.0).contains(s)), "{scores:?}");
        (self.0)(all, scores);
        Ok(())
    }
}

fn ranks(all: &[Rank]) -> Vec<Box<dyn Intervention>> {
    all.iter().map(|rank| Box::new(Ranks(*rank)) as Box<dyn Intervention>).collect()
}

const POLICIES: [Commit; 10] = [
    Commit::LowConfidence,
    Commit::Random,
    Commit::Margin,
    Commit::Entropy,
    Commit::LeftToRight,
    Commit::Threshold(0.02),
    Commit::Factor(0.9),
    Commit::Origin,
    Commit::Dynamic(0.05),
    Commit::EntropyBounded(6.0),
];

/// Options under which this policy can be used.
fn under(model: &Transformer, commit: Commit) -> Options {
    let steps = Options { commit, ..blocks(model, 16, 8, 16) };
    match commit {
        Commit::Origin => Options { commit, gen_length: 16, ..Options::dream(ends(model)) },
        _ => steps,
    }
}

/// The positions that the first step reveals.
fn first(model: &Transformer, options: &Options, stack: Vec<Box<dyn Intervention>>) -> Vec<usize> {
    let answer = one(model, options, request(2, 7).with_interventions(stack));
    let step = answer.trace.steps.into_iter().find(|s| s.step.clock == 0);
    let edits = step.into_iter().flat_map(|s| s.edits).filter(|e| e.cause == Cause::Committed);
    edits.map(|e| e.position - 7).collect()
}

#[test]
fn scores_that_nobody_changes_leave_every_policys_choice_as_it_is() {
    let model = load("llada");
    for commit in POLICIES {
        let options = under(&model, commit);
        let plain = one(&model, &options, request(2, 7));
        let ranked = one(&model, &options, request(2, 7).with_interventions(ranks(&[|_, _| {}])));
        assert_eq!(plain.ids, ranked.ids, "{commit:?}");
        // A change that keeps the order changes nothing either.
        let halved = ranks(&[|_, scores| scores.iter_mut().for_each(|s| *s /= 2.0)]);
        assert_eq!(one(&model, &options, request(2, 7).with_interventions(halved)).ids, plain.ids, "{commit:?}");
    }
}

#[test]
fn the_policy_says_how_many_and_the_scores_say_which() {
    let model = load("llada");
    let last: Rank = |all, scores| {
        all.iter().zip(scores).filter(|(_, score)| score.is_finite()).for_each(|(c, s)| *s = c.position as f64 / 100.0);
    };
    for commit in POLICIES {
        let options = under(&model, commit);
        let (plain, ranked) = (first(&model, &options, ranks(&[|_, _| {}])), first(&model, &options, ranks(&[last])));
        let want: Vec<usize> = (16 - plain.len()..16).rev().collect();
        assert_eq!(ranked, want, "{commit:?}");
    }
}

#[test]
fn an_infinite_score_stands_whoever_comes_later() {
    let model = load("llada");
    let options = blocks(&model, 16, 16, 16);
    let now: Rank = |all, scores| {
        for (c, s) in all.iter().zip(scores).filter(|(c, _)| c.position >= 18 && c.position < 21) {
            *s = if c.position == 20 { f64::NEG_INFINITY } else { f64::INFINITY };
        }
    };
    let flat: Rank = |_, scores| scores.fill(0.5);
    for stack in [ranks(&[now]), ranks(&[now, flat])] {
        assert_eq!(first(&model, &options, stack), [11, 12], "two positions where the schedule reveals one");
    }
    let held: Rank = |_, scores| scores.fill(f64::NEG_INFINITY);
    let answer = one(&model, &options, request(2, 7).with_interventions(ranks(&[held])));
    assert_eq!(answer.finish, Finish::Unfinished { masks: 16 }, "what is held back for ever ends with the steps");
    let broken = vec![request(2, 7).with_interventions(ranks(&[|_, scores| scores[0] = f64::NAN]))];
    let error = decode(&model, &options, broken).unwrap_err().to_string();
    assert!(error.contains("ranks") && error.contains("not a number"), "{error}");
}

/// Adds to hidden states of one half of guidance, and to the logit of a token.
struct Both(Option<Pass>, Option<u32>);

impl Intervention for Both {
    fn name(&self) -> &str {
        "both"
    }

    fn wants_hidden(&self) -> bool {
        self.0.is_some()
    }

    fn wants_logits(&self) -> bool {
        self.1.is_some()
    }

    fn edit_hidden(&mut self, _: Step, at: &HiddenAt, hidden: Tensor) -> Result<Tensor, EngineError> {
        Ok(if Some(at.pass) == self.0 && at.layer == 0 { hidden.f_add_scalar(3.0)? } else { hidden })
    }

    fn edit_logits(&mut self, _: Step, _: &Canvas, _: &[usize], logits: Tensor) -> Result<Tensor, EngineError> {
        if let Some(token) = self.1 {
            let _ = logits.f_select(1, i64::from(token))?.f_add_scalar_(1e4)?;
        }
        Ok(logits)
    }
}

#[test]
fn under_guidance_both_halves_can_be_steered_and_logits_are_those_behind_it() {
    let model = load("llada");
    let options = Options { cfg_scale: 1.5, ..blocks(&model, 12, 12, 12) };
    let with = |both: Both| one(&model, &options, request(0, 8).with_interventions(vec![Box::new(both)])).ids;
    let plain = with(Both(None, None));
    assert_eq!(one(&model, &options, request(0, 8)).ids, plain);
    let (seen, unseen) = (with(Both(Some(Pass::Conditional), None)), with(Both(Some(Pass::Unconditional), None)));
    assert!(seen != plain && unseen != plain && seen != unseen);
    // Guidance would multiply it; it is added behind guidance, once.
    assert_eq!(with(Both(Some(Pass::Conditional), Some(9))), [9; 12]);
}

#[test]
fn what_acts_sees_an_answer_to_its_end_and_leaves_it_the_same_up_to_there() {
    let model = load("llada");
    let base = blocks(&model, 16, 16, 4);
    let end = one(&model, &base, request(0, 8)).ids[5];
    let mut options = Options { stop_at_end: true, ..base };
    options.ends.eos = end;
    let stopped = one(&model, &options, request(0, 8));
    let acted = one(&model, &options, request(0, 8).with_interventions(vec![Box::new(Both(None, None))]));
    let upto = acted.ids.iter().position(|t| *t == end).unwrap();
    assert_eq!(stopped.ids, acted.ids[..=upto]);
    assert!(stopped.forwards < acted.forwards);
}

/// Writes into the first block, masks another position of it again, and later asks for both blocks once more.
struct Meddles {
    hidden: bool,
}

impl Intervention for Meddles {
    fn name(&self) -> &str {
        "meddles"
    }

    fn wants_hidden(&self) -> bool {
        self.hidden
    }

    fn edit_canvas(&mut self, step: Step, canvas: &mut Canvas) -> Result<(), EngineError> {
        if step.block == 1 && step.step == 1 {
            canvas.force(canvas.response_start() + 1, 7)?;
            canvas.remask(canvas.response_start() + 2)?;
        }
        Ok(())
    }

    fn after_block(&mut self, step: Step, canvas: &mut Canvas) -> Result<Flow, EngineError> {
        if step.block != 1 || step.step > 4 {
            return Ok(Flow::Continue);
        }
        for offset in [0, 9] {
            canvas.remask(canvas.response_start() + offset)?;
        }
        Ok(Flow::Repeat { steps: 2 })
    }
}

#[test]
fn writes_and_repeats_are_the_same_with_a_cache_wherever_it_is_exact() {
    let model = load("llada");
    let run = |model: &Transformer, options: &Options, hidden| {
        let answer = one(model, options, request(3, 8).with_interventions(vec![Box::new(Meddles { hidden })]));
        assert!(!answer.ids.contains(&model.spec().mask));
        assert_eq!(answer.ids[1], 7);
        answer.ids
    };
    // Of models that see their whole canvas: where every pass computes all of it.
    let options = blocks(&model, 24, 12, 8);
    let plain = run(&model, &options, true);
    for cache in [CacheMode::Prefix, CacheMode::Dual] {
        assert_eq!(run(&model, &Options { cache, ..options.clone() }, true), plain, "{cache:?}");
        run(&model, &Options { cache, ..options.clone() }, false);
    }
    // Of those whose blocks see no later one: always.
    let causal = Transformer::random(block_causal::model().config(), 3, Kind::Float, Device::Cpu).unwrap();
    let block_length = block_causal::BLOCK;
    let schedule = Schedule::BlockDiffusion { block_length, quota: BlockQuota::Steps(4), editing: None };
    let options = Options::block_diffusion(ends(&causal), block_length);
    let options = Options { gen_length: 24, schedule, block_stops: Vec::new(), ..options };
    let plain = run(&causal, &Options { cache: CacheMode::None, ..options.clone() }, false);
    assert_eq!(run(&causal, &options, false), plain);
}
