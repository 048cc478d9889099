//! How far the broker is with each gate.

use std::collections::{HashMap, HashSet};
use std::mem;
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
    /// Gates with an event that the broker was sent in this round and has not acknowledged.
    under_way: HashSet<GateId>,
    held: HashMap<GateId, Held>,
    /// Whether the log was told of one that is held.
    told: bool,
}

/// A gate whose next event the broker refused, or did not acknowledge before the connection ended.
#[derive(Clone, Copy, Debug)]
struct Held {
    refusals: u32,
    until: Instant,
}

impl State {
    fn hold(&mut self, gate: GateId, backoff: Backoff) {
        let refusals = self.held.get(&gate).map_or(0, |held| held.refusals) + 1;
        let until = Instant::now() + backoff.after(refusals);
        self.held.insert(gate, Held { refusals, until });
    }
}

impl Progress {
    pub fn new(taken: Positions) -> Self {
        Self(Mutex::new(State { taken, ..State::default() }))
    }

    /// From where on is to be published at `now`: of gates that wait, from nowhere.
    pub fn at(&self, now: Instant) -> Positions {
        let state = self.0.lock();
        let mut positions = state.taken.clone();
        let held = state.held.iter().filter(|(_, held)| held.until > now);
        positions.extend(held.map(|(gate, _)| (*gate, NEVER)));
        positions
    }

    /// Whether a gate's last event was refused, or not acknowledged before the connection ended.
    pub fn holds(&self, gate: GateId) -> bool {
        self.0.lock().held.contains_key(&gate)
    }

    /// The broker is sent an event.
    pub fn sends(&self, gate: GateId) {
        self.0.lock().under_way.insert(gate);
    }

    /// The broker acknowledged an event. Whether the log was told that it refused some, and it refuses none any more.
    pub fn takes(&self, gate: GateId, position: u64) -> bool {
        let mut state = self.0.lock();
        state.taken.insert(gate, position);
        state.unnoted.insert(gate, position);
        state.under_way.remove(&gate);
        state.held.remove(&gate).is_some() && state.held.is_empty() && mem::take(&mut state.told)
    }

    /// The broker refused an event: its gate waits.
    pub fn refuses(&self, gate: GateId, backoff: Backoff) {
        self.0.lock().hold(gate, backoff);
    }

    /// Whether the log is to be told that a gate is held: not, as long as it knows of another.
    pub fn is_news(&self) -> bool {
        !mem::replace(&mut self.0.lock().told, true)
    }

    /// A round is over, and the connection is not: whatever was sent was acknowledged or refused.
    pub fn ends_round(&self) {
        self.0.lock().under_way.clear();
    }

    /// The connection ended, perhaps because of an event that was on its way: the gates of such wait as if it was
    /// refused, and are then published alone. Returns the gate that ends connections again and again: it was alone,
    /// and not for the first time.
    pub fn cut_off(&self, backoff: Backoff) -> Option<GateId> {
        let mut state = self.0.lock();
        let (gates, now) = (mem::take(&mut state.under_way), Instant::now());
        for gate in &gates {
            // Unless it was refused just before.
            if state.held.get(gate).is_none_or(|held| held.until <= now) {
                state.hold(*gate, backoff);
            }
        }
        let [alone] = *Vec::from_iter(gates) else { return None };
        (state.held[&alone].refusals > 1).then_some(alone)
    }

    /// Gates that waited and have nothing to publish any more, but for these, wait no longer: what was refused was
    /// purged. That was asked [`at`](Self::at) `then`, and of gates that waited then nothing was.
    pub fn has_nothing_but(&self, gates: impl Fn(&GateId) -> bool, then: Instant) {
        let mut state = self.0.lock();
        state.held.retain(|gate, held| held.until > then || gates(gate));
        state.told &= !state.held.is_empty();
    }

    /// How long until the first of the gates that wait is due again.
    pub fn earliest_retry(&self) -> Option<Duration> {
        let earliest = self.0.lock().held.values().map(|held| held.until).min()?;
        Some(earliest.saturating_duration_since(Instant::now()))
    }

    /// Stores how far the broker is; says whether it has taken anything since.
    pub async fn note(&self, store: &Store) -> Result<bool, StoreError> {
        let unnoted = self.0.lock().unnoted.clone();
        if unnoted.is_empty() {
            return Ok(false);
        }
        store.patiently(store.note_published(&unnoted)).await?;
        self.0.lock().unnoted.retain(|gate, position| unnoted.get(gate) != Some(position));
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_that_is_due_while_the_others_are_read_keeps_how_often_it_was_refused() {
        let millisecond = Duration::from_millis(1);
        let (gate, backoff) = (GateId::generate(), Backoff { min: millisecond, max: millisecond });
        let progress = Progress::new(Positions::new());
        let asked_at = Instant::now();
        progress.sends(gate);
        assert_eq!(progress.cut_off(backoff), None, "it may not have been its event");
        assert_eq!(progress.at(asked_at)[&gate], NEVER);
        std::thread::sleep(2 * millisecond);

        progress.has_nothing_but(|_| false, asked_at);
        progress.sends(gate);
        assert_eq!(progress.cut_off(backoff), Some(gate), "it is the second time");

        progress.has_nothing_but(|_| false, Instant::now() + Duration::from_secs(60));
        assert!(!progress.holds(gate), "what was refused was purged");
    }
}
