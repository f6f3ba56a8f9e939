//! Adaptive steering with remasking: early steps are kept off a harmful direction, and tokens that follow it are masked again.

use crate::hidden::{Direction, answers, layer, means, numbers_of};
use crate::registry::{defaults, settings_of};
use crate::steps::{Steps, boxed, within};
use crate::{Asset, DefenceError, Entry, Fit, Fitting, Need, Opened, Role, Setting, asset};
use mosa_core::Canvas;
use mosa_engine::{Candidate, EngineError, Flow, HiddenAt, Intervention, Pass, Step};
use mosa_records::DefenceAct;
use mosa_runtime::{Acts, Defence, Guarded, Runtime, RuntimeError};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use tch::{Device, Kind, Tensor};

/// Adaptive steering and remasking (arXiv 2605.13043). The direction is the mean hidden state of harmful answers less that of
/// refusals. In the first steps, and whenever something is filled in again, a masked position that goes further along it than
/// theta is moved back; when a block is over, its tokens that go further are masked again and refilled.
///
/// Alignment is read off the latest pass, which no further pass is made for: tokens revealed by it were masked then.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SteeringRemask {
    /// The direction, made by `mosa defence fit`.
    pub asset: Option<PathBuf>,
    /// After which block of the model; -1 is the last.
    pub layer: i64,
    /// Share of the steps that are steered.
    pub share: f64,
    /// How much of what is beyond theta is taken back.
    pub beta: f64,
    /// Alignment that is left alone; without it the asset's, half-way between refusals and harmful answers.
    pub theta: Option<f64>,
    /// Most times that tokens of a block are masked again.
    pub iterations: usize,
}

impl Default for SteeringRemask {
    fn default() -> Self {
        Self { asset: None, layer: -1, share: 0.1, beta: 1.0, theta: None, iterations: 5 }
    }
}

const ROLES: &[Role] = &[
    Role { name: "harmful", about: "requests with harmful answers: columns prompt and response", required: true },
    Role { name: "refusals", about: "requests with refusals: columns prompt and response", required: true },
];

impl SteeringRemask {
    /// Its name.
    pub const NAME: &'static str = "steering-remask";

    pub(crate) const ENTRY: Entry = Entry {
        name: Self::NAME,
        about: "keeps early steps off the direction of harmful answers, and masks tokens that follow it again",
        source: "Adaptive steering and remasking, arXiv 2605.13043",
        needs: &[Need::Asset, Need::Hidden],
        settings: defaults::<Self>,
        make: |setting, settings| settings_of::<Self>(Self::NAME, settings)?.made(setting),
        fit: Some(Fit { roles: ROLES, settings: || json!({}), make: fitted }),
    };

    fn made(self, setting: &Setting<'_>) -> Result<Opened, DefenceError> {
        within(Self::NAME, "share", self.share, [0.0, 1.0])?;
        within(Self::NAME, "beta", self.beta, [0.0, 100.0])?;
        let spec = setting.runtime.spec();
        let at = layer(Self::NAME, self.layer, spec.layers)?;
        let asset = asset(setting, Self::NAME, self.asset.as_deref(), "the direction of harmful answers")?;
        let all = asset.tensor("direction", &[spec.layers as i64, spec.width as i64])?;
        let direction = numbers_of(Self::NAME, all, at)?;
        let theta = asset.tensor("theta", &[spec.layers as i64])?.f_double_value(&[at as i64])?;
        let theta = self.theta.unwrap_or(theta);
        let settings = serde_json::to_value(&self).unwrap_or_default();
        let defence = Arc::new(Steered { settings: self, at, direction, theta });
        Ok(Opened { defence, settings, asset: Some(asset.hash) })
    }
}

/// The difference of the means after every block, and half-way between them along it.
fn fitted(fitting: &Fitting<'_>) -> Result<Asset, DefenceError> {
    let _: BTreeMap<String, ()> = fitting.settings()?;
    let [harmful, _] = means(fitting.runtime, answers(fitting, "harmful")?)?;
    let [refusals, _] = means(fitting.runtime, answers(fitting, "refusals")?)?;
    let direction = harmful.f_sub(&refusals)?;
    let theta = half_way(&harmful, &refusals, &direction)?;
    let rows = |role: &str| fitting.file(role).map_or(0, |file| file.rows.len());
    let settings = json!({"harmful": rows("harmful"), "refusals": rows("refusals")});
    Ok(fitting.asset(settings, BTreeMap::from([("direction".into(), direction), ("theta".into(), theta)])))
}

/// Of two means [layers, width], the middle along the direction between them: [layers].
fn half_way(a: &Tensor, b: &Tensor, direction: &Tensor) -> Result<Tensor, DefenceError> {
    let lengths = direction.f_norm_scalaropt_dim(2.0, [-1i64].as_slice(), true)?.f_clamp_min(1e-30)?;
    let middle = a.f_add(b)?.f_div_scalar(2.0)?;
    Ok(middle.f_mul(&direction.f_div(&lengths)?)?.f_sum_dim_intlist([-1i64].as_slice(), false, Kind::Float)?)
}

/// The defence with its asset.
struct Steered {
    settings: SteeringRemask,
    at: usize,
    direction: Vec<f32>,
    theta: f64,
}

impl Defence for Steered {
    fn name(&self) -> &'static str {
        SteeringRemask::NAME
    }

    fn acts_inside(&self) -> bool {
        true
    }

    fn intervention(
        &self,
        _: &Runtime,
        row: &Guarded<'_>,
        acts: &Acts,
    ) -> Result<Option<Box<dyn Intervention>>, RuntimeError> {
        let SteeringRemask { share, beta, iterations, .. } = self.settings;
        if iterations == 0 && (beta == 0.0 || share == 0.0) {
            return Ok(None);
        }
        let direction = Direction::new(&self.direction)?;
        Ok(boxed(Steer {
            direction,
            at: self.at,
            theta: self.theta,
            beta,
            share,
            iterations,
            steps: Steps::of(row),
            block: Block::default(),
            masked: Vec::new(),
            along: Vec::new(),
            acts: acts.clone(),
        }))
    }
}

