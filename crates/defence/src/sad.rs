//! SAD: the distribution of every token is pushed away from that of unsafe texts.

use crate::hidden::words;
use crate::registry::{defaults, settings_of};
use crate::steps::{Steps, boxed, within};
use crate::{Asset, DefenceError, Entry, Fit, Fitting, Need, Opened, Role, Setting, asset};
use mosa_core::{Canvas, TokenId};
use mosa_engine::{EngineError, Intervention, Step};
use mosa_records::DefenceAct;
use mosa_runtime::{Acts, Defence, Guarded, Runtime, RuntimeError};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use tch::{Kind, Tensor};

/// SAD, the safe denoiser for text (arXiv 2605.08116), as its description goes: in a window of early steps, E_safe = E + beta (E -
/// E_unsafe), where E is p(x0) of a position and E_unsafe the mean of the references' tokens there, each reference weighted by a
/// kernel of the tokens that are visible.
///
/// The kernel here is exp(-d / bandwidth) with d the share of visible response tokens that are not the reference's; with nothing
/// visible it is 1. beta is eta times the kernel of the nearest reference. Tokens that end an answer are left alone. The width is
/// ours: with 0.1 a few forced words that no reference holds switched the guidance off.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sad {
    /// The references, made by `mosa defence fit`.
    pub asset: Option<PathBuf>,
    /// Strength; 1.5 to 4 in the paper.
    pub eta: f64,
    /// Share of the steps before the first that is guided.
    pub from: f64,
    /// Share of the steps before the first that is not guided any more; 18 of 64 in the paper.
    pub to: f64,
    /// Width of the kernel, in shares of visible tokens.
    pub bandwidth: f64,
}

impl Default for Sad {
    fn default() -> Self {
        Self { asset: None, eta: 2.0, from: 0.0, to: 18.0 / 64.0, bandwidth: 1.0 }
    }
}

/// How its asset is made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Fitted {
    /// Most tokens of a reference.
    tokens: usize,
}

impl Default for Fitted {
    fn default() -> Self {
        Self { tokens: 128 }
    }
}

const ROLES: &[Role] = &[Role { name: "unsafe", about: "unsafe answers: the column response", required: true }];

impl Sad {
    /// Its name.
    pub const NAME: &'static str = "sad";

    pub(crate) const ENTRY: Entry = Entry {
        name: Self::NAME,
        about: "pushes the distribution of tokens away from that of unsafe texts in early steps",
        source: "SAD, arXiv 2605.08116",
        needs: &[Need::Asset, Need::Logits],
        settings: defaults::<Self>,
        make: |setting, settings| settings_of::<Self>(Self::NAME, settings)?.made(setting),
        fit: Some(Fit { roles: ROLES, settings: defaults::<Fitted>, make: fitted }),
    };

    fn made(self, setting: &Setting<'_>) -> Result<Opened, DefenceError> {
        within(Self::NAME, "eta", self.eta, [0.0, 1000.0])?;
        within(Self::NAME, "from", self.from, [0.0, 1.0])?;
        within(Self::NAME, "to", self.to, [self.from, 1.0])?;
        within(Self::NAME, "bandwidth", self.bandwidth, [1e-6, 1000.0])?;
        let asset = asset(setting, Self::NAME, self.asset.as_deref(), "tokens of unsafe texts")?;
        let references = references(&asset)?;
        let kept = setting.runtime.text().special.ends();
        let settings = serde_json::to_value(&self).unwrap_or_default();
        let defence = Arc::new(Safe { settings: self, references: references.into(), kept });
        Ok(Opened { defence, settings, asset: Some(asset.hash) })
    }
}

