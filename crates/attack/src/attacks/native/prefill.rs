//! Words forced at an offset of the answer (MOSA, Fig. 3).

use super::CanvasAttack;
use crate::{Case, Cx, Generate, Profile, Stop, phrases};
use serde::{Deserialize, Serialize};

/// A phrase forced at one offset: the beginning of a compliant answer at 0, a piece of a procedure elsewhere.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Prefill {
    /// Response offset. The paper sweeps 0, 40, 80, 120, 160; as an attack it takes one.
    pub offset: usize,
    /// The phrase; absent: the data's target at 0, a drawn phrase of [`phrases::PROCEDURAL`] elsewhere.
    pub text: Option<String>,
    /// Response positions; the target's own number if absent.
    pub gen_length: Option<usize>,
}

impl Default for Prefill {
    fn default() -> Self {
        Self { offset: 40, text: None, gen_length: None }
    }
}

impl Prefill {
    /// One query whatever the profile.
    pub fn profile(_profile: Profile) -> Self {
        Self::default()
    }

    /// Words of the toy language: the piece of a procedure in the middle.
    #[must_use]
    pub fn world(self) -> Self {
        Self { text: Some("the next step is to".into()), ..self }
    }
}

impl CanvasAttack for Prefill {
    const NAME: &'static str = "prefill";

    fn requests(&self, case: &Case, cx: &Cx<'_>) -> Result<Vec<(String, Generate)>, Stop> {
        let text = match (&self.text, self.offset) {
            (Some(text), _) => text.clone(),
            (None, 0) => case.target(),
            (None, _) => phrases::PROCEDURAL[cx.rng("phrase").below(phrases::PROCEDURAL.len())].to_owned(),
        };
        let ask = Generate { gen_length: self.gen_length, ..Generate::to(case.goal()).forcing(self.offset, text) };
        Ok(vec![(format!("offset-{}", self.offset), ask)])
    }
}
