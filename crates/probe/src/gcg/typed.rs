//! A search by a runtime, for suffixes that can be typed.

use super::filter::{AllowedTokens, Filter, suffix_round_trip};
use super::goal::Goal;
use super::search::{Gcg, GcgRun, Iteration};
use super::settings::GcgSettings;
use crate::ProbeError;
use mosa_engine::Options;
use mosa_runtime::{Model, Runtime};
use std::ops::ControlFlow;

/// Shows an iteration to the caller, who says whether to go on.
type Ask<'a> = dyn FnMut(Iteration) -> Option<ControlFlow<()>> + 'a;

/// What a search needs besides the model: [`Gcg`] with the filter [`Filter::typed`], as it can be sent to the model's thread.
#[derive(Clone)]
pub struct TypedGcg {
    /// Its settings.
    pub settings: GcgSettings,
    /// Tokens a candidate may hold; finding them takes a pass over the vocabulary.
    pub allowed: AllowedTokens,
    /// How the answer to the best suffix is decoded; `gen_length` is the goals'.
    pub decode: Options,
}

impl TypedGcg {
    /// As [`Gcg::run`], on the thread of the model. `each` is called on the caller's, and the search waits for what it says.
    ///
    /// # Errors
    /// As [`Gcg::run`], and if the model could not be asked.
    pub fn run(
        &self,
        runtime: &Runtime,
        goal: &Goal,
        recorded: Vec<Iteration>,
        each: &mut dyn FnMut(&Iteration) -> ControlFlow<()>,
    ) -> Result<Option<GcgRun>, ProbeError> {
        let (search, goal) = (self.clone(), goal.clone());
        let work = move |model: &Model, ask: &mut Ask<'_>| search.go(model, &goal, recorded, ask);
        runtime.talk(work, |iteration| each(&iteration))?
    }

    /// On the thread of the model.
    fn go(
        self,
        model: &Model,
        goal: &Goal,
        recorded: Vec<Iteration>,
        ask: &mut Ask<'_>,
    ) -> Result<Option<GcgRun>, ProbeError> {
        let keep = Box::new(suffix_round_trip(&model.text.tokenizer));
        let filter = Filter { allowed: self.allowed, keep };
        let search = Gcg { settings: self.settings, filter, decode: self.decode };
        // Who is gone wants no more.
        let mut each = |iteration: &Iteration| ask(iteration.clone()).unwrap_or(ControlFlow::Break(()));
        search.run(model.white_box(), goal, recorded, &mut each)
    }
}
