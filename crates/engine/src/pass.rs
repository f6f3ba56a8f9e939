//! One forward pass over rows of a session.

use crate::ahead::Guess;
use crate::asked::{Asked, Draw};
use crate::candidates::{CandidateError, candidates};
use crate::cursor::Job;
use crate::error::not_a_number;
use crate::intervention::{HiddenAt, Intervention, Pass};
use crate::live::Live;
use crate::options::MaskRule;
use crate::reach::JobCache;
use crate::{EngineError, Step};
use mosa_core::TokenId;
use mosa_model::{Adapted, Call, HiddenTap, KvCache, ModelError, Row, Slot};
use std::ops::Range;
use tch::{Kind, Tensor};

/// A row and what it asks for.
pub(crate) struct PassRow<'a> {
    pub live: &'a mut Live,
    pub job: &'a Job,
}

impl PassRow<'_> {
    /// The tokens to compute, once per copy.
    fn views(&self) -> Vec<Vec<TokenId>> {
        let canvas = &self.live.cursor.canvas;
        let whole =
            std::iter::once(canvas.tokens().to_vec()).chain((self.live.copies() > 1).then(|| canvas.unconditional()));
        whole.map(|tokens| tokens[self.job.reach.computed.clone()].to_vec()).collect()
    }

    /// What may be computed beside it.
    fn guess(&self, subject: Adapted<'_>) -> Option<Guess> {
        let Live { cursor, options, .. } = &*self.live;
        let room = if subject.adapter.is_none() && self.live.copies() == 1 { subject.model.beside() } else { 0 };
        (room > 0).then(|| cursor.guess(self.job, options, room)).flatten()
    }

    /// The logits as the row's interventions leave them.
    fn edited(&mut self, logits: Tensor) -> Result<Tensor, EngineError> {
        let (job, cursor) = (self.job, &mut self.live.cursor);
        for watcher in cursor.interventions.iter_mut().filter(|i| i.watches_logits()) {
            watcher.watch_logits(job.step, &cursor.canvas, &job.positions, &logits)?;
        }
        if !cursor.interventions.iter().any(|i| i.wants_logits()) {
            return Ok(logits);
        }
        let mut logits = logits.f_to_kind(Kind::Float)?;
        for intervention in cursor.interventions.iter_mut().filter(|i| i.wants_logits()) {
            logits = intervention.edit_logits(job.step, &cursor.canvas, &job.positions, logits)?;
        }
        // An intervention may have kept what it was shown.
        Ok(logits.f_alias_copy()?)
    }

    fn asked(&self, logits: Tensor) -> Asked<'_> {
        let (job, Live { cursor, options, .. }) = (self.job, &*self.live);
        let mask_rule = if job.rest { MaskRule::Suppress } else { options.mask_rule };
        let draw = Draw { step: job.step, mask: cursor.canvas.mask(), mask_rule, tempered: cursor.schedule.tempers() };
        Asked { logits, positions: &job.positions, options, draw }
    }
}

/// Chooses and commits tokens by the logits of each job's positions; what became of each row.
pub(crate) fn absorb(
    subject: Adapted<'_>,
    rows: &mut [PassRow<'_>],
    logits: Vec<Tensor>,
) -> Vec<Result<(), EngineError>> {
    let edited: Vec<Result<Tensor, EngineError>> =
        rows.iter_mut().zip(logits).map(|(row, logits)| row.edited(logits)).collect();
    let shown = rows.iter().zip(&edited);
    let asked = shown.filter_map(|(row, logits)| Some(row.asked(logits.as_ref().ok()?.shallow_clone()))).collect();
    let mut found = candidates(asked).into_iter();
    rows.iter_mut()
        .zip(edited)
        .map(|(row, edited)| {
            let _ = edited?;
            let clock = row.job.step.clock;
            let found = found.next().unwrap_or_else(|| Ok(Vec::new())).map_err(|error| match error {
                CandidateError::NotANumber { position } => not_a_number(subject, position, clock),
                CandidateError::Engine(error) => error,
            })?;
            let Live { cursor, options, .. } = &mut *row.live;
            cursor.absorb(row.job, &found, options)
        })
        .collect()
}

/// The logits of each job, guidance applied: [positions, vocabulary] in the model's type.
pub(crate) fn logits_of(subject: Adapted<'_>, rows: &mut [PassRow<'_>]) -> Result<Vec<Tensor>, EngineError> {
    let mut guess = None;
    if let [row] = rows {
        if let Some(known) = row.live.cursor.known(row.job)? {
            return Ok(vec![known]);
        }
        guess = row.guess(subject);
    }
    let views: Vec<Vec<Vec<TokenId>>> = rows.iter().map(PassRow::views).collect();
    let (mut want, mut sizes): (Vec<Slot>, Vec<i64>) = (Vec::new(), Vec::new());
    for (row, copies) in rows.iter().zip(&views) {
        for _ in copies {
            want.extend(row.job.positions.iter().map(|&p| (sizes.len(), p)));
            sizes.push(row.job.positions.len() as i64);
        }
    }
    if let Some(guess) = &guess {
        want.extend(guess.positions.iter().map(|&p| (sizes.len(), p)));
        sizes.push(guess.positions.len() as i64);
    }
    let logits = forward(subject, rows, &views, (&want, guess.as_ref()))?;
    let mut parts = logits.f_split_with_sizes(&sizes, 0)?.into_iter();
    let mut all = Vec::with_capacity(rows.len());
    for row in rows.iter() {
        let own: Vec<Tensor> = parts.by_ref().take(row.live.copies()).collect();
        all.push(match own.as_slice() {
            [c, u] => u.f_add(&c.f_sub(u)?.f_mul_scalar(row.live.options.cfg_scale + 1.0)?)?,
            own => own[0].shallow_clone(),
        });
    }
    if let (Some(guess), Some(logits), [row]) = (guess, parts.next(), rows) {
        // Candidates are computed in place: in a tensor of its own it is as it would have been.
        row.live.cursor.ahead.beside = Some((guess, logits.f_alias_copy()?));
    }
    Ok(all)
}

