//! The line between a client and the service, on which answers get lost and others answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy, copy_bidirectional, sink};
use tokio::net::{TcpListener, TcpStream};

/// Leads to a service; the answers on its first connections get lost.
pub struct Line {
    pub address: SocketAddr,
    /// Connections so far.
    pub asked: Arc<AtomicUsize>,
}

impl Line {
    /// A line that swallows the first answers, after the service gave them.
    pub async fn losing(service: SocketAddr, answers: usize) -> Self {
        Self::open(move |number, client| lead(service, client, number < answers)).await
    }

    /// A line that swallows the first answer, after the service gave it; somebody else gives this one for the second.
    pub async fn losing_then_lying(service: SocketAddr, answer: String) -> Self {
        Self::open(move |number, client| {
            let answer = answer.clone();
            async move {
                match number {
                    1 => lie(&answer, client).await,
                    _ => lead(service, client, number == 0).await,
                }
            }
        })
        .await
    }

    /// A line whose first connections are cut after a while.
    pub async fn cutting(service: SocketAddr, connections: usize, after: Duration) -> Self {
        Self::open(move |number, mut client| async move {
            let mut service = TcpStream::connect(service).await.unwrap();
            let both = copy_bidirectional(&mut client, &mut service);
            let _ = match number < connections {
                true => tokio::time::timeout(after, both).await.unwrap_or(Ok((0, 0))),
                false => both.await,
            };
        })
        .await
    }

    /// A line on which somebody else gives this answer to everything.
    pub async fn lying(answer: String) -> Self {
        Self::open(move |_, client| {
            let answer = answer.clone();
            async move { lie(&answer, client).await }
        })
        .await
    }

    async fn open<F>(serve: impl Fn(usize, TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(count.fetch_add(1, Ordering::SeqCst), client));
            }
        });
        Self { address, asked }
    }
}

/// Leads a client to the service, whose answer may get lost.
async fn lead(service: SocketAddr, client: TcpStream, lost: bool) {
    let (mut asks, mut hears) = client.into_split();
    let (mut answers_from, mut asks_to) = TcpStream::connect(service).await.unwrap().into_split();
    let asking = tokio::spawn(async move { copy(&mut asks, &mut asks_to).await });
    let _ = match lost {
        // The line is cut when the answer comes.
        true => answers_from.read_u8().await.map(u64::from),
        false => copy(&mut answers_from, &mut hears).await,
    };
    asking.abort();
}

/// Gives a client this answer, whatever it asks.
async fn lie(answer: &str, client: TcpStream) {
    let (mut asks, mut hears) = client.into_split();
    // An answer to nothing is no answer.
    if asks.read_u8().await.is_err() {
        return;
    }
    let heard = tokio::spawn(async move { copy(&mut asks, &mut sink()).await });
    let _ = hears.write_all(answer.as_bytes()).await;
    let _ = heard.await;
}

/// An answer of HTTP, the last one on its connection.
pub fn answer(status: u16, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}")
}
