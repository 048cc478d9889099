//! The frames of a recording, sent to a service with another model or policy.

use std::collections::HashMap;
use std::path::Path;

use anyhow::Context;
use chrono::Utc;
use indicatif::{ProgressBar, ProgressStyle};
use rand::Rng;
use tokio::time::sleep;

use super::super::cast::{Cast, Photo};
use super::super::recording::{RecordedEvent, Recording};
use super::super::service::Service;
use super::super::site::{Enrolled, Site};
use super::super::turnstile::{Frames, Sent, Told, Turnstile};
use super::{Change, Replayed};
use crate::domain::{Decision, EmployeeId};

/// Events of a recording at most.
const EVENTS_MAX: usize = 1_000_000;

/// How often an event is sent that the service is too busy for.
const REQUESTS_MAX: u32 = 20;

/// Enrols the people of a recording, sends its frames through a gate, and takes both away again.
pub(super) async fn replay(service: &Service, folder: &Path) -> anyhow::Result<Replayed> {
    let recording = Recording::read(folder, EVENTS_MAX)?;
    let mut stop = super::super::interrupted();
    let mut site = Site::default();
    let replayed = {
        let sent = send_all(service, &recording, &mut site);
        tokio::select! {
            sent = sent => sent,
            () = super::super::until_stopped(&mut stop) => Err(anyhow::anyhow!("stopped")),
        }
    };
    let left = site.close(service).await;
    left.iter().for_each(|left| eprintln!("limen: not taken away: {left}"));
    replayed
}

async fn send_all(
    service: &Service,
    recording: &Recording,
    site: &mut Site,
) -> anyhow::Result<Replayed> {
    let run = format!("{:08x}", rand::rng().random::<u32>());
    let mut turnstiles = site.open_gates(service, &run, 1).await?;
    let turnstile = turnstiles.first_mut().context("no gate")?;
    let mut cast = Cast { members: recording.members()?, ..Cast::default() };
    let enrolled = site.enrol(service, &run, &mut cast, false, || {}).await?;
    let names = cast.members.iter().map(|member| member.name.as_str());
    let names: HashMap<EmployeeId, &str> = enrolled.members.iter().copied().zip(names).collect();

    let by = format!("the service at {}", service.at("/")?);
    let mut replayed = Replayed { by, ..Replayed::default() };
    remark_on_left_out(&enrolled, &mut replayed);
    let bar = ProgressBar::new(recording.events.len() as u64).with_style(
        ProgressStyle::with_template("{bar:40} {pos}/{len} passages, {per_sec}, {eta} left")?,
    );
    for (number, event) in recording.events.iter().enumerate() {
        replayed.passages += 1;
        let photos = recording.frames(event)?;
        let photos: Vec<&Photo> = photos.iter().collect();
        let id = format!("sim-{run}-{number:07}");
        match send(turnstile, &id, &Frames::new(&photos)).await {
            Ok(told) => compare(event, told, &names, &mut replayed),
            Err(why) => replayed.untold(&was(event), &why),
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(replayed)
}

fn remark_on_left_out(enrolled: &Enrolled, replayed: &mut Replayed) {
    for (name, why) in &enrolled.left_out {
        replayed.remarks.push(format!("{name} could not be enrolled there: {why}"));
    }
}

/// Asks until there is an answer, or why there is none.
async fn send(turnstile: &mut Turnstile, id: &str, frames: &Frames) -> Result<Told, String> {
    let mut why = String::new();
    for _ in 0..REQUESTS_MAX {
        // Frames that wait for a busy service must not grow old: nothing was recorded of them.
        let wire = turnstile.sign(id, Utc::now(), frames);
        match turnstile.send(&wire).await {
            Sent::Answered(told) => return Ok(told),
            Sent::Busy(wait) => {
                why = "the service was too busy".to_owned();
                sleep(wait.unwrap_or_default()).await;
            }
            Sent::Refused(refusal) => return Err(format!("refused: {refusal}")),
            Sent::Unreached => return Err("the service cannot be reached".to_owned()),
            Sent::Lost(kind) => why = format!("no answer: {kind}"),
        }
    }
    Err(why)
}

/// What a gate heard then.
fn was(event: &RecordedEvent) -> String {
    match &event.answer {
        None => "unanswered".to_owned(),
        Some(answer) => named(answer.reason.code(), answer.person.as_deref()),
    }
}

fn named(reason: &str, person: Option<&str>) -> String {
    match person {
        Some(person) => format!("{reason} ({person})"),
        None => reason.to_owned(),
    }
}

fn compare(
    event: &RecordedEvent,
    told: Told,
    names: &HashMap<EmployeeId, &str>,
    replayed: &mut Replayed,
) {
    let Some(then) = &event.answer else {
        replayed.untold("unanswered", "what it would have been then is not known either");
        return;
    };
    let person = told.employee_id.and_then(|employee| names.get(&employee)).copied();
    if (then.reason, then.person.as_deref()) == (told.reason, person) {
        replayed.same += 1;
        return;
    }
    let change = Change {
        passage_id: then.passage_id.to_string(),
        gate: None,
        decided_at: None,
        truth: Some(event.shows.clone().unwrap_or_else(|| event.truth.clone())),
        was: was(event),
        would_be: named(told.reason.code(), person),
    };
    let [was, would] = [then.decision, told.decision].map(|decision| decision == Decision::Grant);
    replayed.change(change, was, would);
}
