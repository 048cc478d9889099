//! `limen secrets create|stage|promote|reseal|retire|status|drop`: the keys that templates, and the secrets that
//! gates sign with, are sealed under.

use std::collections::BTreeMap;
use std::fs::{OpenOptions, metadata};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, ensure};
use clap::Subcommand;
use comfy_table::Table;
use indicatif::{ProgressBar, ProgressStyle};

use super::{author, connect, connect_whatever_signed};
use crate::config::Config;
use crate::secrets::{KeyId, KeyIdError, Keyring, MasterKey};
use crate::server::{keyring, secret_file};
use crate::store::Store;

/// How many templates that do not open are named at most.
const NAMED_MAX: usize = 20;

#[derive(Debug, Subcommand)]
pub(super) enum SecretsCommand {
    /// Make a key; keep a copy of it apart from the database: without it nobody's template can be read.
    Create {
        /// The new file, which only its owner may read; absent: the key is printed.
        file: Option<PathBuf>,
    },
    /// Rotation, step 1: add a new key to a file, which opens and does not seal yet. Restart every replica
    /// with it.
    Stage {
        /// The file with the keys.
        file: PathBuf,
    },
    /// Rotation, step 2: have a staged key seal from now on. Restart every replica with it.
    Promote {
        /// The file with the keys.
        file: PathBuf,
        /// The key, as `stage` named it.
        key: KeyId,
    },
    /// Rotation, step 3: seal every template, photo, and secret of a gate or a webhook under the key that seals, while
    /// services run; can be stopped and run again.
    Reseal,
    /// Rotation, step 4: take the other keys out of a file, if they seal nothing any more. Restart every
    /// replica with it.
    Retire {
        /// The file with the keys.
        file: PathBuf,
    },
    /// Say how many templates, photos, and secrets of gates and webhooks are sealed under which key.
    Status,
    /// Remove the templates of a key that is lost, or those that are not sealed, whose people must be enrolled
    /// again; and revoke the credentials of gates under it, which need new ones.
    Drop {
        /// The key, as `status` shows it, or `unsealed`.
        what: Lost,
    },
}

/// What is lost.
#[derive(Clone, Copy, Debug)]
pub(super) enum Lost {
    Unsealed,
    Key(KeyId),
}

impl std::str::FromStr for Lost {
    type Err = KeyIdError;

    fn from_str(text: &str) -> Result<Self, KeyIdError> {
        if text == "unsealed" { Ok(Self::Unsealed) } else { text.parse().map(Self::Key) }
    }
}

/// Exits with 1 when templates are left that cannot be opened.
pub(super) async fn run(config: &Config, command: SecretsCommand) -> anyhow::Result<ExitCode> {
    match command {
        SecretsCommand::Create { file } => create(file.as_deref())?,
        SecretsCommand::Stage { file } => stage(&file)?,
        SecretsCommand::Promote { file, key } => promote(&file, key)?,
        SecretsCommand::Reseal => return reseal(config).await,
        SecretsCommand::Retire { file } => retire(&connect(config).await?, &file).await?,
        SecretsCommand::Status => return status(config).await,
        SecretsCommand::Drop { what } => drop_lost(config, what).await?,
    }
    Ok(ExitCode::SUCCESS)
}

fn create(file: Option<&Path>) -> anyhow::Result<()> {
    let ring = Keyring::new(vec![MasterKey::generate()?])?;
    let Some(file) = file else {
        print!("{}", *ring.secret());
        return Ok(());
    };
    let mut options = OpenOptions::new();
    let mut new = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
        .with_context(|| format!("{} cannot be made", file.display()))?;
    new.write_all(ring.secret().as_bytes())
        .and_then(|()| new.sync_all())
        .with_context(|| format!("{} cannot be written", file.display()))?;
    println!(
        "{}\nKeep a copy of {} apart from the database: without it nobody's template can be read",
        ring.sealing_id(),
        file.display()
    );
    Ok(())
}

fn stage(file: &Path) -> anyhow::Result<()> {
    let key = MasterKey::generate()?;
    let id = key.id();
    replace(file, &read(file)?.staged(key)?)?;
    println!(
        "{id} is staged: it opens, and seals nothing yet. Restart every replica with {0}, one after the \
         other, then:\nlimen secrets promote {0} {id}",
        file.display()
    );
    Ok(())
}

