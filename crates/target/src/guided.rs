//! Words that one model proposes and another chooses among, token by token and left to right.

use crate::TargetError;
use crate::words::conversation;
use mosa_attack::{Guide, Written};
use mosa_core::{Rng, Stream, TokenId};
use mosa_model::Call;
use mosa_runtime::{Model, Runtime, RuntimeError, words_at};
use mosa_text::{Specials, TextModel};
use tch::{Device, Kind};

/// Whether the tokens of two models are the same.
pub(crate) fn alike(a: &TextModel, b: &TextModel) -> bool {
    let size = a.tokenizer.size();
    size == b.tokenizer.size() && (0..size as TokenId).all(|id| a.tokenizer.token(id) == b.tokenizer.token(id))
}

/// Words that two models write together.
pub(crate) struct Writing<'a> {
    /// Who chooses.
    pub target: &'a Runtime,
    /// Who proposes.
    pub proxy: &'a Runtime,
    /// Key of the choices.
    pub draw: u64,
    pub asked: &'a Guide,
}

/// A model, and the canvas as it sees it.
struct Side<'a> {
    runtime: &'a Runtime,
    canvas: Vec<TokenId>,
    /// Canvas position of the first response slot.
    start: usize,
}

impl<'a> Side<'a> {
    fn new(runtime: &'a Runtime, asked: &Guide, gen_length: usize) -> Result<Self, TargetError> {
        let mut canvas = runtime.text().encode(&conversation(&asked.messages))?;
        let start = canvas.len();
        canvas.resize(start + gen_length, runtime.spec().mask);
        Ok(Self { runtime, canvas, start })
    }

    fn write(&mut self, slot: usize, token: TokenId) {
        self.canvas[self.start + slot] = token;
    }

    /// ln p of every token at a response slot, with everything behind it masked.
    fn log_p(&self, slot: usize) -> Result<Vec<f32>, TargetError> {
        let (canvas, position) = (self.canvas.clone(), self.start + slot);
        let log_p = self.runtime.look(move |model| read(model, &canvas, position))??;
        if log_p.iter().any(|l| l.is_nan()) {
            return Err(TargetError::Request(
                "the model returned NaN: its weights or the compute type are broken".into(),
            ));
        }
        Ok(log_p)
    }
}

/// ln p of every token at a position. On the thread of the model.
fn read(model: &Model, canvas: &[TokenId], position: usize) -> Result<Vec<f32>, RuntimeError> {
    let _no_grad = tch::no_grad_guard();
    let (rows, wanted) = ([canvas], [(0, position)]);
    let logits = model.subject().forward(Call::new(&rows, &wanted))?;
    let log_p = logits.f_view([-1])?.f_log_softmax(-1, Kind::Float)?.f_to_device(Device::Cpu)?;
    Ok(Vec::<f32>::try_from(log_p)?)
}

impl Writing<'_> {
    /// The opener, and behind it tokens: at each slot the proxy's likeliest few, of which the target's own probabilities,
    /// renormalised over them, draw one. The models are asked in turn from this thread, so that neither waits for the other.
    pub(crate) fn write(&self, gen_length: usize) -> Result<Written, TargetError> {
        let (asked, text) = (self.asked, self.target.text());
        let gen_length = asked.gen_length.unwrap_or(gen_length);
        let mut chosen = if asked.opener.is_empty() { Vec::new() } else { words_at(text, 0, &asked.opener)? };
        let (opener, end) = (chosen.len(), (chosen.len() + asked.tokens).min(gen_length));
        let mut target = Side::new(self.target, asked, gen_length)?;
        let mut proxy = Side::new(self.proxy, asked, gen_length)?;
        for slot in 0..end {
            if slot >= opener {
                let proposed = self.likeliest(&proxy.log_p(slot)?);
                let log_p = target.log_p(slot)?;
                let rng = &mut Rng::at(self.draw, Stream::Attack, slot as u64, 0);
                match choose(&proposed, &log_p, asked.temperature, rng) {
                    Some(token) => chosen.push(token),
                    None => break,
                }
            }
            [&mut target, &mut proxy].into_iter().for_each(|side| side.write(slot, chosen[slot]));
        }
        let tokens = chosen.len() - opener;
        Ok(Written { text: text.tokenizer.decode(&chosen, Specials::Skip)?, tokens, forwards: tokens })
    }

    /// The likeliest tokens that are words: no end, no mask, nothing the tokeniser does not know. Lower ids first on ties.
    fn likeliest(&self, log_p: &[f32]) -> Vec<TokenId> {
        let (text, mask) = (self.target.text(), self.target.spec().mask);
        let ends = text.special.ends();
        let is_word = |id: &TokenId| *id != mask && !ends.contains(id) && text.tokenizer.token(*id).is_some();
        let mut order: Vec<TokenId> = (0..log_p.len() as TokenId).collect();
        order.sort_by(|a, b| log_p[*b as usize].total_cmp(&log_p[*a as usize]).then(a.cmp(b)));
        order.into_iter().filter(is_word).take(self.asked.top).collect()
    }
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
