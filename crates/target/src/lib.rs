//! What attacks attack, and who helps them.
//!
//! - [`Local`]: a checkpoint on this machine, behind its runtime. All abilities; requests of many cases that wait at the same
//!   time are decoded together.
//! - [`Proxied`]: a target beside which another checkpoint proposes suffixes, or words it chooses among.
//! - [`Remote`]: a model behind an OpenAI-compatible endpoint. Text, and fabricated history.
//! - [`Roles`]: helper models by role, each behind its own endpoint, in this process ([`InProcess`]; it may be the target
//!   itself), or a rule.
//!
//! Nothing leaves the machine but to endpoints the user named.

mod error;
mod guided;
mod local;
mod propose;
mod proxied;
mod remote;
mod roles;
mod score;
mod watched;
mod words;

pub use error::TargetError;
pub use local::Local;
pub use proxied::Proxied;
pub use remote::{Remote, finish_of};
pub use roles::{InProcess, Roles};
