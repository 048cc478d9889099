//! What can go wrong with the database, in the product's terms.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::domain::{Distance, Threshold};
use crate::secrets::{KeyId, SealError};

/// A change that a constraint of the schema refuses.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum Conflict {
    /// Another employee carries the badge.
    #[error("another employee carries the badge")]
    BadgeTaken,
    /// Another gate has the name.
    #[error("another gate has the name")]
    GateNameTaken,
    /// A gate with passages can only be disabled.
    #[error("a gate with passages can only be disabled")]
    GateHasPassages,
    /// What a gate settles is no grant of its own.
    #[error("what a gate settles is no grant of its own")]
    NotAGrant,
    /// A turnstile may still open on the grant that is said to be unused.
    #[error("a turnstile may still open on the grant that is said to be unused")]
    GrantNotOver,
    /// What became of the grant was reported before.
    #[error("what became of the grant was reported before")]
    GrantSettled,
    /// Another site has the name.
    #[error("another site has the name")]
    SiteNameTaken,
    /// A site with zones cannot be removed.
    #[error("a site with zones cannot be removed")]
    SiteHasZones,
    /// Another zone of the site has the name.
    #[error("another zone of the site has the name")]
    ZoneNameTaken,
    /// A gate or a group names the zone.
    #[error("a gate or a group names the zone")]
    ZoneInUse,
    /// Another schedule has the name.
    #[error("another schedule has the name")]
    ScheduleNameTaken,
    /// A group names the schedule.
    #[error("a group names the schedule")]
    ScheduleInUse,
    /// Another group has the name.
    #[error("another group has the name")]
    GroupNameTaken,
    /// The person belongs to as many groups as one may.
    #[error("the person belongs to as many groups as one may")]
    TooManyGroups,
    /// There are as many webhooks as there may be.
    #[error("there are as many webhooks as there may be")]
    TooManyWebhooks,
    /// The photo is already enrolled for this employee.
    #[error("the photo is already enrolled for this employee")]
    PhotoAlreadyEnrolled,
    /// The employee has as many faces as the limit allows.
    #[error("the employee has {faces_max} faces, the most allowed")]
    TooManyFaces {
        /// The limit.
        faces_max: u32,
    },
    /// The face does not match the employee's others.
    #[error("the face does not match the employee's others")]
    AnotherPerson {
        /// To the employee's template.
        distance: Distance,
        /// What a match must stay under.
        threshold: Threshold,
    },
    /// The employee is on the blocklist, and whoever asks may not change anything of those.
    #[error("the employee is on the blocklist, and whoever asks may not change anything of those")]
    Blocked,
    /// No consent of the employee's is on record.
    #[error("no consent of the employee's is on record")]
    ConsentMissing,
    /// The employee withdrew their consent, and gave none since.
    #[error("the employee withdrew their consent, and gave none since")]
    ConsentWithdrawn,
    /// The invitation takes no photo any more.
    #[error("the invitation takes no photo any more")]
    InvitationOver,
    /// The employee is revoked or on the blocklist, and so not invited.
    #[error("the employee is revoked or on the blocklist, and so not invited")]
    NotInvitable,
    /// The employee's stored faces cannot be read, so that none can be held against them.
    #[error("the employee's stored faces cannot be read, so that none can be held against them")]
    UnreadableFaces,
    /// The validity would end before it begins.
    #[error("the validity would end before it begins")]
    ValidityEmpty,
    /// The import with this key runs already.
    #[error("the import with this key runs already")]
    ImportRunning,
}

