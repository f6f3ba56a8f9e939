//! The attacks, one per file.

mod direct;
mod speak_easy;
mod tap;

pub use direct::Direct;
pub use speak_easy::{Decomposer, SpeakEasy};
pub use tap::Tap;
