//! How long each stage of the road takes.

use std::time::Instant;

use crate::domain::{Stage, StageTimings};

/// Notes the time from one stage's end to the next one's.
pub(super) struct StageClock {
    timings: StageTimings,
    since: Instant,
}

impl StageClock {
    /// Starts now; `timings` are those of earlier stages.
    pub fn start(timings: StageTimings) -> Self {
        Self { timings, since: Instant::now() }
    }

    /// Notes that `stage` ends now.
    pub fn lap(&mut self, stage: Stage) {
        let now = Instant::now();
        self.timings.push(stage, now - self.since);
        self.since = now;
    }

    /// Everything noted.
    pub fn timings(self) -> StageTimings {
        self.timings
    }
}
