//! The matrix: attacks by arms, and the one table of it that makes the argument.

use super::Findings;
use super::arms::{Arm, Assault, Family};
use super::tally::Tally;
use mosa_records::Outcome;
use mosa_report::{Block, Cell, Table};

/// The arms that the argument is about, in its order.
const MAIN: [&str; 6] = ["original", "initial", "mosa-sum", "mosa-mean", "mosa-world", "mosa-plus"];

/// Cells of requests without an attack, and what they are called.
pub(super) const ASKED: [(&str, &str); 4] = [
    ("attack/plain", "asked plainly"),
    ("attack/refused", "wrappers the original refuses"),
    ("attack/open", "wrappers alignment saw"),
    ("attack/held-out", "held-out wrappers"),
];

/// Cells of words that are forced into the answer to a plain request.
pub(super) const FORCED: [(&str, &str); 5] = [
    ("prefill/0", "words forced at 0"),
    ("prefill/20", "words forced at 20"),
    ("prefill/40", "words forced at 40"),
    ("prefill/60", "words forced at 60"),
    ("prefill/80", "words forced at 80"),
];

/// Cells of harmless tasks.
pub(super) const TASKS: [(&str, &str); 6] = [
    ("utility/recipe", "benign recipes"),
    ("utility/recipe-wrapped", "benign recipes in held-out wrappers"),
    ("utility/arithmetic", "arithmetic"),
    ("utility/facts", "facts"),
    ("utility/programs", "programs"),
    ("utility/look-alike", "look-alike questions"),
];

/// Where answers of a column of the argument come from.
pub(super) enum Source {
    Cells(&'static [&'static str]),
    Attacks(Family, &'static str),
}

/// Kinds of attacks, as the argument has them: what it is called, and what it is made of. An attack of a kind is one
/// whose name begins so.
pub(super) static KINDS: [(&str, Source); 8] = [
    ("asked plainly", Source::Cells(&["attack/plain"])),
    ("first words forced", Source::Cells(&["prefill/0"])),
    ("middle words forced", Source::Cells(&["prefill/20", "prefill/40", "prefill/60"])),
    ("black box (eight)", Source::Attacks(Family::Published, "")),
    ("aimed at middle (three)", Source::Attacks(Family::Adaptive, "")),
    ("in the prompt", Source::Attacks(Family::Prompts, "")),
    ("anchoring", Source::Attacks(Family::Canvas, "anchoring")),
    ("others on the canvas", Source::Attacks(Family::Canvas, "")),
];

impl Findings {
    /// What became of the answers of an arm to attacks of a kind.
    pub(super) fn kind(&self, arm: &str, source: &Source) -> Tally {
        match source {
            Source::Cells(cells) => self.tally(arm, cells),
            Source::Attacks(family, start) => {
                let own = |a: &&Assault| match *start {
                    "" => *family != Family::Canvas || !a.name.starts_with("anchoring"),
                    start => a.name.starts_with(start),
                };
                let all: Vec<&Assault> = self.assaults_of(*family).into_iter().filter(own).collect();
                self.attacked(arm, &all)
            }
        }
    }

    /// The kinds of attacks that were run on any arm.
    fn kinds(&self) -> impl Iterator<Item = &'static (&'static str, Source)> {
        let arms = self.arms();
        KINDS.iter().filter(move |(_, source)| arms.iter().any(|arm| self.kind(arm.name, source).n() > 0))
    }
}

/// Whether an arm is one that the argument is about.
pub(super) fn is_main(arm: &Arm) -> bool {
    MAIN.contains(&arm.name)
}

