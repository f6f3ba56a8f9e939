//! Defences of a model at work, by name: each is a file, a row in [`DEFENCES`], and what it needs.
//!
//! A [`Spec`] is what a user names (`NAME:key=value,...`); [`open`] makes of it a defence that a runtime can use, with its
//! assets read and checked: what is missing is an error then, before anything is asked. [`fit`] makes assets of files.

mod asset;
mod error;
mod fit;
pub mod monitor;
mod registry;
mod self_reminder;
mod spec;
mod stop;

pub use asset::{Asset, Made};
pub use error::DefenceError;
pub use fit::{Fit, FitFile, Fitting, Role, entry, fit};
pub use registry::{DEFENCES, Entry, MakeJudge, Need, Opened, Setting, asset, open};
pub use self_reminder::SelfReminder;
pub use spec::Spec;
pub use stop::Stop;
