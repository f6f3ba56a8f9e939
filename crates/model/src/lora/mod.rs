//! LoRA adapters (arXiv 2106.09685) in PEFT's file format.

mod adapter;
mod config;
mod factors;
mod peft;
mod target;

pub use adapter::{Adapter, LoraPair};
pub use config::AdapterConfig;
pub use target::Targets;
