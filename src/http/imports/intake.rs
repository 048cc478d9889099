//! From rows as they are read to rows whose photos were looked at: several at once, handed on in their order.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;

use super::person;
use super::row::{Person, Photo, Row};
use super::upload::Arrived;
use crate::domain::{FaceSeen, View};
use crate::http::{AppState, Problem};
use crate::inference::{FrameBytes, Place};

/// How long a photo that found no place among the frames waits until it asks again: whoever stands at a gate does
/// not wait behind it.
const PLACE_AGAIN: Duration = Duration::from_millis(20);

/// Why no more rows come.
#[derive(Debug)]
pub(super) enum End {
    /// What comes cannot be read any further.
    Broken(Problem),
    /// It does not come any more.
    Interrupted(Problem),
    /// Nobody takes them any more; whoever stopped says why.
    Unwanted,
}

/// A row that was looked at, as far as it came.
#[derive(Debug)]
pub(super) struct Looked {
    pub line: u64,
    pub label: String,
    /// Whom it is about and what its photo shows, or why it is refused.
    pub seen: Result<(Person, Seen), Problem>,
}

/// What a row's photo shows.
#[derive(Debug)]
pub(super) enum Seen {
    /// The row has none.
    NoPhoto,
    /// It is enrolled already.
    Known,
    /// It was looked at.
    View { view: Box<View<FaceSeen>>, sha256: [u8; 32] },
}

/// Rows that are looked at, in their order.
pub(super) type Looking = mpsc::Receiver<JoinHandle<Looked>>;

/// Takes rows in and has their photos looked at.
#[derive(Debug)]
pub(super) struct Intake {
    pub state: AppState,
    pub arrived: Arc<Arrived>,
    rows: mpsc::Sender<JoinHandle<Looked>>,
    /// Photos that are looked at at once.
    looks: Arc<Semaphore>,
}

impl Intake {
    /// Takes in rows; as many photos as are looked at at once wait behind them.
    pub fn new(state: AppState, arrived: Arc<Arrived>) -> (Self, Looking) {
        let at_once = state.settings.import_photos_at_once;
        let (rows, looking) = mpsc::channel(at_once);
        (Self { state, arrived, rows, looks: Arc::new(Semaphore::new(at_once)) }, looking)
    }

    /// Takes a row in, once there is room for it.
    pub async fn take(&self, row: Row) -> Result<(), End> {
        let Ok(room) = self.rows.reserve().await else { return Err(End::Unwanted) };
        let (state, looks) = (self.state.clone(), Arc::clone(&self.looks));
        room.send(tokio::spawn(async move {
            let Row { line, label, person, photo } = row;
            let seen = match person {
                Ok(person) => look(&state, &looks, &person, photo).await.map(|seen| (person, seen)),
                Err(problem) => Err(problem),
            };
            Looked { line, label, seen }
        }));
        Ok(())
    }
}

async fn look(
    state: &AppState,
    looks: &Semaphore,
    person: &Person,
    photo: Photo,
) -> Result<Seen, Problem> {
    let bytes = match photo {
        Photo::None => return Ok(Seen::NoPhoto),
        Photo::Refused(problem) => return Err(problem),
        Photo::Here(bytes) => bytes,
    };
    let sha256 = sha256(bytes.clone()).await?;
    if let Some(known) = person::find(&state.store, person).await?
        && state.store.has_photo(known.id, state.gallery.model(), &sha256).await?
    {
        return Ok(Seen::Known);
    }
    let _turn = looks.acquire().await.map_err(Problem::internal)?;
    let frame = FrameBytes { bytes, declared: None };
    let look = state.engine.look(place(state).await, frame, state.settings.enrolment_look());
    let view = Box::new(look.await?);
    state.metrics.stages(&view.timings);
    Ok(Seen::View { view, sha256 })
}

async fn place(state: &AppState) -> Place {
    loop {
        match state.engine.place() {
            Ok(place) => return place,
            Err(_) => tokio::time::sleep(PLACE_AGAIN).await,
        }
    }
}

async fn sha256(photo: Bytes) -> Result<[u8; 32], Problem> {
    let hash = tokio::task::spawn_blocking(move || Sha256::digest(&photo).into());
    hash.await.map_err(Problem::internal)
}
