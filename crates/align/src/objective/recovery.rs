//! Recovery Alignment: from a canvas that already holds part of a harmful answer, safe endings are rewarded.

use super::covered::Covering;
use super::retain::Retained;
use super::{Batch, CanvasIds, Objective};
use crate::data::{batch, check_answers};
use crate::example::{Example, Linear};
use crate::metrics::RolloutMetrics;
use crate::options::{Recovery, Reduction};
use crate::rollout::{Rollout, Rollouts, advantages, mean, spread};
use crate::wire::{Wire, fields};
use crate::{AlignConfig, AlignError, Data, Policy};
use mosa_core::{Rng, Stream, TokenId};
use mosa_engine::{Answer, Frame, Request, generate};
use mosa_model::{Adapted, DenoisingModel};
use mosa_parallel::Team;
use std::collections::{BTreeMap, BTreeSet};

/// The policy answers from contaminated canvases, several times each, and what is better than its group gets likelier
/// (arXiv 2510.00565, with the update of GRPO, arXiv 2402.03300):
///
/// ```text
/// t_inter = floor(t_min + s / S (t_max - t_min))          at step s of S
/// canvas  = prompt + response, t_inter / T of the tokens of the harmful answer revealed
/// loss    = mean over answers of -A mean over its own tokens of L + beta KL(policy || reference)
/// ```
///
/// L is read as in diffu-GRPO (arXiv 2504.12216): one pass in which all tokens that the policy wrote are masked, and what stood
/// there before is not. An answer is used for one update, so the ratio of probabilities that GRPO clips is 1 and its gradient is
/// that of L; the KL is the exact one of these positions instead of an estimate from the tokens drawn.
#[derive(Debug)]
pub struct RecoveryGroups<'r> {
    settings: Recovery,
    beta: f64,
    covering: Covering,
    /// Steps of the run.
    steps: usize,
    seed: u64,
    batch_size: usize,
    retained: Option<Retained>,
    rollouts: Rollouts<'r>,
    data: Data,
}

/// Where the groups of a step begin, and their answers.
type Groups = Vec<(Start, Vec<Graded>)>;

/// Where the answers of a group begin.
struct Start {
    /// Its number in the step.
    slot: usize,
    /// Number of the record.
    record: usize,
    /// What is revealed of its answer, by ascending offset.
    forced: Vec<(usize, TokenId)>,
}

/// An answer of the policy.
struct Graded {
    ids: Vec<TokenId>,
    /// Passes it took.
    forwards: usize,
    /// What it is worth.
    reward: f64,
}

fields!(Graded: ids, forwards, reward);

impl<'r> RecoveryGroups<'r> {
    /// The objective; the answers of `data.records` are the harmful ones.
    ///
    /// # Errors
    /// [`AlignError::Setting`] if answers are missing or too long, or the sampler answers at another length.
    pub fn new(
        config: &AlignConfig,
        ids: CanvasIds,
        mut data: Data,
        rollouts: Rollouts<'r>,
    ) -> Result<Self, AlignError> {
        check_answers("data", &data.records, config.canvas_length)?;
        let whole = config.recovery.whole(config.canvas_length);
        for (key, t) in [("recovery.t_min", config.recovery.t_min), ("recovery.t_max", config.recovery.t_max)] {
            if t >= whole {
                let what = format!("= {t} must be below the {whole} steps of an answer, or nothing is left to write");
                return Err(AlignError::Setting { key, what });
            }
        }
        if rollouts.options.gen_length != config.canvas_length {
            let what = format!("= {} is not the length of the answers", config.canvas_length);
            return Err(AlignError::Setting { key: "canvas_length", what });
        }
        let retained = Retained::new(config, ids, std::mem::take(&mut data.retain))?;
        Ok(Self {
            settings: config.recovery,
            beta: config.beta,
            covering: Covering::new(config, ids),
            steps: config.total_steps(data.records.len()),
            seed: config.seed,
            batch_size: config.batch_size,
            retained,
            rollouts,
            data,
        })
    }

