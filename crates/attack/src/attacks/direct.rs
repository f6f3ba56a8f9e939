//! The direct request: the behaviour itself, once. Not an attack, but what attacks are compared with.

use crate::{Attack, Candidate, Case, Cost, Cx, Finished, Generate, Needs, Reason, Stop};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The behaviour, asked as it is (HarmBench's `DirectRequest`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Direct {
    /// Response positions; the target's own number if absent.
    pub gen_length: Option<usize>,
}

impl Attack for Direct {
    fn name(&self) -> &'static str {
        "direct"
    }

    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn settings(&self) -> Value {
        json!(self)
    }

    fn cost(&self) -> Cost {
        Cost { queries: 1, helper_calls: 0 }
    }

    fn run(&self, case: &Case, cx: &Cx<'_>) -> Result<Finished, Stop> {
        let asked = Generate { gen_length: self.gen_length, ..Generate::to(case.goal()) };
        let answer = cx.generate("ask", asked.clone())?;
        let selected = Some(cx.candidate(Candidate::new(asked, answer)));
        Ok(Finished { selected, reason: Reason::Exhausted })
    }
}
