//! Rows on their way: admitted, stepped, cancelled, finished.

use crate::cursor::{Cursor, Job};
use crate::live::{Live, RowId};
use crate::options::Batching;
use crate::pass::{PassRow, absorb, logits_of};
use crate::reach::JobCache;
use crate::schedule::MaskCount;
use crate::{Answer, EngineError, Request, StepRecord};
use mosa_core::Canvas;
use mosa_model::Adapted;

/// What became of a row.
///
/// Of a row come any number of `Stepped`, one for each of its passes, and then one `Finished` or `Failed`, after which the row is
/// gone. A cancelled row has no further event.
#[derive(Debug)]
pub enum Event {
    /// It made a step; [`Session::canvas`] and [`Session::last_record`] show what changed.
    Stepped(RowId),
    /// It is done, and no longer part of the session.
    Finished(RowId, Box<Answer>),
    /// It could not go on, and is no longer part of the session.
    Failed(RowId, EngineError),
}

impl Event {
    /// Whose event it is.
    pub fn row(&self) -> RowId {
        match self {
            Self::Stepped(id) | Self::Finished(id, _) | Self::Failed(id, _) => *id,
        }
    }
}

/// Rows that are decoded together. Rows may come and go at any time; with [`Batching::Rows`] an answer has the bytes it has
/// alone on the CPU.
///
/// No row waits for ever. With [`Batching::Rows`] they are decoded one after another, in the order they were admitted, so a row
/// waits for all steps of those before it; with [`Batching::Turns`] and [`Batching::Shared`] every row makes a step in every call.
pub struct Session<'m> {
    subject: Adapted<'m>,
    batching: Batching,
    /// Most computed positions of a pass: the budget, or less once memory ran out.
    room: usize,
    rows: Vec<Live>,
    admitted: u64,
}

