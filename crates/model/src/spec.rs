//! What the rest of mosa may know about a model.

use crate::Attention;
use mosa_core::{Family, TokenId};

/// A linear layer of the model, by its module path as PEFT names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinearSpec {
    /// Module path, for example `model.transformer.blocks.0.q_proj`.
    pub name: String,
    /// Input features.
    pub inputs: usize,
    /// Output features.
    pub outputs: usize,
    /// Whether it has a bias.
    pub bias: bool,
    /// The block it belongs to; the language-model head belongs to none.
    pub block: Option<usize>,
    /// What it does there, as far as it decides who adapts it.
    pub kind: LinearKind,
}

/// Which linear layers an adapter attaches to without being told to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LinearKind {
    /// One that every position goes through.
    #[default]
    Common,
    /// One of many experts. The usual targets leave them out.
    Expert,
    /// What chooses the experts. Only a pattern or a name that matches it reaches it.
    Router,
}

impl LinearSpec {
    /// Names of some layers, for messages: those of the first block.
    pub(crate) fn examples(linears: &[LinearSpec]) -> impl Iterator<Item = &str> {
        linears.iter().filter(|l| l.block == Some(0)).take(EXAMPLES).map(|l| l.name.as_str())
    }
}

/// As many as a message bears.
const EXAMPLES: usize = 8;

/// A linear layer inside a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LinearShape {
    /// Module path inside the block.
    pub leaf: String,
    pub inputs: usize,
    pub outputs: usize,
    pub bias: bool,
    pub kind: LinearKind,
}

impl LinearShape {
    pub(crate) fn new(leaf: &str, [inputs, outputs]: [usize; 2], bias: bool) -> Self {
        Self { leaf: leaf.to_owned(), inputs, outputs, bias, kind: LinearKind::Common }
    }

    /// The same as a layer of this kind.
    pub(crate) fn of(self, kind: LinearKind) -> Self {
        Self { kind, ..self }
    }

    /// The same inside the module `path` of the block.
    pub(crate) fn inside(self, path: &str) -> Self {
        Self { leaf: format!("{path}.{}", self.leaf), ..self }
    }
}

/// Ids, sizes and layers of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelSpec {
    /// The family.
    pub family: Family,
    /// The class name of the published code, from `architectures`.
    pub architecture: String,
    /// The mask token, from config.json.
    pub mask: TokenId,
    /// End of text, from config.json.
    pub eos: TokenId,
    /// Padding, from config.json.
    pub pad: TokenId,
    /// Rows of the output layer: valid token ids are below it.
    pub vocab: usize,
    /// Number of blocks.
    pub layers: usize,
    /// Width of the hidden states.
    pub width: usize,
    /// Longest canvas the model was made for, prompt included.
    pub max_length: usize,
    /// Whom a token sees, as the model was trained.
    pub attention: Attention,
    /// How many positions before a position are needed to score it: 1 for shifted models (Dream), else 0. A window that
    /// is computed with a cache must start that much earlier.
    pub lookback: usize,
    /// Number of weights.
    pub parameters: usize,
    /// A regular expression that matches the linear layers of all blocks but for routers and routed experts, and not the
    /// head: the usual LoRA targets.
    pub block_linears: String,
    /// The linear layers in a fixed order; an adapter refers to them by index.
    pub linears: Vec<LinearSpec>,
}
