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
        let mut gate = parts.exact_linear(&format!("{path}.{}", config.names.gate))?;
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
        let full = if self.config.full_precision { x.f_to_kind(Kind::Float)? } else { x.shallow_clone() };
        let logits = self.gate.forward(&Input::new(&full, adapter))?; // [n, e]
        let Choice { experts, weights } = self.config.choose(&logits, self.bias.as_ref())?;
        let weights = if self.config.full_precision { weights } else { weights.f_to_kind(x.kind())? };
        Ok(Choice { experts, weights })
    }
}

impl RouterConfig {
    /// What a router's output [n, e] and its bias [e] say; weights in f32.
    fn choose(&self, logits: &Tensor, bias: Option<&Tensor>) -> Result<Choice, ModelError> {
        let scores = match self.scores {
            RouterScores::Softmax => logits.f_softmax(-1, Kind::Float)?,
            RouterScores::Sigmoid => logits.f_to_kind(Kind::Float)?.f_sigmoid()?,
        };
        let mut worth = scores.f_detach()?;
        if let Some(bias) = bias {
            worth = worth.f_add(bias)?;
        }
        if let Some(groups) = self.groups {
            worth = groups.hide_others(&worth)?;
        }
        let experts = worth.f_topk(self.chosen as i64, -1, true, true)?.1;
        let mut weights = scores.f_gather(1, &experts, false)?;
        if self.normalised {
            weights = weights.f_div(&weights.f_sum_dim_intlist(-1, true, Kind::Float)?.f_add_scalar(TINY)?)?;
        }
        if self.scale != 1.0 {
            weights = weights.f_mul_scalar(self.scale)?;
        }
        Ok(Choice { experts, weights })
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

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    fn config([experts, chosen]: [usize; 2], scores: RouterScores, groups: Option<[usize; 2]>) -> RouterConfig {
        RouterConfig {
            experts,
            chosen,
            scores,
            groups: groups.map(|[count, kept]| ExpertGroups { count, kept }),
            normalised: scores == RouterScores::Sigmoid,
            scale: 1.5,
            full_precision: true,
            names: RouterNames { gate: "gate", bias: None },
        }
    }

    /// The indices of the `n` largest, largest first.
    fn largest(values: &[f64], n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|a, b| values[*b].total_cmp(&values[*a]));
        order.truncate(n);
        order
    }

    /// The published rule, written down expert by expert: the chosen and their weights.
    fn by_hand(c: &RouterConfig, logits: &[f64], bias: &[f64]) -> (Vec<usize>, Vec<f64>) {
        let total: f64 = logits.iter().map(|x| x.exp()).sum();
        let score = |x: &f64| match c.scores {
            RouterScores::Softmax => x.exp() / total,
            RouterScores::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        };
        let scores: Vec<f64> = logits.iter().map(score).collect();
        let mut worth: Vec<f64> = scores.iter().zip(bias).map(|(s, b)| s + b).collect();
        if let Some(groups) = c.groups {
            let size = c.experts / groups.count;
            let sums: Vec<f64> =
                worth.chunks(size).map(|g| largest(g, 2).into_iter().map(|i| g[i]).sum::<f64>()).collect();
            let kept = largest(&sums, groups.kept);
            worth.iter_mut().enumerate().filter(|(e, _)| !kept.contains(&(e / size))).for_each(|(_, w)| *w = -1e9);
        }
        let chosen = largest(&worth, c.chosen);
        let sum: f64 = if c.normalised { chosen.iter().map(|&e| scores[e]).sum() } else { 1.0 };
        let weights = chosen.iter().map(|&e| scores[e] / sum * c.scale).collect();
        (chosen, weights)
    }

    #[test]
    fn experts_are_chosen_and_weighed_by_the_published_rules() {
        for (sizes, scores, groups) in [
            ([8, 2], RouterScores::Softmax, None),
            ([6, 6], RouterScores::Softmax, None),
            ([5, 1], RouterScores::Sigmoid, None),
            ([12, 3], RouterScores::Sigmoid, Some([4, 2])),
            ([16, 8], RouterScores::Sigmoid, Some([2, 1])),
            ([8, 4], RouterScores::Sigmoid, Some([4, 4])),
        ] {
            let c = config(sizes, scores, groups);
            let (n, e) = (40, c.experts);
            let logits: Vec<f64> = (0..n * e).map(|i| 2.0 * (1.7 * i as f64 + 0.3).sin()).collect();
            let bias: Vec<f64> = (0..e).map(|i| 0.3 * (2.9 * i as f64).cos()).collect();
            let tensor = |v: &[f64]| Tensor::from_slice(v).to_kind(Kind::Float).to_device(Device::Cpu);
            let choice = c.choose(&tensor(&logits).view([n as i64, e as i64]), Some(&tensor(&bias))).unwrap();
            let chosen = Vec::<i64>::try_from(choice.experts.flatten(0, 1)).unwrap();
            let weights = Vec::<f32>::try_from(choice.weights.flatten(0, 1)).unwrap();
            for row in 0..n {
                let (theirs, theirs_weights) = by_hand(&c, &logits[row * e..][..e], &bias);
                let at = row * c.chosen;
                let ours: Vec<usize> = chosen[at..at + c.chosen].iter().map(|&e| e as usize).collect();
                assert_eq!(ours, theirs, "{c:?} row {row}");
                let near = |(a, b): (&f32, &f64)| (f64::from(*a) - b).abs() < 1e-6;
                assert!(weights[at..].iter().zip(&theirs_weights).all(near), "{c:?} row {row}");
            }
        }
    }
}
