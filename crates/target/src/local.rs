//! A checkpoint on this machine as a target.

use crate::watched::Watched;
use crate::words::{ask, generation};
use crate::{TargetError, guided, propose, score};
use mosa_attack::{
    Ability, Generate, Generation, Guide, Propose, Proposed, Score, Scored, Target, Unanswered, Written,
};
use mosa_defence::Stop;
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
    /// Where a monitor sees its answers.
    watched: Option<Watched>,
}

impl Local {
    /// A target that decodes by `options`, unless an attack asks for another length or temperature.
    pub fn new(runtime: Runtime, options: Options) -> Self {
        Self { runtime, options, allowed: OnceLock::new(), watched: None }
    }

    /// The same under the monitor of a stop, whose threshold, words and first step count, and which stops nothing itself. The
    /// monitor stands behind the runtime's own defences, next to the model. With `by_gradient`, suffixes are proposed by
    /// its gradient as well.
    ///
    /// # Errors
    /// [`TargetError`] if there is no such monitor, its words have no token, or it has no gradient.
    pub fn watched(self, stop: &Stop, by_gradient: bool) -> Result<Self, TargetError> {
        Ok(Self { watched: Some(Watched::new(&self.runtime, stop, by_gradient)?), ..self })
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
        use Ability::{Constraint, ForcedTokens, Gradient, History, Infill, Monitor, Score};
        let all = [ForcedTokens, Constraint, Score, History, Infill, Gradient];
        all.into_iter().chain(self.watched.is_some().then_some(Monitor)).collect()
    }

    fn generate(&self, asked: &[(u64, Generate)]) -> Vec<Result<Generation, Unanswered>> {
        let asks: Vec<Ask> = asked.iter().map(|(draw, g)| ask(*draw, g, self.options.gen_length)).collect();
        let runtime = self.watched.as_ref().map_or(&self.runtime, |watched| &watched.runtime);
        let mut answers = match runtime.answer(&self.options, &asks) {
            Ok(answers) => answers.into_iter().map(|a| a.map(generation).map_err(unanswered)).collect::<Vec<_>>(),
            Err(error) => vec![Err(unanswered(error)); asks.len()],
        };
        for (answer, ask) in answers.iter_mut().zip(&asks) {
            // What was said of an answer that failed is forgotten.
            let seen = self.watched.as_ref().and_then(|watched| watched.seen(&ask.id));
            answer.iter_mut().for_each(|answer| answer.monitors.extend(seen.clone()));
        }
        answers
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
        let searched = propose::Searched {
            runtime: &self.runtime,
            options: &self.options,
            allowed,
            watched: self.watched.as_ref(),
        };
        Ok(propose::propose(&searched, draw, asked)?)
    }

    fn tokens(&self, text: &str) -> Result<Vec<String>, Unanswered> {
        let tokenizer = &self.runtime.text().tokenizer;
        let ids = tokenizer.encode(text).map_err(TargetError::from)?;
        let one = |id: &u32| tokenizer.decode(&[*id], Specials::Keep).map_err(TargetError::from);
        Ok(ids.iter().map(one).collect::<Result<Vec<_>, _>>()?)
    }
}
