//! The laws of attacks: control flow, query counts and stopping rules with scripted replies, budgets, kill and resume.

// A test fails by panicking.
#![allow(clippy::unwrap_used)]

mod adv_prefix;
mod aos;
mod avatar;
mod crescendo;
mod dia;
mod direct;
mod ept;
mod evasion;
mod journal;
mod native;
mod nesting;
mod pair;
mod pal;
mod registry;
mod renellm;
mod replies;
mod script;
mod speak_easy;
mod tap;
