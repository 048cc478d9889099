//! Removes what has been kept for as long as it may be.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use tracing::{info, warn};

use crate::domain::Author;
use crate::gallery::Gallery;
use crate::metrics::Metrics;
use crate::store::{Purged, Store, StoreError};

/// People who are erased between two looks at the database.
const LEAVERS_AT_ONCE: u32 = 100;

/// How long an invitation is kept after it expired: until then whoever has the link is told what became of it.
const INVITATIONS_KEPT: TimeDelta = TimeDelta::days(30);

/// How long things are kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Retention {
    /// Passages and inputs; none: for good.
    pub passages: Option<TimeDelta>,
    /// People who were revoked, or whose validity ended; none: for good.
    pub leavers: Option<TimeDelta>,
    /// Photos; none: as long as their faces.
    pub photos: Option<TimeDelta>,
    /// Imports that ended, with what became of their rows.
    pub imports: TimeDelta,
    /// Between two looks.
    pub interval: Duration,
}

/// Looks at once and then again and again. Several replicas may: each finds what the others left.
pub(super) async fn keep(
    retention: Retention,
    store: Store,
    gallery: Arc<Gallery>,
    metrics: Arc<Metrics>,
) {
    let author = Author::limen("retention");
    loop {
        match purge_invitations(&author, &store).await {
            Ok(0) => {}
            Ok(invitations) => info!(invitations, "invitations were purged: they expired long ago"),
            Err(error) => warn!(%error, "invitations could not be purged"),
        }
        match purge_photos(&retention, &author, &store, &metrics).await {
            Ok(0) => {}
            Ok(photos) => {
                info!(photos, "photos were purged: they are not kept, or their time was over")
            }
            Err(error) => warn!(%error, "photos could not be purged"),
        }
        match purge(&retention, &author, &store, &metrics).await {
            Ok(Purged { passages: 0, inputs: 0 }) => {}
            Ok(Purged { passages, inputs }) => {
                info!(passages, inputs, "passages and inputs were purged: their time was over");
            }
            Err(error) => warn!(%error, "passages could not be purged"),
        }
        match erase(&retention, &author, &store, &gallery, &metrics).await {
            Ok(0) => {}
            Ok(people) => info!(people, "people were erased: they left long enough ago"),
            Err(error) => warn!(%error, "people who left could not be erased"),
        }
        match forget_imports(&retention, &store).await {
            Ok(0) => {}
            Ok(imports) => info!(imports, "imports were removed: their time was over"),
            Err(error) => warn!(%error, "imports could not be removed"),
        }
        tokio::time::sleep(retention.interval).await;
    }
}

async fn purge_invitations(author: &Author, store: &Store) -> Result<u64, StoreError> {
    let before = store.ago(INVITATIONS_KEPT).await?;
    let mut purged = 0;
    while let invitations @ 1.. = store.purge_invitations(author, before).await? {
        purged += invitations;
    }
    Ok(purged)
}

async fn purge_photos(
    retention: &Retention,
    author: &Author,
    store: &Store,
    metrics: &Metrics,
) -> Result<u64, StoreError> {
    let Some(kept) = retention.photos else { return Ok(0) };
    let before = store.ago(kept).await?;
    let mut purged = 0;
    while let photos @ 1.. = store.purge_photos(author, before).await? {
        purged += photos;
        metrics.photos_purged(photos);
    }
    Ok(purged)
}

async fn purge(
    retention: &Retention,
    author: &Author,
    store: &Store,
    metrics: &Metrics,
) -> Result<Purged, StoreError> {
    let mut purged = Purged::default();
    let Some(kept) = retention.passages else { return Ok(purged) };
    let before = store.ago(kept).await?;
    for gate in store.gates_with_records_before(before).await? {
        loop {
            let found = store.purge_records(author, gate, before).await?;
            if found == Purged::default() {
                break;
            }
            purged.passages += found.passages;
            purged.inputs += found.inputs;
            metrics.records_purged(found.passages, found.inputs);
        }
    }
    store.purge_dead_letters().await?;
    Ok(purged)
}

async fn forget_imports(retention: &Retention, store: &Store) -> Result<u64, StoreError> {
    store.purge_imports(store.ago(retention.imports).await?).await
}

async fn erase(
    retention: &Retention,
    author: &Author,
    store: &Store,
    gallery: &Gallery,
    metrics: &Metrics,
) -> Result<u64, StoreError> {
    let Some(kept) = retention.leavers else { return Ok(0) };
    let before = store.ago(kept).await?;
    let (mut erased, mut last) = (0, None);
    loop {
        let leavers = store.leavers(before, last, LEAVERS_AT_ONCE).await?;
        let Some(&person) = leavers.last() else { return Ok(erased) };
        last = Some(person);
        for person in leavers {
            match store.erase_leaver(author, person, before).await {
                Ok(true) => {
                    erased += 1;
                    metrics.person_erased();
                }
                // Another replica was faster, or they are back.
                Ok(false) => {}
                // The others go all the same.
                Err(error) => {
                    warn!(%error, employee = %person, "somebody who left could not be erased")
                }
            }
            gallery.refresh(store, person).await?;
        }
    }
}
