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
use super::super::visit::is_of_the_face;
use super::{Change, Replayed};
use crate::domain::{Decision, EmployeeId};
use crate::samples::SAMPLES;

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
    // As the simulation did: the portraits that come with Limen are nobody's who works there.
    let is_portrait = |photo: &Photo| SAMPLES.iter().any(|sample| photo.bytes == sample.jpeg);
    let borrow = cast.members.iter().flat_map(|member| &member.photos).all(is_portrait);
    let enrolled = site.enrol(service, &run, &mut cast, borrow, || {}).await?;
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
        bar.inc(1);
        if is_left_out(event, &enrolled) {
            replayed.untold(&was(event), "who it is about could not be enrolled there");
            continue;
        }
        let photos = recording.frames(event)?;
        let photos: Vec<&Photo> = photos.iter().collect();
        let id = format!("sim-{run}-{number:07}");
        match send(turnstile, &id, &Frames::new(&photos)).await {
            Ok(told) => compare(event, told, &names, &mut replayed),
            Err(why) => replayed.untold(&was(event), &why),
        }
    }
    bar.finish_and_clear();
    Ok(replayed)
}

fn remark_on_left_out(enrolled: &Enrolled, replayed: &mut Replayed) {
    for (name, why) in &enrolled.left_out {
        replayed.remarks.push(format!("{name} could not be enrolled there: {why}"));
    }
}

/// Whether an event shows somebody who is not enrolled there, or named them.
fn is_left_out(event: &RecordedEvent, enrolled: &Enrolled) -> bool {
    let named = event.answer.as_ref().and_then(|answer| answer.person.as_ref());
    [event.shows.as_ref(), named]
        .into_iter()
        .flatten()
        .any(|name| enrolled.left_out.contains_key(name))
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
    if then.decision != Decision::Grant && !is_of_the_face(then.reason) {
        replayed.untold(&was(event), "a rule withheld it then, and not what the frames show");
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

#[cfg(test)]
mod tests {
    use super::super::super::recording::RecordedAnswer;
    use super::super::super::visit::tests::told;
    use super::*;
    use crate::domain::{PassageId, Reason};

    fn event(reason: Reason) -> RecordedEvent {
        RecordedEvent {
            event_id: "a".to_owned(),
            truth: "mated".to_owned(),
            shows: Some("Ada".to_owned()),
            frames: Vec::new(),
            answer: Some(RecordedAnswer {
                passage_id: PassageId::generate(),
                decision: reason.decision(),
                reason,
                person: None,
            }),
        }
    }

    #[test]
    fn what_a_rule_withheld_is_not_known_and_what_the_face_did_may_change() {
        let mut replayed = Replayed::default();
        let mut compare = |then, now| {
            compare(&event(then), told(now, None), &HashMap::new(), &mut replayed);
            [replayed.same, replayed.changed, replayed.untold]
        };
        assert_eq!(compare(Reason::StaleFrame, Reason::StaleFrame), [1, 0, 0]);
        assert_eq!(compare(Reason::StaleFrame, Reason::UnknownPerson), [1, 0, 1]);
        assert_eq!(compare(Reason::PassedElsewhere, Reason::Granted), [1, 0, 2]);
        assert_eq!(compare(Reason::UnknownPerson, Reason::Spoof), [1, 1, 2]);
        assert_eq!(compare(Reason::Granted, Reason::UnknownPerson), [1, 2, 2]);
    }

    #[test]
    fn who_was_not_enrolled_there_is_left_out_whether_shown_or_named() {
        let mut enrolled = Enrolled::default();
        let mut event = event(Reason::Granted);
        assert!(!is_left_out(&event, &enrolled));
        enrolled.left_out.insert("Ada".to_owned(), "duplicate_person".to_owned());
        assert!(is_left_out(&event, &enrolled));
        event.answer.as_mut().unwrap().person = event.shows.take();
        assert!(is_left_out(&event, &enrolled));
    }
}
