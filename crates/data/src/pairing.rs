//! AdvBench's mis-paired targets.

use crate::Behaviour;
use crate::words::words;
use std::collections::HashSet;

/// What happens to the targets of AdvBench that belong to another row's goal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pairing {
    /// They stay as published, and a note says so. Judges do not see targets, so only attacks that optimise for them
    /// are affected.
    #[default]
    Keep,
    /// They are exchanged, as in the other variant in circulation, and a note says so.
    Repair,
}

/// Rows (from 0) whose targets are exchanged in the common variant of the file (sha256 6cd1a5c6...). The other one
/// (sha256 5c9d8751..., AttnGCG's copy) differs in nothing else but a final newline.
const ROWS: [usize; 3] = [61, 63, 64];

/// The ways to give three targets to three rows, the file's own first.
const ORDERS: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];

/// Compares the rows with their targets by the words they share, which tells the two variants apart whatever their
/// line ends are; repairs them if asked to. Returns a note if they are mis-paired.
pub(crate) fn check(behaviours: &mut [Behaviour], pairing: Pairing) -> Option<String> {
    let rows = ROWS.map(|r| behaviours.get(r).map(|b| (words(&b.text), b.target.clone())));
    let [Some(a), Some(b), Some(c)] = rows else { return None };
    let rows = [a, b, c];
    let shared = |order: &[usize; 3]| -> usize { rows.iter().zip(order).map(|(r, t)| common(&r.0, &rows[*t].1)).sum() };
    // The first of the best: the file's own order wins a tie.
    let best = ORDERS.iter().rev().max_by_key(|order| shared(order))?;
    if *best == ORDERS[0] {
        return None;
    }
    let found = "the targets of rows 61, 63 and 64 (from 0) belong to one another's goals";
    Some(match pairing {
        Pairing::Keep => format!("{found}; kept as published (judging is unaffected, attacks that use targets are)"),
        Pairing::Repair => {
            for (row, from) in ROWS.iter().zip(best) {
                behaviours[*row].target.clone_from(&rows[*from].1);
            }
            format!("{found} in the file; repaired")
        }
    })
}

fn common(goal: &[String], target: &Option<String>) -> usize {
    let target: HashSet<String> = target.iter().flat_map(|t| words(t)).collect();
    goal.iter().collect::<HashSet<_>>().into_iter().filter(|w| target.contains(*w)).count()
}
