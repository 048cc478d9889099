//! A change of the encoder, as the table `face_encodings` shows it: which faces are of which model, and which photos
//! are kept of which the configured one can make its own.

use sqlx::PgConnection;
use uuid::Uuid;

use super::{Store, StoreError};
use crate::domain::{Author, EmployeeId, EmployeeStatus, FaceId, ModelId, Quality};

/// People whose old faces are removed in one transaction.
const DROPPED_AT_ONCE: i64 = 500;

/// A face of another model than the configured one, whose photo is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct OldFace {
    /// Its id.
    pub id: FaceId,
    /// Whose face it is.
    pub employee_id: EmployeeId,
    /// Who that is.
    pub name: String,
    /// The person's status.
    pub status: EmployeeStatus,
    /// What was measured of the photo, all of it.
    pub quality: Quality,
    /// SHA-256 of the photo's bytes.
    pub photo_sha256: [u8; 32],
}

/// How much there is of one model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelCount {
    /// Which.
    pub model: ModelId,
    /// Its faces.
    pub faces: u64,
    /// Whose they are.
    pub people: u64,
}

/// How far a change of the encoder has come: the faces of all other models.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reencoding {
    /// There is one of the model that was made of the same photo.
    pub moved: u64,
    /// There is none yet, and the photo is kept.
    pub to_move: u64,
    /// There is none, and no photo to make it of.
    pub without_photo: u64,
}

struct OldFaceRow {
    id: Uuid,
    employee_id: Uuid,
    name: String,
    status: String,
    pupil_distance_px: f32,
    brightness: f32,
    sharpness: f32,
    yaw: f32,
    pitch: f32,
    roll_degrees: f32,
    photo_sha256: Vec<u8>,
}

impl TryFrom<OldFaceRow> for OldFace {
    type Error = StoreError;

    fn try_from(row: OldFaceRow) -> Result<Self, StoreError> {
        let sha256 = row.photo_sha256.try_into();
        Ok(Self {
            id: FaceId(row.id),
            employee_id: EmployeeId(row.employee_id),
            name: row.name,
            status: EmployeeStatus::from_stored(&row.status)?,
            quality: Quality {
                pupil_distance_px: row.pupil_distance_px,
                brightness: row.brightness,
                sharpness: row.sharpness,
                yaw: row.yaw,
                pitch: row.pitch,
                roll_degrees: row.roll_degrees,
            },
            photo_sha256: sha256.map_err(|_| StoreError::corrupt("a SHA-256 has 32 bytes"))?,
        })
    }
}

