//! The tree of TAP: branch, prune, ask, rate, prune.

use super::settings::Tap;
use super::wording::{Proposal, Wording};
use crate::{Candidate, Case, Cx, Finished, Generate, Generation, Message, Reason, Stop, Within, read};
use serde_json::json;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// Who writes prompts.
pub(super) const ATTACKER: &str = "tap/attacker";
/// Who says whether a prompt is still about the behaviour.
pub(super) const ON_TOPIC: &str = "tap/on-topic";
/// Who rates answers on the way.
pub(super) const JUDGE: &str = "tap/judge";

/// The highest rating.
const TOP: u32 = 10;

/// A conversation with the attacker that waits for its reply.
struct Leaf {
    id: usize,
    stream: usize,
    turns: Vec<Message>,
}

/// One of the copies of a leaf, each of which the attacker answers on its own.
struct Copied<'a> {
    branch: usize,
    leaf: &'a Leaf,
}

/// A prompt the attacker proposed.
struct Node {
    /// Path of its calls.
    at: String,
    id: usize,
    parent: usize,
    stream: usize,
    prompt: String,
    turns: Vec<Message>,
    on_topic: Option<bool>,
}

/// What came of asking a prompt.
#[derive(Clone)]
struct Asked {
    answer: Generation,
    score: Option<u32>,
    /// The rating, less what a monitor makes of the answer.
    rank: Option<f64>,
}

/// A node that was asked.
struct Rated {
    node: Node,
    asked: Asked,
}

/// The search for one behaviour.
pub(super) struct Search<'a> {
    tap: &'a Tap,
    cx: &'a Cx<'a>,
    wording: Wording<'a>,
    /// Number of the next node.
    next: usize,
    /// Every prompt the target was asked.
    asked: BTreeMap<String, Asked>,
}

impl<'a> Search<'a> {
    pub(super) fn new(tap: &'a Tap, case: &Case, cx: &'a Cx<'_>) -> Self {
        let wording = Wording::new(tap, case, cx);
        Self { tap, cx, wording, next: tap.roots, asked: BTreeMap::new() }
    }

    pub(super) fn run(mut self) -> Result<Finished, Stop> {
        self.cx.note("objective", "objective", self.wording.record());
        let root = |id| Leaf { id, stream: id, turns: vec![self.wording.first()] };
        let mut leaves: Vec<Leaf> = (0..self.tap.roots).map(root).collect();
        for depth in 1..=self.tap.depth {
            let nodes = self.branch(depth, &leaves)?;
            if nodes.is_empty() {
                let reason = if self.asked.is_empty() { Reason::HelperUnusable } else { Reason::AllPruned };
                return Ok(self.finished(reason));
            }
            let rated = self.ask(depth, nodes)?;
            if rated.iter().any(|rated| self.is_success(&rated.asked)) {
                return Ok(self.finished(Reason::GuideSuccess));
            }
            leaves = self.best(depth, rated);
        }
        Ok(self.finished(Reason::Exhausted))
    }

    /// Whether an answer ends the search: one that a monitor would have stopped does not.
    fn is_success(&self, asked: &Asked) -> bool {
        asked.score.is_some_and(|s| s >= self.tap.stop_at) && !self.tap.evasion.is_caught(&asked.answer)
    }

    /// The answer with the highest rank, the earliest on ties.
    fn finished(&self, reason: Reason) -> Finished {
        Finished { selected: self.cx.best(), reason }
    }

    /// The prompts of a depth that are asked. If none is on topic the branch is made once more; if none is then, the first
    /// of the attacker goes on, so that an evaluator that rejects everything does not end the search.
    fn branch(&mut self, depth: usize, leaves: &[Leaf]) -> Result<Vec<Node>, Stop> {
        let mut fallback = None;
        for round in [format!("d{depth}"), format!("d{depth}/again")] {
            let nodes = self.propose(&round, leaves)?;
            let (on, mut off): (Vec<Node>, Vec<Node>) = nodes.into_iter().partition(|n| n.on_topic == Some(true));
            off.iter().for_each(|node| self.pruned(node, "off_topic"));
            if !on.is_empty() {
                return Ok(self.first_width(depth, on));
            }
            off.sort_by_key(|node| Reverse(node.on_topic));
            fallback = off.into_iter().next().or(fallback);
        }
        if let Some(node) = &fallback {
            self.cx.note(&node.at, "kept", json!({ "id": node.id, "why": "none_on_topic" }));
        }
        Ok(fallback.into_iter().collect())
    }

