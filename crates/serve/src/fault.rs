//! What goes wrong with a request, in the words and the shape of OpenAI's errors.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use mosa_engine::EngineError;
use mosa_runtime::RuntimeError;
use serde_json::{Value, json};
use std::time::Duration;

/// Why a request has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Status of the response.
    pub status: StatusCode,
    /// What is wrong, and what to do.
    pub message: String,
    /// The field it is about.
    pub param: Option<String>,
    /// A word that programs can tell it by.
    pub code: &'static str,
}

impl Fault {
    /// A fault of this status.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), param: None, code }
    }

    /// A field that cannot be used as it is: status 400.
    pub fn field(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self { param: Some(param.into()), ..Self::new(StatusCode::BAD_REQUEST, "invalid_value", message) }
    }

    /// A request that is no request.
    pub fn malformed(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed_request", message)
    }

    /// An answer that nobody will give any more.
    pub(crate) fn lost() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "no_answer", "the answer was lost")
    }

    /// An answer that was not there in time.
    pub(crate) fn late(timeout: Duration) -> Self {
        let seconds = timeout.as_secs_f64();
        let message = format!(
            "the answer was not there after {seconds} s: ask for a shorter one, or start with a longer --timeout"
        );
        Self::new(StatusCode::GATEWAY_TIMEOUT, "timeout", message)
    }

    /// An answer nobody waits for.
    pub(crate) fn cancelled() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "cancelled", "cancelled")
    }

    /// The body of the response.
    pub fn body(&self) -> Value {
        let kind = match self.status.as_u16() {
            401 => "authentication_error",
            429 => "rate_limit_error",
            400..=499 => "invalid_request_error",
            _ => "server_error",
        };
        json!({"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}})
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body())).into_response();
        let more = match self.status {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Some((header::RETRY_AFTER, "1")),
            StatusCode::UNAUTHORIZED => Some((header::WWW_AUTHENTICATE, "Bearer")),
            // The rest of the request is not read.
            StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT => Some((header::CONNECTION, "close")),
            _ => None,
        };
        if let Some((name, value)) = more {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

impl From<RuntimeError> for Fault {
    fn from(error: RuntimeError) -> Self {
        let message = error.to_string();
        let (status, code) = match error {
            RuntimeError::Engine(EngineError::TooLong { .. } | EngineError::NoRoom { .. }) => {
                (StatusCode::BAD_REQUEST, "context_length_exceeded")
            }
            RuntimeError::Engine(EngineError::Option { .. } | EngineError::Request { .. })
            | RuntimeError::Request(_)
            | RuntimeError::Text(_) => (StatusCode::BAD_REQUEST, "invalid_value"),
            RuntimeError::Interrupted => (StatusCode::SERVICE_UNAVAILABLE, "interrupted"),
            _ => (StatusCode::INTERNAL_SERVER_ERROR, "no_answer"),
        };
        Self::new(status, code, message)
    }
}
