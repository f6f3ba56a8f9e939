//! One row on its way through the schedule.

use crate::intervention::Flow;
use crate::options::{CacheMode, Options, Schedule};
use crate::schedule::{quota, reveal_count, reveal_probability};
use crate::trace::{Step, StepRecord, Trace};
use crate::{Answer, Candidate, EngineError, Finish, Intervention, Moment, Request};
use mosa_core::{Canvas, TokenId};
use mosa_model::{KvCache, ModelSpec};
use std::ops::Range;

/// A pass a row asks for.
pub(crate) struct Job {
    pub step: Step,
    /// The masked positions that can be committed now.
    pub positions: Vec<usize>,
    /// First and past-the-last canvas position to compute.
    pub span: (usize, usize),
    /// What the pass does with the row's cache.
    pub cache: JobCache,
    /// Whether it belongs to the steps behind the last block, in which a mask is never chosen.
    pub rest: bool,
    quota: usize,
    reveal: f32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JobCache {
    Unused,
    Fill,
    Read,
}

/// The state of one row.
pub(crate) struct Cursor {
    pub id: String,
    pub canvas: Canvas,
    pub interventions: Vec<Box<dyn Intervention>>,
    pub cache: KvCache,
    pub done: bool,
    /// Clock of the latest step with a pass.
    pub stepped: Option<u64>,
    trace: Trace,
    forwards: usize,
    finish: Option<Finish>,
    sample: u64,
    clock: u64,
    block: usize,
    step: usize,
    /// Steps of this block, extended by [`Flow::Repeat`].
    budget: usize,
    /// Masks the schedule still plans to reveal in this block.
    planned: usize,
    /// The canvas the cached keys and values belong to; none before the first pass of a block.
    cached: Option<Vec<TokenId>>,
    /// Positions before a window that are computed with it (see [`ModelSpec::lookback`]).
    lookback: usize,
    /// Whether the prompt has masks to fill.
    infill: bool,
    /// Whether the blocks are over and the steps are for what they left masked.
    rest: bool,
}

impl Cursor {
    pub(crate) fn new(request: Request, options: &Options, spec: &ModelSpec) -> Result<Self, EngineError> {
        let canvas = request.canvas(spec)?;
        let mut cursor = Self {
            sample: request.sample(),
            id: request.id,
            canvas,
            interventions: request.interventions,
            cache: KvCache::new(),
            done: false,
            stepped: None,
            trace: Trace::default(),
            forwards: 0,
            finish: None,
            clock: 0,
            block: 0,
            step: 0,
            budget: 0,
            planned: 0,
            cached: None,
            lookback: spec.lookback,
            infill: request.infill,
            rest: false,
        };
        cursor.enter_block(options);
        Ok(cursor)
    }

    /// Masks on the whole canvas; what Dream's schedule counts.
    pub(crate) fn masks(&self) -> usize {
        self.canvas.masked(0..self.canvas.len()).len()
    }

    /// The next pass the row needs, or `None` if it is done. `shared_masks` = (masks, rows) of the whole batch where
    /// Dream's count is shared.
    pub(crate) fn next_job(
        &mut self,
        options: &Options,
        shared_masks: Option<(usize, usize)>,
    ) -> Result<Option<Job>, EngineError> {
        while !self.done {
            if self.block_is_over(options) {
                self.leave_block(options)?;
                continue;
            }
            let before = self.open_masks(options);
            self.edit_canvas()?;
            // What interventions masked or filled changes the plan of the block.
            self.planned = (self.planned + self.open_masks(options)).saturating_sub(before);
            let job = self.job(options, shared_masks);
            let nothing = job.positions.is_empty() || (job.quota == 0 && self.interventions.is_empty());
            if !nothing {
                return Ok(Some(job));
            }
            self.finish_step(&job, Vec::new())?;
        }
        Ok(None)
    }

    /// Commits what the policy picks among the candidates of `job`.
    pub(crate) fn absorb(&mut self, job: &Job, candidates: &[Candidate], options: &Options) -> Result<(), EngineError> {
        self.forwards += 1;
        self.stepped = Some(job.step.clock);
        self.remember(job);
        let moment = Moment {
            seed: options.seed,
            clock: job.step.clock,
            sample: self.sample,
            quota: job.quota.min(candidates.len()),
            reveal: job.reveal,
            rank_temperature: options.rank_temperature.unwrap_or(0.0),
        };
        let picked = options.commit.policy().choose(&moment, candidates);
        self.finish_step(job, picked.into_iter().map(|i| candidates[i]).collect())?;
        if options.stop_at_end && self.interventions.is_empty() && self.settled_end(options).is_some() {
            self.done = true;
        }
        Ok(())
    }

