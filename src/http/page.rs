//! Pages of lists: keyset paging by id, so that a page never repeats or skips a row.

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

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

/// How many rows to read for a page: one more than it shows, to know whether another follows.
pub(super) fn rows(limit: Option<u32>, state: &AppState) -> Result<u32, Problem> {
    let rows_max = state.settings.page_rows_max;
    let rows = limit.unwrap_or(ROWS_DEFAULT.min(rows_max));
    if (1..=rows_max).contains(&rows) {
        return Ok(rows);
    }
    Err(Problem::bad_request("bad_query", format!("limit must be 1 to {rows_max}, not {rows}")))
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
