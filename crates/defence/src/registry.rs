//! The table of all defences, and how one is made of what was typed.

use crate::{
    ActivationSteering, Asset, BestOfN, DefenceError, DiffuGuard, Fit, Guard, InContext, Perplexity, RefusalCommit,
    Sad, SelfReminder, Spec, SteeringRemask, Stop,
};
use mosa_engine::Options;
use mosa_judge::Judge;
use mosa_runtime::{Defence, Runtime};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// What a defence needs beside its settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// A fitted asset (`asset=FILE`).
    Asset,
    /// The hidden states of the model.
    Hidden,
    /// Logits that it may change, in f32.
    Logits,
    /// A judge: in this process, or behind an endpoint.
    Judge,
    /// A sampling temperature above 0.
    Temperature,
}

impl Need {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Asset => "asset",
            Self::Hidden => "hidden states",
            Self::Logits => "logits",
            Self::Judge => "judge",
            Self::Temperature => "temperature",
        }
    }
}

/// What a defence is made for.
pub struct Setting<'a> {
    /// The model, without defences.
    pub runtime: &'a Runtime,
    /// How it answers, if nothing else is asked for.
    pub options: &'a Options,
    /// Fingerprint of model and adapter, as assets hold it.
    pub model: &'a str,
    /// Makes the judge of this name, by the settings of a file if one is named.
    pub judge: &'a MakeJudge<'a>,
}

/// How a judge is made: name, file of settings; an error in words.
pub type MakeJudge<'a> = dyn Fn(&str, Option<&Path>) -> Result<Box<dyn Judge>, String> + 'a;

/// A defence that is ready, and what a manifest says of it.
pub struct Opened {
    /// The defence.
    pub defence: Arc<dyn Defence>,
    /// All its settings, those that were not given too.
    pub settings: Value,
    /// SHA-256 of its asset.
    pub asset: Option<String>,
}

/// A defence there is: what is known of it before it is made, and how it is made.
pub struct Entry {
    /// Its name, as commands and records have it.
    pub name: &'static str,
    /// What it does, in a line.
    pub about: &'static str,
    /// Where it comes from.
    pub source: &'static str,
    /// What it needs.
    pub needs: &'static [Need],
    /// Its settings with their defaults, which are the paper's where it has them.
    pub settings: fn() -> Value,
    /// Makes it.
    pub make: fn(&Setting<'_>, Value) -> Result<Opened, DefenceError>,
    /// How its asset is made, if it has one.
    pub fit: Option<Fit>,
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Every defence. Adding one is its file and its row here.
pub static DEFENCES: &[Entry] = &[
    SelfReminder::ENTRY,
    InContext::ENTRY,
    Perplexity::ENTRY,
    DiffuGuard::ENTRY,
    SteeringRemask::ENTRY,
    ActivationSteering::ENTRY,
    Sad::ENTRY,
    RefusalCommit::ENTRY,
    Stop::ENTRY,
    Guard::ENTRY,
    BestOfN::ENTRY,
];

/// The defence that was typed, ready.
///
/// # Errors
/// [`DefenceError`]: an unknown name or setting, an asset that is missing or of another model.
pub fn open(setting: &Setting<'_>, spec: &Spec) -> Result<Opened, DefenceError> {
    (entry(&spec.name)?.make)(setting, Value::Object(spec.settings.clone()))
}

/// The row of this name.
///
/// # Errors
/// [`DefenceError::Unknown`].
pub fn entry(name: &str) -> Result<&'static Entry, DefenceError> {
    DEFENCES.iter().find(|entry| entry.name == name).ok_or_else(|| {
        let known: Vec<&str> = DEFENCES.iter().map(|entry| entry.name).collect();
        DefenceError::Unknown { name: name.to_owned(), known: known.join(", ") }
    })
}

/// The defaults of settings.
pub(crate) fn defaults<T: Default + Serialize>() -> Value {
    serde_json::to_value(T::default()).unwrap_or_default()
}

/// Settings as they were typed, on top of the defaults; unknown ones are refused by name.
pub(crate) fn settings_of<T: DeserializeOwned>(name: &'static str, settings: Value) -> Result<T, DefenceError> {
    serde_json::from_value(settings).map_err(|e| DefenceError::Setting { name, what: e.to_string() })
}

/// A defence that is its settings.
pub(crate) fn opened<T: Defence + Serialize + 'static>(defence: T, asset: Option<String>) -> Opened {
    let settings = serde_json::to_value(&defence).unwrap_or_default();
    Opened { defence: Arc::new(defence), settings, asset }
}

/// The asset that a setting names.
///
/// # Errors
/// [`DefenceError`] if none is named, or it is not one of this defence and model.
pub fn asset(
    setting: &Setting<'_>,
    name: &'static str,
    path: Option<&Path>,
    what: &'static str,
) -> Result<Asset, DefenceError> {
    let path = path.ok_or(DefenceError::NoAsset { name, what })?;
    Asset::read(path, name, setting.model)
}
