//! Which run a folder is of: what two manifests must share.

use serde_json::Value;
use std::collections::BTreeSet;

/// The form of manifests that this version writes. Those of an earlier form are read by [`Identity::read_earlier`].
pub const MANIFEST_SCHEMA: &str = "run/2";
/// The forms before it.
const EARLIER: [&str; 1] = ["run/1"];
/// What a manifest says beside the run: its form, where it was started, and the words it was asked for in.
const BESIDE: [&str; 3] = ["schema", "machine", "asked"];
/// What may be another one in the next session of a run. It is said.
const SAID: [&str; 4] = ["mosa", "libtorch", "device.number", "device.card"];

/// A run, as its manifest says it.
pub trait Identity {
    /// What a new folder says of it. The numbers of a run may depend on everything in it but `mosa`, `libtorch`, number
    /// and card of `device`, which are said where they change, and `machine` and `asked`, which are not compared.
    fn manifest(&self) -> &Value;

    /// What keys mean that a recorded manifest lacks because the version that wrote it did not have them: a value for every
    /// key that has a default, in the places of [`Self::manifest`]. A key without one stands for null.
    fn defaults(&self) -> &Value {
        &Value::Null
    }

    /// A manifest of an earlier form in the words of this one; what cannot be known goes into `notes`.
    fn read_earlier(&self, recorded: Value, _notes: &mut Vec<String>) -> Value {
        recorded
    }

    /// The flag that brings back what was recorded under a key, where it is known.
    fn fix(&self, _key: &str, _recorded: &Value) -> Option<String> {
        None
    }
}

impl Identity for Value {
    fn manifest(&self) -> &Value {
        self
    }
}

/// How a recorded manifest compares with a run.
#[derive(Debug, Default)]
pub(crate) struct Comparison {
    /// The keys that make it another run, with both values.
    pub(crate) differences: Vec<String>,
    /// What is different and does not matter, or is not known.
    pub(crate) notes: Vec<String>,
}

impl Comparison {
    /// Compares key by key; keys inside others are joined by dots.
    pub(crate) fn of(recorded: Value, run: &dyn Identity) -> serde_json::Result<Self> {
        // As it reads back: numbers may be written in other words than they are held in.
        let here: Value = serde_json::from_str(&run.manifest().to_string())?;
        let schema = recorded["schema"].as_str().unwrap_or(EARLIER[0]).to_owned();
        let mut this = Self::default();
        if schema != MANIFEST_SCHEMA && !EARLIER.contains(&schema.as_str()) {
            this.differences.push(format!("schema was {schema}, which a later version of mosa wrote"));
            return Ok(this);
        }
        let mut there = recorded;
        if schema != MANIFEST_SCHEMA && there.is_object() {
            there = run.read_earlier(there, &mut this.notes);
        }
        this.walk(run, "", Sides { there: Some(&there), here: Some(&here), default: run.defaults() });
        Ok(this)
    }

    fn walk(&mut self, run: &dyn Identity, key: &str, sides: Sides<'_>) {
        if BESIDE.contains(&key) {
            return;
        }
        for (name, inner) in sides.inner() {
            self.walk(run, &if key.is_empty() { name } else { format!("{key}.{name}") }, inner);
        }
        let (there, here) = (sides.there(), sides.here.unwrap_or(&Value::Null));
        if sides.are_split() || there == here {
            return;
        }
        let name = if key.is_empty() { "the manifest" } else { key };
        let said = format!("{name} was {}, is {}", short(there), short(here));
        if SAID.contains(&key) {
            if !there.is_null() {
                self.notes.push(format!("{said}; the run goes on"));
            }
            return;
        }
        let fix = run.fix(key, there).map_or_else(String::new, |flag| format!(" (give {flag})"));
        self.differences.push(format!("{said}{fix}"));
    }
}

/// A value of the recorded manifest, of this run, and what it means where it is not recorded.
#[derive(Clone, Copy)]
struct Sides<'a> {
    there: Option<&'a Value>,
    here: Option<&'a Value>,
    default: &'a Value,
}

impl<'a> Sides<'a> {
    fn there(&self) -> &'a Value {
        self.there.unwrap_or(self.default)
    }

    /// Whether the values are compared part by part.
    fn are_split(&self) -> bool {
        match (self.there(), self.here.unwrap_or(&Value::Null)) {
            (Value::Object(_), Value::Object(_)) => true,
            (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().chain(b).all(Value::is_object),
            _ => false,
        }
    }

    /// The parts, by name or number.
    fn inner(self) -> Vec<(String, Self)> {
        let (there, here) = (self.there(), self.here.unwrap_or(&Value::Null));
        match (there, here) {
            _ if !self.are_split() => Vec::new(),
            (Value::Array(a), Value::Array(b)) => {
                let pairs = a.iter().zip(b).enumerate();
                let sides = |(there, here)| Self { there: Some(there), here: Some(here), default: &Value::Null };
                pairs.map(|(at, pair)| (at.to_string(), sides(pair))).collect()
            }
            _ => {
                let keys = |value: &'a Value| value.as_object().into_iter().flat_map(serde_json::Map::keys);
                let keys: BTreeSet<&String> = keys(there).chain(keys(here)).collect();
                let sides = |key: &String| Self {
                    there: there.get(key),
                    here: here.get(key),
                    default: self.default.get(key).unwrap_or(&Value::Null),
                };
                keys.into_iter().map(|key| (key.clone(), sides(key))).collect()
            }
        }
    }
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 60 { text } else { format!("{}...", text.chars().take(57).collect::<String>()) }
}
