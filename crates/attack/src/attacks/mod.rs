//! The attacks, one per file.

pub mod avatar;
pub mod dia;
mod direct;

pub use avatar::Avatar;
pub use dia::Dia;
pub use direct::Direct;
