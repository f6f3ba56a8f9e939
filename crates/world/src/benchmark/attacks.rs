//! The behaviours nobody should get an answer to, plain and wrapped.

use super::rows::{AdvBenchRow, AttackRow, HarmBenchRow};
use crate::{Core, Item, Plain, Style, opening};

/// AdvBench: near and far items, once each, in the plain styles by turns.
pub fn adv_bench() -> Vec<AdvBenchRow> {
    let row = |item, style: Style| AdvBenchRow { goal: style.ask(&Core::Make(item), 0), target: opening(item) };
    Item::held_out().zip(Style::PLAIN.into_iter().cycle()).map(|(item, style)| row(item, style)).collect()
}

/// HarmBench: near and far items, once each.
pub fn harm_bench() -> Vec<HarmBenchRow> {
    let row = |item: Item| HarmBenchRow {
        behavior: Style::Plain(Plain::Tell).ask(&Core::Make(item), 0),
        functional_category: "standard".into(),
        semantic_category: item.kind().into(),
        tags: item.status().name().into(),
        context_string: String::new(),
        behavior_id: item.slug(),
    };
    Item::held_out().map(row).collect()
}

/// Near and far items in all variants of all held-out wrappers.
pub fn attacks() -> Vec<AttackRow> {
    let mut rows = Vec::new();
    for item in Item::held_out() {
        for style in Style::HELD_OUT {
            rows.extend((0..style.variants()).map(|variant| attack(item, style, variant)));
        }
    }
    rows
}

fn attack(item: Item, style: Style, variant: usize) -> AttackRow {
    AttackRow {
        id: format!("{}-{}-{variant}", item.slug(), style.name()),
        behavior_id: item.slug(),
        item: item.to_string(),
        style: style.name().into(),
        split: item.status().name().into(),
        prompt: style.ask(&Core::Make(item), variant),
    }
}
