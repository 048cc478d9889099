//! The table `face_encodings`: the gallery at rest.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{PgConnection, Postgres, Transaction};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::employees::require_badge;
use super::ground::now;
use super::invitations::use_up;
use super::privacy::{Standing, standing};
use super::sealing::Row;
use super::{Conflict, Store, StoreError, TemplateError, photos, within};
use crate::domain::{
    Author, EmployeeId, EmployeeStatus, Encoding, FaceId, FacePicture, ModelId, Quality, Threshold,
};
use crate::secrets::Keyring;

/// A face to be enrolled.
#[derive(Clone, Debug)]
pub struct FaceDraft {
    /// Whose face it is.
    pub employee_id: EmployeeId,
    /// `f(x)`.
    pub encoding: Encoding,
    /// What was measured of the photo.
    pub quality: Quality,
    /// SHA-256 of the photo's bytes.
    pub photo_sha256: [u8; 32],
    /// The face's picture, where it is to be kept.
    pub picture: Option<FacePicture>,
    /// The face of another model that this one follows: made from its kept photo, or seen by it at a gate.
    pub follows: Option<FaceId>,
}

/// Which faces may be enrolled.
#[derive(Clone, Copy, Debug)]
pub struct FaceRules {
    /// The most faces of a person.
    pub faces_max: u32,
    /// To the person's template: τ of 1:1.
    pub threshold: Threshold,
    /// Whether a consent of the person's must hold.
    pub consent_required: bool,
}

/// An enrolled face, without its template.
#[derive(Clone, Debug, PartialEq)]
pub struct Face {
    /// Its id.
    pub id: FaceId,
    /// Whose face it is.
    pub employee_id: EmployeeId,
    /// The model that made its encoding.
    pub model_id: ModelId,
    /// What was measured of the photo.
    pub quality: Quality,
    /// When it was enrolled.
    pub created_at: DateTime<Utc>,
}

/// A person of the gallery.
#[derive(Clone, Debug)]
pub struct GalleryRow {
    /// Who it is.
    pub employee_id: EmployeeId,
    /// The person's status.
    pub status: EmployeeStatus,
    /// The person's faces.
    pub face_ids: Vec<FaceId>,
    /// Their stored encodings.
    encodings: Vec<Vec<u8>>,
    /// How many numbers each has.
    sizes: Vec<i32>,
    model: ModelId,
    keys: Arc<Keyring>,
}

impl GalleryRow {
    /// The encodings of all these faces, opened and fused. Half a microsecond each, and a fetch from memory: whoever reads many
    /// does so on a blocking thread.
    ///
    /// # Errors
    /// When one does not open in its place, or is no encoding.
    pub fn template(&self) -> Result<Encoding, TemplateError> {
        let (employee, model) = (self.employee_id, &self.model);
        let encodings = self.face_ids.iter().zip(&self.encodings).zip(&self.sizes);
        let encodings = encodings.map(|((&face, stored), &size)| {
            Row { employee, face, model, size }.open(&self.keys, stored)
        });
        let encodings = encodings.collect::<Result<Vec<_>, _>>()?;
        let values: Vec<&[f32]> = encodings.iter().map(Encoding::values).collect();
        Ok(Encoding::fused(&values, self.model.clone())?)
    }
}

struct FaceRow {
    id: Uuid,
    employee_id: Uuid,
    model_id: String,
    pupil_distance_px: f32,
    brightness: f32,
    sharpness: f32,
    yaw: f32,
    pitch: f32,
    roll_degrees: f32,
    created_at: DateTime<Utc>,
}

impl From<FaceRow> for Face {
    fn from(row: FaceRow) -> Self {
        Self {
            id: FaceId(row.id),
            employee_id: EmployeeId(row.employee_id),
            model_id: ModelId::new(row.model_id),
            quality: Quality {
                pupil_distance_px: row.pupil_distance_px,
                brightness: row.brightness,
                sharpness: row.sharpness,
                yaw: row.yaw,
                pitch: row.pitch,
                roll_degrees: row.roll_degrees,
            },
            created_at: row.created_at,
        }
    }
}

