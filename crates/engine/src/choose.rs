//! Questions whose choices are scored by their likelihood: many questions per pass, and every different canvas once.

use crate::error::not_a_number;
use crate::likelihood::Scoring;
use crate::{Batching, EngineError, Estimator};
use mosa_core::{Canvas, TokenId};
use mosa_model::{Adapted, Call, ModelSpec, Slot, waiting};
use std::collections::VecDeque;
use tch::{Device, Kind, Tensor};

/// A prompt, and what may stand behind it.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// Names the question in messages.
    pub id: String,
    /// Prompt tokens; none of them is the mask.
    pub prompt: Vec<TokenId>,
    /// The tokens of every choice. Each stands right behind the prompt, and nothing behind it.
    pub choices: Vec<Vec<TokenId>>,
    /// How the probability of a choice is estimated. Choices with as many tokens see the same masks.
    pub estimator: Estimator,
}

/// What the model says of a question.
#[derive(Clone, Debug, PartialEq)]
pub struct Weighed {
    /// ln p of every choice (for [`Estimator::Elbo`] a lower bound in expectation).
    pub log_p: Vec<f64>,
    /// Model calls it takes alone: its different canvases.
    pub forwards: usize,
}

/// Most slots of a pass, whose logits over the vocabulary are held twice: 256 MB at 126,464 tokens in f32. A row that
/// has more is a pass of its own.
const MOST_SLOTS: usize = 256;

/// Scores the choices of all questions; the results come in their order. `None` stands for a question that `stop`,
/// which is asked before every pass, left without all its numbers.
///
/// Canvases of a question that are equal are computed once: four choices of one token are one row with one masked slot,
/// read at four tokens. With [`Batching::Rows`] every row has a pass of its own and no bit of a result depends on the
/// other questions. With [`Batching::Shared`] rows of similar length share passes, equal up to rounding; one for which
/// memory does not suffice is made in halves, and from then on passes are smaller.
///
/// A failure is a question's own: one that cannot be asked, numbers that are none, a pass that fails without the others
/// too.
pub fn choose(
    subject: Adapted<'_>,
    batching: Batching,
    questions: &[Question],
    stop: &dyn Fn() -> bool,
) -> Vec<Result<Option<Weighed>, EngineError>> {
    let _no_grad = tch::no_grad_guard();
    let room = match batching {
        Batching::Rows | Batching::Turns => 0,
        Batching::Shared { tokens } => tokens,
    };
    let mut run = Run { subject, room, stop, questions, sheets: Vec::with_capacity(questions.len()) };
    let mut rows = Vec::new();
    for (number, question) in questions.iter().enumerate() {
        let own = question.rows(number, subject.model.spec());
        let (open, failed) = own.as_ref().map_or((0, None), |own| (own.len(), None::<EngineError>));
        run.sheets.push(Sheet { log_p: vec![0.0; question.choices.len()], rows: open, open, failed });
        match own {
            Ok(own) => rows.extend(own),
            Err(error) => run.fail(number, error),
        }
    }
    if matches!(batching, Batching::Shared { .. }) {
        // Little padding, and the largest pass first.
        rows.sort_by_key(|row| std::cmp::Reverse(run.len(row)));
    }
    let mut rows = VecDeque::from(rows);
    while let Some(pass) = run.next_pass(&mut rows) {
        run.pass(pass);
    }
    run.sheets.into_iter().map(Sheet::result).collect()
}

/// A canvas of a question, and what is read off it.
struct Row {
    /// Number of the question.
    question: usize,
    /// What stands behind the prompt.
    behind: Vec<TokenId>,
    /// Canvas positions of the slots that are read.
    slots: Vec<usize>,
    reads: Vec<Read>,
}

/// A number that is read.
struct Read {
    /// Index of the slot.
    slot: usize,
    token: TokenId,
    choice: usize,
    /// What ln p is multiplied by before it is added to the choice's.
    weight: f64,
}

impl Row {
    fn read(&mut self, position: usize, token: TokenId, choice: usize, weight: f64) {
        let slot = self.slots.iter().position(|p| *p == position).unwrap_or_else(|| {
            self.slots.push(position);
            self.slots.len() - 1
        });
        self.reads.push(Read { slot, token, choice, weight });
    }
}

impl Question {
    /// Its different canvases.
    fn rows(&self, number: usize, spec: &ModelSpec) -> Result<Vec<Row>, EngineError> {
        self.check(spec)?;
        let (mut rows, start): (Vec<Row>, usize) = (Vec::new(), self.prompt.len());
        for (choice, tokens) in self.choices.iter().enumerate() {
            let placed: Vec<(usize, TokenId)> = (start..).zip(tokens.iter().copied()).collect();
            let canvas = Canvas::new(&self.prompt, tokens.len(), spec.mask);
            let scoring = Scoring::new(spec, &canvas, &placed)?;
            for view in self.estimator.views(tokens.len())? {
                let behind = scoring.seen(&view).split_off(start);
                let known = rows.iter().position(|row| row.behind == behind).unwrap_or_else(|| {
                    rows.push(Row { question: number, behind, slots: Vec::new(), reads: Vec::new() });
                    rows.len() - 1
                });
                let weight = self.estimator.weight(tokens.len(), &view);
                for &j in &view.scored {
                    rows[known].read(placed[j].0, placed[j].1, choice, weight);
                }
            }
        }
        Ok(rows)
    }

