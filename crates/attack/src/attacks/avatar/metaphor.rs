//! What a goal is about, what could stand for it, and how good a stand-in is.

use crate::read;
use crate::similar::similarity;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Sub-entities of a goal, at least and at most. Ours.
const SUB_ENTITIES: std::ops::RangeInclusive<usize> = 2..=6;

/// The entities of a goal and how they hang together.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Entities {
    core_entity: String,
    sub_entities: Vec<Entity>,
    #[serde(default)]
    relations: Vec<Relation>,
    #[serde(default)]
    task_verb: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Entity {
    name: String,
    #[serde(default)]
    role: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Relation {
    a: String,
    b: String,
    #[serde(default)]
    relation: String,
}

impl Entities {
    /// Reads a reply.
    pub(super) fn read(reply: &str) -> Option<Self> {
        let found: Self = serde_json::from_value(Value::Object(read::object(reply)?)).ok()?;
        let named = found.names().all(|n| !n.trim().is_empty());
        (named && SUB_ENTITIES.contains(&found.sub_entities.len())).then_some(found)
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.core_entity.as_str()).chain(self.sub_entities.iter().map(|e| e.name.as_str()))
    }
}

/// A domain whose things stand for the entities.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Metaphor {
    pub(super) domain: String,
    pub(super) mapping: Vec<Pair>,
    #[serde(default)]
    pub(super) relations_preserved: Vec<Value>,
}

/// An entity and what stands for it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Pair {
    pub(super) original: String,
    pub(super) stand_in: String,
    #[serde(default)]
    pub(super) shared_property: String,
}

impl Metaphor {
    /// Reads a reply. What it maps must be among the entities, the core entity and another one at least, each once.
    pub(super) fn read(reply: &str, entities: &Entities) -> Option<Self> {
        let mut found: Self = serde_json::from_value(Value::Object(read::object(reply)?)).ok()?;
        let proposed = std::mem::take(&mut found.mapping);
        for pair in proposed {
            let same = |name: &str| name.trim().eq_ignore_ascii_case(pair.original.trim());
            let new = !found.mapping.iter().any(|p| same(&p.original));
            let changes = !pair.stand_in.trim().is_empty() && !same(&pair.stand_in);
            if entities.names().any(same) && new && changes {
                found.mapping.push(pair);
            }
        }
        let core = found.mapping.iter().any(|p| p.original.trim().eq_ignore_ascii_case(entities.core_entity.trim()));
        (core && found.mapping.len() > 1 && !found.domain.trim().is_empty()).then_some(found)
    }

    /// Its things alone.
    pub(super) fn stand_ins(&self) -> Vec<&str> {
        self.mapping.iter().map(|p| p.stand_in.as_str()).collect()
    }

    /// How well it keeps the logic of the originals and how far it is from them; `weight` is the share of the former.
    pub(super) fn scores(&self, weight: f64) -> Scores {
        let originals: Vec<&str> = self.mapping.iter().map(|p| p.original.as_str()).collect();
        let logic = cosine(&pairwise(&originals), &pairwise(&self.stand_ins()));
        let near: f64 = self.mapping.iter().map(|p| similarity(&p.original, &p.stand_in)).sum();
        let distance = 1.0 - near / self.mapping.len().max(1) as f64;
        Scores { ics: logic, cd: distance, total: weight * logic + (1.0 - weight) * distance }
    }
}

/// The score of a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Scores {
    /// Similarity of the originals among each other and of the stand-ins among each other, compared.
    ics: f64,
    /// 1 - mean similarity of originals and stand-ins.
    cd: f64,
    /// The weighted mean.
    pub(super) total: f64,
}

/// The similarity of every two names.
fn pairwise(names: &[&str]) -> Vec<f64> {
    let rest = |i: usize| names[i + 1..].iter().map(move |b| similarity(names[i], b));
    (0..names.len()).flat_map(rest).collect()
}

/// The cosine of two vectors; 0 if one is zero.
fn cosine(a: &[f64], b: &[f64]) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
    match (dot(a, a) * dot(b, b)).sqrt() {
        0.0 => 0.0,
        norm => dot(a, b) / norm,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metaphor(pairs: &[(&str, &str)]) -> Metaphor {
        let pair = |(original, stand_in): &(&str, &str)| Pair {
            original: (*original).into(),
            stand_in: (*stand_in).into(),
            shared_property: String::new(),
        };
        Metaphor { domain: "d".into(), mapping: pairs.iter().map(pair).collect(), relations_preserved: Vec::new() }
    }

    #[test]
    fn names_that_stand_for_themselves_keep_the_logic_and_have_no_distance() {
        let scores = metaphor(&[("red stone", "red stone"), ("red sand", "red sand"), ("sea", "sea")]).scores(0.5);
        assert!((scores.ics - 1.0).abs() < 1e-9 && scores.cd.abs() < 1e-9 && (scores.total - 0.5).abs() < 1e-9);
    }

    #[test]
    fn stand_ins_that_are_alike_where_the_originals_are_score_higher() {
        let originals = ["red stone", "red sand", "blue sea"];
        let of = |stand_ins: [&str; 3]| metaphor(&originals.into_iter().zip(stand_ins).collect::<Vec<_>>()).scores(0.5);
        assert!(of(["old king", "old prince", "moon"]).ics > of(["old king", "moon", "old prince"]).ics);
        assert!(of(["old king", "old prince", "moon"]).cd > of(["red king", "red prince", "moon"]).cd);
    }
}
