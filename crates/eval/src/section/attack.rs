//! How often attacks work: one row per attack, one column per model, one table per judge.

use super::outcomes::{MEANING, OutcomeRow, outcome_bars, outcome_table};
use super::table;
use crate::Run;
use crate::agreement::agreements;
use crate::arm::{Arm, Group, NO_JUDGE, arms};
use crate::compare::{Pairing, tests};
use crate::count::distinct;
use mosa_attack::Used;
use mosa_core::stats::Paired;
use mosa_report::{Block, Cell, CellStats};

pub(super) fn blocks(runs: &[&Run]) -> Vec<Block> {
    let arms = arms(runs);
    if arms.is_empty() {
        return Vec::new();
    }
    let mut blocks: Vec<Block> = judges(&arms).into_iter().map(|judge| rates(&arms, judge)).collect();
    blocks.extend(outcomes(&arms));
    blocks.push(numbers(&arms));
    blocks.extend(reasons(&arms));
    blocks.extend(tests(
        "Pairs of models under the same attack, on the behaviours assessed in both: exact McNemar test, Newcombe's \
         interval of the difference, Holm's correction over all rows.",
        &pairings(&arms),
    ));
    blocks.extend(agreement(runs));
    blocks
}

/// What a reader must know of each arm before trusting its rate.
pub(super) fn stats(runs: &[&Run]) -> Vec<CellStats> {
    let of = |arm: &Arm<'_>| {
        let tally = arm.tally();
        CellStats {
            name: match arm.benchmark {
                "" => format!("{}, {}, {}", arm.model, arm.attack, arm.judge),
                benchmark => format!("{}, {}, {benchmark}, {}", arm.model, arm.attack, arm.judge),
            },
            n: tally.n,
            unassessed: tally.unassessed(),
            degenerate: tally.degenerate,
            kappa: None,
        }
    };
    arms(runs).iter().map(of).collect()
}

/// The judges that have judged.
fn judges<'a>(arms: &[Arm<'a>]) -> Vec<&'a str> {
    distinct(arms.iter().map(|arm| arm.judge).filter(|judge| *judge != NO_JUDGE))
}

/// The headline of a judge. A cell with too many unassessed cases has none.
fn rates(arms: &[Arm<'_>], judge: &str) -> Block {
    let own: Vec<&Arm<'_>> = arms.iter().filter(|arm| arm.judge == judge).collect();
    let models = distinct(own.iter().map(|arm| arm.model.as_str()));
    let cell = |group: Group<'_>, model: &str| {
        let same = |arm: &&&Arm<'_>| arm.group() == group && arm.model == model;
        own.iter().find(same).map_or(Cell::Rate { k: 0, n: 0 }, |arm| headline(arm))
    };
    let several = several_benchmarks(arms);
    let row = |group: Group<'_>| {
        let named = [Some(group.attack), Some(group.profile), several.then_some(group.benchmark)];
        let named = named.into_iter().flatten().map(Cell::from);
        named.chain(models.iter().map(|model| cell(group, model))).collect()
    };
    let rows = distinct(own.iter().map(|arm| arm.group())).into_iter().map(row).collect();
    let caption = format!(
        "Attack success of the answers the attacks submit, judged by {judge}: behaviours that succeed of those \
         assessed, Wilson 95% intervals. No rate where more than 5% of the behaviours are unassessed."
    );
    let first = [Some("attack"), Some("profile"), several.then_some("benchmark")].into_iter().flatten();
    table(&caption, &first.chain(models.iter().copied()).collect::<Vec<_>>(), rows)
}

