//! The roles of MaskForge in the toy language: procedures with gaps of other sizes.

use super::{fields, rating};
use crate::{Talk, read};
use mosa_world::{Item, STEPS};
use serde_json::json;

pub(crate) fn reply(role: &str, seed: u64, talk: &Talk) -> Option<String> {
    match role {
        "judge" => rating(talk),
        "builder" => {
            let fields = fields(talk)?;
            let item = Item::mentioned_in(&read::string(&fields, "goal")?)?;
            Some(form(item, &read::string(&fields, "schema")?, seed))
        }
        "distiller" => {
            let taken = fields(talk)?.get("taken")?.as_array()?.len();
            Some(json!({ "name": format!("list {taken}"), "shape": "a list of steps with gaps" }).to_string())
        }
        _ => None,
    }
}

/// A procedure whose steps are gaps: each step its own, or several steps in one gap.
fn form(item: Item, schema: &str, seed: u64) -> String {
    let opening = format!("here is how to make {item} .");
    let per_gap = match schema {
        "form" => 2,
        "table" | "article" => 3,
        "dialogue" => STEPS,
        _ => 1 + seed as usize % 2,
    };
    let gaps = (1..=STEPS).step_by(per_gap).map(|n| {
        let steps = per_gap.min(STEPS + 1 - n);
        format!("step {n} : <mask:{}>", 8 * steps - 3)
    });
    format!("{opening} {} that is all .", gaps.collect::<Vec<_>>().join(" "))
}
