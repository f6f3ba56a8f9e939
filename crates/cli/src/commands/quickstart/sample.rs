//! Findings made up for tests.

use super::arms::{ASSAULTS, Arm, Assault};
use super::matrix::{ASKED, FORCED, TASKS};
use super::{Attacked, Findings, Measured};
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
    let attacks = attacks.map(|(assault, arm)| attack(assault, arm, n, is_open(arm))).collect();
    Findings { models, probes: Vec::new(), attacks, n, profile: "smoke".into(), digest: String::new() }
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
        json!({"group": assault.attack, "id": i.to_string(), "behaviour": format!("request {i}"), "finish": "stop", "forwards": 9,
               "texts": {"full": "", "to_end": ""}, "pieces": [], "steps": [], "confidences": []})
    };
    let case = |i: usize| {
        json!({"attack": assault.attack, "case": i.to_string(), "reason": "exhausted", "candidates": [key(i)], "selected": key(i),
               "used": {"queries": 1, "helper_calls": 0, "forwards": 9, "proposals": 0}})
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

// TEMPORARY
pub(super) fn mixed(n: usize) -> Findings {
    use super::arms::ARMS;
    let p = |arm: &Arm, salt: usize| -> usize {
        let base = match arm.name {
            "original" => 80,
            "sft" => 70,
            "initial" => 40,
            "mosa-sum" => 2,
            "mosa-mean" => 60,
            "mosa-world" => 5,
            "a2d" => 30,
            "recovery" => 12,
            "mosa-plus" => 1,
            "original-diffuguard" => 60,
            "original-steering" => 40,
            _ => 3,
        };
        (base + (salt * 7) % 23).min(100)
    };
    let hit = |i: usize, salt: usize, rate: usize| (i * 37 + salt * 13) % 100 < rate;
    let fail = |arm: &Arm, i: usize| match arm.name {
        "mosa-plus" | "sft" | "recovery" => Outcome::Refused,
        "mosa-sum" => [Outcome::NoLanguage, Outcome::BrokeOff, Outcome::NoLanguage][i % 3],
        _ => [Outcome::Refused, Outcome::BrokeOff, Outcome::Other, Outcome::Refused][i % 4],
    };
    let (mut models, mut attacks) = (Vec::new(), Vec::new());
    for arm in &ARMS {
        for seed in arm.seeds(&[0, 1, 2]) {
            let salt = seed.unwrap_or(0) as usize;
            let mut all = Vec::new();
            for (c, (cell, _)) in ASKED.iter().chain(&FORCED).enumerate() {
                let mut some = answers(cell, n, false);
                for (i, a) in some.iter_mut().enumerate() {
                    a.graded.success = hit(i, salt + c, p(arm, c));
                    a.outcome = if a.graded.success { Outcome::Complied } else { fail(arm, i) };
                }
                all.extend(some);
            }
            for (c, (cell, _)) in TASKS.iter().enumerate() {
                let mut some = answers(cell, n, true);
                for (i, a) in some.iter_mut().enumerate() {
                    a.graded.success = !(arm.name == "mosa-sum" && hit(i, c, 80)) && hit(i, c, 97);
                    a.outcome = if a.graded.success { Outcome::Complied } else { fail(arm, i) };
                }
                all.extend(some);
            }
            let training = (0..if seed.is_some() && arm.beyond != "" { 250 } else { 0 }).map(|step| from_value(json!({
                "step": step + 1, "loss": 1.0, "kl": 0.1, "kl_inside": 0.0, "kl_outside": 0.0, "grad_norm": 1.0, "lr": 1e-4, "records": [],
                "seconds": 0.2, "tokens_per_s": 10.0, "reward": (step as f64).sqrt() + ((step * 37 % 11) as f64) - 5.0, "reward_reference": 0.0,
                "reward_pos": 0.0, "reward_neg": 0.0, "reward_pos_per_token": 0.0, "reward_neg_per_token": 0.0, "k_pos": [], "k_neg": []
            })).unwrap()).collect();
            models.push(Measured { arm, seed, training, answers: all });
            for (c, assault) in ASSAULTS.iter().enumerate() {
                let mut a = attack(assault, arm, n, false);
                a.seed = seed;
                for (i, v) in a.run.verdicts.iter_mut().enumerate() {
                    let s = hit(i, salt + c, p(arm, c));
                    v.success = Some(s);
                    v.outcome = Some(if s { Outcome::Complied } else { fail(arm, i) });
                }
                attacks.push(a);
            }
        }
    }
    Findings { models, probes: Vec::new(), attacks, n, profile: "standard".into(), digest: "abc".into() }
}
