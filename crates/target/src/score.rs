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

/// Scores one request: with every word masked at once, or left to right with the earlier ones revealed.
pub(crate) fn score(
    (model, adapter): Subject<'_>,
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
    base.resize(start - asked.offset + gen_length, model.spec().mask);
    let views: Vec<(Vec<TokenId>, Vec<usize>)> = match asked.estimator {
        Estimator::MeanField => vec![(base, (0..tokens.len()).collect())],
        Estimator::Chain => (0..tokens.len())
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
        let logits = model.forward(Call::new(&rows, &want).with_adapter(adapter))?;
        let logp = logits.f_log_softmax(-1, Kind::Float)?.f_to_device(Device::Cpu)?;
        for (i, id) in ids.iter().enumerate() {
            let row = Vec::<f32>::try_from(logp.f_get(i as i64)?)?;
            scored.push(ranked(text, &row, *id)?);
        }
    }
    Ok(Scored { tokens: scored, forwards })
}

fn ranked(text: &TextModel, row: &[f32], id: TokenId) -> Result<ScoredToken, TargetError> {
    let own = row[id as usize];
    let others = row.iter().enumerate().filter(|(i, _)| *i != id as usize).map(|(_, l)| *l);
    Ok(ScoredToken {
        text: text.tokenizer.decode(&[id], Specials::Keep)?,
        logprob: f64::from(own),
        rank: row.iter().filter(|l| **l > own).count(),
        best_other: f64::from(others.fold(f32::NEG_INFINITY, f32::max)),
    })
}
