//! What of a failed request may pass, and how long to wait before the next.

use crate::error::excerpt;
use crate::{EndpointError, EndpointSettings, refused};
use std::io::ErrorKind;
use std::time::{Duration, SystemTime};

/// Any longer Retry-After is read as this many seconds, far beyond what a setting allows to wait.
const LONGEST_WAIT: f64 = 1e12;

/// Why a request brought no reply.
pub(crate) enum Failure {
    /// Trying again would not help.
    Final(EndpointError),
    /// It may pass.
    Passing {
        error: EndpointError,
        /// How long the endpoint asks to wait.
        wait: Option<Duration>,
    },
}

impl From<EndpointError> for Failure {
    fn from(error: EndpointError) -> Self {
        Self::Final(error)
    }
}

impl Failure {
    /// An HTTP status that is not 200. `text` is the body.
    pub(crate) fn of_status(status: u16, text: &str, wait: Option<Duration>, settings: &EndpointSettings) -> Self {
        if text.contains("content_filter") {
            return Self::Final(EndpointError::Filtered { said: excerpt(text), until: String::new() });
        }
        let no_credit = text.contains("insufficient_quota");
        let advice = if no_credit { NO_CREDIT.to_owned() } else { advice(status, text, settings) };
        let error = EndpointError::Status { status, attempts: 1, advice, body: excerpt(text) };
        match status {
            408 | 425 | 429 | 500..=599 if !no_credit => Self::Passing { error, wait },
            _ => Self::Final(error),
        }
    }

    /// A request that was not answered in full.
    pub(crate) fn of_transport(error: &ureq::Error, url: &str, settings: &EndpointSettings) -> Self {
        let timed_out = match error {
            ureq::Error::Timeout(_) => true,
            ureq::Error::Io(e) => matches!(e.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock),
            _ => false,
        };
        let passing = |error| Self::Passing { error, wait: None };
        if timed_out {
            let seconds = settings.timeout_seconds;
            return passing(EndpointError::Timeout { url: url.into(), seconds, attempts: 1 });
        }
        let unreachable = EndpointError::Unreachable { url: url.into(), why: error.to_string(), attempts: 1 };
        match error {
            ureq::Error::BadUri(_)
            | ureq::Error::Http(_)
            | ureq::Error::InvalidProxyUrl
            | ureq::Error::BodyExceedsLimit(_)
            | ureq::Error::LargeResponseHeader(..) => Self::Final(unreachable),
            _ => passing(unreachable),
        }
    }
}

const NO_CREDIT: &str = "the account has no credit left";

fn advice(status: u16, text: &str, settings: &EndpointSettings) -> String {
    let fixed = match status {
        300..=399 => "redirects are not followed, set base to where it points",
        400 | 422 => return refused::advice(text, settings),
        401 | 403 => "check the API key and api_key_env",
        402 => NO_CREDIT,
        404 | 405 => "check base and model",
        429 => "lower requests_per_minute or max_concurrency",
        500..=599 => "try again later",
        _ => "check base",
    };
    fixed.to_owned()
}

/// Whether a request cannot have reached the endpoint, and so cannot be billed.
pub(crate) fn never_arrived(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::Io(e) => e.kind() == ErrorKind::ConnectionRefused,
        ureq::Error::Timeout(t) => matches!(t, ureq::Timeout::Resolve | ureq::Timeout::Connect),
        ureq::Error::HostNotFound | ureq::Error::ConnectionFailed | ureq::Error::BadUri(_) => true,
        _ => false,
    }
}

/// The wait before repetition `retry` (from 0): it doubles, and its jitter depends on the request alone.
pub(crate) fn backoff(settings: &EndpointSettings, body: &str, retry: u32) -> Duration {
    let full = settings.backoff_seconds * 2f64.powi(retry.min(30) as i32);
    let jitter = 0.5 + 0.5 * fraction(&format!("{retry}:{body}"));
    Duration::from_secs_f64((full * jitter).min(settings.max_wait_seconds))
}

