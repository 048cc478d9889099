//! What faces are compared by: the configured encoder's gallery and τ, and beside it those of the previous one.

use std::sync::Arc;

use anyhow::Context;

use crate::access::Matcher;
use crate::config::Config;
use crate::domain::risk::RiskPolicy;
use crate::gallery::{Gallery, Searcher};
use crate::vision::EncoderProfile;

/// The matcher of an encoder, with galleries that are still empty; with the previous encoder's beside it, where one is
/// served.
///
/// # Errors
/// When a calibration cannot be read or τ does not follow from anything, or the system gives no thread.
pub fn matcher(
    config: &Config,
    encoder: &EncoderProfile,
    previous: Option<&EncoderProfile>,
) -> anyhow::Result<Matcher> {
    let gallery = Gallery::new(encoder.model.clone(), encoder.encoding_size);
    let current = of(config, gallery, config.matching.risk(encoder)?, config.matching.margin)?;
    let Some(previous) = previous else { return Ok(current) };
    let gallery =
        Gallery::previous(previous.model.clone(), previous.encoding_size, encoder.model.clone());
    let risk = config.previous.risk(&config.matching, previous)?;
    let margin = config.previous.margin.unwrap_or(config.matching.margin);
    Ok(current.beside(of(config, gallery, risk, margin)?))
}

fn of(config: &Config, gallery: Gallery, risk: RiskPolicy, margin: f32) -> anyhow::Result<Matcher> {
    let searcher = Searcher::start(Arc::new(gallery), config.matching.probes_at_once_max)
        .context("the thread that searches could not be started")?;
    Ok(Matcher::new(searcher, risk, margin))
}
