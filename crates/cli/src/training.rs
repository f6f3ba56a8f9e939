//! Running a trainer to its end in a run folder: resume, progress, metrics, checkpoints, Ctrl-C.

use crate::args::Compute;
use crate::{folder, interrupt, output};
use anyhow::{Result, ensure};
use mosa_align::{AlignError, RunFolder, Saved, StepMetrics, Trainer};
use mosa_model::{Memory, ModelError};
use mosa_parallel::{ParallelError, Team};
use std::path::Path;
use tch::{Device, Kind};

/// What the loop needs besides the trainer.
pub(crate) struct Session<'a> {
    /// None on ranks that write nothing.
    pub folder: Option<&'a RunFolder>,
    /// Where to go on, if the run was started before.
    pub from: Option<&'a Saved>,
    pub device: Device,
    pub save_every: usize,
    pub keep_last: usize,
    pub compute: &'a Compute,
    /// Print every step as JSON.
    pub json: bool,
    /// Writes the trained tensors into a folder.
    pub save: &'a dyn Fn(&Path) -> Result<(), ModelError>,
}

/// Refuses to train in a type whose range is too small for gradients.
pub(crate) fn ensure_trainable(kind: Kind) -> Result<()> {
    ensure!(
        kind != Kind::Half,
        "gradients do not fit into f16, the type of these weights: add --dtype bf16 or --dtype f32"
    );
    Ok(())
}

impl Session<'_> {
    /// Runs all steps, or as many as happen before an interrupt; returns whether all were done.
    pub(crate) fn run(&self, trainer: &mut Trainer<'_>) -> Result<bool> {
        let total = trainer.total_steps();
        if let Some(saved) = self.from {
            trainer.resume(saved.step, &saved.moments(self.device)?)?;
            if !self.compute.quiet {
                output::say(&format!("resuming after step {} of {total}", saved.step));
            }
        }
        trainer.follow_first()?;
        let team = trainer.team();
        let alone = team.exchange.size() == 1;
        // A step and the checkpoint behind it are worth waiting for.
        let _finishing = interrupt::finishing();
        let warn = |what: String| folder::warn(Some(&what));
        let (mut log, mut done) = match self.folder {
            Some(folder) => {
                let (log, done) = folder.metrics(trainer.step_number(), self.from, warn)?;
                (Some(log), done)
            }
            None => (None, Vec::new()),
        };
        let bar = output::bar(self.compute.quiet, total)?.with_position(done.len() as u64);
        bar.reset_eta();
        while trainer.step_number() < total && !self.any(team, interrupt::asked())? {
            let mut m = match trainer.step() {
                // Whoever gives rewards was stopped as well; the step is made again.
                Err(AlignError::Reward(_)) if alone && interrupt::asked() => break,
                made => made.map_err(|error| self.broken_off(error))?,
            };
            let megabytes = |bytes: u64| bytes as f64 / 1e6;
            m.peak_mb = Memory::now().peak_resident.map(megabytes);
            m.device_mb = Memory::of_device(self.device).map(megabytes);
            log.as_mut().map_or(Ok(()), |log| log.push(&m))?;
            if self.json {
                output::json(&m)?;
            }
            bar.set_message(describe(&m));
            bar.inc(1);
            done.push(m);
            if self.save_every > 0 && trainer.step_number().is_multiple_of(self.save_every) {
                self.keep(trainer)?;
            }
        }
        bar.finish_and_clear();
        if trainer.step_number() > 0 {
            self.keep(trainer)?;
        }
        if !self.compute.quiet && !done.is_empty() {
            output::say(&summary(&done));
        }
        Ok(trainer.step_number() >= total)
    }
}

impl Session<'_> {
    /// Whether any rank wants it.
    fn any(&self, team: Team<'_>, own: bool) -> Result<bool> {
        team.any(own).map_err(|error| self.broken_off(error.into()))
    }

    /// Writes a checkpoint, if all ranks have the same to write.
    fn keep(&self, trainer: &Trainer<'_>) -> Result<()> {
        trainer.compare_ranks().map_err(|error| self.broken_off(error))?;
        Ok(self.folder.map_or(Ok(()), |folder| folder.save(trainer, self.keep_last, self.save))?)
    }

    /// The error of a step, and where the run is still good.
    fn broken_off(&self, error: AlignError) -> anyhow::Error {
        let lost = matches!(&error, AlignError::Ranks(error) if error.is_broken_off());
        if !(error.is_broken_number() || lost) {
            return error.into();
        }
        let last = match self.folder.map(|folder| folder.latest(|_| ())) {
            Some(Ok(Some(saved))) => {
                format!("its last good checkpoint is {}, after step {}", saved.dir.display(), saved.step)
            }
            Some(_) => "it has no checkpoint yet".to_owned(),
            // All ranks come to the same numbers, and rank 0 says so.
            None if !lost => return ParallelError::Elsewhere { text: error.to_string(), code: 1 }.into(),
            None => return error.into(),
        };
        if lost {
            let what = format!("the run broke off; {last}; the same command goes on from there");
            return anyhow::Error::from(error).context(what);
        }
        anyhow::Error::from(error).context(format!("the run diverged; {last}; another `lr` needs another --out"))
    }
}

/// A step for the progress line.
fn describe(m: &StepMetrics) -> String {
    let rest = format!("|g| {:.2}  {:.0} tok/s", m.grad_norm, m.tokens_per_s);
    if let Some(r) = &m.rollouts {
        return format!("reward {:.2} from step {}  KL {:.2}  {rest}", r.reward, r.t_inter, m.kl);
    }
    if let Some(p) = &m.preference {
        return format!("loss {:.3}  margin {:+.2}  {rest}", m.loss, p.margin);
    }
    match &m.reward {
        Some(r) => {
            let gain = r.reference.map_or(String::new(), |base| format!(" ({:+.1} over the base)", r.value - base));
            let retain = m.kl_retain.map_or(String::new(), |kl| format!("  retain KL {kl:.2}"));
            format!("R {:+.1}{gain}  KL {:.2}{retain}  {rest}", r.value, m.kl)
        }
        None => format!("loss {:.3}  {rest}", m.loss),
    }
}

/// What the run achieved: the mean over its last tenth.
fn summary(steps: &[StepMetrics]) -> String {
    let tail = &steps[steps.len() - steps.len().div_ceil(10)..];
    let mean = |f: &dyn Fn(&StepMetrics) -> f64| tail.iter().map(f).sum::<f64>() / tail.len() as f64;
    let what = if tail.iter().all(|m| m.reward.is_some()) {
        let r = |f: fn(&mosa_align::RewardMetrics) -> f64| mean(&|m| m.reward.as_ref().map_or(0.0, f));
        let gain = r(|r| r.value - r.reference.unwrap_or(r.value));
        format!("R {:+.1}, {gain:+.1} over the base; KL {:.2}", r(|r| r.value), mean(&|m| m.kl))
    } else if tail.iter().all(|m| m.rollouts.is_some()) {
        let reward = mean(&|m| m.rollouts.as_ref().map_or(0.0, |r| r.reward));
        format!("reward {reward:.2}, KL {:.2}", mean(&|m| m.kl))
    } else if tail.iter().all(|m| m.preference.is_some()) {
        let margin = mean(&|m| m.preference.as_ref().map_or(0.0, |p| p.margin));
        format!("loss {:.3}, margin {margin:+.2}", mean(&|m| m.loss))
    } else {
        format!("loss {:.3}", mean(&|m| m.loss))
    };
    format!("last {} of {} steps: {what}; {:.2} s per step", tail.len(), steps.len(), mean(&|m| m.seconds))
}
