//! The forward pass of one row, written down as plainly as possible from the weights and their names: every weight of
//! attention is formed, and what a token must not see is taken out by hand.

use mosa_model::{ModelConfig, Transformer};
use std::collections::HashMap;
use tch::{Kind, Tensor};

/// What the modules of a family are called.
struct Named {
    embed: &'static str,
    block: &'static str,
    /// Norm, q, k, v, o; norm, gate, up, down.
    leaves: [&'static str; 9],
    norm: &'static str,
    head: &'static str,
}

const LLADA: Named = Named {
    embed: "model.transformer.wte",
    block: "model.transformer.blocks",
    leaves: ["attn_norm", "q_proj", "k_proj", "v_proj", "attn_out", "ff_norm", "ff_proj", "up_proj", "ff_out"],
    norm: "model.transformer.ln_f",
    head: "model.transformer.ff_out",
};

const DREAM: Named = Named {
    embed: "model.embed_tokens",
    block: "model.layers",
    leaves: [
        "input_layernorm",
        "self_attn.q_proj",
        "self_attn.k_proj",
        "self_attn.v_proj",
        "self_attn.o_proj",
        "post_attention_layernorm",
        "mlp.gate_proj",
        "mlp.up_proj",
        "mlp.down_proj",
    ],
    norm: "model.norm",
    head: "lm_head",
};

struct Naive<'a> {
    config: &'a ModelConfig,
    weights: HashMap<String, &'a Tensor>,
}

/// Logits of every position, where token `q` sees the token at `k` if `sees(q, k)`.
pub(crate) fn logits(name: &str, model: &Transformer, row: &[u32], sees: impl Fn(usize, usize) -> bool) -> Tensor {
    let named = if name == "dream" { &DREAM } else { &LLADA };
    let naive = Naive { config: model.config(), weights: model.parameters().into_iter().collect() };
    tch::no_grad(|| naive.logits(named, row, &sees))
}

impl Naive<'_> {
    fn logits(&self, named: &Named, row: &[u32], sees: &dyn Fn(usize, usize) -> bool) -> Tensor {
        let table = self.weights[&format!("{}.weight", named.embed)];
        let hidden: Vec<f64> =
            (0..row.len() * row.len()).map(|i| if sees(i / row.len(), i % row.len()) { 0.0 } else { -1e30 }).collect();
        let n = row.len() as i64;
        let mask = Tensor::from_slice(&hidden).view([n, n]).to_kind(Kind::Float).to_device(table.device());
        let ids: Vec<i64> = row.iter().map(|&t| i64::from(t)).collect();
        let mut x = table.index_select(0, &Tensor::from_slice(&ids).to_device(table.device()));
        for i in 0..self.config.layers() {
            let at = |leaf: usize| format!("{}.{i}.{}", named.block, named.leaves[leaf]);
            let h = self.norm(&x, &at(0));
            let mixed = self.attention([&h, &mask], [at(1), at(2), at(3)]);
            x = &x + self.linear(&mixed, &at(4));
            let h = self.norm(&x, &at(5));
            x = &x + self.linear(&(self.linear(&h, &at(6)).silu() * self.linear(&h, &at(7))), &at(8));
        }
        let all = self.linear(&self.norm(&x, named.norm), named.head);
        if self.config.head.shifted { Tensor::cat(&[all.narrow(0, 0, 1), all.narrow(0, 0, n - 1)], 0) } else { all }
    }

    fn norm(&self, x: &Tensor, module: &str) -> Tensor {
        let mean = x.square().mean_dim(-1, true, Kind::Float);
        x / (mean + self.config.norm_eps).sqrt() * self.weights[&format!("{module}.weight")]
    }

    fn linear(&self, x: &Tensor, module: &str) -> Tensor {
        let y = x.matmul(&self.weights[&format!("{module}.weight")].tr());
        self.weights.get(&format!("{module}.bias")).map_or(y.shallow_clone(), |&bias| &y + bias)
    }

    /// Head by head.
    fn attention(&self, [x, mask]: [&Tensor; 2], [q, k, v]: [String; 3]) -> Tensor {
        let a = &self.config.attention;
        let c = a.head_dim as i64;
        let (q, k, v) = (self.linear(x, &q), self.linear(x, &k), self.linear(x, &v));
        let head = |t: &Tensor, i: usize| t.narrow(1, i as i64 * c, c);
        let heads: Vec<Tensor> = (0..a.heads)
            .map(|i| {
                let shared = i / (a.heads / a.kv_heads);
                let (q, k) = (self.rotated(&head(&q, i)), self.rotated(&head(&k, shared)));
                let weights = (q.matmul(&k.tr()) / (c as f64).sqrt() + mask).softmax(-1, Kind::Float);
                weights.matmul(&head(&v, shared))
            })
            .collect();
        Tensor::cat(&heads, 1)
    }

    /// Channel j is rotated with channel j + c / 2 by the angle position * theta^(-2j / c).
    fn rotated(&self, x: &Tensor) -> Tensor {
        let (c, n) = (x.size()[1], x.size()[0]);
        let frequencies = (0..c / 2).map(|j| self.config.attention.rope.theta.powf(-2.0 * j as f64 / c as f64));
        let frequencies: Vec<f64> = frequencies.collect();
        let angles: Vec<f64> = (0..n).flat_map(|p| frequencies.iter().map(move |f| p as f64 * f)).collect();
        let angles = Tensor::from_slice(&angles).view([n, c / 2]).to_device(x.device());
        let (cos, sin) = (angles.cos().to_kind(Kind::Float), angles.sin().to_kind(Kind::Float));
        let (a, b) = (x.narrow(1, 0, c / 2), x.narrow(1, c / 2, c / 2));
        Tensor::cat(&[&a * &cos - &b * &sin, &b * &cos + &a * &sin], 1)
    }
}
