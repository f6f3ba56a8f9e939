//! Published red-team attacks, to measure defences with.
//!
//! An [`Attack`] is straight-line code over [`Cx`], the only way out: answers and scores of the [`Target`], replies of
//! [`Helper`] models, random streams. Every call has a logical path, not an arrival number, and goes into the
//! [`Journal`]; a killed run goes on by replaying it. Budgets are checked before each call. What an attack cannot do
//! without ([`Needs`]) is checked before the first one.
//!
//! ```text
//! run      many cases at once, records in the order of the cases     journal.jsonl, answers.jsonl, cases.jsonl, seconds.jsonl
//! Attack   one file per published method, its parameters as settings
//! Cx       generate, score, propose, helper; budget, seeds, candidates, notes
//! ```
//!
//! Attacks never judge themselves: a guide score steers the search, the verdict comes later from judges that see the
//! original behaviour. Nothing here touches tensors or files of prompts, and no text with harmful content is part of it.

mod ask;
mod attack;
mod attacks;
mod backend;
mod bounds;
mod budget;
mod case;
mod clock;
mod cx;
mod entry;
mod evasion;
mod guide;
mod journal;
pub mod phrases;
pub mod read;
mod record;
mod registry;
mod rules;
mod run;
pub mod similar;
mod stop;
pub mod world;

pub use ask::{
    Avoid, Constraint, Forced, Generate, Generation, Guide, Propose, Proposed, Said, Score, Scored, ScoredToken, Seen,
    Talk, Written,
};
pub use attack::{Anchor, Attack, Cost, Finished, Monitored, Needs, Profile, Reason};
pub use attacks::*;
pub use backend::{Ability, Helper, Models, Target, Unanswered};
pub use budget::{Budget, Limit, Used};
pub use case::Case;
pub use cx::{Candidate, Cx, Event, HelperCall, Within};
pub use entry::{Entry, Method};
pub use evasion::Evasion;
pub use journal::{CallRecord, Journal};
pub use mosa_core::{Estimator, Message, Role};
pub use record::{CaseRecord, SecondsRecord};
pub use registry::{ATTACKS, OF_THE_PAPER, attack};
pub use run::{Plan, Records, check, run};
pub use stop::Stop;
