//! A JSON object whose keys are behaviour ids.

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::collections::HashSet;
use std::fmt;
use std::marker::PhantomData;

/// Values by behaviour id, in the order of the file. An id that appears twice is an error, not a value lost.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ById<T>(pub(crate) Vec<(String, T)>);

impl<T: Serialize> Serialize for ById<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (id, value) in &self.0 {
            map.serialize_entry(id, value)?;
        }
        map.end()
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for ById<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Entries(PhantomData))
    }
}

struct Entries<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
    type Value = ById<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with behaviour ids as keys")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ById<T>, A::Error> {
        let mut seen = HashSet::new();
        let mut entries = Vec::new();
        while let Some((id, value)) = map.next_entry::<String, T>()? {
            if !seen.insert(id.clone()) {
                return Err(A::Error::custom(format!("the id {id:?} appears twice; merge or remove one of the two")));
            }
            entries.push((id, value));
        }
        Ok(ById(entries))
    }
}
