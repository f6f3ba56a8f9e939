//! Defences of a model at work, by name: each is a file, a row in [`DEFENCES`], and what it needs.
//!
//! A [`Spec`] is what a user names (`NAME:key=value,...`); [`open`] makes of it a defence that a runtime can use, with its
//! assets read and checked: what is missing is an error then, before anything is asked. [`fit`] makes assets of files.

mod activation_steering;
mod asset;
mod best_of_n;
mod diffuguard;
mod error;
mod fit;
mod guard;
mod hidden;
mod in_context;
pub mod monitor;
mod perplexity;
mod refusal;
mod refusal_commit;
mod registry;
mod sad;
mod self_reminder;
mod spec;
mod steering_remask;
mod steps;
mod stop;

pub use activation_steering::ActivationSteering;
pub use asset::{Asset, Made};
pub use best_of_n::{BestOfN, BestOfNSettings};
pub use diffuguard::DiffuGuard;
pub use error::DefenceError;
pub use fit::{Fit, FitFile, Fitting, Role, fit};
pub use guard::{Guard, GuardSettings};
pub use in_context::InContext;
pub use perplexity::Perplexity;
pub use refusal_commit::RefusalCommit;
pub use registry::{DEFENCES, Entry, MakeJudge, Need, Opened, Setting, asset, entry, open};
pub use sad::Sad;
pub use self_reminder::SelfReminder;
pub use spec::Spec;
pub use steering_remask::SteeringRemask;
pub use stop::Stop;
