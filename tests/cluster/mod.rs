//! A Postgres of a test's own, which it may stop and kill, and the `limen` that works on it.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long anything may take to come back.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The key that the tests' templates are sealed under.
pub const KEYS: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

/// A Postgres of the test's own, as `./dev` makes them.
pub struct Cluster {
    state: tempfile::TempDir,
    /// By its socket.
    pub url: String,
}

impl Cluster {
    pub fn start() -> Self {
        let state = tempfile::tempdir().unwrap();
        // Postgres may run as another user than the test.
        fs::set_permissions(state.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let url = Self::dev(state.path(), "env");
        let url = url.lines().find_map(|line| line.strip_prefix("export DATABASE_URL='"));
        let url = url.expect("a DATABASE_URL").trim_end_matches('\'').to_owned();
        Self { state, url }
    }

    /// Runs `./dev` on this cluster; returns what it prints.
    fn dev(state: &Path, command: &str) -> String {
        let output = Command::new("./dev")
            .arg(command)
            .env("LIMEN_DEV_STATE", state)
            .env_remove("DATABASE_URL")
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        assert!(output.status.success(), "./dev {command} failed");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Ends the server with a signal and starts it again: with `INT` as `pg_ctl restart -m fast` does, with `QUIT`
    /// as `-m immediate`, which leaves it to recover from its log of writes, and so does `KILL`.
    pub fn restart(&self, signal: Signal) {
        let file = self.state.path().join("postgres/data/postmaster.pid");
        let text = fs::read_to_string(&file).unwrap();
        let pid = text.lines().next().and_then(|line| line.parse().ok()).and_then(Pid::from_raw);
        kill_process(pid.expect("a process"), signal).unwrap();
        // Whoever is killed leaves the file behind.
        let signalled_at = Instant::now();
        while signal != Signal::KILL && file.exists() {
            assert!(signalled_at.elapsed() < PATIENCE, "Postgres does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self::dev(self.state.path(), "env");
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        Self::dev(self.state.path(), "stop");
    }
}

/// `limen` with this database and a port of the test's own.
pub fn limen(database: &str, port: u16, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_limen"));
    command
        .args(arguments)
        .env_remove("LIMEN_CONFIG")
        .env("DATABASE_URL", database)
        .env("LIMEN_SECRETS__KEYS", KEYS)
        .env("LIMEN_SERVER__BIND", format!("127.0.0.1:{port}"))
        .env("LIMEN_LOG__FILTER", "error");
    command
}

/// Migrates the cluster's database; returns a key for everything.
pub fn migrated(cluster: &Cluster, port: u16) -> String {
    assert!(limen(&cluster.url, port, &["migrate"]).status().unwrap().success());
    let arguments = ["key", "create", "--name", "test", "--scope", "admin", "--scope", "gate"];
    let key = limen(&cluster.url, port, &arguments).output().unwrap().stdout;
    String::from_utf8(key).unwrap().lines().last().unwrap().to_owned()
}

pub fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}
