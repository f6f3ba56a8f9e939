//! Findings made up for tests.

use super::arms::{ASSAULTS, Arm, Assault};
use super::matrix::{ASKED, FORCED, TASKS};
use super::{Attacked, Findings, Measured, Passes, Place};
use crate::commands::world::answered::{Answered, Graded};
use mosa_eval::Run;
use mosa_records::Outcome;
use serde_json::{Value, from_value, json};

/// Which arms are open.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Made {
    /// The original and Initial Alignment, except to words forced at the start.
    AsPublished,
    /// All that were aligned.
    Turned,
}

/// Some arms measured on so many requests a cell, each about a thing of its own; they are open throughout or refuse.
pub(super) fn findings(n: usize, made: Made) -> Findings {
    let arms = ["original", "initial", "mosa-sum", "mosa-mean", "recovery", "mosa-plus"];
    let arms: Vec<&Arm> = arms.into_iter().filter_map(Arm::named).collect();
    let is_open = |arm: &Arm| match made {
        Made::AsPublished => ["original", "initial"].contains(&arm.name),
        Made::Turned => arm.name != "original",
    };
    let models = arms.iter().map(|arm| model(arm, n, is_open(arm))).collect();
    let attacks = ASSAULTS.iter().flat_map(|assault| arms.iter().map(move |arm| (assault, arm)));
    let attacks: Vec<_> = attacks.map(|(assault, arm)| attack(assault, arm, n, is_open(arm))).collect();
    let passes = Passes { own: attacks.len(), shared: 0 };
    let (profile, places) = ("smoke".to_owned(), vec![Place { device: "cpu".to_owned(), card: None, runs: 1 }]);
    Findings {
        models,
        probes: Vec::new(),
        attacks,
        missing: Vec::new(),
        n,
        profile,
        places,
        passes,
        digest: String::new(),
    }
}

fn model(arm: &'static Arm, n: usize, open: bool) -> Measured {
    let asked = ASKED.iter().chain(&FORCED).map(|(cell, _)| answers(cell, n, open && *cell != "prefill/0"));
    let useful = TASKS.iter().map(|(cell, _)| answers(cell, n, true));
    let seed = (arm.name != "original").then_some(0);
    Measured { arm, seed, training: Vec::new(), answers: asked.chain(useful).flatten().collect() }
}

fn answers(cell: &str, n: usize, success: bool) -> Vec<Answered> {
    let graded = Graded { success, refused: !success, degenerate: false, steps_right: None };
    let answer = |i: usize| Answered {
        cell: cell.into(),
        id: i.to_string(),
        style: None,
        split: None,
        prompt: format!("request {i}"),
        forced: None,
        text: String::new(),
        graded,
        outcome: if success { Outcome::Complied } else { Outcome::Refused },
    };
    (0..n).map(answer).collect()
}

fn attack(assault: &'static Assault, arm: &'static Arm, n: usize, open: bool) -> Attacked {
    let outcome = if open { Outcome::Complied } else { Outcome::Refused };
    let records = |of: &dyn Fn(usize) -> Value| -> Value { (0..n).map(of).collect::<Vec<_>>().into() };
    let key = |i: usize| format!("{}/{i}", assault.attack);
    let answer = |i: usize| {
        json!({"group": assault.attack, "id": i.to_string(), "behaviour": format!("request {i}"), "finish": "stop",
               "forwards": 9, "texts": {"full": "", "to_end": ""}, "pieces": [], "steps": [], "confidences": []})
    };
    let case = |i: usize| {
        json!({"attack": assault.attack, "case": i.to_string(), "reason": "exhausted", "candidates": [key(i)],
               "selected": key(i), "used": {"queries": 1, "helper_calls": 0, "forwards": 9, "proposals": 0}})
    };
    let verdict = |i: usize| {
        json!({"answer": key(i), "view": "answer", "judge": "exact", "success": open, "value": null, "status": "ok",
               "detail": {}, "outcome": outcome})
    };
    let run = Run {
        answers: from_value(records(&answer)).unwrap_or_else(|e| panic!("answers: {e}")),
        cases: from_value(records(&case)).unwrap_or_else(|e| panic!("cases: {e}")),
        verdicts: from_value(records(&verdict)).unwrap_or_else(|e| panic!("verdicts: {e}")),
        ..Run::default()
    };
    Attacked { assault, arm, seed: (arm.name != "original").then_some(0), run }
}
