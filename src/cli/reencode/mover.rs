//! Makes a face of the configured model of the kept photo of an old one.

use std::sync::Arc;

use anyhow::Context;
use indicatif::ProgressBar;

use super::report::{LookAlike, Moved, Outcome};
use crate::access::{Enrolled, EnrolmentError, EnrolmentRules, Enrolments, Turn};
use crate::cli::{author, photo};
use crate::config::Config;
use crate::domain::{EmployeeStatus, FacePicture, FaceSeen, View};
use crate::inference::{Engine, EngineError, FrameBytes};
use crate::store::{Conflict, OldFace, Store, StoreError};
use crate::vision::{KEPT_PUPILS_PX, LookSettings};

/// What every face of a run needs.
pub(super) struct Mover<'a> {
    pub store: Store,
    pub engine: Arc<Engine>,
    pub enrolments: Enrolments,
    pub config: &'a Config,
    pub dry_run: bool,
}

impl Mover<'_> {
    /// Moves one face, whole or not at all.
    ///
    /// # Errors
    /// When Postgres does not answer or the networks do not run: the next faces would fare no better.
    pub async fn move_face(&self, old: &OldFace, bar: &ProgressBar) -> anyhow::Result<Moved> {
        let outcome = self.outcome(old).await?;
        bar.inc(1);
        Ok(Moved { face: old.clone(), outcome })
    }

    async fn outcome(&self, old: &OldFace) -> anyhow::Result<Outcome> {
        let picture = match self.store.photo(old.employee_id, old.id).await {
            Ok(Some(picture)) => picture,
            // The face, or its photo alone, was removed since it was listed.
            Ok(None) => return Ok(Outcome::Gone),
            Err(error @ StoreError::Corrupt(_)) => return Ok(Outcome::Failed(error.to_string())),
            Err(error) => return Err(error.into()),
        };
        let view = match self.look(&picture).await? {
            Ok(view) => view,
            Err(why) => return Ok(Outcome::Failed(why)),
        };
        let turn = self.enrolments.turn().await?;
        if let Some(why) = self.like_blocked(&turn, old, &view).await? {
            return Ok(Outcome::Failed(why));
        }
        if self.dry_run {
            return Ok(Outcome::Moved(None));
        }
        let rules = EnrolmentRules {
            faces_max: self.config.enrolment.faces_max,
            lookalikes_need_badge: self.config.enrolment.lookalikes_need_badge,
            consent_required: self.config.privacy.consent_required,
        };
        let kept = self.config.photos.keep.then_some(picture);
        match turn.reencode(&author("reencode"), rules, old, view, kept).await {
            Ok(Enrolled { looks_like, badge_required, .. }) => Ok(Outcome::Moved(
                looks_like
                    .map(|other| LookAlike { employee_id: other.employee_id, badge_required }),
            )),
            Err(EnrolmentError::Store(StoreError::Conflict(Conflict::PhotoAlreadyEnrolled))) => {
                Ok(Outcome::AlreadyThere)
            }
            Err(EnrolmentError::Store(StoreError::NotFound(_))) => Ok(Outcome::Gone),
            Err(EnrolmentError::Store(StoreError::Conflict(conflict))) => {
                Ok(Outcome::Failed(conflict.to_string()))
            }
            Err(EnrolmentError::Store(error)) => Err(error.into()),
            Err(error @ EnrolmentError::Match(_)) => Err(error.into()),
            Err(error) => Ok(Outcome::Failed(error.to_string())),
        }
    }

    /// A face in a kept photo that could be enrolled; the inner error says why there is none.
    async fn look(&self, picture: &FacePicture) -> anyhow::Result<Result<View<FaceSeen>, String>> {
        let settings = LookSettings {
            // It was asked when the photo was taken. What is kept has not the room around it that tells.
            liveness_threshold: None,
            pupil_distance_px_min: self.config.enrolment.pupil_distance_px_min.min(KEPT_PUPILS_PX),
            picture: false,
        };
        let frame = FrameBytes { bytes: picture.as_bytes().to_vec().into(), declared: None };
        match self.engine.look(self.engine.place()?, frame, settings).await {
            Ok(view) => Ok(match photo::refusal(&view) {
                Some(refusal) => Err(refusal),
                None => Ok(view),
            }),
            Err(error @ (EngineError::Look(_) | EngineError::Panicked))
                if self.engine.is_sound() =>
            {
                Ok(Err(error.to_string()))
            }
            Err(error) => Err(error).context("the networks do not run any more"),
        }
    }

    /// Why a face is not moved that is like a blocked person's, who is somebody else; the trail tells of it.
    async fn like_blocked(
        &self,
        turn: &Turn<'_>,
        old: &OldFace,
        view: &View<FaceSeen>,
    ) -> anyhow::Result<Option<String>> {
        let like = turn.resemblances(Some(old.employee_id), view).await?;
        let Some(blocked) = like.blocked.filter(|_| old.status != EmployeeStatus::Blocked) else {
            return Ok(None);
        };
        if !self.dry_run {
            let author = author("reencode");
            self.store.note_blocked_face(&author, Some(old.employee_id), blocked).await?;
        }
        Ok(Some(format!(
            "the face is like that of {blocked}, who is on the blocklist: if it is another's, an officer \
             enrols it by POST /v1/employees/{}/faces",
            old.employee_id
        )))
    }
}