/// The answers' tokens, one row each, -1 behind the last.
fn fitted(fitting: &Fitting<'_>) -> Result<Asset, DefenceError> {
    let settings: Fitted = fitting.settings()?;
    let (text, file) = (fitting.runtime.text(), fitting.file("unsafe")?);
    let mut all = Vec::with_capacity(file.rows.len());
    for row in &file.rows {
        let mut tokens = words(fitting, "unsafe", text, row)?;
        tokens.truncate(settings.tokens.max(1));
        all.push(tokens);
    }
    let width = all.iter().map(Vec::len).max().unwrap_or(0);
    let flat: Vec<f32> = all
        .iter()
        .flat_map(|tokens| {
            let behind = std::iter::repeat_n(-1.0, width - tokens.len());
            tokens.iter().map(|&t| t as f32).chain(behind)
        })
        .collect();
    let tokens = Tensor::f_from_slice(&flat)?.f_reshape([all.len() as i64, width as i64])?;
    Ok(fitting.asset(
        json!({"tokens": settings.tokens, "references": all.len()}),
        BTreeMap::from([("tokens".into(), tokens)]),
    ))
}

/// The references of an asset.
fn references(asset: &Asset) -> Result<Vec<Vec<TokenId>>, DefenceError> {
    let tokens = asset.any("tokens")?;
    let [rows, width] = tokens.size2()?.into();
    let flat = Vec::<f32>::try_from(tokens.f_reshape([-1])?)?;
    let row = |row: &[f32]| row.iter().take_while(|t| **t >= 0.0).map(|&t| t as TokenId).collect();
    Ok(if rows * width == 0 { Vec::new() } else { flat.chunks(width as usize).map(row).collect() })
}

/// The defence with its asset.
struct Safe {
    settings: Sad,
    references: Arc<[Vec<TokenId>]>,
    /// Tokens that are left alone.
    kept: Vec<TokenId>,
}

impl Defence for Safe {
    fn name(&self) -> &'static str {
        Sad::NAME
    }

    fn acts_inside(&self) -> bool {
        true
    }

    fn intervention(
        &self,
        _: &Runtime,
        row: &Guarded<'_>,
        acts: &Acts,
    ) -> Result<Option<Box<dyn Intervention>>, RuntimeError> {
        let Sad { eta, from, to, bandwidth, .. } = self.settings;
        if eta == 0.0 || from == to || self.references.is_empty() {
            return Ok(None);
        }
        let (references, kept) = (Arc::clone(&self.references), self.kept.clone());
        let (steps, guided, acts) = (Steps::of(row), false, acts.clone());
        Ok(boxed(Away { references, kept, eta, window: [from, to], bandwidth, steps, guided, acts }))
    }
}

/// One row.
struct Away {
    references: Arc<[Vec<TokenId>]>,
    kept: Vec<TokenId>,
    eta: f64,
    window: [f64; 2],
    bandwidth: f64,
    steps: Steps,
    /// Whether a step was guided already.
    guided: bool,
    acts: Acts,
}

/// The kernel of every reference at what is visible of a response.
fn kernels(references: &[Vec<TokenId>], response: &[TokenId], mask: TokenId, bandwidth: f64) -> Vec<f64> {
    let visible: Vec<(usize, TokenId)> = response.iter().copied().enumerate().filter(|(_, t)| *t != mask).collect();
    let differs = |reference: &Vec<TokenId>| visible.iter().filter(|(at, t)| reference.get(*at) != Some(t)).count();
    let of = |reference| (-(differs(reference) as f64) / visible.len().max(1) as f64 / bandwidth).exp();
    references.iter().map(of).collect()
}

/// p + beta (p - q) for the tokens that `kept` does not name, never below 0; the logarithm of it [positions, vocabulary].
fn guided(p: &Tensor, q: &Tensor, beta: f64, kept: &Tensor) -> Result<Tensor, EngineError> {
    let moved = p.f_add(&p.f_sub(q)?.f_mul_scalar(beta)?)?.f_clamp_min(0.0)?;
    let moved = moved.f_index_copy(1, kept, &p.f_index_select(1, kept)?)?;
    Ok(moved.f_clamp_min(1e-30)?.f_log()?)
}

