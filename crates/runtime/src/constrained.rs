//! Beginnings that are not allowed: the first tokens at an offset, chosen left to right.

use crate::ask::Constraint;
use crate::layout::Layout;
use crate::{Model, RuntimeError};
use mosa_core::{Rng, Stream, TokenId};
use mosa_model::Call;
use mosa_text::{Specials, TextModel};
use tch::{Device, Kind, Tensor};

/// Most tokens chosen this way; no beginning is longer.
const LONGEST: usize = 32;

/// Chooses the tokens from `constraint.offset` on, one after the other with everything else masked, until what stands
/// there cannot become a forbidden beginning any more. Any token that would complete one is passed over, which is exact; the
/// rest of the answer is then decoded as usual (EPT). Returns the tokens; each cost a model call.
pub(crate) fn choose(model: &Model, constraint: &Constraint, layout: &Layout) -> Result<Vec<TokenId>, RuntimeError> {
    let _no_grad = tch::no_grad_guard();
    let beginnings = Beginnings::new(&model.text, constraint);
    let (mask, start) = (model.weights.spec().mask, layout.prompt.len());
    let mut canvas = layout.prompt.clone();
    canvas.resize(start + layout.options.gen_length, mask);
    for &(offset, token) in &layout.forced {
        canvas[start + offset] = token;
    }
    let mut chosen: Vec<TokenId> = Vec::new();
    let end = layout.options.gen_length.min(constraint.offset + LONGEST);
    for offset in constraint.offset..end {
        let position = start + offset;
        if canvas[position] != mask || beginnings.forbidden.is_empty() {
            break;
        }
        let (rows, wanted) = ([canvas.as_slice()], [(0, position)]);
        let logits = model.subject().forward(Call::new(&rows, &wanted))?;
        let rng = Rng::at(constraint.draw, Stream::Attack, offset as u64, 0);
        let order = ranked(&logits, layout.options.temperature, &rng)?;
        let next = beginnings.first_allowed(&chosen, order.into_iter().filter(|t| *t != mask))?;
        chosen.push(next.token);
        canvas[position] = next.token;
        if next.settled {
            break;
        }
    }
    Ok(chosen)
}

/// The beginnings that are not allowed.
struct Beginnings<'a> {
    text: &'a TextModel,
    forbidden: Vec<&'a str>,
    ends: Vec<TokenId>,
}

/// A token that may stand there.
struct Next {
    token: TokenId,
    /// Whether no forbidden beginning can follow any more.
    settled: bool,
}

impl<'a> Beginnings<'a> {
    fn new(text: &'a TextModel, constraint: &'a Constraint) -> Self {
        let forbidden = constraint.forbidden.iter().map(|f| f.trim()).filter(|f| !f.is_empty()).collect();
        Self { text, forbidden, ends: text.special.ends().to_vec() }
    }

    /// The first token in `order` that completes no forbidden beginning behind the `chosen` ones.
    fn first_allowed(&self, chosen: &[TokenId], order: impl Iterator<Item = TokenId>) -> Result<Next, RuntimeError> {
        for token in order {
            let span = self.text.tokenizer.decode(&[chosen, &[token]].concat(), Specials::Skip)?;
            let (ends, begun) = (self.ends.contains(&token), span.trim_start());
            if ends || !self.forbidden.iter().any(|f| begun.starts_with(f)) {
                let settled = ends || !self.forbidden.iter().any(|f| f.starts_with(begun));
                return Ok(Next { token, settled });
            }
        }
        Err(RuntimeError::Request("every token would complete a forbidden beginning".into()))
    }
}

/// Tokens from the most to the least likely one; above temperature 0 with Gumbel noise, so that the first is a sample.
fn ranked(logits: &Tensor, temperature: f64, rng: &Rng) -> Result<Vec<TokenId>, RuntimeError> {
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
