//! `limen enroll PHOTOS`: many people at once, resumable.

mod people;
mod plan;
mod report;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use futures_util::StreamExt;
use indicatif::{ProgressBar, ProgressStyle};
use sha2::{Digest, Sha256};

use super::{connect, photo};
use crate::access::{EnrolmentError, enroll};
use crate::config::Config;
use crate::domain::risk::RiskPolicy;
use crate::domain::{Employee, EmployeeId, Encoding, Sighting};
use crate::gallery::Gallery;
use crate::inference::{Engine, FrameBytes};
use crate::store::{Conflict, Store, StoreError};
use crate::vision::LookSettings;
use people::People;
use plan::{Person, Plan};
use report::{Outcome, Report};

#[derive(Debug, Args)]
pub(super) struct EnrollArguments {
    /// A folder of photos, each named by the badge of somebody who exists, else by a name (`B-17.jpg`,
    /// `Ada_Lovelace.jpg`), a folder with a folder for each person, or a CSV with the columns photo and badge_id or name (and department).
    photos: PathBuf,
    /// Remove a person's faces of other models once one of the configured model is stored.
    #[arg(long)]
    replace_model: bool,
}

/// Exits with 0 when every photo is enrolled, with 1 when some were refused.
pub(super) async fn run(config: &Config, arguments: &EnrollArguments) -> anyhow::Result<ExitCode> {
    let plan = Plan::read(&arguments.photos)?;
    let store = connect(config).await?;
    let settings = config.engine();
    let in_flight = settings.workers + 1;
    anyhow::ensure!(
        settings.queue_max >= in_flight,
        "queue_max in [inference] must be at least {in_flight} to enrol with {} workers",
        settings.workers
    );
    let _only =
        store.bulk_enrolment().await?.context("another `limen enroll` runs on this database")?;
    let engine = Arc::new(tokio::task::spawn_blocking(move || Engine::start(&settings)).await??);
    let encoder = engine.encoder();
    let gallery = Gallery::new(encoder.model.clone(), encoder.encoding_size);
    gallery.resync(&store).await?;
    let risk = config.matching.risk(encoder)?;
    let bar = ProgressBar::new(plan.photos() as u64).with_style(ProgressStyle::with_template(
        "{bar:40} {pos}/{len} photos, {per_sec}, {eta} left {msg}",
    )?);
    let enroller = Enroller {
        people: People::new(store.clone()),
        store,
        engine: Arc::clone(&engine),
        gallery,
        risk,
        config,
        replace_model: arguments.replace_model,
        bar: bar.clone(),
    };
    let report = futures_util::stream::iter(&plan.people)
        .map(|person| enroller.enroll_person(person))
        .buffer_unordered(in_flight)
        .collect::<Vec<_>>()
        .await
        .into_iter()
        .flatten()
        .collect::<Report>();
    bar.finish_and_clear();
    tokio::task::spawn_blocking(move || engine.stop()).await?;
    let report = report.with_passed_over(plan.passed_over);
    println!("{report}");
    Ok(if report.is_complete() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

struct Enroller<'a> {
    people: People,
    store: Store,
    engine: Arc<Engine>,
    gallery: Gallery,
    risk: RiskPolicy,
    config: &'a Config,
    replace_model: bool,
    bar: ProgressBar,
}

impl Enroller<'_> {
    /// Enrols the photos of one person, one after the other, so that the person is created once.
    async fn enroll_person(&self, person: &Person) -> Vec<(PathBuf, Outcome)> {
        let mut outcomes = Vec::with_capacity(person.photos.len());
        for path in &person.photos {
            let outcome = match self.enroll_photo(person, path).await {
                Ok(outcome) => outcome,
                Err(error) => Outcome::Refused(format!("{error:#}")),
            };
            self.bar.inc(1);
            outcomes.push((path.clone(), outcome));
        }
        outcomes
    }

    async fn enroll_photo(&self, person: &Person, path: &Path) -> anyhow::Result<Outcome> {
        let (bytes_max, file) = (self.config.road.frame.bytes_max, path.to_owned());
        let (bytes, sha256) = tokio::task::spawn_blocking(move || {
            let bytes = photo::read(&file, bytes_max)?;
            let sha256: [u8; 32] = Sha256::digest(&bytes).into();
            anyhow::Ok((bytes, sha256))
        })
        .await??;
        let known = self.people.find(person).await?;
        if let Some(employee) = &known
            && self.store.has_photo(employee.id, &self.engine.encoder().model, &sha256).await?
        {
            self.drop_other_models(employee.id).await?;
            return Ok(Outcome::AlreadyEnrolled);
        }
        let settings = LookSettings {
            liveness_threshold: self
                .config
                .enrolment
                .liveness
                .then_some(self.config.matching.liveness_threshold),
            pupil_distance_px_min: self.config.enrolment.pupil_distance_px_min,
        };
        let frame = FrameBytes { bytes: bytes.into(), declared: None };
        let view = self.engine.look(frame, settings).await?;
        if let Some(refusal) = photo::refusal(&view) {
            return Ok(Outcome::Refused(refusal));
        }
        // Only now: a person none of whose photos can be used is not created.
        let (employee, created): (Employee, bool) = match known {
            Some(employee) => (employee, false),
            None => (self.people.create(person).await?, true),
        };
        let looks_like = match &view.sighting {
            Sighting::Face(face) => self.look_alike(employee.id, &face.encoding).await?,
            _ => None,
        };
        let faces_max = self.config.enrolment.faces_max;
        let outcome = match enroll(&self.store, employee.id, view, sha256, faces_max).await {
            Ok(_) => {
                self.gallery.refresh(&self.store, employee.id).await?;
                Outcome::Enrolled { created, looks_like }
            }
            Err(EnrolmentError::Store(StoreError::Conflict(Conflict::PhotoAlreadyEnrolled))) => {
                Outcome::AlreadyEnrolled
            }
            Err(EnrolmentError::Store(StoreError::Conflict(Conflict::TooManyFaces))) => {
                return Ok(Outcome::Refused(format!(
                    "the person has {faces_max} faces already (enrolment.faces_max)"
                )));
            }
            Err(error) => return Err(error.into()),
        };
        self.drop_other_models(employee.id).await?;
        Ok(outcome)
    }

    /// Another person whom the gallery would take the face for, if there is one: a second entry of
    /// the same person would go on opening when the first is revoked.
    async fn look_alike(
        &self,
        employee: EmployeeId,
        face: &Encoding,
    ) -> anyhow::Result<Option<String>> {
        let tau = self.risk.recognize(self.gallery.faces()).threshold;
        let nearest = self.gallery.search(face, 2)?;
        let other = nearest.iter().find(|c| c.employee_id != employee && c.distance.is_match(tau));
        let Some(other) = other else { return Ok(None) };
        let name = self.store.employee(other.employee_id).await?.name;
        Ok(Some(format!("{name} ({}), distance {:.3}", other.employee_id, other.distance.value())))
    }

    async fn drop_other_models(&self, employee: EmployeeId) -> anyhow::Result<()> {
        if self.replace_model {
            self.store.delete_faces_of_other_models(employee, &self.engine.encoder().model).await?;
        }
        Ok(())
    }
}
