//! How an asset is made: of a model, files that the user names by role, and settings.

use crate::registry::settings_of;
use crate::{Asset, DefenceError, Entry, Made};
use mosa_engine::Options;
use mosa_runtime::Runtime;
use mosa_text::PromptRecord;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use tch::Tensor;

/// A file a defence is fitted on: what it is called on the command line, and what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Role {
    /// Its name.
    pub name: &'static str,
    /// What the rows of the file have to be.
    pub about: &'static str,
    /// Whether the asset cannot be made without it.
    pub required: bool,
}

/// How a defence's asset is made.
pub struct Fit {
    /// The files.
    pub roles: &'static [Role],
    /// Settings with their defaults.
    pub settings: fn() -> Value,
    /// Makes it.
    pub make: fn(&Fitting<'_>) -> Result<Asset, DefenceError>,
}

/// A file that was read.
#[derive(Clone, Debug)]
pub struct FitFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its rows: prompts, and behind them what was answered if the file says so.
    pub rows: Vec<PromptRecord>,
    /// SHA-256 of its bytes.
    pub sha256: String,
}

/// What an asset is made of.
pub struct Fitting<'a> {
    /// The defence.
    pub name: &'static str,
    /// The model, without defences.
    pub runtime: &'a Runtime,
    /// How it decodes, if the fit asks for answers.
    pub options: &'a Options,
    /// Fingerprint of model and adapter.
    pub model: &'a str,
    /// The files by role; all required ones are there, and no other than the defence knows.
    pub files: BTreeMap<String, FitFile>,
    /// Settings as they were typed.
    pub settings: Value,
}

/// Makes the asset of a defence.
///
/// # Errors
/// [`DefenceError`]: the defence is unknown or has no asset, a file is missing or not one of its roles, or whatever the fit
/// could not do.
pub fn fit(entry: &'static Entry, fitting: &Fitting<'_>) -> Result<Asset, DefenceError> {
    let name = entry.name;
    let wrong = |what: String| DefenceError::Fit { name, what };
    let Some(fit) = &entry.fit else { return Err(wrong("needs no asset, so there is nothing to fit".into())) };
    let roles: Vec<&str> = fit.roles.iter().map(|role| role.name).collect();
    if let Some(other) = fitting.files.keys().find(|role| !roles.contains(&role.as_str())) {
        return Err(wrong(format!("knows no data {other:?}; there are {}", roles.join(", "))));
    }
    let missing = |role: &&Role| role.required && !fitting.files.contains_key(role.name);
    if let Some(role) = fit.roles.iter().find(missing) {
        return Err(wrong(format!("needs --data {}=FILE: {}", role.name, role.about)));
    }
    (fit.make)(fitting)
}

impl Fitting<'_> {
    /// The rows of a required file.
    ///
    /// # Errors
    /// [`DefenceError::Fit`] if it is not there.
    pub fn file(&self, role: &str) -> Result<&FitFile, DefenceError> {
        let missing = || DefenceError::Fit { name: self.name, what: format!("needs --data {role}=FILE") };
        self.files.get(role).ok_or_else(missing)
    }

    /// The settings as the fit has them.
    ///
    /// # Errors
    /// [`DefenceError::Setting`] if one is unknown or cannot be what it is.
    pub fn settings<T: DeserializeOwned>(&self) -> Result<T, DefenceError> {
        settings_of(self.name, self.settings.clone())
    }

    /// An asset of these tensors, f32; `settings` is what is said of how they were made.
    pub fn asset(&self, settings: Value, tensors: BTreeMap<String, Tensor>) -> Asset {
        let files = self.files.iter().map(|(role, file)| (role.clone(), file.sha256.clone())).collect();
        let made = Made { defence: self.name.to_owned(), model: self.model.to_owned(), files, settings };
        Asset::new(made, tensors)
    }
}
