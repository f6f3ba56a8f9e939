//! The denoising loop.

use crate::candidates::{Draw, candidates};
use crate::cursor::{Cursor, Job, JobCache};
use crate::error::not_a_number;
use crate::intervention::{HiddenAt, Intervention, Pass};
use crate::options::{Batching, MaskRule, Options, RevealCount, Schedule};
use crate::{Answer, EngineError, Request, Step, StepRecord};
use mosa_core::{Canvas, Interrupt, TokenId};
use mosa_model::{Adapter, CacheUse, Call, DenoisingModel, HiddenTap, ModelError, Slot};
use std::ops::Range;
use tch::{Kind, Tensor};

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Go on.
    Continue,
    /// Stop at once; rows that are not finished are lost.
    Interrupt,
}

/// Watches a decode: progress bars, live views, interrupts.
pub trait Observer {
    /// After each step of row number `row` (index into the requests); `record` is what changed, if anything did.
    fn after_step(&mut self, row: usize, canvas: &Canvas, record: Option<&StepRecord>) -> Control;
}

/// Sees nothing and never interrupts.
impl Observer for () {
    fn after_step(&mut self, _row: usize, _canvas: &Canvas, _record: Option<&StepRecord>) -> Control {
        Control::Continue
    }
}

/// Sees nothing and interrupts once a stop is asked for.
impl Observer for Interrupt {
    fn after_step(&mut self, _row: usize, _canvas: &Canvas, _record: Option<&StepRecord>) -> Control {
        if self.asked() { Control::Interrupt } else { Control::Continue }
    }
}

/// Decodes all requests; the answers come in their order. `None` stands for a row that an interrupt left unfinished.
///
/// # Errors
/// [`EngineError`] if an option or a request cannot be used (before the first pass), or if the model or an intervention
/// fails.
pub fn generate(
    (model, adapter): (&dyn DenoisingModel, Option<&Adapter>),
    options: &Options,
    requests: Vec<Request>,
    observer: &mut dyn Observer,
) -> Result<Vec<Option<Answer>>, EngineError> {
    let _no_grad = tch::no_grad_guard();
    options.check(model.spec())?;
    let rows = requests.into_iter().map(|r| Cursor::new(r, options, model.spec())).collect::<Result<_, _>>()?;
    let mut decode = Decode { model, adapter, options, rows, observer };
    let all = decode.rows.len();
    // Rows that share nothing are decoded one after the other, so that an interrupt loses one of them at most.
    let groups: Vec<Range<usize>> = if decode.rows_share_steps() {
        std::iter::once(0..all).collect()
    } else {
        (0..all).map(|i| i..i + 1).collect()
    };
    for group in groups {
        if decode.run(group)? == Control::Interrupt {
            break;
        }
    }
    Ok(decode.rows.into_iter().map(|row| row.done.then(|| row.answer(options))).collect())
}

struct Decode<'a> {
    model: &'a dyn DenoisingModel,
    adapter: Option<&'a Adapter>,
    options: &'a Options,
    rows: Vec<Cursor>,
    observer: &'a mut dyn Observer,
}

