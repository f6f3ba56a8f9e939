//! What the tables of several commands share: headers, rates, and the lines below that say why something is unassessed.

use mosa_records::Outcomes;
pub(crate) use mosa_report::plain::{header, rate};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Characters of a reason that are shown.
const REASON: usize = 200;

/// A table with lines below it.
pub(crate) fn below(table: String, lines: &[String]) -> String {
    lines.iter().fold(table, |text, line| format!("{text}\n{line}"))
}

/// What answers are, with counts and Wilson 95% intervals: the columns in `names`, then the four outcomes and what else came up.
pub(crate) fn outcomes(names: &[&str], rows: &[(Vec<String>, Outcomes)]) -> Vec<Vec<String>> {
    let drawn = Outcomes::drawn(rows.iter().map(|(_, outcomes)| outcomes));
    let mut all =
        vec![header(&names.iter().copied().chain(drawn.iter().map(|at| Outcomes::NAMES[*at])).collect::<Vec<_>>())];
    all.extend(rows.iter().map(|(labels, outcomes)| {
        let cell = |at: &usize| {
            let [share, interval] = rate(outcomes.counts()[*at], outcomes.n());
            if outcomes.n() == 0 { share } else { format!("{share}, {interval}") }
        };
        labels.iter().cloned().chain(drawn.iter().map(cell)).collect()
    }));
    all
}

/// Why some of a cell are unassessed, in a line, most frequent first; nothing if there are none.
pub(crate) fn unassessed<'a>(cell: &str, reasons: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let mut counted: BTreeMap<String, usize> = BTreeMap::new();
    for reason in reasons {
        *counted.entry(in_a_line(reason)).or_default() += 1;
    }
    let mut counted: Vec<(String, usize)> = counted.into_iter().collect();
    counted.sort_by_key(|(_, n)| Reverse(*n));
    let said: Vec<String> = counted.iter().map(|(reason, n)| format!("{n}: {reason}")).collect();
    (!said.is_empty()).then(|| format!("unassessed ({cell}): {}", said.join("; ")))
}

/// The beginning of a text, without line breaks.
pub(crate) fn in_a_line(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(REASON) {
        Some((end, _)) => format!("{}…", &words[..end]),
        None => words,
    }
}
