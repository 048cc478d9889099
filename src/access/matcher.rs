//! Compares a probe with the gallery.

use std::sync::Arc;

use parking_lot::Mutex;
use tracing::{info, warn};

use super::side_by_side::{Found, Scale};
use crate::domain::risk::{RiskPolicy, Tau, VerifierPolicy};
use crate::domain::{EmployeeId, Encoding, Likeness, ModelId, Resemblance, Threshold};
use crate::gallery::{Candidate, Gallery, SearchError, Searcher};

/// Whom a search found.
#[derive(Clone, Debug, PartialEq)]
pub enum Identity {
    /// The nearest person, under τ and clear of the second-nearest.
    Known(Candidate),
    /// The nearest person is under τ, but another is about as near: those of them who are under τ, the nearest
    /// first.
    Ambiguous(Vec<Candidate>),
    /// Nobody is under τ; the nearest person, if anybody is enrolled.
    Unknown(Option<Candidate>),
}

/// How many people whom a new face is like are told of, the nearest ones.
const LOOK_ALIKES_MAX: usize = 16;

/// What a search gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Search {
    /// Whom it found.
    pub identity: Identity,
    /// The nearest people, the nearest first.
    pub nearest: Vec<Candidate>,
    /// The τ that a match had to stay under.
    pub threshold: Threshold,
}

/// Who is nearest to one of the gallery.
#[derive(Clone, Debug, PartialEq)]
pub struct Neighbours {
    /// They, the nearest first.
    pub nearest: Vec<Candidate>,
    /// The model whose distances these are.
    pub model: ModelId,
    /// τ of 1:N.
    pub threshold: Threshold,
    /// Whoever is nearer than this is a look-alike: see [`look_alike_limit`].
    pub limit: f32,
}

/// Compares probes with the gallery, and knows the τ to judge them by.
#[derive(Clone, Debug)]
pub struct Matcher {
    pub(super) searcher: Searcher,
    risk: Arc<RiskPolicy>,
    /// How much farther the second-nearest person must be, as a squared distance.
    margin: f32,
    /// The fingerprint of the calibration.
    calibration: Option<Arc<str>>,
    /// What compares a face with one person (1:1) in the place of the distance, if anything does.
    verifier: Option<Arc<VerifierPolicy>>,
    /// τ of 1:N when it was last asked for, so that changes can be told.
    last: Arc<Mutex<Option<Tau>>>,
    /// That of the model which people move away from.
    pub(super) previous: Option<Arc<Matcher>>,
    /// What is searched beside this gallery, by the other of the two models.
    pub(super) other: Option<Searcher>,
}

impl Matcher {
    /// How many people about equally near are told of, the nearest ones.
    pub const NEAR_MAX: usize = 8;

    /// A matcher that asks `searcher`, at the accepted `risk`. Of two people the nearer is taken only when
    /// the other is farther by `margin`, a squared distance.
    #[must_use]
    pub fn new(searcher: Searcher, risk: RiskPolicy, margin: f32) -> Self {
        let calibration = risk.calibration().map(|c| Arc::from(c.fingerprint()));
        let (risk, last) = (Arc::new(risk), Arc::default());
        let (verifier, previous, other) = (None, None, None);
        Self { searcher, risk, margin, calibration, verifier, last, previous, other }
    }

    /// The same, but that a face is compared with one person (1:1) by a verifier, where there is one.
    #[must_use]
    pub fn with_verifier(self, verifier: Option<VerifierPolicy>) -> Self {
        Self { verifier: verifier.map(Arc::new), ..self }
    }

    /// The model whose encodings it compares.
    #[must_use]
    pub fn model(&self) -> &ModelId {
        self.gallery().model()
    }

    /// What τ follows from.
    #[must_use]
    pub fn risk(&self) -> &RiskPolicy {
        &self.risk
    }

    /// The calibration that τ follows from; none where it is fixed.
    #[must_use]
    pub fn calibration(&self) -> Option<Arc<str>> {
        self.calibration.clone()
    }

    /// The calibration that the limit of a comparison with one employee (1:1) follows from; none where that is fixed.
    #[must_use]
    pub fn verify_calibration(&self) -> Option<Arc<str>> {
        let verifier = self.verifier.as_ref();
        verifier.map_or_else(|| self.calibration(), |verifier| Some(verifier.calibration()))
    }

