//! The probability of given words at an offset of the response.

use crate::TargetError;
use crate::layout::{prompt, words};
use crate::local::Subject;
use mosa_attack::{Estimator, Score, Scored, ScoredToken};
use mosa_core::TokenId;
use mosa_model::{Call, Slot};
use mosa_text::{Specials, TextModel};
use tch::{Device, Kind};

/// Canvases that share a pass.
const ROWS: usize = 16;
/// Tokens that who sees few probabilities sees.
const SEEN: usize = 5;

/// Scores one request: with every word masked at once, or left to right with the earlier ones revealed.
pub(crate) fn score(
    subject: Subject<'_>,
    (text, gen_length): (&TextModel, usize),
    asked: &Score,
) -> Result<Scored, TargetError> {
    let _no_grad = tch::no_grad_guard();
    let prompt = prompt(text, &asked.messages)?;
    let tokens = words(text, asked.offset, &asked.text)?;
    let gen_length = asked.gen_length.unwrap_or(gen_length);
    if tokens.is_empty() || asked.offset + tokens.len() > gen_length {
        let what = format!(
            "{} tokens to score at offset {} do not fit a response of {gen_length} positions",
            tokens.len(),
            asked.offset
        );
        return Err(TargetError::Request(what));
    }
    let start = prompt.len() + asked.offset;
    let mut base = prompt;
    base.resize(start - asked.offset + gen_length, subject.model.spec().mask);
    let wanted = match asked.only {
        Some(j) if j < tokens.len() => j..j + 1,
        Some(j) => {
            return Err(TargetError::Request(format!("there is no token {j} among the {} to score", tokens.len())));
        }
        None => 0..tokens.len(),
    };
    let views: Vec<(Vec<TokenId>, Vec<usize>)> = match asked.estimator {
        Estimator::MeanField => vec![(base, wanted.collect())],
        Estimator::Chain => wanted
            .map(|j| {
                let mut canvas = base.clone();
                canvas[start..start + j].copy_from_slice(&tokens[..j]);
                (canvas, vec![j])
            })
            .collect(),
    };
    let forwards = views.len();
    let mut scored = Vec::with_capacity(tokens.len());
    for chunk in views.chunks(ROWS) {
        let rows: Vec<&[TokenId]> = chunk.iter().map(|(canvas, _)| canvas.as_slice()).collect();
        let want: Vec<Slot> =
            chunk.iter().enumerate().flat_map(|(i, (_, js))| js.iter().map(move |j| (i, start + j))).collect();
        let ids: Vec<TokenId> = chunk.iter().flat_map(|(_, js)| js.iter().map(|j| tokens[*j])).collect();
        let logits = subject.forward(Call::new(&rows, &want))?;
        let logp = logits.f_log_softmax(-1, Kind::Float)?.f_to_device(Device::Cpu)?;
        for (i, id) in ids.iter().enumerate() {
            let row = Vec::<f32>::try_from(logp.f_get(i as i64)?)?;
            scored.push(ranked(text, &row, *id)?);
        }
    }
    Ok(Scored { tokens: scored, length: tokens.len(), forwards })
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
