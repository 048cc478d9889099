//! What was administered, and by whom.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::decision::codes;
use super::{ChangeId, EmployeeId, InvitationId, KeyId, KeyName};

/// Whoever changes something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    /// The API key that asks, or that made the invitation; none for the command line.
    pub key_id: Option<KeyId>,
    /// Who that is, as people know them.
    pub name: String,
    /// Whether they may change anything of people on the blocklist.
    pub may_block: bool,
    /// The invitation that the face they enrol uses up; none for everybody but the invited.
    pub invitation: Option<InvitationId>,
}

impl Author {
    /// Somebody with an API key.
    #[must_use]
    pub fn key(id: KeyId, name: &KeyName, may_block: bool) -> Self {
        let name = name.as_str().to_owned();
        Self { key_id: Some(id), name, may_block, invitation: None }
    }

    /// Somebody whose provider vouches for them, while they sign in and have nothing but their own key.
    #[must_use]
    pub fn signing_in(id: KeyId, name: &KeyName) -> Self {
        Self {
            key_id: Some(id),
            name: format!("{}, signing in", name.as_str()),
            may_block: false,
            invitation: None,
        }
    }

    /// Somebody at the command line, who runs `limen` with a `command`.
    #[must_use]
    pub fn command(command: &str, user: &str) -> Self {
        let name = format!("limen {command}, run by {user}");
        Self { key_id: None, name, may_block: true, invitation: None }
    }

    /// Limen itself, which does a `task` that nobody asked for.
    #[must_use]
    pub fn limen(task: &str) -> Self {
        Self { key_id: None, name: task.to_owned(), may_block: false, invitation: None }
    }

    /// Whoever has the link of an invitation; the key that made it answers for them.
    #[must_use]
    pub fn invited(invitation: InvitationId, created_by: Option<KeyId>) -> Self {
        Self {
            key_id: created_by,
            name: format!("invitation {invitation}"),
            may_block: false,
            invitation: Some(invitation),
        }
    }
}

codes! {
    /// What was done.
    Action {
        /// It was not there before.
        Created = "created",
        /// It was another before.
        Changed = "changed",
        /// It is there no more.
        Removed = "removed",
    }
}

/// One change of one row; never changed afterwards, but that its details go with the person they are about.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Limen's id.
    pub id: ChangeId,
    /// When.
    pub changed_at: DateTime<Utc>,
    /// The API key that asked; none for the command line and for other clients of the database.
    pub key_id: Option<KeyId>,
    /// Who that was.
    pub author: String,
    /// What was done.
    pub action: Action,
    /// To what: the table's name, or of what is noted beside those.
    pub kind: String,
    /// To which; of a member or a rule, the group.
    pub subject_id: Uuid,
    /// The person whom it concerns, if anybody.
    pub employee_id: Option<EmployeeId>,
    /// The values before and after, as JSON; none once the person was erased.
    pub details: Option<String>,
    /// Whether Limen made it: of another client of the database nothing but that is known.
    pub by_limen: bool,
}
