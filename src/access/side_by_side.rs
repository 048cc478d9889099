//! Two models side by side, while people move from one to the other.
//!
//! Each has a gallery, a τ and a calibration of its own, and a [`Matcher`] that holds them; the previous one's hangs on
//! the current one's. A face is encoded by both and compared in each with its own encoding. Distances of the two are
//! never held against each other: whoever is found is found together with the [`Scale`] that their distance was
//! measured by.
//!
//! Nobody is in both galleries. The previous one holds those only who have no face of the current model, and whoever
//! has got one since it heard of them is passed over.

use std::sync::Arc;

use super::{Identity, Matcher, Search};
use crate::domain::{
    EmployeeId, Encoding, FaceSeen, Likelihood, ModelId, Resemblance, RunnerUp, Threshold,
    VoteRules,
};
use crate::gallery::{self, Candidate, Gallery, SearchError};
use crate::store::{Store, StoreError};

/// How often both galleries are searched where the previous one changes meanwhile.
const SEARCHES_MAX: u32 = 3;

/// A face by every model that is served.
#[derive(Clone, Debug)]
pub struct Probe {
    /// By the current model.
    pub encoding: Encoding,
    /// By the previous one; none where none is served.
    pub previous: Option<Encoding>,
}

impl From<&FaceSeen> for Probe {
    fn from(face: &FaceSeen) -> Self {
        Self { encoding: face.encoding.clone(), previous: face.previous.clone() }
    }
}

/// What a distance was measured by and is judged by.
#[derive(Clone, Debug, PartialEq)]
pub struct Scale {
    /// The model whose distances these are.
    pub model: ModelId,
    /// The calibration that τ followed from; none where it is fixed.
    pub calibration: Option<Arc<str>>,
    /// τ.
    pub threshold: Threshold,
}

/// Somebody, and what their distance is judged by.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Who, and how near.
    pub candidate: Candidate,
    /// By what.
    pub scale: Scale,
    /// Where a verifier compared the face with them alone (1:1): how likely it is theirs. It decides, and not τ.
    pub likelihood: Option<Likelihood>,
}

impl Found {
    /// Whether the face is theirs: by a verifier where one compared them, else by the distance.
    #[must_use]
    pub fn is_match(&self) -> bool {
        self.likelihood.map_or_else(|| self.is_near(), Likelihood::is_match)
    }

    /// Whether the distance is under the τ of its own model.
    #[must_use]
    pub fn is_near(&self) -> bool {
        self.candidate.distance.is_match(self.scale.threshold)
    }
}

/// Whom a search by every model found.
#[derive(Clone, Debug, PartialEq)]
pub enum Whom {
    /// One person, by one model; by the other nobody.
    Known(Found),
    /// Several: about equally near by one model, or one by each. Those of a model the nearest first.
    Ambiguous(Vec<Found>),
    /// Nobody.
    Unknown,
}

/// What a search by every model gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Findings {
    /// Whom it found.
    pub whom: Whom,
    /// By what the figures below were measured: the model that found somebody, else the current one.
    pub scale: Scale,
    /// The nearest people by that model, the nearest first.
    pub nearest: Vec<Candidate>,
    /// Where that model could not tell the nearest two apart: how near the second is.
    pub runner_up: Option<RunnerUp>,
}

impl Matcher {
    /// The same matcher, beside which `previous` searches among those who have no face of this model. The accepted risk
    /// of a search is shared between the two, by the people whom each searches.
    #[must_use]
    pub fn beside(mut self, mut previous: Self) -> Self {
        previous.other = Some(self.searcher.clone());
        self.other = Some(previous.searcher.clone());
        self.previous = Some(Arc::new(previous));
        self
    }

    /// The matcher of the model that people move away from, where one is served.
    #[must_use]
    pub fn previous(&self) -> Option<&Self> {
        self.previous.as_deref()
    }

