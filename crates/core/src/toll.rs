//! What a monitor's suspicion costs a search that knows the monitor.

/// The price of suspicion, in the search's own score or loss.
///
/// ```text
/// with a limit    suspicion below it: 0; from it on: weight * (1 + suspicion - limit)
/// without one     weight * suspicion
/// ```
///
/// Monitors have different units (a probability, nats, a slope), so a plain product would mean another thing for each. What counts
/// for an answer is whether it is stopped: that costs the weight, in the units of whoever searches, whatever the monitor measures.
/// What is beyond the limit only orders those that are caught, so that a search of which everything is caught still knows where
/// to go.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Toll {
    /// What being caught costs.
    pub weight: f64,
    /// The suspicion from which on an answer is stopped.
    pub limit: Option<f64>,
}

impl Toll {
    /// Whether an answer is stopped; never where no limit is known.
    pub fn catches(&self, suspicion: f64) -> bool {
        self.limit.is_some_and(|limit| suspicion >= limit)
    }

    /// What this suspicion costs.
    pub fn of(&self, suspicion: f64) -> f64 {
        match self.limit {
            None => self.weight * suspicion,
            Some(limit) if suspicion >= limit => self.weight * (1.0 + suspicion - limit),
            Some(_) => 0.0,
        }
    }

    /// Its derivative.
    pub fn slope(&self, suspicion: f64) -> f64 {
        if self.limit.is_none() || self.catches(suspicion) { self.weight } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::Toll;

    #[test]
    fn being_caught_costs_the_weight_and_what_is_beyond_the_limit_orders_the_caught() {
        let toll = Toll { weight: 10.0, limit: Some(0.5) };
        assert_eq!([0.25, 0.5, 0.75].map(|s| toll.of(s)), [0.0, 10.0, 12.5]);
        assert_eq!([0.25, 0.5, 0.75].map(|s| toll.slope(s)), [0.0, 10.0, 10.0]);
        assert_eq!([0.25, 0.5].map(|s| toll.catches(s)), [false, true]);
    }

    #[test]
    fn without_a_limit_suspicion_costs_as_it_is_and_nothing_is_caught() {
        let toll = Toll { weight: 2.0, limit: None };
        assert_eq!((toll.of(-1.5), toll.slope(-1.5), toll.catches(9.0)), (-3.0, 2.0, false));
    }
}
