//! Where on the canvas a model would refuse, and where it would go on.

use crate::Record;
use serde::{Deserialize, Serialize};

/// The fully masked canvas of one prompt, seen by one model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LandscapeRecord {
    /// `original`, or `adapter`.
    pub group: String,
    /// The prompt.
    pub id: String,
    /// Per start the best score of the safe sentences, divided by their length, in nats per token (Eq. 2 without the
    /// window).
    #[serde(with = "crate::number::f64::all")]
    pub safe: Vec<f64>,
    /// The same of the harmful sentences.
    #[serde(with = "crate::number::f64::all")]
    pub harmful: Vec<f64>,
    /// Per position the probability of the end token.
    #[serde(with = "crate::number::f64::all")]
    pub end: Vec<f64>,
    /// Per position the probability that a safe sentence begins here: the sum over their first tokens.
    #[serde(with = "crate::number::f64::all")]
    pub refusal: Vec<f64>,
    /// Per step of a decode and masked position: offset, and the probability that a safe sentence begins there.
    pub refusal_by_step: Vec<Vec<(usize, f64)>>,
    /// Per step the probability of an end token at the leftmost masked position.
    #[serde(with = "crate::number::f64::all")]
    pub end_by_step: Vec<f64>,
}

impl Record for LandscapeRecord {
    const SCHEMA: &'static str = "landscape/1";

    fn key(&self) -> String {
        format!("{}/{}", self.group, self.id)
    }
}
