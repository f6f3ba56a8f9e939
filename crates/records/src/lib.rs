//! Run folders: what was asked for, what came out, and where to go on.
//!
//! ```text
//! manifest.json     RunFolder   schema, command, settings, hashes of model, adapter, data and templates, seeds, versions
//! NAME.jsonl        Log         one record per line, appended in the order of the run; a kill loses at most the last line
//!                   Archive     the same for files too large to hold in memory
//! ```
//!
//! One command at a time writes into a folder ([`Lock`]). The same command with the same folder does what is missing. A
//! folder that belongs to another run ([`Identity`]) is refused, with the keys that differ. Files are called as in [`names`]. Tables and figures are made from records alone.
//!
//! A run may be done in parts: each [`Shard`] in a folder of its own, or chunk by chunk in one that many processes share
//! ([`Chunks`], [`Lease`]). [`Parts`] makes of them what the run in one piece would have written.
//!
//! Every line carries the schema it was written in ([`Record::SCHEMA`], for example `answer/1`); a file of another schema
//! is refused and never rewritten. The kinds of records that several commands share are defined here: [`AnswerRecord`],
//! [`OrderRecord`], [`CurveRecord`], [`LandscapeRecord`], [`MonitorRecord`], [`SampleRecord`], [`VerdictRecord`].

mod answer;
mod archive;
mod chunks;
mod curve;
mod defence;
mod error;
mod fence;
mod finished;
mod folder;
mod identity;
mod landscape;
mod lease;
mod lines;
mod lock;
mod log;
mod merge;
mod monitor;
pub mod names;
pub mod number;
mod order;
mod outcome;
mod remove;
mod sample;
mod shard;
mod verdict;
mod whole;

pub use answer::{AnswerRecord, FILTERED, ForcedWords, REASONING, Texts, unsaid};
pub use archive::{Archive, Place};
pub use chunks::{CHUNKS, Chunk, Chunks, Next};
pub use curve::CurveRecord;
pub use defence::DefenceAct;
pub use error::RecordsError;
pub use folder::RunFolder;
pub use identity::{Identity, MANIFEST_SCHEMA};
pub use landscape::LandscapeRecord;
pub use lease::Lease;
pub use lines::{lines, whole_lines};
pub use lock::{LOCK, Lock};
pub use log::{Batches, Log, Record};
pub use merge::Parts;
pub use monitor::{MonitorReading, MonitorRecord};
pub use names::MANIFEST;
pub use order::OrderRecord;
pub use outcome::{Outcome, Outcomes};
pub use remove::{foreign, remove_folder, remove_known};
pub use sample::{ChoiceScore, SampleRecord, SampleScore};
pub use shard::{Cases, Part, Shard};
pub use verdict::{VerdictRecord, View, drop_outdated, tell_judges_apart};
pub use whole::{is_torn, restore, sync_folder, unfinished_name, unfinished_of, write_whole};
