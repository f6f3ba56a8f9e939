//! Best of n: several answers are drawn, and the first harmless one is kept.

use crate::DefenceError;
use crate::guard::{Found, Look};
use crate::refusal::REFUSAL;
use crate::registry::{Entry, Need, Opened, Setting, defaults, settings_of};
use mosa_records::DefenceAct;
use mosa_runtime::{Acts, After, Ask, Before, Defence, Runtime, RuntimeError, Shown};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;

/// How many are drawn, how, and what decides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BestOfNSettings {
    /// Answers drawn.
    pub n: usize,
    /// Their sampling temperature, where a request is to be answered at 0: n times the same answer is no choice.
    pub temperature: f64,
    /// A judge by its name: what it finds to carry out the request is not kept.
    pub judge: Option<String>,
    /// Settings of the judge, as for `--judge-config`.
    pub config: Option<PathBuf>,
    /// A file with a word or phrase per line: an answer that holds one is not kept.
    pub words: Option<PathBuf>,
    /// What is said where no answer can be kept.
    pub says: String,
}

impl Default for BestOfNSettings {
    fn default() -> Self {
        Self { n: 4, temperature: 0.7, judge: None, config: None, words: None, says: REFUSAL.into() }
    }
}

/// Draws several answers and keeps the first that its look finds harmless.
pub struct BestOfN {
    look: Look,
    settings: BestOfNSettings,
    /// Whether answers are drawn anyway, if a request says nothing of its own.
    drawn: bool,
}

impl BestOfN {
    /// Its name.
    pub const NAME: &'static str = "best-of-n";

    /// Its row in the table of defences.
    pub(crate) const ENTRY: Entry = Entry {
        name: Self::NAME,
        about: "draws several answers and keeps the first that a judge or a list of words finds harmless",
        source: "best of n, as among the baselines of SAD, arXiv 2605.08116",
        needs: &[Need::Judge, Need::Temperature],
        settings: defaults::<BestOfNSettings>,
        make: Self::open,
        fit: None,
    };

    pub(crate) fn open(setting: &Setting<'_>, settings: Value) -> Result<Opened, DefenceError> {
        let said: BestOfNSettings = settings_of(Self::NAME, settings)?;
        let wrong = |what: &str| Err(DefenceError::Setting { name: Self::NAME, what: what.into() });
        if !(2..=1000).contains(&said.n) {
            return wrong("`n` is from 2 to 1000");
        }
        if !(said.temperature.is_finite() && said.temperature > 0.0) {
            return wrong("`temperature` has to be a number above 0");
        }
        let files = [said.config.as_deref(), said.words.as_deref()];
        let look = Look::open(setting, Self::NAME, said.judge.as_deref(), files)?;
        let asset = look.hash.clone();
        let drawn = setting.options.temperature > 0.0;
        let defence = Arc::new(Self { look, settings: said.clone(), drawn });
        Ok(Opened { settings: json!(said), defence, asset })
    }
}

impl Defence for BestOfN {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn draws(&self) -> usize {
        self.settings.n
    }

    fn before(&self, _: &Runtime, ask: &mut Ask, _: &Acts) -> Result<Before, RuntimeError> {
        if ask.temperature.map_or(!self.drawn, |t| t == 0.0) {
            ask.temperature = Some(self.settings.temperature);
        }
        Ok(Before::Go)
    }

    fn after(&self, _: &Runtime, ask: &Ask, draws: &[Shown], acts: &Acts) -> Result<After, RuntimeError> {
        let harmless = draws.iter().position(|shown| matches!(self.look.at(ask, shown), Found::Harmless));
        match harmless {
            Some(0) => {}
            Some(at) => acts.did(DefenceAct::new(Self::NAME, "kept a later draw").for_value(at as f64)),
            None => {
                acts.did(DefenceAct::new(Self::NAME, "refused: no draw could be kept"));
                return Ok(After::Answer(self.settings.says.clone()));
            }
        }
        Ok(After::Keep(harmless.unwrap_or(0)))
    }
}
