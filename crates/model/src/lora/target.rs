//! Which linear layers an adapter attaches to, with PEFT's matching rules.

use crate::{LinearKind, LinearSpec, ModelError};
use regex::Regex;
use std::collections::HashSet;

/// PEFT's `target_modules`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Targets {
    /// A list: a module matches if its path is an entry or ends in `.entry`.
    Names(Vec<String>),
    /// A regular expression that must match the whole path.
    Pattern(String),
    /// `all-linear`: every linear layer except the language-model head and routers.
    AllLinear,
}

/// What targets mean for a model at hand.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Selection {
    /// Indices of the matching layers, in order.
    pub picked: Vec<usize>,
    /// Entries of a list that match nothing.
    pub unmatched: Vec<String>,
}

impl Targets {
    /// The indices of the matching layers, minus those `exclude` matches.
    ///
    /// # Errors
    /// [`ModelError::Adapter`] if the expression is malformed, or if it or one entry of a list matches nothing.
    pub fn select(&self, linears: &[LinearSpec], exclude: Option<&Targets>) -> Result<Vec<usize>, ModelError> {
        let Selection { picked, unmatched } = self.look_up(linears, exclude)?;
        match unmatched.into_iter().next() {
            Some(name) => Err(Self::Names(vec![name]).nothing(linears)),
            None if self.matching(linears)?.is_empty() => Err(self.nothing(linears)),
            None => Ok(picked),
        }
    }

    /// The matching layers, minus those `exclude` matches, and what matches none.
    pub(crate) fn look_up(&self, linears: &[LinearSpec], exclude: Option<&Targets>) -> Result<Selection, ModelError> {
        let mut picked = self.matching(linears)?;
        let mut unmatched = Vec::new();
        if let Self::Names(names) = self {
            let there: HashSet<&str> = linears.iter().flat_map(|l| ends(&l.name)).collect();
            unmatched.extend(names.iter().filter(|name| !there.contains(name.as_str())).cloned());
        }
        let dropped = exclude.map(|e| e.matching(linears)).transpose()?.unwrap_or_default();
        picked.retain(|i| dropped.binary_search(i).is_err());
        Ok(Selection { picked, unmatched })
    }

    /// Whether this is an expression that Python's `re` reads and mosa's regular expressions, which never backtrack, do
    /// not have: look-around or back references.
    pub(crate) fn needs_backtracking(&self) -> bool {
        let Self::Pattern(pattern) = self else { return false };
        match Regex::new(pattern) {
            Err(regex::Error::Syntax(why)) => why.contains("look-around") || why.contains("backreferences"),
            _ => false,
        }
    }

    /// The indices of the matching layers, in order.
    fn matching(&self, linears: &[LinearSpec]) -> Result<Vec<usize>, ModelError> {
        let matcher: Box<dyn Fn(&LinearSpec) -> bool> = match self {
            Self::Names(names) => {
                let names: HashSet<&str> = names.iter().map(String::as_str).collect();
                Box::new(move |l| ends(&l.name).any(|end| names.contains(end)))
            }
            Self::Pattern(pattern) => {
                let regex = full_match(pattern)?;
                Box::new(move |l| regex.is_match(&l.name))
            }
            Self::AllLinear => Box::new(|l| l.block.is_some() && l.kind != LinearKind::Router),
        };
        Ok(linears.iter().enumerate().filter(|(_, l)| matcher(l)).map(|(i, _)| i).collect())
    }

    fn nothing(&self, linears: &[LinearSpec]) -> ModelError {
        let what = match self {
            Self::Names(names) => format!("target {:?}", names.join(", ")),
            Self::Pattern(p) => format!("target pattern {p:?}"),
            Self::AllLinear => "all-linear".into(),
        };
        let last = linears.last().map(|l| l.name.as_str());
        let examples: Vec<&str> = LinearSpec::examples(linears).chain(last).collect();
        ModelError::Adapter(format!(
            "the LoRA {what} matches no linear layer; there are for example {}",
            examples.join(", ")
        ))
    }
}

/// A path, and what is left of it when modules are taken off its front one by one.
pub(super) fn ends(path: &str) -> impl Iterator<Item = &str> {
    std::iter::once(path).chain(path.match_indices('.').map(|(dot, _)| &path[dot + 1..]))
}

/// Python's `re.fullmatch`.
fn full_match(pattern: &str) -> Result<Regex, ModelError> {
    regex(&format!("^(?:{pattern})$"), pattern)
}

/// The values of a rank or alpha pattern, to be looked up for many modules.
pub(crate) struct Patterns<T>(Vec<(Regex, T)>);

impl<T: Copy> Patterns<T> {
    /// Those of `patterns`.
    ///
    /// # Errors
    /// [`ModelError::Adapter`] if a key is no regular expression.
    pub(crate) fn new<'a>(patterns: impl IntoIterator<Item = (&'a String, &'a T)>) -> Result<Self, ModelError>
    where
        T: 'a,
    {
        let read = |(key, value): (&String, &T)| Ok((regex(&format!(r"^(?:.*\.)?(?:{key})$"), key)?, *value));
        Ok(Self(patterns.into_iter().map(read).collect::<Result<_, ModelError>>()?))
    }

    /// The value of the first key that matches `module`, as PEFT looks it up: `(.*\.)?(key)$` from the start.
    pub(crate) fn get(&self, module: &str) -> Option<T> {
        self.0.iter().find(|(key, _)| key.is_match(module)).map(|(_, value)| *value)
    }
}

fn regex(full: &str, shown: &str) -> Result<Regex, ModelError> {
    Regex::new(full).map_err(|e| ModelError::Adapter(format!("{shown:?} is not a usable regular expression: {e}")))
}
