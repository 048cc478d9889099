//! `limen grant-key create|show`

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Subcommand;

use crate::access::GrantKey;
use crate::server::grant_key;

#[derive(Debug, Subcommand)]
pub(super) enum GrantKeyCommand {
    /// Make a key, write it to a new file that only its owner may read, and print its public half.
    Create {
        /// The file; `grant_key_file` in [gates] of config.toml names it to the service.
        file: PathBuf,
    },
    /// Print the public half of a key, which turnstiles check tokens with.
    Show {
        /// The key's file.
        file: PathBuf,
    },
}

pub(super) fn run(command: &GrantKeyCommand) -> anyhow::Result<ExitCode> {
    match command {
        GrantKeyCommand::Create { file } => {
            let key = GrantKey::generate()?;
            let mut options = OpenOptions::new();
            let mut new = options
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(file)
                .with_context(|| format!("{} cannot be made", file.display()))?;
            writeln!(new, "{}", key.secret())
                .and_then(|()| new.sync_all())
                .with_context(|| format!("{} cannot be written", file.display()))?;
            println!("{}", key.public());
        }
        GrantKeyCommand::Show { file } => println!("{}", grant_key(file)?.public()),
    }
    Ok(ExitCode::SUCCESS)
}
