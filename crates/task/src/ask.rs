//! What is asked of a model.

use serde::{Deserialize, Serialize};

/// What is asked of a model at every item of a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Ask {
    /// To write an answer.
    Generate(Generate),
    /// To say how likely each of the item's choices is.
    Choose(Choose),
}

/// How an answer is written. What is absent is the sampler's own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Generate {
    /// Response positions.
    pub gen_length: usize,
    /// Positions per block, where the sampler has blocks.
    pub block_length: Option<usize>,
    /// Denoising steps; one position each if absent.
    pub steps: Option<usize>,
    /// LLaDA's `logits_eos_inf`: the end-of-text token is never chosen.
    pub logits_eos_inf: bool,
    /// LLaDA's `confidence_eos_eot_inf`: end tokens are revealed last.
    pub confidence_eos_eot_inf: bool,
    /// The answer ends before the first of these that stands in it.
    pub until: Vec<String>,
}

impl Default for Generate {
    fn default() -> Self {
        Self {
            gen_length: 256,
            block_length: None,
            steps: None,
            logits_eos_inf: false,
            confidence_eos_eot_inf: false,
            until: Vec::new(),
        }
    }
}

impl Generate {
    /// An answer as far as it counts: before the first stop text that stands in it, if one does.
    pub fn cut<'a>(&self, answer: &'a str) -> &'a str {
        let end = self.until.iter().filter(|stop| !stop.is_empty()).filter_map(|stop| answer.find(stop.as_str())).min();
        &answer[..end.unwrap_or(answer.len())]
    }
}

/// How choices are scored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Choose {
    /// How the probability of a choice of several tokens is estimated. For one token all agree.
    pub estimate: Estimate,
}

/// How the probability of several tokens is estimated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Estimate {
    /// One pass with all of them masked.
    #[default]
    MeanField,
    /// One pass per token, left to right.
    Chain,
    /// LLaDA's Monte Carlo bound with this many draws (its `mc_num`).
    Elbo(usize),
}
