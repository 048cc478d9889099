//! What one replica at a time does: an advisory lock, held on a connection of its own.

use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};

use super::{Store, StoreError, within};

/// How long Postgres waits for a word of who has a right before it ends the connection, and the right with it: a
/// machine that lost its power says no farewell.
const LEASE: Duration = Duration::from_secs(15);

/// What one replica has at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// To deliver to webhooks.
    Webhooks,
    /// To publish to the MQTT broker.
    Mqtt,
}

impl Right {
    /// Its advisory lock: "hooks" and "mqtt" in ASCII.
    fn lock(self) -> i64 {
        match self {
            Self::Webhooks => 0x68_6f6f_6b73,
            Self::Mqtt => 0x6d71_7474,
        }
    }
}

/// A connection that may have a right; it goes when this is dropped, with the process, and when nothing was heard of
/// it for a while.
#[derive(Debug)]
pub struct Courier {
    connection: PgConnection,
    right: Right,
    patience: Duration,
}

impl Courier {
    /// Takes the right unless another replica has it; says whether it is held, also when it was before. To be asked
    /// again every few seconds, so that it stays held.
    ///
    /// # Errors
    /// When Postgres does not answer: it may then be another's.
    pub async fn holds(&mut self) -> Result<bool, StoreError> {
        within(self.patience, async {
            let taken = sqlx::query_scalar("select pg_try_advisory_lock($1)");
            Ok(taken.bind(self.right.lock()).fetch_one(&mut self.connection).await?)
        })
        .await
    }
}

impl Store {
    /// Asks for a right, on a connection beside those of `connections_max`.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn courier(&self, right: Right) -> Result<Courier, StoreError> {
        let lease = LEASE.as_millis().to_string();
        let options = PgConnectOptions::clone(&self.pool.connect_options())
            .options([("idle_session_timeout", lease.as_str())]);
        let connection =
            within(self.patience, async { Ok(PgConnection::connect_with(&options).await?) });
        Ok(Courier { connection: connection.await?, right, patience: self.patience })
    }
}
