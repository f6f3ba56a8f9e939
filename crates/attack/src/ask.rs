//! What an attack asks for, and what comes back.

use mosa_client::Spoken;
use mosa_core::{Estimator, Message, Role};
use mosa_records::{DefenceAct, Texts, number, unsaid};
use serde::{Deserialize, Serialize};

/// An answer of the target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Generate {
    /// The conversation; ends with the user's turn.
    pub messages: Vec<Message>,
    /// Response positions; the target's own number if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gen_length: Option<usize>,
    /// Sampling temperature; 0 takes the most likely token.
    pub temperature: f64,
    /// Words written into the response, and when.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forced: Vec<Forced>,
    /// How the response must not go on somewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub constraint: Option<Constraint>,
    /// Masks inside the prompt are revealed, and no response is appended: `<mask:N>` stands for N of them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub infill: bool,
}

impl Generate {
    /// A plain greedy answer to a conversation.
    pub fn new(messages: Vec<Message>) -> Self {
        Self { messages, gen_length: None, temperature: 0.0, forced: Vec::new(), constraint: None, infill: false }
    }

    /// A plain greedy answer to one user turn.
    pub fn to(text: impl Into<String>) -> Self {
        Self::new(vec![Message::user(text)])
    }

    /// The same with words that stand at `offset` from the beginning on.
    #[must_use]
    pub fn forcing(mut self, offset: usize, text: impl Into<String>) -> Self {
        self.forced.push(Forced { offset, text: text.into(), ..Forced::default() });
        self
    }

    /// The same at this temperature.
    #[must_use]
    pub fn at(self, temperature: f64) -> Self {
        Self { temperature, ..self }
    }

    /// About how many tokens the conversation takes, without asking the target: four characters or one word for one,
    /// whichever is more, and four for the tags of each turn.
    pub fn about_tokens(&self) -> usize {
        let words = |m: &Message| m.content.split_whitespace().count();
        self.messages.iter().map(|m| words(m).max(m.content.chars().count().div_ceil(4)) + 4).sum()
    }

    /// The last user turn: what is shown as the prompt.
    pub fn prompt(&self) -> &str {
        self.messages.iter().rev().find(|m| m.role == Role::User).map_or("", |m| &m.content)
    }
}

/// Words written into the response.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forced {
    /// Response offset of the first token.
    pub offset: usize,
    /// The words.
    pub text: String,
    /// The denoising step before which they are written; 0: before the first.
    #[serde(default)]
    pub step: usize,
    /// Whether everything else that was revealed until then is masked again.
    #[serde(default)]
    pub remask: bool,
    /// They are written as soon as so many of their positions have been revealed, whatever `step` says, and only there:
    /// the first so many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revealed: Option<usize>,
}

/// The response from `offset` on must not begin with any of these words, whatever white space stands before them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Constraint {
    /// Response offset.
    pub offset: usize,
    /// Beginnings that are not allowed.
    pub forbidden: Vec<String>,
}

/// What the target answered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Generation {
    /// The texts that may be judged.
    pub texts: Texts,
    /// The response token by token; empty where the target does not show it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pieces: Vec<String>,
    /// The step that revealed each piece; none where it was forced.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Option<usize>>,
    /// The probability of each piece when it was revealed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub confidences: Vec<Option<f64>>,
    /// Why it ended: `stop`, `length`.
    pub finish: String,
    /// Model calls.
    pub forwards: usize,
    /// What an endpoint's model thought aloud; no part of the answer.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reasoning: String,
    /// What the target's defences did to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub defences: Vec<DefenceAct>,
    /// What monitors said of it; empty unless the attack asked for one ([`Attack::watches`](crate::Attack::watches)).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub monitors: Vec<Seen>,
}

/// What a monitor said of an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// The monitor.
    pub monitor: String,
    /// Its value where it was most suspicious, in its own unit.
    #[serde(with = "number::f64")]
    pub value: f64,
    /// The value, turned so that high ones are suspicious.
    #[serde(with = "number::f64")]
    pub suspicion: f64,
    /// The suspicion from which on an answer is stopped, where one is known.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "number::f64::option")]
    pub limit: Option<f64>,
}

impl Generation {
    /// The text that is judged: up to the end, behind forced words if there are any.
    pub fn text(&self) -> &str {
        self.texts.after_forced.as_deref().unwrap_or(&self.texts.to_end)
    }

    /// A text without a canvas, as an endpoint or a composition of answers gives it.
    pub fn plain(text: impl Into<String>) -> Self {
        let text = text.into();
        let texts = Texts { full: text.clone(), to_end: text, ..Texts::default() };
        Self { texts, finish: "stop".into(), ..Self::default() }
    }

    /// Why nothing was said, where that is no answer of the model's own.
    pub fn unsaid(&self) -> Option<String> {
        unsaid(&self.texts.to_end, &self.finish, self.forwards)
    }

    /// A text put together from answers. If it is empty because nothing was said in one of them, it ends as that one does. What
    /// defences did to any of them was done to it.
    pub(crate) fn composed<'a>(text: impl Into<String>, parts: impl IntoIterator<Item = &'a Self>) -> Self {
        let parts: Vec<&Self> = parts.into_iter().collect();
        let defences = parts.iter().flat_map(|part| part.defences.clone()).collect();
        let whole = Self { defences, ..Self::plain(text) };
        let silent = parts.into_iter().find(|part| part.unsaid().is_some());
        match silent.filter(|_| whole.text().trim().is_empty()) {
            Some(part) => Self { finish: part.finish.clone(), ..whole },
            None => whole,
        }
    }
}

