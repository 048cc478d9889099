//! Verification as binary classification: a logistic unit over how two encodings differ.
//!
//! `p = σ(Σ_k w_k d_k(a, b) + w_0)`, the chance that both photos show one person where as many pairs do as do not.

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use serde::{Deserialize, Serialize};
use tch::{Kind, Reduction, TchError, Tensor};

use super::batch::SamplerError;
use super::difference::Difference;
use super::encoder_task::People;
use super::reliability::expected_calibration_error;
use super::trainer::{Judgement, Loss, Parameters, Task, TaskError};
use crate::domain::Distance;
use crate::evaluate::metrics::{DistanceCounts, Roc};

/// Pairs that are weighed at a time when all are.
const PAIRS_AT_ONCE: usize = 65_536;

/// A logistic unit.
#[derive(Debug)]
pub struct Verifier {
    difference: Difference,
    parameters: Vec<(String, Tensor)>,
}

impl Verifier {
    /// One that finds every pair as likely as not, for encodings of `size` numbers.
    ///
    /// # Errors
    /// When libtorch fails.
    pub fn new(difference: Difference, size: i64) -> Result<Self, TchError> {
        let zeros = |count| {
            let zeros = Tensor::f_zeros([count], (Kind::Float, tch::Device::Cpu))?;
            Ok::<_, TchError>(zeros.set_requires_grad(true))
        };
        let weight = zeros(difference.size(size))?;
        let parameters = vec![("weight".to_owned(), weight), ("bias".to_owned(), zeros(1)?)];
        Ok(Self { difference, parameters })
    }

    /// Its numbers.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// `ln(p / (1 - p))` of N pairs, from the encodings `[N, size]` of both photos.
    ///
    /// # Errors
    /// When the encodings are of another size.
    pub fn logits(&self, left: &Tensor, right: &Tensor) -> Result<Tensor, TchError> {
        let [(_, weight), (_, bias)] = &self.parameters[..] else { unreachable!("two") };
        self.difference.of(left, right)?.f_matmul(weight)?.f_add(bias)
    }
}

/// Two photos, by their numbers.
pub type PhotoPair = [usize; 2];

/// The pairs that there are of some people.
#[derive(Clone, Debug)]
pub struct Pairs {
    people: People,
    /// Every two photos of one person.
    pub genuine: Vec<PhotoPair>,
}

impl Pairs {
    /// # Errors
    /// When there is no pair of one person, or none of two.
    pub fn new(people: People) -> Result<Self, SamplerError> {
        let People { photos, person } = &people;
        let mut genuine = Vec::new();
        // Photos of a person lie together.
        for first in 0..photos.len() {
            let same =
                (first + 1..photos.len()).take_while(|second| person[*second] == person[first]);
            genuine.extend(same.map(|second| [photos[first], photos[second]]));
        }
        if genuine.is_empty() {
            return Err(SamplerError::NoPositivePair);
        }
        if person.first() == person.last() {
            return Err(SamplerError::OnePerson);
        }
        Ok(Self { people, genuine })
    }

    /// `count` pairs of two people, by chance.
    pub fn impostor(&self, count: usize, random: &mut impl Rng) -> Vec<PhotoPair> {
        let People { photos, person } = &self.people;
        let mut pairs = Vec::with_capacity(count);
        while pairs.len() < count {
            let [one, other] = [0, 1].map(|_| random.random_range(0..photos.len()));
            if person[one] != person[other] {
                pairs.push([photos[one], photos[other]]);
            }
        }
        pairs
    }
}

/// What a step learns from.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PairSettings {
    /// Pairs of one person, and as many of two.
    pub pairs: usize,
}

/// A verifier that learns, over encodings that were computed once.
pub struct VerifierTask {
    verifier: Verifier,
    /// `[N, size]`
    encodings: Tensor,
    training: Pairs,
    validation: Labelled,
    settings: PairSettings,
}

/// Pairs with whether each is genuine.
#[derive(Clone, Debug, Default)]
pub struct Labelled {
    /// The pairs.
    pub pairs: Vec<PhotoPair>,
    /// Whether both photos show one person.
    pub same: Vec<bool>,
}

impl Labelled {
    /// All pairs of one person and as many of two, by chance.
    pub fn balanced(pairs: &Pairs, random: &mut StdRng) -> Self {
        let impostor = pairs.impostor(pairs.genuine.len(), random);
        let same = [true, false].map(|same| vec![same; pairs.genuine.len()]).concat();
        Self { pairs: [pairs.genuine.clone(), impostor].concat(), same }
    }
}

impl VerifierTask {
    /// Over `encodings` `[N, size]` of unit length.
    pub fn new(
        verifier: Verifier,
        encodings: Tensor,
        training: Pairs,
        validation: Labelled,
        settings: PairSettings,
    ) -> Self {
        Self { verifier, encodings, training, validation, settings }
    }

    /// What learns.
    #[must_use]
    pub fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// `-‖a - b‖²` of pairs: of unit encodings as good as the cosine, of which it is twice, less 2.
    ///
    /// # Errors
    /// When libtorch fails.
    pub fn nearness(&self, pairs: &[PhotoPair]) -> Result<Vec<f64>, TchError> {
        let mut all = Vec::with_capacity(pairs.len());
        for pairs in pairs.chunks(PAIRS_AT_ONCE) {
            let [left, right] = sides(&self.encodings, pairs)?;
            let squares = left.f_sub(&right)?.f_square()?;
            let distance = squares.f_sum_dim_intlist([1i64].as_slice(), false, Kind::Double)?;
            all.extend(Vec::<f64>::try_from(distance.f_neg()?)?);
        }
        Ok(all)
    }

