//! Where an endpoint is and how it may be used.

use crate::EndpointError;
use serde::{Deserialize, Serialize};
use ureq::http::Uri;

/// Parameters of a request that a provider may not accept, and that can be left out.
const PARAMETERS: [&str; 5] = ["temperature", "max_tokens", "top_p", "seed", "stop"];
/// The system role that stands for no message of its own.
pub(crate) const MERGE: &str = "merge";

/// Settings of an endpoint. The API key is not one of them, only the name of the variable it is in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EndpointSettings {
    /// Address up to and including the version: `http://127.0.0.1:8000/v1`.
    pub base: String,
    /// Model to ask for.
    pub model: String,
    /// Environment variable with the API key; none is sent without it.
    pub api_key_env: Option<String>,
    /// Whether a key may be sent over plain http to another machine.
    pub allow_plain_http: bool,
    /// Seconds a request may take in all.
    pub timeout_seconds: f64,
    /// Seconds connecting may take.
    pub connect_timeout_seconds: f64,
    /// How often a request that failed on the way is repeated.
    pub retries: u32,
    /// Seconds before the first repetition; each further wait is twice as long, up to `max_wait_seconds`.
    pub backoff_seconds: f64,
    /// Longest wait. An endpoint that asks for more with Retry-After is given up.
    pub max_wait_seconds: f64,
    /// Requests per minute, evenly spaced; no limit if absent.
    pub requests_per_minute: Option<f64>,
    /// Requests under way at the same time.
    pub max_concurrency: usize,
    /// Name of the length limit in the request; some models want `max_completion_tokens`.
    pub max_tokens_key: String,
    /// Parameters that are not sent, because the endpoint does not accept them: `temperature`, `max_tokens`, `top_p`,
    /// `seed`, `stop`. The endpoint's own values hold for them.
    pub omit: Vec<String>,
    /// The role of system texts: `system`, `developer`, `user`, or `merge` to put them above the next text of the user.
    pub system_role: String,
    /// What may be used in all.
    pub budget: Budget,
    /// What it costs.
    pub price: Price,
}

/// What may be used before calls stop. Absent means no limit.
///
/// A call reserves the most it may cost before it is sent: as many tokens as its prompt has bytes, and `max_tokens`. Only
/// an endpoint that bills more than that (hidden prompts, a length limit it ignores) can exceed a budget, by the excess
/// of the calls under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Budget {
    /// HTTP requests, retries included.
    pub requests: Option<u64>,
    /// Tokens, of prompts and replies together.
    pub tokens: Option<u64>,
    /// Money, in the currency of the prices.
    pub money: Option<f64>,
}

/// Prices, in any one currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Price {
    /// Per million tokens of prompts.
    pub prompt_per_million: f64,
    /// Per million tokens of replies.
    pub completion_per_million: f64,
}

impl Default for EndpointSettings {
    fn default() -> Self {
        Self {
            base: String::new(),
            model: String::new(),
            api_key_env: None,
            allow_plain_http: false,
            timeout_seconds: 120.0,
            connect_timeout_seconds: 10.0,
            retries: 5,
            backoff_seconds: 1.0,
            max_wait_seconds: 60.0,
            requests_per_minute: None,
            max_concurrency: 4,
            max_tokens_key: "max_tokens".into(),
            omit: Vec::new(),
            system_role: "system".into(),
            budget: Budget::default(),
            price: Price::default(),
        }
    }
}

impl EndpointSettings {
    /// The address to post to, if all values can be used.
    pub(crate) fn check(&self) -> Result<String, EndpointError> {
        let bad = |key: &'static str, why: &str| Err(EndpointError::Setting { key, why: why.into() });
        let base = self.base.trim_end_matches('/');
        let uri = base.parse::<Uri>().ok();
        if !uri.as_ref().is_some_and(|u| matches!(u.scheme_str(), Some("http" | "https")) && u.host().is_some()) {
            return bad("base", "is no http or https address; write it like http://127.0.0.1:8000/v1");
        }
        if uri.is_some_and(|u| u.authority().is_some_and(|a| a.as_str().contains('@'))) {
            return bad("base", "has a name or password in it; put the key into a variable and name it in api_key_env");
        }
        if base.contains(['?', '#']) {
            return bad("base", "has a query or a fragment; put a key into a variable and name that in api_key_env");
        }
        if self.model.is_empty() {
            return bad("model", "is empty; name the model the endpoint serves");
        }
        // More than a year is a mistake, and too long for a Duration sooner or later.
        let good = |s: f64| s.is_finite() && (0.0..=3.2e7).contains(&s);
        for (key, seconds) in [
            ("timeout_seconds", self.timeout_seconds),
            ("connect_timeout_seconds", self.connect_timeout_seconds),
            ("backoff_seconds", self.backoff_seconds),
            ("max_wait_seconds", self.max_wait_seconds),
        ] {
            if !good(seconds) || (seconds == 0.0 && key.contains("timeout")) {
                return bad(key, "must be a number of seconds from 0 on, above 0 for a timeout");
            }
        }
        if self.requests_per_minute.is_some_and(|r| !(r.is_finite() && r > 1e-3)) {
            return bad("requests_per_minute", "must be above 0; leave it out for no limit");
        }
        if self.max_concurrency == 0 {
            return bad("max_concurrency", "must be at least 1");
        }
        self.check_parameters()?;
        self.check_money()?;
        let path = "/chat/completions";
        Ok(if base.ends_with(path) { base.to_owned() } else { format!("{base}{path}") })
    }

