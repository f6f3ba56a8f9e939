//! Which request goes where.

use crate::asked::Asked;
use crate::completing::complete;
use crate::metrics::Answered;
use crate::playground::playground;
use crate::reply::Way;
use crate::state::{State, allowed};
use crate::{Fault, words};
use axum::extract::{MatchedPath, Query, Request, State as Shared};
use axum::http::{Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;

type Told = Result<Response, Fault>;

/// Everything the server answers.
pub(crate) fn router(state: Arc<State>) -> Router {
    let mut router = Router::new()
        .route("/", get(playground))
        .route("/health", get(health))
        .route("/metrics", get(metrics))
        .route("/v1", get(health))
        .route("/v1/", get(health))
        .route("/v1/models", get(models))
        .route("/v1/models/{name}", get(model))
        .route("/v1/chat/completions", post(chat))
        .route("/v1/completions", post(completions));
    for root in ["", "/v1"] {
        router = router
            .route(&format!("{root}/tokenize"), post(tokenize))
            .route(&format!("{root}/detokenize"), post(detokenize))
            .route(&format!("{root}/tokenizer_info"), get(tokenizer_info));
    }
    router
        .fallback(nowhere)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(Arc::clone(&state), around))
        .with_state(state)
}

/// Before and behind every request: the key, and the count.
async fn around(Shared(state): Shared<Arc<State>>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(|path| name(path.as_str()));
    let told = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let looks = matches!(*request.method(), Method::GET | Method::HEAD);
    // What asks whether anybody is there asks without the key, and at `/v1/` too.
    let open = matches!(route, Some("/health" | "/metrics")) || looks && matches!(route, Some("/" | "/v1"));
    let response = match allowed(&state.settings, told) {
        Err(fault) if !open => fault.into_response(),
        _ => next.run(request).await,
    };
    let of = Answered { route: route.unwrap_or("other"), status: response.status().as_u16() };
    state.metrics.responses.get_or_create(&of).inc();
    response
}

/// A route as metrics name it: one of a few names, whatever is asked for.
fn name(route: &str) -> &'static str {
    match route {
        "/" => "/",
        "/health" => "/health",
        "/metrics" => "/metrics",
        "/v1" | "/v1/" => "/v1",
        "/v1/models" | "/v1/models/{name}" => "/v1/models",
        "/v1/chat/completions" => "/v1/chat/completions",
        "/v1/completions" => "/v1/completions",
        "/tokenize" | "/v1/tokenize" => "/tokenize",
        "/detokenize" | "/v1/detokenize" => "/detokenize",
        "/tokenizer_info" | "/v1/tokenizer_info" => "/tokenizer_info",
        _ => "other",
    }
}

async fn health(Shared(state): Shared<Arc<State>>) -> Json<Value> {
    let (running, waiting) = (state.queue.running(), state.queue.waiting());
    Json(json!({"status": "ok", "version": env!("CARGO_PKG_VERSION"), "running": running, "waiting": waiting}))
}

async fn metrics(Shared(state): Shared<Arc<State>>) -> impl IntoResponse {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], state.metrics.text(&state.queue))
}

/// A model as `/v1/models` lists it.
fn listed(state: &State, served: &crate::Served) -> Value {
    let runtime = &served.workers[0];
    let spec = runtime.spec();
    json!({
        "id": served.name,
        "object": "model",
        "created": state.born,
        "owned_by": "mosa",
        "max_model_len": spec.max_length,
        "mosa": {
            "family": spec.family.name,
            "fingerprint": served.fingerprint,
            "defences": served.defences.iter().map(|d| d.name()).collect::<Vec<_>>(),
            "chat": runtime.text().chat.is_some(),
            "mask": spec.mask,
            "options": (served.sampler)(&crate::Knobs::default()).ok(),
        },
    })
}

async fn models(Shared(state): Shared<Arc<State>>) -> Json<Value> {
    Json(json!({"object": "list", "data": state.models.all().map(|served| listed(&state, served)).collect::<Vec<_>>()}))
}

async fn model(Shared(state): Shared<Arc<State>>, axum::extract::Path(name): axum::extract::Path<String>) -> Told {
    Ok(Json(listed(&state, &state.models.named(Some(&name))?.served)).into_response())
}

async fn chat(Shared(state): Shared<Arc<State>>, request: Request) -> Told {
    let asked = Asked::chat(body(&state, request).await?)?;
    complete(state, Way::Chat, asked).await
}

async fn completions(Shared(state): Shared<Arc<State>>, request: Request) -> Told {
    let asked = Asked::completion(body(&state, request).await?)?;
    complete(state, Way::Completion, asked).await
}

async fn tokenize(Shared(state): Shared<Arc<State>>, request: Request) -> Told {
    Ok(Json(words::tokenize(&state, body(&state, request).await?)?).into_response())
}

async fn detokenize(Shared(state): Shared<Arc<State>>, request: Request) -> Told {
    Ok(Json(words::detokenize(&state, body(&state, request).await?)?).into_response())
}

async fn tokenizer_info(
    Shared(state): Shared<Arc<State>>,
    Query(asked): Query<HashMap<String, String>>,
) -> Result<Json<Value>, Fault> {
    Ok(Json(words::info(&state, asked.get("model").map(String::as_str))?))
}

async fn nowhere(request: Request) -> Fault {
    let message =
        format!("there is nothing at {}: see /v1/models, /v1/chat/completions, /v1/completions", request.uri().path());
    Fault::new(StatusCode::NOT_FOUND, "not_found", message)
}

async fn wrong_method(request: Request) -> Fault {
    let message = format!("{} does not take {}", request.uri().path(), request.method());
    Fault::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
}

/// The JSON of a request: in time, no longer than it may be, and said to be JSON, which no page of another origin can say.
async fn body(state: &State, request: Request) -> Result<Value, Fault> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.trim_start().to_ascii_lowercase().starts_with("application/json") {
        let message = format!("the body is said to be {kind:?}: send JSON with Content-Type: application/json");
        return Err(Fault::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_json", message));
    }
    let most = state.settings.max_body;
    let too_large = || {
        let message = format!("the request is larger than {most} bytes (--max-body)");
        Fault::new(StatusCode::PAYLOAD_TOO_LARGE, "request_too_large", message)
    };
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|l| l.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > most as u64) {
        return Err(too_large());
    }
    let read = axum::body::to_bytes(request.into_body(), most);
    let within = state.settings.body;
    let bytes = match tokio::time::timeout(within, read).await {
        Err(_) => {
            let message = format!("the body did not come in within {} s", within.as_secs_f64());
            return Err(Fault::new(StatusCode::REQUEST_TIMEOUT, "slow_request", message));
        }
        Ok(Err(error)) if error.to_string().contains("length limit") => return Err(too_large()),
        Ok(Err(error)) => return Err(Fault::malformed(format!("the body broke off: {error}"))),
        Ok(Ok(bytes)) => bytes,
    };
    let text = std::str::from_utf8(&bytes)
        .map_err(|error| Fault::malformed(format!("the body is no UTF-8 behind byte {}", error.valid_up_to())))?;
    serde_json::from_str(text).map_err(|error| Fault::malformed(format!("the body is no JSON: {error}")))
}
