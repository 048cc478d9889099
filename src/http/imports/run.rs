//! One run of an import: rows are read, looked at, and settled one after another in their order.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use axum::body::Body;
use futures_util::TryStreamExt;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinHandle;
use tracing::{info, warn};

use super::intake::{End, Intake, Looked, Looking, Seen};
use super::row::Person;
use super::upload::{Arrived, parts};
use super::{Format, archive, lines, person};
use crate::access::{EnrolmentError, enroll, resemblances};
use crate::domain::{
    Author, EmployeeStatus, Import, ImportProblem, ImportProgress, ImportRow, ImportState,
    RowCounts, RowOutcome, Validity,
};
use crate::http::faces::Duplicates;
use crate::http::{AppState, Problem, alarm};
use crate::store::{Conflict, Member, StoreError};

/// Results that are stored together,
const RESULTS_AT_ONCE: usize = 100;

/// or fewer once this time has passed.
const RESULTS_EVERY: Duration = Duration::from_secs(1);

/// How often it is said that the import goes on while nothing comes.
const SIGN_OF_LIFE: Duration = Duration::from_secs(5);

/// A run of an import.
#[derive(Debug)]
pub(super) struct Run {
    pub state: AppState,
    pub author: Author,
    pub import: Import,
    pub format: Format,
    pub duplicates: Duplicates,
    /// Its place among the imports that run.
    pub _place: OwnedSemaphorePermit,
}

impl Run {
    /// Imports what comes, to its end.
    ///
    /// # Errors
    /// Why not all of it was read; what was stands.
    pub async fn import(self, body: Body) -> Result<Import, Problem> {
        let arrived = Arc::new(Arrived::default());
        let stopping = self.state.stopping.clone();
        let silence_max = self.state.settings.request_timeout;
        let body = parts(body, silence_max, stopping, Arc::clone(&arrived));
        let mut body = Box::pin(body).into_async_read();
        let (intake, looking) = Intake::new(self.state.clone(), Arc::clone(&arrived));
        let format = self.format;
        let reading = async move {
            match format {
                Format::Zip => archive::read(&mut body, &intake).await,
                Format::Ndjson => lines::read(&mut body, &intake).await,
            }
        };
        let mut results = Results::new(&self.state, &self.import, arrived);
        let (read, settled) = {
            let mut reading = std::pin::pin!(reading);
            let mut settling = std::pin::pin!(self.settle_all(looking, &mut results));
            tokio::select! {
                biased;
                read = &mut reading => (read, settling.await),
                // Before all was read: only where something stopped it.
                settled = &mut settling => (Err(End::Unwanted), settled),
            }
        };
        let (state, problem) = match (settled, read) {
            (Err(problem), _) | (Ok(()), Err(End::Interrupted(problem))) => {
                (ImportState::Interrupted, Some(problem))
            }
            (Ok(()), Err(End::Broken(problem))) => (ImportState::Broken, Some(problem)),
            (Ok(()), Err(End::Unwanted)) => {
                let problem = Problem::internal("rows of an import were left");
                (ImportState::Interrupted, Some(problem))
            }
            (Ok(()), Ok(())) => (ImportState::Finished, None),
        };
        let id = self.import.id;
        let problem = problem.map(|problem| problem.of(&format!("import {id}")));
        let noted = problem.as_ref().map(|problem| ImportProblem {
            code: problem.code().to_owned(),
            detail: problem.detail().to_owned(),
        });
        let ended = results.end(state, noted.as_ref()).await;
        info!(import = %id, state = state.code(), code = noted.map(|p| p.code), "an import ended");
        match (problem, ended) {
            (Some(problem), Ok(_)) => Err(problem),
            (Some(problem), Err(error)) => {
                warn!(%error, import = %id, "the end of an import was not noted");
                Err(problem)
            }
            (None, ended) => Ok(ended?),
        }
    }

