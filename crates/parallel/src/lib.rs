//! Several processes that train one adapter: who takes part, what they tell each other, and sums in a fixed order.
//!
//! Processes are started by torchrun, srun, mpirun or by hand; [`Launch`] reads which one this is. [`Gloo`] meets the others at a
//! store of c10d and connects them, [`Nccl`] lets GPUs talk to each other beside it, and [`Alone`] is the only process there is.
//! All are an [`Exchange`].
//!
//! The bits of a sum depend on the order in which it is added up. A ring, or any other tree over the ranks, gives other bits for
//! another number of ranks. So the addends of a sum are those of a fixed number of [`Shards`], and every rank adds its part
//! of the numbers up in the order of the shards, wherever each was computed.

mod beat;
mod coming;
mod error;
mod exchange;
mod gloo;
mod launch;
mod nccl;
mod roster;
mod shards;
mod shim;
mod store;
mod sum;

pub use error::ParallelError;
pub use exchange::{Addends, Alone, Exchange};
pub use gloo::Gloo;
pub use launch::{Launch, Meeting};
pub use nccl::Nccl;
pub use shards::{Shards, Team};
