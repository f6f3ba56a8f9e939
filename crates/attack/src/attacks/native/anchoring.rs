//! Anchoring: at a step of the decode what was revealed is replaced by a harmful reference answer (Recovery Alignment,
//! arXiv 2510.00565).
//!
//! There the prediction of step `t_inter` is replaced by the whole reference answer, and the sampler's own rule
//! decides what of it stays: with as many steps as positions, `t` tokens. The state is the same here whatever the
//! schedule: a plain decode says in which order the sampler reveals; then, at the step by which it has revealed `t`
//! positions, everything is masked again but these, and they hold the reference answer's tokens. Positions beyond the
//! reference answer's end are passed over: it has nothing to say there.

use super::CanvasAttack;
use super::reference::{Found, Reference};
use crate::{Case, Cx, Forced, Generate, Generation, Profile, Stop};
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

/// Where a sampler reveals, the first first.
struct Revealed {
    /// (response offset, step).
    order: Vec<(usize, usize)>,
    /// The last step.
    last: usize,
}

impl Revealed {
    /// The order of a plain answer's positions below `end`: by step, then as low-confidence remasking ranks them.
    /// Where it ended early the positions behind it follow, as if they were revealed in the last step.
    fn of(plain: &Generation, end: usize) -> Self {
        let seen: Vec<(usize, usize)> =
            plain.steps.iter().enumerate().filter_map(|(at, step)| Some((at, (*step)?))).collect();
        let last = seen.iter().map(|(_, step)| *step).max().unwrap_or(0);
        let confidence = |at: usize| plain.confidences.get(at).copied().flatten().unwrap_or(0.0);
        let mut order: Vec<(usize, usize)> = seen.into_iter().filter(|(at, _)| *at < end).collect();
        order.sort_by(|a, b| a.1.cmp(&b.1).then(confidence(b.0).total_cmp(&confidence(a.0))).then(a.0.cmp(&b.0)));
        order.extend((plain.steps.len()..end).map(|at| (at, last)));
        Self { order, last }
    }

    /// The reference answer's tokens at the first `count` positions, before the step behind the one that revealed them.
    fn overwritten(&self, count: usize, text: &str) -> Forced {
        let first = &self.order[..count.min(self.order.len())];
        let step = first.iter().map(|(_, step)| step + 1).max().unwrap_or(0).min(self.last);
        let mut only: Vec<usize> = first.iter().map(|(at, _)| *at).collect();
        only.sort_unstable();
        Forced { offset: 0, text: text.to_owned(), step, remask: true, only }
    }
}

impl CanvasAttack for Anchoring {
    const NAME: &'static str = "anchoring";
    const READS_ANSWERS: bool = true;

    /// One more for the plain answer.
    fn count(&self) -> usize {
        self.steps.len() + 1
    }

    fn requests(&self, case: &Case, cx: &Cx<'_>) -> Result<Vec<(String, Generate)>, Stop> {
        let answer = self.answer(case, cx)?;
        let plain = cx.generate("plain", Generate::to(case.goal()))?;
        let revealed = Revealed::of(&plain, answer.tokens);
        let at = |&count: &usize| {
            let forced = revealed.overwritten(count, &answer.text);
            let detail = json!({
                "revealed": count, "written": forced.only.len(), "step": forced.step, "from": answer.from,
            });
            cx.note(format!("step-{count}"), "overwritten", detail);
            (format!("step-{count}"), Generate { forced: vec![forced], ..Generate::to(case.goal()) })
        };
        Ok(self.steps.iter().map(at).collect())
    }
}
