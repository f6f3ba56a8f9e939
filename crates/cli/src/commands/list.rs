//! `mosa list`: what can be named on the command line, in a line each, and where it comes from.

use crate::args::{AlgName, Bars, ListArgs, Listed, ProbeCommand, RemaskingName};
use crate::failure::Failure;
use crate::output;
use crate::table::header;
use anyhow::Result;
use clap::{Command, Subcommand, ValueEnum};
use mosa_align::OBJECTIVES;
use mosa_attack::ATTACKS;
use mosa_defence::DEFENCES;
use mosa_engine::Commit;
use mosa_judge::JUDGES;
use mosa_task::{BuiltIn, TaskFile, WorldTask, built_ins};
use serde::Serialize;

/// Something with a name.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Entry {
    /// As it is typed.
    pub name: String,
    /// What it is, in a line.
    pub about: String,
    /// The paper or the code it comes from.
    pub source: String,
}

impl Entry {
    fn new(name: impl Into<String>, about: impl Into<String>, source: impl Into<String>) -> Self {
        Self { name: name.into(), about: about.into(), source: source.into() }
    }
}

pub(crate) fn run(args: &ListArgs) -> Result<(), Failure> {
    let entries = entries(args.what);
    if args.json {
        entries.iter().try_for_each(output::json)?;
        return Ok(());
    }
    let mut rows = vec![header(&["name", "what it is", "where it comes from"])];
    rows.extend(entries.into_iter().map(|entry| vec![entry.name, entry.about, entry.source]));
    Ok(output::line(&output::table(&rows))?)
}

fn entries(what: Listed) -> Vec<Entry> {
    match what {
        Listed::Attacks => attacks(),
        Listed::Judges => judges(),
        Listed::Objectives => objectives(),
        Listed::Commits => commits(),
        Listed::Probes => probes(),
        Listed::Defences => defences(),
        Listed::Tasks => tasks(),
    }
}

fn attacks() -> Vec<Entry> {
    ATTACKS.iter().map(|attack| Entry::new(attack.name, attack.about, attack.method.paper.unwrap_or(OURS))).collect()
}

fn judges() -> Vec<Entry> {
    JUDGES.iter().map(|judge| Entry::new(judge.name, judge.about, judge.source)).collect()
}

fn defences() -> Vec<Entry> {
    DEFENCES.iter().map(|defence| Entry::new(defence.name, defence.about, defence.source)).collect()
}

fn objectives() -> Vec<Entry> {
    let of = |name: &&str| match *name {
        "mosa" => Entry::new(*name, "reward a refusal that ends the answer inside the middle window", MOSA),
        "initial" => Entry::new(*name, "the same with every sentence at offset 0", MOSA),
        "sft" => Entry::new(*name, "predict the masked tokens of the answers in the data", "LLaDA, arXiv 2502.09992"),
        "a2d-eos" => Entry::new(*name, "harmful answers end wherever they are masked", "A2D, arXiv 2509.23286"),
        "vrpo" => Entry::new(
            *name,
            "preference of safe answers over harmful ones, on likelihoods with shared masks",
            "LLaDA 1.5, arXiv 2505.19223",
        ),
        "recovery" => Entry::new(
            *name,
            "answers from canvases with part of a harmful answer; a judge's reward, GRPO",
            "Recovery Alignment, arXiv 2510.00565",
        ),
        other => Entry::new(other, "", ""),
    };
    OBJECTIVES.iter().map(of).collect()
}

/// What was not published before.
const OURS: &str = "mosa";
const MOSA: &str = "MOSA, arXiv 2508.12398";
const LLADA: &str = "LLaDA, arXiv 2502.09992";
const SDAR: &str = "SDAR, arXiv 2510.06303";
const DREAM: &str = "Dream, arXiv 2508.15487";
const FAST_DLLM: &str = "Fast-dLLM, arXiv 2505.22618";

fn commits() -> Vec<Entry> {
    let own = |name: String, commit| {
        let Policy { about, source } = policy(commit);
        Entry::new(name, about, source)
    };
    let of_dream = |entry: Entry| Entry { source: DREAM.to_owned(), ..entry };
    let typed = |flag: &str, value: Option<clap::builder::PossibleValue>| {
        format!("{flag} {}", value.map(|value| value.get_name().to_owned()).unwrap_or_default())
    };
    let remasking = RemaskingName::value_variants().iter();
    let bars = Bars { threshold: 0.85, entropy: 0.35 };
    let remasking = remasking.map(|name| own(typed("--remasking", name.to_possible_value()), name.commit(bars)));
    let alg = AlgName::value_variants().iter();
    let alg = alg.map(|name| of_dream(own(typed("--alg", name.to_possible_value()), name.commit())));
    let numbers = [own("--threshold P".into(), Commit::Threshold(1.0)), own("--factor F".into(), Commit::Factor(1.0))];
    remasking.chain(alg).chain(numbers).collect()
}

