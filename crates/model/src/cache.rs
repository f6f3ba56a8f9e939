//! Keys and values kept between passes (Fast-dLLM prefix and dual caches, arXiv 2505.22618; block caches of block-causal
//! models).

use crate::ModelError;
use tch::Tensor;

/// Rotated keys and values of every block of the model for one canvas, [1, positions, kv heads, head channels] each.
///
/// A pass over a row with a cache writes the keys and values of its tokens over the cached ones, or behind them, and attends
/// to the whole buffer. With a window that reaches the end of the canvas this is the prefix cache, with one that covers a
/// block it is the dual cache.
#[derive(Debug, Default)]
pub struct KvCache {
    blocks: Vec<[Tensor; 2]>,
}

impl KvCache {
    /// An empty cache, to be filled by a pass.
    pub fn new() -> Self {
        Self::default()
    }

    /// Canvas positions held.
    pub fn positions(&self) -> usize {
        self.blocks.first().map_or(0, |[k, _]| k.size()[1] as usize)
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.blocks.clear();
    }

    /// Whether nothing is held of block `block` of the model.
    pub(crate) fn is_new(&self, block: usize) -> bool {
        block >= self.blocks.len()
    }

    /// Writes keys and values of a row from canvas position `start` on, over those held or behind them, and returns those of
    /// the whole canvas.
    pub(crate) fn write(&mut self, block: usize, start: usize, fresh: [Tensor; 2]) -> Result<[Tensor; 2], ModelError> {
        let len = fresh[0].size()[1];
        if block == self.blocks.len() && start == 0 {
            self.blocks.push(fresh);
        } else {
            let held =
                self.blocks.get_mut(block).ok_or_else(|| ModelError::Call("the cache was never filled".into()))?;
            for (buffer, new) in held.iter_mut().zip(fresh) {
                if start as i64 + len <= buffer.size()[1] {
                    buffer.f_narrow(1, start as i64, len)?.f_copy_(&new)?;
                } else {
                    *buffer = Tensor::f_cat(&[buffer.f_narrow(1, 0, start as i64)?, new], 1)?;
                }
            }
        }
        let [key, value] = &self.blocks[block];
        Ok([key.shallow_clone(), value.shallow_clone()])
    }
}
