//! From rows as they are read to rows whose photos were looked at: several at once, handed on in their order.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;

use super::archive::LIST_BYTES_MAX;
use super::lines::line_bytes_max;
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
    /// What this import may keep of its upload in memory, apart from the frames of gates: as much as it can ever need
    /// at once, so that what it waits for is its own photos' turn.
    pub bytes: Arc<Semaphore>,
}

impl Intake {
    /// Takes in rows; as many photos as are looked at at once wait behind them.
    pub fn new(state: AppState, arrived: Arc<Arrived>) -> (Self, Looking) {
        let settings = &state.settings;
        let at_once = settings.import_photos_at_once;
        let (rows, looking) = mpsc::channel(at_once);
        // Beside the list a photo or a line of text around one that arrives, and those that wait or are looked at.
        let parts = 2 * at_once + 3;
        let bytes = LIST_BYTES_MAX + parts * line_bytes_max(settings.frame_bytes_max);
        let bytes = Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS)));
        (Self { state, arrived, rows, bytes }, looking)
    }

    /// Takes a row in, once there is room for it.
    pub async fn take(&self, row: Row) -> Result<(), End> {
        let Ok(room) = self.rows.reserve().await else { return Err(End::Unwanted) };
        let state = self.state.clone();
        room.send(tokio::spawn(async move {
            let Row { line, label, person, photo } = row;
            let seen = match person {
                Ok(person) => look(&state, &person, photo).await.map(|seen| (person, seen)),
                Err(problem) => Err(problem),
            };
            Looked { line, label, seen }
        }));
        Ok(())
    }
}

async fn look(state: &AppState, person: &Person, photo: Photo) -> Result<Seen, Problem> {
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
    let _turn = state.import_looks.acquire().await.map_err(Problem::internal)?;
    let frame = FrameBytes { bytes, declared: None };
    let look = state.engine.look(place(state).await, frame, state.settings.enrolment_look());
    let view = Box::new(look.await?);
    state.metrics.stages(&view.timings);
    Ok(Seen::View { view, sha256 })
}

async fn place(state: &AppState) -> Place {
    loop {
        match state.engine.place_in_time() {
            Some(place) => return place,
            None => tokio::time::sleep(PLACE_AGAIN).await,
        }
    }
}

async fn sha256(photo: Bytes) -> Result<[u8; 32], Problem> {
    let hash = tokio::task::spawn_blocking(move || Sha256::digest(&photo).into());
    hash.await.map_err(Problem::internal)
}
