//! The table `invitations`: links with which people photograph themselves, once.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Conflict, Store, StoreError};
use crate::domain::{
    Author, ConsentId, EmployeeId, EmployeeStatus, Invitation, InvitationId, InvitationState,
    KeyId, TextVersion,
};

/// Invitations that are purged in one transaction.
const PURGED_AT_ONCE: i64 = 500;

/// An invitation to be made.
#[derive(Clone, Debug)]
pub struct NewInvitation {
    /// Whose face it is for.
    pub employee_id: EmployeeId,
    /// SHA-256 of the token in the link.
    pub token_sha256: [u8; 32],
    /// Which text the person agrees to with the photo.
    pub consent_version: Option<TextVersion>,
    /// Photos that may be sent.
    pub attempts_max: u32,
    /// How long it holds.
    pub lifetime: Duration,
}

/// An invitation as whoever has its link finds it.
#[derive(Clone, Debug, PartialEq)]
pub struct Invited {
    /// The invitation.
    pub invitation: Invitation,
    /// The first letter of the person's name.
    pub initial: String,
}

struct InvitationRow {
    id: Uuid,
    employee_id: Uuid,
    created_by: Option<Uuid>,
    consent_version: Option<String>,
    attempts_left: i32,
    created_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    used_at: Option<DateTime<Utc>>,
    revoked_at: Option<DateTime<Utc>>,
    expired: bool,
    /// Whether the person and the key that made it are still such that it opens anything.
    stands: bool,
    initial: String,
}

impl InvitationRow {
    fn state(&self) -> InvitationState {
        if self.used_at.is_some() {
            InvitationState::Used
        } else if self.revoked_at.is_some_and(|at| at < self.expires_at) {
            InvitationState::Revoked
        } else if self.expired {
            InvitationState::Expired
        } else if self.attempts_left == 0 {
            InvitationState::Exhausted
        } else if self.stands {
            InvitationState::Open
        } else {
            InvitationState::Revoked
        }
    }
}

impl TryFrom<InvitationRow> for Invited {
    type Error = StoreError;

    fn try_from(row: InvitationRow) -> Result<Self, StoreError> {
        let state = row.state();
        let version = row.consent_version.map(TextVersion::try_from).transpose();
        let invitation = Invitation {
            id: InvitationId(row.id),
            employee_id: EmployeeId(row.employee_id),
            created_by: row.created_by.map(KeyId),
            consent_version: version.map_err(StoreError::corrupt)?,
            attempts_left: row.attempts_left.unsigned_abs(),
            state,
            created_at: row.created_at,
            expires_at: row.expires_at,
            used_at: row.used_at,
        };
        Ok(Self { invitation, initial: row.initial })
    }
}

/// A statement that gives whole rows, from what stands after the tables.
macro_rules! invitation_row {
    ($after:literal $(, $value:expr)* $(,)?) => {
        sqlx::query_as!(
            InvitationRow,
            r#"select i.id, i.employee_id, i.created_by, i.consent_version, i.attempts_left, i.created_at,
                 i.expires_at, i.used_at, i.revoked_at, i.expires_at <= clock_timestamp() as "expired!",
                 e.status not in ('revoked', 'blocked') and (i.created_by is null or exists (
                     select from api_keys k where k.id = i.created_by and k.revoked_at is null
                         and coalesce(k.expires_at > now(), true))) as "stands!",
                 left(e.name, 1) as "initial!"
             from invitations i join employees e on e.id = i.employee_id "#
                + $after
            $(, $value)*
        )
    };
}

impl Store {
    /// Invites a person. One that was open before is over.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such employee; [`Conflict::NotInvitable`].
    pub async fn create_invitation(
        &self,
        author: &Author,
        new: &NewInvitation,
    ) -> Result<Invitation, StoreError> {
        let id = InvitationId::generate();
        let mut changing = self.changing(author).await?;
        let status = changing.guard(new.employee_id).await?;
        if matches!(status, EmployeeStatus::Revoked | EmployeeStatus::Blocked) {
            return Err(StoreError::Conflict(Conflict::NotInvitable));
        }
        sqlx::query!(
            "update invitations set revoked_at = clock_timestamp()
             where employee_id = $1 and used_at is null and revoked_at is null",
            new.employee_id.0,
        )
        .execute(&mut *changing)
        .await?;
        sqlx::query!(
            "insert into invitations
                 (id, employee_id, secret_sha256, created_by, consent_version, attempts_left, expires_at)
             values ($1, $2, $3, $4, $5, $6, now() + make_interval(secs => $7))",
            id.0,
            new.employee_id.0,
            &new.token_sha256,
            author.key_id.map(|key| key.0),
            new.consent_version.as_ref().map(TextVersion::as_str),
            new.attempts_max.cast_signed(),
            new.lifetime.as_secs_f64(),
        )
        .execute(&mut *changing)
        .await?;
        let row = invitation_row!("where i.id = $1", id.0).fetch_one(&mut *changing).await?;
        let Invited { invitation, .. } = row.try_into()?;
        changing.commit().await?;
        Ok(invitation)
    }

