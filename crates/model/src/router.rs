//! The router of a feed-forward part with experts: which of them a position goes through, and what each counts.
//!
//! Shapes in comments: n positions, d width, e experts, k experts per position, g groups of experts.

use crate::keys::Keys;
use crate::linear::{Input, Linear};
use crate::parts::Parts;
use crate::{Adapter, ModelError};
use tch::{Kind, Tensor};

/// How experts are chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RouterConfig {
    /// How many there are.
    pub experts: usize,
    /// How many a position goes through.
    pub chosen: usize,
    /// What makes scores of the router's output.
    pub scores: RouterScores,
    /// Only experts of the best groups are chosen from, where there are groups.
    pub groups: Option<ExpertGroups>,
    /// Whether the weights of the chosen add up to one before they are scaled.
    pub normalised: bool,
    /// What the weights are multiplied with.
    pub scale: f64,
    /// Whether scores and weights stay in f32, from the router's product to the sum over experts, whatever the model
    /// computes in.
    pub full_precision: bool,
    /// What its tensors are called.
    pub names: RouterNames,
}

/// What makes scores of the router's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouterScores {
    /// Probabilities over all experts.
    Softmax,
    /// Every expert for itself.
    Sigmoid,
}

/// Neighbouring experts that are chosen together. What a group is worth is the sum of its two best scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpertGroups {
    /// How many groups there are.
    pub count: usize,
    /// How many of them a position may choose from.
    pub kept: usize,
}

/// The paths of a router's tensors, inside a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouterNames {
    /// Its linear layer.
    pub gate: &'static str,
    /// What is added to the scores for the choice alone, where there is such a thing.
    pub bias: Option<&'static str>,
}

/// The keys of config.json a router is read from, for messages.
#[derive(Clone, Copy, Debug)]
pub struct RouterKeys {
    /// The number of experts per position.
    pub chosen: &'static str,
    /// The number of groups.
    pub groups: &'static str,
    /// The number of groups that are kept.
    pub kept: &'static str,
}

impl RouterConfig {
    /// Refuses a choice that cannot be made.
    ///
    /// # Errors
    /// [`ModelError::Key`] naming the key.
    pub fn check(&self, keys: &Keys<'_>, names: RouterKeys) -> Result<(), ModelError> {
        let Self { experts, chosen, .. } = *self;
        if chosen > experts {
            return Err(keys.error(names.chosen, format!("= {chosen} is more than the {experts} experts")));
        }
        let Some(ExpertGroups { count, kept }) = self.groups else { return Ok(()) };
        if !experts.is_multiple_of(count) || experts / count < 2 {
            let what =
                format!("= {count} does not split the {experts} experts into groups of the same size, two at least");
            return Err(keys.error(names.groups, what));
        }
        if kept > count {
            return Err(keys.error(names.kept, format!("= {kept} is more than the {count} groups")));
        }
        if chosen > kept * (experts / count) {
            let what = format!("= {chosen} is more than the {} experts in {kept} groups", kept * (experts / count));
            return Err(keys.error(names.chosen, what));
        }
        Ok(())
    }
}

/// The router of one block.
#[derive(Debug)]
pub(crate) struct Router {
    config: RouterConfig,
    pub gate: Linear,
    /// [e].
    pub bias: Option<Tensor>,
}

/// What a router decided.
pub(crate) struct Choice {
    /// [n, k].
    pub experts: Tensor,
    /// [n, k], f32 with `full_precision`, else of the positions' type.
    pub weights: Tensor,
}

impl Router {
    /// The one of the block at `path`.
    pub(crate) fn build(config: &RouterConfig, path: &str, parts: &Parts<'_>) -> Result<Self, ModelError> {
        let mut gate = parts.linear(&format!("{path}.{}", config.names.gate))?;
        if config.full_precision {
            gate.weight = gate.weight.f_to_kind(Kind::Float)?;
        }
        let bias = match config.names.bias {
            Some(leaf) => Some(parts.tensor(&format!("{path}.{leaf}"), &[config.experts])?.f_to_kind(Kind::Float)?),
            None => None,
        };
        Ok(Self { config: *config, gate, bias })
    }

    /// For positions [n, d].
    pub(crate) fn choose(&self, x: &Tensor, adapter: Option<&Adapter>) -> Result<Choice, ModelError> {
        let c = &self.config;
        let full = if c.full_precision { x.f_to_kind(Kind::Float)? } else { x.shallow_clone() };
        let logits = self.gate.forward(&Input::new(&full, adapter))?; // [n, e]
        let scores = match c.scores {
            RouterScores::Softmax => logits.f_softmax(-1, Kind::Float)?,
            RouterScores::Sigmoid => logits.f_to_kind(Kind::Float)?.f_sigmoid()?,
        };
        let experts = self.best(&scores.f_detach()?)?;
        let mut weights = scores.f_gather(1, &experts, false)?;
        if c.normalised {
            weights = weights.f_div(&weights.f_sum_dim_intlist(-1, true, Kind::Float)?.f_add_scalar(TINY)?)?;
        }
        if c.scale != 1.0 {
            weights = weights.f_mul_scalar(c.scale)?;
        }
        let weights = if c.full_precision { weights } else { weights.f_to_kind(x.kind())? };
        Ok(Choice { experts, weights })
    }

    /// The chosen experts [n, k] by scores [n, e].
    fn best(&self, scores: &Tensor) -> Result<Tensor, ModelError> {
        let mut scores = match &self.bias {
            Some(bias) => scores.f_add(bias)?,
            None => scores.shallow_clone(),
        };
        if let Some(groups) = self.config.groups {
            scores = groups.hide_others(&scores)?;
        }
        Ok(scores.f_topk(self.config.chosen as i64, -1, true, true)?.1)
    }
}

/// Keeps a sum of scores that are all zero from being divided by.
const TINY: f64 = 1e-20;

impl ExpertGroups {
    /// The scores [n, e], with -inf for the experts of groups that are not kept.
    fn hide_others(self, scores: &Tensor) -> Result<Tensor, ModelError> {
        let (n, e) = scores.size2()?;
        let of_group = scores.f_view([n, self.count as i64, e / self.count as i64])?; // [n, g, e / g]
        let worth = of_group.f_topk(2, -1, true, true)?.0.f_sum_dim_intlist(-1, false, Kind::Float)?;
        let kept = worth.f_topk(self.kept as i64, -1, true, true)?.1;
        let hidden = worth.f_ones_like()?.f_scatter_value(1, &kept, 0.0)?.f_to_kind(Kind::Bool)?;
        Ok(of_group.f_masked_fill(&hidden.f_unsqueeze(-1)?, f64::NEG_INFINITY)?.f_view([n, e])?)
    }
}
