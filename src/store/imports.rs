//! The tables `imports` and `import_rows`.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Conflict, Store, StoreError};
use crate::domain::{
    Author, BadgeId, Distance, EmployeeId, EmployeeName, FaceId, Import, ImportId, ImportKey,
    ImportProblem, ImportProgress, ImportRow, ImportState, Likeness, Resemblance, RowCounts,
    RowOutcome,
};

/// Seconds after which an import that runs and was not heard of is taken for interrupted: its replica is gone.
const SILENT_SECONDS_MAX: f64 = 30.0;

/// A row of an import, and who it is that its face is like.
#[derive(Clone, Debug, PartialEq)]
pub struct ImportedRow {
    /// The row.
    pub row: ImportRow,
    /// How the other is called, and their badge, if they are still there.
    pub looks_like: Option<(EmployeeName, Option<BadgeId>)>,
}

/// A statement that gives whole rows, from what stands before the columns and after them; $1 is
/// [`SILENT_SECONDS_MAX`].
macro_rules! import_row {
    ($before:literal, $after:literal $(, $value:expr)* $(,)?) => {
        sqlx::query_as!(
            ImportRecord,
            $before
                + r#"id, key,
                 case when state = 'running' and heard_at < now() - make_interval(secs => $1)
                      then 'interrupted' else state end as "state!",
                 run, bytes_read, rows_listed, enrolled, created, updated, unchanged, refused,
                 photos_unnamed, problem_code, problem_detail, started_at,
                 case when state = 'running' and heard_at < now() - make_interval(secs => $1)
                      then heard_at else ended_at end as ended_at"#
                + $after,
            SILENT_SECONDS_MAX
            $(, $value)*
        )
    };
}

struct ImportRecord {
    id: Uuid,
    key: Option<String>,
    state: String,
    run: i32,
    bytes_read: i64,
    rows_listed: Option<i64>,
    enrolled: i64,
    created: i64,
    updated: i64,
    unchanged: i64,
    refused: i64,
    photos_unnamed: i64,
    problem_code: Option<String>,
    problem_detail: Option<String>,
    started_at: DateTime<Utc>,
    ended_at: Option<DateTime<Utc>>,
}

impl TryFrom<ImportRecord> for Import {
    type Error = StoreError;

    fn try_from(row: ImportRecord) -> Result<Self, StoreError> {
        let key = row.key.map(ImportKey::try_from).transpose();
        Ok(Self {
            id: ImportId(row.id),
            key: key.map_err(StoreError::corrupt)?,
            state: stored(&ImportState::ALL, ImportState::code, &row.state)?,
            run: row.run.unsigned_abs(),
            progress: ImportProgress {
                bytes_read: row.bytes_read.unsigned_abs(),
                rows_listed: row.rows_listed.map(i64::unsigned_abs),
                rows: RowCounts {
                    enrolled: row.enrolled.unsigned_abs(),
                    created: row.created.unsigned_abs(),
                    updated: row.updated.unsigned_abs(),
                    unchanged: row.unchanged.unsigned_abs(),
                    refused: row.refused.unsigned_abs(),
                },
                photos_unnamed: row.photos_unnamed.unsigned_abs(),
            },
            problem: problem(row.problem_code, row.problem_detail),
            started_at: row.started_at,
            ended_at: row.ended_at,
        })
    }
}

fn problem(code: Option<String>, detail: Option<String>) -> Option<ImportProblem> {
    Some(ImportProblem { code: code?, detail: detail.unwrap_or_default() })
}

fn stored<T: Copy>(all: &[T], code: fn(T) -> &'static str, text: &str) -> Result<T, StoreError> {
    let value = all.iter().copied().find(|value| code(*value) == text);
    value.ok_or_else(|| StoreError::corrupt(format!("code {text:?}")))
}

