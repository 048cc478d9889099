//! How far the broker is with each gate.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::domain::GateId;
use crate::events::backoff::Backoff;
use crate::store::{Positions, Store, StoreError};

/// No gate has so many passages.
const NEVER: u64 = i64::MAX as u64;

/// How far the broker is, and which gates wait since it refused an event of theirs.
#[derive(Debug)]
pub(super) struct Progress(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Up to here the broker has acknowledged all,
    taken: Positions,
    /// and so much of that is not stored yet.
    unnoted: Positions,
    held: HashMap<GateId, Held>,
}

/// A gate whose next event the broker refused.
#[derive(Clone, Copy, Debug)]
struct Held {
    refusals: u32,
    until: Instant,
}

impl Progress {
    pub fn new(taken: Positions) -> Self {
        Self(Mutex::new(State { taken, ..State::default() }))
    }

    /// From where on is to be published now: of gates that wait, from nowhere.
    pub fn now(&self) -> Positions {
        let state = self.0.lock();
        let mut positions = state.taken.clone();
        let now = Instant::now();
        let held = state.held.iter().filter(|(_, held)| held.until > now);
        positions.extend(held.map(|(gate, _)| (*gate, NEVER)));
        positions
    }

    /// The broker acknowledged an event. Whether it refused some before, and refuses none any more.
    pub fn takes(&self, gate: GateId, position: u64) -> bool {
        let mut state = self.0.lock();
        state.taken.insert(gate, position);
        state.unnoted.insert(gate, position);
        state.held.remove(&gate).is_some() && state.held.is_empty()
    }

    /// The broker refused an event: its gate waits. Whether it is the first that does.
    pub fn refuses(&self, gate: GateId, backoff: Backoff) -> bool {
        let mut state = self.0.lock();
        let first = state.held.is_empty();
        let refusals = state.held.get(&gate).map_or(0, |held| held.refusals) + 1;
        let until = Instant::now() + backoff.after(refusals);
        state.held.insert(gate, Held { refusals, until });
        first
    }

    /// Gates that waited and have nothing to publish any more, but for these, wait no longer: what was refused was
    /// purged.
    pub fn has_nothing_but(&self, gates: impl Fn(&GateId) -> bool) {
        let now = Instant::now();
        self.0.lock().held.retain(|gate, held| held.until > now || gates(gate));
    }

    /// How long until the first of the gates that wait is due again.
    pub fn earliest_retry(&self) -> Option<Duration> {
        let earliest = self.0.lock().held.values().map(|held| held.until).min()?;
        Some(earliest.saturating_duration_since(Instant::now()))
    }

    /// Stores how far the broker is.
    pub async fn note(&self, store: &Store) -> Result<(), StoreError> {
        let unnoted = self.0.lock().unnoted.clone();
        if unnoted.is_empty() {
            return Ok(());
        }
        store.patiently(store.note_published(&unnoted)).await?;
        self.0.lock().unnoted.retain(|gate, position| unnoted.get(gate) != Some(position));
        Ok(())
    }
}
