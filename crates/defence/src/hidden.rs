//! Hidden states of texts: means over positions after every block of a model, and directions between two sets of texts.

use crate::{DefenceError, Fitting};
use mosa_core::TokenId;
use mosa_engine::EngineError;
use mosa_model::{Call, HiddenTap, ModelError, Row};
use mosa_runtime::{Model, Runtime, RuntimeError};
use mosa_text::{PromptRecord, TextModel};
use std::ops::Range;
use tch::{Device, Kind, Tensor};

/// A text and the positions whose mean is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub tokens: Vec<TokenId>,
    pub of: Range<usize>,
}

/// The mean hidden state of a span after every block: [layers, width], f32, on the CPU. One pass of the model.
fn mean(runtime: &Runtime, span: Span) -> Result<Tensor, RuntimeError> {
    runtime.look(move |model| tch::no_grad(|| mean_on(model, &span)))?
}

fn mean_on(model: &Model, span: &Span) -> Result<Tensor, RuntimeError> {
    let (from, len) = (span.of.start as i64, span.of.len() as i64);
    let mut tap = Means { from, len, layers: Vec::new() };
    let want = [(0, span.of.end.saturating_sub(1))];
    let call = Call { tap: Some(&mut tap), ..Call::of(vec![Row::new(&span.tokens)], &want) };
    let _ = model.subject().forward(call)?;
    Ok(Tensor::f_stack(&tap.layers, 0)?)
}

/// Notes the mean of some positions after each block.
struct Means {
    from: i64,
    len: i64,
    layers: Vec<Tensor>,
}

impl HiddenTap for Means {
    fn tap(&mut self, _layer: usize, hidden: Tensor) -> Result<Tensor, ModelError> {
        let own = hidden.f_select(0, 0)?.f_narrow(0, self.from, self.len)?.f_to_kind(Kind::Float)?;
        let mean = own.f_mean_dim([0i64].as_slice(), false, Kind::Float)?;
        self.layers.push(mean.f_to_device(Device::Cpu)?);
        Ok(hidden)
    }
}

/// The mean of several spans' means, each [layers, width]; and all of them, [spans, layers, width].
pub(crate) fn means(runtime: &Runtime, spans: Vec<Span>) -> Result<[Tensor; 2], DefenceError> {
    let each = spans.into_iter().map(|span| mean(runtime, span)).collect::<Result<Vec<_>, _>>()?;
    let each = Tensor::f_stack(&each, 0)?;
    Ok([each.f_mean_dim([0i64].as_slice(), false, Kind::Float)?, each])
}

/// The tokens of the prompts of a file.
pub(crate) fn prompts(fitting: &Fitting<'_>, role: &str) -> Result<Vec<Span>, DefenceError> {
    let text = fitting.runtime.text();
    let span = |row: &PromptRecord| {
        let tokens = text.encode(&row.prompt)?;
        let of = 0..tokens.len();
        fits(fitting, row, &tokens).map(|()| Span { tokens, of })
    };
    fitting.file(role)?.rows.iter().map(span).collect()
}

/// The answers of a file behind their prompts.
pub(crate) fn answers(fitting: &Fitting<'_>, role: &'static str) -> Result<Vec<Span>, DefenceError> {
    let text = fitting.runtime.text();
    let span = |row: &PromptRecord| {
        let mut tokens = text.encode(&row.prompt)?;
        let (start, words) = (tokens.len(), words(fitting, role, text, row)?);
        tokens.extend(words);
        let of = start..tokens.len();
        fits(fitting, row, &tokens).map(|()| Span { tokens, of })
    };
    fitting.file(role)?.rows.iter().map(span).collect()
}

/// The tokens of what a row answers.
pub(crate) fn words(
    fitting: &Fitting<'_>,
    role: &str,
    text: &TextModel,
    row: &PromptRecord,
) -> Result<Vec<TokenId>, DefenceError> {
    let path = fitting.file(role)?.path.display();
    let wrong = |what: &str| DefenceError::Fit {
        name: fitting.name,
        what: format!("{path}: row {} {what}; name the column with --columns response=NAME", row.id),
    };
    let words = text.words(row.response.as_deref().ok_or_else(|| wrong("has no answer"))?)?;
    if words.is_empty() { Err(wrong("has an empty answer")) } else { Ok(words) }
}

