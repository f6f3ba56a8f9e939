//! Defences of a model at work, by name: each is a file, a row in [`DEFENCES`], and what it needs.
//!
//! A [`Spec`] is what a user names (`NAME:key=value,...`); [`open`] makes of it a defence that a runtime can use, with its
//! assets read and checked: what is missing is an error then, before anything is asked. [`fit`] makes assets of files.

mod asset;
mod best_of_n;
mod error;
mod fit;
mod guard;
mod in_context;
mod perplexity;
mod refusal;
mod registry;
mod self_reminder;
mod spec;

pub use asset::{Asset, Made};
pub use best_of_n::{BestOfN, BestOfNSettings};
pub use error::DefenceError;
pub use fit::{Fit, FitFile, Fitting, Role, entry, fit};
pub use guard::{Guard, GuardSettings};
pub use in_context::InContext;
pub use perplexity::Perplexity;
pub use registry::{DEFENCES, Entry, MakeJudge, Need, Opened, Setting, asset, open};
pub use self_reminder::SelfReminder;
pub use spec::Spec;