    /// The verifier that compares a face with one employee (1:1), if one does.
    #[must_use]
    pub fn verifier(&self) -> Option<&VerifierPolicy> {
        self.verifier.as_deref()
    }

    /// τ of a comparison with one employee (1:1), where no verifier decides; and of new faces with each other.
    #[must_use]
    pub fn verify_threshold(&self) -> Threshold {
        self.risk.verify().threshold
    }

    /// τ of 1:N in a gallery of so many people, beside the other one as it is now.
    fn search_tau(&self, people: usize) -> Tau {
        let others = self.other.as_ref().map_or(0, |other| other.gallery().people());
        self.risk.recognize_beside(people, people + others)
    }

    /// τ of a search (1:N) in the gallery as it is now. Every change of it is logged.
    #[must_use]
    pub fn recognize_threshold(&self) -> Tau {
        let people = self.gallery().people();
        let tau = self.search_tau(people);
        let before = self.last.lock().replace(tau);
        if before != Some(tau) {
            let threshold = tau.threshold.value();
            let model = self.model();
            info!(%model, threshold, people, supported = tau.supported, "the threshold of 1:N changed");
            if !tau.supported && before.is_none_or(|before| before.supported) {
                warn!(
                    people,
                    max_fpir = self.risk.risk().max_fpir,
                    "the calibration cannot show that a gallery of this size keeps within the \
                     accepted risk; ask for a badge (1:1): see `limen threshold`"
                );
            }
        }
        tau
    }

    /// Searches everybody (1:N) and lists at least the `count` nearest people.
    ///
    /// # Errors
    /// [`SearchError`].
    pub async fn search(&self, probe: Encoding, count: usize) -> Result<Search, SearchError> {
        let mut nearest = self.searcher.search(probe.clone(), count.max(2)).await?;
        let threshold = self.recognize_threshold().threshold;
        let mut found = identity(&nearest, threshold, self.margin);
        if matches!(found, Identity::Ambiguous(_)) && nearest.len() < Self::NEAR_MAX {
            // Who else is as near: rare, and a third slower, which every other search is spared.
            nearest = self.searcher.search(probe, Self::NEAR_MAX).await?;
            found = identity(&nearest, threshold, self.margin);
        }
        Ok(Search { identity: found, nearest, threshold })
    }

    /// How much farther than the nearest person the second must be, as a squared distance.
    #[must_use]
    pub fn margin(&self) -> f32 {
        self.margin
    }

    /// The gallery that it compares with.
    #[must_use]
    pub fn gallery(&self) -> &Arc<Gallery> {
        self.searcher.gallery()
    }

    /// Whom a new face is like but `employee`, whose it would be, the nearest first: see [`look_alike_limit`].
    ///
    /// # Errors
    /// [`SearchError`].
    pub async fn look_alikes(
        &self,
        employee: Option<EmployeeId>,
        face: Encoding,
    ) -> Result<Vec<Candidate>, SearchError> {
        let threshold = self.search_tau(self.gallery().people()).threshold;
        let limit = look_alike_limit(threshold, self.margin);
        let mut nearest = self.searcher.search(face, LOOK_ALIKES_MAX + 1).await?;
        nearest.retain(|c| Some(c.employee_id) != employee && c.distance.value() < limit);
        Ok(nearest)
    }

    /// The `count` people nearest to one who is enrolled, however far they are, by the model that knows them; none when
    /// they have no face of a model that is served.
    ///
    /// # Errors
    /// [`SearchError`].
    pub async fn neighbours(
        &self,
        employee: EmployeeId,
        count: usize,
    ) -> Result<Option<Neighbours>, SearchError> {
        for matcher in [Some(self), self.previous()].into_iter().flatten() {
            let Some(template) = matcher.gallery().template(employee) else { continue };
            let mut nearest = matcher.searcher.search(template, count + 1).await?;
            nearest.retain(|other| other.employee_id != employee);
            nearest.truncate(count);
            let threshold = matcher.search_tau(matcher.gallery().people()).threshold;
            let limit = look_alike_limit(threshold, matcher.margin);
            let model = matcher.model().clone();
            return Ok(Some(Neighbours { nearest, model, threshold, limit }));
        }
        Ok(None)
    }

