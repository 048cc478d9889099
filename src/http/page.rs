//! Pages of lists: keyset paging by id, so that a page never repeats or skips a row.

use std::sync::Arc;

use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;
use utoipa::ToSchema;
use uuid::Uuid;

use super::overload::Overload;
use super::{AppState, Problem};

/// How many rows a page has when the client does not say.
const ROWS_DEFAULT: u32 = 50;

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// What to send as `cursor` for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<Uuid>,
}

/// How many rows a page shows, and the leave to read them: lists may take no more than their share of
/// the connections to Postgres, so that gates always find one.
pub(super) fn begin(
    limit: Option<u32>,
    state: &AppState,
) -> Result<(u32, OwnedSemaphorePermit), Problem> {
    let rows_max = state.settings.page_rows_max;
    let rows = limit.unwrap_or(ROWS_DEFAULT.min(rows_max));
    if !(1..=rows_max).contains(&rows) {
        let detail = format!("limit must be 1 to {rows_max}, not {rows}");
        return Err(Problem::bad_request("bad_query", detail));
    }
    let permit = Arc::clone(&state.list_permits).try_acquire_owned();
    Ok((rows, permit.map_err(|_| Problem::overloaded(Overload::Lists))?))
}

impl<T> Page<T> {
    /// A page of at most `rows` out of `found`, which were read with one row more.
    pub fn new<F: Into<T>>(mut found: Vec<F>, rows: u32, id: impl Fn(&F) -> Uuid) -> Self {
        let more = found.len() > rows as usize;
        found.truncate(rows as usize);
        let next_cursor = found.last().filter(|_| more).map(id);
        Self { items: found.into_iter().map(Into::into).collect(), next_cursor }
    }
}
