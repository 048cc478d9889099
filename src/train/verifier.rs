//! Verification as binary classification: a [`Verifier`] learns.

use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};
use tch::{Kind, Reduction, TchError, Tensor};

use super::difference::differences;
use super::pairs::{Labelled, Pairs, PhotoPair};
use super::parameters::Tensors;
use super::reliability::{expected_calibration_error, logistic_curve};
use super::trainer::{Judgement, Loss, Parameters, Task, TaskError};
use crate::domain::{Difference, Distance, Logit, ModelId, Verifier, VerifierError};
use crate::evaluate::metrics::Roc;

/// Pairs that are weighed at a time when all are.
const PAIRS_AT_ONCE: usize = 65_536;

/// A logistic unit whose numbers are learnt.
#[derive(Debug)]
pub struct VerifierLearner {
    difference: Difference,
    parameters: Vec<(String, Tensor)>,
}

impl VerifierLearner {
    /// One that says what the plain sum of the differences says, which of squared ones is the distance: every weight the
    /// same, and of the logistic curve that fits these pairs of `encodings` `[N, size]` best.
    ///
    /// # Errors
    /// When libtorch fails.
    pub fn new(
        difference: Difference,
        encodings: &Tensor,
        pairs: &Labelled,
    ) -> Result<Self, TchError> {
        let size = difference.size(encodings.size2()?.1.unsigned_abs() as usize) as i64;
        let of = |weight: f64, bias: f64| {
            let filled = |shape: &[i64], value: f64| {
                let filled = Tensor::f_full(shape, value, (Kind::Float, tch::Device::Cpu))?;
                Ok::<_, TchError>(filled.set_requires_grad(true))
            };
            // A matrix, so that it decays.
            let weight = ("weight".to_owned(), filled(&[1, size], weight)?);
            let bias = ("bias".to_owned(), filled(&[1], bias)?);
            Ok::<_, TchError>(Self { difference, parameters: vec![weight, bias] })
        };
        let sums = of(1.0, 0.0)?.all_logits(encodings, &pairs.pairs)?;
        let sums: Vec<(f64, bool)> = sums.into_iter().zip(pairs.same.iter().copied()).collect();
        // Without pairs of both kinds every pair is as likely as not.
        let [slope, offset] = logistic_curve(&sums).unwrap_or_default();
        of(slope, offset)
    }

    /// Its numbers.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// What it has learnt, for the encodings of `size` numbers of `model`.
    ///
    /// # Errors
    /// When it is no verifier for these.
    pub fn learnt(&self, model: ModelId, size: usize) -> Result<Verifier, LearntError> {
        let numbers =
            |of: &Tensor| Vec::<f32>::try_from(of.f_detach()?.f_contiguous()?.f_view([-1i64])?);
        let [(_, weight), (_, bias)] = &self.parameters[..] else { unreachable!("two") };
        let bias = numbers(bias)?.first().copied().unwrap_or(f32::NAN);
        Ok(Verifier::new(model, size, self.difference, numbers(weight)?, bias)?)
    }

    /// `ln(p / (1 - p))` of N pairs, from the encodings `[N, size]` of both photos.
    fn logits(&self, left: &Tensor, right: &Tensor) -> Result<Tensor, TchError> {
        let [(_, weight), (_, bias)] = &self.parameters[..] else { unreachable!("two") };
        differences(self.difference, left, right)?.f_linear(weight, Some(bias))?.f_squeeze_dim(1)
    }

    /// Those of pairs of rows.
    fn all_logits(&self, encodings: &Tensor, pairs: &[PhotoPair]) -> Result<Vec<f64>, TchError> {
        let mut all = Vec::with_capacity(pairs.len());
        for pairs in pairs.chunks(PAIRS_AT_ONCE) {
            let logits = tch::no_grad(|| {
                let [left, right] = sides(encodings, pairs)?;
                self.logits(&left, &right)?.f_to_kind(Kind::Double)
            })?;
            all.extend(Vec::<f64>::try_from(logits)?);
        }
        Ok(all)
    }
}

/// Why what was learnt is no verifier.
#[derive(Debug, thiserror::Error)]
pub enum LearntError {
    /// Its numbers are not.
    #[error(transparent)]
    Verifier(#[from] VerifierError),
    /// libtorch failed.
    #[error("libtorch: {0}")]
    Torch(#[from] TchError),
}

/// The numbers of a verifier by name, for its file.
///
/// # Errors
/// When libtorch fails.
pub fn tensors(verifier: &Verifier) -> Result<Tensors, TchError> {
    let weight = Tensor::f_from_slice(verifier.weights())?.f_unsqueeze(0)?;
    let bias = Tensor::f_from_slice(&[verifier.bias()])?;
    Ok([("weight".to_owned(), weight), ("bias".to_owned(), bias)].into())
}

/// What a step learns from.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PairSettings {
    /// Pairs of one person, and as many of two.
    pub pairs: usize,
}

/// A verifier that learns, over encodings that were computed once.
pub struct VerifierTask {
    learner: VerifierLearner,
    /// `[N, size]`
    encodings: Tensor,
    training: Pairs,
    validation: Labelled,
    settings: PairSettings,
}

impl VerifierTask {
    /// Over `encodings` `[N, size]` of unit length.
    pub fn new(
        learner: VerifierLearner,
        encodings: Tensor,
        training: Pairs,
        validation: Labelled,
        settings: PairSettings,
    ) -> Self {
        Self { learner, encodings, training, validation, settings }
    }

