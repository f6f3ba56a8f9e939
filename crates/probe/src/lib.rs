//! Probes: measurements that look into a model to find out where it is unsafe.
//!
//! - [`gcg`]: the suffix of a prompt that makes a target phrase most likely at an offset of the answer, searched with
//!   the model's gradient;
//! - [`Prefill`]: what becomes of an answer into which words are forced at an offset;
//! - [`order`]: which positions are revealed at which step;
//! - [`Steer`]: whether a prompt can order a phrase at a place of the answer;
//! - [`watched`]: what monitors say of plain and attacked requests;
//! - [`Landscape`]: where on the canvas refusals and harmful sentences fit best.
//!
//! All of them ask a [`mosa_runtime::Runtime`]; the model itself is looked into on its own thread.

mod case;
mod error;
pub mod gcg;
mod landscape;
mod monitor;
mod order;
mod prefill;
mod steer;

pub use case::{Case, ForcedPhrase, answer};
pub use error::ProbeError;
pub use landscape::{Landscape, Sentences, propose_window};
pub use monitor::{Anchor, Watched, pad, watched};
pub use order::order;
pub use prefill::{Prefill, plain};
pub use steer::{Steer, TEMPLATE, TOLERANCE, obeyed, placed_at};
