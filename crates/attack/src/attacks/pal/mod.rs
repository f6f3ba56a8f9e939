//! PAL (arXiv 2402.09674): a suffix, proposed by a proxy model and chosen by the target's probabilities.

mod eliminate;
mod search;
mod settings;

pub use settings::{Pal, TokenLoss};

use crate::{Ability, Anchor, Attack, Case, Cost, Cx, Estimator, Finished, Monitored, Needs, Stop};
use serde_json::{Value, json};

impl Attack for Pal {
    fn name(&self) -> &'static str {
        match (self.gradient, self.anchor) {
            (true, Anchor::Start) => "pal",
            (true, Anchor::Middle(_)) => "pal-adaptive",
            (false, Anchor::Start) => "ral",
            (false, Anchor::Middle(_)) => "ral-adaptive",
        }
    }

    /// RAL asks for no gradient: a target that scores can draw and filter without one.
    fn needs(&self) -> Needs {
        let abilities = if self.gradient { vec![Ability::Score, Ability::Gradient] } else { vec![Ability::Score] };
        Needs { abilities: [abilities, self.evasion.needs()].concat(), roles: Vec::new() }
    }

    fn watches(&self) -> Option<Monitored> {
        self.evasion.watches(false)
    }

    fn settings(&self) -> Value {
        json!(Self { evasion: self.evasion.weighing(eliminate::UNREACHED), ..self.clone() })
    }

    fn cost(&self) -> Cost {
        let (sent, steps) = (self.sent as u64, self.max_steps as u64);
        let per_candidate = match self.estimator {
            Estimator::Chain => self.target_tokens as u64,
            Estimator::MeanField => 1,
        };
        let answers = steps.div_ceil(self.answer_every.max(1) as u64);
        // With a monitor, answers of the first suffix and of every step come on top of those.
        let watched = self.watched() as u64;
        let by_steps = per_candidate * (1 + steps * sent) + answers + 1 + watched * (1 + steps);
        Cost { queries: by_steps.min(self.max_queries.max(self.answers())), helper_calls: 0 }
    }

    fn run(&self, case: &Case, cx: &Cx<'_>) -> Result<Finished, Stop> {
        self.search("", case, cx)
    }
}
