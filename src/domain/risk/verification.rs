//! A comparison with one person (1:1) by a verifier: which probability is enough follows from the accepted risk, as τ
//! does.

use std::sync::Arc;

use super::Calibration;
use crate::domain::{Encoding, EncodingError, Likelihood, Logit, Probability, Verifier};

/// A verifier and the probability that it must find.
#[derive(Clone, Debug, PartialEq)]
pub struct VerifierPolicy {
    verifier: Verifier,
    minimum: Probability,
    calibration: Arc<str>,
}

/// Why no probability is enough for the accepted risk.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum VerifierRefusal {
    /// The risk is finer than what was measured.
    #[error(
        "`max_fmr` of [matching] is {max_fmr:e}, and the {people} people whom the verifier was measured with show no \
         false match rate under {floor:.1e}: accept that much, train it with photos of more people, or set `verify_by` \
         to \"distance\""
    )]
    TooFine {
        /// The accepted risk.
        max_fmr: f64,
        /// The least that can be promised.
        floor: f64,
        /// The people behind it.
        people: u64,
    },
    /// Strangers are as sure as probabilities can be.
    #[error(
        "strangers reach a probability of 1 more often than `max_fmr` of [matching] accepts: the verifier tells too few \
         people apart; set `verify_by` to \"distance\""
    )]
    Certain,
}

impl VerifierPolicy {
    /// The policy of a risk; `calibration` holds the verifier's logits on the scale of distances.
    ///
    /// # Errors
    /// When the data behind the calibration do not show so small a risk.
    pub fn new(
        verifier: Verifier,
        calibration: &Calibration,
        max_fmr: f64,
    ) -> Result<Self, VerifierRefusal> {
        let threshold = calibration.tau_for_fmr(max_fmr).ok_or(VerifierRefusal::TooFine {
            max_fmr,
            floor: calibration.floor(),
            people: calibration.data.people,
        })?;
        // The next one up, so that rounding never accepts what lies at the threshold.
        let minimum = Logit::of_threshold(threshold).probability().next();
        let minimum = minimum.ok_or(VerifierRefusal::Certain)?;
        Ok(Self { verifier, minimum, calibration: calibration.fingerprint().into() })
    }

    /// The least probability that is enough.
    #[must_use]
    pub fn minimum(&self) -> Probability {
        self.minimum
    }

    /// The fingerprint of the calibration that the minimum follows from; it tells the verifier from others too.
    #[must_use]
    pub fn calibration(&self) -> Arc<str> {
        Arc::clone(&self.calibration)
    }

    /// How likely it is that a face is of the person whose template this is.
    ///
    /// # Errors
    /// When the verifier is of another model, or finds no number.
    pub fn judge(&self, face: &Encoding, template: &[f32]) -> Result<Likelihood, EncodingError> {
        let probability = self.verifier.logit(face, template)?.probability();
        Ok(Likelihood { probability, minimum: self.minimum })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::calibration;
    use super::*;
    use crate::domain::{Difference, ModelId};

    fn verifier() -> Verifier {
        let model = ModelId::new("test");
        Verifier::new(model, 2, Difference::Squared, vec![-16.0, -16.0], 32.0).unwrap()
    }

    #[test]
    fn with_weights_that_make_the_distance_it_accepts_what_the_distance_accepts() {
        // A logit of 32 - 16 d is d on the scale of distances.
        let calibration = calibration();
        let tau = calibration.tau_for_fmr(1e-3).unwrap().value();
        let policy = VerifierPolicy::new(verifier(), &calibration, 1e-3).unwrap();
        let accepts = |distance: f32| {
            let cosine = 1.0 - distance / 2.0;
            let face = vec![cosine, (1.0 - cosine * cosine).sqrt()];
            let face = Encoding::normalised(face, ModelId::new("test")).unwrap();
            policy.judge(&face, &[1.0, 0.0]).unwrap().is_match()
        };
        assert!(accepts(tau - 1e-3) && !accepts(tau + 1e-3), "{tau}");
    }

    #[test]
    fn a_risk_finer_than_what_was_measured_is_refused() {
        let calibration = calibration();
        let floor = calibration.floor();
        let refused = VerifierPolicy::new(verifier(), &calibration, floor / 2.0).unwrap_err();
        assert!(matches!(refused, VerifierRefusal::TooFine { .. }), "{refused}");
        assert!(VerifierPolicy::new(verifier(), &calibration, floor * 2.0).is_ok());
        assert!(
            VerifierPolicy::new(verifier(), &calibration, 1e-3).unwrap().minimum()
                > VerifierPolicy::new(verifier(), &calibration, 1e-2).unwrap().minimum()
        );
    }

    #[test]
    fn a_face_of_another_model_is_not_judged() {
        let policy = VerifierPolicy::new(verifier(), &calibration(), 1e-3).unwrap();
        let other = Encoding::normalised(vec![1.0, 0.0], ModelId::new("other")).unwrap();
        let judged = policy.judge(&other, &[1.0, 0.0]);
        assert!(matches!(judged, Err(EncodingError::ModelMismatch { .. })));
    }
}
