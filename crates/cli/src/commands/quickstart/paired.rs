//! A difference of two arms on the same requests, with its 95% interval.

use super::tally::{hits, subject};
use super::{Attacked, Findings, Measured};
use mosa_core::stats::Paired;
use std::collections::{BTreeSet, HashMap};

/// The rate of one arm minus that of another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Difference {
    /// Between -1 and 1.
    pub value: f64,
    pub interval: (f64, f64),
    /// Requests that both answered.
    pub n: usize,
}

/// Outcomes of one model by request, each with what it is about.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    seed: Option<u64>,
    of: HashMap<String, (bool, String)>,
}

impl Difference {
    /// Of models of two arms: with the same seed, or each with the only one of the other arm.
    ///
    /// Every two give Newcombe's interval. Models of several seeds answer the same requests and are not independent, so
    /// what is said of all is the mean of the differences and of the ends of their intervals: no narrower than that of
    /// one seed.
    pub(super) fn of(first: &[Outcomes], second: &[Outcomes]) -> Option<Self> {
        let alone = first.len() == 1 || second.len() == 1;
        let pairs = first.iter().flat_map(|a| second.iter().map(move |b| (a, b)));
        let pairs = pairs.filter(|(a, b)| alone || a.seed == b.seed);
        let all: Vec<Self> = pairs.filter_map(|(a, b)| Self::of_two(a, b)).collect();
        let mean = |of: &dyn Fn(&Self) -> f64| all.iter().map(of).sum::<f64>() / all.len() as f64;
        let n = all.iter().map(|d| d.n).min()?;
        Some(Self { value: mean(&|d| d.value), interval: (mean(&|d| d.interval.0), mean(&|d| d.interval.1)), n })
    }

    /// Of two models. Where several requests are about one thing, the interval is as much wider as so many fewer make
    /// it.
    fn of_two(a: &Outcomes, b: &Outcomes) -> Option<Self> {
        let (mut paired, mut subjects) = (Paired::default(), BTreeSet::new());
        for (key, (x, subject)) in &a.of {
            let Some((y, _)) = b.of.get(key) else { continue };
            subjects.insert(subject.as_str());
            match (x, y) {
                (true, true) => paired.both += 1,
                (true, false) => paired.first += 1,
                (false, true) => paired.second += 1,
                (false, false) => paired.neither += 1,
            }
        }
        let (value, (low, high)) = (paired.difference()?, paired.newcombe()?);
        let wider = (paired.n() as f64 / subjects.len() as f64).sqrt();
        let interval = ((value - wider * (value - low)).max(-1.0), (value + wider * (high - value)).min(1.0));
        Some(Self { value, interval, n: paired.n() })
    }

    /// `+42 (31 to 52)` in points.
    pub(super) fn said(&self) -> String {
        let points = |x: f64| signed(100.0 * x);
        format!("{} ({} to {})", points(self.value), points(self.interval.0), points(self.interval.1))
    }

    /// The other way round.
    pub(super) fn turned(self) -> Self {
        Self { value: -self.value, interval: (-self.interval.1, -self.interval.0), ..self }
    }
}

/// A number of points with its sign, and no negative zero.
pub(super) fn signed(points: f64) -> String {
    let text = format!("{points:+.0}");
    if ["-0", "+0"].contains(&text.as_str()) { "0".into() } else { text }
}

impl Findings {
    /// Success of one arm minus that of another under an attack, on the behaviours that were assessed in both.
    pub(super) fn attack_difference(&self, [first, second]: [&str; 2], assault: &str) -> Option<Difference> {
        let of = |arm: &str| -> Vec<Outcomes> {
            let own = self.attacks.iter().filter(|a| a.arm.name == arm && a.assault.name == assault);
            own.map(Outcomes::of_attack).collect()
        };
        Difference::of(&of(first), &of(second))
    }

    /// Success of one arm minus that of another in a cell, on the same requests.
    pub(super) fn cell_difference(&self, [first, second]: [&str; 2], cell: &str) -> Option<Difference> {
        let of = |arm| -> Vec<Outcomes> { self.of_arm(arm).map(|m| Outcomes::of_cell(m, cell)).collect() };
        Difference::of(&of(first), &of(second))
    }
}

impl Outcomes {
    fn of_attack(attacked: &Attacked) -> Self {
        let known = |hit: super::tally::Hit<'_>| Some((hit.case.to_owned(), (hit.success?, subject(hit.request))));
        Self { seed: attacked.seed, of: hits(&attacked.run).into_iter().filter_map(known).collect() }
    }

    fn of_cell(model: &Measured, cell: &str) -> Self {
        let own = model.answers.iter().filter(|answer| answer.cell == cell);
        Self { seed: model.seed, of: own.map(|a| (a.id.clone(), (a.graded.success, subject(&a.prompt)))).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A model with these outcomes, of requests about things of their own or all about one.
    fn model(seed: Option<u64>, hits: &[bool], one: bool) -> Outcomes {
        let of = |(i, hit): (usize, &bool)| (i.to_string(), (*hit, if one { String::new() } else { i.to_string() }));
        Outcomes { seed, of: hits.iter().enumerate().map(of).collect() }
    }

    #[test]
    fn several_seeds_say_no_more_than_one() {
        let (open, safe) = (vec![true; 20], vec![false; 20]);
        let one = Difference::of(&[model(None, &open, false)], &[model(Some(0), &safe, false)]).unwrap();
        let safe = [0, 1, 2].map(|seed| model(Some(seed), &safe, false));
        let three = Difference::of(&[model(None, &open, false)], &safe).unwrap();
        assert!((one.value - 1.0).abs() < 1e-12 && (one.interval.0 - three.interval.0).abs() < 1e-12);
        assert_eq!((one.n, three.n), (20, 20));
        assert_eq!(one.turned().said(), format!("-100 (-100 to {})", signed(-100.0 * one.interval.0)));
    }

    #[test]
    fn only_models_of_one_seed_are_held_against_each_other_where_both_have_several() {
        let hit = |seed: u64, hit: bool| model(Some(seed), &[hit; 8], false);
        let (first, second) = ([hit(0, true), hit(1, false)], [hit(0, true), hit(1, true)]);
        assert_eq!(Difference::of(&first, &second).unwrap().value, -0.5, "0 and -1");
    }

    #[test]
    fn requests_about_one_thing_widen_the_interval_and_nothing_in_common_is_no_difference() {
        let hits = [true, false, true, true, false, true];
        let wide = |one| {
            let pair = [model(None, &hits, one), model(None, &[false; 6], one)];
            Difference::of(&pair[..1], &pair[1..]).map(|d| d.interval.1 - d.interval.0)
        };
        assert!(wide(true) > wide(false));
        assert_eq!(Difference::of(&[model(None, &hits, true)], &[model(None, &[], true)]), None);
        assert_eq!(Difference::of(&[], &[model(None, &hits, true)]), None);
    }
}