    /// Settles rows until there are no more.
    async fn settle_all(
        &self,
        mut looking: Looking,
        results: &mut Results<'_>,
    ) -> Result<(), Problem> {
        while let Some(row) = results.meanwhile(looking.recv()).await? {
            let row = looked(results, row).await?;
            let limit = self.state.settings.request_timeout;
            let settled = tokio::time::timeout(limit, self.settle(row)).await;
            results.push(settled.map_err(|_| silent(limit))??).await?;
        }
        Ok(())
    }

    /// What becomes of a row.
    ///
    /// # Errors
    /// Where it would be the same with every other: the key was revoked, Postgres does not answer.
    async fn settle(&self, Looked { line, label, seen }: Looked) -> Result<ImportRow, Problem> {
        let mut row = ImportRow {
            line,
            person: label,
            outcome: RowOutcome::Refused,
            refusal: None,
            employee_id: None,
            face_id: None,
            looks_like: None,
        };
        let settled = match seen {
            Ok((person, seen)) => self.carry_out(&person, seen, &mut row).await,
            Err(problem) => Err(problem),
        };
        match settled {
            Ok(outcome) => row.outcome = outcome,
            Err(problem) if problem.is_about_all() => return Err(problem),
            Err(problem) => {
                row.refusal = Some(ImportProblem {
                    code: problem.code().to_owned(),
                    detail: problem.detail().to_owned(),
                });
            }
        }
        Ok(row)
    }

    /// Does what a row says. Whatever can be refused beforehand is, so that it is done whole or not at all; where
    /// it is cut short the next run does the rest.
    async fn carry_out(
        &self,
        person: &Person,
        seen: Seen,
        row: &mut ImportRow,
    ) -> Result<RowOutcome, Problem> {
        let Self { state, author, .. } = self;
        let store = &state.store;
        let known = person::find(store, person).await?;
        row.employee_id = known.as_ref().map(|known| known.id);
        let groups = person::groups(store, person).await?;
        if let Seen::View { view, .. } = &seen {
            let like = resemblances(&state.matcher, row.employee_id, view).await?;
            row.looks_like = like.nearest;
            let is_blocked = known.as_ref().is_some_and(|k| k.status == EmployeeStatus::Blocked);
            if let Some(blocked) = like.blocked.filter(|_| !is_blocked) {
                alarm::raise_for_face(&state.metrics, row.employee_id, blocked);
            }
            if let (Some(other), Duplicates::Refuse) = (like.nearest, self.duplicates) {
                return Err(EnrolmentError::Duplicate(other).into());
            }
            if known.is_none()
                && state.settings.consent_required
                && person.consent_version.is_none()
            {
                return Err(Conflict::ConsentMissing.into());
            }
        }
        let mut changed = false;
        let (employee, created) = match &known {
            Some(known) => (known.id, false),
            None => (store.create_employee(author, person::new(person)?).await?.id, true),
        };
        row.employee_id = Some(employee);
        if let Some(version) = &person.consent_version {
            let consents = store.consents(employee).await?;
            let holds = consents
                .iter()
                .any(|consent| consent.text_version == *version && consent.withdrawn_at.is_none());
            if !holds {
                store.give_consent(author, employee, version, None).await?;
                changed = true;
            }
        }
        if let Seen::View { view, sha256 } = seen {
            let rules = state.settings.enrolment_rules();
            let enrolled =
                enroll(store, &state.matcher, author, rules, employee, *view, sha256).await;
            match enrolled {
                Ok(enrolled) => {
                    row.face_id = Some(enrolled.face.id);
                    let looks_like = enrolled.looks_like.as_ref();
                    row.looks_like = looks_like.map(|other| state.matcher.resemblance(other));
                }
                // Somebody else was faster.
                Err(EnrolmentError::Store(StoreError::Conflict(
                    Conflict::PhotoAlreadyEnrolled,
                ))) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if let Some(known) = &known {
            let change = person::change(person, known);
            if change.is_more_than_status() {
                store.change_employee(author, employee, change).await?;
                changed = true;
            }
        }
        if !groups.is_empty() {
            let already = store.access(employee).await?;
            for group_id in groups {
                // Who is a member stays one from when and until when they are.
                if !already.iter().any(|access| access.group_id == group_id) {
                    let validity = Validity::default();
                    let member = Member { group_id, employee_id: employee, validity };
                    store.set_member(author, member).await?;
                    changed = true;
                }
            }
        }
        Ok(match (row.face_id, created, changed) {
            (Some(_), ..) => RowOutcome::Enrolled,
            (None, true, _) => RowOutcome::Created,
            (None, false, true) => RowOutcome::Updated,
            (None, false, false) => RowOutcome::Unchanged,
        })
    }
}

/// Postgres did not answer for so long.
fn silent(limit: Duration) -> Problem {
    let detail = format!("the database did not answer within {} ms", limit.as_millis());
    Problem::unavailable("database_unavailable", detail)
}

/// A row, once it was looked at.
async fn looked(results: &mut Results<'_>, row: JoinHandle<Looked>) -> Result<Looked, Problem> {
    let row = results.meanwhile(row).await?;
    row.map_err(Problem::internal)
}

/// What became of the rows, stored a few at a time.
struct Results<'r> {
    state: &'r AppState,
    import: &'r Import,
    arrived: Arc<Arrived>,
    counts: RowCounts,
    rows: Vec<ImportRow>,
    stored_at: Instant,
}

impl<'r> Results<'r> {
    fn new(state: &'r AppState, import: &'r Import, arrived: Arc<Arrived>) -> Self {
        let (counts, rows) = (RowCounts::default(), Vec::new());
        Self { state, import, arrived, counts, rows, stored_at: Instant::now() }
    }

