//! Beginnings that are not allowed: the first tokens at an offset, chosen left to right.

use crate::TargetError;
use crate::layout::Layout;
use crate::local::Subject;
use mosa_attack::Constraint;
use mosa_core::{Rng, Stream, TokenId};
use mosa_model::Call;
use mosa_text::{Specials, TextModel};
use tch::{Device, Kind, Tensor};

/// Most tokens chosen this way; no beginning is longer.
const LONGEST: usize = 32;

/// Chooses the tokens from `constraint.offset` on, one after the other with everything else masked, until what stands
/// there cannot become a forbidden beginning any more, and adds them to the forced tokens. Any token that would complete
/// one is passed over, which is exact; the rest of the answer is then decoded as usual (EPT). Returns the
/// model calls.
pub(crate) fn choose(
    subject: Subject<'_>,
    text: &TextModel,
    (constraint, temperature, draw): (&Constraint, f64, u64),
    layout: &mut Layout,
) -> Result<usize, TargetError> {
    let _no_grad = tch::no_grad_guard();
    let forbidden: Vec<&str> = constraint.forbidden.iter().map(|f| f.trim()).filter(|f| !f.is_empty()).collect();
    let mask = subject.model.spec().mask;
    let mut canvas = layout.prompt.clone();
    canvas.resize(layout.prompt.len() + layout.gen_length, mask);
    for &(offset, token) in &layout.forced {
        canvas[layout.prompt.len() + offset] = token;
    }
    let mut chosen: Vec<TokenId> = Vec::new();
    let ends = text.special.ends();
    let end = layout.gen_length.min(constraint.offset + LONGEST);
    for offset in constraint.offset..end {
        let position = layout.prompt.len() + offset;
        if canvas[position] != mask || forbidden.is_empty() {
            break;
        }
        let rows = [canvas.as_slice()];
        let logits = subject.forward(Call::new(&rows, &[(0, position)]))?;
        let order = ranked(&logits, temperature, &Rng::at(draw, Stream::Attack, offset as u64, 0))?;
        let mut found = None;
        for token in order.into_iter().filter(|t| *t != mask) {
            let span = text.tokenizer.decode(&[chosen.as_slice(), &[token]].concat(), Specials::Skip)?;
            if ends.contains(&token) || !forbidden.iter().any(|f| span.trim_start().starts_with(f)) {
                found = Some((token, span));
                break;
            }
        }
        let Some((token, span)) = found else {
            return Err(TargetError::Request("every token would complete a forbidden beginning".into()));
        };
        chosen.push(token);
        canvas[position] = token;
        let begun = span.trim_start();
        if ends.contains(&token) || !forbidden.iter().any(|f| f.starts_with(begun)) {
            break;
        }
    }
    let forwards = chosen.len();
    layout.forced.extend((constraint.offset..).zip(chosen));
    Ok(forwards)
}

/// Tokens from the most to the least likely one; above temperature 0 with Gumbel noise, so that the first is a sample.
fn ranked(logits: &Tensor, temperature: f64, rng: &Rng) -> Result<Vec<TokenId>, TargetError> {
    let row = Vec::<f32>::try_from(logits.f_view([-1])?.f_to_kind(Kind::Float)?.f_to_device(Device::Cpu)?)?;
    let mut rng = rng.clone();
    let noisy = |logit: f32| match temperature {
        t if t > 0.0 => f64::from(logit) / t - (-rng.unit().ln()).ln(),
        _ => f64::from(logit),
    };
    let scores: Vec<f64> = row.into_iter().map(noisy).collect();
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
    Ok(order.into_iter().map(|i| i as TokenId).collect())
}
