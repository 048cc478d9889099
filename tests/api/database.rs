//! What the tests do to Postgres behind the service's back.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use limen::domain::{EmployeeId, Encoding, ModelId, Quality, Threshold};
use limen::store::{FaceDraft, FaceRules};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, PgPool};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};

use crate::service::{author, config, store};

/// Ends the connections of every service that listens for changes of the gallery.
pub async fn end_listeners(pool: &PgPool) -> i64 {
    sqlx::query_scalar(
        "select count(pg_terminate_backend(pid)) from pg_stat_activity
         where datname = current_database() and pid <> pg_backend_pid() and query ilike 'listen%'",
    )
    .fetch_one(pool)
    .await
    .unwrap()
}

/// Runs a statement while the triggers that tell of changes are off.
pub async fn change_in_silence(pool: &PgPool, statement: &'static str) {
    let mut transaction = pool.begin().await.unwrap();
    for sql in [
        "alter table face_encodings disable trigger face_encodings_notify_gallery",
        statement,
        "alter table face_encodings enable trigger face_encodings_notify_gallery",
    ] {
        sqlx::query(sql).execute(&mut *transaction).await.unwrap();
    }
    transaction.commit().await.unwrap();
}

/// Adds an employee with one face, whose encoding by `model` is four equal numbers.
pub async fn insert_face(pool: &PgPool, employee: EmployeeId, model: &str) {
    sqlx::query("insert into employees (id, name) values ($1, 'Somebody')")
        .bind(employee.0)
        .execute(pool)
        .await
        .unwrap();
    let draft = FaceDraft {
        employee_id: employee,
        encoding: Encoding::normalised(vec![0.5; 4], ModelId::new(model)).unwrap(),
        quality: Quality {
            pupil_distance_px: 60.0,
            brightness: 120.0,
            sharpness: 200.0,
            yaw: 0.0,
            pitch: 0.0,
            roll_degrees: 0.0,
        },
        photo_sha256: [0; 32],
        picture: None,
        follows: None,
    };
    let threshold = Threshold::try_from(1.0).unwrap();
    let rules = FaceRules { faces_max: 1, threshold, consent_required: false };
    store(&config(pool)).await.add_face(&author(), &draft, rules, &[]).await.unwrap();
}

/// A way to Postgres that goes dead without a word: the connections stay, and nothing is heard on them any
/// more. Those that are made afterwards are sound.
pub struct SilentPostgres {
    address: SocketAddr,
    silent: Arc<AtomicBool>,
}

impl SilentPostgres {
    /// Falls silent once a client has said `last_word`, which still does not arrive.
    pub async fn after(pool: &PgPool, last_word: &'static str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let silent = Arc::new(AtomicBool::new(false));
        let (options, heard) = (pool.connect_options(), Arc::clone(&silent));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (options, heard) = (Arc::clone(&options), Arc::clone(&heard));
                let last_word = (!heard.load(Ordering::Relaxed)).then_some(last_word);
                tokio::spawn(async move {
                    match options.get_socket() {
                        Some(folder) => {
                            let file = format!(".s.PGSQL.{}", options.get_port());
                            let server = UnixStream::connect(folder.join(file)).await.unwrap();
                            pass_on(client, server, last_word, &heard).await;
                        }
                        None => {
                            let address = (options.get_host(), options.get_port());
                            let server = TcpStream::connect(address).await.unwrap();
                            pass_on(client, server, last_word, &heard).await;
                        }
                    }
                });
            }
        });
        Self { address, silent }
    }

    /// The URL of the pool's database by this way.
    pub fn url(&self, pool: &PgPool) -> String {
        let mut url = pool.connect_options().to_url_lossy();
        let others: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        // A socket is named there.
        url.query_pairs_mut()
            .clear()
            .extend_pairs(others.iter().filter(|(name, _)| name != "host"));
        url.set_ip_host(self.address.ip()).unwrap();
        url.set_port(Some(self.address.port())).unwrap();
        url.into()
    }

    /// Whether the last word was said.
    pub fn is_silent(&self) -> bool {
        self.silent.load(Ordering::Relaxed)
    }
}

/// Passes on what either says until a client has said its `last_word`, then nothing, for ever.
async fn pass_on(
    client: TcpStream,
    server: impl AsyncRead + AsyncWrite,
    last_word: Option<&str>,
    silent: &AtomicBool,
) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = tokio::io::split(server);
    let asks = async {
        let mut bytes = vec![0; 65_536];
        while let Ok(read @ 1..) = from_client.read(&mut bytes).await {
            let said = &bytes[..read];
            if let Some(last_word) = last_word {
                if said.windows(last_word.len()).any(|word| word == last_word.as_bytes()) {
                    silent.store(true, Ordering::Relaxed);
                }
                if silent.load(Ordering::Relaxed) {
                    std::future::pending::<()>().await;
                }
            }
            to_server.write_all(said).await.unwrap();
        }
    };
    tokio::select! {
        () = asks => {}
        _ = tokio::io::copy(&mut from_server, &mut to_client) => {}
    }
}

/// A database that can be taken away and given back: what its clients see when Postgres is down.
pub struct Outage {
    database: String,
    elsewhere: PgConnection,
}

impl Outage {
    /// Ends every connection to the pool's database and lets no new one in.
    pub async fn begin(pool: &PgPool) -> Self {
        let database = pool.connect_options().get_database().unwrap().to_owned();
        let url = std::env::var("DATABASE_URL").unwrap();
        let mut elsewhere = PgConnection::connect(&url).await.unwrap();
        let shut = format!("alter database {database:?} allow_connections false");
        sqlx::query(AssertSqlSafe(shut)).execute(&mut elsewhere).await.unwrap();
        sqlx::query(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = $1",
        )
        .bind(&database)
        .execute(&mut elsewhere)
        .await
        .unwrap();
        Self { database, elsewhere }
    }

    /// Lets everybody in again.
    pub async fn end(mut self) {
        let open = format!("alter database {:?} allow_connections true", self.database);
        sqlx::query(AssertSqlSafe(open)).execute(&mut self.elsewhere).await.unwrap();
    }
}
