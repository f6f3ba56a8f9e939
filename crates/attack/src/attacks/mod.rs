//! The attacks, one per file.

pub mod avatar;
pub mod dia;
mod direct;
mod speak_easy;
mod tap;

pub use avatar::Avatar;
pub use dia::Dia;
pub use direct::Direct;
pub use speak_easy::{Decomposer, SpeakEasy};
pub use tap::Tap;
mod adv_prefix;
mod direct;
mod pal;

pub use adv_prefix::{AdvPrefix, Opener, PrefixMode, Surrogate};
pub use direct::Direct;
pub use pal::{Pal, TokenLoss};
