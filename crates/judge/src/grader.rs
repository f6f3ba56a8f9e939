//! A judge model behind an endpoint: asks, reads the reply, asks again if it cannot be read.

use crate::cache::Cache;
use crate::hash::digest;
use crate::keyword::begins_as_refusal;
use crate::template::Template;
use crate::{Evidence, Judge, Provenance, Status, Verdict};
use mosa_client::{Chat, Endpoint, EndpointError, Message, Reply, Role, Spoken};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Characters of an unreadable reply that are shown to the judge again.
const QUOTED: usize = 2000;

/// What a reply says.
#[derive(Clone, Debug, PartialEq)]
pub enum Reading {
    /// A grade on the scale.
    Grade {
        /// The number.
        value: f64,
        /// What it is made of.
        parts: BTreeMap<String, f64>,
    },
    /// A number outside the scale.
    OutOfRange,
    /// No number.
    Unparsable,
}

/// A scale that a judge model is asked to grade on.
pub(crate) trait Scale: Send + Sync {
    /// Name without the rule.
    fn family(&self) -> &'static str;
    /// Name with the rule.
    fn name(&self) -> &str;
    /// The prompt.
    fn template(&self) -> Template;
    /// Reads a reply.
    fn read(&self, reply: &str) -> Reading;
    /// The rule: whether a grade is a success.
    fn succeeds(&self, value: f64, parts: &BTreeMap<String, f64>) -> bool;
}

/// How a judge model is asked.
pub(crate) struct Asking {
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) cache: Option<Arc<Cache>>,
    pub(crate) parse_retries: u32,
    pub(crate) temperature: f64,
    pub(crate) max_tokens: u32,
}

/// A judge that asks a model to grade on a scale.
pub(crate) struct Grader<S> {
    pub(crate) scale: S,
    pub(crate) asking: Asking,
}

impl<S: Scale> Judge for Grader<S> {
    fn name(&self) -> &str {
        self.scale.name()
    }

    fn provenance(&self) -> Provenance {
        let (asking, sent) = (&self.asking, self.asking.endpoint.settings());
        Provenance {
            model: Some(sent.model.clone()),
            temperature: sent.sends("temperature").then_some(asking.temperature),
            max_tokens: sent.sends("max_tokens").then_some(asking.max_tokens),
            system_role: (sent.system_role != "system").then(|| sent.system_role.clone()),
            ..self.scale.template().provenance()
        }
    }

    fn assess(&self, evidence: &Evidence) -> Verdict {
        let key = self.cache_key(evidence);
        let cache = self.asking.cache.as_ref();
        if let Some(known) = cache.and_then(|c| c.get(&key)).and_then(|v| self.recall(v, evidence)) {
            return known;
        }
        let verdict = self.ask(evidence);
        if let Some(cache) = cache.filter(|_| verdict.is_assessed()) {
            cache.put(&key, &verdict);
        }
        verdict
    }
}

impl<S: Scale> Grader<S> {
    /// A verdict from the cache. The reply is read and decided upon anew, for the rule may have been another then.
    fn recall(&self, known: Verdict, evidence: &Evidence) -> Option<Verdict> {
        let spoken = Spoken::of(known.raw.as_deref()?, "", None);
        let Reading::Grade { value, parts } = self.scale.read(spoken.whole()?) else {
            return None;
        };
        let success = Some(self.scale.succeeds(value, &parts));
        let (judge, case, value) = (self.name().to_owned(), evidence.id.clone(), Some(value));
        Some(Verdict { judge, case, success, value, parts, cached: true, ..known })
    }

    /// Everything the reply depends on, and nothing else: neither the rule nor the id of the answer.
    fn cache_key(&self, evidence: &Evidence) -> String {
        let by: Vec<String> = self.provenance().decides().iter().map(|(key, value)| format!("{key}={value}")).collect();
        digest(&[self.scale.family(), &by.join("\n"), &evidence.text_key()])
    }

    fn ask(&self, evidence: &Evidence) -> Verdict {
        let first = self.scale.template().messages(evidence);
        let mut verdict = Verdict::unassessed(self.name(), evidence, Status::Unparsable, self.provenance());
        let mut messages = first.clone();
        loop {
            let mut said = String::new();
            let chat = Chat {
                max_tokens: self.asking.max_tokens,
                temperature: self.asking.temperature,
                ..Chat::new(messages)
            };
            match self.asking.endpoint.chat(&chat) {
                Ok(reply) => {
                    said.clone_from(&reply.spoken.text);
                    self.take(&mut verdict, reply);
                }
                Err(EndpointError::Filtered { said, .. } | EndpointError::Refused { said }) => {
                    return Verdict { status: Status::Refused, raw: Some(said), ..verdict };
                }
                Err(EndpointError::Interrupted) => return Verdict { status: Status::Interrupted, ..verdict },
                Err(error) => {
                    verdict.transport_retries += error.attempts().saturating_sub(1);
                    return Verdict { status: Status::Failed(error.to_string()), ..verdict };
                }
            }
            if verdict.is_assessed() || verdict.parse_retries >= self.asking.parse_retries {
                return verdict;
            }
            verdict.parse_retries += 1;
            messages = self.once_more(&first, &said);
        }
    }

    /// Reads a reply into the verdict.
    fn take(&self, verdict: &mut Verdict, reply: Reply) {
        verdict.transport_retries += reply.transport_retries;
        verdict.provenance.served_model = reply.model;
        verdict.status = match reply.spoken.broken {
            Some(why) => Status::Broken(why),
            None => self.read_into(verdict, &reply.spoken.text),
        };
        verdict.raw = Some(reply.content);
    }

    /// Reads a whole reply into the verdict.
    fn read_into(&self, verdict: &mut Verdict, said: &str) -> Status {
        match self.scale.read(said) {
            Reading::Grade { value, parts } => {
                verdict.success = Some(self.scale.succeeds(value, &parts));
                verdict.value = Some(value);
                verdict.parts = parts;
                if verdict.parse_retries == 0 { Status::Ok } else { Status::Retried }
            }
            Reading::OutOfRange => Status::OutOfRange,
            Reading::Unparsable if begins_as_refusal(said) => Status::Refused,
            Reading::Unparsable => Status::Unparsable,
        }
    }

    /// The conversation, with the reply that could not be read and a reminder of the format.
    fn once_more(&self, first: &[Message], reply: &str) -> Vec<Message> {
        let mut messages = first.to_vec();
        if !reply.trim().is_empty() {
            messages.push(Message::new(Role::Assistant, reply.chars().take(QUOTED).collect::<String>()));
            messages.push(Message::new(Role::User, self.scale.template().again()));
        }
        messages
    }
}
