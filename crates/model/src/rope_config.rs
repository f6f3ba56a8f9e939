//! What config.json says about rotation: its base and its scaling, in the words of transformers 4 (`rope_theta`,
//! `rope_scaling`) and 5 (`rope_parameters`).

use crate::ModelError;
use crate::keys::Keys;
use serde_json::{Map, Value};

/// How positions become angles, position / factor * theta^(-2j/d), and in which type they are used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RopeConfig {
    /// Base of the frequencies.
    pub theta: f64,
    /// By how much positions are stretched (`rope_type` linear); 1 without scaling.
    pub factor: f64,
    /// In which type queries and keys are rotated.
    pub precision: RopePrecision,
    /// How many of a head's first channels are rotated; none: all.
    pub channels: Option<usize>,
}

/// In which type queries and keys are rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RopePrecision {
    /// Cast to f32, rotate, cast back (LLaDA's `rope_full_precision`).
    Full,
    /// Tables cast to the activation type (Dream, Qwen).
    Activation,
}

/// What one of the two objects says.
#[derive(Clone, Copy)]
struct Said {
    theta: Option<f64>,
    factor: f64,
}

impl RopeConfig {
    /// `rope_type` without scaling.
    pub const DEFAULT: &str = "default";
    /// `rope_type` with positions divided by `factor`.
    pub const LINEAR: &str = "linear";

    /// Reads all keys about rotation. `kinds` are the values of `rope_type` that the published code of the family knows
    /// and mosa computes.
    ///
    /// # Errors
    /// [`ModelError::Key`] if another kind is named, if keys contradict each other, or if there are layers of several kinds.
    pub fn read(keys: &Keys<'_>, kinds: &[&str], precision: RopePrecision) -> Result<Self, ModelError> {
        // What `rope_parameters` says is read by the kind of layer.
        check_layers(keys)?;
        let top = keys.number_or_none("rope_theta")?;
        let mut theta: Option<(String, f64)> = top.map(|t| ("rope_theta".to_owned(), t));
        let mut factor: Option<(&str, f64)> = None;
        for place in ["rope_scaling", "rope_parameters"] {
            let Some(said) = Said::read(keys, place, kinds)? else { continue };
            let inner = said.theta.map(|t| (format!("{place}.rope_theta"), t));
            theta = agreed(keys, theta, inner)?;
            factor = match factor {
                Some((other, f)) if f != said.factor => {
                    let what =
                        format!("and `{other}` ask for different scalings: keep the one the model was made with");
                    return Err(keys.error(place, what));
                }
                _ => Some((place, said.factor)),
            };
        }
        let (place, theta) = theta.ok_or_else(|| {
            keys.error("rope_theta", "is missing, and there is no `rope_parameters` with a `rope_theta` either")
        })?;
        if !(theta.is_finite() && theta > 1.0) {
            return Err(keys.error(&place, format!("= {theta} cannot be right: the base of a rotation is above 1")));
        }
        Ok(Self { theta, factor: factor.map_or(1.0, |(_, f)| f), precision, channels: None })
    }
}

/// Refuses layers of another kind than the one these families have.
fn check_layers(keys: &Keys<'_>) -> Result<(), ModelError> {
    let full = |v: &Value| v.as_array().is_some_and(|all| all.iter().all(|t| t == FULL));
    keys.refuse_unless("layer_types", full, "only full_attention in every layer")
}

/// The base that two places name, if they do not contradict each other.
fn agreed(
    keys: &Keys<'_>,
    one: Option<(String, f64)>,
    other: Option<(String, f64)>,
) -> Result<Option<(String, f64)>, ModelError> {
    match (one, other) {
        (Some((place, a)), Some((inner, b))) if a != b => Err(keys.error(
            &inner,
            format!("= {b}, but `{place}` = {a}: which one holds is unclear; keep the one the model was trained with"),
        )),
        (one, other) => Ok(one.or(other)),
    }
}

impl Said {
    /// What the object at `place` says; `None` if it is absent or empty.
    fn read(keys: &Keys<'_>, place: &str, kinds: &[&str]) -> Result<Option<Self>, ModelError> {
        let Some(value) = keys.get(place) else { return Ok(None) };
        let Value::Object(map) = value else {
            return Err(keys.error(place, format!("= {value} is not an object like {{\"rope_type\": \"default\"}}")));
        };
        if !map.is_empty() && map.values().all(Value::is_object) {
            return Self::of_layers(&Object { keys, place, map }, kinds);
        }
        Self::of_object(&Object { keys, place, map }, kinds)
    }