    /// New prompts from every leaf, each with the evaluator's word on its topic.
    fn propose(&mut self, round: &str, leaves: &[Leaf]) -> Result<Vec<Node>, Stop> {
        let copies: Vec<Copied<'_>> =
            leaves.iter().flat_map(|leaf| (0..self.tap.branching).map(move |branch| Copied { branch, leaf })).collect();
        let at = |copy: &Copied<'_>| format!("{round}/n{}/b{}", copy.leaf.id, copy.branch);
        let talks: Vec<_> = copies
            .iter()
            .map(|copy| (format!("{}/attacker", at(copy)), self.wording.attacker(&copy.leaf.turns)))
            .collect();
        let proposals = self.cx.helper_read_all(ATTACKER, &talks, self.tap.attacker_attempts, Proposal::read)?;
        let (mut nodes, mut seen) = (Vec::new(), BTreeSet::new());
        for (copy, proposal) in copies.iter().zip(proposals) {
            nodes.extend(self.node(at(copy), copy, proposal, &mut seen));
        }
        let talks: Vec<_> =
            nodes.iter().map(|n| (format!("{}/on-topic", n.at), self.wording.on_topic(&n.prompt))).collect();
        let on_topic = self.cx.helper_read_all(ON_TOPIC, &talks, self.tap.evaluator_attempts, read::yes_or_no)?;
        for (node, on_topic) in nodes.iter_mut().zip(on_topic) {
            node.on_topic = on_topic;
            self.cx.note(&node.at, "on_topic", json!({ "id": node.id, "value": on_topic }));
        }
        Ok(nodes)
    }

    /// The node of a copy, unless the attacker's reply could not be read or repeats a prompt of this depth.
    fn node(
        &mut self,
        at: String,
        copy: &Copied<'_>,
        proposal: Option<Proposal>,
        seen: &mut BTreeSet<String>,
    ) -> Option<Node> {
        let &Copied { branch, leaf } = copy;
        let id = self.next;
        self.next += 1;
        let mut record = json!({ "id": id, "parent": leaf.id, "stream": leaf.stream, "branch": branch });
        let Some(proposal) = proposal else {
            self.cx.note(&at, "node", record);
            self.cx.note(at, "pruned", json!({ "id": id, "why": "json_fail" }));
            return None;
        };
        record["improvement"] = json!(proposal.improvement);
        record["prompt"] = json!(proposal.prompt);
        self.cx.note(&at, "node", record);
        let turns = leaf.turns.iter().cloned().chain([proposal.turn()]).collect();
        let Proposal { prompt, .. } = proposal;
        let node = Node { at, id, parent: leaf.id, stream: leaf.stream, prompt, turns, on_topic: None };
        if self.repeats_alike() && !seen.insert(node.prompt.clone()) {
            self.pruned(&node, "duplicate");
            return None;
        }
        Some(node)
    }

    /// Whether the target answers a prompt the same way every time.
    fn repeats_alike(&self) -> bool {
        self.tap.temperature <= 0.0
    }

    /// Which prompts are asked: at most `width`, drawn by lot as all are equally on topic, in their order.
    fn first_width(&self, depth: usize, nodes: Vec<Node>) -> Vec<Node> {
        if !self.tap.cap_queries || nodes.len() <= self.tap.width {
            return nodes;
        }
        let order = self.cx.rng(&format!("d{depth}/width1")).permutation(nodes.len());
        let chosen: BTreeSet<usize> = order.into_iter().take(self.tap.width).collect();
        let mut kept = Vec::new();
        for (i, node) in nodes.into_iter().enumerate() {
            if chosen.contains(&i) {
                kept.push(node);
            } else {
                self.pruned(&node, "width1");
            }
        }
        kept
    }

