//! `mosa completions`: what a shell needs to complete the command line.

use crate::args::{CompletionsArgs, command};
use crate::output;
use anyhow::Result;

pub(crate) fn run(args: &CompletionsArgs) -> Result<()> {
    let (mut command, mut script) = (command(), Vec::new());
    clap_complete::generate(args.shell, &mut command, "mosa", &mut script);
    Ok(output::line(String::from_utf8(script)?.trim_end())?)
}