    /// Notes which tokens the cache now holds keys and values of.
    fn remember(&mut self, job: &Job) {
        let (tokens, window) = (self.canvas.tokens(), self.window(job.span));
        match (job.cache, &mut self.cached) {
            (JobCache::Fill, cached) => *cached = Some(tokens.to_vec()),
            (JobCache::Read, Some(cached)) => {
                cached[window.clone()].copy_from_slice(&tokens[window]);
            }
            _ => {}
        }
    }

    /// The steps recorded so far.
    pub(crate) fn last_record(&self) -> Option<&StepRecord> {
        self.trace.steps.last()
    }

    pub(crate) fn answer(self, options: &Options) -> Answer {
        let ends: Vec<_> = std::iter::once(options.ends.eos).chain(options.ends.eot).collect();
        let stopped_at = if options.stop_at_end { self.settled_end(options) } else { None };
        let response = self.canvas.response();
        let ids = match stopped_at.filter(|_| self.interventions.is_empty()) {
            Some(p) => response[..=p - self.canvas.response_start()].to_vec(),
            None => response.iter().copied().take_while(|&t| t != self.canvas.mask()).collect(),
        };
        let natural = match self.masks() {
            masks if masks > 0 && stopped_at.is_none() => Finish::Unfinished { masks },
            _ if ids.iter().any(|t| ends.contains(t)) => Finish::End,
            _ => Finish::Length,
        };
        let prompt = self.infill.then(|| self.canvas.tokens()[..self.canvas.response_start()].to_vec());
        Answer {
            id: self.id,
            ids,
            prompt,
            finish: self.finish.unwrap_or(natural),
            forwards: self.forwards,
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

    /// Canvas positions of the current block. Dream has one block: the whole canvas. So have the steps behind the last
    /// block.
    fn block_range(&self, options: &Options) -> (usize, usize) {
        match options.schedule {
            Schedule::Blocks { block_length, .. } if !self.rest => {
                let start = self.canvas.response_start() + self.block * block_length;
                (start, start + block_length)
            }
            _ => (0, self.canvas.len()),
        }
    }

    fn block_masks(&self, options: &Options) -> usize {
        let (start, end) = self.block_range(options);
        self.canvas.masked(start..end).len()
    }

    /// The masks that the steps of a block are for: those of the block, and with interventions those before it as well,
    /// which may have been masked again.
    fn open_masks(&self, options: &Options) -> usize {
        let (start, end) = self.block_range(options);
        let from = if self.interventions.is_empty() { start } else { 0 };
        self.canvas.masked(from..end).len()
    }

    fn enter_block(&mut self, options: &Options) {
        self.step = 0;
        self.cached = None;
        self.planned = self.block_masks(options);
        self.budget = match options.schedule {
            // Every step reveals at least one position; the margin is for interventions that mask positions again.
            Schedule::Blocks { block_length, .. } if options.commit.is_parallel() => 8 * block_length,
            Schedule::Blocks { steps, block_length } => steps / (options.gen_length / block_length),
            Schedule::Timesteps { steps, .. } => steps,
        };
    }

    /// Goes on behind the last block with what is still masked, as many positions per step as the schedule has on
    /// average. An answer holds no mask, whatever left one: a mask that was chosen, gaps in the prompt that took part in
    /// the quotas, an intervention that masked positions again.
    fn enter_rest(&mut self, options: &Options) {
        self.rest = true;
        (self.step, self.cached) = (0, None);
        self.planned = self.masks();
        self.budget = match options.schedule {
            Schedule::Blocks { .. } if options.commit.is_parallel() => self.planned,
            Schedule::Blocks { steps, .. } | Schedule::Timesteps { steps, .. } => {
                self.planned.div_ceil(options.gen_length.div_ceil(steps.max(1)))
            }
        };
    }

    /// A quota takes all its steps; parallel decoding goes on until no mask is left (interventions see at least one step).
    fn block_is_over(&self, options: &Options) -> bool {
        let seen = self.step > 0 || self.interventions.is_empty() || self.rest;
        self.step >= self.budget || (options.commit.is_parallel() && seen && self.open_masks(options) == 0)
    }

    fn leave_block(&mut self, options: &Options) -> Result<(), EngineError> {
        if self.rest {
            self.done = true;
            return Ok(());
        }
        let at = self.now();
        let mut flow = Flow::Continue;
        for intervention in &mut self.interventions {
            match intervention.after_block(at, &mut self.canvas)? {
                Flow::Stop => {
                    self.finish = Some(Finish::Stopped(intervention.name().to_owned()));
                    self.done = true;
                    break;
                }
                Flow::Repeat { steps } if steps > 0 => flow = Flow::Repeat { steps },
                _ => {}
            }
        }
        self.record(at, true);
        if self.done {
            return Ok(());
        }
        if let Flow::Repeat { steps } = flow {
            self.planned = self.open_masks(options);
            self.budget = self.step.saturating_add(steps);
            if self.planned > 0 {
                return Ok(());
            }
        }
        let blocks = match options.schedule {
            Schedule::Blocks { block_length, .. } => options.gen_length / block_length,
            Schedule::Timesteps { .. } => 1,
        };
        self.block += 1;
        if self.block < blocks {
            self.enter_block(options);
        } else if self.masks() > 0 {
            self.enter_rest(options);
        } else {
            self.done = true;
        }
        Ok(())
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

    fn job(&self, options: &Options, shared_masks: Option<(usize, usize)>) -> Job {
        let (start, end) = self.block_range(options);
        let len = self.canvas.len();
        let window = if options.cache == CacheMode::Prefix { (start, len) } else { (start, end) };
        let cache = match options.cache {
            CacheMode::None => JobCache::Unused,
            _ if self.rest => JobCache::Unused,
            _ if self.needs_whole_canvas(window) => JobCache::Fill,
            _ => JobCache::Read,
        };
        let (span, from) = if cache == JobCache::Read { (window, start) } else { ((0, len), 0) };
        let positions = self.canvas.masked(from..end);
        let (quota, reveal) = match options.schedule {
            Schedule::Blocks { .. } if options.commit.is_parallel() => (positions.len(), 1.0),
            Schedule::Blocks { .. } => (quota(self.planned, self.budget - self.step), 1.0),
            Schedule::Timesteps { .. } => self.dream_count(options, shared_masks.unwrap_or((positions.len(), 1))),
        };
        Job { step: self.now(), positions, span, cache, rest: self.rest, quota, reveal }
    }

    /// The positions that a pass over a window computes.
    fn window(&self, span: (usize, usize)) -> Range<usize> {
        span.0.saturating_sub(self.lookback)..span.1
    }

    /// Whether a pass over this window alone would not do: nothing is cached yet, a token outside it is not the one its
    /// keys and values were computed from, or an intervention acts where only a whole pass reaches: on positions masked
    /// before the window, or on hidden states anywhere.
    fn needs_whole_canvas(&self, window: (usize, usize)) -> bool {
        let Some(cached) = &self.cached else { return true };
        let fresh = self.window(window);
        let tokens = self.canvas.tokens();
        let stale = cached[..fresh.start] != tokens[..fresh.start] || cached[fresh.end..] != tokens[fresh.end..];
        let reopened = !self.interventions.is_empty() && !self.canvas.masked(0..window.0).is_empty();
        stale || reopened || self.interventions.iter().any(|i| i.edits_hidden())
    }

    fn dream_count(&self, options: &Options, (masks, rows): (usize, usize)) -> (usize, f32) {
        let Schedule::Timesteps { steps, eps, .. } = options.schedule else { return (0, 1.0) };
        if self.rest || self.step >= steps {
            let left = self.budget - self.step;
            return (quota(masks, left), 1.0 / left as f32);
        }
        let reveal = reveal_probability(self.step, steps, eps);
        let count = if options.commit == crate::Commit::Origin { masks } else { reveal_count(masks, rows, reveal) };
        (count, reveal)
    }

    fn finish_step(&mut self, job: &Job, commits: Vec<Candidate>) -> Result<(), EngineError> {
        for c in &commits {
            self.canvas.commit(c.position, c.token, c.probability() as f32)?;
        }
        self.planned = self.planned.saturating_sub(commits.len());
        self.record(job.step, job.cache != JobCache::Read);
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
