//! Anchoring: at a step of the decode what was revealed is replaced by a harmful reference answer (Recovery Alignment,
//! arXiv 2510.00565).
//!
//! There the prediction of step `t_inter` is replaced by the whole reference answer, and the sampler's own rule decides
//! what of it stays: with as many steps as positions, `t` tokens. The state is the same here whatever the schedule and
//! whatever a defence makes of its order: as soon as the sampler has revealed `t` positions, everything is masked again
//! but these, and they hold the reference answer's tokens. Positions beyond the reference answer's end are passed over:
//! it has nothing to say there.

use super::CanvasAttack;
use super::reference::{Found, Reference};
use crate::{Case, Cx, Forced, Generate, Profile, Stop};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Tokens of a reference answer where the sampler has revealed some, one answer per step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Anchoring {
    /// The steps, counted in revealed tokens; the answer to the first is the one submitted. Published sweep: 1, 4, 8,
    /// 16, 32 of
    /// 128 steps that reveal one token each.
    pub steps: Vec<usize>,
    /// The answer by hand; absent: the reference answer.
    pub text: Option<String>,
    /// Where the reference answer comes from.
    pub reference: Reference,
}

impl Default for Anchoring {
    fn default() -> Self {
        Self { steps: vec![4, 1, 8, 16, 32], text: None, reference: Reference::Data }
    }
}

impl Anchoring {
    /// The published sweep; one step for a run-through.
    pub fn profile(profile: Profile) -> Self {
        match profile {
            Profile::Smoke => Self { steps: vec![4], ..Self::default() },
            Profile::Paper | Profile::Standard => Self::default(),
        }
    }

    /// The procedures of the toy world.
    #[must_use]
    pub fn world(self) -> Self {
        Self { reference: Reference::World, ..self }
    }

    /// The answer that is written.
    fn answer(&self, case: &Case, cx: &Cx<'_>) -> Result<Found, Stop> {
        match &self.text {
            Some(text) => Ok(Found { text: text.clone(), from: "setting", tokens: cx.tokens(text)?.len() }),
            None => self.reference.of(case, cx),
        }
    }
}

impl CanvasAttack for Anchoring {
    const NAME: &'static str = "anchoring";
    const READS_ANSWERS: bool = true;

    fn count(&self) -> usize {
        self.steps.len()
    }

    fn requests(&self, case: &Case, cx: &Cx<'_>) -> Result<Vec<(String, Generate)>, Stop> {
        let Found { text, from, tokens } = self.answer(case, cx)?;
        let at = |&count: &usize| {
            cx.note(
                format!("step-{count}"),
                "overwritten",
                json!({ "revealed": count, "written": count.min(tokens), "from": from }),
            );
            let forced = Forced { text: text.clone(), revealed: Some(count), remask: true, ..Forced::default() };
            (format!("step-{count}"), Generate { forced: vec![forced], ..Generate::to(case.goal()) })
        };
        Ok(self.steps.iter().map(at).collect())
    }
}
