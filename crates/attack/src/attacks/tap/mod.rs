//! TAP: a tree of prompts, branched by an attacker model and pruned by an evaluator (arXiv 2312.02119).

mod search;
mod settings;
mod wording;

pub use settings::Tap;

use crate::{Anchor, Attack, Case, Cost, Cx, Finished, Monitored, Needs, Stop};
use search::Search;
use serde_json::{Value, json};

impl Attack for Tap {
    fn name(&self) -> &'static str {
        match self.anchor {
            Anchor::Start => "tap",
            Anchor::Middle(_) => "tap-adaptive",
        }
    }

    fn needs(&self) -> Needs {
        Needs { abilities: self.evasion.needs(), roles: vec![search::ATTACKER, search::ON_TOPIC, search::JUDGE] }
    }

    fn watches(&self) -> Option<Monitored> {
        self.evasion.watches(false)
    }

    fn settings(&self) -> Value {
        json!(Self { evasion: self.evasion.said(), ..self.clone() })
    }

    fn cost(&self) -> Cost {
        let (width, branching) = (self.width as u64, self.branching as u64);
        let (reads, ratings) = (self.attacker_attempts as u64, self.evaluator_attempts as u64);
        let (mut leaves, mut queries, mut helper_calls) = (self.roots as u64, 0, 0);
        for _ in 0..self.depth {
            let proposed = leaves.saturating_mul(branching);
            let asked = if self.cap_queries { proposed.min(width) } else { proposed };
            queries += asked;
            // A branch that is all off topic is made once more.
            helper_calls += 2 * proposed * (reads + ratings) + asked * ratings;
            leaves = asked.min(width);
        }
        Cost { queries, helper_calls }
    }

    fn run(&self, case: &Case, cx: &Cx<'_>) -> Result<Finished, Stop> {
        Search::new(self, case, cx).run()
    }
}
