//! The order of arms under an attack: what was published, and whether it is found here.

use super::Findings;
use super::arms::Arm;
use super::paired::{Difference, signed};
use super::published::{PAPER, Published, REPLICATION, Row};
use mosa_report::{Agreement, Block, Cell, Table};

/// Published differences of fewer points than this are no order.
pub(super) const LEAST: f64 = 3.0;

/// Two arms under one attack, as published and as measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Pair {
    /// The first minus the second, in points, as published.
    pub published: f64,
    /// The same as a share, as measured.
    pub measured: Difference,
}

/// What there is to say of two arms under an attack.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Held {
    /// One of them, or the attack, was not measured, or nothing was published.
    Missing,
    /// The published rates are too close to have an order.
    NoOrder(Pair),
    /// The verdict on the published order.
    Said(Agreement, Pair),
}

impl Held {
    /// An order is borne out where the whole interval is on its side of zero, and not where the interval leaves no room
    /// for [`LEAST`] points that way.
    fn of(pair: Pair) -> Self {
        if pair.published.abs() < LEAST - 1e-9 {
            return Self::NoOrder(pair);
        }
        let measured = if pair.published < 0.0 { pair.measured.turned() } else { pair.measured };
        let (low, high) = measured.interval;
        Self::Said(
            match () {
                () if low > 0.0 => Agreement::Agrees,
                () if high < LEAST / 100.0 => Agreement::Disagrees,
                () => Agreement::Undecided,
            },
            pair,
        )
    }

    pub(super) fn verdict(self) -> Option<Agreement> {
        match self {
            Self::Said(verdict, _) => Some(verdict),
            _ => None,
        }
    }

    fn mark(self) -> Cell {
        match self {
            Self::Missing => Cell::from("–"),
            Self::NoOrder(_) => Cell::from("="),
            Self::Said(verdict, _) => Cell::Verdict(verdict, String::new()),
        }
    }

    /// `✓ +42 (31 to 52)` over `published +58`.
    fn cell(self) -> Cell {
        let words = |pair: Pair| (pair.measured.said(), format!("published {}", signed(pair.published)));
        match self {
            Self::Missing => Cell::from("–"),
            Self::NoOrder(pair) => {
                let (measured, published) = words(pair);
                Cell::from(format!("= {measured}, {published}"))
            }
            Self::Said(verdict, pair) => {
                let (measured, published) = words(pair);
                Cell::Verdict(verdict, format!("{measured}\n{published}"))
            }
        }
    }
}

