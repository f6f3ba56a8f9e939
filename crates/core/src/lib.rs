//! The nouns every room of mosa shares, without I/O and without tensors.
//!
//! - [`Canvas`]: a prompt followed by a response region of mask tokens. The only place where tokens are written;
//!   every write is logged as an [`Edit`].
//! - [`Window`]: the response offsets an objective looks at, and where a sentence may start inside it.
//! - [`Rng`]: counter-based random streams keyed by (seed, stream, step, sample), so that neither the batch size
//!   nor a restart changes what is drawn.
//! - [`Interrupt`]: a request to stop, seen by everything that waits.
//! - [`hex`]: hashes as they are written everywhere.
//! - [`stats`]: intervals, tests and agreement of what was counted.

mod canvas;
mod family;
mod hex;
mod interrupt;
mod rng;
pub mod stats;
mod window;

pub use canvas::{Canvas, CanvasError, Cause, Edit};
pub use family::Family;
pub use hex::hex;
pub use interrupt::Interrupt;
pub use rng::{Rng, Stream, sample_key};
pub use stats::wilson;
pub use window::{Placement, Window, WindowError};

/// An index into a vocabulary.
pub type TokenId = u32;
