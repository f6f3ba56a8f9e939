//! Stop: a monitor that ends an answer in the middle, and a refusal in its place.

use crate::monitor::{Hook, Limit, MONITORS, Ready, Watching, WatchingSettings, WordLists, monitor};
use crate::registry::{Entry, defaults, settings_of};
use crate::{Asset, DefenceError, Fit, FitFile, Fitting, Opened, Role, Setting, asset};
use mosa_core::stats::fit_threshold;
use mosa_engine::Intervention;
use mosa_runtime::{Acts, After, Ask, Defence, Guarded, Runtime, RuntimeError, Shown, Stack};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// What of it is set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Stop {
    /// Which monitor watches.
    pub monitor: String,
    /// The value from which on an answer is stopped: at least it where high values are suspicious, at most it where low ones
    /// are. Absent: that of the asset, else the monitor's published one.
    pub threshold: Option<f64>,
    /// The first step at which a monitor that runs may stop an answer; slopes over fewer steps are noise.
    pub from: u64,
    /// What is answered instead.
    pub says: String,
    /// Words of refusal.
    pub refusal: Vec<String>,
    /// Words of compliance.
    pub compliance: Vec<String>,
    /// A threshold fitted on files.
    pub asset: Option<PathBuf>,
}

impl Default for Stop {
    fn default() -> Self {
        let WordLists { refusal, compliance } = WordLists::default();
        Self {
            monitor: MONITORS[0].name.into(),
            threshold: None,
            from: 4,
            says: crate::refusal::REFUSAL.into(),
            refusal,
            compliance,
            asset: None,
        }
    }
}

impl Stop {
    /// Its name.
    pub const NAME: &'static str = "stop";

    /// Its row in the table of defences.
    pub(crate) const ENTRY: Entry = Entry {
        name: Self::NAME,
        about: "answers with a refusal once a monitor of the decode reaches its threshold",
        source: "A2D, early rejection (p-eos); with the other monitors ours",
        needs: &[],
        settings: defaults::<Self>,
        make: Self::make,
        fit: Some(Self::FIT),
    };

    /// The defence of these settings.
    pub(crate) fn make(setting: &Setting<'_>, settings: Value) -> Result<Opened, DefenceError> {
        let mut own: Self = settings_of(Self::NAME, settings)?;
        let mut hash = None;
        if let Some(path) = &own.asset {
            let fitted = asset(setting, Self::NAME, Some(path), FITTED)?;
            let made = &fitted.made.settings;
            own.fits(made["monitor"].as_str().unwrap_or_default())?;
            same_blocks(made, setting.options.block_length())
                .map_err(|what| DefenceError::Asset { path: path.clone(), what })?;
            let wrong = || DefenceError::Asset { path: path.clone(), what: "says no threshold".into() };
            let threshold = made["threshold"].as_f64().ok_or_else(wrong)?;
            own.threshold = own.threshold.or(Some(threshold));
            hash = Some(fitted.hash);
        }
        let entry = monitor(&own.monitor)?;
        own.threshold = own.threshold.or(entry.threshold);
        let threshold = own.threshold.ok_or(DefenceError::NoAsset { name: Self::NAME, what: FITTED })?;
        if threshold.is_nan() {
            return Err(DefenceError::Setting { name: Self::NAME, what: "`threshold` is not a number".into() });
        }
        let ready = Ready::new(setting.runtime.text(), &own.watching())?;
        let settings = serde_json::to_value(&own).unwrap_or_default();
        let score = entry.suspicious.score(threshold);
        Ok(Opened { defence: Arc::new(Stopping { own, ready, score }), settings, asset: hash })
    }

    /// The monitor it watches with, as those that only watch.
    pub fn watching(&self) -> WatchingSettings {
        let words = WordLists { refusal: self.refusal.clone(), compliance: self.compliance.clone() };
        WatchingSettings { monitors: vec![self.monitor.clone()], words }
    }

    /// Refuses the threshold of another monitor.
    fn fits(&self, of: &str) -> Result<(), DefenceError> {
        if of == self.monitor {
            return Ok(());
        }
        let what =
            format!("the asset holds a threshold of the monitor {of}, not of {}; say monitor={of}", self.monitor);
        Err(DefenceError::Setting { name: Self::NAME, what })
    }
}

/// The key of an asset under which stands how long blocks were when its threshold was read.
const BLOCK_LENGTH: &str = "block_length";

/// Refuses a threshold that was read off answers in other blocks: what monitors look at (the positions that can be committed)
/// is another thing there. Assets of before say nothing of blocks, and are taken.
fn same_blocks(made: &Value, here: Option<usize>) -> Result<(), String> {
    let Some(there) = made.get(BLOCK_LENGTH) else { return Ok(()) };
    let there = there.as_u64().map(|n| n as usize);
    let blocks = |length: Option<usize>| length.map_or("without blocks".into(), |n| format!("in blocks of {n}"));
    let fits = |length: Option<usize>| length.map_or(String::new(), |n| format!(" with --block-length {n}"));
    match there == here {
        true => Ok(()),
        false => Err(format!(
            "holds a threshold of answers {}, and here they come {}: decode{}, or fit it anew{}",
            blocks(there),
            blocks(here),
            fits(there),
            fits(here)
        )),
    }
}

