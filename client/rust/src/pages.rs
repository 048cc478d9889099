//! Lists, page by page.

use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::operations::Operation;
use crate::{Error, Limen, answer};

/// The rows of a list, whose pages are read as they are needed.
///
/// It ends after the first error.
pub type Rows<T> = BoxStream<'static, Result<T, Error>>;

#[derive(Deserialize)]
pub(crate) struct Page<T> {
    pub items: Vec<T>,
    next_cursor: Option<Uuid>,
}

/// Which page comes next.
enum Next {
    First,
    After(Uuid),
}

impl Limen {
    /// The rows of a list.
    pub(crate) fn rows<T, F>(&self, operation: Operation, ids: &[Uuid], filter: F) -> Rows<T>
    where
        T: DeserializeOwned + Send + 'static,
        F: Serialize + Send + Sync + 'static,
    {
        let (limen, ids) = (self.clone(), ids.to_vec());
        let state = (limen, ids, filter, Some(Next::First));
        let pages = stream::try_unfold(state, move |(limen, ids, filter, next)| async move {
            let Some(next) = next else {
                return Ok::<_, Error>(None);
            };
            let mut request = limen.request(operation, &ids).query(&filter);
            if let Next::After(cursor) = next {
                request = request.query(&[("cursor", cursor)]);
            }
            let page: Page<T> = answer::read(request).await?;
            let items = stream::iter(page.items.into_iter().map(Ok));
            let next = page.next_cursor.map(Next::After);
            Ok(Some((items, (limen, ids, filter, next))))
        });
        pages.try_flatten().boxed()
    }
}
