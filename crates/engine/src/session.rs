//! Rows on their way: admitted, stepped, cancelled, finished.

use crate::cursor::{Cursor, Job};
use crate::options::{Batching, Options, RevealCount, Schedule};
use crate::pass::{PassRow, logits_of};
use crate::{Answer, EngineError, Request, StepRecord};
use mosa_core::Canvas;
use mosa_model::Adapted;

/// Names a row of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RowId(u64);

/// What became of a row.
#[derive(Debug)]
pub enum Event {
    /// It made a step; [`Session::canvas`] and [`Session::last_record`] show what changed.
    Stepped(RowId),
    /// It is done, and no longer part of the session.
    Finished(RowId, Box<Answer>),
    /// It could not go on, and is no longer part of the session.
    Failed(RowId, EngineError),
}

/// Rows that are decoded together. Rows may come and go at any time; with [`Batching::Rows`] an answer has the bytes it has
/// alone.
pub struct Session<'m> {
    subject: Adapted<'m>,
    batching: Batching,
    rows: Vec<Live>,
    admitted: u64,
}

/// A row that is not finished.
pub(crate) struct Live {
    pub id: RowId,
    pub cursor: Cursor,
    pub options: Options,
}

impl<'m> Session<'m> {
    /// Nothing to do yet.
    pub fn new(subject: Adapted<'m>, batching: Batching) -> Self {
        Self { subject, batching, rows: Vec::new(), admitted: 0 }
    }

    /// Takes a request on.
    ///
    /// # Errors
    /// [`EngineError`] if its options or the request itself cannot be used.
    pub fn admit(&mut self, request: Request) -> Result<RowId, EngineError> {
        request.options.check(self.subject.model.spec())?;
        let options = request.options.clone();
        let cursor = Cursor::new(request, &options, self.subject.model.spec())?;
        let id = RowId(self.admitted);
        self.admitted += 1;
        self.rows.push(Live { id, cursor, options });
        Ok(id)
    }

    /// Drops a row; whether there was one.
    pub fn cancel(&mut self, id: RowId) -> bool {
        let before = self.rows.len();
        self.rows.retain(|row| row.id != id);
        self.rows.len() < before
    }

    /// Whether every row has finished.
    pub fn is_idle(&self) -> bool {
        self.rows.is_empty()
    }

    /// The canvas of a row that is not gone.
    pub fn canvas(&self, id: RowId) -> Option<&Canvas> {
        self.row(id).map(|row| &row.cursor.canvas)
    }

    /// What the latest step of a row changed, if it changed anything.
    pub fn last_record(&self, id: RowId) -> Option<&StepRecord> {
        let cursor = &self.row(id)?.cursor;
        cursor.last_record().filter(|record| Some(record.step.clock) == cursor.stepped)
    }

    fn row(&self, id: RowId) -> Option<&Live> {
        self.rows.iter().find(|row| row.id == id)
    }

    /// Goes on: one step of every row that shares passes; of rows that share nothing, of the one admitted first, so that an
    /// interrupt loses one of them at most. Nothing is computed in a call that hands out finished rows.
    pub fn step(&mut self) -> Vec<Event> {
        let _no_grad = tch::no_grad_guard();
        let finished = self.finished();
        if !finished.is_empty() || self.rows.is_empty() {
            return finished;
        }
        let (mut events, mut jobs) = (Vec::new(), Vec::new());
        let shared = self.shared_masks();
        for i in self.group() {
            let Live { id, cursor, options } = &mut self.rows[i];
            match cursor.next_job(options, shared) {
                Ok(Some(job)) => jobs.push((i, job)),
                Ok(None) => {}
                Err(error) => events.push(Event::Failed(*id, error)),
            }
        }
        for pass in self.passes(jobs) {
            self.run(pass, &mut events);
        }
        let failed = |row: &Live| events.iter().any(|e| matches!(e, Event::Failed(id, _) if *id == row.id));
        self.rows.retain(|row| !failed(row));
        if events.is_empty() { self.finished() } else { events }
    }

    /// Takes finished rows out, without another step. Rows that count masks together stay until all of them are done.
    pub fn finished(&mut self) -> Vec<Event> {
        let counting = self.rows.iter().any(|row| row.counts_batch_mean() && !row.cursor.done);
        let (done, rest) = std::mem::take(&mut self.rows)
            .into_iter()
            .partition(|row| row.cursor.done && !(counting && row.counts_batch_mean()));
        self.rows = rest;
        let done: Vec<Live> = done;
        done.into_iter().map(|row| Event::Finished(row.id, Box::new(row.cursor.answer(&row.options)))).collect()
    }

    /// (masks, rows) of all rows that count them together.
    fn shared_masks(&self) -> Option<(usize, usize)> {
        let counting = || self.rows.iter().filter(|row| row.counts_batch_mean());
        counting().next()?;
        Some((counting().map(|row| row.cursor.masks()).sum(), counting().count()))
    }

    /// The rows that make a step now.
    fn group(&self) -> Vec<usize> {
        if matches!(self.batching, Batching::Shared { .. }) || self.rows.iter().any(Live::counts_batch_mean) {
            return (0..self.rows.len()).collect();
        }
        vec![0]
    }

    /// Which jobs share a pass: as many as the budget of tokens holds.
    fn passes(&self, jobs: Vec<(usize, Job)>) -> Vec<Vec<(usize, Job)>> {
        let Batching::Shared { tokens } = self.batching else { return jobs.into_iter().map(|job| vec![job]).collect() };
        let mut passes: Vec<Vec<(usize, Job)>> = Vec::new();
        let mut longest = 0;
        for (i, job) in jobs {
            let copies = if self.rows[i].options.cfg_scale > 0.0 { 2 } else { 1 };
            let len = (job.span.1 - job.span.0) * copies;
            match passes.last_mut() {
                Some(pass) if longest.max(len) * (pass.len() + 1) <= tokens => {
                    longest = longest.max(len);
                    pass.push((i, job));
                }
                _ => {
                    longest = len;
                    passes.push(vec![(i, job)]);
                }
            }
        }
        passes
    }

    /// One pass. If it fails, each of its rows is tried alone, so that none fails for another.
    fn run(&mut self, pass: Vec<(usize, Job)>, events: &mut Vec<Event>) {
        let mut rows: Vec<PassRow<'_>> = Vec::new();
        let mut jobs = pass.iter().peekable();
        for (i, live) in self.rows.iter_mut().enumerate() {
            if let Some((_, job)) = jobs.next_if(|(at, _)| *at == i) {
                rows.push(PassRow { live, job });
            }
        }
        match logits_of(self.subject, &mut rows) {
            Ok(all) => {
                for (row, logits) in rows.iter_mut().zip(all) {
                    let id = row.live.id;
                    match row.absorb(self.subject, logits) {
                        Ok(()) => events.push(Event::Stepped(id)),
                        Err(error) => events.push(Event::Failed(id, error)),
                    }
                }
            }
            Err(error) if rows.len() == 1 => events.push(Event::Failed(rows[0].live.id, error)),
            Err(_) => {
                drop(rows);
                for job in pass {
                    self.run(vec![job], events);
                }
            }
        }
    }
}

impl Live {
    fn counts_batch_mean(&self) -> bool {
        matches!(self.options.schedule, Schedule::Timesteps { count: RevealCount::BatchMean, .. })
    }
}