/// Why the database did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The row that was named does not exist.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// The schema refuses the change.
    #[error("the change conflicts with what is stored: {0}")]
    Conflict(Conflict),
    /// A value that Postgres cannot hold: a NUL in a text, a date out of its range.
    #[error("a value cannot be stored: {0}")]
    Unstorable(String),
    /// A stored value that this version cannot read.
    #[error("the database holds a value that cannot be read: {0}")]
    Corrupt(String),
    /// A record of the trail that this version cannot read: a newer one wrote it, or somebody altered it.
    #[error("{record} cannot be read: {why}")]
    Unreadable {
        /// Which.
        record: String,
        /// What is wrong with it.
        why: String,
    },
    /// Postgres cannot be reached, is overloaded or refuses.
    #[error("the database did not answer: {0}")]
    Unavailable(#[source] sqlx::Error),
    /// The schema is of another version.
    #[error(
        "the database's schema is at {}, this version of Limen needs {}: run `limen migrate` \
         (or a newer Limen)",
        version(*found), version(*known)
    )]
    Schema {
        /// The last migration that was applied.
        found: Option<i64>,
        /// The last migration that this version knows.
        known: Option<i64>,
    },
    /// The key that asks was revoked, or ended, since it was checked.
    #[error("the API key opens nothing any more")]
    KeyRevoked,
    /// Templates are read or written without the keys that they are sealed under.
    #[error("the keys that templates are sealed under were not given")]
    NoKeyring,
    /// A template or a secret cannot be sealed.
    #[error("nothing can be sealed: {0}")]
    Sealing(#[from] SealError),
    /// No template is sealed.
    #[error(
        "{faces} stored template(s) are from before templates were sealed: run `limen migrate`, which seals them"
    )]
    Unsealed {
        /// How many there are.
        faces: u64,
    },
    /// Templates are unsealed in a database where none may be.
    #[error(
        "{faces} stored template(s) are not sealed, in a database where all are: Limen did not write them, and \
         nobody passes by them. Find out who can write into the database; `select id, employee_id from \
         face_encodings where key_id is null` names them, `limen secrets drop unsealed` removes them"
    )]
    Planted {
        /// How many there are.
        faces: u64,
    },
    /// Templates are sealed under keys that are not here.
    #[error(
        "{faces} stored template(s) are sealed under {}, and the keys that were given are {}: give the keys that \
         belong to this database, in [secrets] of config.toml. Should they be lost, so are these templates: \
         `limen secrets drop KEY` removes them, and their people must be enrolled again",
        listed(missing),
        listed(given)
    )]
    UnknownKeys {
        /// How many there are.
        faces: u64,
        /// The keys that are needed.
        missing: Vec<KeyId>,
        /// The keys that were given.
        given: Vec<KeyId>,
    },
    /// The trail was signed with a key that is not here.
    #[error(
        "the trail's heads are signed with the key whose public half is {}, and those of the keys that were given are \
         {}: give the keys that belong to this database, in [secrets] of config.toml. Should they be lost, \
         `limen audit take-over --public-key KEY` signs anew what they signed: KEY is what `limen audit keys` printed \
         while you had them. A key that you do not know from there is a forger's",
        public(signer),
        given.iter().map(public).collect::<Vec<_>>().join(", ")
    )]
    UnknownSigner {
        /// The public key of who signed.
        signer: [u8; 32],
        /// Those of the keys that were given.
        given: Vec<[u8; 32]>,
    },
    /// The schema could not be brought up to date.
    #[error("the database could not be migrated: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
}

fn public(key: &[u8; 32]) -> String {
    URL_SAFE_NO_PAD.encode(key)
}

fn version(number: Option<i64>) -> String {
    number.map_or_else(|| "none".to_owned(), |number| format!("version {number}"))
}

fn listed(keys: &[KeyId]) -> String {
    keys.iter().map(KeyId::to_string).collect::<Vec<_>>().join(", ")
}

impl StoreError {
    /// A stored value that does not parse.
    pub(super) fn corrupt(error: impl std::fmt::Display) -> Self {
        Self::Corrupt(error.to_string())
    }

    /// A record of the trail that does not parse.
    pub(super) fn unreadable(record: impl std::fmt::Display, why: impl std::fmt::Display) -> Self {
        Self::Unreadable { record: record.to_string(), why: why.to_string() }
    }

    /// Why a row could not be removed. A foreign key refuses by one name both a row that names what does not
    /// exist and the removal of what is still named: only whoever removes can tell.
    pub(super) fn of_removal(error: sqlx::Error, still_named: Conflict) -> Self {
        match Self::from(error) {
            Self::NotFound(_) => Self::Conflict(still_named),
            other => other,
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        // Class 22 is "data exception": the value is at fault, not the database.
        if let Some(data) = error.as_database_error()
            && data.code().is_some_and(|code| code.starts_with("22"))
        {
            return Self::Unstorable(data.message().to_owned());
        }
        let conflict = error.as_database_error().and_then(|e| e.constraint()).and_then(|name| {
            Some(match name {
                "employees_badge_id_key" => Self::Conflict(Conflict::BadgeTaken),
                "employees_validity_check" | "group_members_validity_check" => {
                    Self::Conflict(Conflict::ValidityEmpty)
                }
                "gates_name_key" => Self::Conflict(Conflict::GateNameTaken),
                "sites_name_key" => Self::Conflict(Conflict::SiteNameTaken),
                "zones_name_key" => Self::Conflict(Conflict::ZoneNameTaken),
                "schedules_name_key" => Self::Conflict(Conflict::ScheduleNameTaken),
                "access_groups_name_key" => Self::Conflict(Conflict::GroupNameTaken),
                "passages_gate_id_fkey" | "gate_inputs_gate_id_fkey" => {
                    Self::Conflict(Conflict::GateHasPassages)
                }
                "gate_inputs_passage_key" => Self::Conflict(Conflict::GrantSettled),
                "face_encodings_photo_key" => Self::Conflict(Conflict::PhotoAlreadyEnrolled),
                "face_encodings_employee_id_fkey"
                | "consents_employee_id_fkey"
                | "invitations_employee_id_fkey"
                | "group_members_employee_id_fkey"
                | "pardons_employee_id_fkey" => Self::NotFound("employee"),
                "api_keys_gate_id_fkey" => Self::NotFound("gate"),
                "zones_site_id_fkey" => Self::NotFound("site"),
                "gates_zone_id_fkey" | "access_rules_zone_id_fkey" | "pardons_zone_id_fkey" => {
                    Self::NotFound("zone")
                }
                "access_rules_schedule_id_fkey" => Self::NotFound("schedule"),
                "group_members_group_id_fkey" => Self::NotFound("access group"),
                _ => return None,
            })
        });
        conflict.unwrap_or(Self::Unavailable(error))
    }
}