impl Away {
    /// The mean of the weighted references at these response offsets [positions, vocabulary]; none where no reference reaches.
    fn unsafe_mean(
        &self,
        weights: &[f64],
        offsets: &[Option<usize>],
        like: &Tensor,
    ) -> Result<Option<Tensor>, EngineError> {
        let (sum, vocabulary) = (weights.iter().sum::<f64>().max(1e-300), like.size2()?.1);
        let (mut rows, mut columns, mut values) = (Vec::new(), Vec::new(), Vec::new());
        for (row, offset) in offsets.iter().enumerate() {
            let Some(offset) = offset else { continue };
            for (reference, weight) in self.references.iter().zip(weights) {
                let Some(token) = reference.get(*offset).map(|&t| i64::from(t)).filter(|t| *t < vocabulary) else {
                    continue;
                };
                rows.push(row as i64);
                columns.push(token);
                values.push((weight / sum) as f32);
            }
        }
        if values.is_empty() {
            return Ok(None);
        }
        let there = |tensor: Tensor| tensor.f_to_device(like.device());
        let at = [Some(there(Tensor::f_from_slice(&rows)?)?), Some(there(Tensor::f_from_slice(&columns)?)?)];
        let values = there(Tensor::f_from_slice(&values)?)?;
        Ok(Some(like.f_zeros_like()?.f_index_put(&at, &values, true)?))
    }
}

impl Intervention for Away {
    fn name(&self) -> &str {
        Sad::NAME
    }

    fn edit_logits(
        &mut self,
        step: Step,
        canvas: &Canvas,
        positions: &[usize],
        logits: Tensor,
    ) -> Result<Tensor, EngineError> {
        if !self.steps.within(step.clock, self.window) {
            return Ok(logits);
        }
        let kernels = kernels(&self.references, canvas.response(), canvas.mask(), self.bandwidth);
        let beta = self.eta * kernels.iter().copied().fold(0.0, f64::max);
        let offsets: Vec<_> = positions.iter().map(|p| p.checked_sub(canvas.response_start())).collect();
        if beta <= 1e-9 {
            return Ok(logits);
        }
        let Some(q) = self.unsafe_mean(&kernels, &offsets, &logits)? else { return Ok(logits) };
        let vocabulary = logits.size2()?.1;
        let kept: Vec<i64> = self.kept.iter().map(|&t| i64::from(t)).filter(|t| *t < vocabulary).collect();
        let kept = Tensor::f_from_slice(&kept)?.f_to_device(logits.device())?;
        if !std::mem::replace(&mut self.guided, true) {
            let act = DefenceAct::new(Sad::NAME, "guided away from unsafe texts");
            self.acts.did(act.at(step.clock).for_value(beta));
        }
        guided(&logits.f_softmax(-1, Kind::Float)?, &q, beta, &kept)
    }

    fn wants_logits(&self) -> bool {
        self.eta > 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::{guided, kernels};
    use tch::Tensor;

    #[test]
    fn kernels_fall_with_the_share_of_visible_tokens_that_differ() {
        let references = [vec![1, 2, 3, 4], vec![1, 9]];
        assert_eq!(kernels(&references, &[0, 0, 0, 0], 0, 0.1), [1.0, 1.0]);
        let of = kernels(&references, &[1, 0, 3, 0], 0, 0.5);
        assert_eq!(of[0], 1.0);
        assert!((of[1] - (-1.0f64).exp()).abs() < 1e-12, "half of what is visible differs: {of:?}");
    }

    #[test]
    fn what_is_unsafe_gets_rarer_and_what_ends_an_answer_stays() {
        let p = Tensor::from_slice(&[0.5f32, 0.2, 0.2, 0.1]).view([1, 4]);
        let q = Tensor::from_slice(&[1.0f32, 0.0, 0.0, 0.0]).view([1, 4]);
        let kept = Tensor::from_slice(&[3i64]);
        let moved = Vec::<f32>::try_from(guided(&p, &q, 2.0, &kept).unwrap().exp().view([-1])).unwrap();
        // 0.5 + 2 (0.5 - 1) = -0.5 is nothing; 0.2 + 2 * 0.2 = 0.6; the end keeps its 0.1.
        for (is, want) in moved.iter().zip([0.0, 0.6, 0.6, 0.1]) {
            assert!((is - want).abs() < 1e-6, "{moved:?}");
        }
    }
}
