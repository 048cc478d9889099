//! `limen migrate`

use std::process::ExitCode;

use super::reach;
use crate::config::Config;
use crate::server::keyring;

pub(super) async fn run(config: &Config) -> anyhow::Result<ExitCode> {
    let keys = keyring(&config.secrets).await?;
    let store = reach(config).await?.with_keyring(keys);
    let sealed = store.migrate().await?;
    println!("the database's schema is up to date");
    if sealed > 0 {
        println!(
            "{sealed} templates from before are sealed now. Dumps and archived logs of the database from \
             before still hold them as they were"
        );
    }
    Ok(ExitCode::SUCCESS)
}