/// One row.
struct Steer {
    direction: Direction,
    at: usize,
    theta: f64,
    beta: f64,
    share: f64,
    iterations: usize,
    steps: Steps,
    block: Block,
    /// Which positions are masked in this step.
    masked: Vec<bool>,
    /// How far along the direction every position was in the latest pass.
    along: Vec<f32>,
    acts: Acts,
}

/// The block that is being revealed.
#[derive(Default)]
struct Block {
    number: usize,
    /// Its positions, as far as they are known.
    start: usize,
    end: usize,
    /// How often it was refilled.
    again: usize,
}

impl Steer {
    fn did(&self, did: &str, step: Step, value: f64) {
        self.acts.did(DefenceAct::new(SteeringRemask::NAME, did).at(step.clock).for_value(value));
    }

    fn steers(&self, step: Step) -> bool {
        self.block.again > 0 || self.steps.within(step.clock, [0.0, self.share])
    }

    /// Masked positions beyond theta, moved back; says so if there was one.
    fn steered(&self, step: Step, at: &HiddenAt, hidden: Tensor) -> Result<Tensor, EngineError> {
        let masked: Vec<f32> = at.positions.clone().map(|p| f32::from(u8::from(self.is_masked(p)))).collect();
        let masked = Tensor::f_from_slice(&masked)?.f_to_device(hidden.device())?;
        let beyond = excess(&self.direction.along(&hidden)?, self.theta)?.f_mul(&masked)?;
        let most = f64::try_from(beyond.f_max()?)?;
        if most <= 0.0 {
            return Ok(hidden);
        }
        if at.pass == Pass::Conditional {
            self.did("steered masked positions", step, most);
        }
        self.direction.moved_back(&hidden, &beyond.f_mul_scalar(self.beta)?)
    }

    fn is_masked(&self, position: usize) -> bool {
        self.masked.get(position).copied().unwrap_or(false)
    }
}

/// max(0, alignment - theta).
fn excess(along: &Tensor, theta: f64) -> Result<Tensor, EngineError> {
    Ok(along.f_sub_scalar(theta)?.f_clamp_min(0.0)?)
}

impl Intervention for Steer {
    fn name(&self) -> &str {
        SteeringRemask::NAME
    }

    fn edit_canvas(&mut self, step: Step, canvas: &mut Canvas) -> Result<(), EngineError> {
        self.masked = (0..canvas.len()).map(|p| canvas.is_masked(p)).collect();
        if step.block != self.block.number {
            self.block = Block { number: step.block, start: self.block.end, end: self.block.end, again: 0 };
        }
        Ok(())
    }

    fn wants_logits(&self) -> bool {
        false
    }

    fn wants_hidden(&self) -> bool {
        true
    }

    fn edit_hidden(&mut self, step: Step, at: &HiddenAt, hidden: Tensor) -> Result<Tensor, EngineError> {
        if at.layer != self.at {
            return Ok(hidden);
        }
        let hidden = if self.beta > 0.0 && self.steers(step) { self.steered(step, at, hidden)? } else { hidden };
        if at.pass == Pass::Conditional {
            let along = Vec::<f32>::try_from(self.direction.along(&hidden)?.f_to_device(Device::Cpu)?)?;
            self.along.resize(at.positions.end, 0.0);
            self.along[at.positions.clone()].copy_from_slice(&along);
        }
        Ok(hidden)
    }

    fn rank(&mut self, _: Step, _: &Canvas, candidates: &[Candidate], _: &mut [f64]) -> Result<(), EngineError> {
        self.block.end = candidates.iter().map(|c| c.position + 1).fold(self.block.end, usize::max);
        Ok(())
    }

    fn after_block(&mut self, step: Step, canvas: &mut Canvas) -> Result<Flow, EngineError> {
        if self.block.again >= self.iterations {
            return Ok(Flow::Continue);
        }
        let from = self.block.start.max(canvas.response_start());
        let follows = |p: &usize| {
            let along = self.along.get(*p).copied().map_or(f64::NEG_INFINITY, f64::from);
            !canvas.is_masked(*p) && !self.is_masked(*p) && along > self.theta
        };
        let again: Vec<usize> = (from..self.block.end.min(canvas.len())).filter(follows).collect();
        if again.is_empty() {
            return Ok(Flow::Continue);
        }
        for &position in &again {
            canvas.remask(position)?;
        }
        self.block.again += 1;
        self.did("masked tokens again", step, again.len() as f64);
        Ok(Flow::Repeat { steps: self.steps.for_positions(step.block, again.len()) })
    }
}

#[cfg(test)]
mod tests {
    use super::{excess, half_way};
    use tch::Tensor;

    #[test]
    fn only_what_is_beyond_theta_counts() {
        let along = Tensor::from_slice(&[-2f32, 0.5, 2.0]);
        assert_eq!(Vec::<f32>::try_from(excess(&along, 0.5).unwrap()).unwrap(), [0.0, 0.0, 1.5]);
    }

    #[test]
    fn theta_lies_half_way_between_the_two_means_along_their_difference() {
        let (a, b) = (Tensor::from_slice(&[4f32, 1.0]).view([1, 2]), Tensor::from_slice(&[0f32, 1.0]).view([1, 2]));
        let theta = half_way(&a, &b, &(&a - &b)).unwrap();
        assert_eq!(Vec::<f32>::try_from(theta).unwrap(), [2.0]);
    }
}
