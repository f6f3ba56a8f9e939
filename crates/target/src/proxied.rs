//! A target beside which another model stands.

use crate::{Local, guided};
use mosa_attack::{
    Ability, Generate, Generation, Guide, Propose, Proposed, Score, Scored, Target, Unanswered, Written,
};
use std::collections::BTreeSet;

/// A target, and the proxy model that proposes suffixes for it (PAL) or words it chooses among (AdvPrefix). Suffixes go as
/// texts, so the tokenisers may differ; for words they may not.
pub struct Proxied {
    /// The model under attack.
    target: Local,
    /// The model whose proposals are followed.
    proxy: Local,
    /// Whether they have the same vocabulary.
    alike: bool,
}

impl Proxied {
    /// A target with its proxy.
    pub fn new(target: Local, proxy: Local) -> Self {
        let alike = guided::alike(target.runtime().text(), proxy.runtime().text());
        Self { target, proxy, alike }
    }
}

impl Target for Proxied {
    fn abilities(&self) -> BTreeSet<Ability> {
        let mut all = self.target.abilities();
        all.insert(Ability::Gradient);
        all.extend(self.alike.then_some(Ability::Guide));
        all
    }

    fn generate(&self, asked: &[(u64, Generate)]) -> Vec<Result<Generation, Unanswered>> {
        self.target.generate(asked)
    }

    fn score(&self, asked: &[Score]) -> Vec<Result<Scored, Unanswered>> {
        self.target.score(asked)
    }

    fn propose(&self, draw: u64, asked: &Propose) -> Result<Vec<Proposed>, Unanswered> {
        self.proxy.propose(draw, asked)
    }

    fn write(&self, draw: u64, asked: &Guide) -> Result<Written, Unanswered> {
        match self.alike {
            true => self.target.guided_by(&self.proxy, draw, asked),
            false => Err(Unanswered::Failed("the proxy has another vocabulary than the target".into())),
        }
    }

    fn tokens(&self, text: &str) -> Result<Vec<String>, Unanswered> {
        self.target.tokens(text)
    }
}
