//! The leave to send a photo, asked for before any of it is read.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use tokio::sync::OwnedSemaphorePermit;

use super::super::overload::Overload;
use super::super::{AppState, Problem};
use super::token::Bearer;
use crate::domain::{Invitation, InvitationState};
use crate::store::Conflict;

/// Photos of invited people that one replica reads and looks at, at once: links are sent to many, and whoever holds
/// one back must not take the memory for frames from the gates.
pub const PHOTOS_MAX: usize = 4;

/// Whoever has the link of an invitation that takes a photo still.
#[derive(Debug)]
pub(super) struct Open {
    /// The invitation.
    pub invitation: Invitation,
    /// Their place among [`PHOTOS_MAX`], to be kept until the photo was looked at.
    pub permit: OwnedSemaphorePermit,
}

impl FromRequestParts<AppState> for Open {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let Bearer(invited) = Bearer::from_request_parts(parts, state).await?;
        if invited.invitation.state != InvitationState::Open {
            return Err(Conflict::InvitationOver.into());
        }
        let permit = Arc::clone(&state.invited_photos).try_acquire_owned();
        let permit = permit.map_err(|_| Problem::overloaded(Overload::InvitedPhotos))?;
        Ok(Self { invitation: invited.invitation, permit })
    }
}
