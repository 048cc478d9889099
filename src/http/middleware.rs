//! What surrounds every route: request ids, the log, metrics, the time limit, caught panics.

use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{AUTHORIZATION, COOKIE};
use axum::http::{HeaderName, Method};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::request_id::{
    MakeRequestUuid, PropagateRequestIdLayer, RequestId, SetRequestIdLayer,
};
use tower_http::sensitive_headers::SetSensitiveRequestHeadersLayer;
use tracing::Instrument;

use super::imports;
use super::leftover::{self, LeftoverLimits};
use super::overload::Overload;
use super::session::CSRF_HEADER;
use super::{AppState, Problem};
use crate::metrics::RequestLabels;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest request id that is taken from a client.
const REQUEST_ID_BYTES_MAX: usize = 64;

/// Wraps the router; the first layer named is the outermost.
pub(super) fn around(router: Router<AppState>, state: &AppState) -> Router<AppState> {
    router.layer(
        ServiceBuilder::new()
            .layer(SetSensitiveRequestHeadersLayer::new([AUTHORIZATION, COOKIE, CSRF_HEADER]))
            .layer(from_fn(check_request_id))
            .layer(SetRequestIdLayer::new(REQUEST_ID, MakeRequestUuid))
            .layer(PropagateRequestIdLayer::new(REQUEST_ID))
            .layer(from_fn_with_state(state.clone(), observe))
            .layer(from_fn(name_problem))
            .layer(CatchPanicLayer::custom(panicked))
            // Outside the limit: what a stranger sends slowly must not keep a place from a gate.
            .layer(from_fn_with_state(state.settings.leftover, leftover::clear))
            .layer(from_fn_with_state(state.clone(), limit_number))
            .layer(from_fn_with_state(state.clone(), limit_time)),
    )
}

/// Names requests and clears what they leave, without a service behind.
pub(super) fn named(router: Router, leftover: LeftoverLimits) -> Router {
    router.layer(
        ServiceBuilder::new()
            .layer(from_fn(check_request_id))
            .layer(SetRequestIdLayer::new(REQUEST_ID, MakeRequestUuid))
            .layer(PropagateRequestIdLayer::new(REQUEST_ID))
            .layer(from_fn(name_problem))
            .layer(from_fn_with_state(leftover, leftover::clear)),
    )
}

/// A client may name its request, in few and plain characters; another name is replaced.
async fn check_request_id(mut request: Request, next: Next) -> Response {
    let fits = |name: &[u8]| {
        (1..=REQUEST_ID_BYTES_MAX).contains(&name.len())
            && name.iter().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(b))
    };
    if request.headers().get(REQUEST_ID).is_some_and(|name| !fits(name.as_bytes())) {
        request.headers_mut().remove(REQUEST_ID);
    }
    next.run(request).await
}

/// One span and one line of the log for each request, counted by route and status.
async fn observe(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let started_at = Instant::now();
    // A client may invent methods, and every label makes a series that stays.
    let method = match request.method().as_str() {
        known @ ("GET" | "POST" | "PATCH" | "DELETE" | "HEAD" | "PUT" | "OPTIONS") => {
            known.to_owned()
        }
        _ => "other".to_owned(),
    };
    let route =
        request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let span = tracing::info_span!("request", id = request_id(&request), method, route);
    async {
        let response = next.run(request).await;
        let (status, duration) = (response.status(), started_at.elapsed());
        let problem = response.extensions().get::<Problem>();
        let code = problem.map(Problem::code);
        let duration_ms = duration.as_micros() as f64 / 1000.0;
        // Asked every few seconds by whoever watches the service.
        if status.is_success() && matches!(&*route, "/healthz" | "/readyz" | "/metrics") {
            tracing::debug!(status = status.as_u16(), duration_ms, "answered");
        } else {
            tracing::info!(status = status.as_u16(), code, duration_ms, "answered");
        }
        if let Some(overload) = problem.and_then(Problem::overload) {
            state.metrics.overload(overload.limit());
        }
        state.metrics.request(RequestLabels { method, route, status: status.as_u16() }, duration);
        response
    }
    .instrument(span)
    .await
}

/// Puts the request's id into a problem, so that a client's report leads to the log.
async fn name_problem(request: Request, next: Next) -> Response {
    let id = request_id(&request).to_owned();
    let mut response = next.run(request).await;
    match response.extensions_mut().remove::<Problem>() {
        Some(problem) => problem.of_request(&id).into_response(),
        None => response,
    }
}

/// Bounds the requests that are answered at once; one more is told to come again.
async fn limit_number(State(state): State<AppState>, request: Request, next: Next) -> Response {
    // Whoever watches the service must hear of it when it is busiest.
    if request.uri().path() == "/healthz" {
        return next.run(request).await;
    }
    match Arc::clone(&state.request_permits).try_acquire_owned() {
        Ok(_permit) => next.run(request).await,
        Err(_) => Problem::overloaded(Overload::Requests).into_response(),
    }
}

/// Bounds the time from the request's head to the answer, slow bodies included.
async fn limit_time(State(state): State<AppState>, request: Request, next: Next) -> Response {
    // One that goes on may take as long as it takes: it limits how long it waits for anything by itself.
    if request.method() == Method::POST && request.uri().path() == imports::PATH {
        return next.run(request).await;
    }
    let limit = state.settings.request_timeout;
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let detail = format!(
                "the request was not received and answered within {} ms",
                limit.as_millis()
            );
            Problem::timeout(detail).into_response()
        }
    }
}

fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let message = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a message");
    Problem::internal(message).into_response()
}

fn request_id(request: &Request) -> &str {
    request
        .extensions()
        .get::<RequestId>()
        .and_then(|id| id.header_value().to_str().ok())
        .unwrap_or_default()
}