/// The wait a Retry-After header asks for: seconds, however many, or a date such as `Wed, 21 Oct 2015 07:28:00 GMT`
/// (RFC 9110).
pub(crate) fn retry_after(value: &str) -> Option<Duration> {
    let seconds = value.trim().parse::<f64>().ok();
    let seconds = seconds.or_else(|| {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?;
        Some((unix_time(value)? - now.as_secs_f64()).max(0.0))
    })?;
    // What overflows when it is read is a number as well; the words for it are not.
    let number = seconds >= 0.0 && (seconds.is_finite() || value.bytes().any(|b| b.is_ascii_digit()));
    number.then(|| Duration::from_secs_f64(seconds.min(LONGEST_WAIT)))
}

/// Seconds since 1970 of an HTTP date.
fn unix_time(date: &str) -> Option<f64> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let words: Vec<&str> = date.split_whitespace().collect();
    let [_, day, month, year, time, "GMT"] = words[..] else { return None };
    let month = MONTHS.iter().position(|m| *m == month)? as i64;
    let (day, year): (i64, i64) = (day.parse().ok()?, year.parse().ok()?);
    let clock: Vec<i64> = time.split(':').map(str::parse).collect::<Result<_, _>>().ok()?;
    let &[h, m, s] = clock.as_slice() else { return None };
    if !((1970..=9999).contains(&year) && (1..=31).contains(&day) && (0..=60).contains(&s)) {
        return None;
    }
    if !((0..24).contains(&h) && (0..60).contains(&m)) {
        return None;
    }
    // Days before a month of a year that starts in March, so that the leap day comes last.
    let (y, m3) = if month < 2 { (year - 1, month + 10) } else { (year, month - 2) };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m3 + 2) / 5 + day - 1 - 719_468;
    Some((86_400 * days + 3_600 * h + 60 * m + s) as f64)
}

/// A number in 0..1 that depends on the text alone.
fn fraction(text: &str) -> f64 {
    mosa_core::Rng::at(0, mosa_core::Stream::Backoff, 0, mosa_core::sample_key(text)).unit()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_http_date_is_the_second_it_says() {
        let known = [
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
            ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777.0),
            ("Wed, 21 Oct 2015 07:28:00 GMT", 1_445_412_480.0),
            ("Thu, 29 Feb 2024 12:00:00 GMT", 1_709_208_000.0),
        ];
        for (date, seconds) in known {
            assert_eq!(unix_time(date), Some(seconds), "{date}");
        }
        for bad in ["", "soon", "Wed, 21 Foo 2015 07:28:00 GMT", "Wed, 99 Oct 2015 07:28:00 GMT", "a b c d e GMT"] {
            assert_eq!(unix_time(bad), None, "{bad}");
        }
    }

    #[test]
    fn retry_after_takes_seconds_and_dates_and_nothing_else() {
        assert_eq!(retry_after("2"), Some(Duration::from_secs(2)));
        assert_eq!(retry_after(" 0.5 "), Some(Duration::from_millis(500)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        for long in ["1000001", "86400000000", "1e300", &"9".repeat(400)] {
            assert!(retry_after(long).unwrap() >= Duration::from_secs(1_000_001), "{long}");
        }
        for bad in ["-1", "NaN", "inf", "infinity", "later", ""] {
            assert_eq!(retry_after(bad), None, "{bad}");
        }
    }

    #[test]
    fn waits_double_stay_below_the_longest_and_are_the_same_every_time() {
        let settings = EndpointSettings { backoff_seconds: 1.0, max_wait_seconds: 20.0, ..Default::default() };
        for retry in 0..40 {
            let wait = backoff(&settings, "body", retry).as_secs_f64();
            let full = 2f64.powi(retry.min(30) as i32);
            assert!(wait >= (0.5 * full).min(20.0) && wait <= full.min(20.0), "{retry}: {wait}");
            assert_eq!(wait, backoff(&settings, "body", retry).as_secs_f64());
        }
        assert_ne!(backoff(&settings, "body", 0), backoff(&settings, "other body", 0));
    }
}
