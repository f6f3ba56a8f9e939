//! Requests: redirects followed by hand, the token to the endpoint alone, and no wait that Ctrl-C does not end.

use crate::error::shown;
use crate::{HubError, Settings};
use mosa_core::Interrupt;
use std::io::Read;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;
use ureq::http::{HeaderMap, Response, Uri, header};
use ureq::{Agent, Body};

/// As many redirects as `huggingface_hub` and browsers follow at least.
const MOST_REDIRECTS: usize = 10;
/// How long a request that failed in passing waits before the second time.
const WAIT: Duration = Duration::from_secs(1);
/// How long a connection may take to be there.
const LONGEST_CONNECT: Duration = Duration::from_secs(10);
/// The longest answer that is no file.
const LONGEST_ANSWER: u64 = 64 << 20;
/// How often somebody who waits for bytes looks up.
const LOOK: Duration = Duration::from_millis(50);

/// Makes requests to one endpoint.
pub(crate) struct Http<'a> {
    agent: Agent,
    settings: &'a Settings,
    interrupt: &'a Interrupt,
    /// How often a request that fails in passing is made.
    attempts: u32,
}

/// A response with status 200 or 206.
pub(crate) struct Answer {
    /// Where it came from in the end.
    pub url: String,
    /// 200 or 206.
    pub status: u16,
    /// The last headers of the endpoint itself, which may have been those of a redirect.
    pub first: HeaderMap,
    /// The headers that came with the body.
    pub last: HeaderMap,
    body: Body,
}

impl<'a> Http<'a> {
    pub(crate) fn new(settings: &'a Settings, interrupt: &'a Interrupt, attempts: u32) -> Self {
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_connect(Some(settings.timeout.min(LONGEST_CONNECT)))
            .timeout_recv_response(Some(settings.timeout))
            .timeout_per_read(Some(settings.timeout))
            // Lengths and hashes are those of the file, not of a compressed one.
            .accept_encoding("identity")
            .user_agent(concat!("mosa/", env!("CARGO_PKG_VERSION")));
        if is_local(&settings.endpoint) {
            config = config.proxy(None);
        }
        Self { agent: config.build().new_agent(), settings, interrupt, attempts }
    }

