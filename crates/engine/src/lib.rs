//! The denoising loop all of mosa runs on.
//!
//! A masked diffusion model answers by iterative unmasking: the response starts as mask tokens, and every step runs
//! the model once and commits some positions. [`generate`] does that for a list of [`Request`]s:
//!
//! ```text
//! for each step of each row
//!     interventions: edit_canvas            (prefill, anchors, remasking)
//!     model forward  (edit_hidden)          only the positions that can be committed now get logits
//!     interventions: edit_logits
//!     candidates: token and probability     of all rows of the pass; two small copies to the host
//!     commit policy: which of them          low confidence, threshold, ...
//!     after a block: after_block            continue, repeat or stop
//! ```
//!
//! - [`Options`]: every setting of the published samplers, as typed fields.
//! - [`Schedule`]: blocks with a quota per step (LLaDA, MMaDA), or a global time grid (Dream); one file per
//!   [`RevealSchedule`].
//! - [`CommitPolicy`]: which masked positions to commit now, one file per policy.
//! - [`Intervention`]: attacks, defences and probes act here; the loop knows none of them by name.
//! - [`Trace`]: what was written where, when, why and with what probability.
//! - [`likelihood`]: log-probability of given tokens at given positions; [`choose`]: of the choices of many questions.
//!
//! [`Session`] is the loop itself, for callers whose rows come and go. A row's computation depends on that row alone
//! ([`Batching::Rows`]), so the batch an answer was computed in cannot change it. Rows that share passes
//! ([`Batching::Shared`]) are equal up to rounding.

mod ahead;
mod asked;
mod candidates;
mod choose;
pub mod commit;
mod cursor;
mod device_noise;
mod error;
mod generate;
mod intervention;
mod likelihood;
mod live;
mod noise;
mod options;
mod pass;
mod ranking;
mod reach;
mod recipe;
mod request;
mod schedule;
mod session;
mod trace;

pub use candidates::Candidate;
pub use choose::{Question, Weighed, choose};
pub use commit::{Choice, Commit, CommitPolicy, Moment, Pace, Statistic};
pub use error::EngineError;
pub use generate::{Control, Observer, generate};
pub use intervention::{Flow, HiddenAt, Intervention, Pass};
pub use likelihood::{Estimator, Likelihood, Scores, Scoring, View, likelihood, picked};
pub use live::RowId;
pub use options::{Batching, CacheMode, EndRule, Ends, LARGEST, MOST_STEPS, MaskRule, Options};
pub use request::{Answer, Finish, Request};
pub use schedule::{
    Block, BlockDiffusion, BlockQuota, Blocks, Editing, Frame, MaskCount, Progress, RevealCount, RevealSchedule,
    Schedule, Share, Timesteps, quota, reveal_count, reveal_probabilities,
};
pub use session::{Event, Session};
pub use trace::{Step, StepRecord, Trace};