    /// The previous matcher with the encoding for it.
    fn previous_of<'a>(&'a self, probe: &'a Probe) -> Option<(&'a Self, &'a Encoding)> {
        Some((self.previous()?, probe.previous.as_ref()?))
    }

    /// What this model's distances are judged by, at a τ.
    fn scale(&self, threshold: Threshold) -> Scale {
        Scale { model: self.model().clone(), calibration: self.calibration(), threshold }
    }

    /// The gallery of every model that is served, the current one's first.
    pub fn galleries(&self) -> impl Iterator<Item = &Arc<Gallery>> {
        [Some(self), self.previous()].into_iter().flatten().map(Self::gallery)
    }

    /// What each model's search gives, at least the `count` nearest people; the previous one's without those whom the
    /// current one knows.
    ///
    /// Whoever moves meanwhile is in one of the two: the current gallery takes them in before the previous one gives
    /// them up ([`Matcher::refresh`]), and the previous one is searched first. Who moves back, a new face removed, is
    /// caught by searching again what has changed.
    async fn search_both<'a>(
        &'a self,
        probe: &'a Probe,
        count: usize,
    ) -> Result<(Search, Option<(&'a Self, Search)>), SearchError> {
        let Some((previous, encoding)) = self.previous_of(probe) else {
            return Ok((self.search(probe.encoding.clone(), count).await?, None));
        };
        let mut tries = 0;
        loop {
            let version = previous.gallery().version();
            let moved = |person: &Candidate| self.gallery().has(person.employee_id);
            let mut search = previous.search(encoding.clone(), count).await?;
            if search.nearest.iter().any(moved) {
                // Others may stand behind them.
                search = previous.search(encoding.clone(), count + Self::NEAR_MAX).await?;
            }
            search.nearest.retain(|person| !moved(person));
            let current = self.search(probe.encoding.clone(), count).await?;
            tries += 1;
            if previous.gallery().version() != version && tries < SEARCHES_MAX {
                continue;
            }
            // They have moved since, and were found there.
            let is_current =
                |one: &Candidate| current.nearest.iter().any(|c| c.employee_id == one.employee_id);
            search.nearest.retain(|person| !is_current(person));
            search.identity = super::identity(&search.nearest, search.threshold, previous.margin());
            return Ok((current, Some((previous, search))));
        }
    }

    /// Searches everybody (1:N), by each model those who are known by it, and lists at least the `count` nearest people
    /// of the one that speaks.
    ///
    /// # Errors
    /// [`SearchError`].
    pub async fn find(&self, probe: &Probe, count: usize) -> Result<Findings, SearchError> {
        let (current, previous) = self.search_both(probe, count).await?;
        let current = self.side(current);
        Ok(match previous {
            None => current.alone(),
            Some((matcher, search)) => current.joined(matcher.side(search)),
        })
    }

    /// Everybody whom a face may be taken for, by either model, at most [`NEAR_MAX`](Self::NEAR_MAX) by each.
    ///
    /// # Errors
    /// [`SearchError`].
    pub async fn all_under_threshold(&self, probe: &Probe) -> Result<Vec<Found>, SearchError> {
        let (current, previous) = self.search_both(probe, Self::NEAR_MAX).await?;
        let mut found = self.under_threshold(current);
        if let Some((matcher, search)) = previous {
            found.extend(matcher.under_threshold(search));
        }
        Ok(found)
    }

    fn under_threshold(&self, search: Search) -> Vec<Found> {
        let scale = self.scale(search.threshold);
        let found = search.nearest.into_iter();
        let found =
            found.map(|candidate| Found { candidate, scale: scale.clone(), likelihood: None });
        found.filter(Found::is_match).collect()
    }

    /// The margin by which one person must be nearer than another by a model that is served.
    #[must_use]
    pub fn margin_of(&self, model: &ModelId) -> f32 {
        match self.previous() {
            Some(previous) if previous.model() == model => previous.margin(),
            _ => self.margin(),
        }
    }

    /// By what several frames are held to show one person, whose mean distance must stay under `tau`, by a model that is
    /// served.
    #[must_use]
    pub fn vote_rules(&self, model: &ModelId, tau: Threshold) -> VoteRules {
        let of = match self.previous() {
            Some(previous) if previous.model() == model => previous,
            _ => self,
        };
        VoteRules { each: of.risk().of_each_frame(tau), margin: of.margin() }
    }

    /// The claimed employee (1:1) by the model that knows them, whether under its τ or not; none when they have no face
    /// of either.
    ///
    /// # Errors
    /// When the encodings are of other models.
    pub fn claim(&self, employee: EmployeeId, probe: &Probe) -> Result<Option<Found>, SearchError> {
        if let Some(found) = self.claimed(employee, &probe.encoding)? {
            return Ok(Some(found));
        }
        let Some((previous, encoding)) = self.previous_of(probe) else { return Ok(None) };
        previous.claimed(employee, encoding)
    }

    /// Whom a new face is like by either model but `employee`, whose it would be: those of a model the nearest first,
    /// the current model's before the others.
    ///
    /// # Errors
    /// [`SearchError`].
    pub async fn resemblances(
        &self,
        employee: Option<EmployeeId>,
        probe: &Probe,
    ) -> Result<Vec<Resemblance>, SearchError> {
        // The previous gallery first, for whoever moves meanwhile: see `search_both`.
        let mut others = Vec::new();
        if let Some((previous, encoding)) = self.previous_of(probe) {
            let alike = previous.look_alikes(employee, encoding.clone()).await?;
            let alike = alike.iter().filter(|other| !self.gallery().has(other.employee_id));
            others.extend(alike.map(|other| previous.resemblance(other)));
        }
        let alike = self.look_alikes(employee, probe.encoding.clone()).await?;
        let mut found: Vec<_> = alike.iter().map(|other| self.resemblance(other)).collect();
        let is_found = |one: &Resemblance| alike.iter().any(|c| c.employee_id == one.employee_id);
        found.extend(others.into_iter().filter(|other| !is_found(other)));
        Ok(found)
    }

    /// Reads one employee's faces again, of every model that is served.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn refresh(&self, store: &Store, employee: EmployeeId) -> Result<(), StoreError> {
        let galleries: Vec<_> = self.galleries().cloned().collect();
        gallery::refresh(&galleries, store, employee).await
    }

    /// Reads the galleries whole, of every model that is served.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn resync(&self, store: &Store) -> Result<(), StoreError> {
        let galleries: Vec<_> = self.galleries().cloned().collect();
        gallery::resync(&galleries, store).await
    }

    fn side(&self, search: Search) -> Side {
        Side { scale: self.scale(search.threshold), margin: self.margin(), search }
    }
}

