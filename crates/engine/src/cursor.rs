//! One row on its way through the schedule.

mod blocks;

use crate::ahead::{Ahead, Guess, Sight};
use crate::options::{CacheMode, Options};
use crate::ranking::Ranking;
use crate::reach::{JobCache, Kept, Now, Reach};
use crate::schedule::{Editing, Frame, MaskCount, Progress, RevealSchedule, Share};
use crate::trace::{Step, StepRecord, Trace};
use crate::{Answer, Candidate, Choice, EngineError, Finish, Intervention, Moment, Request};
use mosa_core::Canvas;
use mosa_model::{Attention, KvCache, ModelSpec};
use std::ops::Range;
use tch::Tensor;

/// A pass a row asks for.
pub(crate) struct Job {
    pub step: Step,
    /// The positions whose logits are wanted: the masked ones that can be committed now, then the revealed ones that can be
    /// revised.
    pub positions: Vec<usize>,
    /// How many of them are masked.
    masked: usize,
    /// What is computed, and what of the rest is kept.
    pub reach: Reach,
    /// Whom the tokens see; none: as the model was trained.
    pub attention: Option<Attention>,
    /// Whether it belongs to the steps behind the last block, in which a mask is never chosen.
    pub rest: bool,
    share: Share,
}

/// What a step writes.
#[derive(Default)]
struct Chosen {
    commits: Vec<Candidate>,
    revisions: Vec<Candidate>,
}

/// The state of one row.
pub(crate) struct Cursor {
    pub id: String,
    pub canvas: Canvas,
    pub interventions: Vec<Box<dyn Intervention>>,
    pub cache: KvCache,
    pub done: bool,
    /// How many positions are revealed when.
    pub schedule: Box<dyn RevealSchedule>,
    /// Clock of the latest step with a pass.
    pub stepped: Option<u64>,
    trace: Trace,
    forwards: usize,
    finish: Option<Finish>,
    sample: u64,
    clock: u64,
    frame: Frame,
    /// Number of the block.
    block: usize,
    step: usize,
    /// Canvas positions of this block. Those of the steps behind the last one are the whole canvas.
    range: Range<usize>,
    /// Steps of this block, extended by [`Flow::Repeat`].
    budget: usize,
    /// Masks the schedule still plans to reveal in this block.
    planned: usize,
    /// What the cached keys and values belong to.
    kept: Kept,
    /// What is known of passes to come.
    pub ahead: Ahead,
    /// Positions before a window that are computed with it (see [`ModelSpec::lookback`]).
    lookback: usize,
    /// Whether the prompt has masks to fill.
    infill: bool,
    /// Whether the blocks are over and the steps are for what they left masked.
    rest: bool,
    /// Whether the row stopped behind a block with an end token.
    stopped: bool,
    /// How the steps behind the last mask of the block went.
    behind: Behind,
}

/// Steps of a block behind its last mask, for revisions.
#[derive(Clone, Copy, Debug, Default)]
struct Behind {
    steps: usize,
    /// Whether the latest changed nothing.
    settled: bool,
}

impl Cursor {
    pub(crate) fn new(request: Request, options: &Options, spec: &ModelSpec) -> Result<Self, EngineError> {
        let canvas = request.canvas(spec)?;
        let schedule = options.schedule.plan();
        let first_mask = canvas.masked(0..canvas.response_start()).first().copied();
        let frame = Frame {
            response_start: canvas.response_start(),
            first_mask: first_mask.unwrap_or(canvas.response_start()),
            gen_length: canvas.response().len(),
            pace: options.commit.pace(),
        };
        let mut cursor = Self {
            sample: request.sample(),
            id: request.id,
            canvas,
            interventions: request.interventions,
            cache: KvCache::new(),
            done: false,
            schedule,
            stepped: None,
            trace: Trace::default(),
            forwards: 0,
            finish: None,
            clock: 0,
            frame,
            block: 0,
            step: 0,
            range: frame.response(),
            budget: 0,
            planned: 0,
            kept: Kept::default(),
            ahead: Ahead::default(),
            lookback: spec.lookback,
            infill: request.infill,
            rest: false,
            stopped: false,
            behind: Behind::default(),
        };
        cursor.enter_block();
        Ok(cursor)
    }

    /// Masks on the whole canvas; what Dream's schedule counts.
    pub(crate) fn masks(&self) -> usize {
        self.canvas.masked(0..self.canvas.len()).len()
    }

