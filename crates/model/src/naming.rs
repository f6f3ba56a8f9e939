//! Which stored tensor is which weight: names as training tools and exports change them.

use crate::names::Names;
use crate::{Checkpoint, ModelError};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Parts of a path that wrappers of a training run put in (torch.compile, FSDP, activation checkpointing).
const WRAPPERS: [&str; 4] = ["_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_forward_module"];

/// The path without what wrappers put in; `module.` in front is what DDP and DeepSpeed add.
pub(crate) fn unwrapped(path: &str) -> String {
    let parts: Vec<&str> = path.split('.').filter(|part| !WRAPPERS.contains(part)).collect();
    let plain = parts.join(".");
    plain.strip_prefix("module.").map_or(plain.clone(), str::to_owned)
}

/// How the names of a checkpoint differ from the model's.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Edit {
    /// Not at all.
    Same,
    /// A prefix of the model's names is missing: it was saved from an inner module.
    Add(String),
    /// There is a prefix more: it was saved from an outer module.
    Strip(String),
}

impl Edit {
    /// The stored name of the weight `wanted`.
    fn stored(&self, wanted: &str) -> String {
        match self {
            Self::Same => wanted.to_owned(),
            Self::Add(prefix) => wanted.strip_prefix(prefix.as_str()).unwrap_or(wanted).to_owned(),
            Self::Strip(prefix) => format!("{prefix}{wanted}"),
        }
    }
}

/// The stored name of every weight of a model.
#[derive(Debug, Default)]
pub(crate) struct Naming(HashMap<String, String>);

impl Naming {
    /// Finds the weights `wanted` of a model with these `names`. One and the same change of prefix has to explain all of
    /// them; what is not found keeps its own name, and is missed under the name it should have here.
    ///
    /// # Errors
    /// [`ModelError::Stored`] if two tensors could be one weight, or the checkpoint holds LoRA factors that are not merged.
    pub(crate) fn find(wanted: Vec<String>, names: &Names, checkpoint: &Checkpoint) -> Result<Self, ModelError> {
        let mut plain: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for name in checkpoint.tensors().keys() {
            plain.entry(unwrapped(name)).or_default().push(name);
        }
        let found = |edit: &Edit| wanted.iter().filter(|w| plain.contains_key(&edit.stored(w))).count();
        let mut edit = Edit::Same;
        let mut most = found(&edit);
        for other in edits(names, &plain) {
            let n = found(&other);
            if n > most {
                (edit, most) = (other, n);
            }
        }
        let mut found = HashMap::new();
        for name in wanted {
            let mut stored = edit.stored(&name);
            // The head is beside the body, and may have kept its name where the body's changed.
            if name.starts_with(names.head) && !plain.contains_key(&stored) {
                stored.clone_from(&name);
            }
            let stored = match plain.get(&stored).map(Vec::as_slice) {
                None | Some([]) => stored,
                Some([one]) => (*one).to_owned(),
                Some([one, other, ..]) => {
                    let what = format!("and {other} would both be the weight {name}: remove the one that is not");
                    return Err(ModelError::stored(checkpoint.path_of(one), one, what));
                }
            };
            found.insert(name, stored);
        }
        let naming = Self(found);
        naming.refuse_parts(checkpoint)?;
        Ok(naming)
    }

    /// The name under which the weight `name` is stored.
    pub(crate) fn stored<'a>(&'a self, name: &'a str) -> &'a str {
        self.0.get(name).map_or(name, String::as_str)
    }

    /// Tensors beside the weights without which the weights are not the model: they would be left out without a word.
    fn refuse_parts(&self, checkpoint: &Checkpoint) -> Result<(), ModelError> {
        let weights: HashSet<&str> = self.0.values().map(String::as_str).collect();
        for name in checkpoint.tensors().keys().filter(|n| !weights.contains(n.as_str())) {
            let what = if name.contains(".lora_A.") || name.contains(".lora_B.") {
                "is a LoRA factor inside a checkpoint: merge it (peft's merge_and_unload) and save again, or save the \
                 adapter in a folder of its own and name it with --adapter"
            } else if SCALES.iter().any(|s| name.ends_with(s)) {
                "belongs to quantised weights, which mosa does not read: use the checkpoint it was made from, or \
                 dequantise it with the tool that wrote it"
            } else {
                continue;
            };
            return Err(ModelError::stored(checkpoint.path_of(name), name, what));
        }
        Ok(())
    }
}

/// What quantised checkpoints keep beside (or instead of) a weight.
const SCALES: [&str; 11] = [
    ".weight_scale",
    ".weight_scale_inv",
    ".input_scale",
    ".weight_packed",
    ".scales",
    ".qweight",
    ".qzeros",
    ".absmax",
    ".SCB",
    ".weight.quant_state.bitsandbytes__nf4",
    ".g_idx",
];

/// The changes of prefix that could explain the names at hand.
fn edits(names: &Names, plain: &BTreeMap<String, Vec<&str>>) -> Vec<Edit> {
    let embed = format!("{}.weight", names.embed);
    let outer = plain.keys().filter_map(|n| n.strip_suffix(&embed)).filter(|p| p.ends_with('.'));
    let mut all: Vec<Edit> = outer.map(|prefix| Edit::Strip(prefix.to_owned())).collect();
    let parts: Vec<&str> = names.embed.split('.').collect();
    all.extend((1..parts.len()).map(|n| Edit::Add(format!("{}.", parts[..n].join(".")))));
    all
}
