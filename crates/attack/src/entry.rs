//! A row of the table of attacks.

use crate::bounds::check_bounds;
use crate::{Attack, Profile, Talk};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::fmt;

/// What fills the roles of a method in the toy language: (role without the method's name, seed of the call, what was asked).
pub(crate) type Rules = fn(&str, u64, &Talk) -> Option<String>;

/// A published method, of which several attacks can be variants.
#[derive(Clone, Copy, Debug)]
pub struct Method {
    /// What the roles of its helpers begin with: `tap` in `tap/judge`.
    pub name: &'static str,
    /// Where it was published; none for what is no attack.
    pub paper: Option<&'static str>,
    /// Whether it needs a model that answers on a canvas. The others were made for models that write from left to right.
    pub native: bool,
    /// Its helpers in the toy language; none where it has no helpers.
    pub(crate) rules: Option<Rules>,
}

impl Method {
    /// Whether the embedded world's helper has rules for it.
    pub fn has_rules(&self) -> bool {
        self.rules.is_some()
    }
}

/// An attack there is: what is known of it before it is made, and how it is made.
pub struct Entry {
    /// Its name, as commands and records have it.
    pub name: &'static str,
    /// The method it is a form of.
    pub method: Method,
    /// What it does, in a line.
    pub about: &'static str,
    /// Whether it is one of the MOSA paper's: the eight of Tables 1 and 2, and the adaptive ones of Table 4.
    pub in_mosa: bool,
    pub(crate) make: fn(&Asked<'_>) -> Made,
}

/// An attack, or a sentence that says which setting cannot be used.
pub(crate) type Made = Result<Box<dyn Attack>, String>;

/// How an attack is wanted.
pub(crate) struct Asked<'a> {
    pub(crate) profile: Profile,
    /// Whether its words are those of the toy world.
    pub(crate) world: bool,
    /// Settings given by hand.
    pub(crate) set: &'a Map<String, Value>,
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Entry {
    /// Makes the attack: its profile, perhaps in words of the toy world, and then the settings given by hand.
    ///
    /// # Errors
    /// A sentence that names the setting that cannot be used.
    pub fn make(&self, profile: Profile, world: bool, set: &Map<String, Value>) -> Result<Box<dyn Attack>, String> {
        (self.make)(&Asked { profile, world, set })
    }
}

impl Asked<'_> {
    /// The attack in words of the toy world where they are asked for, with settings replaced by those given.
    pub(crate) fn boxed<A>(&self, attack: A, in_world: fn(A) -> A) -> Made
    where
        A: Attack + Serialize + DeserializeOwned + 'static,
    {
        let attack = if self.world { in_world(attack) } else { attack };
        let wrong = |what: String| format!("{}: --set: {what}", attack.name());
        let mut settings = serde_json::to_value(&attack).map_err(|e| e.to_string())?;
        if let Value::Object(all) = &mut settings {
            all.extend(self.set.iter().map(|(k, v)| (k.clone(), v.clone())));
        }
        for (key, value) in self.set {
            check_bounds(key, value).map_err(wrong)?;
        }
        let made: A = serde_json::from_value(settings).map_err(|e| wrong(e.to_string()))?;
        Ok(Box::new(made))
    }
}
