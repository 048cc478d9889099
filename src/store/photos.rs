//! The table `face_photos`: pictures of enrolled faces, where the site keeps them. Sealed as templates are, each for
//! its face and person.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::sealing::key_id;
use super::{Store, StoreError};
use crate::domain::{Author, EmployeeId, FaceId, FacePicture};
use crate::secrets::{Context, KeyId, Keyring, OpenError, Purpose, Sealed};

/// Photos that are sealed anew in one transaction: some 6 MB.
const RESEALED_AT_ONCE: i64 = 64;

/// Photos that are purged in one transaction.
const PURGED_AT_ONCE: i64 = 500;

/// What one step of a resealing of photos did.
#[derive(Debug)]
pub struct ResealedPhotos {
    /// The last photo that it looked at: the next step goes on after it.
    pub last: FaceId,
    /// How many are sealed under the first key now, which were not before.
    pub photos: u64,
    /// Those that do not open, and why.
    pub unopened: Vec<(FaceId, OpenError)>,
}

/// The row that a photo belongs to. Its bytes open in no other.
fn context(employee: EmployeeId, face: FaceId) -> Context {
    Context::new("face photo").field(employee.0.as_bytes()).field(face.0.as_bytes())
}

fn open(
    keys: &Keyring,
    employee: EmployeeId,
    face: FaceId,
    stored: Vec<u8>,
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    keys.open(Purpose::Photo, &context(employee, face), &Sealed::parse(stored)?)
}

fn unopened(face: FaceId, error: &OpenError) -> StoreError {
    StoreError::corrupt(format!("the photo of face {face}: {error}"))
}

impl Store {
    /// The photos that are kept of a person, as JPEG, in the order of the faces.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when one does not open in its place.
    pub async fn photos(
        &self,
        employee: EmployeeId,
    ) -> Result<Vec<(FaceId, Zeroizing<Vec<u8>>)>, StoreError> {
        let keys = self.keyring()?;
        let rows = sqlx::query!(
            "select id, encoding from face_photos where employee_id = $1 order by id",
            employee.0,
        );
        let rows = rows.fetch_all(&self.pool).await?.into_iter();
        rows.map(|row| {
            let face = FaceId(row.id);
            let photo = open(keys, employee, face, row.encoding);
            Ok((face, photo.map_err(|error| unopened(face, &error))?))
        })
        .collect()
    }

    /// The photo that is kept of a face, as JPEG; none where none is kept any more.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when it does not open in its place.
    pub async fn photo(
        &self,
        employee: EmployeeId,
        face: FaceId,
    ) -> Result<Option<FacePicture>, StoreError> {
        let keys = self.keyring()?;
        let stored = sqlx::query_scalar!(
            "select encoding from face_photos where id = $1 and employee_id = $2",
            face.0,
            employee.0,
        );
        let Some(stored) = stored.fetch_optional(&self.pool).await? else { return Ok(None) };
        let photo = open(keys, employee, face, stored);
        let photo = photo.map_err(|error| unopened(face, &error))?;
        Ok(Some(FacePicture::new(photo.to_vec())))
    }

    /// How many photos are sealed under each key.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn photos_by_key(&self) -> Result<Vec<(KeyId, u64)>, StoreError> {
        let counts = sqlx::query!(
            r#"select key_id as "key_id!", count(*) as "count!" from face_photos
               group by key_id order by key_id"#
        );
        let counts = counts.fetch_all(&self.pool).await?.into_iter();
        counts.map(|row| Ok((key_id(row.key_id)?, row.count.unsigned_abs()))).collect()
    }

    /// Seals the next photos after `after` under the first key, if they are under another; none after the last.
    ///
    /// # Errors
    /// When Postgres does not answer, or the system gives no random numbers.
    pub async fn reseal_photos(
        &self,
        after: Option<FaceId>,
    ) -> Result<Option<ResealedPhotos>, StoreError> {
        let keys = self.keyring()?;
        let seals = keys.sealing_id();
        let mut transaction = self.pool.begin().await?;
        let rows = sqlx::query!(
            "select id, employee_id, encoding from face_photos
             where key_id <> $1 and id > $2 order by id limit $3 for no key update",
            seals.as_bytes(),
            after.map_or(Uuid::nil(), |face| face.0),
            RESEALED_AT_ONCE,
        )
        .fetch_all(&mut *transaction)
        .await?;
        let Some(last) = rows.last().map(|row| FaceId(row.id)) else { return Ok(None) };
        let mut step = ResealedPhotos { last, photos: 0, unopened: Vec::new() };
        for row in rows {
            let (employee, face) = (EmployeeId(row.employee_id), FaceId(row.id));
            let photo = match open(keys, employee, face, row.encoding) {
                Ok(photo) => photo,
                Err(error) => {
                    step.unopened.push((face, error));
                    continue;
                }
            };
            let sealed = keys.seal(Purpose::Photo, &context(employee, face), &photo)?;
            sqlx::query!(
                "update face_photos set encoding = $2 where id = $1",
                face.0,
                sealed.as_bytes(),
            )
            .execute(&mut *transaction)
            .await?;
            step.photos += 1;
        }
        transaction.commit().await?;
        Ok(Some(step))
    }

    /// Removes every photo that is sealed under `key`; returns how many.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn delete_photos_of_key(
        &self,
        author: &Author,
        key: KeyId,
    ) -> Result<u64, StoreError> {
        let mut changing = self.changing(author).await?;
        let deleted =
            sqlx::query!("delete from face_photos where key_id = $1", key.as_bytes().as_slice())
                .execute(&mut *changing)
                .await?;
        changing.commit().await?;
        Ok(deleted.rows_affected())
    }

    /// Removes the oldest photos, if they were taken before a moment; returns how many. The faces stay. Called
    /// again until none is left.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn purge_photos(
        &self,
        author: &Author,
        before: DateTime<Utc>,
    ) -> Result<u64, StoreError> {
        let mut changing = self.changing(author).await?;
        let purged = sqlx::query!(
            "delete from face_photos where id in (
                 select id from face_photos where created_at < $1 order by created_at limit $2)",
            before,
            PURGED_AT_ONCE,
        )
        .execute(&mut *changing)
        .await?;
        changing.commit().await?;
        Ok(purged.rows_affected())
    }
}

/// Keeps the picture of a face, in the transaction that enrols it. A picture that is kept of another face already goes
/// on being kept from when that was; where its time is over meanwhile, it is over for this one too.
pub(super) async fn keep(
    connection: &mut PgConnection,
    keys: &Keyring,
    employee: EmployeeId,
    face: FaceId,
    picture: &FacePicture,
    follows: Option<FaceId>,
) -> Result<(), StoreError> {
    let sealed = keys.seal(Purpose::Photo, &context(employee, face), picture.as_bytes())?;
    sqlx::query!(
        "insert into face_photos (id, employee_id, encoding, created_at)
         select $1, $2, $3, since from (
             select created_at as since from face_photos where id = $4
             union all
             select now() where $4::uuid is null) as kept",
        face.0,
        employee.0,
        sealed.as_bytes(),
        follows.map(|face| face.0),
    )
    .execute(connection)
    .await?;
    Ok(())
}
