//! Activation steering: one refusal direction, added to the hidden states or taken out of them.

use crate::hidden::{Direction, Span, layer, means, numbers_of, prompts};
use crate::registry::{defaults, settings_of};
use crate::steps::{boxed, within};
use crate::{Asset, DefenceError, Entry, Fit, Fitting, Need, Opened, Role, Setting, asset};
use mosa_engine::{EngineError, HiddenAt, Intervention, Pass, Step};
use mosa_records::DefenceAct;
use mosa_runtime::{Acts, Defence, Guarded, Runtime, RuntimeError};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use tch::Tensor;

/// Activation steering of masked diffusion models (arXiv 2512.24143): a direction from one pass over contrastive prompts,
/// harmful ones less harmless ones, applied to all tokens in all steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ActivationSteering {
    /// The direction, made by `mosa defence fit`.
    pub asset: Option<PathBuf>,
    /// After which block of the model the direction was read; -1 is the last. Absent: two thirds of the way, where it separates
    /// best in the paper.
    pub source: Option<i64>,
    /// After which blocks it acts; none named: after the one it was read from.
    pub layers: Vec<i64>,
    /// What is done: `add` makes a model refuse more, `ablate` less.
    pub mode: Mode,
    /// How much of it.
    pub strength: f64,
}

/// What is done with a direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// h + strength v.
    Add,
    /// h - strength (h . v) v with v of length 1.
    Ablate,
}

impl Default for ActivationSteering {
    fn default() -> Self {
        Self { asset: None, source: None, layers: Vec::new(), mode: Mode::Add, strength: 1.0 }
    }
}

/// How its asset is made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Fitted {
    /// The last so many tokens of each prompt; 0: all of them.
    last: usize,
}

const ROLES: &[Role] = &[
    Role { name: "harmful", about: "requests that should be refused", required: true },
    Role { name: "harmless", about: "requests that should be answered", required: true },
];

impl ActivationSteering {
    /// Its name.
    pub const NAME: &'static str = "activation-steering";

    pub(crate) const ENTRY: Entry = Entry {
        name: Self::NAME,
        about: "adds a refusal direction to hidden states, or takes it out, at all tokens and steps",
        source: "Activation steering of masked diffusion models, arXiv 2512.24143",
        needs: &[Need::Asset, Need::Hidden],
        settings: defaults::<Self>,
        make: |setting, settings| settings_of::<Self>(Self::NAME, settings)?.made(setting),
        fit: Some(Fit { roles: ROLES, settings: defaults::<Fitted>, make: fitted }),
    };

    fn made(self, setting: &Setting<'_>) -> Result<Opened, DefenceError> {
        within(Self::NAME, "strength", self.strength, [-1000.0, 1000.0])?;
        let spec = setting.runtime.spec();
        let source = self.source.unwrap_or((spec.layers * 2 / 3) as i64);
        let source = layer(Self::NAME, source, spec.layers)?;
        let typed = self.layers.iter().map(|&typed| layer(Self::NAME, typed, spec.layers));
        let mut layers = typed.collect::<Result<Vec<_>, _>>()?;
        if layers.is_empty() {
            layers.push(source);
        }
        let asset = asset(setting, Self::NAME, self.asset.as_deref(), "the direction of requests that are refused")?;
        let direction =
            numbers_of(Self::NAME, asset.tensor("direction", &[spec.layers as i64, spec.width as i64])?, source)?;
        let settings = serde_json::to_value(&self).unwrap_or_default();
        let defence = Arc::new(Steered { mode: self.mode, strength: self.strength, layers, direction });
        Ok(Opened { defence, settings, asset: Some(asset.hash) })
    }
}

/// The difference of the means after every block.
fn fitted(fitting: &Fitting<'_>) -> Result<Asset, DefenceError> {
    let settings: Fitted = fitting.settings()?;
    let shortened = |span: Span| match settings.last {
        0 => span,
        last => Span { of: span.of.end.saturating_sub(last)..span.of.end, ..span },
    };
    let mean = |role| {
        let spans = prompts(fitting, role)?.into_iter().map(shortened).collect();
        means(fitting.runtime, spans).map(|[mean, _]| mean)
    };
    let direction = mean("harmful")?.f_sub(&mean("harmless")?)?;
    Ok(fitting.asset(json!(settings), BTreeMap::from([("direction".into(), direction)])))
}

/// The defence with its asset.
struct Steered {
    mode: Mode,
    strength: f64,
    layers: Vec<usize>,
    direction: Vec<f32>,
}

impl Defence for Steered {
    fn name(&self) -> &'static str {
        ActivationSteering::NAME
    }

    fn acts_inside(&self) -> bool {
        true
    }

    fn intervention(
        &self,
        _: &Runtime,
        _: &Guarded<'_>,
        acts: &Acts,
    ) -> Result<Option<Box<dyn Intervention>>, RuntimeError> {
        if self.strength == 0.0 {
            return Ok(None);
        }
        let (mode, strength, layers) = (self.mode, self.strength, self.layers.clone());
        let direction = Direction::new(&self.direction)?;
        Ok(boxed(Steer { mode, strength, layers, direction, acts: Some(acts.clone()) }))
    }
}

/// One row.
struct Steer {
    mode: Mode,
    strength: f64,
    layers: Vec<usize>,
    direction: Direction,
    /// Gone once it was said that this acts.
    acts: Option<Acts>,
}

impl Intervention for Steer {
    fn name(&self) -> &str {
        ActivationSteering::NAME
    }

    fn wants_logits(&self) -> bool {
        false
    }

    fn wants_hidden(&self) -> bool {
        true
    }

    fn edit_hidden(&mut self, step: Step, at: &HiddenAt, hidden: Tensor) -> Result<Tensor, EngineError> {
        if !self.layers.contains(&at.layer) {
            return Ok(hidden);
        }
        if let Some(acts) = self.acts.take_if(|_| at.pass == Pass::Conditional) {
            let act = DefenceAct::new(ActivationSteering::NAME, "steered hidden states");
            acts.did(act.at(step.clock).for_value(self.strength));
        }
        match self.mode {
            Mode::Add => self.direction.added(&hidden, self.strength),
            Mode::Ablate => {
                let along = self.direction.along(&hidden)?.f_mul_scalar(self.strength)?;
                self.direction.moved_back(&hidden, &along)
            }
        }
    }
}
