//! Postgres: the only place with SQL, one file per table.
//!
//! Every query of these tables is checked at compile time against the migrations (offline data in
//! `.sqlx/`).

mod audit;
mod chains;
mod changes;
mod courier;
mod deliveries;
mod devices;
mod employees;
mod error;
mod events;
mod faces;
mod gate_inputs;
mod gate_states;
mod gates;
mod ground;
mod groups;
mod imports;
mod invitations;
mod keys;
mod listed;
mod mqtt;
mod passages;
mod photos;
mod privacy;
mod reencoding;
mod schedules;
mod sealing;
mod sessions;
mod sign_ins;
mod sites;
mod webhooks;
mod zones;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use sqlx::{Connection, PgConnection, PgPool};
use tokio::sync::Notify;

use chains::HeadSigner;

pub use audit::{Audited, GateRecord, Link, Snapshot};
pub use chains::SignedHead;
pub use changes::ChangeFilter;
pub use courier::{Courier, Right};
pub use deliveries::{DEAD_LETTERS_MAX, DeadLetter, Due};
pub use devices::{DeviceSecretError, ResealedSecrets, TakenTimestamp};
pub use employees::{EmployeeChange, EmployeeFilter, NewEmployee};
pub use error::{Conflict, StoreError};
pub use events::{EventOrder, PassageListener, Positions, Since, Told};
pub use faces::{EnrolmentLock, Face, FaceDraft, FaceRules, GalleryRow};
pub use gate_inputs::InputFilter;
pub use gate_states::{DecisionCounts, GateState, GateTrail, LastPassage, Latency};
pub use gates::{GateChange, NewGate};
pub use ground::{Ground, ZoneGround};
pub use groups::{Access, GROUPS_OF_ONE_MAX, GroupChange, Member, NewGroup};
pub use imports::ImportedRow;
pub use invitations::{Invited, NewInvitation};
pub use keys::{ApiKey, KeyDraft};
pub use listed::{Listed, ListedChange, ListedInput, ListedPassage, OfGate};
pub use passages::{PassageFilter, Recorded, Verdict};
pub use photos::ResealedPhotos;
pub use privacy::Purged;
pub use reencoding::{ModelCount, OldFace, Reencoding};
pub use schedules::{NewSchedule, ScheduleChange};
pub use sealing::{Resealed, TemplateError};
pub use sessions::SessionHash;
pub use sites::{NewSite, SiteChange};
pub use webhooks::{WEBHOOKS_MAX, WebhookChange};
pub use zones::{NewZone, Pardon, ZoneChange};

use crate::secrets::Keyring;

/// The channel on which a change of the gallery is told; the payload is the employee's id.
const GALLERY_CHANNEL: &str = "limen_gallery";

/// How long a connection that answered is taken to be sound.
const PINGED_FOR: Duration = Duration::from_millis(200);

/// The advisory lock of a bulk enrolment: "limen" in ASCII.
const BULK_ENROLMENT_LOCK: i64 = 0x6c_696d_656e;

/// How the pool reaches Postgres.
#[derive(Clone, Debug)]
pub struct StoreSettings {
    /// `postgres://user:password@host:port/database`.
    pub url: String,
    /// Connections of the pool.
    pub connections_max: u32,
    /// How long a request waits for a connection before it fails.
    pub acquire_timeout: Duration,
    /// How long Postgres may work on one statement.
    pub statement_timeout: Duration,
    /// People that one statement reads of the gallery.
    pub gallery_page_people: u32,
}

impl StoreSettings {
    /// Whether `url` names a database of Postgres.
    #[must_use]
    pub fn is_url(url: &str) -> bool {
        let scheme = ["postgres://", "postgresql://"].iter().any(|s| url.starts_with(s));
        scheme && url.parse::<PgConnectOptions>().is_ok()
    }
}

