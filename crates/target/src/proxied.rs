//! A target whose suffixes another model proposes.

use crate::Local;
use mosa_attack::{Ability, Generate, Generation, Propose, Proposed, Score, Scored, Target, Unanswered};
use std::collections::BTreeSet;

/// A target, and the proxy model that proposes suffixes for it (PAL). They exchange texts, so their tokenisers may differ.
pub struct Proxied<T> {
    /// The model under attack.
    pub target: T,
    /// The model whose gradient is followed.
    pub proxy: Local,
}

impl<T: Target> Target for Proxied<T> {
    fn abilities(&self) -> BTreeSet<Ability> {
        let mut all = self.target.abilities();
        all.insert(Ability::Gradient);
        all
    }

    fn generate(&self, asked: &[(u64, Generate)]) -> Result<Vec<Generation>, Unanswered> {
        self.target.generate(asked)
    }

    fn score(&self, asked: &[Score]) -> Result<Vec<Scored>, Unanswered> {
        self.target.score(asked)
    }

    fn propose(&self, draw: u64, asked: &Propose) -> Result<Vec<Proposed>, Unanswered> {
        self.proxy.propose(draw, asked)
    }

    fn tokens(&self, text: &str) -> Result<Vec<String>, Unanswered> {
        self.target.tokens(text)
    }
}
