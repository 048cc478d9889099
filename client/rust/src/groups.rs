//! Who may go where, and when.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::operations::{
    CHANGE_GROUP, CREATE_GROUP, DELETE_GROUP, DELETE_MEMBER, LIST_ACCESS, LIST_GROUPS,
    LIST_MEMBERS, READ_GROUP, SET_MEMBER,
};
use crate::pages::Page;
use crate::{Error, Limen, Rows, answer};

/// An access group.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Group {
    /// The id.
    pub group_id: Uuid,
    /// Its name.
    pub name: String,
    /// Where its members may go.
    pub rules: Vec<GroupRule>,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

/// Members may enter a zone during a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupRule {
    /// Where.
    pub zone_id: Uuid,
    /// When.
    pub schedule_id: Uuid,
}

/// A group to be created.
#[derive(Clone, Debug, Default, Serialize)]
pub struct NewGroup {
    /// 1 to 100 characters; no other group may have it.
    pub name: String,
    /// Where its members may go.
    pub rules: Vec<GroupRule>,
}

/// A change: what is none stays.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ChangeGroup {
    /// Another name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Replaces the rules.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rules: Option<Vec<GroupRule>>,
}

/// From when until when an employee belongs to a group; none: since ever, for ever.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Membership {
    /// The first moment.
    pub valid_from: Option<DateTime<Utc>>,
    /// The first moment after.
    pub valid_until: Option<DateTime<Utc>>,
}

/// A member of a group.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Member {
    /// The group.
    pub group_id: Uuid,
    /// Who.
    pub employee_id: Uuid,
    /// The first moment.
    pub valid_from: Option<DateTime<Utc>>,
    /// The first moment after.
    pub valid_until: Option<DateTime<Utc>>,
}

/// What a group gives to one of its members.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Access {
    /// The group.
    pub group_id: Uuid,
    /// Its name.
    pub group_name: String,
    /// The first moment.
    pub valid_from: Option<DateTime<Utc>>,
    /// The first moment after.
    pub valid_until: Option<DateTime<Utc>>,
    /// Where, and when.
    pub rules: Vec<GroupRule>,
}

impl Limen {
    /// Creates a group.
    ///
    /// # Errors
    /// When the service refuses or is not reached.
    pub async fn create_group(&self, new: &NewGroup) -> Result<Group, Error> {
        answer::read(self.send(CREATE_GROUP, &[], new)?).await
    }

    /// Shows a group.
    ///
    /// # Errors
    /// When the service refuses or is not reached.
    pub async fn group(&self, id: Uuid) -> Result<Group, Error> {
        answer::read(self.request(READ_GROUP, &[id])).await
    }

    /// Changes a group.
    ///
    /// # Errors
    /// When the service refuses or is not reached.
    pub async fn change_group(&self, id: Uuid, change: &ChangeGroup) -> Result<Group, Error> {
        answer::read(self.send(CHANGE_GROUP, &[id], change)?).await
    }

    /// Removes a group.
    ///
    /// # Errors
    /// When the service refuses or is not reached.
    pub async fn delete_group(&self, id: Uuid) -> Result<(), Error> {
        answer::done(self.request(DELETE_GROUP, &[id])).await
    }

    /// Lists the groups.
    #[must_use]
    pub fn groups(&self) -> Rows<Group> {
        self.rows(LIST_GROUPS, &[], ())
    }

    /// Makes an employee a member, or changes from when until when they are one.
    ///
    /// # Errors
    /// When the service refuses or is not reached.
    pub async fn set_member(
        &self,
        group: Uuid,
        employee: Uuid,
        membership: Membership,
    ) -> Result<Member, Error> {
        answer::read(self.send(SET_MEMBER, &[group, employee], &membership)?).await
    }

    /// Takes an employee out of a group. Once answered, no gate grants on their having been in it.
    ///
    /// # Errors
    /// When the service refuses or is not reached.
    pub async fn delete_member(&self, group: Uuid, employee: Uuid) -> Result<(), Error> {
        answer::done(self.request(DELETE_MEMBER, &[group, employee])).await
    }

    /// Lists the members of a group.
    #[must_use]
    pub fn members(&self, group: Uuid) -> Rows<Member> {
        self.rows(LIST_MEMBERS, &[group], ())
    }

    /// Lists where an employee may go, and when, group by group.
    ///
    /// # Errors
    /// When the service refuses or is not reached.
    pub async fn access(&self, employee: Uuid) -> Result<Vec<Access>, Error> {
        let list: Page<Access> = answer::read(self.request(LIST_ACCESS, &[employee])).await?;
        Ok(list.items)
    }
}