/// The database.
#[derive(Clone, Debug)]
pub struct Store {
    pool: PgPool,
    /// How long an answer is awaited for which no request's time limit counts.
    patience: Duration,
    gallery_page_people: u32,
    /// What templates are sealed under and heads of chains are signed with; who reads and writes none has none.
    keyring: Option<Arc<Keyring>>,
    head_signer: Option<HeadSigner>,
    /// Told of every passage and input that this process records.
    recorded: Arc<Notify>,
}

impl Store {
    /// The time by the one clock that all replicas share.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn now(&self) -> Result<DateTime<Utc>, StoreError> {
        let mut connection = self.pool.acquire().await?;
        ground::now(&mut connection).await
    }

    /// Connects, without keys: see [`with_keyring`](Self::with_keyring). Fails when Postgres cannot be reached
    /// within the timeout.
    ///
    /// # Errors
    /// When the URL is not one, or Postgres does not answer.
    pub async fn connect(settings: &StoreSettings) -> Result<Self, StoreError> {
        let statement_timeout_ms = settings.statement_timeout.as_millis().to_string();
        let options =
            settings.url.parse::<PgConnectOptions>()?.application_name("limen").options([
                ("statement_timeout", statement_timeout_ms.as_str()),
                // A transaction left open by a stalled replica must not hold an employee's lock.
                ("idle_in_transaction_session_timeout", statement_timeout_ms.as_str()),
            ]);
        // The pool would try again until its timeout and then say only that it timed out.
        within(settings.acquire_timeout, async {
            Ok(PgConnection::connect_with(&options).await?.close().await?)
        })
        .await?;
        // Postgres ends a statement before; one that has fallen silent does not.
        let patience = settings.acquire_timeout + settings.statement_timeout;
        let pool = PgPoolOptions::new()
            .max_connections(settings.connections_max)
            .acquire_timeout(settings.acquire_timeout)
            // Those that were used a moment ago were pinged when they were given back.
            .test_before_acquire(false)
            .before_acquire(|connection, idle| {
                Box::pin(async move {
                    if idle.idle_for > PINGED_FOR {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            // Whoever gave up waiting gives the connection back in the middle of a statement, and the
            // pool would await its end for ever before it made another in its place.
            .after_release(move |connection, _| {
                Box::pin(async move {
                    let answer = tokio::time::timeout(patience, connection.ping()).await;
                    answer.unwrap_or(Err(sqlx::Error::PoolTimedOut)).map(|()| true)
                })
            })
            .connect_with(options)
            .await?;
        let gallery_page_people = settings.gallery_page_people;
        Ok(Self {
            pool,
            patience,
            gallery_page_people,
            keyring: None,
            head_signer: None,
            recorded: Arc::default(),
        })
    }

    /// Brings the schema up to date, and seals the templates that are from before they were sealed; returns
    /// how many. Safe to run from several replicas at once.
    ///
    /// # Errors
    /// When Postgres does not answer, or holds a schema that this version does not know;
    /// [`StoreError::Planted`] where templates are unsealed that must not be.
    pub async fn migrate(&self) -> Result<u64, StoreError> {
        let keys = self.keyring()?;
        let mut connection = self.pool.acquire().await?.detach();
        // A migration of a large table takes what it takes; the operator watches and may end it.
        sqlx::raw_sql("set statement_timeout = 0; set idle_in_transaction_session_timeout = 0")
            .execute(&mut connection)
            .await?;
        sqlx::migrate!().run(&mut connection).await?;
        let sealed = sealing::seal_what_is_from_before(&mut connection, keys).await?;
        connection.close().await?;
        self.sign_first_heads().await?;
        Ok(sealed)
    }

    /// Whether the schema is the one that this version expects.
    ///
    /// # Errors
    /// [`StoreError::Schema`] when it is not, with the way out.
    pub async fn check_schema(&self) -> Result<(), StoreError> {
        let known = sqlx::migrate!().iter().map(|migration| migration.version).max();
        let found = self.schema_version().await?;
        if found == known { Ok(()) } else { Err(StoreError::Schema { found, known }) }
    }

    /// The last migration that was applied; none before the first.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn schema_version(&self) -> Result<Option<i64>, StoreError> {
        within(self.patience, async {
            // The table is sqlx's own; it does not exist before the first migration.
            match sqlx::query_scalar("select max(version) from _sqlx_migrations where success")
                .fetch_one(&self.pool)
                .await
            {
                Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("42P01") => {
                    Ok(None)
                }
                found => Ok(found?),
            }
        })
        .await
    }

    /// Whether Postgres answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query_scalar!("select 1").fetch_one(&self.pool).await?;
        Ok(())
    }

    /// An answer that no request's time limit bounds, awaited no longer than Postgres may take: one that has fallen
    /// silent gives none.
    ///
    /// # Errors
    /// Those of the answer, and when there is none in time.
    pub async fn patiently<T>(
        &self,
        answer: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        within(self.patience, answer).await
    }

    /// Connections of the pool: (open, idle).
    #[must_use]
    pub fn connections(&self) -> (u32, usize) {
        (self.pool.size(), self.pool.num_idle())
    }

    /// Hears of every change of the gallery, on a connection beside those of `connections_max`.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn listen_gallery(&self) -> Result<GalleryListener, StoreError> {
        Ok(GalleryListener(self.listen(GALLERY_CHANNEL).await?))
    }

    /// Listens to a channel on a connection of its own.
    async fn listen(&self, channel: &str) -> Result<PgListener, StoreError> {
        within(self.patience, async {
            // A pool of its own: where Postgres has fallen silent, nothing else waits for its end.
            let pool = self.pool.options().clone().max_connections(1);
            let pool =
                pool.connect_lazy_with(PgConnectOptions::clone(&self.pool.connect_options()));
            let mut listener = PgListener::connect_with(&pool).await?;
            listener.listen(channel).await?;
            Ok(listener)
        })
        .await
    }

    /// The right to enrol in bulk, which one run at a time has; none while another has it. Given back
    /// when dropped, also by a kill.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn bulk_enrolment(&self) -> Result<Option<BulkEnrolment>, StoreError> {
        let mut connection = self.pool.acquire().await?.detach();
        let held: bool = sqlx::query_scalar("select pg_try_advisory_lock($1)")
            .bind(BULK_ENROLMENT_LOCK)
            .fetch_one(&mut connection)
            .await?;
        Ok(held.then_some(BulkEnrolment { _connection: connection }))
    }

    /// Closes the pool; waits until every connection is back.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// An answer of Postgres, which may have fallen silent, for no longer than `patience`.
async fn within<T>(
    patience: Duration,
    answer: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    tokio::time::timeout(patience, answer).await.unwrap_or_else(|_| {
        let silent = format!("not a word in {} ms", patience.as_millis());
        Err(sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, silent)).into())
    })
}

/// The right to enrol in bulk.
#[derive(Debug)]
pub struct BulkEnrolment {
    /// The lock is the session's.
    _connection: PgConnection,
}

/// What the listener heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GalleryNews {
    /// This employee's faces or status changed.
    Changed(crate::domain::EmployeeId),
    /// The connection was lost for a while: anything may have changed.
    Gap,
}

/// Hears of changes of the gallery.
#[derive(Debug)]
pub struct GalleryListener(PgListener);

impl GalleryListener {
    /// Waits for news.
    ///
    /// # Errors
    /// When the connection is lost and cannot be made again.
    pub async fn next(&mut self) -> Result<GalleryNews, StoreError> {
        // A payload that is no id means that we know that something changed, not what.
        Ok(match self.0.try_recv().await? {
            None => GalleryNews::Gap,
            Some(news) => news.payload().parse().map_or(GalleryNews::Gap, GalleryNews::Changed),
        })
    }
}
