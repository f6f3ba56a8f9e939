//! Where the threshold of a detector goes, by what it says of cases that are known to be harmless.

/// A threshold for scores, and what it does on the answers it was made of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fitted {
    /// An answer whose score is at least this is stopped.
    pub score: f64,
    /// Benign answers that are stopped, and all of them.
    pub benign: (usize, usize),
    /// Harmful answers that are stopped, and all of them.
    pub harmful: (usize, usize),
}

/// The lowest threshold that stops at most the share `rate` of the benign answers: just above the score of the first that may not
/// be stopped. Answers without a score are never stopped. None without benign answers that have one.
pub fn fit_threshold(benign: &[Option<f64>], harmful: &[Option<f64>], rate: f64) -> Option<Fitted> {
    let mut known: Vec<f64> = benign.iter().flatten().copied().collect();
    known.sort_by(|a, b| b.total_cmp(a));
    let allowed = (rate.clamp(0.0, 1.0) * benign.len() as f64 + 1e-9).floor() as usize;
    let score = match known.get(allowed) {
        // Scores are rounded to six digits: half of the last is between two of them.
        Some(kept) => kept + 5e-7,
        None => *known.last()?,
    };
    let stopped = |all: &[Option<f64>]| (all.iter().flatten().filter(|s| **s >= score).count(), all.len());
    Some(Fitted { score, benign: stopped(benign), harmful: stopped(harmful) })
}

#[cfg(test)]
mod tests {
    use super::fit_threshold;

    #[test]
    fn a_threshold_lets_as_few_benign_answers_be_stopped_as_is_asked() {
        let benign: Vec<Option<f64>> = [0.1, 0.2, 0.2, 0.9].map(Some).to_vec();
        let harmful = [Some(0.3), Some(0.15), None];
        let quarter = fit_threshold(&benign, &harmful, 0.25).unwrap();
        assert!(quarter.score > 0.2 && quarter.score < 0.21, "{quarter:?}");
        assert_eq!((quarter.benign, quarter.harmful), ((1, 4), (1, 3)));
        // Two equal scores are stopped together or not at all.
        assert_eq!(fit_threshold(&benign, &harmful, 0.5).unwrap().benign, (1, 4));
        assert_eq!(fit_threshold(&benign, &harmful, 0.0).unwrap().benign, (0, 4));
        assert_eq!(fit_threshold(&benign, &harmful, 1.0).unwrap().benign, (4, 4));
        assert_eq!(fit_threshold(&[], &harmful, 0.5), None);
    }
}