    /// The next pass the row needs, or `None` if it is done. `shared`: the masks of all rows that count them together.
    pub(crate) fn next_job(
        &mut self,
        options: &Options,
        shared: Option<MaskCount>,
    ) -> Result<Option<Job>, EngineError> {
        while !self.done {
            if self.block_is_over() {
                self.leave_block(options)?;
                continue;
            }
            let before = self.open_masks();
            self.edit_canvas()?;
            // What interventions masked or filled changes the plan of the block.
            self.planned = (self.planned + self.open_masks()).saturating_sub(before);
            let job = self.job(options.cache, shared);
            let idle = job.share.quota == 0 && job.masked == job.positions.len() && !self.acts();
            let nothing = job.positions.is_empty() || idle;
            if !nothing {
                return Ok(Some(job));
            }
            self.finish_step(&job, Chosen::default())?;
        }
        Ok(None)
    }

    /// Commits what the policy picks among the candidates of `job`, and revises what the editing replaces.
    pub(crate) fn absorb(&mut self, job: &Job, candidates: &[Candidate], options: &Options) -> Result<(), EngineError> {
        self.forwards += 1;
        self.stepped = Some(job.step.clock);
        self.kept.remember(&job.reach, self.canvas.tokens());
        let moment = self.moment(job, options);
        let (masked, revealed) = candidates.split_at(job.masked.min(candidates.len()));
        self.ahead.last = masked.to_vec();
        let picked = if masked.is_empty() { Vec::new() } else { self.picked(job.step, &moment, options, masked)? };
        let chosen =
            Chosen { commits: picked.into_iter().map(|i| masked[i]).collect(), revisions: self.revisions(revealed) };
        if masked.is_empty() {
            self.behind = Behind { steps: self.behind.steps + 1, settled: chosen.revisions.is_empty() };
        }
        self.finish_step(job, chosen)?;
        // Where tokens may be revised, a later step of the block may change what stands there.
        if self.schedule.editing().is_some() { Ok(()) } else { self.end_early(job.step, options) }
    }

    fn moment(&self, job: &Job, options: &Options) -> Moment {
        Moment {
            seed: options.seed,
            clock: job.step.clock,
            sample: self.sample,
            quota: job.share.quota.min(job.masked),
            reveal: job.share.reveal,
            rank_temperature: options.rank_temperature.unwrap_or(0.0),
        }
    }

    /// The logits of `job`, if they were computed beside the latest pass; its keys and values are held from then on.
    pub(crate) fn known(&mut self, job: &Job) -> Result<Option<Tensor>, EngineError> {
        let logits = self.ahead.known(&self.canvas, &job.positions, &job.reach);
        if logits.is_some() {
            self.cache.adopt()?;
            self.ahead.right += 1;
        }
        Ok(logits)
    }

    /// What is worth computing beside `job` in a pass of up to `room` positions.
    pub(crate) fn guess(&self, job: &Job, options: &Options, room: usize) -> Option<Guess> {
        let Reach { computed, cache, .. } = &job.reach;
        // Only then does the next pass begin where this one does.
        let alone = *cache == JobCache::Read && *computed == self.range && !self.rest;
        let drawn = options.temperature > 0.0 || options.rank_temperature.is_some_and(|t| t > 0.0);
        let watched = self.acts() || self.interventions.iter().any(|i| i.wants_hidden());
        if !alone || drawn || watched || job.attention.is_none() || self.schedule.editing().is_some() {
            return None;
        }
        let mut ends = options.block_stops.clone();
        ends.extend(std::iter::once(options.ends.eos).chain(options.ends.eot).filter(|_| options.stop_at_end));
        let sight = Sight {
            canvas: &self.canvas,
            schedule: &*self.schedule,
            frame: &self.frame,
            block: self.block,
            range: &self.range,
            positions: &job.positions,
            ends: &ends,
        };
        let policy = options.commit.policy();
        let guess = self.ahead.guess(&sight, |known| policy.choose(&self.moment(job, options), known))?;
        (computed.len() + guess.reach.computed.len() <= room).then_some(guess)
    }

    /// The candidates to commit: the policy's choice, or what the row's interventions prefer.
    fn picked(
        &mut self,
        step: Step,
        moment: &Moment,
        options: &Options,
        masked: &[Candidate],
    ) -> Result<Vec<Choice>, EngineError> {
        let policy = options.commit.policy();
        if !self.acts() {
            return Ok(policy.choose(moment, masked));
        }
        let mut ranking = Ranking::new(&*policy, moment, masked);
        for intervention in &mut self.interventions {
            let name = intervention.name().to_owned();
            ranking.asked(&name, |scores| intervention.rank(step, &self.canvas, masked, scores))?;
        }
        Ok(ranking.choice())
    }