    /// `ln(p / (1 - p))` of pairs.
    ///
    /// # Errors
    /// When libtorch fails.
    pub fn logits(&self, pairs: &[PhotoPair]) -> Result<Vec<f64>, TchError> {
        logits(&self.verifier, &self.encodings, pairs)
    }
}

/// `ln(p / (1 - p))` of pairs of rows.
///
/// # Errors
/// When libtorch fails.
pub fn logits(
    verifier: &Verifier,
    encodings: &Tensor,
    pairs: &[PhotoPair],
) -> Result<Vec<f64>, TchError> {
    let mut all = Vec::with_capacity(pairs.len());
    for pairs in pairs.chunks(PAIRS_AT_ONCE) {
        let logits = tch::no_grad(|| {
            let [left, right] = sides(encodings, pairs)?;
            verifier.logits(&left, &right)?.f_to_kind(Kind::Double)
        })?;
        all.extend(Vec::<f64>::try_from(logits)?);
    }
    Ok(all)
}

/// The rows of both photos of each pair.
fn sides(encodings: &Tensor, pairs: &[PhotoPair]) -> Result<[Tensor; 2], TchError> {
    let side = |of: usize| {
        let numbers: Vec<i64> = pairs.iter().map(|pair| pair[of] as i64).collect();
        encodings.f_index_select(0, &Tensor::f_from_slice(&numbers)?)
    };
    Ok([side(0)?, side(1)?])
}

/// What chance a logit stands for.
#[must_use]
pub fn probability(logit: f64) -> f64 {
    1.0 / (1.0 + (-logit).exp())
}

/// How well some scores tell genuine pairs from others; the higher a score, the likelier one person.
///
/// # Errors
/// When there is no pair of one kind.
pub fn roc(scores: &[f64], same: &[bool]) -> Result<Roc, crate::evaluate::metrics::MetricError> {
    let mut counts = [DistanceCounts::default(), DistanceCounts::default()];
    for (score, same) in scores.iter().zip(same) {
        // The order is what counts: from 0 for the likeliest to 4, without an end that many would share.
        let distance = 2.0 * (1.0 - score / (1.0 + score.abs()));
        counts[usize::from(*same)].add(Distance::try_from(distance as f32).ok());
    }
    let [impostor, genuine] = counts;
    Roc::new(&genuine, &impostor)
}

impl Task for VerifierTask {
    fn parameters(&self) -> &Parameters {
        self.verifier.parameters()
    }

    fn loss(&mut self, random: &dyn Fn(&str) -> StdRng) -> Result<Loss, TaskError> {
        let count = self.settings.pairs;
        let mut genuine_random = random("genuine");
        let genuine =
            (0..count).filter_map(|_| self.training.genuine.choose(&mut genuine_random).copied());
        let mut pairs: Vec<PhotoPair> = genuine.collect();
        pairs.extend(self.training.impostor(count, &mut random("impostor")));
        let [left, right] = sides(&self.encodings, &pairs)?;
        let logits = self.verifier.logits(&left, &right)?;
        let same = [vec![1f32; count], vec![0f32; count]].concat();
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
        Ok(Loss { mean, faces: 2 * pairs.len(), measures, collapsed: false })
    }

    fn look(&self) -> Result<Judgement, TaskError> {
        let Labelled { pairs, same } = &self.validation;
        let logits = self.logits(pairs)?;
        let losses = logits.iter().zip(same).map(|(logit, same)| {
            // -ln p of what is true, without overflow.
            let margin = if *same { *logit } else { -logit };
            (-margin).max(0.0) + (-margin.abs()).exp().ln_1p()
        });
        let badness = losses.sum::<f64>() / same.len() as f64;
        let predictions: Vec<(f64, bool)> =
            logits.iter().map(|logit| probability(*logit)).zip(same.iter().copied()).collect();
        let eer = roc(&logits, same).map_err(super::figures::FiguresError::from)?.summary().eer;
        let ece = expected_calibration_error(&predictions);
        let figures = [("EER".to_owned(), eer), ("ECE".to_owned(), ece)].into();
        Ok(Judgement { badness, figures })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::gradients::{assert_right, numbers};
    use crate::train::random;

    #[test]
    fn its_gradient_is_that_of_finite_differences_by_both_variants() {
        for difference in [Difference::Absolute, Difference::ChiSquare] {
            let weight = numbers(&[difference.size(3)], 5);
            let right = numbers(&[4, 3], 6);
            assert_right(&numbers(&[4, 3], 1), |left| {
                let logits = difference.of(left, &right)?.f_matmul(&weight)?;
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
    fn pairs_are_all_of_one_person_and_by_chance_of_two() {
        let people = People { photos: vec![10, 11, 12, 13, 14], person: vec![7, 7, 7, 8, 9] };
        let pairs = Pairs::new(people).unwrap();
        assert_eq!(pairs.genuine, [[10, 11], [10, 12], [11, 12]]);
        let who = |photo: usize| [7, 7, 7, 8, 9][photo - 10];
        let impostor = pairs.impostor(100, &mut random(1, "pairs", 0));
        assert!(impostor.len() == 100 && impostor.iter().all(|[a, b]| who(*a) != who(*b)));
        let made = |person: &[u32]| {
            let photos = (0..person.len()).collect();
            Pairs::new(People { photos, person: person.to_vec() }).err()
        };
        assert_eq!(made(&[1, 2]), Some(SamplerError::NoPositivePair));
        assert_eq!(made(&[1, 1]), Some(SamplerError::OnePerson));
    }
}
