//! What the parts of a model are called in a checkpoint.

/// The module paths of a family, but for those inside the parts of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Names {
    /// The embedding.
    pub embed: &'static str,
    /// The list of blocks; block i is `<blocks>.<i>`.
    pub blocks: &'static str,
    /// In a block, the norm before its attention.
    pub attention_norm: &'static str,
    /// In a block, the norm before its feed-forward part.
    pub feed_forward_norm: &'static str,
    /// The norm behind the last block.
    pub norm: &'static str,
    /// The output layer.
    pub head: &'static str,
}

impl Names {
    /// As transformers calls them in Llama, Qwen and the models made after them.
    pub(crate) const TRANSFORMERS: Self = Self {
        embed: "model.embed_tokens",
        blocks: "model.layers",
        attention_norm: "input_layernorm",
        feed_forward_norm: "post_attention_layernorm",
        norm: "model.norm",
        head: "lm_head",
    };
}
