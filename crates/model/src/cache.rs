//! Keys and values kept between passes (Fast-dLLM prefix and dual caches, arXiv 2505.22618).

use crate::ModelError;
use tch::Tensor;

/// Rotated keys and values of every block, [rows, positions, kv heads, head channels] each.
///
/// A window pass writes its fresh keys and values over the cached ones and attends to the whole buffer. With a window
/// that reaches the end of the canvas this is the prefix cache, with one that covers a block it is the dual cache.
#[derive(Debug, Default)]
pub struct KvCache {
    blocks: Vec<(Tensor, Tensor)>,
}

impl KvCache {
    /// An empty cache, to be filled by a pass.
    pub fn new() -> Self {
        Self::default()
    }

    /// Canvas positions held.
    pub fn positions(&self) -> usize {
        self.blocks.first().map_or(0, |(k, _)| k.size()[1] as usize)
    }

    pub(crate) fn clear(&mut self) {
        self.blocks.clear();
    }

    pub(crate) fn keep(&mut self, key: &Tensor, value: &Tensor) {
        self.blocks.push((key.shallow_clone(), value.shallow_clone()));
    }

    /// Writes the window's keys and values from `start` on and returns those of the whole canvas.
    pub(crate) fn refresh(
        &mut self,
        block: usize,
        start: usize,
        fresh: [&Tensor; 2],
    ) -> Result<(Tensor, Tensor), ModelError> {
        let held = self.positions();
        let (key, value) =
            self.blocks.get_mut(block).ok_or_else(|| ModelError::Call("the cache was never filled".into()))?;
        let len = fresh[0].size()[1];
        if start as i64 + len > held as i64 {
            return Err(ModelError::Call(format!(
                "a window of {len} from {start} does not fit the {held} cached positions"
            )));
        }
        for (buffer, new) in [(&mut *key, fresh[0]), (&mut *value, fresh[1])] {
            buffer.f_narrow(1, start as i64, len)?.f_copy_(new)?;
        }
        Ok((key.shallow_clone(), value.shallow_clone()))
    }
}