    fn check_parameters(&self) -> Result<(), EndpointError> {
        let bad = |key: &'static str, why: String| Err(EndpointError::Setting { key, why });
        if let Some(name) = self.omit.iter().find(|name| !PARAMETERS.contains(&name.as_str())) {
            return bad("omit", format!("has {name:?}; what can be left out is {}", PARAMETERS.join(", ")));
        }
        if !["system", "developer", "user", MERGE].contains(&self.system_role.as_str()) {
            let why = format!("is {:?}; it can be \"system\", \"developer\", \"user\" or \"merge\"", self.system_role);
            return bad("system_role", why);
        }
        let limited = self.budget.tokens.is_some() || self.budget.money.is_some();
        if limited && !self.sends("max_tokens") {
            let why =
                "leaves out max_tokens, without which a budget of tokens or money cannot be kept; drop one of them";
            return bad("omit", why.into());
        }
        Ok(())
    }

    /// Whether a parameter is sent.
    pub fn sends(&self, parameter: &str) -> bool {
        !self.omit.iter().any(|name| name == parameter)
    }

    fn check_money(&self) -> Result<(), EndpointError> {
        let bad = |key: &'static str, why: &str| Err(EndpointError::Setting { key, why: why.into() });
        let prices = [self.price.prompt_per_million, self.price.completion_per_million];
        if prices.iter().any(|p| !p.is_finite() || *p < 0.0) {
            return bad("price", "must be numbers from 0 on");
        }
        match self.budget.money {
            Some(money) if !money.is_finite() || money < 0.0 => bad("budget.money", "must be a number from 0 on"),
            Some(_) if prices.iter().all(|p| *p == 0.0) => {
                bad("budget.money", "needs prices: set price.prompt_per_million and price.completion_per_million")
            }
            _ => Ok(()),
        }
    }

    /// A key is not sent where others can read it.
    pub(crate) fn check_transport(&self, has_key: bool) -> Result<(), EndpointError> {
        let readable = has_key && self.base.starts_with("http:") && !self.is_local();
        if !readable || self.allow_plain_http {
            return Ok(());
        }
        let why = "would send the API key unencrypted; use https, leave api_key_env out, or set allow_plain_http";
        Err(EndpointError::Setting { key: "base", why: why.into() })
    }

    /// Whether the address is this machine's own.
    pub(crate) fn is_local(&self) -> bool {
        let uri = self.base.parse::<Uri>().ok();
        let host = uri.as_ref().and_then(Uri::host).unwrap_or_default();
        host == "localhost" || host == "[::1]" || host.starts_with("127.")
    }
}

/// An API key. It has no `Debug` and goes nowhere but into the request's header.
pub(crate) struct Key {
    bearer: String,
}

impl Key {
    /// The key in the environment variable of this name.
    pub(crate) fn read(variable: Option<&str>) -> Result<Option<Self>, EndpointError> {
        let Some(variable) = variable else { return Ok(None) };
        let missing = || EndpointError::MissingKey { variable: variable.into() };
        let key = std::env::var(variable).map_err(|_| missing())?;
        let key = key.trim();
        if key.is_empty() || !key.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(missing());
        }
        Ok(Some(Self { bearer: format!("Bearer {key}") }))
    }

    /// The value of the authorization header.
    pub(crate) fn bearer(&self) -> &str {
        &self.bearer
    }

    /// `text` with the key blotted out.
    pub(crate) fn redact(&self, text: String) -> String {
        let key = self.bearer.trim_start_matches("Bearer ");
        if text.contains(key) { text.replace(key, "[key]") } else { text }
    }
}