    /// The invitations of a person that were not purged yet, oldest first.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such employee.
    pub async fn invitations(&self, employee: EmployeeId) -> Result<Vec<Invitation>, StoreError> {
        let invitations = invitation_row!("where i.employee_id = $1 order by i.id", employee.0)
            .fetch_all(&self.pool)
            .await?
            .into_iter()
            .map(|row| Invited::try_from(row).map(|invited| invited.invitation))
            .collect::<Result<Vec<_>, _>>()?;
        if invitations.is_empty() {
            self.employee(employee).await?;
        }
        Ok(invitations)
    }

    /// The invitation whose link has the token with this hash, over or not.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn invited(&self, token_sha256: &[u8; 32]) -> Result<Option<Invited>, StoreError> {
        invitation_row!("where i.secret_sha256 = $1", token_sha256)
            .fetch_optional(&self.pool)
            .await?
            .map(Invited::try_from)
            .transpose()
    }

    /// Takes one of the photos that an invitation still has; false where it is over. In a transaction of its own:
    /// a photo that is refused counts all the same.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn take_attempt(&self, invitation: InvitationId) -> Result<bool, StoreError> {
        let taken = sqlx::query!(
            "update invitations set attempts_left = attempts_left - 1
             where id = $1 and attempts_left > 0 and used_at is null and revoked_at is null
               and expires_at > clock_timestamp()",
            invitation.0,
        )
        .execute(&self.pool)
        .await?;
        Ok(taken.rows_affected() == 1)
    }

    /// Takes an invitation back. Once this returns, no face is enrolled with it. One that is over stays as it is.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the employee has no such invitation.
    pub async fn revoke_invitation(
        &self,
        author: &Author,
        employee: EmployeeId,
        id: InvitationId,
    ) -> Result<(), StoreError> {
        let mut changing = self.changing(author).await?;
        changing.guard(employee).await?;
        let found = sqlx::query!(
            "update invitations
             set revoked_at = case when used_at is null then coalesce(revoked_at, clock_timestamp()) end
             where id = $1 and employee_id = $2",
            id.0,
            employee.0,
        )
        .execute(&mut *changing)
        .await?;
        if found.rows_affected() == 0 {
            return Err(StoreError::NotFound("invitation"));
        }
        changing.commit().await
    }

    /// Removes invitations that expired before a moment; returns how many. Called again until none is left.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn purge_invitations(
        &self,
        author: &Author,
        before: DateTime<Utc>,
    ) -> Result<u64, StoreError> {
        let mut changing = self.changing(author).await?;
        let purged = sqlx::query!(
            "delete from invitations where id in (
                 select id from invitations where expires_at < $1 order by expires_at limit $2)",
            before,
            PURGED_AT_ONCE,
        )
        .execute(&mut *changing)
        .await?;
        changing.commit().await?;
        Ok(purged.rows_affected())
    }
}

/// Uses an invitation up, and records the consent that goes with it, in the transaction that enrols the face.
/// Whoever else would use it waits behind the employee's lock, and finds it used.
pub(super) async fn use_up(
    connection: &mut PgConnection,
    invitation: InvitationId,
    employee: EmployeeId,
    status: EmployeeStatus,
) -> Result<(), StoreError> {
    let used = sqlx::query!(
        "update invitations set used_at = clock_timestamp()
         where id = $1 and employee_id = $2 and used_at is null and revoked_at is null
           and expires_at > clock_timestamp()
         returning consent_version",
        invitation.0,
        employee.0,
    )
    .fetch_optional(&mut *connection)
    .await?;
    let Some(used) = used.filter(|_| status != EmployeeStatus::Revoked) else {
        return Err(StoreError::Conflict(Conflict::InvitationOver));
    };
    if let Some(version) = used.consent_version {
        sqlx::query!(
            "insert into consents (id, employee_id, text_version, given_at) values ($1, $2, $3, now())",
            ConsentId::generate().0,
            employee.0,
            version,
        )
        .execute(connection)
        .await?;
    }
    Ok(())
}
