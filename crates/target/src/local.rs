//! A checkpoint on this machine as a target.

use crate::words::{ask, generation};
use crate::{TargetError, guided, propose, score};
use mosa_attack::{
    Ability, Generate, Generation, Guide, Propose, Proposed, Score, Scored, Target, Unanswered, Written,
};
use mosa_engine::Options;
use mosa_probe::gcg::AllowedTokens;
use mosa_runtime::{Ask, Runtime, RuntimeError};
use mosa_text::Specials;
use std::collections::BTreeSet;
use std::sync::OnceLock;

/// A checkpoint, perhaps with an adapter, behind its runtime: requests of cases that wait at the same time are decoded together.
pub struct Local {
    runtime: Runtime,
    options: Options,
    /// Tokens a suffix may hold; finding them takes a pass over the vocabulary.
    allowed: OnceLock<AllowedTokens>,
}

impl Local {
    /// A target that decodes by `options`, unless an attack asks for another length or temperature.
    pub fn new(runtime: Runtime, options: Options) -> Self {
        Self { runtime, options, allowed: OnceLock::new() }
    }

    pub(crate) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Words that `proxy` proposes and this model chooses among.
    pub(crate) fn guided_by(&self, proxy: &Self, draw: u64, asked: &Guide) -> Result<Written, Unanswered> {
        let writing = guided::Writing { target: &self.runtime, proxy: &proxy.runtime, draw, asked };
        Ok(writing.write(self.options.gen_length)?)
    }
}

fn unanswered(error: RuntimeError) -> Unanswered {
    TargetError::from(error).into()
}

impl Target for Local {
    fn abilities(&self) -> BTreeSet<Ability> {
        use Ability::{Constraint, ForcedTokens, Gradient, History, Infill, Score};
        [ForcedTokens, Constraint, Score, History, Infill, Gradient].into()
    }

    fn generate(&self, asked: &[(u64, Generate)]) -> Vec<Result<Generation, Unanswered>> {
        let asks: Vec<Ask> = asked.iter().map(|(draw, g)| ask(*draw, g, self.options.gen_length)).collect();
        match self.runtime.answer(&self.options, &asks) {
            Ok(answers) => answers.into_iter().map(|a| a.map(generation).map_err(unanswered)).collect(),
            Err(error) => vec![Err(unanswered(error)); asks.len()],
        }
    }

    fn score(&self, asked: &[Score]) -> Vec<Result<Scored, Unanswered>> {
        asked.iter().map(|s| Ok(score::score(&self.runtime, &self.options, s)?)).collect()
    }

    fn propose(&self, draw: u64, asked: &Propose) -> Result<Vec<Proposed>, Unanswered> {
        if self.runtime.stop().asked() {
            return Err(Unanswered::Interrupted);
        }
        let (text, spec) = (self.runtime.text(), self.runtime.spec());
        let allowed = self.allowed.get_or_init(|| AllowedTokens::printable(text, spec, true));
        Ok(propose::propose(&self.runtime, &self.options, allowed, draw, asked)?)
    }

    fn tokens(&self, text: &str) -> Result<Vec<String>, Unanswered> {
        let tokenizer = &self.runtime.text().tokenizer;
        let ids = tokenizer.encode(text).map_err(TargetError::from)?;
        let one = |id: &u32| tokenizer.decode(&[*id], Specials::Keep).map_err(TargetError::from);
        Ok(ids.iter().map(one).collect::<Result<Vec<_>, _>>()?)
    }
}