    /// How like somebody's a face is whom [`look_alikes`](Self::look_alikes) found.
    ///
    /// Doubles are those whom a search by τ of 1:N takes for the other, and a comparison by τ of 1:1 too. Either
    /// alone says little: in a large gallery some stranger is always under τ of 1:1, in a small one many are under
    /// that of 1:N.
    #[must_use]
    pub fn resemblance(&self, other: &Candidate) -> Resemblance {
        let search = self.search_tau(self.gallery().people()).threshold;
        let is_taken_for =
            other.distance.is_match(search) && other.distance.is_match(self.verify_threshold());
        Resemblance {
            employee_id: other.employee_id,
            likeness: if is_taken_for { Likeness::Double } else { Likeness::LookAlike },
            distance: other.distance,
        }
    }

    /// The claimed employee (1:1), whether the face is theirs or not;
    /// none when the employee has none of this model.
    ///
    /// # Errors
    /// When `probe` is of another model, or a verifier finds no number.
    pub fn claimed(
        &self,
        employee: EmployeeId,
        probe: &Encoding,
    ) -> Result<Option<Found>, SearchError> {
        let judge = |template: &[f32]| {
            let verifier = self.verifier.as_ref();
            verifier.map(|verifier| verifier.judge(probe, template)).transpose()
        };
        let found = self.gallery().verify_with(employee, probe, judge)?;
        let Some((candidate, likelihood)) = found else { return Ok(None) };
        let scale = Scale {
            model: self.model().clone(),
            calibration: self.verify_calibration(),
            threshold: self.verify_threshold(),
        };
        Ok(Some(Found { candidate, scale, likelihood: likelihood? }))
    }
}

/// Who the nearest people say it is. A second person as near as that is a look-alike or the same
/// person enrolled twice: then the face alone cannot tell, and nobody is named.
#[must_use]
pub fn identity(nearest: &[Candidate], threshold: Threshold, margin: f32) -> Identity {
    let first = match nearest.first() {
        Some(first) if first.distance.is_match(threshold) => first,
        other => return Identity::Unknown(other.cloned()),
    };
    // Said as what must hold, so that a NaN is ambiguous.
    let is_clear = |other: &Candidate| other.distance.value() - first.distance.value() >= margin;
    if nearest.get(1).is_none_or(is_clear) {
        return Identity::Known(first.clone());
    }
    let near = nearest[1..].iter().take_while(|c| !is_clear(c) && c.distance.is_match(threshold));
    Identity::Ambiguous(
        std::iter::once(first).chain(near).take(Matcher::NEAR_MAX).cloned().collect(),
    )
}

/// Two people whose faces are nearer to each other than this squared distance are look-alikes: a search by
/// this τ and margin may take one for the other, or not tell them apart.
#[must_use]
pub fn look_alike_limit(threshold: Threshold, margin: f32) -> f32 {
    threshold.value() + margin
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

    #[test]
    fn the_nearest_is_named_only_under_the_threshold_and_clear_of_the_second() {
        let tau = Threshold::try_from(1.0).unwrap();
        let [near, close, far] = [at(0.5), at(0.55), at(1.2)];
        let named = |nearest: &[&Candidate], margin| {
            let nearest: Vec<Candidate> = nearest.iter().map(|&c| c.clone()).collect();
            identity(&nearest, tau, margin)
        };
        assert_eq!(named(&[&near, &far], 0.1), Identity::Known(near.clone()));
        assert_eq!(named(&[&near], 0.1), Identity::Known(near.clone()));
        let both = Identity::Ambiguous(vec![near.clone(), close.clone()]);
        assert_eq!(named(&[&near, &close], 0.1), both);
        assert_eq!(named(&[&near, &close, &far], 0.1), both, "only who is as near as that");
        assert_eq!(named(&[&near, &close], 0.0), Identity::Known(near.clone()));
        assert_eq!(named(&[&far], 0.1), Identity::Unknown(Some(far.clone())));
        assert_eq!(named(&[], 0.1), Identity::Unknown(None));
        // The second counts although it is beyond the threshold itself.
        let edge = at(0.95);
        assert_eq!(named(&[&edge, &at(1.01)], 0.1), Identity::Ambiguous(vec![edge.clone()]));
    }
}
