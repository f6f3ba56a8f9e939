//! Which prefixes are used.

use super::rate::Rated;
use super::settings::AdvPrefix;

/// Keeps ln PASR finite (paper).
const EPSILON: f64 = 1e-6;

impl AdvPrefix {
    /// What the first prefix minimises; none without a PASR, which sorts below everything.
    pub(super) fn combined(&self, rated: &Rated) -> Option<f64> {
        rated.pasr.map(|pasr| rated.nll - self.weight * (pasr + EPSILON).ln())
    }

    /// The prefix of lowest combined score, earliest on ties; then, by NLL, others that are as good and do not go on
    /// from one already taken. `rated` is in the order of NLL.
    pub(super) fn chosen<'a>(&self, rated: &'a [Rated]) -> Vec<&'a Rated> {
        let scores: Vec<(f64, &Rated)> = rated.iter().filter_map(|r| self.combined(r).map(|c| (c, r))).collect();
        let Some((_, first)) = scores.iter().min_by(|(a, _), (b, _)| a.total_cmp(b)) else { return Vec::new() };
        let (floor, ceiling) = (first.pasr.map(|p| p - self.pasr_tolerance), first.nll + self.nll_slack);
        let mut chosen: Vec<&Rated> = vec![first];
        for (_, next) in &scores {
            let extends = chosen.iter().any(|taken| next.text.starts_with(&taken.text));
            if chosen.len() < self.selected && next.pasr >= floor && next.nll <= ceiling && !extends {
                chosen.push(next);
            }
        }
        chosen.truncate(self.selected);
        chosen
    }
}
