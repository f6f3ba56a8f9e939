//! The exact cache of block-causal models: whole prompt blocks, a block that is revealed, the same one stored, the next.

use super::golden::BlockCacheEntry;
use super::logits::near;
use super::{Check, Folder};
use anyhow::Result;
use mosa_core::TokenId;
use mosa_model::{Attention, Call, DenoisingModel, KvCache, Row, Slot, Transformer};

pub(crate) fn checks(folder: &Folder, model: &Transformer) -> Result<Vec<Check>> {
    let Some(e) = &folder.golden.block_cache else { return Ok(Vec::new()) };
    let mut passes = Passes { model, block: e.block, caches: e.ids_prefix.iter().map(|_| KvCache::new()).collect() };
    let mut checks = Vec::new();
    // A step leaves keys and values of an unfinished block in the cache; the store pass writes over them.
    for (name, ids, start) in steps(e) {
        let logits = passes.forward(ids, start)?;
        let Some(tensor) = e.tensors.get(name) else { continue };
        let recorded = folder.tensor(tensor)?;
        let difference = logits.f_view(recorded.size().as_slice())?.f_to_kind(recorded.kind())?.f_sub(&recorded)?;
        checks.extend(near(&format!("block_cache.{name}"), model.kind(), &difference.f_abs()?)?);
    }
    let unknown = e.tensors.keys().filter(|name| steps(e).iter().all(|(known, ..)| known != name));
    checks.extend(unknown.map(|name| Check::skipped(&format!("block_cache.{name}"), "unknown kind of pass")));
    Ok(checks)
}

/// The recorded passes in order: name, tokens of every row, and the canvas position they start at.
fn steps(e: &BlockCacheEntry) -> [(&'static str, &[Vec<TokenId>], usize); 4] {
    let prefix = e.ids_prefix.first().map_or(0, Vec::len);
    let next = prefix + e.ids_store.first().map_or(0, Vec::len);
    [
        ("prefill", &e.ids_prefix, 0),
        ("step", &e.ids_step, prefix),
        ("store", &e.ids_store, prefix),
        ("next", &e.ids_next, next),
    ]
}

/// Passes of rows that keep their caches.
struct Passes<'a> {
    model: &'a Transformer,
    block: usize,
    caches: Vec<KvCache>,
}

impl Passes<'_> {
    /// The logits of all tokens, which stand from canvas position `start` on.
    fn forward(&mut self, ids: &[Vec<TokenId>], start: usize) -> Result<tch::Tensor> {
        let attention = Some(Attention::BlockCausal { block: self.block });
        let rows = ids.iter().zip(&mut self.caches);
        let rows = rows.map(|(tokens, cache)| Row { attention, ..Row::cached(tokens, start, cache) }).collect();
        let want: Vec<Slot> =
            ids.iter().enumerate().flat_map(|(r, row)| (0..row.len()).map(move |i| (r, start + i))).collect();
        Ok(self.model.forward(Call::of(rows, &want))?)
    }
}
