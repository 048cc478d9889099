//! Coherence with Postgres: loads the gallery, then follows every change of it.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tracing::{error, info, warn};

use super::Gallery;
use super::index::{Index, Person};
use super::memory::return_what_is_free;
use crate::domain::{EmployeeId, EncodingError};
use crate::store::{GalleryListener, GalleryNews, GalleryRow, Store, StoreError, TemplateError};

/// When a gallery is loaded whole again.
#[derive(Clone, Copy, Debug)]
pub struct ResyncSettings {
    /// After this time, whatever was heard.
    pub interval: Duration,
    /// After a failure.
    pub retry: Duration,
}

impl Gallery {
    /// Reads the whole gallery again and swaps it in at once. Changes of one person are taken in
    /// meanwhile and wait for nothing.
    ///
    /// # Errors
    /// When Postgres does not answer; the gallery then stays as it was.
    pub async fn resync(&self, store: &Store) -> Result<(), StoreError> {
        let _turn = self.resyncing.lock().await;
        let read_at = Instant::now();
        *self.changing.lock().await = Some(HashSet::new());
        let mut index = Index::new(self.index.load().size());
        let except = self.superseded_by.as_ref();
        let mut page = store.gallery_page(&self.model, except, None).await?;
        while let Some(last) = page.last().map(|row| row.employee_id) {
            // Beside the next page's reading, and off the async threads.
            let taken_in = tokio::task::spawn_blocking(move || {
                page.into_iter().for_each(|row| take_in(&mut index, row));
                index
            });
            let (next, taken_in) =
                tokio::join!(store.gallery_page(&self.model, except, Some(last)), taken_in);
            page = next?;
            index = taken_in.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
        }
        let mut changed = self.changing.lock().await;
        // Their pages may have been read before they changed.
        for &employee in changed.iter().flatten() {
            self.read_again(store, employee, &mut index).await?;
        }
        *changed = None;
        let old = self.index.swap(Arc::new(index));
        self.version.fetch_add(1, Ordering::SeqCst);
        drop(changed);
        *self.synced_at.lock() = Some(read_at);
        // A large one takes its time, and nobody waits for it.
        tokio::task::spawn_blocking(|| {
            drop(old);
            return_what_is_free();
        });
        Ok(())
    }

    /// Reads one employee's faces again. Whoever changed them calls this before saying so,
    /// the other replicas when Postgres tells them.
    ///
    /// # Errors
    /// As [`Gallery::resync`].
    pub async fn refresh(&self, store: &Store, employee: EmployeeId) -> Result<(), StoreError> {
        let mut changed = self.changing.lock().await;
        let mut index = Index::clone(&self.index.load());
        // Noted first: what fails here the resync may still read.
        changed.as_mut().map(|changed| changed.insert(employee));
        self.read_again(store, employee, &mut index).await?;
        self.index.store(Arc::new(index));
        self.version.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    async fn read_again(
        &self,
        store: &Store,
        employee: EmployeeId,
        index: &mut Index,
    ) -> Result<(), StoreError> {
        let row = store.gallery_of(employee, &self.model, self.superseded_by.as_ref()).await?;
        index.remove(employee);
        row.into_iter().for_each(|row| take_in(index, row));
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
            let (found, expected) = (template.values().len(), index.size());
            Err(TemplateError::Encoding(EncodingError::Size { found, expected }))
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

/// Reads one employee's faces again in the galleries of every model that is served, the current one's first. Nobody is in
/// none of them meanwhile: who comes into the first is taken out of the others afterwards, and who leaves it has come into
/// the others before.
///
/// # Errors
/// When Postgres does not answer.
pub async fn refresh(
    galleries: &[Arc<Gallery>],
    store: &Store,
    employee: EmployeeId,
) -> Result<(), StoreError> {
    let Some((current, others)) = galleries.split_first() else { return Ok(()) };
    if current.has(employee) {
        for other in others {
            other.refresh(store, employee).await?;
        }
    }
    current.refresh(store, employee).await?;
    for other in others {
        other.refresh(store, employee).await?;
    }
    Ok(())
}

/// Reads galleries whole, the current model's first among them. That is read last: who comes into it meanwhile is still in
/// the others, and found twice rather than not at all.
///
/// # Errors
/// When Postgres does not answer.
pub async fn resync(galleries: &[Arc<Gallery>], store: &Store) -> Result<(), StoreError> {
    for gallery in galleries.iter().rev() {
        gallery.resync(store).await?;
    }
    Ok(())
}

/// Loads galleries, the current model's first among them. Listens first and loads then, so that no change falls in
/// between.
///
/// # Errors
/// When Postgres does not answer.
pub async fn load(
    galleries: &[Arc<Gallery>],
    store: &Store,
) -> Result<GalleryListener, StoreError> {
    let listener = store.listen_gallery().await?;
    resync(galleries, store).await?;
    for gallery in galleries {
        info!(model = %gallery.model(), faces = gallery.faces(), people = gallery.people(), "the gallery is in step");
    }
    Ok(listener)
}

/// Keeps galleries that were [loaded](load) equal to Postgres for as long as it is polled: loads them again
/// after every gap in the connection, and as `resync` says.
pub async fn follow(
    galleries: Vec<Arc<Gallery>>,
    store: Store,
    listener: GalleryListener,
    resync: ResyncSettings,
) {
    let mut loaded = Ok(listener);
    loop {
        let followed = match loaded {
            Ok(listener) => follow_listener(&galleries, &store, listener, resync.interval).await,
            Err(error) => Err(error),
        };
        if let Err(error) = followed {
            warn!(%error, "the gallery lost touch with the database");
            tokio::time::sleep(resync.retry).await;
        }
        // A connection that died unnoticed is not kept beyond the interval.
        loaded = load(&galleries, &store).await;
    }
}

/// Follows one listener for the interval, or until something fails.
async fn follow_listener(
    galleries: &[Arc<Gallery>],
    store: &Store,
    mut listener: GalleryListener,
    interval: Duration,
) -> Result<(), StoreError> {
    let resync_at = tokio::time::Instant::now() + interval;
    while let Ok(news) = tokio::time::timeout_at(resync_at, listener.next()).await {
        match news? {
            GalleryNews::Gap => {
                warn!("the connection that tells of changes had a gap: loading everything");
                resync(galleries, store).await?;
            }
            GalleryNews::Changed(employee) => refresh(galleries, store, employee).await?,
        }
    }
    Ok(())
}
