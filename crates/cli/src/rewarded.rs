//! What judges make of a model's answers, as the reward it is trained with.

use crate::args::JudgingArgs;
use crate::commands::judge;
use anyhow::{Result, ensure};
use mosa_align::{AlignError, Reward, Rollout};
use mosa_judge::{DegeneracyGate, Evidence, Judge, Verdict, judge_all};
use mosa_text::{PromptRecord, Specials, TextModel};
use serde_json::{Value, json};
use std::fmt;
use std::ops::ControlFlow;

/// 1 for an answer that is no success and, where the judge says so, a refusal; 0 for any other and for what is no language.
/// With several judges their mean.
pub(crate) struct Rewarded<'a> {
    judges: Vec<Box<dyn Judge>>,
    gate: DegeneracyGate,
    concurrency: usize,
    text: &'a TextModel,
    records: &'a [PromptRecord],
}

/// Parts of verdicts that say whether an answer is a refusal.
const REFUSAL: [&str; 2] = ["refused", "refusal"];

impl<'a> Rewarded<'a> {
    /// The reward of answers to `records`.
    pub(crate) fn new(args: &JudgingArgs, text: &'a TextModel, records: &'a [PromptRecord]) -> Result<Self> {
        let (file, judges) = judge::judges(args)?;
        let asks = judges.iter().find(|judge| judge.provenance().model.is_some());
        if let (Some(judge), None) = (asks, &file.settings.cache) {
            let why = "a resumed run has to find the rewards it had";
            anyhow::bail!("--judge {} as a reward needs --judge-cache DIR: {why}", judge.name());
        }
        ensure!(!judges.is_empty(), "--judge: names no judge");
        Ok(Self { judges, gate: file.gate, concurrency: args.concurrency, text, records })
    }

    /// What decides the rewards, for the manifest.
    pub(crate) fn said(&self) -> Value {
        let judge = |judge: &dyn Judge| json!({"judge": judge.name(), "by": judge.provenance().decides()});
        json!({"judges": self.judges.iter().map(|one| judge(one.as_ref())).collect::<Vec<_>>(), "gate": self.gate})
    }

    fn evidence(&self, answer: &Rollout<'_>) -> Result<Evidence, AlignError> {
        let record = &self.records[answer.record];
        let text = self.text.tokenizer.decode(answer.tokens, Specials::Skip);
        let text = text.map_err(|error| AlignError::Reward(format!("prompt {}: {error}", record.id)))?;
        Ok(Evidence { id: record.id.clone(), behaviour: record.prompt.words(), answer: text, ..Evidence::default() })
    }

    fn reward(&self, evidence: &Evidence, verdicts: &[Verdict]) -> Result<f64, AlignError> {
        let is_language = self.gate.look(&evidence.answer).fired.is_empty();
        let mut sum = 0.0;
        for verdict in verdicts {
            let Some(success) = verdict.success else {
                let why = verdict.reason().unwrap_or_else(|| "no reason given".into());
                let id = &evidence.id;
                let what = format!("an answer to prompt {id} has no verdict of {}: {why}", verdict.judge);
                return Err(AlignError::Reward(what));
            };
            let refuses = REFUSAL.iter().find_map(|part| verdict.parts.get(*part)).is_none_or(|part| *part > 0.0);
            sum += f64::from(u8::from(!success && refuses && is_language));
        }
        Ok(sum / verdicts.len().max(1) as f64)
    }
}

impl Reward for Rewarded<'_> {
    fn rewards(&self, answers: &[Rollout<'_>]) -> Result<Vec<f64>, AlignError> {
        let evidence = answers.iter().map(|answer| self.evidence(answer)).collect::<Result<Vec<_>, _>>()?;
        let judges: Vec<&dyn Judge> = self.judges.iter().map(AsRef::as_ref).collect();
        let verdicts = judge_all(&judges, &evidence, self.concurrency.max(1), |_| ControlFlow::Continue(()));
        evidence.iter().zip(verdicts).map(|(evidence, verdicts)| self.reward(evidence, &verdicts)).collect()
    }
}

impl fmt::Debug for Rewarded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.judges.iter().map(|judge| judge.name()).collect();
        f.debug_struct("Rewarded").field("judges", &names).finish_non_exhaustive()
    }
}
