//! Enrols a photo: one picture makes a person known, nothing is retrained.

use tracing::{error, info};

use super::{Matcher, Probe, Turn};
use crate::domain::{
    Author, Distance, EmployeeId, Encoding, FacePicture, FaceSeen, ModelId, QualityIssue,
    Resemblance, Shortfall, Sighting, Threshold, View,
};
use crate::gallery::SearchError;
use crate::store::{Conflict, Face, FaceDraft, FaceRules, OldFace, Store, StoreError};

/// Why a photo cannot be enrolled.
#[derive(Debug, thiserror::Error)]
pub enum EnrolmentError {
    /// No face was found.
    #[error("no face was found in the photo")]
    NoFace,
    /// Several faces are about equally near.
    #[error("the photo shows several faces of about the same size")]
    MultipleFaces,
    /// The picture is not good enough.
    #[error("the face's picture is not good enough: {}{}", codes(issues), figure(*shortfall))]
    LowQuality {
        /// What is wrong with it.
        issues: Vec<QualityIssue>,
        /// By how much the first of them is.
        shortfall: Option<Shortfall>,
    },
    /// The face looks like a print or a screen.
    #[error("the face looks like a print or a screen")]
    Spoof,
    /// The face is not like the person's others.
    #[error(
        "the face does not match the person's enrolled ones (distance {:.3}, a match is under {:.3}): \
         is it another person's? If not, remove the old ones first",
        distance.value(), threshold.value()
    )]
    AnotherPerson {
        /// To the person's template.
        distance: Distance,
        /// τ of 1:1.
        threshold: Threshold,
    },
    /// The face is like that of somebody else, who was to be refused.
    #[error(
        "the face is like that of another person ({}, distance {:.3}): is it the same person, entered twice?",
        .0.likeness.code(), .0.distance.value()
    )]
    Duplicate(Resemblance),
    /// The face could not be held against the others.
    #[error(transparent)]
    Match(#[from] SearchError),
    /// The database did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn figure(shortfall: Option<Shortfall>) -> String {
    shortfall.map(|shortfall| format!(" ({shortfall})")).unwrap_or_default()
}

fn codes(issues: &[QualityIssue]) -> String {
    issues.iter().map(|i| i.code()).collect::<Vec<_>>().join(", ")
}

/// Which further face of a person is theirs, and what becomes of look-alikes.
#[derive(Clone, Copy, Debug)]
pub struct EnrolmentRules {
    /// The most faces of a person.
    pub faces_max: u32,
    /// Whether a new face that is like another person's makes both need their badge.
    pub lookalikes_need_badge: bool,
    /// Whether a consent of the person's must be on record.
    pub consent_required: bool,
}

/// What an enrolment came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Enrolled {
    /// The stored face.
    pub face: Face,
    /// Whom else the face is like, the nearest, if anybody: a look-alike, or a second entry of the same person.
    pub looks_like: Option<Resemblance>,
    /// Whether from now on the face alone opens neither for the employee nor for whom it is like.
    pub badge_required: bool,
}

impl Turn<'_> {
    /// Stores what a photo showed as a face of `employee`; the photo itself is not kept, but for the picture that was
    /// asked for. Whoever is enrolled already gets no face that is not theirs: it would open for somebody else.
    /// Look-alikes need their badges from the moment the face is there, where the rules say so.
    ///
    /// # Errors
    /// [`EnrolmentError`]; then nothing was stored.
    pub async fn enroll(
        &self,
        author: &Author,
        rules: EnrolmentRules,
        employee: EmployeeId,
        view: View<FaceSeen>,
        photo_sha256: [u8; 32],
    ) -> Result<Enrolled, EnrolmentError> {
        let seen = face_of(view)?;
        let draft = FaceDraft {
            employee_id: employee,
            encoding: seen.encoding,
            quality: seen.quality,
            photo_sha256,
            picture: seen.picture,
            follows: None,
        };
        self.store_face(author, rules, draft, seen.previous).await
    }

    /// Stores what the kept photo of a face of another model showed as a face of this one: the same person's, under
    /// the same rules as one that is enrolled, but for what was measured of the whole photo, of which the kept one is a
    /// part. `picture` is the photo, where it is to be kept beside the new face too, for no longer than beside the old.
    ///
    /// # Errors
    /// [`EnrolmentError`]; then nothing was stored.
    pub async fn reencode(
        &self,
        author: &Author,
        rules: EnrolmentRules,
        old: &OldFace,
        view: View<FaceSeen>,
        picture: Option<FacePicture>,
    ) -> Result<Enrolled, EnrolmentError> {
        let seen = face_of(view)?;
        let draft = FaceDraft {
            employee_id: old.employee_id,
            encoding: seen.encoding,
            quality: old.quality,
            photo_sha256: old.photo_sha256,
            picture,
            follows: Some(old.id),
        };
        self.store_face(author, rules, draft, seen.previous).await
    }

    /// Stores a face; `previous` is what the model said of it that people move away from.
    pub(super) async fn store_face(
        &self,
        author: &Author,
        rules: EnrolmentRules,
        draft: FaceDraft,
        previous: Option<Encoding>,
    ) -> Result<Enrolled, EnrolmentError> {
        let Self { store, matcher, .. } = self;
        let employee = draft.employee_id;
        let probe = Probe { encoding: draft.encoding.clone(), previous };
        self.check_previous(employee, &probe).await?;
        let alike = matcher.resemblances(Some(employee), &probe).await?;
        let in_need = alike.iter().filter(|_| rules.lookalikes_need_badge);
        let in_need: Vec<EmployeeId> = in_need.map(|other| other.employee_id).collect();
        let faces = FaceRules {
            faces_max: rules.faces_max,
            threshold: matcher.verify_threshold(),
            consent_required: rules.consent_required,
        };
        let face = store.add_face(author, &draft, faces, &in_need).await;
        let face = face.map_err(|error| match error {
            StoreError::Conflict(Conflict::AnotherPerson { distance, threshold }) => {
                EnrolmentError::AnotherPerson { distance, threshold }
            }
            error => EnrolmentError::Store(error),
        })?;
        if let Err(error) = matcher.refresh(store, employee).await {
            // The face is stored, and stays; the next turn takes it in.
            error!(%error, %employee, "the gallery does not know a new face yet");
        }
        let looks_like = alike.into_iter().next();
        let badge_required = rules.lookalikes_need_badge && looks_like.is_some();
        Ok(Enrolled { face, looks_like, badge_required })
    }

    /// Whoever is known by the previous model alone gets no face that is not theirs by that: those of the current one
    /// are held against each other where they are stored.
    async fn check_previous(
        &self,
        employee: EmployeeId,
        probe: &Probe,
    ) -> Result<(), EnrolmentError> {
        if self.matcher.previous().is_none() {
            return Ok(());
        }
        self.matcher.refresh(self.store, employee).await?;
        match self.matcher.claim(employee, probe)? {
            Some(found) if found.scale.model != *self.matcher.model() && !found.is_near() => {
                Err(EnrolmentError::AnotherPerson {
                    distance: found.candidate.distance,
                    threshold: found.scale.threshold,
                })
            }
            _ => Ok(()),
        }
    }

    /// Looks for others whom a face is like: than `employee`, or than nobody where it would be a new person's.
    ///
    /// # Errors
    /// [`EnrolmentError`] when the photo shows no face that could be enrolled.
    pub async fn resemblances(
        &self,
        employee: Option<EmployeeId>,
        view: &View<FaceSeen>,
    ) -> Result<Resemblances, EnrolmentError> {
        let seen = face_of(view.clone())?;
        let alike = self.matcher.resemblances(employee, &Probe::from(&seen)).await?;
        let people: Vec<EmployeeId> = alike.iter().map(|other| other.employee_id).collect();
        // As Postgres has it: the gallery of a command that runs for hours knows who was blocked when it began.
        let blocked = self.store.blocked_among(&people).await?;
        Ok(Resemblances {
            nearest: alike.first().copied(),
            blocked: people.into_iter().find(|person| blocked.contains(person)),
        })
    }
}

