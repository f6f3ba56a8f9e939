//! Which of a run's cases a process works on: one of several parts without a case in common.

use crate::RecordsError;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// The key under which a manifest says that its folder holds a part of a run.
pub(crate) const SHARD: &str = "shard";
/// The keys of a manifest that are others in a part than in the whole: the values of the whole are kept beside the part.
const OF_THE_WHOLE: [&str; 2] = [SHARD, "items"];

/// One of several equal parts as it is asked for: `2/4`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    number: usize,
    of: usize,
}

/// The cases of a run: in their order, each batch of `unit` together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cases {
    /// How many there are.
    pub total: usize,
    /// How many belong together: 1 where a case comes out the same whatever is computed beside it, else a batch.
    pub unit: usize,
}

/// A part of the cases of a run: a shard, or a chunk of a folder that many share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Which part, from 1.
    pub number: usize,
    /// Of how many.
    pub of: usize,
    /// The places of its cases.
    pub cases: Range<usize>,
    /// All cases of the run.
    pub total: usize,
}

impl Shard {
    /// The `number`th of `of` parts, from 1.
    ///
    /// # Errors
    /// [`RecordsError::NoPart`] if there is no such part.
    pub fn new(number: usize, of: usize) -> Result<Self, RecordsError> {
        match (1..=of).contains(&number) {
            true => Ok(Self { number, of }),
            false => Err(no_part(format!("--shard {number}/{of}: parts are 1/N to N/N, for example 2/4"))),
        }
    }

    /// Of how many parts it is one.
    pub fn of(self) -> usize {
        self.of
    }

    /// Its part of the cases: contiguous, and as equal as whole units allow.
    ///
    /// # Errors
    /// [`RecordsError::NoPart`] if nothing is left for it.
    pub fn part(self, cases: Cases) -> Result<Part, RecordsError> {
        let (Self { number, of }, Cases { total, unit }) = (self, cases);
        let units = total.div_ceil(unit.max(1));
        let end = |parts: usize| (units * parts / of * unit.max(1)).min(total);
        let cases = end(number - 1)..end(number);
        if cases.is_empty() {
            let together = if unit > 1 { format!(", {unit} together") } else { String::new() };
            let what = format!("--shard {self}: nothing is left for it of {total} cases{together}; take fewer shards");
            return Err(no_part(what));
        }
        Ok(Part { number, of, cases, total })
    }
}

impl Cases {
    /// The cases in chunks of `size`, or as many more as make whole units.
    pub fn chunks(self, size: usize) -> Vec<Part> {
        let size = size.max(1).next_multiple_of(self.unit.max(1));
        let of = self.total.div_ceil(size);
        let chunk = |at: usize| at * size..((at + 1) * size).min(self.total);
        (0..of).map(|at| Part { number: at + 1, of, cases: chunk(at), total: self.total }).collect()
    }
}

impl Part {
    /// Says in the manifest of a run that this is a part of it.
    pub fn say(&self, manifest: &mut Value) {
        let mut whole = Map::new();
        for key in OF_THE_WHOLE {
            whole.extend(manifest.get(key).map(|value| (key.to_owned(), value.clone())));
        }
        if let Some(items) = whole.get("items").and_then(Value::as_u64) {
            manifest["items"] = json!(items as usize * self.cases.len() / self.total.max(1));
        }
        let Range { start, end } = self.cases;
        let mut said = json!({"part": self.number, "of": self.of, "cases": [start, end], "total": self.total});
        if !whole.is_empty() {
            said["whole"] = Value::Object(whole);
        }
        manifest[SHARD] = said;
    }

    /// Takes a manifest apart: which part it says it is, and what the manifest of the whole is; none if it is of no part.
    pub fn take(mut manifest: Value) -> Option<(Self, Value)> {
        let said = manifest.get(SHARD)?.clone();
        let number = |value: &Value| value.as_u64().and_then(|n| usize::try_from(n).ok());
        let cases = number(&said["cases"][0])?..number(&said["cases"][1])?;
        let part =
            Self { number: number(&said["part"])?, of: number(&said["of"])?, cases, total: number(&said["total"])? };
        let whole = said["whole"].as_object().cloned().unwrap_or_default();
        if !whole.contains_key(SHARD) {
            manifest.as_object_mut()?.shift_remove(SHARD);
        }
        whole.into_iter().for_each(|(key, value)| manifest[key] = value);
        Some((part, manifest))
    }
}

fn no_part(what: String) -> RecordsError {
    RecordsError::NoPart { what }
}

impl FromStr for Shard {
    type Err = RecordsError;

    fn from_str(text: &str) -> Result<Self, RecordsError> {
        let pair = text.split_once('/').and_then(|(i, n)| Some((i.trim().parse().ok()?, n.trim().parse().ok()?)));
        let (number, of) = pair.ok_or_else(|| no_part(format!("--shard {text}: give i/n, for example 2/4")))?;
        Self::new(number, of)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

impl Serialize for Shard {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
