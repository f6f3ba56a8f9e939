//! The least-squares slope of a series that grows.

/// A series of (step, value).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Slope {
    n: f64,
    x: f64,
    y: f64,
    xx: f64,
    xy: f64,
}

impl Slope {
    /// Adds a point.
    pub(super) fn push(&mut self, x: f64, y: f64) {
        self.n += 1.0;
        self.x += x;
        self.y += y;
        self.xx += x * x;
        self.xy += x * y;
    }

    /// (n Σxy - Σx Σy) / (n Σx² - (Σx)²); none of fewer than two different steps.
    pub(super) fn value(&self) -> Option<f64> {
        let spread = self.n * self.xx - self.x * self.x;
        (spread > 0.0).then(|| (self.n * self.xy - self.x * self.y) / spread)
    }
}

#[cfg(test)]
mod tests {
    use super::Slope;

    #[test]
    fn a_slope_is_that_of_the_best_line() {
        let mut slope = Slope::default();
        slope.push(0.0, 1.0);
        assert_eq!(slope.value(), None);
        slope.push(1.0, 3.0);
        assert_eq!(slope.value(), Some(2.0));
        // Points (0, 1), (1, 3), (3, 2): means 4/3 and 2; sums of squares 14/3 and of products 1.
        slope.push(3.0, 2.0);
        assert!((slope.value().unwrap() - 1.0 / (14.0 / 3.0)).abs() < 1e-12);
    }
}
