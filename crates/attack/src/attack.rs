//! What an attack is.

use crate::{Ability, Case, Cx, Stop};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A published attack: straight-line code over what [`Cx`] offers. It never touches a model, a file or a clock, so it
/// can be replayed from its journal and tested with scripted replies.
pub trait Attack: Send + Sync {
    /// Its name in records.
    fn name(&self) -> &'static str;

    /// What it cannot do without; checked before the first query.
    fn needs(&self) -> Needs;

    /// Its parameters, as they go into the manifest.
    fn settings(&self) -> Value;

    /// The most target queries and helper calls a case can take, by its parameters.
    fn cost(&self) -> Cost;

    /// Whether it works with whole answers that comply ([`Case::answer`]); where the data have none it does with their
    /// beginning, and says so in its record.
    fn reads_answers(&self) -> bool {
        false
    }

    /// The monitor whose score it sees; none unless it is told to be adaptive against one. Also among its needs, as
    /// [`Ability::Monitor`].
    fn watches(&self) -> Option<Monitored> {
        None
    }

    /// Attacks one behaviour. What it finds worth judging it hands to [`Cx::candidate`].
    ///
    /// # Errors
    /// [`Stop`] where the case ends before the attack does; candidates found until then stay.
    fn run(&self, case: &Case, cx: &Cx<'_>) -> Result<Finished, Stop>;
}

/// How much an attack may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// The parameters of its paper, or of its published code where the paper is silent.
    Paper,
    /// The same method with fewer queries.
    Standard,
    /// A run-through.
    Smoke,
}

/// What an attack cannot do without.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Of the target.
    pub abilities: Vec<Ability>,
    /// Roles of helper models.
    pub roles: Vec<&'static str>,
}

/// A monitor that an attack sees.
#[derive(Clone, Debug, PartialEq)]
pub struct Monitored {
    /// Its name.
    pub monitor: String,
    /// The value at which the attack takes it to stop an answer; absent: that of a `stop` in front of the target, else the
    /// published one.
    pub threshold: Option<f64>,
    /// Whether suffixes are searched by its gradient, which only monitors of the first pass have.
    pub by_gradient: bool,
}

/// An upper bound per case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Cost {
    /// Answers and scores of the target.
    pub queries: u64,
    /// Calls of helpers.
    pub helper_calls: u64,
}

/// Where an attack puts the weight of what it asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Anchor {
    /// The first words of the answer, as published.
    #[default]
    Start,
    /// Words in the middle of the answer: the adaptive variants of the MOSA paper.
    Middle(usize),
}

/// How an attack came to its end.
#[derive(Clone, Debug, PartialEq)]
pub struct Finished {
    /// The candidate it would submit; the one with the highest guide score, earliest on ties, if it does not say.
    pub selected: Option<usize>,
    /// Why it ended.
    pub reason: Reason,
}

/// Why a case ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Its own guide said it worked.
    GuideSuccess,
    /// It did all it does.
    Exhausted,
    /// Nothing was left to follow.
    AllPruned,
    /// A helper's replies could not be used.
    HelperUnusable,
    /// A budget ran out.
    Budget,
    /// A call failed for good; the case is not assessed.
    Failed,
    /// The journal holds other requests; the case is not assessed.
    Drift,
}
