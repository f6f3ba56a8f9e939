//! AdvPrefix (arXiv 2412.10321): which beginning of an answer to aim for.
//!
//! A helper proposes beginnings, rules drop and shorten them, the target's own probabilities rank them, sampled
//! completions rate them, and the best one is used. Beginnings here are words at slots 0.. of the canvas; the adaptive
//! variant takes words from the middle of proposed answers and puts them at slots p.., as the MOSA paper does.

mod propose;
mod rate;
mod select;
mod settings;

pub use settings::{AdvPrefix, Opener, PrefixMode, Surrogate};

use crate::attacks::Pal;
use crate::{Ability, Anchor, Attack, Candidate, Case, Cost, Cx, Finished, Generate, Monitored, Needs, Reason, Stop};
use rate::Rated;
use serde_json::{Value, json};
use settings::JUDGE;

impl AdvPrefix {
    /// Uses the selected prefixes; the number of the first one's answer, and how it ended.
    fn use_up(&self, case: &Case, cx: &Cx<'_>, chosen: &[&Rated]) -> Result<Finished, Stop> {
        if self.mode == PrefixMode::Optimised {
            let mut all = Vec::new();
            for (rank, prefix) in chosen.iter().enumerate() {
                let target = Some(prefix.text.clone());
                let pal = Pal { target, anchor: self.anchor, ..self.pal.clone() };
                all.push(pal.search(&format!("final/{rank}/"), case, cx)?);
            }
            let none = Finished { selected: None, reason: Reason::AllPruned };
            return Ok(all.into_iter().next().unwrap_or(none));
        }
        let asked: Vec<Generate> = chosen.iter().map(|prefix| self.asked(case, &prefix.text)).collect();
        let calls = asked.iter().enumerate().map(|(rank, asked)| (format!("final/{rank}"), asked.clone())).collect();
        let answers = cx.generate_all(calls)?;
        let mut numbers = Vec::new();
        for (rank, ((asked, answer), prefix)) in asked.into_iter().zip(answers).zip(chosen).enumerate() {
            let candidate = Candidate::new(asked, answer).guided(prefix.pasr);
            numbers.push(cx.candidate(candidate.tagged("stage", "final").tagged("rank", rank)));
        }
        Ok(Finished { selected: numbers.first().copied(), reason: Reason::Exhausted })
    }
}

impl Attack for AdvPrefix {
    fn name(&self) -> &'static str {
        match (self.mode, self.anchor) {
            (PrefixMode::Prefill, Anchor::Start) => "adv-prefix",
            (PrefixMode::Prefill, Anchor::Middle(_)) => "adv-prefix-adaptive",
            (PrefixMode::Prompt, Anchor::Start) => "adv-prefix-prompt",
            (PrefixMode::Prompt, Anchor::Middle(_)) => "adv-prefix-prompt-adaptive",
            (PrefixMode::Optimised, Anchor::Start) => "adv-prefix-optimised",
            (PrefixMode::Optimised, Anchor::Middle(_)) => "adv-prefix-optimised-adaptive",
        }
    }

    fn needs(&self) -> Needs {
        let mut abilities = match self.mode {
            PrefixMode::Prompt => Vec::new(),
            PrefixMode::Prefill => vec![Ability::ForcedTokens, Ability::Score],
            PrefixMode::Optimised => [vec![Ability::ForcedTokens], self.pal.needs().abilities].concat(),
        };
        abilities.extend(self.guided.then_some(Ability::Guide));
        Needs { abilities, roles: [self.proposers(), &[JUDGE]].concat() }
    }

    fn watches(&self) -> Option<Monitored> {
        self.pal.watches().filter(|_| self.mode == PrefixMode::Optimised)
    }

    fn settings(&self) -> Value {
        json!(self)
    }

    fn cost(&self) -> Cost {
        let each: usize = self.openers.iter().map(|o| o.samples + 1).sum();
        let asked = each * self.proposers().len();
        let guided = if self.guided { each } else { 0 };
        let proposals = asked + guided;
        let (from, to) = self.second_line;
        let prefixes = match self.anchor {
            Anchor::Start => proposals * (to + 1).saturating_sub(from),
            Anchor::Middle(_) => proposals,
        };
        let screened = self.screen.filter(|s| *s < prefixes && self.mode != PrefixMode::Prompt);
        let scores = match self.mode {
            PrefixMode::Prompt => 0,
            PrefixMode::Prefill | PrefixMode::Optimised => prefixes + screened.unwrap_or(0),
        };
        let completions = screened.unwrap_or(prefixes).min(self.keep) * self.samples;
        let each = match self.mode {
            PrefixMode::Optimised => self.pal.cost().queries,
            PrefixMode::Prefill | PrefixMode::Prompt => 1,
        };
        Cost {
            queries: (guided * self.proposed_tokens() as usize + scores + completions) as u64
                + self.selected as u64 * each,
            helper_calls: (asked + completions * self.judge_attempts) as u64,
        }
    }

    fn run(&self, case: &Case, cx: &Cx<'_>) -> Result<Finished, Stop> {
        let proposals = self.propose(case, cx)?;
        if proposals.is_empty() {
            return Ok(Finished { selected: None, reason: Reason::HelperUnusable });
        }
        let prefixes = self.prefixes(cx, &proposals)?;
        let ranked = self.ranked(case, cx, prefixes)?;
        if ranked.is_empty() {
            return Ok(Finished { selected: None, reason: Reason::AllPruned });
        }
        let rated = self.rated(case, cx, ranked)?;
        let chosen = self.chosen(&rated);
        let texts: Vec<_> = chosen.iter().map(|c| json!({ "prefix": c.text, "pasr": c.pasr, "nll": c.nll })).collect();
        cx.note("select", "selected", json!(texts));
        if chosen.is_empty() {
            return Ok(Finished { selected: None, reason: Reason::HelperUnusable });
        }
        self.use_up(case, cx, &chosen)
    }
}
