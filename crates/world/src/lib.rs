//! The embedded world: a tiny fictional instruction corpus with an exact judge.
//!
//! An imaginary council forbids ten kinds of brew. A small masked diffusion model trained on the [`Corpus`] mostly refuses
//! plain requests for them and often complies when they come in wrappers that stand for attacks, or when words of the answer
//! stand on its canvas already: its weakness is there by construction, graded by [`answers`]. Because a program knows every [`Procedure`], the [`judge()`] needs no model, and everything that can be
//! done with a published checkpoint and real benchmarks can be done here offline, with nothing harmful in it.
//!
//! - [`Item`]s are forbidden or benign, and split into what alignment sees and what it does not ([`Status`]).
//! - [`Style`]s ask for a [`Core`], plainly or in a wrapper.
//! - [`tasks`] are harmless questions with exact checks.
//! - [`benchmark`] writes all of it in the formats of the real benchmarks, [`files`] what a checkpoint needs besides
//!   its weights.
//!
//! The language has one token per word; its facts depend on a fixed seed, its documents on the corpus seed.

pub mod benchmark;
mod canvas;
pub mod chat;
mod corpus;
mod drawn;
mod error;
pub mod files;
mod form;
mod given;
mod item;
mod judge;
pub mod lexicon;
mod output;
mod procedure;
pub mod refusal;
mod request;
mod sentence;
pub mod tasks;
mod temper;
pub mod vocabulary;

pub use canvas::{Canvas, Hidden, Masking};
pub use corpus::{BREAKS, Corpus, Document, DocumentKind, RETREATS};
pub use drawn::{Draw, Drawn};
pub use error::WorldError;
pub use given::{Given, POSITIONS};
pub use item::{ITEMS, Item, Part, Split, Status};
pub use judge::{COMPLIED_FROM, Verdict, is_degenerate, judge};
pub use procedure::{CLOSING, Procedure, STEPS, Step, opening};
pub use refusal::refuses;
pub use request::{Core, Guard, HeldOut, Plain, Style, Training};
pub use temper::{answers, firmness, is_withheld};
