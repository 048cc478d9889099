//! The tables `zones` and `pardons`.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Conflict, Store, StoreError};
use crate::domain::{
    AntiPassback, Author, EmployeeId, KeyId, PardonId, SiteId, Zone, ZoneId, ZoneName,
};

/// A zone to be created.
#[derive(Clone, Debug)]
pub struct NewZone {
    /// See [`Zone`].
    pub site_id: SiteId,
    /// See [`Zone`].
    pub name: ZoneName,
    /// See [`Zone`].
    pub anti_passback: AntiPassback,
    /// See [`Zone`].
    pub anti_passback_reset_s: u32,
}

/// A change of a zone: `None` leaves a value.
#[derive(Clone, Debug, Default)]
pub struct ZoneChange {
    /// See [`Zone`].
    pub name: Option<ZoneName>,
    /// See [`Zone`].
    pub anti_passback: Option<AntiPassback>,
    /// See [`Zone`].
    pub anti_passback_reset_s: Option<u32>,
}

/// An officer's word that a person's way through a zone begins anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pardon {
    /// Its id.
    pub id: PardonId,
    /// The zone.
    pub zone_id: ZoneId,
    /// The person.
    pub employee_id: EmployeeId,
    /// What happened before counts no more.
    pub pardoned_at: DateTime<Utc>,
}

impl AntiPassback {
    pub(super) fn from_stored(text: &str) -> Result<Self, StoreError> {
        Self::ALL
            .into_iter()
            .find(|mode| mode.code() == text)
            .ok_or_else(|| StoreError::corrupt(format!("anti-passback {text:?}")))
    }
}

/// A statement that gives whole rows, from what stands before the columns and after them. They are named:
/// Postgres refuses to run a prepared `*` once a migration has added one, and a replica of before would
/// answer nothing until its connections end.
macro_rules! zone_row {
    ($before:literal, $after:literal $(, $value:expr)* $(,)?) => {
        sqlx::query_as!(
            $crate::store::zones::ZoneRow,
            $before
                + "id, site_id, name, anti_passback, anti_passback_reset_s, created_at, updated_at"
                + $after
            $(, $value)*
        )
    };
}
pub(super) use zone_row;

pub(super) struct ZoneRow {
    pub id: Uuid,
    pub site_id: Uuid,
    pub name: String,
    pub anti_passback: String,
    pub anti_passback_reset_s: i32,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl TryFrom<ZoneRow> for Zone {
    type Error = StoreError;

    fn try_from(row: ZoneRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: ZoneId(row.id),
            site_id: SiteId(row.site_id),
            name: row.name.try_into().map_err(StoreError::corrupt)?,
            anti_passback: AntiPassback::from_stored(&row.anti_passback)?,
            anti_passback_reset_s: row.anti_passback_reset_s.unsigned_abs(),
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

impl Store {
    /// Creates a zone.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such site; [`Conflict::ZoneNameTaken`].
    pub async fn create_zone(&self, author: &Author, new: NewZone) -> Result<Zone, StoreError> {
        let mut changing = self.changing(author).await?;
        let zone = zone_row!(
            "insert into zones (id, site_id, name, anti_passback, anti_passback_reset_s)
             values ($1, $2, $3, $4, $5)
             returning ",
            "",
            ZoneId::generate().0,
            new.site_id.0,
            new.name.as_str(),
            new.anti_passback.code(),
            new.anti_passback_reset_s as i32,
        )
        .fetch_one(&mut *changing)
        .await?
        .try_into()?;
        changing.commit().await?;
        Ok(zone)
    }

    /// The zone with this id.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is none.
    pub async fn zone(&self, id: ZoneId) -> Result<Zone, StoreError> {
        zone_row!("select ", " from zones where id = $1", id.0)
            .fetch_optional(&self.pool)
            .await?
            .ok_or(StoreError::NotFound("zone"))?
            .try_into()
    }

    /// At most `limit` zones, of one site where it is given, in the order of their creation, beginning
    /// after `after`.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn zones(
        &self,
        site: Option<SiteId>,
        after: Option<ZoneId>,
        limit: u32,
    ) -> Result<Vec<Zone>, StoreError> {
        zone_row!(
            "select ",
            " from zones
             where ($1::uuid is null or id > $1)
               and ($2::uuid is null or site_id = $2)
             order by id
             limit $3",
            after.map(|id| id.0),
            site.map(|id| id.0),
            i64::from(limit),
        )
        .fetch_all(&self.pool)
        .await?
        .into_iter()
        .map(Zone::try_from)
        .collect()
    }

    /// Changes a zone. Once this returns, no gate grants on what was before: a grant in flight holds the
    /// row's lock, and this waits for it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`Conflict::ZoneNameTaken`].
    pub async fn change_zone(
        &self,
        author: &Author,
        id: ZoneId,
        change: ZoneChange,
    ) -> Result<Zone, StoreError> {
        let mut changing = self.changing(author).await?;
        let zone = zone_row!(
            "update zones set
                 name = coalesce($2, name),
                 anti_passback = coalesce($3, anti_passback),
                 anti_passback_reset_s = coalesce($4, anti_passback_reset_s),
                 updated_at = now()
             where id = $1
             returning ",
            "",
            id.0,
            change.name.map(String::from),
            change.anti_passback.map(AntiPassback::code),
            change.anti_passback_reset_s.map(|seconds| seconds as i32),
        )
        .fetch_optional(&mut *changing)
        .await?
        .ok_or(StoreError::NotFound("zone"))?
        .try_into()?;
        changing.commit().await?;
        Ok(zone)
    }

    /// Removes a zone that no gate and no group names, with its pardons.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`Conflict::ZoneInUse`].
    pub async fn delete_zone(&self, author: &Author, id: ZoneId) -> Result<(), StoreError> {
        let mut changing = self.changing(author).await?;
        let deleted = sqlx::query!("delete from zones where id = $1", id.0)
            .execute(&mut *changing)
            .await
            .map_err(|error| StoreError::of_removal(error, Conflict::ZoneInUse))?
            .rows_affected();
        if deleted == 0 {
            return Err(StoreError::NotFound("zone"));
        }
        changing.commit().await
    }

    /// Lets a person's way through a zone begin anew, by the word of whoever holds the key.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such zone or employee.
    pub async fn pardon(
        &self,
        author: &Author,
        zone: ZoneId,
        employee: EmployeeId,
        key: KeyId,
    ) -> Result<Pardon, StoreError> {
        let mut changing = self.changing(author).await?;
        let id = PardonId::generate();
        let pardoned_at = sqlx::query_scalar!(
            "insert into pardons (id, zone_id, employee_id, key_id, pardoned_at)
             values ($1, $2, $3, $4, clock_timestamp())
             returning pardoned_at",
            id.0,
            zone.0,
            employee.0,
            key.0,
        )
        .fetch_one(&mut *changing)
        .await?;
        changing.commit().await?;
        Ok(Pardon { id, zone_id: zone, employee_id: employee, pardoned_at })
    }
}
