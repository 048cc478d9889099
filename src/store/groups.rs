//! The tables `access_groups`, `access_rules` and `group_members`.
//!
//! Whoever removes or changes a row here waits for the passages that rest on it, and is seen by every passage
//! that comes later (`ACCESS_LOCK` in `ground`): once a removal returns, no gate grants on what was removed.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::ground::lock_access;
use super::{Store, StoreError};
use crate::domain::{
    AccessGroup, AccessRule, Author, EmployeeId, GroupId, GroupName, ScheduleId, Validity, ZoneId,
};

/// How many groups a person may belong to: a passage reads what all of them give for its zone.
pub const GROUPS_OF_ONE_MAX: u8 = 100;

/// A group to be created.
#[derive(Clone, Debug)]
pub struct NewGroup {
    /// See [`AccessGroup`].
    pub name: GroupName,
    /// See [`AccessGroup`].
    pub rules: BTreeSet<AccessRule>,
}

/// A change of a group: `None` leaves a value.
#[derive(Clone, Debug, Default)]
pub struct GroupChange {
    /// See [`AccessGroup`].
    pub name: Option<GroupName>,
    /// The rules that replace the old ones.
    pub rules: Option<BTreeSet<AccessRule>>,
}

/// That a person belongs to a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// The group.
    pub group_id: GroupId,
    /// The person.
    pub employee_id: EmployeeId,
    /// From when until when.
    pub validity: Validity,
}

/// What a group gives to one of its members.
#[derive(Clone, Debug, PartialEq)]
pub struct Access {
    /// The group.
    pub group_id: GroupId,
    /// What people call it.
    pub group_name: GroupName,
    /// From when until when the person belongs to it.
    pub validity: Validity,
    /// Which zones it opens, and when.
    pub rules: Vec<AccessRule>,
}

/// A statement that gives whole rows, from what stands before the columns and after them. They are named:
/// Postgres refuses to run a prepared `*` once a migration has added one, and a replica of before would
/// answer nothing until its connections end.
macro_rules! group_row {
    ($before:literal, $after:literal $(, $value:expr)* $(,)?) => {
        sqlx::query_as!(
            $crate::store::groups::GroupRow,
            $before
                + r#"id, name, created_at, updated_at,
             array(select zone_id from access_rules where group_id = access_groups.id
                   order by zone_id, schedule_id) as "zone_ids!",
             array(select schedule_id from access_rules where group_id = access_groups.id
                   order by zone_id, schedule_id) as "schedule_ids!""#
                + $after
            $(, $value)*
        )
    };
}

struct GroupRow {
    id: Uuid,
    name: String,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    zone_ids: Vec<Uuid>,
    schedule_ids: Vec<Uuid>,
}

impl TryFrom<GroupRow> for AccessGroup {
    type Error = StoreError;

