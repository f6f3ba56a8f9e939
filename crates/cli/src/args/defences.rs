//! `--defence`, and `mosa defence`.

use super::{Compute, ModelArgs, SamplingArgs, SelectArgs};
use crate::typed::{Line, plain};
use clap::{Args as ClapArgs, Subcommand};
use mosa_defence::Spec;
use serde::{Serialize, Serializer};
use std::path::PathBuf;

/// What stands between the model and whoever asks it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ClapArgs)]
#[command(next_help_heading = "Defences")]
pub(crate) struct DefenceArgs {
    /// A defence and its settings; given several times, the first is next to whoever asks. `mosa defence list` says which there
    /// are and what can be set.
    #[arg(long, alias = "defense", value_name = "NAME[:KEY=VALUE,...]", value_parser = checked)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub defence: Vec<String>,
}

/// The text itself, once it can be read.
fn checked(typed: &str) -> Result<String, String> {
    typed.parse::<Spec>().map(|_| typed.to_owned()).map_err(|e| e.to_string())
}

#[derive(Debug, Subcommand)]
pub(crate) enum DefenceCommand {
    /// What every defence needs, what can be set, and which files it is fitted on.
    List(DefenceListArgs),
    /// Make what a defence needs (a direction, a reference set, a threshold) from a model and files.
    Fit(Box<DefenceFitArgs>),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct DefenceListArgs {
    /// One JSON object per defence on stdout.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Serialize, ClapArgs)]
#[command(mut_arg("seed", |a| a.help("Seed of samples of files and of every random draw")))]
pub(crate) struct DefenceFitArgs {
    /// The defence; `mosa defence list` says what each is fitted on.
    #[arg(value_name = "NAME")]
    #[serde(skip)]
    pub name: String,
    #[command(flatten)]
    #[serde(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    #[serde(skip)]
    pub compute: Compute,
    /// A file by its role, for example harmful=answers.jsonl; may be given several times.
    #[arg(long, value_name = "ROLE=FILE", value_parser = role)]
    #[serde(serialize_with = "typed_files")]
    pub data: Vec<(String, PathBuf)>,
    #[command(flatten)]
    #[serde(flatten)]
    pub select: SelectArgs,
    /// A setting of the fit; may be given several times.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = setting)]
    #[serde(serialize_with = "typed_settings")]
    pub set: Vec<(String, serde_json::Value)>,
    /// The asset.
    #[arg(long, value_name = "FILE.safetensors")]
    pub out: PathBuf,
    #[command(flatten)]
    #[serde(flatten)]
    pub sampling: SamplingArgs,
}

impl DefenceFitArgs {
    /// A fit as it is if nothing else is said.
    pub(crate) fn new(name: impl Into<String>, model: ModelArgs, out: PathBuf) -> Self {
        Self {
            name: name.into(),
            model,
            compute: Compute::default(),
            data: Vec::new(),
            select: SelectArgs::default(),
            set: Vec::new(),
            out,
            sampling: SamplingArgs::default(),
        }
    }

    /// The request as a command line; where it is computed is not said.
    pub(crate) fn line(&self) -> serde_json::Result<Line> {
        let usual = Self::new("", ModelArgs::default(), PathBuf::new());
        Line::of(&["defence", "fit", &self.name], self, &usual)
    }
}

/// Files with their roles, as they are typed.
fn typed_files<S: Serializer>(files: &[(String, PathBuf)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(files.iter().map(|(role, file)| format!("{role}={}", file.display())))
}

/// Settings, as they are typed.
fn typed_settings<S: Serializer>(settings: &[(String, serde_json::Value)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(settings.iter().map(|(key, value)| format!("{key}={}", plain(value))))
}

/// A role and its file.
fn role(typed: &str) -> Result<(String, PathBuf), String> {
    match typed.split_once('=') {
        Some((role, file)) if !role.trim().is_empty() && !file.is_empty() => Ok((role.trim().to_owned(), file.into())),
        _ => Err(format!("{typed:?} is not ROLE=FILE")),
    }
}

/// A setting, read as those of `--defence`.
fn setting(typed: &str) -> Result<(String, serde_json::Value), String> {
    let spec: Spec = format!("fit:{typed}").parse().map_err(|_| format!("{typed:?} is not KEY=VALUE"))?;
    let mut all = spec.settings.into_iter();
    match (all.next(), all.next()) {
        (Some(one), None) => Ok(one),
        _ => Err(format!("{typed:?} is not one KEY=VALUE")),
    }
}