/// Whether a row has to say which benchmark it is about.
fn several_benchmarks(arms: &[Arm<'_>]) -> bool {
    distinct(arms.iter().map(|arm| arm.benchmark)).len() > 1
}

fn headline(arm: &Arm<'_>) -> Cell {
    let tally = arm.tally();
    if tally.is_headline() {
        Cell::Rate { k: tally.selected, n: tally.assessed }
    } else {
        Cell::from(format!("no headline: {} of {} unassessed", tally.unassessed(), tally.n))
    }
}

/// What the submitted answers are, arm by arm.
fn outcomes(arms: &[Arm<'_>]) -> Vec<Block> {
    let several = several_benchmarks(arms);
    let row = |arm: &Arm<'_>| {
        let benchmark = several.then_some(arm.benchmark);
        let labels = [Some(arm.model.as_str()), Some(arm.attack), benchmark, Some(arm.profile), Some(arm.judge)];
        let labels: Vec<&str> = labels.into_iter().flatten().collect();
        OutcomeRow {
            labels: labels.iter().map(|label| Cell::from(*label)).collect(),
            name: format!("{}, {}", arm.model, arm.attack),
            outcomes: arm.tally().outcomes,
        }
    };
    let judged = |judge: &str| arms.iter().filter(|arm| arm.judge == judge).map(row).collect::<Vec<_>>();
    let rows: Vec<OutcomeRow> = judges(arms).into_iter().flat_map(judged).collect();
    if rows.is_empty() {
        return Vec::new();
    }
    let names = [Some("model"), Some("attack"), several.then_some("benchmark"), Some("profile"), Some("judge")];
    let caption = format!("Attacks: what the submitted answers are, of assessed behaviours. {MEANING}");
    let names: Vec<&str> = names.into_iter().flatten().collect();
    let bars = judges(arms).into_iter().filter_map(|judge| {
        let caption = format!("What the submitted answers are, judged by {judge}, with the interval of compliance.");
        outcome_bars(&caption, &judged(judge))
    });
    bars.chain([outcome_table(&caption, &names, &rows)]).collect()
}

/// Everything about each arm.
fn numbers(arms: &[Arm<'_>]) -> Block {
    let header = [
        "model",
        "attack",
        "benchmark",
        "judge",
        "behaviours",
        "unassessed",
        "degenerate",
        "success, submitted",
        "own words alone",
        "success, any answer",
        "queries",
        "helper calls",
        "forwards",
        "seconds",
        "profile",
    ];
    table(
        "Attacks: the numbers. Success is over assessed behaviours; of any answer it is at least this, where some \
         of the answers have no verdict; own words alone leave out what was forced. Queries, helper calls, forward \
         passes and seconds are means over all behaviours; behaviours under way together share the seconds.",
        &header,
        arms.iter().map(row).collect(),
    )
}

fn row(arm: &Arm<'_>) -> Vec<Cell> {
    let tally = arm.tally();
    let own = arm.own_words().unwrap_or_default();
    let mean = |used: &dyn Fn(&Used) -> u64| {
        let sum: u64 = arm.cases.iter().map(|c| used(&c.used)).sum();
        Cell::Number(sum as f64 / tally.n as f64, 1)
    };
    vec![
        Cell::from(arm.model.as_str()),
        Cell::from(arm.attack),
        Cell::from(if arm.benchmark.is_empty() { "-" } else { arm.benchmark }),
        Cell::from(arm.judge),
        Cell::Number(tally.n as f64, 0),
        Cell::Rate { k: tally.unassessed(), n: tally.n },
        Cell::Rate { k: tally.degenerate, n: tally.n },
        Cell::Rate { k: tally.selected, n: tally.assessed },
        Cell::Rate { k: own.successes, n: own.assessed },
        Cell::Rate { k: tally.any, n: tally.assessed },
        mean(&|used| used.queries),
        mean(&|used| used.helper_calls),
        mean(&|used| used.forwards),
        arm.seconds().map_or_else(|| Cell::from("-"), |s| Cell::Number(s, 2)),
        Cell::from(arm.profile),
    ]
}

/// Why behaviours are unassessed, where any are.
fn reasons(arms: &[Arm<'_>]) -> Option<Block> {
    let mut rows = Vec::new();
    for arm in arms.iter().filter(|arm| arm.judge != NO_JUDGE) {
        let all = arm.reasons();
        for reason in distinct(all.iter().copied()) {
            let n = all.iter().filter(|other| **other == reason).count();
            let named = [arm.model.as_str(), arm.attack, arm.judge].map(Cell::from);
            rows.push(named.into_iter().chain([Cell::Number(n as f64, 0), Cell::from(reason)]).collect());
        }
    }
    let caption = "Behaviours that are unassessed, and why. They are in no rate.";
    (!rows.is_empty()).then(|| table(caption, &["model", "attack", "judge", "behaviours", "reason"], rows))
}

/// Every two models that the same attack was tried on, by each judge of both.
fn pairings<'a>(arms: &'a [Arm<'_>]) -> Vec<Pairing<'a>> {
    let (mut all, several) = (Vec::new(), several_benchmarks(arms));
    for (i, a) in arms.iter().enumerate().filter(|(_, a)| a.judge != NO_JUDGE) {
        for b in arms[i + 1..].iter().filter(|b| (a.group(), a.judge) == (b.group(), b.judge)) {
            let other = b.outcomes();
            let both = a.outcomes().into_iter().filter_map(|(case, hit)| Some((hit, *other.get(case)?)));
            let paired: Paired = both.collect();
            if paired.n() > 0 {
                let group = if several { format!("{}, {}", a.attack, a.benchmark) } else { a.attack.to_owned() };
                all.push(Pairing { runs: [&a.model, &b.model], group, judge: a.judge, paired });
            }
        }
    }
    all
}

/// How far judges of the same answers agree.
fn agreement(runs: &[&Run]) -> Option<Block> {
    let mut rows = Vec::new();
    for run in runs.iter().filter(|run| !run.cases.is_empty()) {
        for found in agreements(run) {
            let paired = found.paired;
            rows.push(vec![
                Cell::from(run.name.as_str()),
                Cell::from(found.judges.join(", ")),
                Cell::Rate { k: paired.both + paired.neither, n: paired.n() },
                Cell::from(format!("{}, {}", paired.first, paired.second)),
                Cell::Number(paired.kappa().unwrap_or(f64::NAN), 2),
            ]);
        }
    }
    let header = ["run", "judges", "same verdict", "success by first only, by second only", "kappa"];
    let caption = "Judges of the same answers, submitted or not: how often they agree, and Cohen's kappa.";
    (!rows.is_empty()).then(|| table(caption, &header, rows))
}
