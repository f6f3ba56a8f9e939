//! The tensors of an adapter file, each at the layer it belongs to.

use crate::naming::unwrapped;
use crate::{Checkpoint, LinearSpec, ModelError, ModelSpec};
use std::collections::BTreeMap;

/// One of the two factors of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Side {
    A,
    B,
}

/// What peft puts before the path of a module.
const PREFIX: &str = "base_model.model.";

/// The name in the file of every factor, by layer.
pub(super) struct Factors(BTreeMap<(usize, Side), String>);

impl Factors {
    /// Finds the layer of every tensor in `file`.
    ///
    /// # Errors
    /// [`ModelError::Stored`] naming the tensor that has none, or is no factor of a linear layer, or is the second of its
    /// kind.
    pub(super) fn find(file: &Checkpoint, spec: &ModelSpec) -> Result<Self, ModelError> {
        let mut found: BTreeMap<(usize, Side), String> = BTreeMap::new();
        for name in file.tensors().keys() {
            let error = |what: String| ModelError::stored(file.source(), name, what);
            let (module, side) = parse(name).map_err(|what| error(what.to_owned()))?;
            let layer = layer(&module, spec).map_err(error)?;
            if let Some(other) = found.insert((layer, side), name.clone()) {
                return Err(error(format!(
                    "and {other} are the same factor of {}: the file holds several adapters; save one alone",
                    spec.linears[layer].name
                )));
            }
        }
        Ok(Self(found))
    }

    /// The layers with any factor, and the name of that factor.
    pub(super) fn layers(&self) -> impl Iterator<Item = (usize, &str)> {
        self.0.iter().map(|((layer, _), name)| (*layer, name.as_str()))
    }

    /// The name of a factor in the file; of one that is not there, the name peft would give it.
    pub(super) fn name(&self, layer: usize, side: Side, spec: &ModelSpec) -> String {
        let usual = || format!("{PREFIX}{}.lora_{side:?}.weight", spec.linears[layer].name);
        self.0.get(&(layer, side)).cloned().unwrap_or_else(usual)
    }
}

/// The module path of a factor and its side. Between `lora_A` and `weight` may stand the adapter's name, and wrappers may
/// stand anywhere.
fn parse(name: &str) -> Result<(String, Side), &'static str> {
    let plain = unwrapped(name);
    if plain.contains("lora_magnitude_vector") {
        return Err("belongs to DoRA, which is not supported: merge the adapter with peft and load the merged model");
    }
    if plain.contains(".modules_to_save.") || plain.contains("lora_embedding_") {
        return Err("is not a factor of a linear layer (`modules_to_save`, or an adapted embedding), which is not \
                    supported: merge the adapter with peft and load the merged model");
    }
    let split = [(".lora_A.", Side::A), (".lora_B.", Side::B)]
        .into_iter()
        .find_map(|(mark, side)| plain.split_once(mark).map(|(module, rest)| (module, rest, side)));
    let Some((module, rest, side)) = split else { return Err("is no LoRA factor (lora_A or lora_B)") };
    let is_weight = rest == "weight" || rest.strip_suffix(".weight").is_some_and(|n| !n.contains('.'));
    if !is_weight {
        return Err("is not the weight of a LoRA factor, which is all that is supported");
    }
    let mut module = module;
    while let Some(inner) = module.strip_prefix(PREFIX) {
        module = inner;
    }
    Ok((module.to_owned(), side))
}

/// The layer whose path this is, with the same path or with more or less in front of it.
fn layer(module: &str, spec: &ModelSpec) -> Result<usize, String> {
    let exact = spec.linears.iter().position(|l| l.name == module);
    if let Some(layer) = exact {
        return Ok(layer);
    }
    let ends = |long: &str, short: &str| long.strip_suffix(short).is_some_and(|front| front.ends_with('.'));
    let close = |name: &str| ends(name, module) || ends(module, name);
    let mut all = spec.linears.iter().enumerate().filter(|(_, l)| close(&l.name)).map(|(i, _)| i);
    match (all.next(), all.next()) {
        (Some(layer), None) => Ok(layer),
        (Some(a), Some(b)) => Err(format!(
            "could belong to {} or {}: the path of its module is cut off",
            spec.linears[a].name, spec.linears[b].name
        )),
        (None, _) => {
            let examples: Vec<&str> = LinearSpec::examples(&spec.linears).collect();
            Err(format!(
                "is for the module {module}, which this {} model does not have (it has {}, ...): the adapter does not \
                 fit, it belongs to another model",
                spec.family,
                examples.join(", ")
            ))
        }
    }
}
