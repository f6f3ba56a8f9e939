//! The probability of given words at an offset of the response.

use crate::TargetError;
use crate::words::conversation;
use mosa_attack::{Score, Scored, ScoredToken};
use mosa_core::{Canvas, TokenId};
use mosa_engine::{Estimator, Options, Scoring, View};
use mosa_runtime::{Model, Runtime, RuntimeError, words_at};
use mosa_text::{Specials, TextModel};
use tch::Device;

/// Tokens that who sees few probabilities sees.
const SEEN: usize = 5;

/// Words to score on their canvas.
struct Scorable {
    /// How answers are decoded.
    options: Options,
    canvas: Canvas,
    /// Canvas position and token.
    tokens: Vec<(usize, TokenId)>,
    views: Vec<View>,
}

/// Scores one request: with every word masked at once, or left to right with the earlier ones revealed.
pub(crate) fn score(runtime: &Runtime, options: &Options, asked: &Score) -> Result<Scored, TargetError> {
    if runtime.stop().asked() {
        return Err(RuntimeError::Interrupted.into());
    }
    let words = scorable(runtime, options, asked)?;
    let (length, forwards) = (words.tokens.len(), words.views.len());
    let tokens = runtime.look(move |model| words.scored(model))??;
    Ok(Scored { tokens, length, forwards })
}

fn scorable(runtime: &Runtime, options: &Options, asked: &Score) -> Result<Scorable, TargetError> {
    let prompt = runtime.text().encode(&conversation(&asked.messages))?;
    let tokens = words_at(runtime.text(), asked.offset, &asked.text)?;
    let gen_length = asked.gen_length.unwrap_or(options.gen_length);
    let options = options.resized(gen_length);
    if tokens.is_empty() || asked.offset + tokens.len() > gen_length {
        let what = format!(
            "{} tokens to score at offset {} do not fit a response of {gen_length} positions",
            tokens.len(),
            asked.offset
        );
        return Err(TargetError::Request(what));
    }
    let views = views(asked, tokens.len())?;
    let canvas = Canvas::new(&prompt, options.response_on_canvas(prompt.len()), runtime.spec().mask);
    let start = canvas.response_start() + asked.offset;
    Ok(Scorable { options, canvas, tokens: (start..).zip(tokens).collect(), views })
}

/// How the engine's estimator looks at `count` tokens, as far as they are asked about.
fn views(asked: &Score, count: usize) -> Result<Vec<View>, TargetError> {
    let views = match asked.estimator {
        mosa_attack::Estimator::MeanField => Estimator::MeanField,
        mosa_attack::Estimator::Chain => Estimator::Chain,
    }
    .views(count)?;
    match asked.only {
        None => Ok(views),
        Some(j) if j < count => {
            let of_it = views.into_iter().filter(|view| view.scored.contains(&j));
            Ok(of_it.map(|view| View { scored: vec![j], ..view }).collect())
        }
        Some(j) => Err(TargetError::Request(format!("there is no token {j} among the {count} to score"))),
    }
}

impl Scorable {
    /// On the thread of the model.
    fn scored(&self, model: &Model) -> Result<Vec<ScoredToken>, TargetError> {
        let subject = model.subject();
        let scoring = Scoring::new(subject.model.spec(), &self.canvas, &self.tokens)?.decoded_by(&self.options);
        let mut scored = Vec::with_capacity(self.tokens.len());
        scoring.passes(subject, &self.views, &mut |scores| {
            let log_p = scores.log_p.f_to_device(Device::Cpu)?;
            for (i, id) in scores.ids.iter().enumerate() {
                let row = Vec::<f32>::try_from(log_p.f_get(i as i64)?)?;
                scored.push(ranked(&model.text, &row, *id));
            }
            Ok(())
        })?;
        scored.into_iter().collect()
    }
}

fn ranked(text: &TextModel, row: &[f32], id: TokenId) -> Result<ScoredToken, TargetError> {
    let own = row[id as usize];
    if own.is_nan() {
        return Err(TargetError::Request("the model returned NaN: its weights or the compute type are broken".into()));
    }
    let others = row.iter().enumerate().filter(|(i, _)| *i != id as usize).map(|(_, l)| *l);
    let mut five = row.to_vec();
    if five.len() > SEEN {
        five.select_nth_unstable_by(SEEN - 1, |a, b| b.total_cmp(a));
        five.truncate(SEEN);
    }
    let left = 1.0 - five.iter().map(|l| f64::from(*l).exp()).sum::<f64>();
    Ok(ScoredToken {
        text: text.tokenizer.decode(&[id], Specials::Keep)?,
        logprob: f64::from(own),
        rank: row.iter().filter(|l| **l > own).count(),
        best_other: f64::from(others.fold(f32::NEG_INFINITY, f32::max)),
        // An f32 probability has no digits below this.
        beyond_five: left.max(f64::from(f32::EPSILON)).ln(),
    })
}