/// What one model's search gave.
struct Side {
    search: Search,
    scale: Scale,
    margin: f32,
}

impl Side {
    /// Those under τ who may be meant, with whether it is more than one.
    fn people(&self) -> (Vec<Found>, bool) {
        let found = |person: &Candidate| Found {
            candidate: person.clone(),
            scale: self.scale.clone(),
            likelihood: None,
        };
        match &self.search.identity {
            Identity::Known(person) => (vec![found(person)], false),
            Identity::Ambiguous(people) => (people.iter().map(found).collect(), true),
            Identity::Unknown(_) => (Vec::new(), false),
        }
    }

    /// Where this side is the one that speaks.
    fn says(self, whom: Whom) -> Findings {
        let is_ambiguous = matches!(self.search.identity, Identity::Ambiguous(_));
        let second = self.search.nearest.get(1).filter(|_| is_ambiguous);
        let runner_up = second.and_then(|second| RunnerUp::new(second.distance, self.margin));
        Findings { whom, scale: self.scale, nearest: self.search.nearest, runner_up }
    }

    fn alone(self) -> Findings {
        let whom = match self.people() {
            (people, true) => Whom::Ambiguous(people),
            (mut people, false) => people.pop().map_or(Whom::Unknown, Whom::Known),
        };
        self.says(whom)
    }

