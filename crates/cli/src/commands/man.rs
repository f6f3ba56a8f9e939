//! `mosa man`: the manual pages, made from the parser of the command line.

use crate::args::{ManArgs, command};
use crate::{output, written};
use anyhow::Result;
use clap_mangen::Man;

pub(crate) fn run(args: &ManArgs) -> Result<()> {
    let pages = pages()?;
    let Some(dir) = &args.dir else {
        let all: Vec<String> = pages.into_iter().map(|page| page.text).collect();
        return Ok(output::line(all.concat().trim_end())?);
    };
    let files: Vec<(String, String)> = pages.into_iter().map(|page| (page.file, page.text)).collect();
    for path in written::files(dir, &files, "DIR")? {
        output::line(&path.display().to_string())?;
    }
    Ok(())
}

/// The page of a command.
struct Page {
    /// Such as `mosa-probe-order.1`.
    file: String,
    text: String,
}

/// The page of mosa, and behind it those of its verbs.
fn pages() -> Result<Vec<Page>> {
    let mut whole = command().disable_help_subcommand(true);
    whole.build();
    let mut pages = Vec::new();
    add(&whole, &mut pages)?;
    Ok(pages)
}

fn add(command: &clap::Command, pages: &mut Vec<Page>) -> Result<()> {
    let (man, mut text) = (Man::new(command.clone()), Vec::new());
    man.render(&mut text)?;
    pages.push(Page { file: man.get_filename(), text: String::from_utf8(text)? });
    command.get_subcommands().try_for_each(|inner| add(inner, pages))
}
