//! Words that one model proposes and another chooses among, token by token and left to right.

use crate::TargetError;
use crate::layout::{prompt, words};
use crate::local::Subject;
use mosa_attack::{Guide, Written};
use mosa_core::{Rng, Stream, TokenId};
use mosa_model::Call;
use mosa_text::{Specials, TextModel};
use tch::{Device, Kind};

/// Whether the tokens of two models are the same.
pub(crate) fn alike(a: &TextModel, b: &TextModel) -> bool {
    let size = a.tokenizer.size();
    size == b.tokenizer.size() && (0..size as TokenId).all(|id| a.tokenizer.token(id) == b.tokenizer.token(id))
}

/// A model, its words, and the canvas as it sees it.
struct Side<'a> {
    subject: Subject<'a>,
    canvas: Vec<TokenId>,
    /// Canvas position of the first response slot.
    start: usize,
}

impl<'a> Side<'a> {
    fn new((subject, text): (Subject<'a>, &TextModel), asked: &Guide, gen_length: usize) -> Result<Self, TargetError> {
        let mut canvas = prompt(text, &asked.messages)?;
        let start = canvas.len();
        canvas.resize(start + gen_length, subject.model.spec().mask);
        Ok(Self { subject, canvas, start })
    }

    fn write(&mut self, slot: usize, token: TokenId) {
        self.canvas[self.start + slot] = token;
    }

    /// ln p of every token at a response slot, with everything behind it masked.
    fn log_p(&self, slot: usize) -> Result<Vec<f32>, TargetError> {
        let (rows, wanted) = ([self.canvas.as_slice()], [(0, self.start + slot)]);
        let logits = self.subject.forward(Call::new(&rows, &wanted))?;
        let log_p = logits.f_view([-1])?.f_log_softmax(-1, Kind::Float)?.f_to_device(Device::Cpu)?;
        let log_p = Vec::<f32>::try_from(log_p)?;
        if log_p.iter().any(|l| l.is_nan()) {
            return Err(TargetError::Request(
                "the model returned NaN: its weights or the compute type are broken".into(),
            ));
        }
        Ok(log_p)
    }
}

/// The opener, and behind it up to `tokens` tokens: at each slot the proxy's likeliest few, of which the target's own
/// probabilities, renormalised over them, draw one.
pub(crate) fn write(
    (target, text): (Subject<'_>, &TextModel),
    proxy: (Subject<'_>, &TextModel),
    gen_length: usize,
    draw: u64,
    asked: &Guide,
) -> Result<Written, TargetError> {
    let _no_grad = tch::no_grad_guard();
    let gen_length = asked.gen_length.unwrap_or(gen_length);
    let mut chosen = if asked.opener.is_empty() { Vec::new() } else { words(text, 0, &asked.opener)? };
    let (opener, end) = (chosen.len(), (chosen.len() + asked.tokens).min(gen_length));
    let mut sides = [Side::new((target, text), asked, gen_length)?, Side::new(proxy, asked, gen_length)?];
    for slot in 0..end {
        if slot >= opener {
            let proposed = likeliest(&sides[1].log_p(slot)?, asked.top, (text, target.model.spec().mask));
            let log_p = sides[0].log_p(slot)?;
            let rng = &mut Rng::at(draw, Stream::Attack, slot as u64, 0);
            match choose(&proposed, &log_p, asked.temperature, rng) {
                Some(token) => chosen.push(token),
                None => break,
            }
        }
        sides.iter_mut().for_each(|side| side.write(slot, chosen[slot]));
    }
    let tokens = chosen.len() - opener;
    Ok(Written { text: text.tokenizer.decode(&chosen, Specials::Skip)?, tokens, forwards: tokens })
}

/// The `top` likeliest tokens that are words: no end, no mask, nothing the tokeniser does not know. Lower ids first on ties.
fn likeliest(log_p: &[f32], top: usize, (text, mask): (&TextModel, TokenId)) -> Vec<TokenId> {
    let ends = text.special.ends();
    let is_word = |id: &TokenId| *id != mask && !ends.contains(id) && text.tokenizer.token(*id).is_some();
    let mut order: Vec<TokenId> = (0..log_p.len() as TokenId).collect();
    order.sort_by(|a, b| log_p[*b as usize].total_cmp(&log_p[*a as usize]).then(a.cmp(b)));
    order.into_iter().filter(is_word).take(top).collect()
}

/// One of the proposed tokens by the target's probabilities of them.
fn choose(proposed: &[TokenId], log_p: &[f32], temperature: f64, rng: &mut Rng) -> Option<TokenId> {
    let score = |token: TokenId, rng: &mut Rng| {
        let log_p = f64::from(log_p[token as usize]);
        if temperature > 0.0 { log_p / temperature - (-rng.unit().ln()).ln() } else { log_p }
    };
    let scored: Vec<(TokenId, f64)> = proposed.iter().map(|token| (*token, score(*token, rng))).collect();
    scored.into_iter().reduce(|best, next| if next.1 > best.1 { next } else { best }).map(|(token, _)| token)
}
