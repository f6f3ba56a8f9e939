//! How large a number among an attack's settings can be.

use serde_json::Value;

/// The most of what an attack counts: rounds, candidates, attempts, places in a tree.
const MOST: f64 = 10_000.0;
/// The most of what it measures: tokens, positions, characters, queries and steps in all, nats.
const LARGEST: f64 = 1_000_000.0;
/// The last words of the keys that measure.
const MEASURES: [&str; 19] = [
    "length",
    "tokens",
    "context",
    "queries",
    "cap",
    "generations",
    "steps",
    "limit",
    "chars",
    "nll",
    "slack",
    "temperature",
    "margin",
    "tolerance",
    "above",
    "weight",
    "canvas",
    "offset",
    "depth",
];

/// Refuses a number that is larger than what could be meant, by its key.
pub(crate) fn check_bounds(key: &str, value: &Value) -> Result<(), String> {
    let most = if key.rsplit(['_', '.']).next().is_some_and(|last| MEASURES.contains(&last)) { LARGEST } else { MOST };
    match value {
        Value::Number(n) => match n.as_f64().filter(|n| n.abs() <= most) {
            Some(n) if n < 0.0 && key.ends_with("temperature") => Err(format!("{key} = {n} is below 0")),
            Some(_) => Ok(()),
            None => Err(format!("{key} = {n} is more than {most}")),
        },
        Value::Array(all) => all.iter().try_for_each(|value| check_bounds(key, value)),
        Value::Object(all) => all.iter().try_for_each(|(name, value)| check_bounds(&format!("{key}.{name}"), value)),
        _ => Ok(()),
    }
}