impl Store {
    /// Begins an import, or goes on with the one that the same author called so: its rows are then replaced as they
    /// come again.
    ///
    /// # Errors
    /// [`Conflict::ImportRunning`] while that one runs.
    pub async fn begin_import(
        &self,
        author: &Author,
        key: Option<&ImportKey>,
    ) -> Result<Import, StoreError> {
        let mut changing = self.changing(author).await?;
        let begun = import_row!(
            "insert into imports as i (id, created_by, key) values ($2, $3, $4)
             on conflict (created_by, key) do update set
                 state = 'running', run = i.run + 1, bytes_read = 0, rows_listed = null, enrolled = 0,
                 created = 0, updated = 0, unchanged = 0, refused = 0, photos_unnamed = 0,
                 problem_code = null, problem_detail = null, started_at = now(), heard_at = now(),
                 ended_at = null
             where i.state <> 'running' or i.heard_at < now() - make_interval(secs => $1)
             returning ",
            "",
            ImportId::generate().0,
            author.key_id.map(|id| id.0),
            key.map(ImportKey::as_str),
        )
        .fetch_optional(&mut *changing)
        .await?
        .ok_or(StoreError::Conflict(Conflict::ImportRunning))?
        .try_into()?;
        changing.commit().await?;
        Ok(begun)
    }

    /// Notes how far a run of an import is, and what became of these rows, each of another line.
    ///
    /// # Errors
    /// [`Conflict::ImportRunning`] when the run is not the import's any more: another goes on with it.
    pub async fn note_import(
        &self,
        import: &Import,
        progress: &ImportProgress,
        rows: &[ImportRow],
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        note_progress(&mut transaction, import, progress, ImportState::Running, None).await?;
        note_rows(&mut transaction, import, rows).await?;
        Ok(transaction.commit().await?)
    }

    /// Notes how a run of an import ended.
    ///
    /// # Errors
    /// As [`note_import`](Self::note_import).
    pub async fn end_import(
        &self,
        import: &Import,
        progress: &ImportProgress,
        rows: &[ImportRow],
        state: ImportState,
        problem: Option<&ImportProblem>,
    ) -> Result<Import, StoreError> {
        let mut transaction = self.pool.begin().await?;
        note_progress(&mut transaction, import, progress, state, problem).await?;
        note_rows(&mut transaction, import, rows).await?;
        if state == ImportState::Finished {
            sqlx::query!(
                "delete from import_rows where import_id = $1 and run <> $2",
                import.id.0,
                import.run.cast_signed(),
            )
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        self.import(import.id).await
    }

    /// The import with this id.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is none.
    pub async fn import(&self, id: ImportId) -> Result<Import, StoreError> {
        import_row!("select ", " from imports where id = $2", id.0)
            .fetch_optional(&self.pool)
            .await?
            .ok_or(StoreError::NotFound("import"))?
            .try_into()
    }

    /// At most `limit` imports, those first that were made last, beginning before the one called `before`.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn imports(
        &self,
        key: Option<&ImportKey>,
        before: Option<ImportId>,
        limit: u32,
    ) -> Result<Vec<Import>, StoreError> {
        import_row!(
            "select ",
            " from imports
             where ($2::text is null or key = $2) and ($3::uuid is null or id < $3)
             order by id desc limit $4",
            key.map(ImportKey::as_str),
            before.map(|id| id.0),
            i64::from(limit),
        )
        .fetch_all(&self.pool)
        .await?
        .into_iter()
        .map(Import::try_from)
        .collect()
    }

    /// At most `limit` rows of an import in their order, beginning after the line `after`.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such import.
    pub async fn import_rows(
        &self,
        id: ImportId,
        outcome: Option<RowOutcome>,
        after: u64,
        limit: u32,
    ) -> Result<Vec<ImportedRow>, StoreError> {
        let rows = sqlx::query!(
            r#"select r.line, r.person, r.outcome, r.reason, r.detail, r.employee_id, r.created, r.face_id,
                 r.looks_like, r.likeness, r.distance, e.name as "name?", e.badge_id
               from import_rows r left join employees e on e.id = r.looks_like
               where r.import_id = $1 and r.line > $2 and ($3::text is null or r.outcome = $3)
               order by r.line limit $4"#,
            id.0,
            i64::try_from(after).unwrap_or(i64::MAX),
            outcome.map(RowOutcome::code),
            i64::from(limit),
        )
        .fetch_all(&self.pool)
        .await?;
        if rows.is_empty() {
            self.import(id).await?;
        }
        let read = rows.into_iter().map(|row| {
            let looks_like = match (row.looks_like, row.likeness, row.distance) {
                (Some(employee), Some(likeness), Some(distance)) => Some(Resemblance {
                    employee_id: EmployeeId(employee),
                    likeness: stored(&Likeness::ALL, Likeness::code, &likeness)?,
                    distance: Distance::try_from(distance).map_err(StoreError::corrupt)?,
                }),
                _ => None,
            };
            let name = row.name.map(EmployeeName::try_from).transpose();
            let badge = row.badge_id.map(BadgeId::try_from).transpose();
            let badge = badge.map_err(StoreError::corrupt)?;
            Ok(ImportedRow {
                row: ImportRow {
                    line: row.line.unsigned_abs(),
                    person: row.person,
                    outcome: stored(&RowOutcome::ALL, RowOutcome::code, &row.outcome)?,
                    refusal: problem(row.reason, row.detail),
                    employee_id: row.employee_id.map(EmployeeId),
                    created: row.created,
                    face_id: row.face_id.map(FaceId),
                    looks_like,
                },
                looks_like: name.map_err(StoreError::corrupt)?.map(|name| (name, badge)),
            })
        });
        read.collect()
    }

