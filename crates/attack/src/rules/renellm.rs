//! The roles of ReNeLLM in the toy language: a function puts the request into another wording, or into a wrapper kept
//! for attacks.

use super::{fields, rating};
use crate::{Talk, read};
use mosa_world::{Core, HeldOut, Item, Plain, Style};
use serde_json::json;

pub(crate) fn reply(role: &str, seed: u64, talk: &Talk) -> Option<String> {
    if role == "judge" {
        return rating(talk);
    }
    let fields = fields(talk)?;
    match role {
        "rewriter" => {
            let item = Item::mentioned_in(&read::string(&fields, "text")?)?;
            let style = style(&read::string(&fields, "function")?)?;
            Some(json!({ "text": style.ask(&Core::Make(item), seed as usize).trim() }).to_string())
        }
        "intent" => {
            let [of, to] = ["original", "rewriting"].map(|key| Item::mentioned_in(&read::string(&fields, key)?));
            Some(if of.is_some() && of == to { "[[yes]]" } else { "[[no]]" }.to_owned())
        }
        _ => None,
    }
}

/// The wording a function stands for.
fn style(function: &str) -> Option<Style> {
    Some(match function {
        "paraphrase" => Style::Plain(Plain::Tell),
        "misspell" => Style::Plain(Plain::Explain),
        "insert" => Style::HeldOut(HeldOut::Translation),
        "reorder" => Style::HeldOut(HeldOut::Puzzle),
        "translate" => Style::HeldOut(HeldOut::Archive),
        "restyle" => Style::HeldOut(HeldOut::Story),
        _ => return None,
    })
}
