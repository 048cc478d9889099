//! `limen migrate`

use std::process::ExitCode;

use super::reach;
use crate::config::Config;

pub(super) async fn run(config: &Config) -> anyhow::Result<ExitCode> {
    let store = reach(config).await?;
    store.migrate().await?;
    println!("the database's schema is up to date");
    Ok(ExitCode::SUCCESS)
}