    /// What stands on the canvas before the policy answers: the part of the harmful answer that is revealed after t_inter of T
    /// steps. Blocks are filled from left to right, as the sampler fills them; which tokens of a block is drawn.
    fn start(&self, step: usize, slot: usize, record: usize) -> Start {
        let source = &self.data.records[record];
        let answer = &source.response;
        let t_inter = self.settings.t_inter(step, self.steps);
        let count = self.settings.revealed(t_inter, answer.len(), self.covering.length);
        let mut rng = Rng::at(self.seed, Stream::Canvas, step as u64, slot as u64);
        let mut revealed = Vec::new();
        for block in self.blocks(source.prompt.len()) {
            let own: Vec<usize> = block.filter(|i| *i < answer.len()).collect();
            let left = count - revealed.len();
            let order = rng.permutation(own.len());
            revealed.extend(order.into_iter().take(left).map(|i| own[i]));
        }
        revealed.sort_unstable();
        Start { slot, record, forced: revealed.into_iter().map(|i| (i, answer[i])).collect() }
    }

    /// The response offsets of every block of the sampler.
    fn blocks(&self, prompt: usize) -> Vec<std::ops::Range<usize>> {
        let (options, length) = (&self.rollouts.options, self.covering.length);
        let plan = options.schedule.plan();
        let frame =
            Frame { response_start: prompt, first_mask: prompt, gen_length: length, pace: options.commit.pace() };
        let offset = |at: usize| at.saturating_sub(prompt).min(length);
        let block = |index| plan.block(&frame, index).positions;
        (0..plan.blocks(&frame)).map(block).map(|p| offset(p.start)..offset(p.end)).collect()
    }

    /// The answers from every start, a group each. Those of a shard are decoded and graded together and with no others, so that
    /// they do not depend on who else takes part.
    fn graded(
        &self,
        step: usize,
        starts: Vec<Start>,
        policy: &Policy<'_>,
        team: &Team<'_>,
    ) -> Result<Groups, AlignError> {
        let (mut shards, split): (BTreeMap<usize, Vec<Start>>, _) = (BTreeMap::new(), team.split());
        let slots = starts.len();
        for start in starts {
            shards.entry(split.at(start.slot)).or_default().push(start);
        }
        let mut own: Vec<(usize, Vec<Graded>)> = Vec::with_capacity(slots);
        for shard in team.own() {
            let Some(starts) = shards.get(&shard) else { continue };
            let answers = self.answers(step, starts, policy)?;
            let rewards = self.rewards(starts, &answers)?;
            let graded = answers.into_iter().zip(rewards);
            let mut graded = graded.map(|(a, reward)| Graded { ids: a.ids, forwards: a.forwards, reward });
            let group = self.settings.group;
            own.extend(starts.iter().map(|start| (start.slot, graded.by_ref().take(group).collect())));
        }
        let mut groups = match team.exchange.size() {
            1 => own,
            _ => {
                let all = team.exchange.gather(&own.bytes())?;
                let read = all.iter().map(|bytes| Vec::<(usize, Vec<Graded>)>::read(bytes));
                read.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect()
            }
        };
        groups.sort_by_key(|(slot, _)| *slot);
        let mut starts: Vec<Start> = shards.into_values().flatten().collect();
        starts.sort_by_key(|start| start.slot);
        Ok(starts.into_iter().zip(groups.into_iter().map(|(_, answers)| answers)).collect())
    }

    /// Lets the policy answer from every start, a group each.
    fn answers(&self, step: usize, starts: &[Start], policy: &Policy<'_>) -> Result<Vec<Answer>, AlignError> {
        let group = self.settings.group;
        let request = |(start, of_group): (&Start, usize)| {
            let number = start.slot * group + of_group;
            let source = &self.data.records[start.record];
            let mut options = self.rollouts.options.clone();
            options.seed = Rng::at(self.seed, Stream::Rollout, step as u64, number as u64).bits();
            Request::new(&source.id, source.prompt.clone(), &options).with_forced(start.forced.iter().copied())
        };
        let each = starts.iter().flat_map(|start| (0..group).map(move |of_group| (start, of_group)));
        let requests: Vec<Request> = each.map(request).collect();
        let model: &dyn DenoisingModel = policy.model;
        let subject = Adapted { model, adapter: policy.adapter };
        let answers = tch::no_grad(|| generate(subject, self.rollouts.batching, requests, &mut ()))?;
        let all: Option<Vec<Answer>> = answers.into_iter().collect();
        all.ok_or_else(|| AlignError::Reward("an answer was not finished".into()))
    }