    /// What became of a person's rows, those of the newest import first; at most `limit`. Whom they are like is
    /// left out: it is about others.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn import_rows_of(
        &self,
        employee: EmployeeId,
        limit: u32,
    ) -> Result<Vec<(ImportId, ImportRow)>, StoreError> {
        let rows = sqlx::query!(
            "select import_id, line, person, outcome, reason, detail, created, face_id from import_rows
             where employee_id = $1 order by import_id desc, line limit $2",
            employee.0,
            i64::from(limit),
        )
        .fetch_all(&self.pool)
        .await?;
        let read = rows.into_iter().map(|row| {
            let read = ImportRow {
                line: row.line.unsigned_abs(),
                person: row.person,
                outcome: stored(&RowOutcome::ALL, RowOutcome::code, &row.outcome)?,
                refusal: problem(row.reason, row.detail),
                employee_id: Some(employee),
                created: row.created,
                face_id: row.face_id.map(FaceId),
                looks_like: None,
            };
            Ok((ImportId(row.import_id), read))
        });
        read.collect()
    }

    /// Takes a person out of all imports: rows that are theirs, by their id or, where they are nobody else's, by a
    /// badge or a name of theirs, however that is capitalised; and whom others' rows are like.
    pub(super) async fn erase_from_imports(
        &self,
        employee: EmployeeId,
        badges: &[String],
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query!(
            "delete from import_rows where employee_id = $1 or (employee_id is null and lower(person) in (
                 select $1::uuid::text
                 union all
                 select lower(badge) from unnest($2::text[]) as b (badge)
                 union all
                 select lower(told.name) from changes, lateral (values
                     (details::jsonb -> 'before' ->> 'name'), (details::jsonb -> 'after' ->> 'name')
                 ) as told (name)
                 where employee_id = $1 and kind = 'employees' and by_limen and told.name is not null))",
            employee.0,
            badges,
        )
        .execute(&mut *transaction)
        .await?;
        sqlx::query!(
            "update import_rows set looks_like = null, likeness = null, distance = null where looks_like = $1",
            employee.0,
        )
        .execute(&mut *transaction)
        .await?;
        Ok(transaction.commit().await?)
    }

    /// Removes the imports that ended before a moment, with their rows; returns how many.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn purge_imports(&self, before: DateTime<Utc>) -> Result<u64, StoreError> {
        let purged =
            sqlx::query!("delete from imports where coalesce(ended_at, heard_at) < $1", before);
        Ok(purged.execute(&self.pool).await?.rows_affected())
    }
}

async fn note_progress(
    connection: &mut PgConnection,
    import: &Import,
    progress: &ImportProgress,
    state: ImportState,
    problem: Option<&ImportProblem>,
) -> Result<(), StoreError> {
    let ImportProgress { bytes_read, rows_listed, rows, photos_unnamed } = progress;
    let noted = sqlx::query!(
        "update imports set bytes_read = $3, rows_listed = $4, enrolled = $5, created = $6, updated = $7,
             unchanged = $8, refused = $9, photos_unnamed = $10, state = $11, problem_code = $12,
             problem_detail = $13, heard_at = now(),
             ended_at = case when $11 = 'running' then null else now() end
         where id = $1 and run = $2 and state = 'running'",
        import.id.0,
        import.run.cast_signed(),
        bytes_read.cast_signed(),
        rows_listed.map(u64::cast_signed),
        rows.enrolled.cast_signed(),
        rows.created.cast_signed(),
        rows.updated.cast_signed(),
        rows.unchanged.cast_signed(),
        rows.refused.cast_signed(),
        photos_unnamed.cast_signed(),
        state.code(),
        problem.map(|problem| problem.code.as_str()),
        problem.map(|problem| problem.detail.as_str()),
    )
    .execute(connection)
    .await?;
    // Another replica goes on with it.
    if noted.rows_affected() == 0 {
        return Err(StoreError::Conflict(Conflict::ImportRunning));
    }
    Ok(())
}

