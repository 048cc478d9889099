//! The faces that people are known by.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use uuid::Uuid;

use crate::identity::with;
use crate::operations::{DELETE_FACE, ENROLL_FACE, LIST_FACES};
use crate::pages::Page;
use crate::{Error, Frame, Limen, answer};

/// An enrolled face.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Face {
    /// The id.
    pub face_id: Uuid,
    /// Whose it is.
    pub employee_id: Uuid,
    /// The model that made its encoding.
    pub model_id: String,
    /// What was measured of the photo.
    pub quality: Quality,
    /// When it was enrolled.
    pub created_at: DateTime<Utc>,
}

/// What was measured of a photo.
#[derive(Clone, Copy, Debug, Deserialize)]
#[non_exhaustive]
pub struct Quality {
    /// Pixels between the pupils.
    pub pupil_distance_px: f32,
    /// Mean luma of the face, 0 to 255.
    pub brightness: f32,
    /// Variance of the Laplacian.
    pub sharpness: f32,
    /// The turn to a side, as a share of the pupil distance.
    pub yaw: f32,
    /// How far the head is bent down (over 0) or up.
    pub pitch: f32,
    /// The tilt, in degrees.
    pub roll_degrees: f32,
}

/// A new face.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct EnrolledFace {
    /// The face.
    #[serde(flatten)]
    pub face: Face,
    /// Another person whom a search might take it for, to be checked: a look-alike, or the same person entered twice.
    pub looks_like: Option<Uuid>,
    /// Whether from now on neither of the two passes by the face alone.
    #[serde(default)]
    pub badge_required: bool,
}

impl Limen {
    /// Enrols a photo. A face that is like another person's is enrolled, and told of.
    ///
    /// # Errors
    /// `low_quality`, `no_face`, `spoof` and others where the photo is not good enough, with advice; when the service
    /// is not reached.
    pub async fn enroll_face(&self, employee: Uuid, photo: &Frame) -> Result<EnrolledFace, Error> {
        answer::read(with(self.request(ENROLL_FACE, &[employee]), photo)?).await
    }

    /// Enrols a photo, unless it is like another person's.
    ///
    /// # Errors
    /// `duplicate_person` where it is; else as [`enroll_face`](Self::enroll_face).
    pub async fn enroll_new_face(
        &self,
        employee: Uuid,
        photo: &Frame,
    ) -> Result<EnrolledFace, Error> {
        let request = self.request(ENROLL_FACE, &[employee]).query(&[("duplicates", "refuse")]);
        answer::read(with(request, photo)?).await
    }

    /// Lists an employee's faces.
    ///
    /// # Errors
    /// When the service refuses or is not reached.
    pub async fn faces(&self, employee: Uuid) -> Result<Vec<Face>, Error> {
        let list: Page<Face> = answer::read(self.request(LIST_FACES, &[employee])).await?;
        Ok(list.items)
    }

    /// Forgets a face.
    ///
    /// # Errors
    /// When the service refuses or is not reached.
    pub async fn delete_face(&self, employee: Uuid, face: Uuid) -> Result<(), Error> {
        answer::done(self.request(DELETE_FACE, &[employee, face])).await
    }
}