    fn try_from(row: GroupRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: GroupId(row.id),
            name: row.name.try_into().map_err(StoreError::corrupt)?,
            rules: rules(row.zone_ids, row.schedule_ids),
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

struct MemberRow {
    group_id: Uuid,
    employee_id: Uuid,
    valid_from: Option<DateTime<Utc>>,
    valid_until: Option<DateTime<Utc>>,
}

impl From<MemberRow> for Member {
    fn from(row: MemberRow) -> Self {
        Self {
            group_id: GroupId(row.group_id),
            employee_id: EmployeeId(row.employee_id),
            validity: Validity { from: row.valid_from, until: row.valid_until },
        }
    }
}

struct AccessRow {
    group_id: Uuid,
    name: String,
    valid_from: Option<DateTime<Utc>>,
    valid_until: Option<DateTime<Utc>>,
    zone_ids: Vec<Uuid>,
    schedule_ids: Vec<Uuid>,
}

impl TryFrom<AccessRow> for Access {
    type Error = StoreError;

    fn try_from(row: AccessRow) -> Result<Self, StoreError> {
        Ok(Self {
            group_id: GroupId(row.group_id),
            group_name: row.name.try_into().map_err(StoreError::corrupt)?,
            validity: Validity { from: row.valid_from, until: row.valid_until },
            rules: rules(row.zone_ids, row.schedule_ids),
        })
    }
}

fn rules(zones: Vec<Uuid>, schedules: Vec<Uuid>) -> Vec<AccessRule> {
    let pairs = zones.into_iter().zip(schedules);
    pairs
        .map(|(zone, schedule)| AccessRule {
            zone_id: ZoneId(zone),
            schedule_id: ScheduleId(schedule),
        })
        .collect()
}

impl Store {
    /// Creates a group.
    ///
    /// # Errors
    /// [`super::Conflict::GroupNameTaken`]; [`StoreError::NotFound`] when a rule names a zone or a schedule
    /// that does not exist.
    pub async fn create_group(
        &self,
        author: &Author,
        new: NewGroup,
    ) -> Result<AccessGroup, StoreError> {
        let id = GroupId::generate();
        let mut changing = self.changing(author).await?;
        sqlx::query!(
            "insert into access_groups (id, name) values ($1, $2)",
            id.0,
            new.name.as_str(),
        )
        .execute(&mut *changing)
        .await?;
        set_rules(&mut changing, id, &new.rules).await?;
        let group = group(&mut changing, id).await?;
        changing.commit().await?;
        Ok(group)
    }

    /// The group with this id.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is none.
    pub async fn group(&self, id: GroupId) -> Result<AccessGroup, StoreError> {
        group(&mut *self.pool.acquire().await?, id).await
    }

    /// The group of this name, if there is one.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn group_by_name(&self, name: &GroupName) -> Result<Option<GroupId>, StoreError> {
        let id = sqlx::query_scalar!("select id from access_groups where name = $1", name.as_str());
        Ok(id.fetch_optional(&self.pool).await?.map(GroupId))
    }

    /// At most `limit` groups in the order of their creation, beginning after `after`.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn groups(
        &self,
        after: Option<GroupId>,
        limit: u32,
    ) -> Result<Vec<AccessGroup>, StoreError> {
        group_row!(
            "select ",
            " from access_groups where ($1::uuid is null or id > $1) order by id limit $2",
            after.map(|id| id.0),
            i64::from(limit),
        )
        .fetch_all(&self.pool)
        .await?
        .into_iter()
        .map(AccessGroup::try_from)
        .collect()
    }

    /// Changes a group.
    ///
    /// # Errors
    /// [`super::Conflict::GroupNameTaken`]; [`StoreError::NotFound`] when there is no such group, or when a
    /// rule names a zone or a schedule that does not exist.
    pub async fn change_group(
        &self,
        author: &Author,
        id: GroupId,
        change: GroupChange,
    ) -> Result<AccessGroup, StoreError> {
        let mut changing = self.changing(author).await?;
        // The lock makes two changes of the rules at once come one after the other.
        let changed = sqlx::query!(
            "update access_groups set name = coalesce($2, name), updated_at = now() where id = $1",
            id.0,
            change.name.map(String::from),
        )
        .execute(&mut *changing)
        .await?
        .rows_affected();
        if changed == 0 {
            return Err(StoreError::NotFound("access group"));
        }
        if let Some(rules) = &change.rules {
            set_rules(&mut changing, id, rules).await?;
        }
        let group = group(&mut changing, id).await?;
        changing.commit().await?;
        Ok(group)
    }

    /// Removes a group with its rules; its members no longer belong to it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is none.
    pub async fn delete_group(&self, author: &Author, id: GroupId) -> Result<(), StoreError> {
        let mut changing = self.changing(author).await?;
        let deleted = sqlx::query!("delete from access_groups where id = $1", id.0)
            .execute(&mut *changing)
            .await?
            .rows_affected();
        changing.commit().await?;
        if deleted == 0 { Err(StoreError::NotFound("access group")) } else { Ok(()) }
    }

    /// Makes a person a member of a group, or changes from when until when the person is one.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such group or employee; [`super::Conflict::ValidityEmpty`];
    /// [`super::Conflict::TooManyGroups`].
    pub async fn set_member(&self, author: &Author, member: Member) -> Result<Member, StoreError> {
        let mut changing = self.changing(author).await?;
        // Before the person, as a passage takes them.
        lock_access(&mut changing).await?;
        changing.guard(member.employee_id).await?;
        let row = sqlx::query_as!(
            MemberRow,
            "insert into group_members (group_id, employee_id, valid_from, valid_until)
             values ($1, $2, $3, $4)
             on conflict (group_id, employee_id) do update
                 set valid_from = excluded.valid_from, valid_until = excluded.valid_until
             returning group_id, employee_id, valid_from, valid_until",
            member.group_id.0,
            member.employee_id.0,
            member.validity.from,
            member.validity.until,
        )
        .fetch_one(&mut *changing)
        .await?;
        let groups = sqlx::query_scalar!(
            r#"select count(*) as "count!" from group_members where employee_id = $1"#,
            member.employee_id.0,
        )
        .fetch_one(&mut *changing)
        .await?;
        if groups > i64::from(GROUPS_OF_ONE_MAX) {
            return Err(StoreError::Conflict(super::Conflict::TooManyGroups));
        }
        changing.commit().await?;
        Ok(row.into())
    }