    /// Waits for something, and says meanwhile that the import goes on.
    async fn meanwhile<T>(&mut self, awaited: impl Future<Output = T>) -> Result<T, Problem> {
        let mut awaited = std::pin::pin!(awaited);
        loop {
            match tokio::time::timeout(SIGN_OF_LIFE, &mut awaited).await {
                Ok(came) => return Ok(came),
                Err(_) => self.store().await?,
            }
        }
    }

    async fn push(&mut self, row: ImportRow) -> Result<(), Problem> {
        let metric = match row.outcome {
            RowOutcome::Enrolled => Some("enrolled"),
            RowOutcome::Refused => Some("refused"),
            _ => None,
        };
        if let Some(outcome) = metric {
            self.state.metrics.outcome("import", outcome);
        }
        self.counts.count(row.outcome);
        self.rows.push(row);
        if self.rows.len() >= RESULTS_AT_ONCE || self.stored_at.elapsed() >= RESULTS_EVERY {
            self.store().await?;
        }
        Ok(())
    }

    async fn store(&mut self) -> Result<(), Problem> {
        let progress = self.progress();
        let noted = self.state.store.note_import(self.import, &progress, &self.rows);
        let limit = self.state.settings.request_timeout;
        tokio::time::timeout(limit, noted).await.map_err(|_| silent(limit))??;
        self.rows.clear();
        self.stored_at = Instant::now();
        Ok(())
    }

    async fn end(
        self,
        state: ImportState,
        problem: Option<&ImportProblem>,
    ) -> Result<Import, StoreError> {
        let (progress, store) = (self.progress(), &self.state.store);
        store.end_import(self.import, &progress, &self.rows, state, problem).await
    }

    fn progress(&self) -> ImportProgress {
        ImportProgress {
            bytes_read: self.arrived.bytes.load(Ordering::Relaxed),
            rows_listed: self.arrived.rows_listed.get().copied(),
            rows: self.counts,
            photos_unnamed: self.arrived.photos_unnamed.load(Ordering::Relaxed),
        }
    }
}