const FITTED: &str = "a threshold of its monitor, fitted on harmful and benign prompts (or say threshold=VALUE)";

/// How a threshold is fitted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct FitSettings {
    /// Which monitor.
    monitor: String,
    /// The largest share of benign prompts that may be stopped.
    rate: f64,
    /// As [`Stop::from`].
    from: u64,
    refusal: Vec<String>,
    compliance: Vec<String>,
}

impl Default for FitSettings {
    fn default() -> Self {
        let Stop { monitor, from, refusal, compliance, .. } = Stop::default();
        Self { monitor, rate: 0.05, from, refusal, compliance }
    }
}

impl Stop {
    /// How its threshold is made: benign and harmful prompts are decoded under the monitor, as they are.
    pub(crate) const FIT: Fit = Fit {
        roles: &[
            Role { name: "benign", about: "prompts that are to be answered", required: true },
            Role { name: "harmful", about: "prompts that are to be stopped", required: true },
        ],
        settings: defaults::<FitSettings>,
        make: fitted,
    };
}

fn fitted(fitting: &Fitting<'_>) -> Result<Asset, DefenceError> {
    let settings: FitSettings = fitting.settings()?;
    if !(0.0..1.0).contains(&settings.rate) {
        let what = format!("`rate` is {}, not a share from 0 to below 1", settings.rate);
        return Err(DefenceError::Setting { name: Stop::NAME, what });
    }
    let entry = monitor(&settings.monitor)?;
    let words = WordLists { refusal: settings.refusal.clone(), compliance: settings.compliance.clone() };
    let watching = WatchingSettings { monitors: vec![settings.monitor.clone()], words };
    let ready = Ready::new(fitting.runtime.text(), &watching)?;
    let scores = |role: &str| scores(fitting, &ready, fitting.file(role)?, settings.from);
    let (benign, harmful) = (scores("benign")?, scores("harmful")?);
    let Some(found) = fit_threshold(&benign, &harmful, settings.rate) else {
        let what = format!("the monitor {} says nothing of the benign prompts", entry.name);
        return Err(DefenceError::Fit { name: Stop::NAME, what });
    };
    let threshold = entry.suspicious.score(found.score);
    let share = |(stopped, of): (usize, usize)| json!({"stopped": stopped, "of": of});
    let said = json!({
        "monitor": entry.name, "rate": settings.rate, "from": settings.from, "refusal": settings.refusal,
        "compliance": settings.compliance, "threshold": threshold, "suspicious": entry.suspicious.word(),
        "over_refusal": share(found.benign), "harmful": share(found.harmful),
        (BLOCK_LENGTH): fitting.options.block_length(),
    });
    Ok(fitting.asset(said, BTreeMap::new()))
}

/// The highest score of every row, decoded under the monitor.
fn scores(fitting: &Fitting<'_>, ready: &Ready, file: &FitFile, from: u64) -> Result<Vec<Option<f64>>, DefenceError> {
    let watching = Arc::new(Watching::new(ready.clone()));
    let watched = fitting.runtime.defended(Stack::new(vec![Arc::clone(&watching) as Arc<dyn Defence>])?);
    let asks: Vec<Ask> = file.rows.iter().map(|row| Ask::new(&row.id, row.prompt.clone())).collect();
    let mut all = Vec::new();
    for (answer, ask) in watched.answer(fitting.options, &asks)?.into_iter().zip(&asks) {
        answer?;
        all.push(watching.take(&ask.id).first().and_then(|reading| reading.peak(from)));
    }
    Ok(all)
}

/// The defence, ready.
struct Stopping {
    own: Stop,
    ready: Ready,
    score: f64,
}

impl Defence for Stopping {
    fn name(&self) -> &'static str {
        Stop::NAME
    }

    fn acts_inside(&self) -> bool {
        true
    }

    fn intervention(
        &self,
        model: &Runtime,
        row: &Guarded<'_>,
        acts: &Acts,
    ) -> Result<Option<Box<dyn Intervention>>, RuntimeError> {
        let limit = Limit { score: self.score, from: self.own.from, acts: acts.clone(), defence: Stop::NAME };
        let watch = self.ready.watch(Hook { model, row, acts }, Some(limit), Arc::default())?;
        Ok(Some(Box::new(watch)))
    }

    /// A request of which a draw was stopped is refused, also where the row was over by itself at the same step.
    fn after(&self, _: &Runtime, _: &Ask, _: &[Shown], acts: &Acts) -> Result<After, RuntimeError> {
        Ok(if acts.acted(Stop::NAME) { After::Answer(self.own.says.clone()) } else { After::Keep(0) })
    }
}
