//! The attacks, one per file.

pub mod dia;
mod direct;

pub use dia::Dia;
pub use direct::Direct;