impl<'m> Session<'m> {
    /// Nothing to do yet.
    pub fn new(subject: Adapted<'m>, batching: Batching) -> Self {
        let room = match batching {
            Batching::Rows | Batching::Turns => 0,
            Batching::Shared { tokens } => tokens,
        };
        Self { subject, batching, room, rows: Vec::new(), admitted: 0 }
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

    /// Drops a row with all it holds; whether there was one. May be called between any two steps.
    pub fn cancel(&mut self, id: RowId) -> bool {
        let before = self.rows.len();
        self.rows.retain(|row| row.id != id);
        self.rows.len() < before
    }

    /// Whether there is no row; [`Session::step`] then has nothing to do.
    pub fn is_idle(&self) -> bool {
        self.rows.is_empty()
    }

    /// Number of rows that are not gone. Its word for empty is idle.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// The rows that are not gone, in the order they were admitted.
    pub fn ids(&self) -> impl Iterator<Item = RowId> {
        self.rows.iter().map(|row| row.id)
    }

    /// Canvas positions of which keys and values are held, of all rows: what the session keeps on the device between steps.
    pub fn cached_positions(&self) -> usize {
        self.rows.iter().map(|row| row.cursor.cache.positions()).sum()
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

    /// Goes on: one step of every row that shares passes or takes turns; of other rows, of the one admitted first, so that an
    /// interrupt loses one of them at most.
    ///
    /// A call either hands out finished rows, and computes nothing, or makes steps. Events are ordered by admission. The result
    /// is empty only if there is no row. A failure is the row's own: a shared pass that fails is made again without the others,
    /// and one for which memory does not suffice in halves, and from then on smaller. Then hidden states may be shown to
    /// interventions again; everything else happens once per step.
    pub fn step(&mut self) -> Vec<Event> {
        let _no_grad = tch::no_grad_guard();
        let finished = self.finished();
        if !finished.is_empty() || self.rows.is_empty() {
            return finished;
        }
        let (mut events, mut asked) = (Vec::new(), Vec::new());
        let shared = self.shared_masks();
        for row in self.group() {
            let Live { id, cursor, options } = &mut self.rows[row];
            match cursor.next_job(options, shared) {
                Ok(Some(job)) => asked.push(AskedPass { row, job }),
                Ok(None) => {}
                Err(error) => events.push(Event::Failed(*id, error)),
            }
        }
        for pass in self.passes(asked) {
            self.run(pass, &mut events);
        }
        if events.is_empty() {
            return self.finished();
        }
        events.sort_by_key(Event::row);
        let failed = |row: &Live| events.iter().any(|e| matches!(e, Event::Failed(id, _) if *id == row.id));
        self.rows.retain(|row| !failed(row));
        events
    }

    /// Takes finished rows out, without another step. Rows that count masks together stay until all of them are done.
    pub fn finished(&mut self) -> Vec<Event> {
        let counting = self.rows.iter().any(|row| row.counts_together() && !row.cursor.done);
        let (done, rest) = std::mem::take(&mut self.rows)
            .into_iter()
            .partition(|row| row.cursor.done && !(counting && row.counts_together()));
        self.rows = rest;
        let done: Vec<Live> = done;
        done.into_iter().map(|row| Event::Finished(row.id, Box::new(row.cursor.answer(&row.options)))).collect()
    }

    /// The masks of all rows that count them together.
    fn shared_masks(&self) -> Option<MaskCount> {
        let counting = || self.rows.iter().filter(|row| row.counts_together());
        counting().next()?;
        Some(MaskCount { masks: counting().map(|row| row.cursor.masks()).sum(), rows: counting().count() })
    }

    /// The rows that make a step now.
    fn group(&self) -> Vec<usize> {
        if self.batching != Batching::Rows {
            return (0..self.rows.len()).collect();
        }
        match self.rows.first() {
            Some(first) if first.counts_together() => {
                (0..self.rows.len()).filter(|&i| self.rows[i].counts_together()).collect()
            }
            _ => vec![0],
        }
    }

    /// What shares a pass: as much as there is room for. Windows of cached rows are not padded to whole canvases.
    fn passes(&self, asked: Vec<AskedPass>) -> Vec<Vec<AskedPass>> {
        if matches!(self.batching, Batching::Rows | Batching::Turns) {
            return asked.into_iter().map(|one| vec![one]).collect();
        }
        let (windows, whole): (Vec<_>, Vec<_>) = asked.into_iter().partition(|a| a.job.reach.cache == JobCache::Read);
        let mut passes: Vec<Vec<AskedPass>> = Vec::new();
        for kind in [whole, windows] {
            let mut size = Size::default();
            for one in kind {
                let grown = size.with(self.size_of(&one));
                match passes.last_mut() {
                    Some(pass) if size.copies > 0 && grown.positions() <= self.room => {
                        pass.push(one);
                        size = grown;
                    }
                    _ => {
                        size = self.size_of(&one);
                        passes.push(vec![one]);
                    }
                }
            }
        }
        passes
    }

    fn size_of(&self, asked: &AskedPass) -> Size {
        Size { width: asked.job.reach.computed.len(), copies: self.rows[asked.row].copies() }
    }

    /// One pass.
    fn run(&mut self, mut pass: Vec<AskedPass>, events: &mut Vec<Event>) {
        let mut rows: Vec<PassRow<'_>> = Vec::new();
        let mut asked = pass.iter().peekable();
        for (i, live) in self.rows.iter_mut().enumerate() {
            if let Some(AskedPass { job, .. }) = asked.next_if(|a| a.row == i) {
                rows.push(PassRow { live, job });
            }
        }
        match logits_of(self.subject, &mut rows) {
            Ok(logits) => {
                let outcomes = absorb(self.subject, &mut rows, logits);
                events.extend(rows.iter().zip(outcomes).map(|(row, outcome)| match outcome {
                    Ok(()) => Event::Stepped(row.live.id),
                    Err(error) => Event::Failed(row.live.id, error),
                }));
            }
            Err(error) if pass.len() == 1 => events.push(Event::Failed(rows[0].live.id, error)),
            Err(error) if error.is_out_of_memory() => {
                drop(rows);
                let size = pass.iter().fold(Size::default(), |size, one| size.with(self.size_of(one)));
                self.room = self.room.min(size.positions() / 2);
                let second = pass.split_off(pass.len() / 2);
                self.run(pass, events);
                self.run(second, events);
            }
            Err(_) => {
                drop(rows);
                for one in pass {
                    self.run(vec![one], events);
                }
            }
        }
    }
}

/// A pass that a row asks for.
struct AskedPass {
    /// Index of the row.
    row: usize,
    job: Job,
}

/// What a pass computes.
#[derive(Clone, Copy, Default)]
struct Size {
    /// Positions of its longest row.
    width: usize,
    /// Rows, each half of guidance for itself.
    copies: usize,
}

impl Size {
    fn with(self, other: Self) -> Self {
        Self { width: self.width.max(other.width), copies: self.copies + other.copies }
    }

    /// Computed positions, padding included.
    fn positions(self) -> usize {
        self.width * self.copies
    }
}
