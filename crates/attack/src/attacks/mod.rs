//! The attacks, one per file.

mod direct;
mod tap;

pub use direct::Direct;
pub use tap::Tap;
