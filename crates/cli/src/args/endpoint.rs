//! A model behind an endpoint that is measured.

use clap::Args as ClapArgs;
use serde::Serialize;
use std::path::PathBuf;

/// An OpenAI-compatible endpoint in the place of a checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ClapArgs)]
#[command(next_help_heading = "Target")]
pub(crate) struct EndpointArgs {
    /// OpenAI-compatible endpoint of a target; what needs the model itself is not measured there.
    #[arg(long, value_name = "URL")]
    pub endpoint: Option<String>,
    /// Target model at the endpoint.
    #[arg(long, value_name = "NAME")]
    pub target_model: Option<String>,
    /// Settings of the target's endpoint: base, model, api_key_env, retries, timeout_seconds, budget, price, ...
    #[arg(long, value_name = "FILE.toml", conflicts_with = "model")]
    pub target_config: Option<PathBuf>,
}
