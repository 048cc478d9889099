//! One run of an import: rows are read, looked at, and settled one after another in their order.

use std::collections::HashMap;
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
use crate::access::{EnrolmentError, Probe, Turn};
use crate::domain::{
    Author, Employee, EmployeeId, EmployeeStatus, FaceSeen, GroupId, Import, ImportProblem,
    ImportProgress, ImportRow, ImportState, RowCounts, RowOutcome, Sighting, TextVersion, Validity,
    View,
};
use crate::http::faces::Duplicates;
use crate::http::{AppState, Problem, alarm};
use crate::store::{Conflict, GROUPS_OF_ONE_MAX, Member, StoreError};

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
        let mut by_name = ByName::new();
        while let Some(row) = results.meanwhile(looking.recv()).await? {
            let row = looked(results, row).await?;
            let limit = self.state.settings.request_timeout;
            let settled = tokio::time::timeout(limit, self.settle(row, &mut by_name)).await;
            results.push(settled.map_err(|_| silent(limit))??).await?;
        }
        Ok(())
    }

    /// What becomes of a row.
    ///
    /// # Errors
    /// Where it would be the same with every other: the key was revoked, Postgres does not answer.
    async fn settle(
        &self,
        Looked { line, label, seen }: Looked,
        by_name: &mut ByName,
    ) -> Result<ImportRow, Problem> {
        let mut row = ImportRow {
            line,
            person: label,
            outcome: RowOutcome::Refused,
            refusal: None,
            employee_id: None,
            created: false,
            face_id: None,
            looks_like: None,
        };
        let settled = match seen {
            Ok((person, seen)) => self.carry_out(&person, seen, &mut row, by_name).await,
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
    /// it is cut short the next run does the rest. The face comes after all that may bar its person, so that a
    /// row which is refused gives nobody a face.
    async fn carry_out(
        &self,
        person: &Person,
        seen: Seen,
        row: &mut ImportRow,
        by_name: &mut ByName,
    ) -> Result<RowOutcome, Problem> {
        let Self { state, author, .. } = self;
        let store = &state.store;
        let known = person::find(store, person).await?;
        row.employee_id = known.as_ref().map(|known| known.id);
        let groups = self.groups(person, known.as_ref()).await?;
        let turn = match &seen {
            Seen::View { view, .. } => {
                let turn = state.enrolments.turn().await?;
                self.compare(&turn, known.as_ref(), view, row).await?;
                Some(turn)
            }
            _ => None,
        };
        let consent = self.consent(person, known.as_ref(), &seen).await?;
        let is_by_name = person.employee_id.is_none() && person.badge_id.is_none();
        if let Some(before) = row.employee_id.filter(|_| is_by_name).and_then(|id| by_name.get(&id))
        {
            person::same(person, before)?;
        }
        let mut changed = false;
        let (employee, created) = match &known {
            Some(known) => (known.id, false),
            None => (store.create_employee(author, person::new(person)?).await?.id, true),
        };
        (row.employee_id, row.created) = (Some(employee), created);
        if is_by_name {
            by_name.entry(employee).or_insert_with(|| person.clone());
        }
        if let Some(known) = &known {
            let change = person::change(person, known);
            if change.is_more_than_status() {
                store.change_employee(author, employee, change).await?;
                changed = true;
            }
        }
        if let Some(version) = consent {
            store.give_consent(author, employee, version, None).await?;
            changed = true;
        }
        for group_id in groups {
            let member = Member { group_id, employee_id: employee, validity: Validity::default() };
            store.set_member(author, member).await?;
            changed = true;
        }
        if let (Seen::View { view, sha256 }, Some(turn)) = (seen, turn) {
            let rules = state.settings.enrolment_rules();
            match turn.enroll(author, rules, employee, *view, sha256).await {
                Ok(enrolled) => {
                    row.face_id = Some(enrolled.face.id);
                    row.looks_like = enrolled.looks_like;
                }
                // Somebody else was faster.
                Err(EnrolmentError::Store(StoreError::Conflict(
                    Conflict::PhotoAlreadyEnrolled,
                ))) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(match (row.face_id, created, changed) {
            (Some(_), ..) => RowOutcome::Enrolled,
            (None, true, _) => RowOutcome::Created,
            (None, false, true) => RowOutcome::Updated,
            (None, false, false) => RowOutcome::Unchanged,
        })
    }

    /// Holds a face against others, and against those that its person has: whoever is not them is not changed either.
    async fn compare(
        &self,
        turn: &Turn<'_>,
        known: Option<&Employee>,
        view: &View<FaceSeen>,
        row: &mut ImportRow,
    ) -> Result<(), Problem> {
        let Self { state, author, .. } = self;
        let AppState { matcher, store, .. } = state;
        let like = turn.resemblances(row.employee_id, view).await?;
        row.looks_like = like.nearest;
        let is_blocked = known.is_some_and(|known| known.status == EmployeeStatus::Blocked);
        if let Some(blocked) = like.blocked.filter(|_| !is_blocked) {
            alarm::raise_for_face(state, author, row.employee_id, blocked).await?;
        }
        if let (Some(other), Duplicates::Refuse) = (like.nearest, self.duplicates) {
            return Err(EnrolmentError::Duplicate(other).into());
        }
        let (Some(known), Sighting::Face(face)) = (known, &view.sighting) else { return Ok(()) };
        matcher.refresh(store, known.id).await?;
        match matcher.claim(known.id, &Probe::from(face)).map_err(EnrolmentError::from)? {
            Some(own) if !own.is_near() => Err(EnrolmentError::AnotherPerson {
                distance: own.candidate.distance,
                threshold: own.scale.threshold,
            }
            .into()),
            _ => Ok(()),
        }
    }

    /// The consent that is to be recorded, if any; refuses a face where none would hold.
    async fn consent<'p>(
        &self,
        person: &'p Person,
        known: Option<&Employee>,
        seen: &Seen,
    ) -> Result<Option<&'p TextVersion>, Problem> {
        let Self { state: AppState { settings, store, .. }, .. } = self;
        let must_consent = matches!(seen, Seen::View { .. })
            && settings.consent_required
            && known.is_none_or(|known| known.status != EmployeeStatus::Blocked);
        let recorded = match known {
            Some(known) if must_consent || person.consent_version.is_some() => {
                store.consents(known.id).await?
            }
            _ => Vec::new(),
        };
        let consent = person::consent(person, &recorded)?;
        let holds = recorded.iter().any(|consent| consent.withdrawn_at.is_none());
        if must_consent && consent.is_none() && !holds {
            return Err(Conflict::ConsentMissing.into());
        }
        Ok(consent)
    }

    /// The groups that a person is to be put into. Who is a member stays one from when and until when they are.
    async fn groups(
        &self,
        person: &Person,
        known: Option<&Employee>,
    ) -> Result<Vec<GroupId>, Problem> {
        let store = &self.state.store;
        let mut groups = person::groups(store, person).await?;
        let Some(known) = known.filter(|_| !groups.is_empty()) else { return Ok(groups) };
        let already = store.access(known.id).await?;
        groups.retain(|group| !already.iter().any(|access| access.group_id == *group));
        if already.len() + groups.len() > usize::from(GROUPS_OF_ONE_MAX) {
            return Err(Conflict::TooManyGroups.into());
        }
        Ok(groups)
    }
}

/// Whom rows of this run named by the name alone, and what the first of them said.
type ByName = HashMap<EmployeeId, Person>;

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