/// Runs the model with the rows' caches and the interventions' view of the hidden states. `want` is asked for, a guess
/// computed beside the one row there is then.
fn forward(
    subject: Adapted<'_>,
    rows: &mut [PassRow<'_>],
    views: &[Vec<Vec<TokenId>>],
    (want, guess): (&[Slot], Option<&Guess>),
) -> Result<Tensor, EngineError> {
    let width = views.iter().flatten().map(Vec::len).max().unwrap_or(0);
    let (mut seen, mut caches) = (Vec::new(), Vec::new());
    for row in rows.iter_mut() {
        let (copies, cursor) = (row.live.copies(), &mut row.live.cursor);
        let mut cache = std::mem::take(&mut cursor.cache);
        if row.job.reach.cache == JobCache::Fill {
            cache.clear();
        }
        caches.push(cache);
        seen.push(TapRow {
            stack: std::mem::take(&mut cursor.interventions),
            step: row.job.step,
            positions: row.job.reach.computed.clone(),
            padding: width - row.job.reach.computed.len(),
            copies,
        });
    }
    let mut tap = Tap { rows: seen, failed: None };
    let watched = tap.rows.iter().any(|r| r.stack.iter().any(|i| i.wants_hidden()));
    let result = {
        let mut asked = Vec::new();
        for ((row, views), cache) in rows.iter().zip(views).zip(&mut caches) {
            asked.extend(rows_of(row, views, cache));
        }
        if let (Some(Guess { tokens, reach, .. }), [row]) = (guess, &*rows) {
            let computed = reach.computed.clone();
            let start = computed.start;
            asked.push(Row { attention: row.job.attention, ..Row::beside(&tokens[computed], start) });
        }
        let tapped: Option<&mut dyn HiddenTap> = if watched { Some(&mut tap) } else { None };
        // The two halves of guidance are one row, and keep their bits.
        let several = rows.len() > 1;
        subject.forward(Call { rows: asked, want, adapter: None, tap: tapped, pack: several })
    };
    for ((row, seen), cache) in rows.iter_mut().zip(tap.rows).zip(caches) {
        row.live.cursor.interventions = seen.stack;
        row.live.cursor.cache = cache;
    }
    match tap.failed {
        Some(error) => Err(error),
        None => Ok(result?),
    }
}

/// The rows of one job. Guidance and caches exclude each other.
fn rows_of<'a>(row: &PassRow<'_>, views: &'a [Vec<TokenId>], cache: &'a mut KvCache) -> Vec<Row<'a>> {
    match (row.job.reach.cache, views) {
        (JobCache::Fill | JobCache::Read, [view]) => {
            vec![Row { attention: row.job.attention, ..Row::cached(view, row.job.reach.computed.start, cache) }]
        }
        _ => views.iter().map(|view| Row { attention: row.job.attention, ..Row::new(view) }).collect(),
    }
}

/// Shows each row's own hidden states to its own interventions.
struct Tap {
    rows: Vec<TapRow>,
    failed: Option<EngineError>,
}

struct TapRow {
    stack: Vec<Box<dyn Intervention>>,
    step: Step,
    positions: Range<usize>,
    padding: usize,
    copies: usize,
}

impl TapRow {
    /// The hidden states [width, d] of one copy, edited.
    fn edit(&mut self, layer: usize, pass: Pass, whole: &Tensor) -> Result<Tensor, EngineError> {
        let at = HiddenAt { layer, positions: self.positions.clone(), pass };
        let padding = self.padding as i64;
        let mut own = whole.f_narrow(0, padding, whole.size()[0] - padding)?;
        for intervention in self.stack.iter_mut().filter(|i| i.wants_hidden()) {
            own = intervention.edit_hidden(self.step, &at, own)?;
        }
        Ok(Tensor::f_cat(&[whole.f_narrow(0, 0, padding)?, own], 0)?)
    }
}

impl Tap {
    fn edit(&mut self, layer: usize, hidden: &Tensor) -> Result<Tensor, EngineError> {
        let mut out = Vec::new();
        for row in &mut self.rows {
            for pass in [Pass::Conditional, Pass::Unconditional].into_iter().take(row.copies) {
                out.push(row.edit(layer, pass, &hidden.f_select(0, out.len() as i64)?)?);
            }
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