/// What a policy reveals, and where it comes from.
struct Policy {
    about: &'static str,
    source: &'static str,
}

fn policy(commit: Commit) -> Policy {
    let of = |about, source| Policy { about, source };
    match commit {
        Commit::LowConfidence => of("the most probable positions", LLADA),
        Commit::Random => of("positions in random order", LLADA),
        Commit::Margin => of("the largest gap between the two most likely tokens", DREAM),
        Commit::Entropy => of("the lowest entropy", DREAM),
        Commit::LeftToRight => of("the leftmost positions", OURS),
        Commit::Threshold(_) => of("every position at least this probable, at least one", FAST_DLLM),
        Commit::Factor(_) => of("every position within a bar that rises with the rank, at least one", FAST_DLLM),
        Commit::Dynamic(_) => of("every position more probable than this, at least the quota", SDAR),
        Commit::EntropyBounded(_) => of("lowest entropies while their sum stays below this, at least one", SDAR),
        Commit::Origin => of("each position with the schedule's probability", DREAM),
    }
}

fn probes() -> Vec<Entry> {
    let verbs = ProbeCommand::augment_subcommands(Command::new("probe"));
    let of = |verb: &Command| {
        let about = verb.get_about().map(ToString::to_string).unwrap_or_default();
        Entry::new(verb.get_name(), about, source_of_probe(verb.get_name()))
    };
    verbs.get_subcommands().map(of).collect()
}

/// Tasks, each under its protocols.
fn tasks() -> Vec<Entry> {
    let of = |task: &BuiltIn| {
        let file = TaskFile::built_in(task.name, Some(task.protocol));
        let source = file.map_or_else(|_| OURS.to_owned(), |file| file.source().to_owned());
        Entry::new(format!("{} --protocol {}", task.name, task.protocol), task.about(), source)
    };
    let world = Entry::new(WorldTask::NAME, "the tasks of the embedded world, for its models", OURS);
    built_ins().iter().map(of).chain([world]).collect()
}

fn source_of_probe(name: &str) -> &'static str {
    match name {
        "gcg" => "GCG, arXiv 2307.15043; at an offset: MOSA, arXiv 2508.12398",
        "landscape" => OURS,
        "monitor" => "arXiv 2609.30841, A2D, DiffuGuard; what of it is ours is in the files of the monitors",
        _ => MOSA,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(what: Listed) -> Vec<String> {
        entries(what).into_iter().map(|entry| entry.name).collect()
    }

    #[test]
    fn every_registered_name_is_listed_once_with_a_line_and_a_source() {
        assert_eq!(names(Listed::Attacks), ATTACKS.iter().map(|attack| attack.name).collect::<Vec<_>>());
        assert_eq!(names(Listed::Judges), JUDGES.iter().map(|judge| judge.name).collect::<Vec<_>>());
        assert_eq!(names(Listed::Objectives), OBJECTIVES);
        for what in Listed::value_variants() {
            for Entry { name, about, source } in entries(*what) {
                assert!(!name.is_empty() && !about.is_empty() && !source.is_empty(), "{name}: {about:?}, {source:?}");
            }
        }
    }

    #[test]
    fn every_commit_policy_is_listed_under_the_flag_that_chooses_it() {
        let listed = names(Listed::Commits);
        for name in ["low_confidence", "random", "margin", "entropy", "left_to_right"] {
            assert!(listed.contains(&format!("--remasking {name}")), "{listed:?}");
        }
        for name in ["origin", "maskgit_plus", "topk_margin", "entropy"] {
            assert!(listed.contains(&format!("--alg {name}")), "{listed:?}");
        }
        assert!(listed.contains(&"--threshold P".to_owned()) && listed.contains(&"--factor F".to_owned()));
        for name in RemaskingName::value_variants() {
            let typed = name.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
            let commit = name.commit(Bars { threshold: 0.9, entropy: 0.3 });
            match Commit::by_name(&typed) {
                Some(named) => assert_eq!(named, commit, "{typed}"),
                None => assert!(matches!(commit, Commit::Dynamic(0.9) | Commit::EntropyBounded(0.3)), "{typed}"),
            }
        }
        for name in AlgName::value_variants() {
            let typed = name.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
            assert_eq!(Commit::by_name(&typed), Some(name.commit()), "{typed}");
        }
    }

    #[test]
    fn every_probe_is_listed() {
        assert_eq!(names(Listed::Probes), ["prefill", "gcg", "order", "steer", "landscape", "monitor"]);
    }
}