impl Decode<'_> {
    fn counts_batch_mean(&self) -> bool {
        matches!(self.options.schedule, Schedule::Timesteps { count: RevealCount::BatchMean, .. })
    }

    fn rows_share_steps(&self) -> bool {
        self.options.batching == Batching::Padded || self.counts_batch_mean()
    }

    /// Runs the rows of a group in step until all are done.
    fn run(&mut self, group: Range<usize>) -> Result<Control, EngineError> {
        loop {
            let shared = self.counts_batch_mean().then(|| (self.rows.iter().map(Cursor::masks).sum(), self.rows.len()));
            let mut jobs = Vec::new();
            for i in group.clone() {
                if let Some(job) = self.rows[i].next_job(self.options, shared)? {
                    jobs.push((i, job));
                }
            }
            if jobs.is_empty() {
                return Ok(Control::Continue);
            }
            for pass in self.passes(jobs) {
                let logits = self.forward(&pass)?;
                for ((i, job), logits) in pass.iter().zip(logits) {
                    if self.absorb(*i, job, logits)? == Control::Interrupt {
                        return Ok(Control::Interrupt);
                    }
                }
            }
        }
    }

    /// Which jobs share a pass: with padding all that use no cache, else none.
    fn passes(&self, jobs: Vec<(usize, Job)>) -> Vec<Vec<(usize, Job)>> {
        let (mut shared, mut passes) = (Vec::new(), Vec::new());
        for (i, job) in jobs {
            if self.options.batching == Batching::Padded && job.cache == JobCache::Unused {
                shared.push((i, job));
            } else {
                passes.push(vec![(i, job)]);
            }
        }
        if !shared.is_empty() {
            passes.push(shared);
        }
        passes
    }

    /// The logits of each job, guidance applied: [positions, vocabulary] in the model's type.
    fn forward(&mut self, pass: &[(usize, Job)]) -> Result<Vec<Tensor>, EngineError> {
        let guided = self.options.cfg_scale > 0.0;
        let copies = if guided { 2 } else { 1 };
        let mut tokens: Vec<Vec<TokenId>> = Vec::new();
        let (mut want, mut sizes): (Vec<Slot>, Vec<i64>) = (Vec::new(), Vec::new());
        let lookback = self.model.spec().lookback;
        for (i, job) in pass {
            let canvas = &self.rows[*i].canvas;
            let from = if job.cache == JobCache::Read { job.span.0.saturating_sub(lookback) } else { job.span.0 };
            let views = std::iter::once(canvas.tokens().to_vec()).chain(guided.then(|| canvas.unconditional()));
            for view in views {
                want.extend(job.positions.iter().map(|&p| (tokens.len(), p)));
                sizes.push(job.positions.len() as i64);
                tokens.push(view[from..job.span.1].to_vec());
            }
        }
        let views: Vec<&[TokenId]> = tokens.iter().map(Vec::as_slice).collect();
        let logits = self.call(pass, &views, &want, copies)?;
        let parts = logits.f_split_with_sizes(&sizes, 0)?;
        parts
            .chunks(copies)
            .map(|halves| match halves {
                [c, u] => Ok(u.f_add(&c.f_sub(u)?.f_mul_scalar(self.options.cfg_scale + 1.0)?)?),
                _ => Ok(halves[0].shallow_clone()),
            })
            .collect()
    }

    /// Runs the model with the row's cache (single jobs only) and the interventions' view of the hidden states.
    fn call(
        &mut self,
        pass: &[(usize, Job)],
        rows: &[&[TokenId]],
        want: &[Slot],
        copies: usize,
    ) -> Result<Tensor, EngineError> {
        let width = rows.iter().map(|r| r.len()).max().unwrap_or(0);
        let mut taps = Vec::new();
        for (n, (i, job)) in pass.iter().enumerate() {
            let stack = std::mem::take(&mut self.rows[*i].interventions);
            let len = rows[n * copies].len();
            taps.push(TapRow { stack, step: job.step, positions: job.span.1 - len..job.span.1, padding: width - len });
        }
        let mut tap = Tap { rows: taps, copies, failed: None };
        let (first, job) = &pass[0];
        let cache = &mut self.rows[*first].cache;
        let cache = match job.cache {
            JobCache::Unused => CacheUse::None,
            JobCache::Fill => CacheUse::Fill(cache),
            JobCache::Read => CacheUse::Read { cache, start: job.span.1 - rows[0].len() },
        };
        let watched = tap.rows.iter().any(|r| r.stack.iter().any(|i| i.wants_hidden()));
        let tapped: Option<&mut dyn HiddenTap> = if watched { Some(&mut tap) } else { None };
        let result = self.model.forward(Call { rows, want, adapter: self.adapter, cache, tap: tapped });
        for ((i, _), row) in pass.iter().zip(tap.rows) {
            self.rows[*i].interventions = row.stack;
        }
        match tap.failed {
            Some(error) => Err(error),
            None => Ok(result?),
        }
    }

    fn absorb(&mut self, i: usize, job: &Job, mut logits: Tensor) -> Result<Control, EngineError> {
        let row = &mut self.rows[i];
        if !row.interventions.is_empty() {
            logits = logits.f_to_kind(Kind::Float)?;
            for intervention in &mut row.interventions {
                logits = intervention.edit_logits(job.step, &row.canvas, &job.positions, logits)?;
            }
            // An intervention may have kept what it was shown.
            logits = logits.f_alias_copy()?;
        }
        let mask_rule = if job.rest { MaskRule::Suppress } else { self.options.mask_rule };
        let draw = Draw { step: job.step, mask: row.canvas.mask(), mask_rule };
        let found = candidates(logits, &job.positions, self.options, draw)?
            .map_err(|nan| not_a_number((self.model, self.adapter), nan.position, job.step.clock))?;
        row.absorb(job, &found, self.options)?;
        let record = row.last_record().filter(|r| r.step == job.step);
        Ok(self.observer.after_step(i, &row.canvas, record))
    }
}

/// Shows each row's own hidden states to its own interventions.
struct Tap {
    rows: Vec<TapRow>,
    copies: usize,
    failed: Option<EngineError>,
}

struct TapRow {
    stack: Vec<Box<dyn Intervention>>,
    step: Step,
    positions: Range<usize>,
    padding: usize,
}

impl Tap {
    fn edit(&mut self, layer: usize, hidden: &Tensor) -> Result<Tensor, EngineError> {
        let mut out = Vec::new();
        for b in 0..self.rows.len() * self.copies {
            let row = &mut self.rows[b / self.copies];
            let pass = if b % self.copies == 0 { Pass::Conditional } else { Pass::Unconditional };
            let at = HiddenAt { layer, positions: row.positions.clone(), pass };
            let whole = hidden.f_select(0, b as i64)?; // [t, d]
            let padding = row.padding as i64;
            let mut own = whole.f_narrow(0, padding, whole.size()[0] - padding)?;
            for intervention in row.stack.iter_mut().filter(|i| i.wants_hidden()) {
                own = intervention.edit_hidden(row.step, &at, own)?;
            }
            out.push(Tensor::f_cat(&[whole.f_narrow(0, 0, padding)?, own], 0)?);
        }
        Ok(Tensor::f_stack(&out, 0)?)
    }
}

impl HiddenTap for Tap {
    fn tap(&mut self, layer: usize, hidden: Tensor) -> Result<Tensor, ModelError> {
        self.edit(layer, &hidden).map_err(|error| {
            let message = error.to_string();
            self.failed = Some(error);
            ModelError::Call(message)
        })
    }
}
