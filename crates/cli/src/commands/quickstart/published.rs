//! Published attack success, arm by arm: numbers that were read, not measured here.

/// What somebody published.
#[derive(Debug)]
pub(super) struct Published {
    pub title: &'static str,
    /// Where the numbers are from, in words.
    pub source: &'static str,
    /// Pairs of arms that are compared, the one that is to be higher as a rule first.
    pub pairs: &'static [[&'static str; 2]],
    pub rows: &'static [Row],
}

/// Attack success in percent of the arms under one attack.
#[derive(Debug, PartialEq)]
pub(super) struct Row {
    /// The attack, as the matrix calls it.
    pub assault: &'static str,
    /// By role; not a number where there is none.
    rates: [f64; 5],
}

/// Arms as publications have them. Either reading of the paper's R stands for its MOSA: which one was meant is not
/// known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Original,
    Sft,
    Initial,
    Mosa,
    Recovery,
}

impl Role {
    fn of(arm: &str) -> Option<Self> {
        Some(match arm {
            "original" => Self::Original,
            "sft" => Self::Sft,
            "initial" => Self::Initial,
            "mosa-sum" | "mosa-mean" => Self::Mosa,
            "recovery" => Self::Recovery,
            _ => return None,
        })
    }
}

impl Row {
    /// What was published of an arm.
    pub(super) fn rate(&self, arm: &str) -> Option<f64> {
        let role = Role::of(arm)?;
        Some(self.rates[role as usize]).filter(|rate| rate.is_finite())
    }
}

/// Rates of the replication: original, SFT, MOSA, Recovery Alignment.
const fn replication(assault: &'static str, [original, sft, mosa, recovery]: [f64; 4]) -> Row {
    Row { assault, rates: [original, sft, f64::NAN, mosa, recovery] }
}

/// Rates of the paper: original, Initial Alignment, MOSA.
const fn paper(assault: &'static str, [original, initial, mosa]: [f64; 3]) -> Row {
    Row { assault, rates: [original, f64::NAN, initial, mosa, f64::NAN] }
}

/// Recovery Alignment's own tables. DIJA is there in one form; both forms of the matrix are held against it.
pub(super) static REPLICATION: Published = Published {
    title: "Order against the replication",
    source: "Recovery Alignment, arXiv 2510.00565: LLaDA-8B-Instruct, JailbreakBench, GPT-4o as judge, mean of runs",
    pairs: &[
        ["original", "sft"],
        ["original", "mosa-sum"],
        ["original", "mosa-mean"],
        ["original", "recovery"],
        ["sft", "mosa-sum"],
        ["sft", "mosa-mean"],
        ["sft", "recovery"],
        ["mosa-sum", "recovery"],
        ["mosa-mean", "recovery"],
    ],
    rows: &[
        replication("anchoring-1", [17.3, 19.0, 6.0, 0.0]),
        replication("anchoring-4", [44.0, 42.7, 24.0, 1.3]),
        replication("anchoring-8", [68.7, 66.7, 46.0, 3.0]),
        replication("anchoring-16", [88.7, 87.7, 79.7, 8.3]),
        replication("anchoring-32", [96.7, 96.3, 94.7, 50.7]),
        replication("pad", [67.3, 66.3, 32.3, 1.0]),
        replication("dija-user-turn", [92.0, 91.7, 86.7, 35.7]),
        replication("dija-with-canvas", [92.0, 91.7, 86.7, 35.7]),
        replication("pair", [44.3, 36.7, 27.3, 10.0]),
        replication("renellm", [92.7, 94.3, 77.7, 72.3]),
        replication("crescendo", [81.3, 71.0, 66.3, 45.0]),
    ],
};

/// The paper's own table.
pub(super) static PAPER: Published = Published {
    title: "Order against the paper",
    source: "arXiv 2508.12398, Table 1: LLaDA-8B-Instruct, AdvBench, the paper's own judge",
    pairs: &[
        ["original", "initial"],
        ["original", "mosa-sum"],
        ["original", "mosa-mean"],
        ["initial", "mosa-sum"],
        ["initial", "mosa-mean"],
    ],
    rows: &[
        paper("avatar", [74.5, 23.5, 14.3]),
        paper("tap", [79.1, 29.6, 4.5]),
        paper("speak-easy", [69.8, 22.4, 8.1]),
        paper("aos", [65.2, 32.4, 6.5]),
        paper("pal", [72.8, 36.4, 6.2]),
        paper("ept", [78.4, 28.5, 3.8]),
        paper("dia", [66.7, 34.3, 4.2]),
        paper("adv-prefix", [79.5, 29.8, 6.8]),
    ],
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::quickstart::arms::{ASSAULTS, Arm};

    #[test]
    fn every_published_attack_and_arm_is_in_the_matrix() {
        for published in [&REPLICATION, &PAPER] {
            for row in published.rows {
                assert!(ASSAULTS.iter().any(|assault| assault.name == row.assault), "{}", row.assault);
                for arm in published.pairs.iter().flatten() {
                    assert!(Arm::named(arm).is_some() && row.rate(arm).is_some(), "{}: {arm}", row.assault);
                }
            }
        }
    }
}