    /// What learns.
    #[must_use]
    pub fn learner(&self) -> &VerifierLearner {
        &self.learner
    }
}

/// The rows of both photos of each pair.
fn sides(encodings: &Tensor, pairs: &[PhotoPair]) -> Result<[Tensor; 2], TchError> {
    let side = |of: usize| {
        let numbers: Vec<i64> = pairs.iter().map(|pair| pair[of] as i64).collect();
        encodings.f_index_select(0, &Tensor::f_from_slice(&numbers)?)
    };
    Ok([side(0)?, side(1)?])
}

impl Task for VerifierTask {
    fn parameters(&self) -> &Parameters {
        self.learner.parameters()
    }

    fn loss(&mut self, random: &dyn Fn(&str) -> StdRng) -> Result<Loss, TaskError> {
        let drawn = self.training.draw(self.settings.pairs, &mut random("pairs"));
        let [left, right] = sides(&self.encodings, &drawn.pairs)?;
        let logits = self.learner.logits(&left, &right)?;
        let same: Vec<f32> = drawn.same.iter().map(|same| f32::from(*same)).collect();
        let same = Tensor::f_from_slice(&same)?;
        let mean = logits.f_binary_cross_entropy_with_logits::<Tensor>(
            &same,
            None,
            None,
            Reduction::Mean,
        )?;
        let right = logits.f_gt(0.0)?.f_eq_tensor(&same.f_gt(0.5)?)?;
        let accuracy = f64::try_from(right.f_to_kind(Kind::Double)?.f_mean(None)?)?;
        let measures = [("accuracy".to_owned(), accuracy)].into();
        Ok(Loss { mean, faces: 2 * drawn.pairs.len(), measures, collapsed: None })
    }

    fn look(&self) -> Result<Judgement, TaskError> {
        let Labelled { pairs, same } = &self.validation;
        let logits = self.learner.all_logits(&self.encodings, pairs)?;
        let losses = logits.iter().zip(same).map(|(logit, same)| {
            // -ln p of what is true, without overflow.
            let margin = if *same { *logit } else { -logit };
            (-margin).max(0.0) + (-margin.abs()).exp().ln_1p()
        });
        let badness = losses.sum::<f64>() / same.len() as f64;
        let logits: Vec<Option<Logit>> = logits.into_iter().map(Logit::new).collect();
        let apart = |logit: &Option<Logit>| -> Option<Distance> { logit.map(Logit::as_distance) };
        let roc = Roc::from_comparisons(logits.iter().map(apart).zip(same.iter().copied()));
        let eer = roc.map_err(super::figures::FiguresError::from)?.eer().rate;
        let chances = logits.iter().zip(same).filter_map(|(logit, same)| {
            logit.map(|logit| (f64::from(logit.probability().value()), *same))
        });
        let ece = expected_calibration_error(&chances.collect::<Vec<_>>());
        let figures = [("EER".to_owned(), eer), ("ECE".to_owned(), ece)].into();
        Ok(Judgement { badness, figures })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::gradients::{assert_right, numbers};

    #[test]
    fn its_gradient_is_that_of_finite_differences_by_every_difference() {
        for difference in Difference::ALL {
            let weight = numbers(&[difference.size(3) as i64], 5);
            let right = numbers(&[4, 3], 6);
            assert_right(&numbers(&[4, 3], 1), |left| {
                let logits = differences(difference, left, &right)?.f_matmul(&weight)?;
                let same = Tensor::f_from_slice(&[1.0f64, 0.0, 1.0, 0.0])?;
                logits.f_binary_cross_entropy_with_logits::<Tensor>(
                    &same,
                    None,
                    None,
                    Reduction::Mean,
                )
            });
        }
    }

    #[test]
    fn it_begins_as_the_logistic_curve_over_the_distance() {
        // Two people, at right angles; photos of each a little apart.
        let rows = [[1.0f32, 0.0], [0.8, 0.6], [0.0, 1.0], [-0.6, 0.8]];
        let encodings = Tensor::from_slice(&rows.concat()).view([4, 2]);
        let pairs = Labelled {
            pairs: vec![[0, 1], [2, 3], [0, 2], [1, 3]],
            same: vec![true, true, false, false],
        };
        let learner = VerifierLearner::new(Difference::Squared, &encodings, &pairs).unwrap();
        let verifier = learner.learnt(ModelId::new("test"), 2).unwrap();
        assert!(verifier.weights()[0] < 0.0 && verifier.weights()[0] == verifier.weights()[1]);
        let chance = |[a, b]: [usize; 2]| {
            verifier.logit_of(&rows[a], &rows[b]).unwrap().probability().value()
        };
        assert!(chance([0, 1]) > 0.5 && chance([0, 2]) < 0.5);
    }
}