struct PersonRow {
    employee_id: Uuid,
    status: String,
    face_ids: Vec<Uuid>,
    encodings: Vec<Vec<u8>>,
    sizes: Vec<i32>,
}

impl PersonRow {
    fn into_gallery_row(
        self,
        model: &ModelId,
        keys: &Arc<Keyring>,
    ) -> Result<GalleryRow, StoreError> {
        Ok(GalleryRow {
            employee_id: EmployeeId(self.employee_id),
            status: EmployeeStatus::from_stored(&self.status)?,
            face_ids: self.face_ids.iter().copied().map(FaceId).collect(),
            encodings: self.encodings,
            sizes: self.sizes,
            model: model.clone(),
            keys: Arc::clone(keys),
        })
    }
}

/// The advisory lock of whoever enrols.
const ENROLMENT_LOCK: i64 = 119_200_062_729_730;

/// Held by whoever enrols, on whichever replica, until dropped.
#[derive(Debug)]
pub struct EnrolmentLock {
    began_at: DateTime<Utc>,
    _transaction: Transaction<'static, Postgres>,
}

impl EnrolmentLock {
    /// Since when it is held.
    #[must_use]
    pub fn began_at(&self) -> DateTime<Utc> {
        self.began_at
    }
}

impl Store {
    /// Waits until nobody enrols; with whose faces of `model` were stored `since` a moment and within `unread`, the
    /// later of the two.
    ///
    /// # Errors
    /// When Postgres does not answer, or others take longer than a statement may.
    pub async fn lock_enrolment(
        &self,
        models: &[&ModelId],
        since: Option<DateTime<Utc>>,
        unread: TimeDelta,
    ) -> Result<(EnrolmentLock, Vec<(EmployeeId, FaceId)>), StoreError> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query!("select pg_advisory_xact_lock($1)", ENROLMENT_LOCK)
            .execute(&mut *transaction)
            .await?;
        let began_at = now(&mut transaction).await?;
        let models: Vec<String> = models.iter().map(|model| model.to_string()).collect();
        let floor = began_at.checked_sub_signed(unread).unwrap_or(DateTime::UNIX_EPOCH);
        let recent = sqlx::query!(
            "select employee_id, id from face_encodings
             where model_id = any($1) and created_at >= greatest($2::timestamptz, $3::timestamptz)",
            &models,
            since,
            floor,
        )
        .fetch_all(&mut *transaction)
        .await?;
        let recent = recent.into_iter().map(|row| (EmployeeId(row.employee_id), FaceId(row.id)));
        let recent = recent.collect();
        Ok((EnrolmentLock { began_at, _transaction: transaction }, recent))
    }

    /// Enrols a face, unless the employee then had more than `faces_max` of this model, or has others
    /// that it does not match: is not nearer to than `threshold`. Where there are `look_alikes` the face
    /// alone opens no longer, from the moment the face is there, neither for them nor for the employee.
    /// Where the author is invited, the face uses the invitation up. What it follows must still be there.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such employee, or no such face to follow; [`Conflict::PhotoAlreadyEnrolled`],
    /// [`Conflict::TooManyFaces`], [`Conflict::AnotherPerson`], [`Conflict::UnreadableFaces`],
    /// [`Conflict::InvitationOver`].
    pub async fn add_face(
        &self,
        author: &Author,
        draft: &FaceDraft,
        FaceRules { faces_max, threshold, consent_required }: FaceRules,
        look_alikes: &[EmployeeId],
    ) -> Result<Face, StoreError> {
        let keys = self.keyring()?;
        let mut changing = self.changing(author).await?;
        let mut people = look_alikes.to_vec();
        people.push(draft.employee_id);
        // The lock makes two enrolments at once count, and be compared, one after the other; in the order of
        // the ids, so that look-alikes who are enrolled at once do not wait for each other.
        let found = sqlx::query_scalar!(
            "select id from employees where id = any($1) order by id for no key update",
            &people.iter().map(|id| id.0).collect::<Vec<_>>(),
        )
        .fetch_all(&mut *changing)
        .await?;
        if !found.contains(&draft.employee_id.0) {
            return Err(StoreError::NotFound("employee"));
        }
        let status = changing.guard(draft.employee_id).await?;
        if let Some(invitation) = author.invitation {
            use_up(&mut changing, invitation, draft.employee_id, status).await?;
        }
        // Nobody asks those on the blocklist.
        if status != EmployeeStatus::Blocked {
            match standing(&mut changing, draft.employee_id).await? {
                Standing::Unasked if consent_required => {
                    return Err(StoreError::Conflict(Conflict::ConsentMissing));
                }
                // Also where nobody need be asked: whoever says no is not enrolled.
                Standing::Withdrawn => {
                    return Err(StoreError::Conflict(Conflict::ConsentWithdrawn));
                }
                Standing::Unasked | Standing::Holds => {}
            }
        }
        let (employee, model) = (draft.employee_id, draft.encoding.model());
        if let Some(old) = draft.follows {
            // Whoever removes a face takes the person's lock too: it was not removed since it was looked at.
            let exists = sqlx::query_scalar!(
                r#"select exists (select from face_encodings where id = $1 and employee_id = $2) as "exists!""#,
                old.0,
                employee.0,
            );
            if !exists.fetch_one(&mut *changing).await? {
                return Err(StoreError::NotFound("face"));
            }
        }
        if let Some(known) = person(&mut changing, employee, model, None, keys).await? {
            let distance = known.template().and_then(|known| Ok(known.distance(&draft.encoding)?));
            let distance = distance.map_err(|_| StoreError::Conflict(Conflict::UnreadableFaces))?;
            if !distance.is_match(threshold) {
                let conflict = Conflict::AnotherPerson { distance, threshold };
                return Err(StoreError::Conflict(conflict));
            }
        }
        let (face, size) = (FaceId::generate(), draft.encoding.values().len() as i32);
        let row = Row { employee, face, model, size };
        let sealed = row.seal(keys, &Zeroizing::new(draft.encoding.to_le_bytes()))?;
        let face = sqlx::query_as!(
            FaceRow,
            "insert into face_encodings
                 (id, employee_id, model_id, encoding, size, pupil_distance_px, brightness,
                  sharpness, yaw, pitch, roll_degrees, photo_sha256)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
             returning id, employee_id, model_id, pupil_distance_px, brightness, sharpness, yaw,
                 pitch, roll_degrees, created_at",
            face.0,
            employee.0,
            model.as_str(),
            sealed.into_bytes(),
            size,
            draft.quality.pupil_distance_px,
            draft.quality.brightness,
            draft.quality.sharpness,
            draft.quality.yaw,
            draft.quality.pitch,
            draft.quality.roll_degrees,
            &draft.photo_sha256,
        )
        .fetch_one(&mut *changing)
        .await?;
        if let Some(picture) = &draft.picture {
            let face = FaceId(face.id);
            photos::keep(&mut changing, keys, employee, face, picture, draft.follows).await?;
        }
        let faces = sqlx::query_scalar!(
            r#"select count(*) as "count!" from face_encodings
               where employee_id = $1 and model_id = $2"#,
            employee.0,
            model.as_str(),
        )
        .fetch_one(&mut *changing)
        .await?;
        if faces > i64::from(faces_max) {
            return Err(StoreError::Conflict(Conflict::TooManyFaces { faces_max }));
        }
        if !look_alikes.is_empty() {
            require_badge(&mut changing, &people).await?;
        }
        changing.commit().await?;
        Ok(face.into())
    }

    /// The faces of an employee, of every model, oldest first.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such employee.
    pub async fn faces(&self, employee: EmployeeId) -> Result<Vec<Face>, StoreError> {
        let faces: Vec<Face> = sqlx::query_as!(
            FaceRow,
            "select id, employee_id, model_id, pupil_distance_px, brightness, sharpness, yaw,
                 pitch, roll_degrees, created_at
             from face_encodings where employee_id = $1 order by id",
            employee.0,
        )
        .fetch_all(&self.pool)
        .await?
        .into_iter()
        .map(Face::from)
        .collect();
        if faces.is_empty() {
            self.employee(employee).await?;
        }
        Ok(faces)
    }

    /// Removes one face of an employee, and with it what other models made of the same photo: it would come back by
    /// another change of the encoder.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the employee has no such face.
    pub async fn delete_face(
        &self,
        author: &Author,
        employee: EmployeeId,
        face: FaceId,
    ) -> Result<(), StoreError> {
        let mut changing = self.changing(author).await?;
        match changing.guard(employee).await {
            // Whoever does not exist has no face.
            Err(StoreError::NotFound(_)) => return Err(StoreError::NotFound("face")),
            guarded => guarded?,
        };
        let deleted = sqlx::query!(
            "delete from face_encodings where employee_id = $2 and photo_sha256 =
                 (select photo_sha256 from face_encodings where id = $1 and employee_id = $2)",
            face.0,
            employee.0,
        )
        .execute(&mut *changing)
        .await?
        .rows_affected();
        if deleted == 0 {
            return Err(StoreError::NotFound("face"));
        }
        changing.commit().await
    }

    /// Removes an employee's templates of every model but `model`; returns how many.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn delete_faces_of_other_models(
        &self,
        author: &Author,
        employee: EmployeeId,
        model: &ModelId,
    ) -> Result<u64, StoreError> {
        let mut changing = self.changing(author).await?;
        let deleted = sqlx::query!(
            "delete from face_encodings where employee_id = $1 and model_id <> $2",
            employee.0,
            model.as_str(),
        )
        .execute(&mut *changing)
        .await?;
        changing.commit().await?;
        Ok(deleted.rows_affected())
    }

    /// Removes every template of `model`; returns how many.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn delete_faces_of_model(
        &self,
        author: &Author,
        model: &ModelId,
    ) -> Result<u64, StoreError> {
        let mut changing = self.changing(author).await?;
        let deleted =
            sqlx::query!("delete from face_encodings where model_id = $1", model.as_str())
                .execute(&mut *changing)
                .await?;
        changing.commit().await?;
        Ok(deleted.rows_affected())
    }

    /// How many people have templates, but none of these models, and the names of at most `limit` of them. Whoever is
    /// revoked misses none; whoever is blocked would no longer be known.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn people_without(
        &self,
        models: &[&ModelId],
        limit: u32,
    ) -> Result<(u64, Vec<(EmployeeId, String)>), StoreError> {
        let people = sqlx::query!(
            r#"select e.id, e.name, count(*) over () as "people!" from employees e
               where e.status <> 'revoked'
                 and exists (select from face_encodings f where f.employee_id = e.id)
                 and not exists (select from face_encodings f
                                 where f.employee_id = e.id and f.model_id = any($1))
               order by e.id limit $2"#,
            &models.iter().map(|model| model.to_string()).collect::<Vec<_>>(),
            i64::from(limit),
        )
        .fetch_all(&self.pool)
        .await?;
        let count = people.first().map_or(0, |row| row.people.unsigned_abs());
        Ok((count, people.into_iter().map(|row| (EmployeeId(row.id), row.name)).collect()))
    }

    /// Whether this photo is enrolled for the employee with this model.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn has_photo(
        &self,
        employee: EmployeeId,
        model: &ModelId,
        photo_sha256: &[u8; 32],
    ) -> Result<bool, StoreError> {
        Ok(sqlx::query_scalar!(
            r#"select exists (select from face_encodings
               where employee_id = $1 and model_id = $2 and photo_sha256 = $3) as "exists!""#,
            employee.0,
            model.as_str(),
            photo_sha256,
        )
        .fetch_one(&self.pool)
        .await?)
    }

    /// How many templates each model has.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn faces_by_model(&self) -> Result<Vec<(ModelId, u64)>, StoreError> {
        let counts = within(self.patience, async {
            let counts = sqlx::query!(
                r#"select model_id, count(*) as "count!" from face_encodings
                   group by model_id order by model_id"#
            );
            Ok(counts.fetch_all(&self.pool).await?)
        })
        .await?;
        Ok(counts.into_iter().map(|c| (ModelId::new(c.model_id), c.count.unsigned_abs())).collect())
    }

    /// The next people with faces of `model` after one, in the order of their ids; empty after the last. Those are left
    /// out who have a face of `except`.
    /// Each page is a statement of its own, so that a large gallery does not run into the time that
    /// one statement may take; it names both tables' ids, so that neither index is read from its start.
    ///
    /// # Errors
    /// When Postgres does not answer, or a template cannot be read.
    pub async fn gallery_page(
        &self,
        model: &ModelId,
        except: Option<&ModelId>,
        after: Option<EmployeeId>,
    ) -> Result<Vec<GalleryRow>, StoreError> {
        let keys = self.keyring()?;
        let people = within(self.patience, async {
            let people = sqlx::query_as!(
                PersonRow,
                r#"select e.id as employee_id, e.status,
                     array_agg(f.id order by f.id) as "face_ids!",
                     array_agg(f.encoding order by f.id) as "encodings!",
                     array_agg(f.size order by f.id) as "sizes!"
                 from employees e join face_encodings f on f.employee_id = e.id
                 where f.model_id = $1 and e.id > $2 and f.employee_id > $2
                   and ($4::text is null or not exists (
                       select from face_encodings n where n.employee_id = e.id and n.model_id = $4))
                 group by e.id order by e.id limit $3"#,
                model.as_str(),
                after.map_or(Uuid::nil(), |employee| employee.0),
                i64::from(self.gallery_page_people),
                except.map(ModelId::as_str),
            );
            Ok(people.fetch_all(&self.pool).await?)
        });
        people.await?.into_iter().map(|row| row.into_gallery_row(model, keys)).collect()
    }

    /// One employee with the faces of `model`; none when there are no such faces, or there is one of `except`.
    ///
    /// # Errors
    /// When Postgres does not answer, or a template cannot be read.
    pub async fn gallery_of(
        &self,
        employee: EmployeeId,
        model: &ModelId,
        except: Option<&ModelId>,
    ) -> Result<Option<GalleryRow>, StoreError> {
        let keys = self.keyring()?;
        within(self.patience, async {
            person(&mut *self.pool.acquire().await?, employee, model, except, keys).await
        })
        .await
    }
}

/// One employee with the faces of `model`; none when there are no such faces, or there is one of `except`.
async fn person(
    connection: &mut PgConnection,
    employee: EmployeeId,
    model: &ModelId,
    except: Option<&ModelId>,
    keys: &Arc<Keyring>,
) -> Result<Option<GalleryRow>, StoreError> {
    sqlx::query_as!(
        PersonRow,
        r#"select e.id as employee_id, e.status,
             array_agg(f.id order by f.id) as "face_ids!",
             array_agg(f.encoding order by f.id) as "encodings!",
             array_agg(f.size order by f.id) as "sizes!"
         from employees e join face_encodings f on f.employee_id = e.id
         where e.id = $1 and f.model_id = $2
           and ($3::text is null or not exists (
               select from face_encodings n where n.employee_id = e.id and n.model_id = $3))
         group by e.id"#,
        employee.0,
        model.as_str(),
        except.map(ModelId::as_str),
    )
    .fetch_optional(connection)
    .await?
    .map(|row| row.into_gallery_row(model, keys))
    .transpose()
}
