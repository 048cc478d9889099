//! The wire between a replica and Postgres, which can be cut, closed and silenced.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;

/// A port on which Postgres answers, as long as the line holds.
pub struct Line {
    pub port: u16,
    state: watch::Sender<State>,
}

/// Faults overlap, so that each counts.
#[derive(Clone, Copy, Default)]
struct State {
    cuts: u32,
    closures: u32,
    silences: u32,
}

impl Line {
    /// A line to the socket of Postgres, on which everything takes `delay` each way.
    pub async fn lay(postgres: &Path, delay: Duration) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = watch::Sender::new(State::default());
        tokio::spawn(answer(listener, postgres.to_owned(), delay, state.subscribe()));
        Self { port, state }
    }

    /// Ends every connection.
    pub fn cut(&self) {
        self.state.send_modify(|state| state.cuts += 1);
    }

    /// Ends every connection and takes no other until it is opened.
    pub fn close(&self) {
        self.state.send_modify(|state| {
            state.cuts += 1;
            state.closures += 1;
        });
    }

    pub fn open(&self) {
        self.state.send_modify(|state| state.closures -= 1);
    }

    /// Holds whatever is sent either way, until told to go on: neither end learns of it.
    pub fn hold(&self) {
        self.state.send_modify(|state| state.silences += 1);
    }

    pub fn go_on(&self) {
        self.state.send_modify(|state| state.silences -= 1);
    }
}

async fn answer(
    listener: TcpListener,
    postgres: PathBuf,
    delay: Duration,
    state: watch::Receiver<State>,
) {
    loop {
        let Ok((replica, _)) = listener.accept().await else { continue };
        let at_accept = *state.borrow();
        // Dropped when the line is closed, or Postgres is down: the replica's connection ends.
        if at_accept.closures == 0
            && let Ok(postgres) = UnixStream::connect(&postgres).await
        {
            tokio::spawn(carry(replica, postgres, delay, state.clone(), at_accept.cuts));
        }
    }
}

/// Carries bytes both ways until either end closes or the line is cut; then both ends are closed.
async fn carry(
    mut replica: TcpStream,
    mut postgres: UnixStream,
    delay: Duration,
    mut state: watch::Receiver<State>,
    cuts: u32,
) {
    let _ = replica.set_nodelay(true);
    let (from_replica, to_replica) = replica.split();
    let (from_postgres, to_postgres) = postgres.split();
    tokio::select! {
        _ = pump(from_replica, to_postgres, delay, state.clone()) => {}
        _ = pump(from_postgres, to_replica, delay, state.clone()) => {}
        _ = state.wait_for(|state| state.cuts != cuts) => {}
    }
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    delay: Duration,
    mut state: watch::Receiver<State>,
) -> io::Result<()> {
    let mut bytes = vec![0; 16_384];
    loop {
        let read = from.read(&mut bytes).await;
        tokio::time::sleep(delay).await;
        // The end of one side is held as well: a silent line tells nothing.
        let _ = state.wait_for(|state| state.silences == 0).await;
        match read? {
            0 => return Ok(()),
            count => to.write_all(&bytes[..count]).await?,
        }
    }
}
