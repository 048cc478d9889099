//! Whoever passes by their badge and by a face of the previous model gets one of the current, from the frame that they
//! passed by; only where the site wants it.
//!
//! A false grant opens once, a false template for as long as it is there. So no face alone is believed: the badge must
//! have been shown at a gate that asks for whose it is (1:1), and the face, in the frames of the passage together and in
//! the one that is enrolled, must be so near that without the badge it would have been taken for its owner's among
//! everybody (τ of 1:N), and nearer yet by the margin. Either alone would have opened. The frame must be what is asked of
//! a photo that is enrolled, and live. Whoever the face is like beside its owner, by either model, sends them to the
//! desk. It is done once, and the trail says after which passage.

use std::fmt;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tracing::{Instrument, error, info};

use super::{EnrolmentError, EnrolmentRules, Enrolments, Matcher, Probe};
use crate::domain::{
    Author, Distance, EmployeeId, FaceSeen, LivenessScore, Passage, Reason, Sighting, Threshold,
    View,
};
use crate::store::{Conflict, FaceDraft, StoreError};

/// Re-enrolments that are under way at once. They take turns with whoever else enrols: one that finds no place is made
/// up for by the person's next passage.
const AT_ONCE_MAX: usize = 4;

/// What a frame must be to be enrolled.
#[derive(Clone, Copy, Debug)]
pub struct ReEnrolmentRules {
    /// As for a photo. Nobody's badge is asked for because of it: it is not enrolled then.
    pub enrolment: EnrolmentRules,
    /// The smallest face, in pixels between the pupils.
    pub pupil_distance_px_min: f32,
    /// The liveness that it must reach, whatever its gate asks.
    pub liveness_threshold: LivenessScore,
}

type Tell = dyn Fn(&'static str) + Send + Sync;

/// Where it goes what became of each.
#[derive(Clone)]
pub struct Told(Arc<Tell>);

impl Told {
    /// To `tell`, which must not block.
    #[must_use]
    pub fn new(tell: impl Fn(&'static str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }
}

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Told")
    }
}

/// Re-enrols those who pass.
#[derive(Clone, Debug)]
pub struct ReEnrolment {
    enrolments: Enrolments,
    rules: ReEnrolmentRules,
    places: Arc<Semaphore>,
    told: Told,
}

/// Somebody who passed beyond doubt, with what they passed by.
struct Successor {
    passage: Passage,
    employee: EmployeeId,
    face: FaceSeen,
}

impl ReEnrolment {
    /// Enrols in turns with others; `told` hears what became of each: `enrolled`, `refused` or `failed`.
    #[must_use]
    pub fn new(enrolments: Enrolments, rules: ReEnrolmentRules, told: Told) -> Self {
        Self { enrolments, rules, places: Arc::new(Semaphore::new(AT_ONCE_MAX)), told }
    }

    /// The face of the frames that could be enrolled: the one that the encoder makes most of.
    pub(super) fn best(&self, views: &[View<FaceSeen>]) -> Option<FaceSeen> {
        let faces = views.iter().filter_map(|view| match &view.sighting {
            Sighting::Face(face) => Some(face),
            _ => None,
        });
        let good = faces.filter(|face| {
            let is_live = |score: LivenessScore| score.is_live(self.rules.liveness_threshold);
            face.liveness.is_some_and(is_live)
                && face.quality.pupil_distance_px >= self.rules.pupil_distance_px_min
        });
        good.max_by(|a, b| a.feature_norm.total_cmp(&b.feature_norm)).cloned()
    }

    /// Enrols `face` after a passage that leaves no doubt whose it is, beside whatever else goes on.
    pub(super) fn consider(&self, passage: &Passage, face: FaceSeen) {
        let matcher = self.enrolments.matcher();
        let Some(employee) = person_beyond_doubt(matcher, passage, &face) else { return };
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else { return };
        let (this, passage) = (self.clone(), passage.clone());
        let task = async move {
            this.enrol(Successor { passage, employee, face }).await;
            drop(place);
        };
        tokio::spawn(task.in_current_span());
    }

    async fn enrol(&self, successor: Successor) {
        let (employee, passage) = (successor.employee, successor.passage.id);
        let outcome = match self.try_enrol(successor).await {
            Ok(true) => {
                info!(%employee, %passage, "who passed has a face of the current model now");
                "enrolled"
            }
            // They have one already: two passages at once, or a photo that was enrolled meanwhile.
            Err(EnrolmentError::Store(StoreError::Conflict(Conflict::TooManyFaces { .. }))) => {
                return;
            }
            Ok(false)
            | Err(
                EnrolmentError::AnotherPerson { .. }
                | EnrolmentError::Store(StoreError::Conflict(_) | StoreError::NotFound(_)),
            ) => {
                info!(%employee, %passage, "who passed is to be enrolled at the desk");
                "refused"
            }
            Err(error) => {
                error!(%employee, %passage, %error, "who passed could not be enrolled");
                "failed"
            }
        };
        (self.told.0)(outcome);
    }

    /// Whether the face was enrolled: not where it is like somebody else's.
    async fn try_enrol(&self, successor: Successor) -> Result<bool, EnrolmentError> {
        let Successor { passage, employee, face } = successor;
        let turn = self.enrolments.turn().await?;
        let probe = Probe::from(&face);
        if !self.enrolments.matcher().resemblances(Some(employee), &probe).await?.is_empty() {
            return Ok(false);
        }
        let author = Author::limen(&format!("re-enrolment after passage {}", passage.id));
        // One, which the person has not.
        let rules = EnrolmentRules { faces_max: 1, ..self.rules.enrolment };
        let draft = FaceDraft {
            employee_id: employee,
            encoding: face.encoding,
            quality: face.quality,
            photo_sha256: passage.request.frames_sha256,
            // Frames are not stored.
            picture: None,
            // Of whoever withdraws or is erased at this moment nothing is made.
            follows: passage.evidence.face_ids.first().copied(),
        };
        turn.store_face(&author, rules, draft, face.previous).await?;
        Ok(true)
    }
}

/// Who passed, where the passage leaves no doubt of it and they are known by the previous model.
fn person_beyond_doubt(
    matcher: &Matcher,
    passage: &Passage,
    face: &FaceSeen,
) -> Option<EmployeeId> {
    let previous = matcher.previous()?;
    let evidence = &passage.evidence;
    let tau = previous.recognize_threshold().threshold;
    let is_sure = passage.reason == Reason::Granted
        && passage.notice.is_none()
        && passage.by_badge()
        && evidence.model_id.as_ref() == Some(previous.model())
        && evidence.distance.is_some_and(|distance| is_clear(distance, tau, previous.margin()));
    let employee = evidence.employee_id.filter(|_| is_sure)?;
    // Of several frames the passage has the mean.
    let own = previous.claimed(employee, face.previous.as_ref()?).ok()??.candidate.distance;
    is_clear(own, tau, previous.margin()).then_some(employee)
}

/// Whether a distance is under τ by more than the margin.
fn is_clear(distance: Distance, tau: Threshold, margin: f32) -> bool {
    distance.value() + margin < tau.value()
}
