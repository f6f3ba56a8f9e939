//! Keys and values kept between passes (Fast-dLLM prefix and dual caches, arXiv 2505.22618; block caches of block-causal
//! models).

use crate::ModelError;
use tch::Tensor;

/// Rotated keys and values of every block of the model for one canvas, [1, positions, kv heads, head channels] each.
///
/// A pass over a row with a cache writes the keys and values of its tokens over the cached ones, or behind them, and attends
/// to all of them. With a window that reaches the end of the canvas this is the prefix cache, with one that covers a block
/// it is the dual cache; one that grows block by block is that of block-causal models.
#[derive(Debug, Default)]
pub struct KvCache {
    blocks: Vec<Held>,
    /// What a row beside that of the cache made of every block of the model, and from which position on.
    aside: Vec<Aside>,
}

/// Keys and values that are not held.
#[derive(Debug)]
struct Aside {
    start: usize,
    fresh: [Tensor; 2],
}

/// What is held of one block of the model.
#[derive(Debug)]
struct Held {
    /// Keys and values, [1, room, kv heads, head channels], of which the first `len` positions count.
    buffers: [Tensor; 2],
    len: i64,
}

impl KvCache {
    /// An empty cache, to be filled by a pass.
    pub fn new() -> Self {
        Self::default()
    }

    /// Canvas positions held.
    pub fn positions(&self) -> usize {
        self.blocks.first().map_or(0, |held| held.len as usize)
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.blocks.clear();
        self.aside.clear();
    }

    /// Holds what a row beside that of the cache made in the last pass, as if its tokens had been the cache's own.
    ///
    /// # Errors
    /// [`ModelError::Torch`] if memory runs out.
    pub fn adopt(&mut self) -> Result<(), ModelError> {
        for (held, Aside { start, fresh }) in self.blocks.iter_mut().zip(self.aside.drain(..)) {
            held.write(start as i64, fresh)?;
        }
        Ok(())
    }

    /// Whether nothing is held of block `block` of the model.
    pub(crate) fn is_new(&self, block: usize) -> bool {
        block >= self.blocks.len()
    }

    /// Sets aside keys and values of what may stand on the canvas from `start` on, and returns those of everything it
    /// would see. What was held from there on is lost: the row itself writes it again in the same pass.
    pub(crate) fn set_aside(
        &mut self,
        block: usize,
        start: usize,
        fresh: [Tensor; 2],
    ) -> Result<[Tensor; 2], ModelError> {
        let held = self.blocks.get_mut(block);
        let held = held.ok_or_else(|| ModelError::Call("the cache was never filled".into()))?;
        if block == 0 {
            self.aside.clear();
        }
        held.len = start as i64;
        held.write(start as i64, [fresh[0].shallow_clone(), fresh[1].shallow_clone()])?;
        let all = held.all()?;
        held.len = start as i64;
        self.aside.push(Aside { start, fresh });
        Ok(all)
    }

    /// Writes keys and values of a row from canvas position `start` on, over those held or behind them, and returns those of
    /// the whole canvas.
    pub(crate) fn write(&mut self, block: usize, start: usize, fresh: [Tensor; 2]) -> Result<[Tensor; 2], ModelError> {
        if block == self.blocks.len() && start == 0 {
            self.blocks.push(Held::new(fresh)?);
        } else {
            let held = self.blocks.get_mut(block);
            let held = held.ok_or_else(|| ModelError::Call("the cache was never filled".into()))?;
            held.write(start as i64, fresh)?;
        }
        self.blocks[block].all()
    }
}

impl Held {
    /// These keys and values; a view of some channels of a larger tensor would keep all of it.
    fn new([key, value]: [Tensor; 2]) -> Result<Self, ModelError> {
        let len = key.size()[1];
        Ok(Self { buffers: [key.f_contiguous()?, value.f_contiguous()?], len })
    }

    /// Writes from position `start` on. What grows has room for twice as much from then on, so that a canvas written block by
    /// block is copied a constant number of times.
    fn write(&mut self, start: i64, fresh: [Tensor; 2]) -> Result<(), ModelError> {
        let len = fresh[0].size()[1];
        let end = start + len;
        for (buffer, new) in self.buffers.iter_mut().zip(fresh) {
            if end > buffer.size()[1] {
                let (rows, room, heads, channels) = buffer.size4()?;
                let larger = Tensor::f_empty([rows, end.max(2 * room), heads, channels], (new.kind(), new.device()))?;
                larger.f_narrow(1, 0, start)?.f_copy_(&buffer.f_narrow(1, 0, start)?)?;
                *buffer = larger;
            }
            buffer.f_narrow(1, start, len)?.f_copy_(&new)?;
        }
        self.len = self.len.max(end);
        Ok(())
    }

    /// Keys and values of all positions.
    fn all(&self) -> Result<[Tensor; 2], ModelError> {
        let [key, value] = &self.buffers;
        Ok([key.f_narrow(1, 0, self.len)?, value.f_narrow(1, 0, self.len)?])
    }
}
