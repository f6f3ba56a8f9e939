//! What can go wrong at an endpoint.

use std::fmt;

/// An error of an endpoint; says what to do. The API key is in none of them.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum EndpointError {
    /// A setting cannot be used.
    #[error("endpoint setting {key} {why}")]
    Setting {
        /// Which.
        key: &'static str,
        /// Why, and what would do.
        why: String,
    },
    /// The API key is not where the settings say.
    #[error("the environment variable {variable} has no usable API key; export it, or change api_key_env")]
    MissingKey {
        /// Name of the variable.
        variable: String,
    },
    /// The call was not made: it could overrun the budget.
    #[error(
        "the budget of {limit} {kind} does not allow another call ({used} used, up to {needed} needed); \
         raise it and run the same command again"
    )]
    Budget {
        /// What ran out.
        kind: BudgetKind,
        /// How much may be used.
        limit: f64,
        /// How much is used, or reserved for calls under way.
        used: f64,
        /// How much the call may need.
        needed: f64,
    },
    /// No reply in time.
    #[error("no reply within {seconds} s in {attempts} attempts; raise timeout_seconds, or check that {url} is up")]
    Timeout {
        /// Address.
        url: String,
        /// Seconds waited each time.
        seconds: f64,
        /// Requests sent.
        attempts: u32,
    },
    /// The connection failed or broke.
    #[error("{url} cannot be reached or hung up ({why}) in {attempts} attempts; check that it is up and the address")]
    Unreachable {
        /// Address.
        url: String,
        /// What the connection says.
        why: String,
        /// Requests sent.
        attempts: u32,
    },
    /// The endpoint refused the request.
    #[error("the endpoint answered HTTP {status} in {attempts} attempts; {advice}: {body}")]
    Status {
        /// HTTP status.
        status: u16,
        /// Requests sent.
        attempts: u32,
        /// What to do.
        advice: String,
        /// Start of the body.
        body: String,
    },
    /// The reply is no chat completion.
    #[error("the reply {why} ({attempts} attempts); check that base is an OpenAI-compatible chat API: {body}")]
    Malformed {
        /// What is wrong with it.
        why: String,
        /// Requests sent.
        attempts: u32,
        /// Start of the reply.
        body: String,
    },
    /// The provider's filter stopped the reply.
    #[error("the provider's filter stopped it: {said}; use another model")]
    Filtered {
        /// What the filter says.
        said: String,
        /// What the model had said until then; empty if nothing.
        until: String,
    },
    /// The model declined, in the field that the API has for it.
    #[error("the model declined: {}; use another model", excerpt(.said))]
    Refused {
        /// What it says.
        said: String,
    },
    /// Somebody asked to stop while it was waited for.
    #[error("interrupted")]
    Interrupted,
}

impl EndpointError {
    /// Requests that were sent before it was given up; 0 where none was, or where one was enough to know.
    pub fn attempts(&self) -> u32 {
        match self {
            Self::Timeout { attempts, .. }
            | Self::Unreachable { attempts, .. }
            | Self::Status { attempts, .. }
            | Self::Malformed { attempts, .. } => *attempts,
            _ => 0,
        }
    }

    /// The same error after this many requests.
    pub(crate) fn after(mut self, sent: u32) -> Self {
        match &mut self {
            Self::Timeout { attempts, .. }
            | Self::Unreachable { attempts, .. }
            | Self::Status { attempts, .. }
            | Self::Malformed { attempts, .. } => *attempts = sent,
            _ => {}
        }
        self
    }
}

/// What a budget limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BudgetKind {
    /// HTTP requests.
    Requests,
    /// Tokens.
    Tokens,
    /// Money.
    Money,
}

impl fmt::Display for BudgetKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Requests => "requests",
            Self::Tokens => "tokens",
            Self::Money => "units of money",
        })
    }
}

/// The start of a text, for messages.
pub(crate) fn excerpt(text: &str) -> String {
    let mut start: String = text.trim().chars().take(200).collect();
    if start.len() < text.trim().len() {
        start.push('…');
    }
    start
}
