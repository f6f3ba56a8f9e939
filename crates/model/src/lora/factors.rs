//! The tensors of an adapter file, each at the layer it belongs to.

use super::target::ends;
use crate::naming::unwrapped;
use crate::{Checkpoint, LinearSpec, ModelError, ModelSpec};
use std::collections::{BTreeMap, BTreeSet, HashMap};

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
        let layers = Layers::new(spec);
        let mut found: BTreeMap<(usize, Side), String> = BTreeMap::new();
        for name in file.tensors().keys() {
            let error = |what: String| ModelError::stored(file.source(), name, what);
            let (module, side) = parse(name).map_err(|what| error(what.to_owned()))?;
            let layer = layers.find(&module).map_err(error)?;
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

/// The layers of a model by their paths.
struct Layers<'a> {
    spec: &'a ModelSpec,
    whole: HashMap<&'a str, usize>,
    /// By every end of a path, the first two layers whose paths end so.
    by_end: HashMap<&'a str, (usize, Option<usize>)>,
}

impl<'a> Layers<'a> {
    fn new(spec: &'a ModelSpec) -> Self {
        let whole = spec.linears.iter().enumerate().map(|(i, l)| (l.name.as_str(), i)).collect();
        let mut by_end: HashMap<&str, (usize, Option<usize>)> = HashMap::new();
        for (i, linear) in spec.linears.iter().enumerate() {
            for end in ends(&linear.name) {
                by_end.entry(end).and_modify(|(_, other)| *other = other.or(Some(i))).or_insert((i, None));
            }
        }
        Self { spec, whole, by_end }
    }

    /// The layer whose path this is, with the same path or with more or less in front of it.
    fn find(&self, module: &str) -> Result<usize, String> {
        if let Some(layer) = self.whole.get(module) {
            return Ok(*layer);
        }
        let linears = &self.spec.linears;
        let longer = self.by_end.get(module).into_iter().flat_map(|(one, other)| std::iter::once(*one).chain(*other));
        let shorter = ends(module).filter_map(|end| self.whole.get(end).copied());
        let mut all = longer.chain(shorter).collect::<BTreeSet<usize>>().into_iter();
        match (all.next(), all.next()) {
            (Some(layer), None) => Ok(layer),
            (Some(a), Some(b)) => Err(format!(
                "could belong to {} or {}: the path of its module is cut off",
                linears[a].name, linears[b].name
            )),
            (None, _) => {
                let examples: Vec<&str> = LinearSpec::examples(linears).collect();
                Err(format!(
                    "is for the module {module}, which this {} model does not have (it has {}, ...): the adapter does not \
                     fit, it belongs to another model",
                    self.spec.family,
                    examples.join(", ")
                ))
            }
        }
    }
}