    /// Takes a person out of a group.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the person is no member of it.
    pub async fn delete_member(
        &self,
        author: &Author,
        group: GroupId,
        employee: EmployeeId,
    ) -> Result<(), StoreError> {
        let mut changing = self.changing(author).await?;
        // Before the person, as a passage takes them.
        lock_access(&mut changing).await?;
        match changing.guard(employee).await {
            // Whoever does not exist is no member.
            Err(StoreError::NotFound(_)) => {
                return Err(StoreError::NotFound("member of the group"));
            }
            guarded => guarded?,
        };
        let deleted = sqlx::query!(
            "delete from group_members where group_id = $1 and employee_id = $2",
            group.0,
            employee.0,
        )
        .execute(&mut *changing)
        .await?
        .rows_affected();
        if deleted == 0 {
            return Err(StoreError::NotFound("member of the group"));
        }
        changing.commit().await
    }

    /// At most `limit` members of a group in the order of their ids, beginning after `after`.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such group.
    pub async fn members(
        &self,
        group: GroupId,
        after: Option<EmployeeId>,
        limit: u32,
    ) -> Result<Vec<Member>, StoreError> {
        let members: Vec<Member> = sqlx::query_as!(
            MemberRow,
            "select group_id, employee_id, valid_from, valid_until from group_members
             where group_id = $1 and ($2::uuid is null or employee_id > $2)
             order by employee_id
             limit $3",
            group.0,
            after.map(|id| id.0),
            i64::from(limit),
        )
        .fetch_all(&self.pool)
        .await?
        .into_iter()
        .map(Member::from)
        .collect();
        if members.is_empty() {
            self.group(group).await?;
        }
        Ok(members)
    }

    /// What the groups of a person give, in the order of their creation.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such employee.
    pub async fn access(&self, employee: EmployeeId) -> Result<Vec<Access>, StoreError> {
        let access: Vec<Access> = sqlx::query_as!(
            AccessRow,
            r#"select m.group_id, g.name, m.valid_from, m.valid_until,
                 array(select zone_id from access_rules where group_id = g.id
                       order by zone_id, schedule_id) as "zone_ids!",
                 array(select schedule_id from access_rules where group_id = g.id
                       order by zone_id, schedule_id) as "schedule_ids!"
             from group_members m join access_groups g on g.id = m.group_id
             where m.employee_id = $1
             order by m.group_id
             limit $2"#,
            employee.0,
            i64::from(GROUPS_OF_ONE_MAX),
        )
        .fetch_all(&self.pool)
        .await?
        .into_iter()
        .map(Access::try_from)
        .collect::<Result<_, _>>()?;
        if access.is_empty() {
            self.employee(employee).await?;
        }
        Ok(access)
    }
}

async fn group(connection: &mut PgConnection, id: GroupId) -> Result<AccessGroup, StoreError> {
    group_row!("select ", " from access_groups where id = $1", id.0)
        .fetch_optional(connection)
        .await?
        .ok_or(StoreError::NotFound("access group"))?
        .try_into()
}

/// Makes the rules of a group these. Those that stay are not touched, so that no passage that rests on them
/// is waited for.
async fn set_rules(
    connection: &mut PgConnection,
    group: GroupId,
    rules: &BTreeSet<AccessRule>,
) -> Result<(), StoreError> {
    let (zones, schedules): (Vec<Uuid>, Vec<Uuid>) =
        rules.iter().map(|rule| (rule.zone_id.0, rule.schedule_id.0)).unzip();
    sqlx::query!(
        "delete from access_rules
         where group_id = $1
           and (zone_id, schedule_id) not in (select * from unnest($2::uuid[], $3::uuid[]))",
        group.0,
        &zones,
        &schedules,
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "insert into access_rules (group_id, zone_id, schedule_id)
         select $1::uuid, zone_id, schedule_id
         from unnest($2::uuid[], $3::uuid[]) as rule (zone_id, schedule_id)
         on conflict do nothing",
        group.0,
        &zones,
        &schedules,
    )
    .execute(&mut *connection)
    .await?;
    Ok(())
}
