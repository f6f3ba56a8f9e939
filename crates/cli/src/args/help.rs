//! The command line as a whole: its parser, and the help that lists its verbs in groups.

use super::Args;
use clap::builder::StyledStr;
use clap::{CommandFactory, FromArgMatches};

/// Verbs that serve one end.
struct Group {
    heading: &'static str,
    verbs: &'static [&'static str],
}

/// Every verb that people type, once.
const GROUPS: [Group; 5] = [
    Group { heading: "Use", verbs: &["quickstart", "generate", "serve", "merge", "inspect"] },
    Group {
        heading: "Measure",
        verbs: &["probe", "attack", "utility", "judge", "records", "report", "reproduce", "bench", "list"],
    },
    Group { heading: "Train", verbs: &["align", "defence", "world"] },
    Group { heading: "Data", verbs: &["data"] },
    Group { heading: "Maintain", verbs: &["verify", "doctor", "completions", "man"] },
];

/// Reads the command line of this process.
///
/// # Errors
/// What is wrong with it, or the help that was asked for.
pub(crate) fn parse() -> Result<Args, clap::Error> {
    let matches = command().try_get_matches()?;
    Args::from_arg_matches(&matches)
}

/// The parser of the command line.
pub(crate) fn command() -> clap::Command {
    let command = Args::command();
    let template = template(&command);
    command.help_template(template)
}

/// The help of the whole: verbs by group, each with its own line.
fn template(command: &clap::Command) -> StyledStr {
    let (heading, name) = (command.get_styles().get_header(), command.get_styles().get_literal());
    let width = GROUPS.iter().flat_map(|group| group.verbs).map(|verb| verb.len()).max().unwrap_or(0);
    let mut text = StyledStr::new();
    let mut put = |part: &str| text.push_str(part);
    put("{before-help}{about-with-newline}\n{usage-heading} {usage}\n\n");
    for group in &GROUPS {
        put(&format!("{heading}{}:{heading:#}\n", group.heading));
        for verb in group.verbs {
            let about = command.find_subcommand(verb).and_then(clap::Command::get_about);
            let about = about.map(ToString::to_string).unwrap_or_default();
            put(&format!("  {name}{verb:width$}{name:#}  {about}\n"));
        }
        put("\n");
    }
    put(&format!("{heading}Options:{heading:#}\n{{options}}\n\n"));
    put("`mosa VERB --help` says more of a verb.{after-help}");
    text
}

#[cfg(test)]
mod tests {
    use super::{GROUPS, command};
    use std::collections::BTreeSet;

    #[test]
    fn every_verb_that_people_type_is_in_one_group_and_every_group_holds_verbs_alone() {
        let grouped: Vec<&str> = GROUPS.iter().flat_map(|group| group.verbs).copied().collect();
        let known: BTreeSet<String> = command()
            .get_subcommands()
            .filter(|verb| !verb.is_hide_set())
            .map(|verb| verb.get_name().to_owned())
            .collect();
        assert_eq!(grouped.iter().map(|verb| (*verb).to_owned()).collect::<BTreeSet<_>>(), known);
        assert_eq!(grouped.len(), known.len(), "no verb is in two groups");
    }

    #[test]
    fn the_help_says_every_verb_below_its_heading_with_its_own_line() {
        let mut command = command();
        let help = command.render_help().to_string();
        for group in &GROUPS {
            let (_, below) = help.split_once(&format!("\n{}:\n", group.heading)).unwrap_or_else(|| panic!("{help}"));
            let own = below.split("\n\n").next().unwrap_or_default();
            for verb in group.verbs {
                let about = command.find_subcommand(verb).and_then(|verb| verb.get_about()).map(ToString::to_string);
                let said = own.lines().find(|line| line.split_whitespace().next() == Some(verb));
                let said = said.unwrap_or_else(|| panic!("{verb} is not below {}: {help}", group.heading));
                assert!(about.is_some_and(|about| !about.is_empty() && said.ends_with(&about)), "{said}");
            }
        }
        assert!(help.contains("Usage: mosa") && help.contains("--version"), "{help}");
    }

    #[test]
    fn the_parser_contradicts_itself_nowhere() {
        command().debug_assert();
    }
}
