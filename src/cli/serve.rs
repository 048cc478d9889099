//! `limen serve`

use std::process::ExitCode;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::config::Config;
use crate::server;

pub(super) async fn run(config: &Config) -> anyhow::Result<ExitCode> {
    let bind = config.server.bind;
    let listener = TcpListener::bind(bind).await.with_context(|| {
        format!(
            "{bind} cannot be listened on (by another Limen already?); LIMEN_SERVER__BIND or `bind` in \
             [server] of config.toml sets the address"
        )
    })?;
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let shutdown = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        // Whoever asks twice does not want to wait; what was acknowledged is in Postgres.
        tokio::spawn(async move {
            interrupt.recv().await;
            tracing::warn!("interrupted again: ending at once");
            std::process::exit(130);
        });
    };
    server::run(config, listener, shutdown).await?;
    Ok(ExitCode::SUCCESS)
}
