//! `mosa completions` and `mosa man`.

use clap::Args as ClapArgs;
use clap_complete::Shell;
use std::path::PathBuf;

#[derive(Debug, ClapArgs)]
pub(crate) struct CompletionsArgs {
    /// Whose completions to write.
    #[arg(value_enum)]
    pub shell: Shell,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ManArgs {
    /// Folder to write one page per command to; without it all pages go to stdout.
    pub dir: Option<PathBuf>,
}
