//! The replay judge: verdicts that were written down before, by a run elsewhere or by people.

use crate::hash::{digest, sha256};
use crate::{Evidence, Judge, JudgeError, Provenance, Status, Verdict};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};
use std::path::Path;

/// One line of a file of verdicts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// [`content_key`] of the behaviour and the answer.
    pub key: String,
    /// The verdict.
    pub verdict: Verdict,
}

/// What a recorded verdict is found by: [`digest`] of the behaviour and the answer.
pub fn content_key(behaviour: &str, answer: &str) -> String {
    digest(&[behaviour, answer])
}

/// A judge that repeats recorded verdicts. What is not recorded is unassessed.
#[derive(Clone, Debug)]
pub struct Replay {
    name: String,
    sha256: String,
    verdicts: HashMap<String, Verdict>,
}

impl Replay {
    /// Reads a JSONL file of [`Recorded`]. Of several verdicts with one key the last counts; `of` picks one judge where
    /// the file has several.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, a line is no recorded verdict, or it is not clear whose verdicts to repeat.
    pub fn read(path: &Path, of: Option<&str>) -> Result<Self, JudgeError> {
        let text = std::fs::read_to_string(path).map_err(|source| JudgeError::Read { path: path.into(), source })?;
        let mut rows = Vec::new();
        for (i, line) in text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()) {
            let malformed =
                |e: serde_json::Error| JudgeError::Line { path: path.into(), line: i + 1, why: e.to_string() };
            rows.push(serde_json::from_str::<Recorded>(line).map_err(malformed)?);
        }
        let judges: BTreeSet<String> = rows.iter().map(|r| r.verdict.judge.clone()).collect();
        let all = judges.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let judge = match (of, judges.first()) {
            (Some(name), _) if judges.contains(name) => name.to_owned(),
            (None, Some(only)) if judges.len() == 1 => only.clone(),
            _ => return Err(JudgeError::WhichJudge { path: path.into(), judges: all }),
        };
        let rows = rows.into_iter().filter(|r| r.verdict.judge == judge);
        let sha256 = sha256(&text);
        Ok(Self { name: format!("replay-{judge}"), sha256, verdicts: rows.map(|r| (r.key, r.verdict)).collect() })
    }
}

impl Judge for Replay {
    fn name(&self) -> &str {
        &self.name
    }

    fn provenance(&self) -> Provenance {
        Provenance::of(Some(self.sha256.clone()))
    }

    fn assess(&self, evidence: &Evidence) -> Verdict {
        match self.verdicts.get(&content_key(&evidence.behaviour, &evidence.answer)) {
            Some(known) => {
                Verdict { judge: self.name.clone(), case: evidence.id.clone(), cached: true, ..known.clone() }
            }
            None => {
                let reason = "no verdict is recorded for this behaviour and answer";
                Verdict::unassessed(&self.name, evidence, Status::Failed(reason.into()), self.provenance())
            }
        }
    }
}