    /// Asks for `path` at the endpoint, from byte `from` on; what fails in passing is asked again.
    pub(crate) fn get(&self, path: &str, from: u64) -> Result<Answer, HubError> {
        let url = format!("{}{path}", self.settings.endpoint);
        for attempt in 1.. {
            let failed = match self.follow(&url, from) {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let passing = match &failed {
                HubError::Unreachable { .. } => true,
                HubError::Status { status, .. } => *status == 429 || *status >= 500,
                _ => false,
            };
            if !passing || attempt >= self.attempts {
                return Err(failed);
            }
            if !self.interrupt.sleep(WAIT * attempt) {
                break;
            }
        }
        Err(HubError::Interrupted)
    }

    /// The text of a short answer.
    pub(crate) fn text(&self, path: &str) -> Result<String, HubError> {
        let answer = self.get(path, 0)?;
        let url = answer.url.clone();
        let mut bytes = Vec::new();
        answer.read(LONGEST_ANSWER, self.interrupt, |part| {
            bytes.extend_from_slice(part);
            Ok(())
        })?;
        String::from_utf8(bytes).map_err(|_| HubError::Broken { url, what: "the answer is not UTF-8".into() })
    }

    fn follow(&self, url: &str, from: u64) -> Result<Answer, HubError> {
        let mut url = url.to_owned();
        let mut first = HeaderMap::new();
        for _ in 0..=MOST_REDIRECTS {
            let own = same_host(&url, &self.settings.endpoint);
            let response = self.one(&url, from, own)?;
            let status = response.status().as_u16();
            let (parts, body) = response.into_parts();
            if own {
                first.extend(parts.headers.clone());
            }
            match status {
                200 | 206 => return Ok(Answer { url, status, first, last: parts.headers, body }),
                301 | 302 | 303 | 307 | 308 => url = self.target(&url, &parts.headers)?,
                _ => {
                    let advice = advice(status, self.settings.token.is_some());
                    return Err(HubError::Status { url, status, advice });
                }
            }
        }
        Err(HubError::Broken { url, what: format!("more than {MOST_REDIRECTS} redirects") })
    }

    /// One request without redirects.
    fn one(&self, url: &str, from: u64, own: bool) -> Result<Response<Body>, HubError> {
        let mut request = self.agent.get(url);
        if let (true, Some(token)) = (own, &self.settings.token) {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if from > 0 {
            request = request.header(header::RANGE, format!("bytes={from}-"));
        }
        match self.interrupt.wait_for(move || request.call()) {
            None => Err(HubError::Interrupted),
            Some(Ok(response)) => Ok(response),
            Some(Err(error)) => Err(HubError::Unreachable { url: url.to_owned(), why: error.to_string() }),
        }
    }

    /// Where a redirect leads.
    fn target(&self, url: &str, headers: &HeaderMap) -> Result<String, HubError> {
        let location = headers.get(header::LOCATION).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let target = joined(url, location);
        let unsafe_to = |what: &str| HubError::Unsafe {
            url: url.to_owned(),
            what: format!("a redirect to {}, {what}", shown(location)),
        };
        let target = target.ok_or_else(|| unsafe_to("which is no address"))?;
        if url.starts_with("https://") && !target.starts_with("https://") {
            return Err(unsafe_to("from an encrypted connection to an open one"));
        }
        Ok(target)
    }
}

impl Answer {
    /// A header of the endpoint itself, as text.
    pub(crate) fn own(&self, name: &str) -> Option<&str> {
        self.first.get(name).and_then(|v| v.to_str().ok())
    }

    /// A header that came with the body, as text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.last.get(name).and_then(|v| v.to_str().ok())
    }

    /// The length of the body, if it is said and is that of the file.
    pub(crate) fn length(&self) -> Option<u64> {
        let plain = self.header("content-encoding").is_none_or(|v| v.trim().eq_ignore_ascii_case("identity"));
        self.header("content-length").filter(|_| plain).and_then(|v| v.trim().parse().ok())
    }

    /// Whether the end of the body can be told from a connection that broke.
    pub(crate) fn is_framed(&self) -> bool {
        let chunked = self.header("transfer-encoding").is_some_and(|v| v.to_ascii_lowercase().contains("chunked"));
        chunked || self.header("content-length").is_some()
    }

    /// Hands over the body part by part; more than `most` bytes are an error.
    pub(crate) fn read(
        self,
        most: u64,
        interrupt: &Interrupt,
        mut take: impl FnMut(&[u8]) -> Result<(), HubError>,
    ) -> Result<(), HubError> {
        let url = self.url;
        let parts = parts(self.body);
        let mut read = 0u64;
        loop {
            let part = match parts.recv_timeout(LOOK) {
                Ok(part) => part,
                Err(RecvTimeoutError::Timeout) => Ok(Vec::new()),
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            };
            if interrupt.asked() {
                return Err(HubError::Interrupted);
            }
            let part = part.map_err(|e| HubError::Unreachable { url: url.clone(), why: e.to_string() })?;
            read += part.len() as u64;
            if read > most {
                let what = format!("more came than the {most} bytes there should be");
                return Err(HubError::Broken { url, what });
            }
            take(&part)?;
        }
    }
}

/// Reads a body on a thread of its own, so that a read that blocks holds up nobody. The thread ends with the body, with
/// the silence the agent allows, or when nobody takes the parts any more.
fn parts(body: Body) -> Receiver<std::io::Result<Vec<u8>>> {
    let (send, receive) = sync_channel(4);
    std::thread::spawn(move || {
        let mut reader = body.into_reader();
        let mut buffer = vec![0; 256 << 10];
        loop {
            let part = match reader.read(&mut buffer) {
                Ok(0) => return,
                Ok(n) => Ok(buffer[..n].to_vec()),
                Err(e) => Err(e),
            };
            let last = part.is_err();
            if send.send(part).is_err() || last {
                return;
            }
        }
    });
    receive
}

/// Where an address leads.
#[derive(PartialEq, Eq)]
struct Origin {
    scheme: String,
    host: String,
    port: u16,
}

fn origin(url: &str) -> Option<Origin> {
    let uri: Uri = url.parse().ok()?;
    let scheme = uri.scheme_str()?.to_ascii_lowercase();
    let port = uri.port_u16().unwrap_or(if scheme == "https" { 443 } else { 80 });
    Some(Origin { scheme, host: uri.host()?.to_ascii_lowercase(), port })
}

fn same_host(url: &str, other: &str) -> bool {
    matches!((origin(url), origin(other)), (Some(a), Some(b)) if a == b)
}

fn is_local(url: &str) -> bool {
    origin(url).is_some_and(|Origin { host, .. }| host == "localhost" || host == "[::1]" || host.starts_with("127."))
}

/// The address that `location` means at `url`; `None` if it is none of http or https.
fn joined(url: &str, location: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let host_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (host, path) = rest.split_at(host_end);
    let whole = if location.contains("://") {
        location.to_owned()
    } else if let Some(other) = location.strip_prefix("//") {
        format!("{scheme}://{other}")
    } else if location.starts_with('/') {
        format!("{scheme}://{host}{location}")
    } else if location.is_empty() {
        return None;
    } else {
        let folder = path.split(['?', '#']).next().unwrap_or_default().rsplit_once('/').map_or("", |(f, _)| f);
        format!("{scheme}://{host}{folder}/{location}")
    };
    let uri: Uri = whole.parse().ok()?;
    let plain = matches!(uri.scheme_str(), Some("http" | "https"));
    let anonymous = uri.authority().is_some_and(|a| !a.as_str().contains('@'));
    (plain && anonymous).then_some(whole)
}

fn advice(status: u16, token: bool) -> &'static str {
    match (status, token) {
        (401 | 403, true) => {
            "the token does not open this repository: accept its terms on its page, or use another token"
        }
        (401 | 403, false) => "the repository is private, gated or absent: set HF_TOKEN, or run `hf auth login`",
        (404 | 410, _) => "there is no such repository, revision or file",
        (416, _) => "the part that is still to come is not there: the file changed",
        (429, _) => "too many requests: try again later, with a token (HF_TOKEN)",
        (500.., _) => "the hub has a problem: try again later",
        _ => "this is not how a hub answers: check HF_ENDPOINT",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_are_joined_as_browsers_join_them() {
        for (location, want) in [
            ("https://cdn.x/y?z=1", Some("https://cdn.x/y?z=1")),
            ("//cdn.x/y", Some("https://cdn.x/y")),
            ("/api/y", Some("https://hub.x/api/y")),
            ("y", Some("https://hub.x/a/y")),
            ("", None),
            ("file:///etc/passwd", None),
            ("https://user@cdn.x/y", None),
        ] {
            assert_eq!(joined("https://hub.x/a/b?c=d/e", location).as_deref(), want, "{location}");
        }
    }

    #[test]
    fn a_host_is_the_same_with_scheme_and_port_only() {
        assert!(same_host("https://hub.x/a", "https://HUB.x:443"));
        for other in ["http://hub.x", "https://hub.x:444", "https://hub.x.evil.y", "https://evil.y/hub.x"] {
            assert!(!same_host("https://hub.x/a", other), "{other}");
        }
    }
}