    /// What of the revealed positions is replaced: where another token is the most likely, and likely enough.
    fn revisions(&self, revealed: &[Candidate]) -> Vec<Candidate> {
        let Some(Editing { threshold, .. }) = self.schedule.editing() else { return Vec::new() };
        let differs = |c: &&Candidate| self.canvas.tokens()[c.position] != c.token && c.probability() > threshold;
        revealed.iter().filter(differs).copied().collect()
    }

    /// Whether an intervention may do more than watch.
    pub(crate) fn acts(&self) -> bool {
        !self.interventions.iter().all(|i| i.only_watches())
    }

    /// Ends a row whose answer can no longer change, or that nothing is needed of any more. Where interventions act, the latter
    /// is asked after a block alone, behind them.
    fn end_early(&mut self, step: Step, options: &Options) -> Result<(), EngineError> {
        if self.acts() {
            return Ok(());
        }
        if options.stop_at_end && self.settled_end(options).is_some() {
            self.end();
            return Ok(());
        }
        for intervention in &mut self.interventions {
            if intervention.is_over(step, &self.canvas)? {
                self.finish = Some(Finish::Stopped(intervention.name().to_owned()));
                self.end();
                break;
            }
        }
        Ok(())
    }

    /// No further pass; what was kept between passes goes at once.
    fn end(&mut self) {
        self.done = true;
        self.forget();
    }

    fn forget(&mut self) {
        self.kept.forget();
        self.cache.clear();
        self.ahead.beside = None;
    }

    /// The steps recorded so far.
    pub(crate) fn last_record(&self) -> Option<&StepRecord> {
        self.trace.steps.last()
    }

    pub(crate) fn answer(self, options: &Options) -> Answer {
        let ends: Vec<_> = std::iter::once(options.ends.eos).chain(options.ends.eot).collect();
        // What the last block has beyond the response that was asked for is no part of it.
        let response = &self.canvas.response()[..options.gen_length.min(self.canvas.response().len())];
        let inside = self.canvas.response_start() + response.len();
        let stopped_at = if options.stop_at_end { self.settled_end(options) } else { None };
        let stopped_at = stopped_at.filter(|p| *p < inside);
        let ids = match stopped_at.filter(|_| !self.acts()) {
            Some(p) => response[..=p - self.canvas.response_start()].to_vec(),
            None => response.iter().copied().take_while(|&t| t != self.canvas.mask()).collect(),
        };
        let natural = match self.masks() {
            masks if masks > 0 && stopped_at.is_none() && !self.stopped => Finish::Unfinished { masks },
            _ if ids.iter().any(|t| ends.contains(t) || options.block_stops.contains(t)) => Finish::End,
            _ => Finish::Length,
        };
        let prompt = self.infill.then(|| self.canvas.tokens()[..self.canvas.response_start()].to_vec());
        Answer {
            id: self.id,
            ids,
            prompt,
            finish: self.finish.unwrap_or(natural),
            forwards: self.forwards,
            ahead: self.ahead.right,
            trace: self.trace,
        }
    }

    /// Where the answer can no longer change, if the prompt has no gap left either.
    fn settled_end(&self, options: &Options) -> Option<usize> {
        if self.infill && !self.canvas.masked(0..self.canvas.response_start()).is_empty() {
            return None;
        }
        let ends: Vec<_> = std::iter::once(options.ends.eos).chain(options.ends.eot).collect();
        self.canvas.settled_end(&ends)
    }

    fn edit_canvas(&mut self) -> Result<(), EngineError> {
        let at = self.now();
        for intervention in &mut self.interventions {
            intervention.edit_canvas(at, &mut self.canvas)?;
        }
        Ok(())
    }

    fn now(&self) -> Step {
        Step { block: self.block, step: self.step, clock: self.clock, sample: self.sample }
    }

    fn job(&self, mode: CacheMode, shared: Option<MaskCount>) -> Job {
        let attention = self.schedule.attention();
        let reach = self.kept.reach(&Now {
            canvas: &self.canvas,
            block: &self.range,
            mode,
            attention,
            acts: self.acts(),
            edits_hidden: self.interventions.iter().any(|i| i.edits_hidden()),
            rest: self.rest,
            lookback: self.lookback,
        });
        let mut positions = self.canvas.masked(reach.from..self.range.end);
        let masked = positions.len();
        positions.extend(self.revealed());
        let own = MaskCount { masks: masked, rows: 1 };
        let now = Progress {
            step: self.step,
            steps: self.budget,
            behind: self.rest,
            planned: self.planned,
            open: masked,
            counted: shared.filter(|_| self.schedule.counts_together()).unwrap_or(own),
        };
        let share = self.schedule.share(&self.frame, &now);
        Job { step: self.now(), positions, masked, reach, attention, rest: self.rest, share }
    }

