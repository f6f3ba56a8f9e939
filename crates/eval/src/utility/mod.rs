//! What models can do: answers to the items of a task, counted and compared.
//!
//! An [`Exam`] is one model's answers to one task under one protocol, put together from the shards of a run; a
//! [`Score`] counts them by a metric. Exams of the same items are compared pair by pair ([`compared`]); [`plain`] and
//! [`plain_comparison`] are what commands print of all that.

mod exam;
mod pair;
mod plain;
mod refusal;
mod score;
mod shards;

pub use exam::{Exam, exams};
pub use pair::{Pair, Unpaired, compared};
pub use plain::{Plain, plain, plain_comparison};
pub use refusal::Conduct;
pub use score::Score;

pub(crate) use exam::baseline;
pub(crate) use pair::{apart, couples, detectable, paired, points, unpaired};
