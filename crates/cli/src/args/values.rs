//! Values that are no fixed list, with those that help and completions can offer.

use clap::builder::{PossibleValue, TypedValueParser};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::error::Error;
use std::ffi::OsStr;
use std::marker::PhantomData;
use std::str::FromStr;

/// Reads a value as its type does; `shown` are examples of what it takes.
pub(crate) fn parsed<T>(shown: impl IntoIterator<Item = &'static str>) -> Parsed<T> {
    Parsed { shown: shown.into_iter().collect(), of: PhantomData }
}

/// A parser made by [`parsed`].
pub(crate) struct Parsed<T> {
    shown: Vec<&'static str>,
    of: PhantomData<fn() -> T>,
}

impl<T> Clone for Parsed<T> {
    fn clone(&self) -> Self {
        Self { shown: self.shown.clone(), of: PhantomData }
    }
}

impl<T> TypedValueParser for Parsed<T>
where
    T: FromStr + Clone + Send + Sync + 'static,
    T::Err: Into<Box<dyn Error + Send + Sync + 'static>>,
{
    type Value = T;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<Self::Value, clap::Error> {
        let read = |text: &str| text.parse::<T>();
        read.parse_ref(command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.shown.iter().map(PossibleValue::new)))
    }
}

/// What a chat template is told by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct TemplateArguments(pub BTreeMap<String, Value>);

impl FromStr for TemplateArguments {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        serde_json::from_str(text)
            .map(Self)
            .map_err(|e| format!("not a JSON object like {{\"enable_thinking\": false}}: {e}"))
    }
}
