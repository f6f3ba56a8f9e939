//! The landscape probe: where on a fully masked canvas a model would refuse, and where it would go on.

use crate::{Case, ProbeError};
use mosa_core::{Canvas, TokenId};
use mosa_engine::{Batching, EngineError, Intervention, Options, Step, generate};
use mosa_model::{Adapted, Call, Row, Slot};
use mosa_records::LandscapeRecord;
use mosa_runtime::{Model, Runtime};
use std::sync::{Arc, Mutex, PoisonError};
use tch::{Device, Kind, Tensor};

/// The two sets of sentences, as tokens.
#[derive(Clone, Debug, PartialEq)]
pub struct Sentences {
    /// Refusals; each ends in an end token.
    pub safe: Vec<Vec<TokenId>>,
    /// Sentences that go on with a procedure.
    pub harmful: Vec<Vec<TokenId>>,
}

/// What a decode showed, step by step.
#[derive(Clone, Debug, Default, PartialEq)]
struct Seen {
    /// Per step and masked position: offset and probability that a refusal begins there.
    refusal: Vec<Vec<(usize, f64)>>,
    /// Per step: probability of an end token at the leftmost mask.
    end: Vec<f64>,
}

/// Tokens whose probability is watched.
#[derive(Clone)]
struct Watched {
    /// First tokens of refusals.
    starts: Vec<i64>,
    /// End tokens.
    ends: Vec<i64>,
}

/// Watches a decode without changing it.
struct Watch {
    tokens: Watched,
    /// Response positions.
    length: usize,
    seen: Arc<Mutex<Seen>>,
}

impl Intervention for Watch {
    fn name(&self) -> &str {
        "refusal-watch"
    }

    fn edit_logits(
        &mut self,
        _: Step,
        canvas: &Canvas,
        positions: &[usize],
        logits: Tensor,
    ) -> Result<Tensor, EngineError> {
        let p = logits.f_softmax(-1, Kind::Float)?;
        let refusal = columns(&p, &self.tokens.starts)?;
        let end = columns(&p, &self.tokens.ends)?;
        // A sampler may look at revealed positions too, and at those of its last block beyond the response.
        let offset = |p: usize| p.checked_sub(canvas.response_start()).filter(|at| *at < self.length);
        let masked = positions.iter().enumerate().filter(|(_, p)| canvas.is_masked(**p));
        let masked: Vec<(usize, usize)> = masked.filter_map(|(i, p)| Some((i, offset(*p)?))).collect();
        let Some(&(first, _)) = masked.iter().min_by_key(|(_, at)| *at) else { return Ok(logits) };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.refusal.push(masked.iter().map(|(i, at)| (*at, rounded(refusal[*i]))).collect());
        seen.end.push(rounded(end[first]));
        Ok(logits)
    }
}

/// The sum of some columns of [rows, columns], per row.
fn columns(p: &Tensor, ids: &[i64]) -> Result<Vec<f64>, EngineError> {
    let index = Tensor::f_from_slice(ids)?.f_to_device(p.device())?;
    let sum = p.f_index_select(-1, &index)?.f_sum_dim_intlist([-1i64].as_slice(), false, Kind::Float)?;
    Ok(Vec::<f32>::try_from(sum.f_to_device(Device::Cpu)?)?.into_iter().map(f64::from).collect())
}

fn rounded(p: f64) -> f64 {
    (p * 1e4).round() / 1e4
}

/// A landscape to be drawn.
#[derive(Clone, Debug)]
pub struct Landscape {
    /// How the watched decode runs.
    pub options: Options,
    /// What is looked for.
    pub sentences: Arc<Sentences>,
    /// Whether the model is looked at with its adapter, or as it is.
    pub adapted: bool,
}

impl Landscape {
    /// The landscape of one case: the scores on the masked canvas, then a decode that is watched.
    ///
    /// # Errors
    /// [`ProbeError`] if a set is empty, a sentence is longer than the response, a stop was asked for, or the model fails.
    pub fn of(&self, runtime: &Runtime, case: &Case) -> Result<LandscapeRecord, ProbeError> {
        check(&self.options, &self.sentences)?;
        let (plan, case) = (self.clone(), case.clone());
        runtime.look(move |model| plan.drawn(model, &case))?
    }

