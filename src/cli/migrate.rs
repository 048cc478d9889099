//! `limen migrate`

use std::process::ExitCode;

use crate::config::Config;
use crate::store::Store;

pub(super) async fn run(config: &Config) -> anyhow::Result<ExitCode> {
    let store = Store::connect(&config.database.store()).await?;
    store.migrate().await?;
    println!("the database's schema is up to date");
    Ok(ExitCode::SUCCESS)
}
