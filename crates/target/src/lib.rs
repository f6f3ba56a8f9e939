//! What attacks attack, and who helps them.
//!
//! - [`Local`]: a checkpoint on this machine. All abilities; requests of many cases that wait at the same time are decoded
//!   together.
//! - [`Proxied`]: a target whose suffixes another checkpoint proposes.
//! - [`Remote`]: a model behind an OpenAI-compatible endpoint. Text, and fabricated history.
//! - [`Roles`]: helper models by role, each behind its own endpoint or a rule; one may be the target itself.
//!
//! Nothing leaves the machine but to endpoints the user named.

mod batch;
mod constrained;
mod decode;
mod edit;
mod error;
mod layout;
mod local;
mod propose;
mod proxied;
mod remote;
mod roles;
mod score;

pub use error::TargetError;
pub use local::{Local, Subject};
pub use proxied::Proxied;
pub use remote::Remote;
pub use roles::{Roles, SelfHelper};