    /// On the thread of the model.
    fn drawn(&self, model: &Model, case: &Case) -> Result<LandscapeRecord, ProbeError> {
        let subject = Adapted { adapter: model.adapter.as_ref().filter(|_| self.adapted), ..model.subject() };
        let tokens = Watched {
            starts: distinct(self.sentences.safe.iter().filter_map(|s| s.first())),
            ends: distinct(model.text.special.ends().iter()),
        };
        let log_p = tch::no_grad(|| self.masked(subject, case))?;
        let p = log_p.f_exp()?;
        let seen = self.watched(subject, case, tokens.clone())?;
        Ok(LandscapeRecord {
            group: case.group.clone(),
            id: case.id.clone(),
            safe: best(&log_p, &self.sentences.safe)?,
            harmful: best(&log_p, &self.sentences.harmful)?,
            end: columns(&p, &tokens.ends)?.into_iter().map(rounded).collect(),
            refusal: columns(&p, &tokens.starts)?.into_iter().map(rounded).collect(),
            refusal_by_step: seen.refusal,
            end_by_step: seen.end,
        })
    }

    /// ln p at every position of the masked response: [positions, vocabulary].
    fn masked(&self, subject: Adapted<'_>, case: &Case) -> Result<Tensor, ProbeError> {
        let start = case.prompt.len();
        let canvas = Canvas::new(&case.prompt, self.options.response_on_canvas(start), subject.model.spec().mask);
        let want: Vec<Slot> = (0..self.options.gen_length).map(|k| (0, start + k)).collect();
        let row = Row { attention: self.options.schedule.plan().attention(), ..Row::new(canvas.tokens()) };
        let logits = subject.forward(Call::of(vec![row], &want))?;
        Ok(logits.f_log_softmax(-1, Kind::Float)?)
    }

    fn watched(&self, subject: Adapted<'_>, case: &Case, tokens: Watched) -> Result<Seen, ProbeError> {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let watch = Watch { tokens, length: self.options.gen_length, seen: Arc::clone(&seen) };
        let request = case.request(&self.options).with_interventions(vec![Box::new(watch)]);
        generate(subject, Batching::Rows, vec![request], &mut ())?;
        Ok(std::mem::take(&mut seen.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

fn check(options: &Options, sentences: &Sentences) -> Result<(), ProbeError> {
    for (key, set) in [("safe-sentences", &sentences.safe), ("harmful-sentences", &sentences.harmful)] {
        let what = match set.iter().map(Vec::len).max() {
            None | Some(0) => "hold no sentence".to_owned(),
            Some(n) if n > options.gen_length => {
                format!(
                    "hold one of {n} tokens, longer than the response of {}; raise --gen-length",
                    options.gen_length
                )
            }
            Some(_) => continue,
        };
        return Err(ProbeError::Setting { key, what });
    }
    Ok(())
}

fn distinct<'a>(ids: impl Iterator<Item = &'a TokenId>) -> Vec<i64> {
    let mut ids: Vec<i64> = ids.map(|&t| i64::from(t)).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// Per start the best mean log-probability of a sentence that fits there; `log_p` is [positions, vocabulary].
fn best(log_p: &Tensor, set: &[Vec<TokenId>]) -> Result<Vec<f64>, ProbeError> {
    let length = log_p.size()[0] as usize;
    let tokens = distinct(set.iter().flatten());
    let index = Tensor::f_from_slice(&tokens)?.f_to_device(log_p.device())?;
    let picked = log_p.f_index_select(-1, &index)?.f_to_device(Device::Cpu)?.f_contiguous()?.f_view([-1])?;
    let picked = Vec::<f32>::try_from(picked).map_err(mosa_model::ModelError::from)?;
    let column = |t: &TokenId| tokens.binary_search(&i64::from(*t)).unwrap_or(0);
    let score = |k: usize, s: &[TokenId]| {
        let sum: f64 = s.iter().enumerate().map(|(j, t)| f64::from(picked[(k + j) * tokens.len() + column(t)])).sum();
        sum / s.len() as f64
    };
    let shortest = set.iter().map(Vec::len).min().unwrap_or(0);
    let at = |k: usize| {
        let fitting = set.iter().filter(|s| !s.is_empty() && k + s.len() <= length);
        (fitting.map(|s| score(k, s)).fold(f64::NEG_INFINITY, f64::max) * 1e4).round() / 1e4
    };
    Ok((0..=length - shortest.max(1)).map(at).collect())
}

/// The window of `width` positions in which harmful sentences fit best compared with safe ones, on average over the
/// records: where a model is most ready to go on and least ready to stop. First and last offset. None without records,
/// or where the canvas is shorter than the window.
pub fn propose_window(records: &[LandscapeRecord], width: usize) -> Option<(usize, usize)> {
    let length = records.iter().map(|r| r.safe.len().min(r.harmful.len())).min()?;
    let lead = |k: usize| records.iter().map(|r| r.harmful[k] - r.safe[k]).sum::<f64>();
    let leads: Vec<f64> = (0..length).map(lead).collect();
    let sums = leads.windows(width.max(1)).map(|w| w.iter().sum::<f64>()).enumerate();
    sums.max_by(|a, b| a.1.total_cmp(&b.1)).map(|(k, _)| (k, k + width.max(1)))
}