    fn rewards<'a>(&self, starts: &[Start], answers: &'a [Answer]) -> Result<Vec<f64>, AlignError> {
        let group = self.settings.group;
        let rollout = |(i, answer): (usize, &'a Answer)| Rollout {
            record: starts[i / group].record,
            tokens: &answer.ids[..self.said(&answer.ids)],
        };
        let rollouts: Vec<Rollout<'_>> = answers.iter().enumerate().map(rollout).collect();
        let rewards = self.rollouts.reward.rewards(&rollouts)?;
        let wrong = |what: String| Err(AlignError::Reward(what));
        if rewards.len() != answers.len() {
            return wrong(format!("{} answers got {} rewards", answers.len(), rewards.len()));
        }
        match rewards.iter().find(|r| !r.is_finite()) {
            Some(reward) => wrong(format!("{reward} is no finite number")),
            None => Ok(rewards),
        }
    }

    /// How many tokens of an answer stand before its end.
    fn said(&self, answer: &[TokenId]) -> usize {
        let ends = self.rollouts.options.ends;
        let is_end = |t: &TokenId| *t == ends.eos || Some(*t) == ends.eot;
        answer.iter().position(is_end).unwrap_or(answer.len())
    }

    /// The loss of one answer: all that the policy wrote is masked, and what of it counts has a term.
    fn example(&self, start: &Start, answer: &[TokenId], advantage: f64) -> Example {
        let source = &self.data.records[start.record];
        let forced: BTreeSet<usize> = start.forced.iter().map(|(i, _)| *i).collect();
        let mut written = self.covering.padded(answer);
        for &(i, token) in &start.forced {
            written[i] = token;
        }
        let masked: Vec<usize> = (0..self.covering.length).filter(|i| !forced.contains(i)).collect();
        // The first end token is the policy's decision as well.
        let end = (self.said(answer) + 1).min(answer.len());
        let own: Vec<usize> = masked.iter().copied().filter(|i| *i < end).collect();
        let weight = match self.settings.reduction {
            Reduction::Sum => 1.0,
            Reduction::Mean => 1.0 / own.len().max(1) as f64,
        };
        let linear =
            own.iter().map(|&i| Linear { offset: i, token: written[i], weight: -advantage * weight }).collect();
        let kl = if self.beta == 0.0 { Vec::new() } else { own.iter().map(|&i| (i, self.beta * weight)).collect() };
        let example = self.covering.example(&source.prompt, written, &masked);
        let share = self.covering.share / self.settings.group as f64;
        Example { record: start.record, linear, kl, share, ..example }
    }
}

impl Objective for RecoveryGroups<'_> {
    fn prompts(&self) -> usize {
        self.data.records.len()
    }

    /// # Errors
    /// Always: there are none without answers of a policy; [`Objective::batch`] has them.
    fn examples(&self, _step: usize) -> Result<Vec<Example>, AlignError> {
        Err(AlignError::Reward("there are no answers without a policy that gives them".into()))
    }

    fn batch(&self, step: usize, policy: &Policy<'_>, team: &Team<'_>) -> Result<Batch, AlignError> {
        let numbers = batch(self.seed, Stream::DataOrder, step, self.batch_size, self.prompts());
        let starts = numbers.into_iter().enumerate().map(|(slot, record)| self.start(step, slot, record)).collect();
        let groups = self.graded(step, starts, policy, team)?;
        let mut examples = Vec::new();
        let mut spreads = Vec::with_capacity(groups.len());
        for (start, answers) in &groups {
            let rewards: Vec<f64> = answers.iter().map(|answer| answer.reward).collect();
            let gains = advantages(&rewards, self.settings.normalise);
            examples.extend(answers.iter().zip(gains).map(|(answer, gain)| self.example(start, &answer.ids, gain)));
            spreads.push(spread(&rewards));
        }
        examples.extend(self.retained.iter().flat_map(|r| r.examples(step)));
        let answers = || groups.iter().flat_map(|(_, answers)| answers);
        let all = |f: &dyn Fn(&Graded) -> f64| answers().map(f).collect::<Vec<f64>>();
        let rollouts = RolloutMetrics {
            reward: mean(&all(&|answer| answer.reward)),
            spread: mean(&spreads),
            t_inter: self.settings.t_inter(step, self.steps),
            tokens: mean(&all(&|answer| self.said(&answer.ids) as f64)),
            forwards: answers().map(|answer| answer.forwards).sum(),
        };
        Ok(Batch { examples, rollouts: Some(rollouts) })
    }
}
