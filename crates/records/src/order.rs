//! In which order an answer was revealed.

use crate::Record;
use serde::{Deserialize, Serialize};

/// The order of one answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OrderRecord {
    /// Which file of prompts, for example `benign` or `adversarial`.
    pub group: String,
    /// The prompt; unique in its group.
    pub id: String,
    /// Response positions.
    pub length: usize,
    /// Per step the response offsets of the words it revealed, ascending.
    pub words: Vec<Vec<usize>>,
    /// Per step the response offsets of the end tokens it revealed, ascending.
    pub ends: Vec<Vec<usize>>,
}

impl Record for OrderRecord {
    const SCHEMA: &'static str = "order/1";

    fn key(&self) -> String {
        format!("{}/{}", self.group, self.id)
    }
}

impl OrderRecord {
    /// (step, offset) of every word.
    pub fn pairs(&self) -> Vec<(f64, f64)> {
        let pairs = self.words.iter().enumerate();
        pairs.flat_map(|(step, at)| at.iter().map(move |&p| (step as f64, p as f64))).collect()
    }
}
