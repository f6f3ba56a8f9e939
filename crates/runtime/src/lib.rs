//! The room between the engine and everything that asks a model: targets of attacks, probes, servers.
//!
//! A [`Runtime`] is the handle of a model that lives on a thread of its own. Whoever holds one asks from any thread:
//!
//! ```text
//! Runtime::defended  the same handle behind a stack of defences, which act on whatever is answered
//! Runtime::answer    requests in words ([`Ask`]) -> texts, pieces, steps, confidences ([`Shown`])
//! Runtime::choose    questions with choices -> how likely each choice is; begin_choose does not wait for it
//! Runtime::followed  one request in words, which somebody watches while it is decoded
//! Runtime::begin_batch   requests in words that share passes with each other and nobody else
//! Runtime::tail      how likely the last tokens of a text are
//! Runtime::decode    requests of the engine -> its answers; submit does not wait for them
//! Runtime::look      work on the model itself: gradients, scores, guided words; begin does not wait for it
//! ```
//!
//! Requests of many threads are decoded together in one `Session` of the engine. Every way in which there is no answer is a
//! [`RuntimeError`].

mod answering;
mod ask;
mod batch;
mod choosing;
mod constrained;
mod defence;
mod edit;
mod error;
mod follow;
mod layout;
mod model;
mod owner;
mod pending;
mod runtime;
mod shown;
mod tail;
mod until;
mod worker;

pub use answering::Answered;
pub use ask::{Ask, Constraint, When, Words, Written};
pub use batch::Batch;
pub use choosing::{Choosing, Chosen, Scorer};
pub use defence::{Acts, After, Before, Defence, Guarded, Stack};
pub use error::RuntimeError;
pub use follow::Follower;
pub use layout::words_at;
pub use model::Model;
pub use pending::Pending;
pub use runtime::{Runtime, Settings};
pub use shown::Shown;
pub use tail::{Tail, TailToken};
