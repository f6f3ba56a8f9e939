//! `--defence`.

use clap::Args as ClapArgs;
use mosa_defence::Spec;
use serde::Serialize;

/// What stands between the model and whoever asks it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ClapArgs)]
#[command(next_help_heading = "Defences")]
pub(crate) struct DefenceArgs {
    /// A defence and its settings; given several times, the first is next to whoever asks. `mosa list defences` says which there
    /// are.
    #[arg(long, alias = "defense", value_name = "NAME[:KEY=VALUE,...]", value_parser = checked)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub defence: Vec<String>,
}

/// The text itself, once it can be read.
fn checked(typed: &str) -> Result<String, String> {
    typed.parse::<Spec>().map(|_| typed.to_owned()).map_err(|e| e.to_string())
}
