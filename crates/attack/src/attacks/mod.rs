//! The attacks, one per file.

mod direct;

pub use direct::Direct;
