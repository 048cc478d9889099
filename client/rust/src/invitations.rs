//! Links with which people photograph themselves.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::operations::{CREATE_INVITATION, LIST_INVITATIONS, REVOKE_INVITATION};
use crate::pages::Page;
use crate::{Error, InvitationState, Limen, answer};

/// An invitation, without its link.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Invitation {
    /// The id.
    pub invitation_id: Uuid,
    /// Who is invited.
    pub employee_id: Uuid,
    /// Which text the person agrees to with the photo.
    pub consent_version: Option<String>,
    /// How far it is.
    pub state: InvitationState,
    /// Photos that may still be sent.
    pub attempts_left: u32,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
    /// When the face was enrolled.
    pub used_at: Option<DateTime<Utc>>,
}

/// An invitation to be made.
#[derive(Clone, Debug, Default, Serialize)]
pub struct NewInvitation {
    /// Seconds that it holds; none: the site's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_in_s: Option<u32>,
    /// Which text the person agrees to with the photo; none: no consent is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consent_version: Option<String>,
}

/// A new invitation.
#[derive(Clone, Deserialize)]
#[non_exhaustive]
pub struct CreatedInvitation {
    /// The invitation.
    #[serde(flatten)]
    pub invitation: Invitation,
    /// The link for the person, shown this once.
    pub link: String,
}

impl fmt::Debug for CreatedInvitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("CreatedInvitation");
        shown.field("invitation", &self.invitation).finish_non_exhaustive()
    }
}

impl Limen {
    /// Invites a person to photograph themself, once. One that was open before is over.
    ///
    /// # Errors
    /// When the service refuses or is not reached.
    pub async fn invite(
        &self,
        employee: Uuid,
        new: &NewInvitation,
    ) -> Result<CreatedInvitation, Error> {
        answer::read(self.send(CREATE_INVITATION, &[employee], new)?).await
    }

    /// Lists an employee's invitations, oldest first.
    ///
    /// # Errors
    /// When the service refuses or is not reached.
    pub async fn invitations(&self, employee: Uuid) -> Result<Vec<Invitation>, Error> {
        let list: Page<Invitation> =
            answer::read(self.request(LIST_INVITATIONS, &[employee])).await?;
        Ok(list.items)
    }

    /// Takes an invitation back. Once answered, no face is enrolled with it.
    ///
    /// # Errors
    /// When the service refuses or is not reached.
    pub async fn revoke_invitation(&self, employee: Uuid, invitation: Uuid) -> Result<(), Error> {
        answer::done(self.request(REVOKE_INVITATION, &[employee, invitation])).await
    }
}