    /// An object per kind of layer. All layers of these families are of one kind.
    fn of_layers(object: &Object<'_, '_>, kinds: &[&str]) -> Result<Option<Self>, ModelError> {
        let Object { keys, place, map } = *object;
        // `layer_types`, where it is there, was found to name full attention only: other entries are for nothing then.
        let others_count = keys.get("layer_types").is_none();
        if let Some(other) = map.keys().find(|name| *name != FULL).filter(|_| others_count) {
            let what = format!("has an entry for {other:?} layers; there are only {FULL:?} ones in this family");
            return Err(keys.error(place, what));
        }
        match map.get(FULL) {
            Some(Value::Object(map)) => {
                Self::of_object(&Object { keys, place: &format!("{place}.{FULL}"), map }, kinds)
            }
            _ => Err(keys.error(place, format!("has no entry for {FULL:?} layers"))),
        }
    }

    fn of_object(object: &Object<'_, '_>, kinds: &[&str]) -> Result<Option<Self>, ModelError> {
        let given: Vec<&String> = object.map.iter().filter(|(_, v)| !v.is_null()).map(|(k, _)| k).collect();
        if given.is_empty() {
            return Ok(None);
        }
        let kind = match object.kind(&given)? {
            RopeConfig::LINEAR if object.number("factor")? == Some(1.0) => RopeConfig::DEFAULT,
            kind => kind,
        };
        if !kinds.contains(&kind) {
            let known: Vec<String> = kinds.iter().map(|k| format!("{k:?}")).collect();
            let what = format!(
                "= {kind:?} is not supported: mosa computes {} rotation for this family. A canvas rotated otherwise gives \
                 other answers; without the key the model is the one it was before its context was extended",
                known.join(" or ")
            );
            return Err(object.error("rope_type", what));
        }
        for key in given {
            object.known(key)?;
        }
        Ok(Some(Self { theta: object.number("rope_theta")?, factor: object.factor(kind)? }))
    }
}

/// The name of the only kind of layer these families have.
const FULL: &str = "full_attention";

/// A JSON object inside config.json.
struct Object<'k, 'a> {
    keys: &'k Keys<'a>,
    place: &'k str,
    map: &'k Map<String, Value>,
}

impl Object<'_, '_> {
    fn error(&self, key: &str, what: impl ToString) -> ModelError {
        self.keys.error(&format!("{}.{key}", self.place), what)
    }

    /// The type under its new or its old name.
    fn kind(&self, given: &[&String]) -> Result<&str, ModelError> {
        let named = |key: &str| match self.map.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(s)) => Ok(Some(s.as_str())),
            Some(other) => Err(self.error(key, format!("= {other} is not the name of a rotation"))),
        };
        match (named("rope_type")?, named("type")?) {
            (Some(a), Some(b)) if a != b => {
                Err(self.error("type", format!("= {b:?}, but `rope_type` = {a:?}: keep one of them")))
            }
            (Some(kind), _) | (None, Some(kind)) => Ok(kind),
            (None, None) if given.iter().all(|k| self.says_nothing(k)) => Ok(RopeConfig::DEFAULT),
            (None, None) => Err(self.error("rope_type", "is missing, so what the other keys ask for is unclear")),
        }
    }

    /// By how much a rotation of this kind stretches positions.
    fn factor(&self, kind: &str) -> Result<f64, ModelError> {
        match (kind, self.number("factor")?) {
            (RopeConfig::LINEAR, Some(f)) if f.is_finite() && f > 0.0 => Ok(f),
            (RopeConfig::LINEAR, Some(f)) => Err(self.error("factor", format!("= {f} is not a positive number"))),
            (RopeConfig::LINEAR, None) => Err(self.error("factor", "is missing: linear scaling needs it")),
            (_, None | Some(1.0)) => Ok(1.0),
            (_, Some(f)) => {
                let what = format!("= {f} has no meaning for rope_type {kind:?}: name the type, or remove the factor");
                Err(self.error("factor", what))
            }
        }
    }

    /// Whether a key changes nothing whatever the type is.
    fn says_nothing(&self, key: &str) -> bool {
        self.known(key).is_ok() && (key != "factor" || self.map[key].as_f64() == Some(1.0))
    }

    /// Refuses a key that mosa does not compute with.
    fn known(&self, key: &str) -> Result<(), ModelError> {
        match key {
            "rope_type" | "type" | "rope_theta" | "factor" => Ok(()),
            // Read for types that are refused above only.
            "original_max_position_embeddings" => Ok(()),
            "partial_rotary_factor" | "attention_factor" if self.number(key)? == Some(1.0) => Ok(()),
            _ => Err(self.error(key, format!("= {} is not supported", self.map[key]))),
        }
    }

    fn number(&self, key: &str) -> Result<Option<f64>, ModelError> {
        match self.map.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => {
                value.as_f64().map(Some).ok_or_else(|| self.error(key, format!("= {value} is not a number")))
            }
        }
    }
}
