//! EPT (AttackPrefixTree, arXiv 2502.13527): a tree of answers, grown sentence by sentence. Sentences that decline are
//! forbidden as beginnings, sentences that comply become the words the next ones continue.

mod sentence;
mod settings;
mod tree;

pub use settings::{Ept, PathUnit};

use crate::{Ability, Anchor, Attack, Candidate, Case, Cost, Cx, Finished, Needs, Reason, Stop};
use serde_json::{Value, json};
use tree::{Leaf, Tree};

impl Ept {
    /// The best path once more, without forbidden beginnings; its leaf's own answer where no slot is left.
    fn completed(&self, cx: &Cx<'_>, tree: &Tree<'_>, best: Option<&Leaf>) -> Result<usize, Stop> {
        let path = best.map_or(tree.prefix(), |leaf| &leaf.path);
        if let Some(leaf) = best.filter(|leaf| leaf.full) {
            return Ok(leaf.candidate);
        }
        let asked = self.asking(tree.goal(), path);
        let answer = cx.generate("completion", asked.clone())?;
        let guide = best.and_then(|leaf| leaf.probability);
        Ok(cx.candidate(Candidate::new(asked, answer).guided(guide).tagged("kind", "completion")))
    }
}

impl Attack for Ept {
    fn name(&self) -> &'static str {
        match self.anchor {
            Anchor::Start => "ept",
            Anchor::Middle(_) => "ept-adaptive",
        }
    }

    fn needs(&self) -> Needs {
        Needs { abilities: vec![Ability::ForcedTokens, Ability::Constraint], roles: vec![tree::JUDGE] }
    }

    fn settings(&self) -> Value {
        json!(self)
    }

    fn cost(&self) -> Cost {
        let samples = self.samples_at_most();
        Cost { queries: samples + 1, helper_calls: samples.saturating_mul(2 * self.attempts as u64) }
    }

    fn run(&self, case: &Case, cx: &Cx<'_>) -> Result<Finished, Stop> {
        let mut tree = Tree::new(self, case, cx);
        if let Err(stop) = tree.grow_root() {
            tree.hand_in_unfinished(&stop);
            return Err(stop);
        }
        if tree.over == Some(Reason::HelperUnusable) {
            return Ok(Finished { selected: None, reason: Reason::HelperUnusable });
        }
        let selected = self.completed(cx, &tree, tree.ranked().first().copied())?;
        let reason = match tree.over {
            Some(reason) => reason,
            None if tree.leaves.is_empty() => Reason::AllPruned,
            None => Reason::Exhausted,
        };
        Ok(Finished { selected: Some(selected), reason })
    }
}
