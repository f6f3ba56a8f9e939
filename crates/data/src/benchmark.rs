//! A set of behaviours.

use crate::{Behaviour, DataError, Kind};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// What a benchmark file holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Benchmark {
    /// Which benchmark it is.
    pub kind: Kind,
    /// Its behaviours, in the order of the file.
    pub behaviours: Vec<Behaviour>,
    /// SHA-256 of the file's bytes, in hexadecimal digits.
    pub sha256: String,
    /// What a reader of results has to know: rows left out, targets that belong to another row, columns joined.
    pub notes: Vec<String>,
}

impl Benchmark {
    /// The behaviour with that id.
    pub fn get(&self, id: &str) -> Option<&Behaviour> {
        self.behaviours.iter().find(|b| b.id == id)
    }

    /// The behaviours with these ids, in the order of the list: a recorded sample, made again.
    ///
    /// # Errors
    /// [`DataError::UnknownId`] if one is not there.
    pub fn select(&self, ids: &[String]) -> Result<Self, DataError> {
        let by_id: HashMap<&str, &Behaviour> = self.behaviours.iter().map(|b| (b.id.as_str(), b)).collect();
        let behaviours =
            ids.iter().map(|id| by_id.get(id.as_str()).map(|b| (*b).clone()).ok_or_else(|| self.unknown(id)));
        Ok(Self { behaviours: behaviours.collect::<Result<_, _>>()?, ..self.clone() })
    }

    pub(crate) fn unknown(&self, id: &str) -> DataError {
        DataError::UnknownId { id: id.to_owned(), kind: self.kind.name(), rows: self.behaviours.len() }
    }
}