fn fits(fitting: &Fitting<'_>, row: &PromptRecord, tokens: &[TokenId]) -> Result<(), DefenceError> {
    let most = fitting.runtime.spec().max_length;
    if tokens.len() <= most {
        return Ok(());
    }
    let what = format!("row {} has {} tokens, and the model's context is {most}; leave it out", row.id, tokens.len());
    Err(DefenceError::Fit { name: fitting.name, what })
}

/// A direction [width] that hidden states [positions, width] are compared with and moved along.
#[derive(Debug)]
pub(crate) struct Direction {
    /// As it was fitted, f32.
    whole: Tensor,
    /// The same of length 1.
    unit: Tensor,
}

/// Row `layer` of [layers, width], the numbers of a direction.
///
/// # Errors
/// [`DefenceError::Setting`] if it has no length: a defence along it would do nothing.
pub(crate) fn numbers_of(name: &'static str, all: &Tensor, layer: usize) -> Result<Vec<f32>, DefenceError> {
    let numbers = Vec::<f32>::try_from(all.f_get(layer as i64)?)?;
    if numbers.iter().any(|x| *x != 0.0) {
        return Ok(numbers);
    }
    let what =
        format!("the asset's direction after layer {layer} is 0: the two files it was fitted on do not differ there");
    Err(DefenceError::Setting { name, what })
}

impl Direction {
    /// Of these numbers, which are not all 0.
    pub(crate) fn new(numbers: &[f32]) -> Result<Self, EngineError> {
        let whole = Tensor::f_from_slice(numbers)?;
        let length = f64::try_from(whole.f_norm()?)?;
        let unit = whole.f_div_scalar(length.max(1e-30))?;
        Ok(Self { whole, unit })
    }

    /// How far along the direction each of these goes: [positions], f32.
    pub(crate) fn along(&self, hidden: &Tensor) -> Result<Tensor, EngineError> {
        Ok(hidden.f_to_kind(Kind::Float)?.f_matmul(&self.unit.f_to_device(hidden.device())?)?)
    }

    /// Hidden states moved back along it by these amounts [positions].
    pub(crate) fn moved_back(&self, hidden: &Tensor, by: &Tensor) -> Result<Tensor, EngineError> {
        let step = by.f_unsqueeze(-1)?.f_mul(&self.unit.f_to_device(hidden.device())?)?;
        Ok(hidden.f_to_kind(Kind::Float)?.f_sub(&step)?.f_to_kind(hidden.kind())?)
    }

    /// Hidden states with `strength` times the whole of it added.
    pub(crate) fn added(&self, hidden: &Tensor, strength: f64) -> Result<Tensor, EngineError> {
        let step = self.whole.f_to_device(hidden.device())?.f_mul_scalar(strength)?;
        Ok(hidden.f_to_kind(Kind::Float)?.f_add(&step)?.f_to_kind(hidden.kind())?)
    }
}

/// A layer as it is typed: from 0, or from the end with -1 for the last.
pub(crate) fn layer(name: &'static str, typed: i64, layers: usize) -> Result<usize, DefenceError> {
    let at = if typed < 0 { typed + layers as i64 } else { typed };
    let wrong = || DefenceError::Setting { name, what: format!("layer {typed} is none of the model's {layers}") };
    usize::try_from(at).ok().filter(|at| *at < layers).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::{Direction, layer, numbers_of};
    use tch::Tensor;

    fn numbers(t: &Tensor) -> Vec<f32> {
        Vec::try_from(t.flatten(0, -1)).unwrap()
    }

    #[test]
    fn a_direction_is_measured_with_length_one_and_added_as_it_is() {
        let all = Tensor::from_slice(&[0f32, 0.0, 0.0, 4.0]).view([2, 2]);
        assert!(numbers_of("x", &all, 0).is_err());
        let direction = Direction::new(&numbers_of("x", &all, 1).unwrap()).unwrap();
        let hidden = Tensor::from_slice(&[5f32, 10.0, -3.0, -4.0]).view([2, 2]);
        let along = direction.along(&hidden).unwrap();
        assert_eq!(numbers(&along), [10.0, -4.0]);
        assert_eq!(numbers(&direction.moved_back(&hidden, &along).unwrap()), [5.0, 0.0, -3.0, 0.0]);
        assert_eq!(numbers(&direction.added(&hidden, 2.0).unwrap()), [5.0, 18.0, -3.0, 4.0]);
    }

    #[test]
    fn layers_count_from_either_end() {
        assert_eq!((layer("x", -1, 4).unwrap(), layer("x", 2, 4).unwrap()), (3, 2));
        assert!(layer("x", 4, 4).is_err() && layer("x", -5, 4).is_err());
    }
}