/// The order of arms under the attacks of one publication.
pub(super) struct Orders {
    published: &'static Published,
    /// The pairs that were measured.
    pairs: Vec<[&'static Arm; 2]>,
    /// The attacks that were run, with what there is to say of each pair.
    rows: Vec<(&'static Row, Vec<Held>)>,
}

impl Findings {
    /// Both publications, as far as their arms and attacks were measured.
    pub(super) fn orders(&self) -> Vec<Orders> {
        [&REPLICATION, &PAPER]
            .map(|published| self.order(published))
            .into_iter()
            .filter(|o| !o.rows.is_empty())
            .collect()
    }

    fn order(&self, published: &'static Published) -> Orders {
        let is_measured = |pair: &[&str; 2]| self.measured(pair).len() == 2;
        let pairs = published.pairs.iter().filter(|pair| is_measured(pair));
        let pairs: Vec<[&Arm; 2]> = pairs.filter_map(|[a, b]| Some([Arm::named(a)?, Arm::named(b)?])).collect();
        let held = |row: &'static Row| -> Vec<Held> { pairs.iter().map(|pair| self.held(row, *pair)).collect() };
        let ran = |row: &&Row| self.assaults().iter().any(|assault| assault.name == row.assault);
        let rows = published.rows.iter().filter(ran).map(|row| (row, held(row)));
        Orders { published, rows: rows.filter(|(_, held)| held.iter().any(|h| *h != Held::Missing)).collect(), pairs }
    }

    fn held(&self, row: &Row, [first, second]: [&'static Arm; 2]) -> Held {
        let published = row.rate(first.name).zip(row.rate(second.name)).map(|(a, b)| a - b);
        let measured = self.attack_difference([first.name, second.name], row.assault);
        let pair = published.zip(measured).map(|(published, measured)| Pair { published, measured });
        pair.map_or(Held::Missing, Held::of)
    }
}

impl Orders {
    /// What is said of the page's front: whose order it is.
    pub(super) fn title(&self) -> &'static str {
        self.published.title
    }

    pub(super) fn verdicts(&self) -> Vec<Agreement> {
        self.rows.iter().flat_map(|(_, held)| held).filter_map(|held| held.verdict()).collect()
    }

    /// What it comes to in marks, then in numbers.
    pub(super) fn blocks(&self) -> [Block; 2] {
        [Block::Table(self.marks()), Block::Table(self.cells())]
    }

    /// A mark for every attack and pair, and how many of each kind a pair has.
    fn marks(&self) -> Table {
        let row = |(row, held): &(&Row, Vec<Held>)| {
            std::iter::once(Cell::from(row.assault)).chain(held.iter().map(|held| held.mark())).collect()
        };
        let count = |(name, verdict): (&str, Agreement)| {
            let of = |at: usize| self.rows.iter().filter(|(_, held)| held[at].verdict() == Some(verdict)).count();
            let counts = (0..self.pairs.len()).map(|at| Cell::from(of(at).to_string()));
            std::iter::once(Cell::from(name)).chain(counts).collect::<Vec<_>>()
        };
        let kinds =
            [("agree", Agreement::Agrees), ("disagree", Agreement::Disagrees), ("undecided", Agreement::Undecided)];
        let counts = kinds.map(count);
        Table {
            caption: format!(
                "{}: whether the published order of two arms is found. ✓ it is, ✗ it is not, ? undecided, = no order \
                 published.",
                self.published.title
            ),
            header: std::iter::once("attack".to_owned()).chain(self.pairs.iter().map(named)).collect(),
            rows: self.rows.iter().map(row).chain(counts).collect(),
        }
    }

    fn cells(&self) -> Table {
        let row = |(row, held): &(&Row, Vec<Held>)| {
            std::iter::once(Cell::from(row.assault)).chain(held.iter().map(|held| held.cell())).collect()
        };
        Table {
            caption: format!(
                "{}. The first arm minus the second in points, measured on the same requests with its 95% interval, \
                 and as published ({}). ✓ the whole interval is on the published side of zero; ✗ it leaves no room for \
                 {LEAST:.0} points on that side; ? neither. Published differences of fewer than {LEAST:.0} points are \
                 no order.",
                self.published.title, self.published.source
            ),
            header: std::iter::once("attack".to_owned()).chain(self.pairs.iter().map(named)).collect(),
            rows: self.rows.iter().map(row).collect(),
        }
    }
}

fn named([first, second]: &[&Arm; 2]) -> String {
    format!("{} − {}", first.title, second.title)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(published: f64, interval: (f64, f64)) -> Held {
        let value = (interval.0 + interval.1) / 2.0;
        Held::of(Pair { published, measured: Difference { value, interval, n: 100 } })
    }

    #[test]
    fn an_order_agrees_where_the_whole_interval_is_on_its_side() {
        assert_eq!(held(40.0, (0.1, 0.5)).verdict(), Some(Agreement::Agrees));
        assert_eq!(held(-40.0, (-0.5, -0.1)).verdict(), Some(Agreement::Agrees));
        assert_eq!(held(40.0, (-0.5, -0.1)).verdict(), Some(Agreement::Disagrees));
        assert_eq!(held(-40.0, (0.1, 0.5)).verdict(), Some(Agreement::Disagrees));
        assert_eq!(held(40.0, (-0.1, 0.5)).verdict(), Some(Agreement::Undecided));
    }

    #[test]
    fn an_interval_without_room_for_the_published_order_disagrees_with_it() {
        assert_eq!(held(40.0, (-0.02, 0.02)).verdict(), Some(Agreement::Disagrees));
        assert_eq!(held(40.0, (-0.02, 0.04)).verdict(), Some(Agreement::Undecided));
    }

    #[test]
    fn published_rates_that_are_nearly_equal_have_no_order() {
        for published in [0.0, 2.9, -2.9] {
            assert_eq!(held(published, (0.1, 0.5)).verdict(), None);
        }
        assert_eq!(held(3.0, (0.1, 0.5)).verdict(), Some(Agreement::Agrees));
    }
}
