//! Headers that say something of a request, parsed.

use axum::http::HeaderMap;

use super::Problem;

/// A header that must come, parsed.
pub(super) fn required<T>(headers: &HeaderMap, name: &str) -> Result<T, Problem>
where
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    optional(headers, name)?.ok_or_else(|| {
        Problem::bad_request("missing_header", format!("the header {name} is missing"))
    })
}

/// A header that may come, once, parsed.
pub(super) fn optional<T>(headers: &HeaderMap, name: &str) -> Result<Option<T>, Problem>
where
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Problem::bad_request("bad_header", format!("the header {name} comes twice")));
    }
    let bad = |error: &dyn std::fmt::Display| {
        Problem::bad_request("bad_header", format!("the header {name} is not valid: {error}"))
    };
    let text = std::str::from_utf8(value.as_bytes()).map_err(|error| bad(&error))?;
    text.parse().map(Some).map_err(|error| bad(&error))
}
