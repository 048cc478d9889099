//! Where alarms go.

use std::fmt;
use std::sync::Arc;

use crate::domain::{Alarm, Passage};

type Raise = dyn Fn(Alarm, &Passage) + Send + Sync;

/// Where the alarms of recorded passages go; whoever asked may have hung up by then.
#[derive(Clone)]
pub struct Alarms(Arc<Raise>);

impl Alarms {
    /// To `raise`, which must not block.
    #[must_use]
    pub fn new(raise: impl Fn(Alarm, &Passage) + Send + Sync + 'static) -> Self {
        Self(Arc::new(raise))
    }

    pub(super) fn raise(&self, alarm: Alarm, passage: &Passage) {
        (self.0)(alarm, passage);
    }
}

impl fmt::Debug for Alarms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Alarms")
    }
}
