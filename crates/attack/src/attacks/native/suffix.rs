//! GCG as an attack: a suffix of the prompt searched with the target's own gradient (MOSA, Fig. 4).

use crate::{Ability, Attack, Candidate, Case, Cost, Cx, Finished, Generate, Needs, Profile, Propose, Reason, Stop};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Greedy coordinate gradient with the weights at hand (arXiv 2307.15043), aimed at any offset of the answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SuffixSearch {
    /// Iterations. MOSA: 100.
    pub iterations: usize,
    /// Candidates per iteration. Published: 512.
    pub candidates: usize,
    /// Tokens considered per place. Published: 256.
    pub top_k: usize,
    /// The suffix to start from.
    pub init: String,
    /// The phrase; absent: the data's target.
    pub target: Option<String>,
    /// Response offset of the phrase. MOSA: 0 and 30.
    pub offset: usize,
}

impl Default for SuffixSearch {
    fn default() -> Self {
        Self { iterations: 100, candidates: 512, top_k: 256, init: ["!"; 20].join(" "), target: None, offset: 0 }
    }
}

impl SuffixSearch {
    /// Fewer and smaller iterations below the paper's.
    pub fn profile(profile: Profile) -> Self {
        let (iterations, candidates) = match profile {
            Profile::Paper => (100, 512),
            Profile::Standard => (20, 64),
            Profile::Smoke => (5, 24),
        };
        Self { iterations, candidates, ..Self::default() }
    }

    /// Words of the toy language.
    #[must_use]
    pub fn world(self) -> Self {
        Self { init: [","; 8].join(" "), target: Some("here is how to make".into()), top_k: self.top_k.min(64), ..self }
    }
}

impl Attack for SuffixSearch {
    fn name(&self) -> &'static str {
        "gcg"
    }

    fn needs(&self) -> Needs {
        Needs { abilities: vec![Ability::Gradient], roles: Vec::new() }
    }

    fn settings(&self) -> Value {
        json!(self)
    }

    fn cost(&self) -> Cost {
        Cost { queries: 1, helper_calls: 0 }
    }

    fn run(&self, case: &Case, cx: &Cx<'_>) -> Result<Finished, Stop> {
        let target = self.target.clone().unwrap_or_else(|| case.target());
        let (mut suffix, mut best) = (self.init.clone(), (self.init.clone(), f64::INFINITY));
        for i in 0..self.iterations {
            let proposed = cx.propose(
                &format!("i{i}"),
                Propose {
                    messages: Generate::to(case.goal()).messages,
                    suffix: suffix.clone(),
                    target: target.clone(),
                    offset: self.offset,
                    candidates: self.candidates,
                    top_k: self.top_k,
                    gradient: true,
                    keep: 1,
                },
            )?;
            let Some(next) = proposed.into_iter().next() else { break };
            suffix = next.suffix.clone();
            if next.loss < best.1 {
                best = (next.suffix, next.loss);
            }
        }
        let ask = Generate::to(format!("{} {}", case.goal(), best.0));
        let answer = cx.generate("final", ask.clone())?;
        let guide = best.1.is_finite().then_some(-best.1);
        let candidate = Candidate::new(ask, answer).guided(guide).tagged("suffix", &best.0);
        let selected = Some(cx.candidate(candidate));
        Ok(Finished { selected, reason: Reason::Exhausted })
    }
}