    fn check(&self, spec: &ModelSpec) -> Result<(), EngineError> {
        let wrong = |what: String| Err(EngineError::Request { id: self.id.clone(), what });
        let longest = self.choices.iter().map(Vec::len).max().unwrap_or(0);
        if self.prompt.is_empty() {
            return wrong("the prompt is empty".into());
        }
        if self.choices.iter().any(Vec::is_empty) || longest == 0 {
            return wrong("there is no choice, or one without a token".into());
        }
        let tokens = self.prompt.len();
        if tokens.saturating_add(longest) > spec.max_length {
            return Err(EngineError::TooLong {
                id: self.id.clone(),
                tokens,
                behind: longest,
                context: spec.max_length,
            });
        }
        let mut all = self.choices.iter().flatten().chain(&self.prompt);
        if let Some(bad) = all.find(|t| **t as usize >= spec.vocab || **t == spec.mask) {
            return wrong(format!("token {bad} is the mask token or outside the vocabulary of {}", spec.vocab));
        }
        Ok(())
    }
}

/// What is known of a question.
struct Sheet {
    log_p: Vec<f64>,
    /// Its canvases, and those that were not computed yet.
    rows: usize,
    open: usize,
    failed: Option<EngineError>,
}

impl Sheet {
    fn result(self) -> Result<Option<Weighed>, EngineError> {
        match self.failed {
            Some(error) => Err(error),
            None => Ok((self.open == 0).then_some(Weighed { log_p: self.log_p, forwards: self.rows })),
        }
    }
}

/// Passes under way.
struct Run<'a> {
    subject: Adapted<'a>,
    /// Most computed positions of a pass: the budget, or less once memory ran out.
    room: usize,
    stop: &'a dyn Fn() -> bool,
    questions: &'a [Question],
    sheets: Vec<Sheet>,
}

impl Run<'_> {
    fn len(&self, row: &Row) -> usize {
        self.questions[row.question].prompt.len() + row.behind.len()
    }

    fn fail(&mut self, question: usize, error: EngineError) {
        let id = self.questions[question].id.clone();
        let named =
            matches!(error, EngineError::Request { .. } | EngineError::NoRoom { .. } | EngineError::TooLong { .. });
        let error = if named { error } else { EngineError::Question { id, error: Box::new(error) } };
        self.sheets[question].failed.get_or_insert(error);
    }

    /// The next rows, as many as share a pass. Rows of a question that failed are left out.
    fn next_pass(&self, rows: &mut VecDeque<Row>) -> Option<Vec<Row>> {
        let (mut pass, mut width, mut slots) = (Vec::new(), 0, 0);
        while let Some(row) = rows.front() {
            if self.sheets[row.question].failed.is_some() {
                rows.pop_front();
                continue;
            }
            (width, slots) = (self.len(row).max(width), slots + row.slots.len());
            if !pass.is_empty() && (width * (pass.len() + 1) > self.room || slots > MOST_SLOTS) {
                break;
            }
            pass.extend(rows.pop_front());
        }
        Some(pass).filter(|pass| !pass.is_empty())
    }

    /// One pass, or several if it fails.
    fn pass(&mut self, mut rows: Vec<Row>) {
        if (self.stop)() {
            return;
        }
        match self.log_p(&rows) {
            Ok(log_p) => self.note(&rows, &log_p),
            Err(error) if rows.len() == 1 => self.fail(rows[0].question, error),
            Err(error) if error.is_out_of_memory() => {
                let width = rows.iter().map(|row| self.len(row)).max().unwrap_or(0);
                self.room = self.room.min(width * rows.len() / 2);
                let second = rows.split_off(rows.len() / 2);
                self.pass(rows);
                self.pass(second);
            }
            Err(_) => rows.into_iter().for_each(|row| self.pass(vec![row])),
        }
    }

    /// ln p of everything that is read, row after row: one copy to the host.
    fn log_p(&self, rows: &[Row]) -> Result<Vec<f32>, EngineError> {
        let whole = |row: &Row| [&self.questions[row.question].prompt[..], &row.behind].concat();
        let canvases: Vec<Vec<TokenId>> = rows.iter().map(whole).collect();
        let seen: Vec<&[TokenId]> = canvases.iter().map(Vec::as_slice).collect();
        let (mut want, mut at): (Vec<Slot>, Vec<i64>) = (Vec::new(), Vec::new());
        let vocab = self.subject.model.spec().vocab as i64;
        for (number, row) in rows.iter().enumerate() {
            at.extend(row.reads.iter().map(|read| (want.len() + read.slot) as i64 * vocab + i64::from(read.token)));
            want.extend(row.slots.iter().map(|&position| (number, position)));
        }
        let log_p = self.subject.forward(Call::new(&seen, &want).packed())?.f_log_softmax(-1, Kind::Float)?;
        let read = log_p.f_take(&Tensor::f_from_slice(&at)?.f_to_device(log_p.device())?)?;
        Ok(waiting(read.device(), || Vec::<f32>::try_from(read.f_to_device(Device::Cpu)?))?)
    }

    fn note(&mut self, rows: &[Row], log_p: &[f32]) {
        let mut rest = log_p;
        for row in rows {
            let (own, others) = rest.split_at(row.reads.len());
            rest = others;
            if let Some(broken) = own.iter().position(|p| p.is_nan()) {
                self.fail(row.question, not_a_number(self.subject, row.slots[row.reads[broken].slot], 0));
                continue;
            }
            let sheet = &mut self.sheets[row.question];
            sheet.open -= 1;
            for (read, p) in row.reads.iter().zip(own) {
                sheet.log_p[read.choice] += read.weight * f64::from(*p);
            }
        }
    }
}
