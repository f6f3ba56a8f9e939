//! What a model takes of a machine's memory, told from its config and the headers of its files alone.

use crate::{Checkpoint, FeedForwardConfig, Memory, ModelConfig, ModelError, Precision, WeightsChoice};
use tch::Kind;

/// What the program itself takes: libtorch's code and tables, a tokeniser.
const PROGRAM: u64 = 260 << 20;
/// Rows of logits that a pass and what reads it hold at the same time, for every scored position.
const COPIES_OF_LOGITS: u64 = 4;

/// The memory of decoding one row, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Footprint {
    /// The weights as they are held, and what making them takes.
    pub weights: u64,
    /// Activations, logits, keys and values of a canvas, and the program.
    pub working: u64,
}

impl Footprint {
    /// Of a model on the CPU whose weights are stored in so many bytes each, on a canvas of so many positions.
    pub fn new(config: &ModelConfig, stored: f64, precision: impl Into<Precision>, canvas: usize) -> Self {
        let precision = precision.into();
        Self { weights: weights(config, stored, precision), working: working(config, precision.compute, canvas) }
    }

    /// All of it.
    pub fn peak(&self) -> u64 {
        self.weights.saturating_add(self.working)
    }

    /// Refuses a model that does not fit into what this machine has left.
    ///
    /// # Errors
    /// [`ModelError::TooLarge`] with both numbers and what `otherwise` says.
    pub fn check(&self, otherwise: impl FnOnce(u64) -> String) -> Result<(), ModelError> {
        match Memory::available() {
            Some(available) if self.peak() > available => {
                Err(ModelError::TooLarge { needs: self.peak(), available, otherwise: otherwise(available) })
            }
            _ => Ok(()),
        }
    }
}

/// The bytes of a stored number, on average.
pub fn stored_size(checkpoint: &Checkpoint) -> f64 {
    let (mut bytes, mut numbers) = (0usize, 0usize);
    for stored in checkpoint.tensors().values() {
        bytes += checkpoint.bytes(stored).len();
        numbers += stored.shape.iter().product::<usize>();
    }
    bytes as f64 / numbers.max(1) as f64
}

fn weights(config: &ModelConfig, stored: f64, precision: Precision) -> u64 {
    let (table, all) = ((config.vocab * config.width) as f64, config.parameters() as f64);
    let compute = precision.compute.elt_size_in_bytes() as f64;
    // A matrix stays as it is stored where that is what is computed in, or narrower than f32.
    let stays = stored == compute || precision.compute == Kind::Float;
    let held = if stays { stored } else { compute };
    let matrices = match precision.weights {
        WeightsChoice::Stored => (all - table) * held,
        // While they are made, some rows of the largest are there in f32, several times.
        WeightsChoice::Int8 => (all - table) * 1.01 + 4.0 * 4096.0 * largest_row(config),
    };
    // Of a table in a mapped file only the rows of tokens that occur are read, unless it is the head as well.
    let read = config.head.tied || !stays;
    (matrices + if read { table * held } else { 0.0 }) as u64
}

fn largest_row(config: &ModelConfig) -> f64 {
    config.linears().iter().map(|linear| linear.inputs).max().unwrap_or(0) as f64
}

fn working(config: &ModelConfig, kind: Kind, canvas: usize) -> u64 {
    let (size, positions) = (kind.elt_size_in_bytes() as u64, canvas as u64);
    let inside = config.feed_forward.iter().map(FeedForwardConfig::width).max().unwrap_or(0) as u64;
    let attention = &config.attention;
    let [query, key] = [attention.heads, attention.kv_heads].map(|heads| (heads * attention.head_dim) as u64);
    let activations = positions * size * (8 * config.width as u64 + 4 * inside + 4 * query + 4 * key);
    let cache = positions * size * 2 * key * config.layers() as u64;
    // Rows of logits are read in f32.
    let logits = positions * config.vocab as u64 * (size + 4 * (COPIES_OF_LOGITS - 1));
    PROGRAM + activations + cache + logits
}