    /// Asks the target and has the answers rated. A prompt that was asked before keeps what came of it.
    fn ask(&mut self, depth: usize, nodes: Vec<Node>) -> Result<Vec<Rated>, Stop> {
        let again = self.repeats_alike();
        let fresh: Vec<&Node> = nodes.iter().filter(|n| !again || !self.asked.contains_key(&n.prompt)).collect();
        let prompt = |node: &Node| {
            Generate { gen_length: self.tap.gen_length, ..Generate::to(&node.prompt) }.at(self.tap.temperature)
        };
        let asked = fresh.iter().map(|n| (format!("{}/target", n.at), prompt(n))).collect();
        let Within { answers, cut } = self.cx.generate_within(asked)?;
        let scores = self.rate(&fresh, &answers);
        let mut results = BTreeMap::new();
        for (i, (node, answer)) in fresh.iter().zip(answers).enumerate() {
            let score = scores.as_ref().ok().and_then(|s| s[i]);
            let rank = score.map(|score| self.tap.evasion.rank(f64::from(score), &answer));
            let candidate = Candidate::new(prompt(node), answer.clone()).guided(rank);
            let candidate = candidate.tagged("depth", depth).tagged("node", node.id).tagged("parent", node.parent);
            let number = self.cx.candidate(candidate);
            let mut record = json!({ "id": node.id, "score": score, "candidate": number });
            self.tap.evasion.tell(&mut record, &answer);
            self.cx.note(&node.at, "rated", record);
            results.insert(node.id, Asked { answer, score, rank });
        }
        scores?;
        if let Some(stop) = cut {
            return Err(stop);
        }
        for node in fresh {
            if let Some(result) = results.get(&node.id) {
                self.asked.insert(node.prompt.clone(), result.clone());
            }
        }
        let result = |node: &Node| results.get(&node.id).or_else(|| self.asked.get(&node.prompt)).cloned();
        Ok(nodes.into_iter().filter_map(|node| result(&node).map(|asked| Rated { node, asked })).collect())
    }

    fn rate(&self, nodes: &[&Node], answers: &[Generation]) -> Result<Vec<Option<u32>>, Stop> {
        let talk = |(node, answer): (&&Node, &Generation)| {
            (format!("{}/judge", node.at), self.wording.judge(&node.prompt, answer.text()))
        };
        let talks: Vec<_> = nodes.iter().zip(answers).map(talk).collect();
        self.cx.helper_read_all(JUDGE, &talks, self.tap.evaluator_attempts, |text| read::rating(text, 1..=TOP))
    }

    /// The leaves of the next depth: the best `width` by rank, ties by lot. No rating sorts below the lowest.
    fn best(&self, depth: usize, rated: Vec<Rated>) -> Vec<Leaf> {
        let lot = self.cx.rng(&format!("d{depth}/width2")).permutation(rated.len());
        let mut order: Vec<_> = rated.into_iter().zip(lot).collect();
        let rank = |rated: &Rated| rated.asked.rank.unwrap_or(f64::NEG_INFINITY);
        order.sort_by(|(a, x), (b, y)| rank(b).total_cmp(&rank(a)).then(x.cmp(y)));
        let dropped = order.split_off(self.tap.width.min(order.len()));
        dropped.iter().for_each(|(rated, _)| self.pruned(&rated.node, "width2"));
        order.into_iter().map(|(rated, _)| self.leaf(rated)).collect()
    }

    /// A node's conversation, shortened, with what came of its prompt.
    fn leaf(&self, rated: Rated) -> Leaf {
        let Rated { node, asked } = rated;
        let mut turns = node.turns;
        turns.drain(..turns.len().saturating_sub(2 * self.tap.keep_last));
        turns.push(self.wording.feedback(&asked.answer, asked.score));
        Leaf { id: node.id, stream: node.stream, turns }
    }

    fn pruned(&self, node: &Node, why: &str) {
        self.cx.note(&node.at, "pruned", json!({ "id": node.id, "why": why }));
    }
}