async fn note_rows(
    connection: &mut PgConnection,
    import: &Import,
    rows: &[ImportRow],
) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let rows = &of_those_there(connection, rows).await?;
    let refusal = |row: &ImportRow| row.refusal.clone();
    let alike = |row: &ImportRow| row.looks_like;
    sqlx::query!(
        "insert into import_rows
             (import_id, line, run, person, outcome, reason, detail, employee_id, created, face_id,
              looks_like, likeness, distance)
         select $1::uuid, line, $2::int4, person, outcome, reason, detail, employee_id, created, face_id,
             looks_like, likeness, distance
         from unnest($3::int8[], $4::text[], $5::text[], $6::text[], $7::text[], $8::uuid[], $9::bool[],
                  $10::uuid[], $11::uuid[], $12::text[], $13::float4[])
             as n (line, person, outcome, reason, detail, employee_id, created, face_id, looks_like, likeness,
                   distance)
         on conflict (import_id, line) do update set
             run = excluded.run, person = excluded.person, outcome = excluded.outcome,
             reason = excluded.reason, detail = excluded.detail, employee_id = excluded.employee_id,
             -- Whoever was new in a run before was new in this import.
             created = excluded.created
                 or (import_rows.created and import_rows.employee_id is not distinct from excluded.employee_id),
             face_id = excluded.face_id, looks_like = excluded.looks_like, likeness = excluded.likeness,
             distance = excluded.distance",
        import.id.0,
        import.run.cast_signed(),
        &column(rows, |row| row.line.cast_signed()),
        &column(rows, |row| row.person.clone()),
        &column(rows, |row| row.outcome.code().to_owned()),
        &column(rows, |row| refusal(row).map(|refusal| refusal.code)) as &[Option<String>],
        &column(rows, |row| refusal(row).map(|refusal| refusal.detail)) as &[Option<String>],
        &column(rows, |row| row.employee_id.map(|id| id.0)) as &[Option<Uuid>],
        &column(rows, |row| row.created),
        &column(rows, |row| row.face_id.map(|id| id.0)) as &[Option<Uuid>],
        &column(rows, |row| alike(row).map(|other| other.employee_id.0)) as &[Option<Uuid>],
        &column(rows, |row| alike(row).map(|other| other.likeness.code().to_owned()))
            as &[Option<String>],
        &column(rows, |row| alike(row).map(|other| other.distance.value())) as &[Option<f32>],
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The rows, without whoever was removed since they were settled: whoever is erased in the meantime is not written
/// back. Those who are there stay until this transaction ends.
async fn of_those_there(
    connection: &mut PgConnection,
    rows: &[ImportRow],
) -> Result<Vec<ImportRow>, StoreError> {
    let named = rows.iter().flat_map(|row| {
        let like = row.looks_like.map(|other| other.employee_id);
        row.employee_id.into_iter().chain(like).map(|id| id.0)
    });
    let there = sqlx::query_scalar!(
        "select id from employees where id = any($1) order by id for key share",
        &named.collect::<Vec<_>>(),
    );
    let there: HashSet<_> = there.fetch_all(connection).await?.into_iter().collect();
    let is_gone = |employee: EmployeeId| !there.contains(&employee.0);
    let left = rows.iter().cloned().map(|mut row| {
        if row.employee_id.is_some_and(is_gone) {
            row.person.clear();
            (row.employee_id, row.face_id) = (None, None);
        }
        row.looks_like = row.looks_like.filter(|other| !is_gone(other.employee_id));
        row
    });
    Ok(left.collect())
}

fn column<T>(rows: &[ImportRow], value: impl Fn(&ImportRow) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}