    /// Where both models were asked. Whoever is found by one alone is meant; people found by both cannot be told apart,
    /// for nothing says which of two distances in two spaces is the smaller.
    fn joined(self, previous: Self) -> Findings {
        let ((mut people, several), (others, several_others)) = (self.people(), previous.people());
        match (people.is_empty(), others.is_empty()) {
            (_, true) => self.alone(),
            (true, false) => previous.alone(),
            (false, false) => {
                people.extend(others);
                let speaks = if several_others && !several { previous } else { self };
                speaks.says(Whom::Ambiguous(people))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Distance, EmployeeStatus, FaceId};

    fn at(distance: f32) -> Candidate {
        Candidate {
            employee_id: EmployeeId::generate(),
            face_ids: [FaceId::generate()].into(),
            status: EmployeeStatus::Active,
            distance: Distance::try_from(distance).unwrap(),
        }
    }

    fn side(model: &str, threshold: f32, nearest: &[&Candidate]) -> Side {
        let threshold = Threshold::try_from(threshold).unwrap();
        let nearest: Vec<Candidate> = nearest.iter().map(|&person| person.clone()).collect();
        let identity = super::super::identity(&nearest, threshold, 0.1);
        let scale = Scale { model: ModelId::new(model), calibration: None, threshold };
        Side { search: Search { identity, nearest, threshold }, scale, margin: 0.1 }
    }

    fn named(findings: &Findings) -> Vec<(EmployeeId, &str)> {
        let found = match &findings.whom {
            Whom::Known(found) => std::slice::from_ref(found),
            Whom::Ambiguous(found) => found,
            Whom::Unknown => &[],
        };
        found
            .iter()
            .map(|found| (found.candidate.employee_id, found.scale.model.as_str()))
            .collect()
    }

    #[test]
    fn whoever_one_model_alone_finds_is_meant_by_its_own_measure() {
        // Distances of the previous model are a tenth of the other's: under τ of the one, over that of the other.
        let (mine, theirs) = (at(0.5), at(0.05));
        let found = side("new", 1.0, &[&mine]).joined(side("old", 0.1, &[&at(0.2)]));
        assert_eq!(named(&found), [(mine.employee_id, "new")]);
        let found = side("new", 1.0, &[&at(1.1)]).joined(side("old", 0.1, &[&theirs]));
        assert_eq!(named(&found), [(theirs.employee_id, "old")]);
        assert!(matches!(&found.whom, Whom::Known(found) if found.is_match()));
        assert_eq!(found.scale.threshold.value(), 0.1);
        let nobody = side("new", 1.0, &[&at(1.1)]).joined(side("old", 0.1, &[&at(0.2)]));
        assert_eq!((nobody.whom, nobody.scale.model), (Whom::Unknown, ModelId::new("new")));
    }

    #[test]
    fn people_whom_both_models_find_are_not_told_apart_by_their_distances() {
        let (mine, theirs) = (at(0.9), at(0.01));
        let found = side("new", 1.0, &[&mine]).joined(side("old", 0.1, &[&theirs]));
        assert!(matches!(found.whom, Whom::Ambiguous(_)), "{found:?}");
        assert_eq!(named(&found), [(mine.employee_id, "new"), (theirs.employee_id, "old")]);
        assert_eq!(found.runner_up, None);
    }

    #[test]
    fn people_whom_one_model_cannot_tell_apart_stay_so_whatever_the_other_says() {
        let (one, two, theirs) = (at(0.5), at(0.55), at(0.05));
        let both = side("new", 1.0, &[&one, &two]).joined(side("old", 0.1, &[&theirs]));
        assert_eq!(named(&both).len(), 3);
        assert_eq!(both.runner_up.unwrap().distance(), two.distance);
        let others = side("new", 1.0, &[&theirs]).joined(side("old", 1.0, &[&one, &two]));
        assert_eq!((named(&others).len(), others.scale.model.as_str()), (3, "old"));
        // The second of them may itself be beyond τ.
        let edge = at(0.95);
        let alone = side("new", 1.0, &[&edge, &at(1.01)]).alone();
        assert!(matches!(&alone.whom, Whom::Ambiguous(people) if people.len() == 1));
        assert!(alone.runner_up.is_some());
    }
}
