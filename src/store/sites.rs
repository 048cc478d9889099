//! The table `sites`.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use uuid::Uuid;

use super::{Conflict, Store, StoreError};
use crate::domain::{Author, Site, SiteId, SiteName};

/// A site to be created.
#[derive(Clone, Debug)]
pub struct NewSite {
    /// See [`Site`].
    pub name: SiteName,
    /// See [`Site`].
    pub time_zone: Tz,
    /// See [`Site`].
    pub holidays: BTreeSet<NaiveDate>,
}

/// A change of a site: `None` leaves a value.
#[derive(Clone, Debug, Default)]
pub struct SiteChange {
    /// See [`Site`].
    pub name: Option<SiteName>,
    /// See [`Site`].
    pub time_zone: Option<Tz>,
    /// The days that replace the old ones.
    pub holidays: Option<BTreeSet<NaiveDate>>,
}

/// A statement that gives whole rows, from what stands before the columns and after them. They are named:
/// Postgres refuses to run a prepared `*` once a migration has added one, and a replica of before would
/// answer nothing until its connections end.
macro_rules! site_row {
    ($before:literal, $after:literal $(, $value:expr)* $(,)?) => {
        sqlx::query_as!(
            $crate::store::sites::SiteRow,
            $before
                + "id, name, time_zone, holidays, created_at, updated_at"
                + $after
            $(, $value)*
        )
    };
}
pub(super) use site_row;

pub(super) struct SiteRow {
    pub id: Uuid,
    pub name: String,
    pub time_zone: String,
    pub holidays: Vec<NaiveDate>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl TryFrom<SiteRow> for Site {
    type Error = StoreError;

    fn try_from(row: SiteRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: SiteId(row.id),
            name: row.name.try_into().map_err(StoreError::corrupt)?,
            time_zone: row
                .time_zone
                .parse()
                .map_err(|_| StoreError::corrupt(format!("time zone {:?}", row.time_zone)))?,
            holidays: row.holidays,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

impl Store {
    /// Creates a site.
    ///
    /// # Errors
    /// [`Conflict::SiteNameTaken`].
    pub async fn create_site(&self, author: &Author, new: NewSite) -> Result<Site, StoreError> {
        let mut changing = self.changing(author).await?;
        let holidays: Vec<NaiveDate> = new.holidays.into_iter().collect();
        let site = site_row!(
            "insert into sites (id, name, time_zone, holidays)
             values ($1, $2, $3, $4)
             returning ",
            "",
            SiteId::generate().0,
            new.name.as_str(),
            new.time_zone.name(),
            &holidays,
        )
        .fetch_one(&mut *changing)
        .await?
        .try_into()?;
        changing.commit().await?;
        Ok(site)
    }

    /// The site with this id.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is none.
    pub async fn site(&self, id: SiteId) -> Result<Site, StoreError> {
        site_row!("select ", " from sites where id = $1", id.0)
            .fetch_optional(&self.pool)
            .await?
            .ok_or(StoreError::NotFound("site"))?
            .try_into()
    }

    /// At most `limit` sites in the order of their creation, beginning after `after`.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn sites(&self, after: Option<SiteId>, limit: u32) -> Result<Vec<Site>, StoreError> {
        site_row!(
            "select ",
            " from sites where ($1::uuid is null or id > $1) order by id limit $2",
            after.map(|id| id.0),
            i64::from(limit),
        )
        .fetch_all(&self.pool)
        .await?
        .into_iter()
        .map(Site::try_from)
        .collect()
    }

    /// Changes a site. Once this returns, no gate grants by the clocks or holidays of before: a grant in
    /// flight holds the row's lock, and this waits for it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`Conflict::SiteNameTaken`].
    pub async fn change_site(
        &self,
        author: &Author,
        id: SiteId,
        change: SiteChange,
    ) -> Result<Site, StoreError> {
        let mut changing = self.changing(author).await?;
        let holidays: Option<Vec<NaiveDate>> =
            change.holidays.map(|days| days.into_iter().collect());
        let site = site_row!(
            "update sites set
                 name = coalesce($2, name),
                 time_zone = coalesce($3, time_zone),
                 holidays = coalesce($4, holidays),
                 updated_at = now()
             where id = $1
             returning ",
            "",
            id.0,
            change.name.map(String::from),
            change.time_zone.map(|zone| zone.name()),
            holidays.as_deref(),
        )
        .fetch_optional(&mut *changing)
        .await?
        .ok_or(StoreError::NotFound("site"))?
        .try_into()?;
        changing.commit().await?;
        Ok(site)
    }

    /// Removes a site that has no zones.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`Conflict::SiteHasZones`].
    pub async fn delete_site(&self, author: &Author, id: SiteId) -> Result<(), StoreError> {
        let mut changing = self.changing(author).await?;
        let deleted = sqlx::query!("delete from sites where id = $1", id.0)
            .execute(&mut *changing)
            .await
            .map_err(|error| StoreError::of_removal(error, Conflict::SiteHasZones))?
            .rows_affected();
        if deleted == 0 {
            return Err(StoreError::NotFound("site"));
        }
        changing.commit().await
    }
}
