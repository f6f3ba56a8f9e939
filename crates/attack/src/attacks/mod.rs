//! The attacks, one per file.

mod adv_prefix;
mod direct;
mod pal;

pub use adv_prefix::{AdvPrefix, Opener, PrefixMode, Surrogate};
pub use direct::Direct;
pub use pal::{Pal, TokenLoss};
