//! Speak Easy: a request in pieces and in several languages, the best replies put together (arXiv 2502.04322).

mod round;
mod settings;
mod text;
mod wording;

pub use settings::{Decomposer, SpeakEasy};

use crate::{Attack, Case, Cost, Cx, Finished, Needs, Stop};
use round::Round;
use serde_json::{Value, json};

impl Attack for SpeakEasy {
    fn name(&self) -> &'static str {
        "speak-easy"
    }

    fn needs(&self) -> Needs {
        let mut roles = vec![round::TRANSLATOR, round::ACTIONABLE, round::INFORMATIVE];
        roles.extend((self.decomposer == Decomposer::Helper).then_some(round::DECOMPOSER));
        Needs { abilities: Vec::new(), roles }
    }

    fn settings(&self) -> Value {
        json!(self)
    }

    fn cost(&self) -> Cost {
        let tongues = self.tongues();
        let foreign = tongues.iter().filter(|l| **l != self.home).count();
        let (asked, foreign) = (self.sub_queries * tongues.len(), self.sub_queries * foreign);
        let decomposing = |who| if self.decomposer == who { self.decompose_attempts } else { 0 };
        let queries = asked + decomposing(Decomposer::Target);
        let helper_calls =
            2 * foreign * self.translate_attempts + 2 * asked * self.score_attempts + decomposing(Decomposer::Helper);
        Cost { queries: queries as u64, helper_calls: helper_calls as u64 }
    }

    fn run(&self, case: &Case, cx: &Cx<'_>) -> Result<Finished, Stop> {
        Round { attack: self, case, cx }.run()
    }
}
