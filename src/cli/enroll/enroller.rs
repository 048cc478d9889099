//! Enrols the photos of one person after the other.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use indicatif::ProgressBar;
use sha2::{Digest, Sha256};

use super::people::People;
use super::plan::Person;
use super::report::Outcome;
use crate::access::{Enrolled, EnrolmentError, EnrolmentRules, Enrolments};
use crate::cli::author;
use crate::cli::photo;
use crate::config::Config;
use crate::domain::{EmployeeId, EmployeeStatus};
use crate::inference::{Engine, FrameBytes};
use crate::store::{Conflict, Store, StoreError};
use crate::vision::LookSettings;

/// What every enrolment of a run needs.
pub(super) struct Enroller<'a> {
    pub people: People,
    pub store: Store,
    pub engine: Arc<Engine>,
    pub enrolments: Enrolments,
    pub config: &'a Config,
    pub replace_model: bool,
    pub bar: ProgressBar,
}

impl Enroller<'_> {
    /// Enrols the photos of one person, one after the other, so that the person is created once.
    pub async fn enroll_person(&self, person: &Person) -> Vec<(PathBuf, Outcome)> {
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
            picture: self.config.photos.keep,
        };
        let frame = FrameBytes { bytes: bytes.into(), declared: None };
        let view = self.engine.look(self.engine.place()?, frame, settings).await?;
        if let Some(refusal) = photo::refusal(&view) {
            return Ok(Outcome::Refused(refusal));
        }
        let turn = self.enrolments.turn().await?;
        let like = turn.resemblances(known.as_ref().map(|known| known.id), &view).await?;
        if let Some(blocked) = like.blocked
            && known.as_ref().is_none_or(|known| known.status != EmployeeStatus::Blocked)
        {
            let employee = known.map(|known| known.id);
            self.store.note_blocked_face(&author("enroll"), employee, blocked).await?;
            return Ok(Outcome::Refused(format!(
                "the face is like that of {blocked}, who is on the blocklist: if it is another's, an officer enrols \
                 it by POST /v1/employees/E/faces"
            )));
        }
        // Only now: a person none of whose photos can be used is not created.
        let (employee, created) = match known {
            Some(employee) => (employee, false),
            None => self.people.find_or_create(person).await?,
        };
        let faces_max = self.config.enrolment.faces_max;
        let lookalikes_need_badge = self.config.enrolment.lookalikes_need_badge;
        let rules = EnrolmentRules {
            faces_max,
            lookalikes_need_badge,
            consent_required: self.config.privacy.consent_required,
        };
        let enrolled = turn.enroll(&author("enroll"), rules, employee.id, view, sha256).await;
        drop(turn);
        let outcome = match enrolled {
            Ok(enrolled) => {
                Outcome::Enrolled { created, looks_like: self.look_alike(enrolled).await? }
            }
            Err(EnrolmentError::Store(StoreError::Conflict(Conflict::PhotoAlreadyEnrolled))) => {
                Outcome::AlreadyEnrolled
            }
            Err(EnrolmentError::Store(StoreError::Conflict(Conflict::TooManyFaces { .. }))) => {
                return Ok(Outcome::Refused(format!(
                    "the person has {faces_max} faces already (enrolment.faces_max)"
                )));
            }
            Err(error @ EnrolmentError::AnotherPerson { .. }) => {
                return Ok(Outcome::Refused(error.to_string()));
            }
            Err(error) => return Err(error.into()),
        };
        self.drop_other_models(employee.id).await?;
        Ok(outcome)
    }

    /// Whom a face might be as well, and what follows, as the report says it.
    async fn look_alike(&self, enrolled: Enrolled) -> anyhow::Result<Option<String>> {
        let Some(other) = enrolled.looks_like else { return Ok(None) };
        let name = match self.store.employee(other.employee_id).await {
            Ok(employee) => employee.name,
            // Removed since the gallery was loaded.
            Err(StoreError::NotFound(_)) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let badges = if enrolled.badge_required { "; both need a badge from now on" } else { "" };
        let (id, distance) = (other.employee_id, other.distance.value());
        Ok(Some(format!("{name} ({id}), distance {distance:.3}{badges}")))
    }

    async fn drop_other_models(&self, employee: EmployeeId) -> anyhow::Result<()> {
        if self.replace_model {
            self.store
                .delete_faces_of_other_models(
                    &author("enroll"),
                    employee,
                    &self.engine.encoder().model,
                )
                .await?;
        }
        Ok(())
    }
}
