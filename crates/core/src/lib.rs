//! The nouns every room of mosa shares, without I/O and without tensors.
//!
//! - [`Canvas`]: a prompt followed by a response region of mask tokens. The only place where tokens are written;
//!   every write is logged as an [`Edit`].
//! - [`Window`]: the response offsets an objective looks at, and where a sentence may start inside it.
//! - [`Rng`]: counter-based random streams keyed by (seed, stream, step, sample), so that neither the batch size
//!   nor a restart changes what is drawn.
//! - [`Interrupt`]: a request to stop, seen by everything that waits.
//! - [`hex`]: hashes as they are written everywhere.
//! - [`Message`]: one message of a conversation, said in a [`Role`]; [`Estimator`]: how the probability of several tokens is
//!   put together.
//! - [`stats`]: intervals, tests and agreement of what was counted.
//! - [`Toll`]: what a monitor's suspicion costs a search that knows the monitor.

mod canvas;
mod estimator;
mod family;
mod hex;
mod interrupt;
mod message;
mod rng;
pub mod stats;
mod toll;
mod window;

pub use canvas::{Canvas, CanvasError, Cause, Edit};
pub use estimator::Estimator;
pub use family::{DefaultSampler, Family};
pub use hex::hex;
pub use interrupt::Interrupt;
pub use message::{Message, Role};
pub use rng::{Rng, Stream, sample_key};
pub use stats::wilson;
pub use toll::Toll;
pub use window::{Placement, Window, WindowError};

/// An index into a vocabulary.
pub type TokenId = u32;
