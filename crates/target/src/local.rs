//! A checkpoint on this machine as a target.

use crate::batch::Batch;
use crate::decode::{STOPPED, decode};
use crate::{guided, propose, score};
use mosa_attack::{
    Ability, Generate, Generation, Guide, Propose, Proposed, Score, Scored, Target, Unanswered, Written,
};
use mosa_core::Interrupt;
use mosa_engine::{Batching, Options};
use mosa_model::{Adapted, Adapter, DenoisingModel, Transformer};
use mosa_probe::gcg::{AllowedTokens, Filter, suffix_round_trip};
use mosa_text::{Specials, TextModel};
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// Model and adapter as the engine takes them.
pub type Subject<'a> = Adapted<'a>;

/// A checkpoint, perhaps with an adapter. Threads may share it: one of them decodes for all that wait.
pub struct Local {
    weights: Mutex<(Transformer, Option<Adapter>)>,
    text: TextModel,
    options: Options,
    batching: Batching,
    batch_size: usize,
    stop: Interrupt,
    batch: Batch<(u64, Generate), Result<Generation, String>>,
    /// Tokens a suffix may hold; finding them takes a pass over the vocabulary.
    allowed: OnceLock<AllowedTokens>,
}

impl Local {
    /// A target that decodes up to `batch_size` answers together and gives up when a stop is asked for.
    pub fn new(
        (model, adapter, text): (Transformer, Option<Adapter>, TextModel),
        options: Options,
        (batching, batch_size): (Batching, usize),
        stop: Interrupt,
    ) -> Self {
        let batch = Batch::new();
        let weights = Mutex::new((model, adapter));
        Self { weights, text, options, batching, batch_size: batch_size.max(1), stop, batch, allowed: OnceLock::new() }
    }

    fn lock(&self) -> MutexGuard<'_, (Transformer, Option<Adapter>)> {
        self.weights.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn text(&self) -> &TextModel {
        &self.text
    }

    /// Words that `proxy` proposes and this model chooses among.
    pub(crate) fn guided_by(&self, proxy: &Self, draw: u64, asked: &Guide) -> Result<Written, Unanswered> {
        let (own, other) = (self.lock(), proxy.lock());
        if self.stop.asked() {
            return Err(Unanswered::Interrupted);
        }
        let subject = Subject { model: &own.0, adapter: own.1.as_ref() };
        let proposing = Subject { model: &other.0, adapter: other.1.as_ref() };
        let length = self.options.gen_length;
        Ok(guided::write((subject, &self.text), (proposing, &proxy.text), length, draw, asked)?)
    }

    fn decode(&self, waiting: &[(u64, Generate)]) -> Vec<Result<Generation, String>> {
        let weights = self.lock();
        let subject = Subject { model: &weights.0, adapter: weights.1.as_ref() };
        let mut all = Vec::with_capacity(waiting.len());
        for chunk in waiting.chunks(self.batch_size) {
            if self.stop.asked() {
                all.extend(chunk.iter().map(|_| Err(STOPPED.to_owned())));
            } else {
                all.extend(decode(subject, (&self.text, &self.options, self.batching), chunk, &self.stop));
            }
        }
        all
    }
}

impl Target for Local {
    fn abilities(&self) -> BTreeSet<Ability> {
        use Ability::{Constraint, ForcedTokens, Gradient, History, Infill, Score};
        [ForcedTokens, Constraint, Score, History, Infill, Gradient].into()
    }

    fn generate(&self, asked: &[(u64, Generate)]) -> Vec<Result<Generation, Unanswered>> {
        let answers = self.batch.ask(asked.to_vec(), |waiting| self.decode(&waiting));
        let told = |e: String| if e == STOPPED { Unanswered::Interrupted } else { Unanswered::Failed(e) };
        answers.into_iter().map(|a| a.map_err(told)).collect()
    }

    fn score(&self, asked: &[Score]) -> Vec<Result<Scored, Unanswered>> {
        let weights = self.lock();
        let subject = Subject { model: &weights.0, adapter: weights.1.as_ref() };
        let one = |s| match self.stop.asked() {
            true => Err(Unanswered::Interrupted),
            false => Ok(score::score(subject, (&self.text, self.options.gen_length), s)?),
        };
        asked.iter().map(one).collect()
    }

    fn propose(&self, draw: u64, asked: &Propose) -> Result<Vec<Proposed>, Unanswered> {
        let weights = self.lock();
        if self.stop.asked() {
            return Err(Unanswered::Interrupted);
        }
        let allowed = self.allowed.get_or_init(|| AllowedTokens::printable(&self.text, weights.0.spec(), true)).clone();
        let filter = Filter { allowed, keep: Box::new(suffix_round_trip(&self.text.tokenizer)) };
        let pair = (&weights.0, weights.1.as_ref());
        Ok(propose::propose(pair, (&self.text, self.options.gen_length, &filter), draw, asked)?)
    }

    fn tokens(&self, text: &str) -> Result<Vec<String>, Unanswered> {
        let ids = self.text.tokenizer.encode(text).map_err(crate::TargetError::from)?;
        let one = |id: &u32| self.text.tokenizer.decode(&[*id], Specials::Keep).map_err(crate::TargetError::from);
        Ok(ids.iter().map(one).collect::<Result<Vec<_>, _>>()?)
    }
}