fn face_of(view: View<FaceSeen>) -> Result<FaceSeen, EnrolmentError> {
    match view.sighting {
        Sighting::Face(seen) => Ok(seen),
        Sighting::NoFace => Err(EnrolmentError::NoFace),
        Sighting::MultipleFaces => Err(EnrolmentError::MultipleFaces),
        Sighting::LowQuality { issues, shortfall, .. } => {
            Err(EnrolmentError::LowQuality { issues, shortfall })
        }
        Sighting::Spoof { .. } => Err(EnrolmentError::Spoof),
    }
}

/// Whom a face that is to be enrolled is like, before it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resemblances {
    /// The nearest other person.
    pub nearest: Option<Resemblance>,
    /// The nearest who is blocked: somebody who may never pass would be enrolled anew.
    pub blocked: Option<EmployeeId>,
}

/// People whom the configured encoder does not know: their encodings are of models that it cannot be compared with.
#[derive(Debug, thiserror::Error)]
#[error(
    "the database holds {faces} face(s) encoded by {found}, but the configured encoder makes \
     {configured}, of which {people} of those enrolled have no face, and encodings of different models cannot be \
     compared. Either set `encoder` and `encoding_size` of [road] in config.toml back to what made \
     {found}; or serve that encoder beside it, [previous], until everybody has a face of the other; or encode the \
     photos that are kept anew, `limen reencode`, and enrol whom it names again, or everybody, with `limen enroll \
     PHOTOS --replace-model`. `limen gallery models` names who is left, `limen gallery drop {found}` removes what is"
)]
pub struct ForeignGallery {
    /// How many faces there are of other models.
    pub faces: u64,
    /// The (first) other model.
    pub found: String,
    /// The model of the configured encoder.
    pub configured: String,
    /// How many people have none of it.
    pub people: u64,
}

/// Refuses a database in which people have encodings, but none of a model that is served. Beside one of those, others'
/// may stay, for a way back: nothing is compared with them. Returns how many there are of the served ones.
///
/// # Errors
/// [`ForeignGallery`] in the inner result, [`StoreError`] when Postgres does not answer.
pub async fn check_models(
    store: &Store,
    matcher: &Matcher,
) -> Result<Result<u64, ForeignGallery>, StoreError> {
    let stored = store.faces_by_model().await?;
    let served: Vec<&ModelId> =
        [Some(matcher), matcher.previous()].into_iter().flatten().map(Matcher::model).collect();
    let (own, foreign): (Vec<_>, Vec<_>) =
        stored.into_iter().partition(|(model, _)| served.contains(&model));
    let own = own.iter().map(|(_, faces)| faces).sum();
    let Some((model, _)) = foreign.first() else {
        return Ok(Ok(own));
    };
    let faces = foreign.iter().map(|(_, faces)| faces).sum();
    let (people, _) = store.people_without(&served, 1).await?;
    if people == 0 {
        info!(
            faces,
            "faces of other models are stored beside those that are served: they are passed over"
        );
        return Ok(Ok(own));
    }
    Ok(Err(ForeignGallery {
        faces,
        found: model.to_string(),
        configured: matcher.model().to_string(),
        people,
    }))
}
