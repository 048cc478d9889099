//! What an API key is for, and what it may therefore do.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::TextError;
use super::decision::codes;
use super::employee::text;

text!(
    /// Who uses an API key: 1 to 100 printable characters.
    KeyName, "a key's name", 100
);

codes! {
    /// What a key is for. `viewer`, `enroller`, `officer` and `admin` are people's roles.
    Scope {
        /// Frames: passages, verify, recognize, liveness.
        Gate = "gate",
        /// `/metrics`.
        Metrics = "metrics",
        /// Sees people, places and the trail, and changes nothing.
        Viewer = "viewer",
        /// The HR desk: people, their faces and their groups.
        Enroller = "enroller",
        /// The security desk: who may pass now, pardons, the trail, and who changed what.
        Officer = "officer",
        /// Everything that is administered.
        Admin = "admin",
    }
}

codes! {
    /// One kind of thing that an operation does.
    Permission {
        /// Sends frames.
        SendFrames = "send_frames",
        /// Reads the metrics.
        ReadMetrics = "read_metrics",
        /// Reads people, what is enrolled of them and what their groups give to them.
        SeePeople = "see_people",
        /// Creates, changes and removes people and their faces.
        ChangePeople = "change_people",
        /// Suspends, revokes and reinstates people.
        ChangeStatus = "change_status",
        /// Puts people on the blocklist and takes them off, and changes anything of those on it.
        BlockPeople = "block_people",
        /// Puts people into groups and takes them out.
        ChangeMembers = "change_members",
        /// Reads gates, sites, zones, schedules and groups.
        SeePlaces = "see_places",
        /// Creates, changes and removes them.
        ChangePlaces = "change_places",
        /// Lets a person's way through a zone begin anew.
        PardonPeople = "pardon_people",
        /// Reads the trail.
        SeeTrail = "see_trail",
        /// Lists whom a face resembles.
        SeeCandidates = "see_candidates",
        /// Exports everything about a person.
        ExportPeople = "export_people",
        /// Erases people.
        ErasePeople = "erase_people",
        /// Reads who changed what.
        SeeChanges = "see_changes",
        /// Creates, lists and revokes keys.
        ManageKeys = "manage_keys",
        /// Creates, changes and removes webhooks, and reads what they did not take.
        ManageWebhooks = "manage_webhooks",
    }
}

impl Scope {
    /// What a key with this scope may do; whatever is not listed it may not.
    #[must_use]
    pub fn permissions(self) -> &'static [Permission] {
        use Permission as P;
        match self {
            Self::Gate => &[P::SendFrames],
            Self::Metrics => &[P::ReadMetrics],
            Self::Viewer => &[P::SeePeople, P::SeePlaces, P::SeeTrail],
            Self::Enroller => {
                &[P::SeePeople, P::ChangePeople, P::ChangeStatus, P::ChangeMembers, P::SeePlaces]
            }
            Self::Officer => &[
                P::SeePeople,
                P::ChangeStatus,
                P::BlockPeople,
                P::ChangeMembers,
                P::SeePlaces,
                P::PardonPeople,
                P::SeeTrail,
                P::SeeCandidates,
                P::SeeChanges,
            ],
            Self::Admin => &[
                P::SeePeople,
                P::ChangePeople,
                P::ChangeStatus,
                P::BlockPeople,
                P::ChangeMembers,
                P::SeePlaces,
                P::ChangePlaces,
                P::PardonPeople,
                P::SeeTrail,
                P::SeeCandidates,
                P::ExportPeople,
                P::ErasePeople,
                P::SeeChanges,
                P::ManageKeys,
                P::ManageWebhooks,
            ],
        }
    }

    /// Whether a key with this scope may do that.
    #[must_use]
    pub fn allows(self, permission: Permission) -> bool {
        self.permissions().contains(&permission)
    }
}

impl Permission {
    /// The scopes that allow it.
    pub fn scopes(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| scope.allows(self))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|scope| scope.code() == text).ok_or_else(|| {
            format!("{text:?} is no scope: {}", Self::ALL.map(Self::code).join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_permission_is_somebodys() {
        for permission in Permission::ALL {
            assert!(permission.scopes().next().is_some(), "{permission:?} is nobody's");
        }
    }

    #[test]
    fn an_admin_may_do_what_any_other_role_may() {
        for role in [Scope::Viewer, Scope::Enroller, Scope::Officer] {
            assert!(role.permissions().iter().all(|permission| Scope::Admin.allows(*permission)));
        }
    }
}