impl Store {
    /// The next faces after `after` of other models than `model` whose photos are kept and of which there is none of
    /// `model` yet, in the order of their ids; empty after the last. Those of the blocked apart from everybody else's.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn faces_to_reencode(
        &self,
        model: &ModelId,
        blocked: bool,
        after: Option<FaceId>,
        limit: u32,
    ) -> Result<Vec<OldFace>, StoreError> {
        let faces = sqlx::query_as!(
            OldFaceRow,
            "select f.id, f.employee_id, e.name, e.status, f.pupil_distance_px, f.brightness, f.sharpness, f.yaw,
                 f.pitch, f.roll_degrees, f.photo_sha256
             from face_encodings f
             join employees e on e.id = f.employee_id
             join face_photos p on p.id = f.id
             where f.model_id <> $1 and (e.status = 'blocked') = $2 and f.id > $3 and not exists (
                 select from face_encodings n
                 where n.employee_id = f.employee_id and n.model_id = $1 and n.photo_sha256 = f.photo_sha256)
             order by f.id limit $4",
            model.as_str(),
            blocked,
            after.map_or(Uuid::nil(), |face| face.0),
            i64::from(limit),
        );
        faces.fetch_all(&self.pool).await?.into_iter().map(OldFace::try_from).collect()
    }

    /// How far the change to `model` has come.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn reencoding(&self, model: &ModelId) -> Result<Reencoding, StoreError> {
        let counts = sqlx::query!(
            r#"select count(*) filter (where moved) as "moved!",
                 count(*) filter (where not moved and kept) as "to_move!",
                 count(*) filter (where not moved and not kept) as "without_photo!"
               from (
                   select exists (select from face_photos p where p.id = f.id) as kept,
                     exists (select from face_encodings n where n.employee_id = f.employee_id
                             and n.model_id = $1 and n.photo_sha256 = f.photo_sha256) as moved
                   from face_encodings f where f.model_id <> $1) as faces"#,
            model.as_str(),
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(Reencoding {
            moved: counts.moved.unsigned_abs(),
            to_move: counts.to_move.unsigned_abs(),
            without_photo: counts.without_photo.unsigned_abs(),
        })
    }

    /// How many faces, and of how many people, each model has.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn models(&self) -> Result<Vec<ModelCount>, StoreError> {
        let counts = sqlx::query!(
            r#"select model_id, count(*) as "faces!", count(distinct employee_id) as "people!"
               from face_encodings group by model_id order by model_id"#
        );
        let counts = counts.fetch_all(&self.pool).await?.into_iter();
        Ok(counts
            .map(|row| ModelCount {
                model: ModelId::new(row.model_id),
                faces: row.faces.unsigned_abs(),
                people: row.people.unsigned_abs(),
            })
            .collect())
    }

    /// How many people have faces of `model` and none of `configured`, and the names of at most `limit` of them. Without
    /// those of `model` the revoked would miss none.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn people_with_only(
        &self,
        model: &ModelId,
        configured: &ModelId,
        limit: u32,
    ) -> Result<(u64, Vec<(EmployeeId, String)>), StoreError> {
        let people = sqlx::query!(
            r#"select e.id, e.name, count(*) over () as "people!" from employees e
               where e.status <> 'revoked'
                 and exists (select from face_encodings f where f.employee_id = e.id and f.model_id = $1)
                 and not exists (select from face_encodings f where f.employee_id = e.id and f.model_id = $2)
               order by e.id limit $3"#,
            model.as_str(),
            configured.as_str(),
            i64::from(limit),
        )
        .fetch_all(&self.pool)
        .await?;
        let count = people.first().map_or(0, |row| row.people.unsigned_abs());
        Ok((count, people.into_iter().map(|row| (EmployeeId(row.id), row.name)).collect()))
    }

    /// Removes some faces of `model`, of people who have one of `configured` or are revoked; returns how many. Called again until
    /// none is left: no transaction holds the trail up for long.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn drop_old_faces(
        &self,
        author: &Author,
        model: &ModelId,
        configured: &ModelId,
    ) -> Result<u64, StoreError> {
        let mut changing = self.changing(author).await?;
        let dropped = drop_some(&mut changing, model, configured).await?;
        changing.commit().await?;
        Ok(dropped)
    }
}

async fn drop_some(
    connection: &mut PgConnection,
    model: &ModelId,
    configured: &ModelId,
) -> Result<u64, StoreError> {
    // Under the lock that whoever adds or removes a face of theirs takes: the other face stays until the commit.
    let people = sqlx::query_scalar!(
        "select id from employees e
         where exists (select from face_encodings f where f.employee_id = e.id and f.model_id = $1)
           and (e.status = 'revoked' or exists (
               select from face_encodings f where f.employee_id = e.id and f.model_id = $2))
         order by id limit $3 for no key update",
        model.as_str(),
        configured.as_str(),
        DROPPED_AT_ONCE,
    )
    .fetch_all(&mut *connection)
    .await?;
    // Read again: what was waited for may have removed the other face.
    let dropped = sqlx::query!(
        "delete from face_encodings f using employees e
         where f.model_id = $1 and f.employee_id = any($3) and e.id = f.employee_id
           and (e.status = 'revoked' or exists (
               select from face_encodings o where o.employee_id = f.employee_id and o.model_id = $2))",
        model.as_str(),
        configured.as_str(),
        &people,
    )
    .execute(connection)
    .await?;
    Ok(dropped.rows_affected())
}