fn promote(file: &Path, key: KeyId) -> anyhow::Result<()> {
    let ring = read(file)?;
    ensure!(ring.sealing_id() != key, "{key} seals already");
    let ring = ring
        .promoted(key)
        .with_context(|| format!("{} has no key {key}: `stage` names it", file.display()))?;
    replace(file, &ring)?;
    println!(
        "{key} seals from the next start on. Restart every replica with {}, one after the other, then:\n\
         limen secrets reseal",
        file.display()
    );
    Ok(())
}

async fn reseal(config: &Config) -> anyhow::Result<ExitCode> {
    let keys = keyring(&config.secrets).await?;
    let store = connect(config).await?;
    let total: u64 = store.faces_by_key().await?.iter().map(|(_, faces)| faces).sum();
    let bar = ProgressBar::new(total).with_style(ProgressStyle::with_template(
        "{bar:40} {pos} of at most {len} templates, {per_sec} {msg}",
    )?);
    let (mut resealed, mut unopened) = (0, BTreeMap::new());
    // A row that somebody held is passed over, and found by the next round.
    loop {
        let (mut last, mut faces) = (None, 0);
        while let Some(step) = store.reseal(last).await? {
            last = Some(step.last);
            faces += step.faces;
            bar.inc(step.faces);
            unopened.extend(step.unopened.into_iter().map(|(e, face, error)| (face, (e, error))));
        }
        resealed += faces;
        if faces == 0 {
            break;
        }
    }
    let devices = store.reseal_device_secrets().await?;
    let (webhooks, closed) = store.reseal_webhook_secrets().await?;
    let (mut photos, mut unreadable, mut last) = (0, Vec::new(), None);
    while let Some(step) = store.reseal_photos(last).await? {
        last = Some(step.last);
        photos += step.photos;
        unreadable.extend(step.unopened);
    }
    store.sign_heads_anew().await?;
    bar.finish_and_clear();
    println!(
        "{resealed} templates are sealed anew, {photos} photos, {} secrets of gates and {webhooks} of webhooks",
        devices.secrets
    );
    let seals = keys.sealing_id();
    let others = store.faces_by_key().await?.into_iter().filter(|(key, _)| *key != Some(seals));
    let left = others.map(|(_, faces)| faces).sum::<u64>();
    if left > unopened.len() as u64 {
        println!(
            "{left} are still under another key, or none: `limen secrets status`, and run this again"
        );
    }
    for (face, (employee, error)) in unopened.iter().take(NAMED_MAX) {
        println!("face {face} of {employee} stays as it is: {error}");
    }
    if unopened.len() > NAMED_MAX {
        println!("... and {} more", unopened.len() - NAMED_MAX);
    }
    for (key, error) in devices.unopened.iter().take(NAMED_MAX) {
        println!(
            "the secret of {key} stays as it is: {error}; `limen gate credential` makes another"
        );
    }
    for (face, error) in unreadable.iter().take(NAMED_MAX) {
        println!("the photo of face {face} stays as it is: {error}");
    }
    for (webhook, error) in closed.iter().take(NAMED_MAX) {
        println!("the secret of webhook {webhook} stays as it is: {error}");
    }
    let secrets = store.device_secrets_by_key().await?;
    let left = left + secrets.iter().filter(|(key, _)| *key != seals).map(|(_, n)| n).sum::<u64>();
    let done = left == 0 && closed.is_empty() && unreadable.is_empty();
    Ok(if done { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn retire(store: &Store, file: &Path) -> anyhow::Result<()> {
    let ring = read(file)?;
    let old: Vec<KeyId> = ring.ids().skip(1).collect();
    ensure!(!old.is_empty(), "{} has one key only: there is none to retire", file.display());
    for (key, faces) in store.faces_by_key().await? {
        if let Some(key) = key.filter(|key| old.contains(key)) {
            anyhow::bail!(
                "{faces} template(s) are sealed under {key}: run `limen secrets reseal` first, once every \
                 replica seals under {}",
                ring.sealing_id()
            );
        }
    }
    let seals = ring.signing_key().verifying_key().to_bytes();
    let heads = store.heads().await?;
    let by_old = heads.iter().filter(|head| head.signature.is_some_and(|(_, key)| key != seals));
    let by_old = by_old.count();
    ensure!(
        by_old == 0,
        "{by_old} head(s) of the trail are signed under another key than {}: run `limen secrets reseal` first",
        ring.sealing_id()
    );
    for (key, secrets) in store.device_secrets_by_key().await? {
        ensure!(
            !old.contains(&key),
            "{secrets} secret(s) of gates are sealed under {key}: run `limen secrets reseal` first"
        );
    }
    for (key, secrets) in store.webhook_secrets_by_key().await? {
        ensure!(
            !old.contains(&key),
            "{secrets} secret(s) of webhooks are sealed under {key}: run `limen secrets reseal` first"
        );
    }
    for (key, photos) in store.photos_by_key().await? {
        ensure!(
            !old.contains(&key),
            "{photos} photo(s) are sealed under {key}: run `limen secrets reseal` first"
        );
    }
    replace(file, &ring.retired())?;
    for key in old {
        println!("{key} is retired");
    }
    println!(
        "Restart every replica with {}. A dump from before still needs the old key: keep a copy as long as \
         such a dump",
        file.display()
    );
    Ok(())
}

async fn status(config: &Config) -> anyhow::Result<ExitCode> {
    let keys = keyring(&config.secrets).await?;
    let store = connect_whatever_signed(config).await?;
    let mut counts: BTreeMap<Option<KeyId>, [u64; 4]> =
        keys.ids().map(|id| (Some(id), [0; 4])).collect();
    for (key, faces) in store.faces_by_key().await? {
        counts.entry(key).or_default()[0] = faces;
    }
    for (key, secrets) in store.device_secrets_by_key().await? {
        counts.entry(Some(key)).or_default()[1] = secrets;
    }
    for (key, secrets) in store.webhook_secrets_by_key().await? {
        counts.entry(Some(key)).or_default()[2] = secrets;
    }
    for (key, photos) in store.photos_by_key().await? {
        counts.entry(Some(key)).or_default()[3] = photos;
    }
    let mut unreadable = false;
    let mut table = Table::new();
    table.set_header(["key", "templates", "gates", "webhooks", "photos", ""]);
    for (key, counts) in counts {
        let note = match key {
            Some(key) if key == keys.sealing_id() => "seals",
            Some(key) if keys.has(key) => "opens",
            Some(_) => "not among the keys given",
            None => "not sealed",
        };
        unreadable |= !key.is_some_and(|key| keys.has(key));
        let key = key.map_or_else(|| "unsealed".to_owned(), |key| key.to_string());
        let [faces, gates, webhooks, photos] = counts.map(|count| count.to_string());
        table.add_row([key, faces, gates, webhooks, photos, note.to_owned()]);
    }
    println!("{table}");
    Ok(if unreadable { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn drop_lost(config: &Config, what: Lost) -> anyhow::Result<()> {
    let keys = keyring(&config.secrets).await?;
    let key = match what {
        Lost::Unsealed => None,
        Lost::Key(key) => {
            ensure!(!keys.has(key), "{key} is among the keys given: its templates are not lost");
            Some(key)
        }
    };
    let (store, author) = (connect(config).await?, author("secrets drop"));
    println!("{} templates removed", store.delete_faces_of_key(&author, key).await?);
    if let Some(key) = key {
        println!("{} more photos removed", store.delete_photos_of_key(&author, key).await?);
        for gate in store.revoke_credentials_of_key(&author, key).await? {
            println!(
                "a credential of gate {gate} is revoked: `limen gate credential` makes another"
            );
        }
        for (_, secrets) in
            store.webhook_secrets_by_key().await?.iter().filter(|(of, _)| *of == key)
        {
            println!(
                "{secrets} secret(s) of webhooks are lost, too: delete those and make them anew, by /v1/webhooks"
            );
        }
    }
    Ok(())
}

fn read(file: &Path) -> anyhow::Result<Keyring> {
    let text = secret_file(file, "the keys that templates are sealed under")?;
    text.parse().with_context(|| format!("{} holds no keys", file.display()))
}

/// Puts another ring in the place of a file's, whole or not at all; its owner and mode stay.
fn replace(file: &Path, ring: &Keyring) -> anyhow::Result<()> {
    let unwritten = || format!("{} cannot be replaced", file.display());
    let file = file.canonicalize().with_context(unwritten)?;
    let before = metadata(&file).with_context(unwritten)?;
    let folder = file.parent().with_context(unwritten)?;
    let mut new = tempfile::NamedTempFile::new_in(folder).with_context(unwritten)?;
    new.write_all(ring.secret().as_bytes())
        .and_then(|()| new.as_file().sync_all())
        .and_then(|()| chown(new.path(), Some(before.uid()), Some(before.gid())))
        .and_then(|()| new.as_file().set_permissions(before.permissions()))
        .with_context(unwritten)?;
    new.persist(&file).with_context(unwritten)?;
    Ok(())
}
