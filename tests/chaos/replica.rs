//! A replica: `limen serve` as a process, started again whenever it ends, as an orchestrator does.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ExitStatus};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process};

use crate::cluster::{free_port, limen};
use crate::line::Line;

pub struct Replica {
    pub line: Line,
    pub port: u16,
    process: Mutex<Child>,
    /// How it ended though nobody had killed it.
    pub crashes: Mutex<Vec<ExitStatus>>,
}

impl Replica {
    /// Starts one on a line with this delay, and keeps it going until the runtime ends.
    pub async fn start(postgres: &Path, delay: Duration) -> Arc<Self> {
        let line = Line::lay(postgres, delay).await;
        let port = free_port();
        let process = Mutex::new(spawn(&line, port));
        let replica = Arc::new(Self { line, port, process, crashes: Mutex::default() });
        tokio::spawn(keep_up(Arc::clone(&replica)));
        replica
    }

    /// Sends its process a signal.
    pub fn signal(&self, signal: Signal) {
        // Under the lock the process, though it may have ended, was not waited for: its number is no other's.
        let process = self.process.lock();
        let _ = kill_process(Pid::from_child(&process), signal);
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        let process = self.process.get_mut();
        let _ = process.kill();
        let _ = process.wait();
    }
}

/// `limen serve` whose every wait is short, so that faults show.
fn spawn(line: &Line, port: u16) -> Child {
    let database = format!("postgres://limen@127.0.0.1:{}/limen", line.port);
    limen(&database, port, &["serve"])
        .env("LIMEN_DATABASE__CONNECTIONS_MAX", "6")
        .env("LIMEN_DATABASE__ACQUIRE_TIMEOUT_MS", "1000")
        .env("LIMEN_DATABASE__STATEMENT_TIMEOUT_MS", "1000")
        .env("LIMEN_DATABASE__RESYNC_RETRY_MS", "200")
        .env("LIMEN_INFERENCE__WORKERS", "1")
        .env("LIMEN_INFERENCE__QUEUE_MAX", "16")
        .env("LIMEN_SERVER__REQUEST_TIMEOUT_MS", "4000")
        // Revoked keys are tried often, and from one address.
        .env("LIMEN_SERVER__WRONG_KEYS_PER_MINUTE_MAX", "1000000")
        // A replica that does not find Postgres says so and ends: that is no news here.
        .env("LIMEN_LOG__FILTER", "off")
        .spawn()
        .unwrap()
}

async fn keep_up(replica: Arc<Replica>) {
    loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let mut process = replica.process.lock();
        if let Some(status) = process.try_wait().unwrap() {
            if !is_expected(status) {
                replica.crashes.lock().push(status);
            }
            *process = spawn(&replica.line, replica.port);
        }
    }
}

/// Whoever does not find Postgres at the start gives up, and whoever is killed was killed by us.
fn is_expected(status: ExitStatus) -> bool {
    status.code() == Some(2) || status.signal() == Some(Signal::KILL.as_raw())
}
