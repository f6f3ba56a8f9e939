//! The fields of a request: each is taken once, and whatever nobody took is refused by its name.

use crate::Fault;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// An object of a request.
pub(crate) struct Fields {
    map: Map<String, Value>,
    /// Where it stands, with a dot behind it; empty for the request itself.
    within: &'static str,
}

impl Fields {
    /// The request itself.
    pub(crate) fn of(body: Value) -> Result<Self, Fault> {
        match body {
            Value::Object(map) => Ok(Self { map, within: "" }),
            _ => Err(Fault::malformed("the request is not a JSON object")),
        }
    }

    /// The object under a key, empty if there is none.
    pub(crate) fn inner(&mut self, key: &str, within: &'static str) -> Result<Self, Fault> {
        match self.map.remove(key) {
            None | Some(Value::Null) => Ok(Self { map: Map::new(), within }),
            Some(Value::Object(map)) => Ok(Self { map, within }),
            Some(_) => Err(Fault::field(self.path(key), format!("`{}` is not an object", self.path(key)))),
        }
    }

    /// The value of a key; null is as good as none.
    pub(crate) fn take<T: DeserializeOwned>(&mut self, key: &str) -> Result<Option<T>, Fault> {
        match self.map.remove(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => serde_json::from_value(value).map(Some).map_err(|error| {
                let path = self.path(key);
                Fault::field(path.clone(), format!("`{path}`: {error}"))
            }),
        }
    }

    /// A number within bounds.
    pub(crate) fn number(&mut self, key: &str, least: f64, most: f64) -> Result<Option<f64>, Fault> {
        let value: Option<f64> = self.take(key)?;
        match value.filter(|v| !(least..=most).contains(v)) {
            Some(v) => Err(self.wrong(key, format!("is {v}, and has to lie in {least}..={most}"))),
            None => Ok(value),
        }
    }

    /// A count within bounds.
    pub(crate) fn count(&mut self, key: &str, least: usize, most: usize) -> Result<Option<usize>, Fault> {
        let value: Option<usize> = self.take(key)?;
        match value.filter(|v| !(least..=most).contains(v)) {
            Some(v) => Err(self.wrong(key, format!("is {v}, and has to lie in {least}..={most}"))),
            None => Ok(value),
        }
    }

    /// A field this server can only honour where it says what is done anyway.
    pub(crate) fn only(&mut self, key: &str, harmless: &[Value]) -> Result<(), Fault> {
        match self.map.remove(key) {
            None | Some(Value::Null) => Ok(()),
            Some(value) if harmless.contains(&value) => Ok(()),
            Some(value) => {
                let can: Vec<String> = harmless.iter().map(ToString::to_string).collect();
                Err(self
                    .wrong(key, format!("= {value} is not honoured here: leave it out, or say {}", can.join(" or "))))
            }
        }
    }

    /// A field that says something about the caller and changes no answer.
    pub(crate) fn ignored(&mut self, key: &str) {
        self.map.remove(key);
    }

    /// Refuses what was not taken.
    pub(crate) fn end(self) -> Result<(), Fault> {
        match self.map.keys().next() {
            None => Ok(()),
            Some(key) => {
                let path = self.path(key);
                let message = format!("`{path}` is not honoured by this server: leave it out");
                Err(Fault { code: "unknown_parameter", ..Fault::field(path, message) })
            }
        }
    }

    pub(crate) fn wrong(&self, key: &str, what: impl std::fmt::Display) -> Fault {
        let path = self.path(key);
        Fault::field(path.clone(), format!("`{path}` {what}"))
    }

    fn path(&self, key: &str) -> String {
        format!("{}{key}", self.within)
    }
}
