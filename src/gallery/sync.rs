//! Coherence with Postgres: loads the gallery, then follows every change of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::{error, info, warn};

use super::Gallery;
use super::index::{Index, Person};
use crate::domain::{EmployeeId, EncodingError};
use crate::store::{GalleryListener, GalleryNews, GalleryRow, Store, StoreError};

/// How long to wait before Postgres is tried again after a failure.
const RETRY_AFTER: Duration = Duration::from_secs(1);

impl Gallery {
    /// Reads the whole gallery again and swaps it in at once.
    ///
    /// # Errors
    /// When Postgres does not answer; the gallery then stays as it was.
    pub async fn resync(&self, store: &Store) -> Result<(), StoreError> {
        let _turn = self.refreshing.lock().await;
        let read_at = Instant::now();
        let mut index = Index::new(self.index.load().size());
        let mut page = store.gallery_page(&self.model, None).await?;
        while let Some(last) = page.last().map(|row| row.employee_id) {
            // Beside the next page's reading, and off the async threads.
            let taken_in = tokio::task::spawn_blocking(move || {
                page.into_iter().for_each(|row| take_in(&mut index, row));
                index
            });
            let (next, taken_in) =
                tokio::join!(store.gallery_page(&self.model, Some(last)), taken_in);
            page = next?;
            index = taken_in.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
        }
        self.index.store(Arc::new(index));
        *self.synced_at.lock() = Some(read_at);
        Ok(())
    }

    /// Reads one employee's faces again. Whoever changed them calls this before saying so,
    /// the other replicas when Postgres tells them.
    ///
    /// # Errors
    /// As [`Gallery::resync`].
    pub async fn refresh(&self, store: &Store, employee: EmployeeId) -> Result<(), StoreError> {
        let _turn = self.refreshing.lock().await;
        let row = store.gallery_of(employee, &self.model).await?;
        let mut index = Index::clone(&self.index.load());
        index.remove(employee);
        row.into_iter().for_each(|row| take_in(&mut index, row));
        self.index.store(Arc::new(index));
        Ok(())
    }
}

/// Whoever's template cannot be read is nobody: all others are known all the same.
fn take_in(index: &mut Index, row: GalleryRow) {
    let template = row.template();
    let GalleryRow { employee_id, status, face_ids, .. } = row;
    let person = Person { employee_id, status, face_ids: face_ids.into() };
    let taken_in = template.and_then(|template| match index.put(person, template.values()) {
        true => Ok(()),
        false => {
            Err(EncodingError::Size { found: template.values().len(), expected: index.size() })
        }
    });
    if let Err(error) = taken_in {
        error!(
            employee = %employee_id, %error,
            "the stored faces of a person cannot be read, who is refused until they are removed and \
             the person is enrolled again: GET and DELETE /v1/employees/{employee_id}/faces"
        );
    }
}

/// Loads the gallery. Listens first and loads then, so that no change falls in between.
///
/// # Errors
/// When Postgres does not answer.
pub async fn load(gallery: &Gallery, store: &Store) -> Result<GalleryListener, StoreError> {
    let listener = store.listen_gallery().await?;
    gallery.resync(store).await?;
    info!(faces = gallery.faces(), people = gallery.people(), "the gallery is in step");
    Ok(listener)
}

/// Keeps a gallery that was [loaded](load) equal to Postgres for as long as it is polled: loads it again
/// after every gap in the connection and every `resync_interval`, whatever was heard.
pub async fn follow(
    gallery: Arc<Gallery>,
    store: Store,
    listener: GalleryListener,
    resync_interval: Duration,
) {
    let mut loaded = Ok(listener);
    loop {
        let followed = match loaded {
            Ok(listener) => follow_listener(&gallery, &store, listener, resync_interval).await,
            Err(error) => Err(error),
        };
        if let Err(error) = followed {
            warn!(%error, "the gallery lost touch with the database");
            tokio::time::sleep(RETRY_AFTER).await;
        }
        // A connection that died unnoticed is not kept beyond the interval.
        loaded = load(&gallery, &store).await;
    }
}

/// Follows one listener for the interval, or until something fails.
async fn follow_listener(
    gallery: &Gallery,
    store: &Store,
    mut listener: GalleryListener,
    resync_interval: Duration,
) -> Result<(), StoreError> {
    let resync_at = tokio::time::Instant::now() + resync_interval;
    while let Ok(news) = tokio::time::timeout_at(resync_at, listener.next()).await {
        match news? {
            GalleryNews::Gap => {
                warn!("the connection that tells of changes had a gap: loading everything");
                gallery.resync(store).await?;
            }
            GalleryNews::Changed(employee) => gallery.refresh(store, employee).await?,
        }
    }
    Ok(())
}
