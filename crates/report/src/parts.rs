//! A sample in parts: how often each of several outcomes came up, the first of which is the rate.

use crate::number::DASH;
use mosa_core::stats::Rate;
use serde::Serialize;

/// The most parts a sample can have: as many as have an ink of their own.
pub const MAX_PARTS: usize = 6;

/// How often each of several outcomes came up, such as complied, refused in words, broke off. The first is what rates
/// count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// The outcomes by name, in the order in which they are drawn, at most [`MAX_PARTS`]. The same place has the same
    /// ink everywhere on a page.
    pub parts: Vec<(String, usize)>,
    /// How many of them are independent, if not all: intervals are those of so many cases.
    pub cases: Option<usize>,
    /// Whether the first outcome is what one wants rather than what one fears: then it has an ink that says so.
    pub wanted: bool,
}

/// A bar of parts as the page draws it.
#[derive(Debug, Serialize)]
pub(crate) struct Stripe {
    rate: String,
    of: String,
    interval: String,
    /// The ends of the interval, in percent.
    low: String,
    high: String,
    /// What the bar says, in words.
    label: String,
    pieces: Vec<Piece>,
}

/// A part of a bar, in percent of its length.
#[derive(Debug, Serialize)]
struct Piece {
    ink: Ink,
    x: String,
    width: String,
}

/// An entry of the legend of a table.
#[derive(Debug, Serialize)]
pub(crate) struct Key {
    ink: Ink,
    name: String,
}

/// What a part is filled with: the number of its place, or `wanted`, as the style sheet has it.
type Ink = std::borrow::Cow<'static, str>;

impl Parts {
    /// How many cases there are.
    pub fn n(&self) -> usize {
        self.parts.iter().map(|(_, k)| k).sum()
    }

    /// How often the first came up.
    pub fn k(&self) -> usize {
        self.parts.first().map_or(0, |(_, k)| *k)
    }

    /// The rate of the first part, over independent cases; none without any.
    pub(crate) fn rate(&self) -> Option<Rate> {
        let n = self.n();
        (n > 0).then(|| Rate { n: self.cases.map_or(n, |cases| cases.min(n)), ..Rate::of(self.k(), n) })
    }

    /// `62% (48/78), 51-72`; a dash without cases.
    pub(crate) fn shown(&self) -> String {
        let said = |rate: Rate| format!("{} ({}/{}), {}", rate.percent(), self.k(), self.n(), rate.percent_interval());
        self.rate().map_or(DASH.into(), said)
    }

    /// Every part that came up: `complied 48, refused in words 30`.
    pub(crate) fn told(&self) -> String {
        let some = self.parts.iter().filter(|(_, k)| *k > 0);
        some.map(|(name, k)| format!("{name} {k}")).collect::<Vec<_>>().join(", ")
    }

    /// The ink of the part at a place.
    fn ink(&self, at: usize) -> Ink {
        if at == 0 && self.wanted { "wanted".into() } else { at.to_string().into() }
    }

    /// The bar; none without cases.
    pub(crate) fn stripe(&self) -> Option<Stripe> {
        let (k, n) = (self.k(), self.n());
        let rate = self.rate()?;
        let percent = |share: f64| format!("{:.2}", 100.0 * share);
        let (low, high) = rate.wilson();
        let mut before = 0;
        let mut pieces = Vec::new();
        for (at, (_, k)) in self.parts.iter().enumerate().filter(|(_, (_, k))| *k > 0) {
            let share = |k: usize| percent(k as f64 / n as f64);
            pieces.push(Piece { ink: self.ink(at), x: share(before), width: share(*k) });
            before += k;
        }
        let interval = rate.percent_interval();
        let label = format!("{} of {n}: {}", rate.percent(), self.told());
        let (low, high) = (percent(low), percent(high));
        Some(Stripe { rate: rate.percent(), of: format!("{k}/{n}"), interval, low, high, label, pieces })
    }
}

/// The legend of bars: the outcomes that came up in any, in their order.
pub(crate) fn legend<'a>(all: impl Iterator<Item = &'a Parts> + Clone) -> Vec<Key> {
    let named = |at: usize, wanted: bool| {
        let own = all.clone().filter(move |parts| at > 0 || parts.wanted == wanted);
        let mut some = own.filter_map(move |parts| Some((parts, parts.parts.get(at).filter(|(_, k)| *k > 0)?)));
        some.next().map(|(parts, (name, _))| Key { ink: parts.ink(at), name: name.clone() })
    };
    [named(0, true), named(0, false)].into_iter().chain((1..MAX_PARTS).map(|at| named(at, false))).flatten().collect()
}
