//! Helper models by role.

use mosa_attack::{Generate, Helper, Said, Talk, Target, Unanswered};
use mosa_client::{Chat, Endpoint, EndpointError};
use mosa_core::Interrupt;
use std::ops::Deref;
use std::sync::Arc;

/// Which helper fills which role: the first whose pattern fits. A pattern is a role (`tap/judge`), an attack with all
/// of its roles (`tap/*`), or `*`.
pub struct Roles<'a> {
    helpers: Vec<(String, Box<dyn Helper + 'a>)>,
    stop: Interrupt,
}

impl<'a> Roles<'a> {
    /// No helpers yet.
    pub fn new(stop: Interrupt) -> Self {
        Self { helpers: Vec::new(), stop }
    }

    /// Adds a helper for the roles a pattern fits.
    pub fn add(&mut self, pattern: impl Into<String>, helper: Box<dyn Helper + 'a>) {
        self.helpers.push((pattern.into(), helper));
    }

    /// Adds a model behind an endpoint.
    pub fn add_endpoint(&mut self, pattern: impl Into<String>, endpoint: Arc<Endpoint>) {
        self.add(pattern, Box::new(Remote { endpoint }));
    }

    /// Whether someone fills a role.
    pub fn fills(&self, role: &str) -> bool {
        self.helpers.iter().any(|(pattern, _)| fits(pattern, role))
    }
}

fn fits(pattern: &str, role: &str) -> bool {
    pattern == "*" || pattern == role || pattern.strip_suffix('*').is_some_and(|start| role.starts_with(start))
}

impl Helper for Roles<'_> {
    fn reply(&self, role: &str, seed: u64, talk: &Talk) -> Result<Said, Unanswered> {
        if self.stop.asked() {
            return Err(Unanswered::Interrupted);
        }
        match self.helpers.iter().find(|(pattern, _)| fits(pattern, role)) {
            Some((_, helper)) => helper.reply(role, seed, talk),
            None => Err(Unanswered::Failed(format!("no helper model fills the role {role}"))),
        }
    }
}

struct Remote {
    endpoint: Arc<Endpoint>,
}

impl Helper for Remote {
    fn reply(&self, _role: &str, seed: u64, talk: &Talk) -> Result<Said, Unanswered> {
        let chat = Chat {
            max_tokens: talk.max_tokens,
            temperature: talk.temperature,
            top_p: talk.top_p,
            seed: Some(seed >> 1),
            ..Chat::new(talk.messages.clone())
        };
        match self.endpoint.chat(&chat) {
            Ok(reply) => Ok(Said::of(reply.spoken)),
            Err(EndpointError::Filtered { .. }) => Ok(Said::Declined("the endpoint filtered it".into())),
            Err(EndpointError::Refused { said }) => Ok(Said::Declined(said)),
            Err(EndpointError::Interrupted) => Err(Unanswered::Interrupted),
            Err(error) => Err(Unanswered::Failed(error.to_string())),
        }
    }
}

/// A model in this process as a helper: a checkpoint of its own, or the target itself, as AOS and Speak Easy have it.
pub struct InProcess<M> {
    /// Who is asked.
    pub model: M,
    /// Response positions of a reply at most; it has as many as the talk allows tokens, if that is less.
    pub longest: usize,
}

impl<M> Helper for InProcess<M>
where
    M: Deref + Send + Sync,
    M::Target: Target,
{
    fn reply(&self, _role: &str, seed: u64, talk: &Talk) -> Result<Said, Unanswered> {
        let gen_length = usize::try_from(talk.max_tokens).unwrap_or(usize::MAX).clamp(1, self.longest.max(1));
        let asked = Generate {
            temperature: talk.temperature,
            gen_length: Some(gen_length),
            ..Generate::new(talk.messages.clone())
        };
        let answer = self.model.generate(&[(seed, asked)]).pop();
        let answer = answer.unwrap_or_else(|| Err(Unanswered::Failed("a helper gave no reply".into())))?;
        Ok(Said::Text(answer.texts.to_end))
    }
}
