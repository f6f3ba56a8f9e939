//! From the records of runs to a report. Nothing is computed anew: a page is a function of what the folders hold.
//!
//! A [`Run`] is a folder with whatever records it has; [`report`] makes a section of every kind of record that any of the
//! runs holds, with one curve per run, and compares runs that answered the same requests.

mod agreement;
mod arm;
mod compare;
mod count;
mod outcome;
mod run;
mod section;
pub mod utility;

pub use count::Count;
pub use outcome::{CaseOutcome, submitted, why_unassessed};
pub use run::{FILES, Run};
pub use section::monitor::{MonitorCell, monitored};
pub use section::{OutcomeRow, digest, outcome_bars, outcome_table, report, sections};
