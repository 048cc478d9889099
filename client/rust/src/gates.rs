//! The turnstiles.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use crate::operations::{
    CHANGE_GATE, CREATE_CREDENTIAL, CREATE_GATE, DELETE_GATE, LIST_GATES, READ_GATE,
};
use crate::{Credential, Direction, Error, GateMode, Limen, Rows, answer};

/// A gate and its policy.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Gate {
    /// The id.
    pub gate_id: Uuid,
    /// Its name.
    pub name: String,
    /// Whether it grants at all.
    pub enabled: bool,
    /// How long it opens, in milliseconds.
    pub open_ms: u32,
    /// How old a frame may be, in milliseconds.
    pub frame_age_ms_max: u32,
    /// The least pixels between the pupils.
    pub pupil_distance_px_min: f32,
    /// Whom it compares a face with.
    pub mode: GateMode,
    /// The liveness that a face must reach; none: not checked.
    pub liveness_threshold: Option<f32>,
    /// The zone that it leads into or out of.
    pub zone_id: Option<Uuid>,
    /// Which way.
    pub direction: Direction,
    /// For so long after a person was let through it stays shut to them, in milliseconds.
    pub debounce_ms: u32,
    /// Whether its passages must be signed.
    pub signed_requests: bool,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

/// A gate to be created; what is none has the site's default.
#[derive(Clone, Debug, Default, Serialize)]
pub struct NewGate {
    /// 1 to 100 characters; no other gate may have it.
    pub name: String,
    /// Whether it grants at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// 100 to 60,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_ms: Option<u32>,
    /// 100 to 600,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame_age_ms_max: Option<u32>,
    /// 8 to 1,000 pixels between the pupils.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pupil_distance_px_min: Option<f32>,
    /// Whom it compares a face with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<GateMode>,
    /// 0 to 1; `Some(None)` switches liveness off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub liveness_threshold: Option<Option<f32>>,
    /// The zone that it leads into or out of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone_id: Option<Uuid>,
    /// Which way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// 0 to 600,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub debounce_ms: Option<u32>,
    /// Whether its passages must be signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signed_requests: Option<bool>,
}

impl NewGate {
    /// A gate with the site's defaults.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }
}

/// A change: what is none stays; `Some(None)` clears.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ChangeGate {
    /// Another name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A gate that is not enabled denies everybody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// 100 to 60,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_ms: Option<u32>,
    /// 100 to 600,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame_age_ms_max: Option<u32>,
    /// 8 to 1,000 pixels between the pupils.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pupil_distance_px_min: Option<f32>,
    /// Whom it compares a face with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<GateMode>,
    /// 0 to 1; `Some(None)` switches liveness off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub liveness_threshold: Option<Option<f32>>,
    /// `Some(None)` takes the gate out of its zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone_id: Option<Option<Uuid>>,
    /// Which way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// 0 to 600,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub debounce_ms: Option<u32>,
    /// Whether its passages must be signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signed_requests: Option<bool>,
}

/// A credential, shown this once.
#[derive(Clone, Deserialize)]
#[non_exhaustive]
pub struct CreatedCredential {
    /// Whose it is.
    pub gate_id: Uuid,
    /// Its name in what is signed.
    pub key_id: Uuid,
    /// 32 bytes in base64url.
    pub secret: String,
}

impl fmt::Debug for CreatedCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { gate_id, key_id, .. } = self;
        let mut shown = f.debug_struct("CreatedCredential");
        shown.field("gate_id", gate_id).field("key_id", key_id).finish_non_exhaustive()
    }
}

impl TryFrom<CreatedCredential> for Credential {
    type Error = Error;

    fn try_from(created: CreatedCredential) -> Result<Self, Error> {
        Self::new(created.gate_id, created.key_id, &created.secret)
    }
}

impl Limen {
    /// Creates a gate.
    ///
    /// # Errors
    /// When the service refuses or is not reached.
    pub async fn create_gate(&self, new: &NewGate) -> Result<Gate, Error> {
        answer::read(self.send(CREATE_GATE, &[], new)?).await
    }

    /// Shows a gate.
    ///
    /// # Errors
    /// When the service refuses or is not reached.
    pub async fn gate(&self, id: Uuid) -> Result<Gate, Error> {
        answer::read(self.request(READ_GATE, &[id])).await
    }

    /// Changes a gate. Once answered, it decides by the new policy.
    ///
    /// # Errors
    /// When the service refuses or is not reached.
    pub async fn change_gate(&self, id: Uuid, change: &ChangeGate) -> Result<Gate, Error> {
        answer::read(self.send(CHANGE_GATE, &[id], change)?).await
    }

    /// Removes a gate that the trail does not name.
    ///
    /// # Errors
    /// When the service refuses or is not reached.
    pub async fn delete_gate(&self, id: Uuid) -> Result<(), Error> {
        answer::done(self.request(DELETE_GATE, &[id])).await
    }

    /// Lists the gates in the order of their creation.
    #[must_use]
    pub fn gates(&self) -> Rows<Gate> {
        self.rows(LIST_GATES, &[], ())
    }

    /// Makes a credential with which a gate signs; the older ones go on for so many seconds.
    ///
    /// # Errors
    /// When the service refuses or is not reached.
    pub async fn create_credential(
        &self,
        gate: Uuid,
        overlap_s: u32,
    ) -> Result<CreatedCredential, Error> {
        answer::read(self.send(CREATE_CREDENTIAL, &[gate], &json!({ "overlap_s": overlap_s }))?)
            .await
    }
}