/// The log-probability of words at an offset of the response; everything else there is masked, but for `forced`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// The conversation.
    pub messages: Vec<Message>,
    /// Response positions; the target's own number if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gen_length: Option<usize>,
    /// Response offset of the first scored token.
    pub offset: usize,
    /// The words.
    pub text: String,
    /// How the joint probability is estimated.
    pub estimator: Estimator,
    /// Number of the only token of the words that is asked about; all of them if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<usize>,
}

/// What scoring found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Scored {
    /// One entry per scored token.
    pub tokens: Vec<ScoredToken>,
    /// Tokens of the words, asked about or not.
    pub length: usize,
    /// Model calls.
    pub forwards: usize,
}

impl Scored {
    /// ln p of all tokens.
    pub fn total(&self) -> f64 {
        self.tokens.iter().map(|t| t.logprob).sum()
    }
}

/// One scored token.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ScoredToken {
    /// Its text.
    pub text: String,
    /// ln p.
    #[serde(with = "number::f64")]
    pub logprob: f64,
    /// How many tokens are more likely.
    pub rank: usize,
    /// ln p of the most likely other token.
    #[serde(with = "number::f64")]
    pub best_other: f64,
    /// ln of the probability that the five most likely tokens leave to all others.
    #[serde(with = "number::f64")]
    pub beyond_five: f64,
}

/// Suffixes a proxy model proposes, best first: gradient, candidates and filter of GCG, and the proxy's loss of each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Propose {
    /// The conversation without the suffix; the suffix follows the last user turn behind a space.
    pub messages: Vec<Message>,
    /// The suffix to start from.
    pub suffix: String,
    /// Words the answer is to hold.
    pub target: String,
    /// Response offset of the target.
    pub offset: usize,
    /// Candidates to draw and score.
    pub candidates: usize,
    /// Tokens considered per place.
    pub top_k: usize,
    /// Whether tokens are drawn by the gradient (PAL) or uniformly (RAL).
    pub gradient: bool,
    /// How many of the best to return.
    pub keep: usize,
    /// A monitor of the first pass whose suspicion is part of the loss.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avoid: Option<Avoid>,
}

/// A monitor that a search stays away from: what [`Toll`](mosa_core::Toll) makes of its suspicion is added to the loss. The limit
/// is the target's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Avoid {
    /// The monitor.
    pub monitor: String,
    /// What being caught costs, in nats per token.
    pub weight: f64,
}

/// One proposed suffix.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Proposed {
    /// The words.
    pub suffix: String,
    /// The proxy's mean cross-entropy of the target, and what the monitor it avoids adds.
    #[serde(with = "number::f64")]
    pub loss: f64,
}

/// Words that a proxy model proposes token by token and the target chooses among (AdvPrefix's guided decoding).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Guide {
    /// The conversation, as both read it in their own template.
    pub messages: Vec<Message>,
    /// Response positions; the target's own number if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gen_length: Option<usize>,
    /// The words the response begins with.
    pub opener: String,
    /// Tokens to write behind them, at most.
    pub tokens: usize,
    /// How many tokens the proxy proposes at each place; no end token is among them.
    pub top: usize,
    /// Temperature of the target's choice; 0 takes the one it finds the likeliest.
    pub temperature: f64,
}

/// What was written that way.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Written {
    /// The words, opener included.
    pub text: String,
    /// Tokens the target chose: its queries.
    pub tokens: usize,
    /// Model calls of the target.
    pub forwards: usize,
}

/// A conversation with a helper model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Talk {
    /// The conversation; ends with the user's turn.
    pub messages: Vec<Message>,
    /// Sampling temperature.
    pub temperature: f64,
    /// Share of probability mass to sample from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// Longest reply, in tokens.
    pub max_tokens: u32,
}

impl Talk {
    /// A greedy reply of up to 512 tokens to a system text and one user turn.
    pub fn new(system: impl Into<String>, user: impl Into<String>) -> Self {
        let messages = vec![Message::new(Role::System, system), Message::user(user)];
        Self { messages, temperature: 0.0, top_p: None, max_tokens: 512 }
    }

    /// The same at this temperature.
    #[must_use]
    pub fn at(self, temperature: f64) -> Self {
        Self { temperature, ..self }
    }
}

/// What a helper said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// A whole reply without reasoning.
    Text(String),
    /// It declined, or a filter did: no reply to parse, and none to ask for again.
    Declined(String),
    /// A reply with reasoning, or one that is not whole.
    Spoken(Spoken),
}

impl Said {
    /// A reply, told from its reasoning.
    pub fn of(spoken: Spoken) -> Self {
        if spoken.broken.is_none() && spoken.reasoning.is_empty() {
            Self::Text(spoken.text)
        } else {
            Self::Spoken(spoken)
        }
    }

    /// The same with reasoning between tags told from the reply: helpers other than endpoints, and journals of earlier
    /// versions, have both in one text.
    #[must_use]
    pub(crate) fn told_apart(self) -> Self {
        match self {
            Self::Text(text) => Self::of(Spoken::of(&text, "", Some("stop"))),
            said => said,
        }
    }

    /// The reply; nothing if it declined or the reply is not whole.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Spoken(spoken) => spoken.whole(),
            Self::Declined(_) => None,
        }
    }

    /// The reply, also where only its end is missing: for texts that are cut to length anyway, and never for decisions.
    pub fn beginning(&self) -> Option<&str> {
        match self {
            Self::Spoken(spoken) => spoken.beginning(),
            said => said.text(),
        }
    }

    /// Whether it declined: then it is not asked again.
    pub fn declined(&self) -> bool {
        matches!(self, Self::Declined(_))
    }
}
