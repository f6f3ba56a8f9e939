//! TrajHijack: let the model commit its refusal, take everything back, write an affirmative beginning, and let it go on.

use super::CanvasAttack;
use crate::{Case, Cx, Forced, Generate, Profile, Stop};
use serde::{Deserialize, Serialize};

/// Re-masking after some steps, with a new beginning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrajHijack {
    /// Steps before everything revealed is masked again. Published: refusals are committed in the first 8 to 16 of 64.
    pub after: usize,
    /// The beginning, 8 to 12 tokens; absent: the data's target.
    pub text: Option<String>,
}

impl Default for TrajHijack {
    fn default() -> Self {
        Self { after: 16, text: None }
    }
}

impl TrajHijack {
    /// One query whatever the profile.
    pub fn profile(_profile: Profile) -> Self {
        Self::default()
    }

    /// Words of the toy language.
    #[must_use]
    pub fn world(self) -> Self {
        Self { text: Some("here is how to make".into()), ..self }
    }
}

impl CanvasAttack for TrajHijack {
    const NAME: &'static str = "traj-hijack";

    fn requests(&self, case: &Case, _cx: &Cx<'_>) -> Result<Vec<(String, Generate)>, Stop> {
        let text = self.text.clone().unwrap_or_else(|| case.target());
        let mut ask = Generate::to(case.goal());
        ask.forced.push(Forced { offset: 0, text, step: self.after.max(1), remask: true });
        Ok(vec![(format!("after-{}", self.after), ask)])
    }
}
