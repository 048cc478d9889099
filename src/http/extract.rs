//! Extractors whose refusals are problems: JSON, path and query.

use std::error::Error as _;

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use garde::Validate;
use serde::Deserialize;
use serde::de::{DeserializeOwned, Error as _};
use serde_json::Value;

use super::body_check::BodyCheck;
use super::{AppState, Problem, frames};

/// A path parameter, parsed.
#[derive(Clone, Copy, Debug, FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(Problem))]
pub(super) struct Path<T>(pub T);

/// The query string, parsed; an unknown parameter is refused.
#[derive(Clone, Debug, FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(Problem))]
pub(super) struct Query<T>(pub T);

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Self {
        Self::bad_request("bad_path", rejection.body_text())
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        // The source names the parameter.
        let detail = rejection.source().map_or_else(|| rejection.body_text(), <_>::to_string);
        Self::bad_request("bad_query", detail)
    }
}

/// No query string: a parameter is refused as any that is unknown.
#[derive(Clone, Copy, Debug)]
pub(super) struct NoQuery;

impl<S: Send + Sync> FromRequestParts<S> for NoQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Query(parameters) =
            Query::<Vec<(String, String)>>::from_request_parts(parts, state).await?;
        match parameters.first() {
            None => Ok(Self),
            Some((name, _)) => {
                let detail = format!("{name}: unknown, there are no parameters here");
                Err(Problem::bad_request("bad_query", detail))
            }
        }
    }
}

/// A JSON body, no larger than the limit, parsed; an unknown field is refused.
#[derive(Clone, Debug)]
pub(super) struct Json<T>(pub T);

impl<T: DeserializeOwned> FromRequest<AppState> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Problem> {
        let is_json = request
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split(';').next())
            .is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"));
        if !is_json {
            let detail = "send the body as content-type: application/json";
            return Err(Problem::unsupported("not_json", detail));
        }
        let (request, check) = BodyCheck::begin(request);
        let body = frames::read_body(request, state.settings.json_bytes_max, "body").await?;
        if let Some(check) = check {
            check.finish(0).await?;
        }
        let axum::Json(value) = axum::Json::from_bytes(&body).map_err(|rejection| {
            // The source names the field.
            let detail = rejection.source().map_or_else(|| rejection.body_text(), <_>::to_string);
            let is_data = matches!(rejection, JsonRejection::JsonDataError(_));
            // serde_json counts a number out of its type's range as syntax.
            if is_data || serde_json::from_slice::<Value>(&body).is_ok() {
                Problem::unprocessable("bad_value", detail)
            } else {
                Problem::bad_request("bad_json", detail)
            }
        })?;
        // Serde takes an array for an object, its fields in their order; no client means that.
        if body.trim_ascii_start().starts_with(b"[") {
            return Err(Problem::unprocessable("bad_value", "the body must be a JSON object"));
        }
        Ok(Self(value))
    }
}

/// A field of a change that may be absent and cannot be cleared: null is refused.
pub(super) fn stated<'de, D, T>(from: D) -> Result<Option<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    let value = Option::deserialize(from)?;
    value.map(Some).ok_or_else(|| D::Error::custom("must not be null"))
}

/// Says everything of a body that is out of range.
pub(super) fn check(body: &impl Validate<Context = ()>) -> Result<(), Problem> {
    body.validate().map_err(|report| {
        let wrong: Vec<_> = report.iter().map(|(path, e)| format!("{path}: {e}")).collect();
        Problem::unprocessable("bad_value", wrong.join("; "))
    })
}
