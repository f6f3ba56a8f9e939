//! `mosa reproduce`.

use super::Compute;
use clap::Args as ClapArgs;
use std::path::PathBuf;

#[derive(Debug, ClapArgs)]
pub(crate) struct ReproduceArgs {
    /// The recipe (TOML); default: recipes/reproduce.toml as it comes with mosa.
    #[arg(long, value_name = "FILE.toml")]
    pub config: Option<PathBuf>,
    /// Run folder; the same command again continues there.
    #[arg(long, value_name = "RUN", default_value = "runs/reproduce")]
    pub out: PathBuf,
    /// Say what it needs, what is missing and what it will cost, and do nothing. Ends with 2 where something is missing.
    #[arg(long)]
    pub dry_run: bool,
    /// Say hours by the rate of this machine, measured now with the model, and not by that of an H200.
    #[arg(long)]
    pub measure: bool,
    /// A key of the recipe: model=DIR, sizes.attack=100, data.advbench=FILE, ...
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Ask again for what came to nothing in finished stages too: an endpoint was away, a budget of it used up.
    #[arg(long)]
    pub retry: bool,
    #[command(flatten)]
    pub compute: Compute,
}