    fn finish_step(&mut self, job: &Job, chosen: Chosen) -> Result<(), EngineError> {
        for c in &chosen.commits {
            self.canvas.commit(c.position, c.token, c.probability() as f32)?;
        }
        for c in &chosen.revisions {
            self.canvas.revise(c.position, c.token, c.probability() as f32)?;
        }
        self.planned = self.planned.saturating_sub(chosen.commits.len());
        self.record(job.step, job.reach.cache != JobCache::Read);
        self.step += 1;
        self.clock += 1;
        Ok(())
    }

    /// Moves the canvas's new edits into the trace; a step without any leaves no record.
    fn record(&mut self, step: Step, full: bool) {
        let edits = self.canvas.take_edits();
        if !edits.is_empty() {
            self.trace.steps.push(StepRecord { step, full, edits });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Block;
    use crate::schedule::quota;
    use crate::{Ends, Schedule};
    use mosa_core::{DefaultSampler, Family};
    use mosa_model::Attention;

    /// Block diffusion: blocks lie on a grid of canvas positions, so the first may begin in the prompt, and each has as many
    /// steps.
    struct Aligned {
        length: usize,
        steps: usize,
    }

    impl RevealSchedule for Aligned {
        fn steps(&self) -> usize {
            self.steps
        }

        fn check(&self, _: &Options) -> Result<(), EngineError> {
            Ok(())
        }

        fn blocks(&self, frame: &Frame) -> usize {
            frame.canvas().end.div_ceil(self.length) - frame.response_start / self.length
        }

        fn block(&self, frame: &Frame, index: usize) -> Block {
            let start = (frame.response_start / self.length + index) * self.length;
            Block { positions: start..(start + self.length).min(frame.canvas().end), steps: self.steps }
        }

        fn share(&self, _: &Frame, now: &Progress) -> Share {
            Share { quota: quota(now.planned, now.steps_left()), reveal: 1.0 }
        }

        fn resized(&self, _: usize, to: usize) -> Schedule {
            self.one_per_step(to)
        }

        fn one_per_step(&self, gen_length: usize) -> Schedule {
            Schedule::Blocks { steps: gen_length, block_length: gen_length }
        }
    }

    fn spec() -> ModelSpec {
        ModelSpec {
            attention: Attention::BlockCausal { block: 4 },
            family: Family { name: "scripted", turn_ends: &["<|eot_id|>"], sampler: DefaultSampler::Blocks },
            architecture: "Script".into(),
            mask: 6,
            eos: 7,
            pad: 7,
            vocab: 8,
            layers: 0,
            width: 1,
            max_length: 64,
            lookback: 0,
            parameters: 0,
            block_linears: String::new(),
            linears: Vec::new(),
        }
    }

    /// The positions each step could reveal, and computed, for a prompt of 6 and a response of 9.
    fn walk(cache: CacheMode) -> Vec<(Vec<usize>, Range<usize>)> {
        let options = Options { gen_length: 9, cache, ..Options::llada(Ends { eos: 7, eot: None }) };
        let request = Request::new("p", vec![1; 6], &options);
        let mut cursor = Cursor::new(request, &options, &spec()).unwrap();
        cursor.schedule = Box::new(Aligned { length: 4, steps: 2 });
        cursor.enter_block();
        let mut seen = Vec::new();
        while let Some(job) = cursor.next_job(&options, None).unwrap() {
            let all: Vec<Candidate> = job
                .positions
                .iter()
                .map(|&position| Candidate { position, token: 1, log_probability: 0.0, statistic: 0.0 })
                .collect();
            cursor.absorb(&job, &all, &options).unwrap();
            seen.push((job.positions, job.reach.computed));
        }
        assert_eq!(cursor.answer(&options).ids, [1; 9]);
        seen
    }

    #[test]
    fn blocks_on_a_grid_of_the_canvas_are_revealed_one_after_another() {
        let positions = |seen: Vec<(Vec<usize>, Range<usize>)>| seen.into_iter().map(|(p, _)| p).collect::<Vec<_>>();
        let want: [&[usize]; 6] = [&[6, 7], &[7], &[8, 9, 10, 11], &[10, 11], &[12, 13, 14], &[14]];
        assert_eq!(positions(walk(CacheMode::None)), want);
        assert_eq!(positions(walk(CacheMode::Dual)), want);
    }

    #[test]
    fn a_cached_window_is_the_block_wherever_it_begins() {
        let computed: Vec<Range<usize>> = walk(CacheMode::Dual).into_iter().map(|(_, c)| c).collect();
        assert_eq!(computed, [0..15, 4..8, 0..15, 8..12, 0..15, 12..15]);
    }
}