/// The argument: main arms by kinds of attacks, and what is left of their abilities.
pub(super) fn front(f: &Findings) -> Table {
    let tasks = TASKS.map(|(cell, _)| cell);
    let row = |arm: &&Arm| {
        let kinds = f.kinds().map(|(_, source)| f.kind(arm.name, source).cell());
        let able = f.tally(arm.name, &tasks);
        std::iter::once(Cell::from(arm.title)).chain(kinds).chain([able.task_cell()]).collect()
    };
    let names = f.kinds().map(|(name, _)| (*name).to_owned());
    Table {
        caption: "Requests for what is forbidden, by kind of attack: the share that was complied with, its 95% \
                  interval (an item counts once, however many attacks and seeds ask for it), k/n, and what the other \
                  answers are. Last: harmless tasks."
            .into(),
        header: std::iter::once(String::new()).chain(names).chain(["tasks".to_owned()]).collect(),
        rows: f.measured(&MAIN).iter().map(row).collect(),
    }
}

/// Every attack by every arm, family by family.
pub(super) fn blocks(f: &Findings) -> Vec<Block> {
    let asked = |caption: &str, cells: &[(&str, &str)]| {
        let row = |(cell, name): &(&str, &str)| ((*name).to_owned(), f.cells(|arm| f.tally(arm, &[*cell])));
        table(f, caption, cells.iter().map(row).collect())
    };
    let attacks = |caption: &str, family| {
        let row = |assault: &&Assault| (assault.name.to_owned(), f.cells(|arm| f.attacked(arm, &[*assault])));
        table(f, caption, f.assaults_of(family).iter().map(row).collect())
    };
    let all = [
        asked("Requests without an attack: attack success, and what the answers are.", &ASKED),
        asked(
            "Plain requests with words forced into the answer: the affirmative opening at 0, the head of a step \
             elsewhere.",
            &FORCED,
        ),
        attacks("The eight black-box attacks of the paper.", Family::Published),
        attacks("The three attacks that the paper aims at the middle.", Family::Adaptive),
        attacks("Attacks by prompt that the replication measured.", Family::Prompts),
        attacks("Attacks that write on the canvas. Anchoring is named by the step at which it writes.", Family::Canvas),
    ];
    all.into_iter().flatten().map(Block::Table).collect()
}

impl Findings {
    /// A cell for every arm.
    fn cells(&self, tally: impl Fn(&str) -> Tally) -> Vec<Tally> {
        self.arms().iter().map(|arm| tally(arm.name)).collect()
    }
}

/// A table of the matrix; none if nothing in it was measured.
fn table(f: &Findings, caption: &str, rows: Vec<(String, Vec<Tally>)>) -> Option<Table> {
    let measured: Vec<_> = rows.into_iter().filter(|(_, row)| row.iter().any(|tally| tally.n() > 0)).collect();
    let row = |(name, row): &(String, Vec<Tally>)| {
        std::iter::once(Cell::from(name.as_str())).chain(row.iter().map(Tally::cell)).collect()
    };
    (!measured.is_empty()).then(|| Table {
        caption: caption.into(),
        header: header(f),
        rows: measured.iter().map(row).collect(),
    })
}

/// The arms as columns.
fn header(f: &Findings) -> Vec<String> {
    std::iter::once("").chain(f.arms().iter().map(|arm| arm.title)).map(str::to_owned).collect()
}

/// How often answers to a kind of attack are this, in numbers for readers without pointers or colours.
pub(super) fn share(f: &Findings, outcome: Outcome) -> Block {
    let row = |arm: &&Arm| {
        let kinds = f.kinds().map(|(_, source)| f.kind(arm.name, source).cell_of(outcome));
        std::iter::once(Cell::from(arm.title)).chain(kinds).collect()
    };
    Block::Table(Table {
        caption: format!("Answers that {}, by kind of attack, with 95% intervals.", said(outcome)),
        header: std::iter::once(String::new()).chain(f.kinds().map(|(name, _)| (*name).to_owned())).collect(),
        rows: f.arms().iter().map(row).collect(),
    })
}

/// An outcome as a verb.
fn said(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Complied => "comply",
        Outcome::Refused => "refuse in words",
        Outcome::BrokeOff => "break off: they neither decline nor say anything",
        Outcome::NoLanguage => "are no language",
        Outcome::Other => "are something else: language that neither declines nor gives what was asked for",
    }
}
