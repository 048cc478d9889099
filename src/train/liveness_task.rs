//! Learning to tell live faces from attacks.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};

use super::figures::FiguresError;
use super::liveness_learner::{HEAD, LivenessLearner, LivenessLosses};
use super::presentation_sampler::PresentationSampler;
use super::trainer::{Judgement, Loss, Parameters, Task, TaskError};
use crate::domain::LivenessScore;
use crate::evaluate::metrics::{Bootstrap, Kind, Liveness, Presentation, liveness};

/// What a step learns from, and how.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LivenessSettings {
    /// Live faces of a batch, and as many attacks.
    pub of_each_class: usize,
    /// The share that the loss of the spectra has in the whole, 0 to 1.
    pub fourier_weight: f64,
    /// The liveness that the rates of a look are told at.
    pub threshold: LivenessScore,
}

/// Something that was presented and is judged, never learnt from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presented {
    /// The photo's number; none: no face was found in it.
    pub photo: Option<usize>,
    /// What was presented.
    pub kind: Kind,
    /// Whose face it shows.
    pub subject: String,
}

/// A liveness network that learns.
#[derive(Debug)]
pub struct LivenessTask {
    learner: LivenessLearner,
    sampler: PresentationSampler,
    validation: Vec<Presented>,
    settings: LivenessSettings,
}

/// A look is told without intervals.
const NO_INTERVALS: Bootstrap = Bootstrap { resamples: 0, seed: 1 };

/// A loss weighs less than any difference of the EER, of which half a million presentations have steps of 1e-6.
const LOSS_WEIGHT: f64 = 1e-6;

impl LivenessTask {
    /// Learns from what the sampler draws, and is judged by the validation presentations.
    #[must_use]
    pub fn new(
        learner: LivenessLearner,
        sampler: PresentationSampler,
        validation: Vec<Presented>,
        settings: LivenessSettings,
    ) -> Self {
        Self { learner, sampler, validation, settings }
    }

    /// What learns.
    #[must_use]
    pub fn learner(&self) -> &LivenessLearner {
        &self.learner
    }

    /// What has learnt.
    #[must_use]
    pub fn into_learner(self) -> LivenessLearner {
        self.learner
    }
}

impl LivenessLearner {
    /// How live all that was presented looks.
    ///
    /// # Errors
    /// When the network says what is no probability, or libtorch fails.
    pub fn present(&self, presented: &[Presented]) -> Result<Vec<Presentation>, TaskError> {
        let photos: Vec<usize> = presented.iter().filter_map(|one| one.photo).collect();
        let mut scores = self.judge(&photos)?.into_iter();
        let presentation = |one: &Presented| {
            let score = one.photo.and_then(|_| scores.next()).map(LivenessScore::try_from);
            let score = score.transpose().map_err(|_| TaskError::NotANumber)?;
            Ok(Presentation { kind: one.kind.clone(), subject: Some(one.subject.clone()), score })
        };
        presented.iter().map(presentation).collect()
    }
}

/// The error rates of presentations at `threshold` and over all thresholds.
///
/// # Errors
/// When one class is missing.
pub fn liveness_rates(
    presentations: &[Presentation],
    threshold: LivenessScore,
    bootstrap: Bootstrap,
) -> Result<Liveness, TaskError> {
    Ok(liveness(presentations, threshold, bootstrap).map_err(FiguresError::Metric)?)
}

impl Task for LivenessTask {
    fn parameters(&self) -> &Parameters {
        self.learner.parameters()
    }

    fn is_fresh(&self, name: &str) -> bool {
        name.starts_with(HEAD)
    }

    fn loss(&mut self, random: &dyn Fn(&str) -> StdRng) -> Result<Loss, TaskError> {
        let batch = self.sampler.draw(self.settings.of_each_class, &mut random("batch"));
        let LivenessLosses { live, fourier } =
            self.learner.losses(&batch, &mut random("variation"))?;
        let mut measures = BTreeMap::from([("live_loss".to_owned(), f64::try_from(&live)?)]);
        let mean = match fourier {
            None => live,
            Some(fourier) => {
                measures.insert("fourier_loss".to_owned(), f64::try_from(&fourier)?);
                let weight = self.settings.fourier_weight;
                live.f_mul_scalar(1.0 - weight)?.f_add(&fourier.f_mul_scalar(weight)?)?
            }
        };
        Ok(Loss { mean, faces: batch.photos.len(), measures, collapsed: None })
    }

    fn look(&self) -> Result<Judgement, TaskError> {
        let presentations = self.learner.present(&self.validation)?;
        let rates = liveness_rates(&presentations, self.settings.threshold, NO_INTERVALS)?;
        let loss = mean_loss(&presentations);
        let figures =
            [("EER", rates.eer), ("worst APCER", rates.apcer_worst), ("BPCER", rates.bpcer)];
        Ok(Judgement {
            // Of looks that are equally good the surest.
            badness: rates.eer + LOSS_WEIGHT * loss / (1.0 + loss),
            figures: figures.map(|(name, value)| (name.to_owned(), value)).into(),
        })
    }
}

/// The cross-entropy of what was presented and had a response, live faces and attacks weighing alike.
fn mean_loss(presentations: &[Presentation]) -> f64 {
    let of = |live: bool| {
        let of_class = presentations.iter().filter(|one| (one.kind == Kind::Live) == live);
        let losses: Vec<f64> = of_class
            .filter_map(|one| {
                let score = f64::from(one.score?.value());
                // What rounds to nothing has no logarithm.
                Some(-(if live { score } else { 1.0 - score }).max(1e-12).ln())
            })
            .collect();
        losses.iter().sum::<f64>() / losses.len().max(1) as f64
    };
    f64::midpoint(of(true), of(false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loss_of_a_look_weighs_both_classes_alike_and_leaves_out_what_had_no_response() {
        let presentation = |kind: &Kind, score: Option<f32>| Presentation {
            kind: kind.clone(),
            subject: None,
            score: score.map(|score| LivenessScore::try_from(score).unwrap()),
        };
        let (live, print) = (Kind::Live, Kind::Attack("print".to_owned()));
        let of = [
            presentation(&live, Some(0.5)),
            presentation(&live, None),
            presentation(&print, Some(0.0)),
            presentation(&print, Some(0.0)),
            presentation(&print, Some(0.0)),
        ];
        assert!((mean_loss(&of) - 0.5 * 2f64.ln()).abs() < 1e-9, "{}", mean_loss(&of));
        assert!(mean_loss(&[presentation(&print, Some(1.0))]).is_finite());
    }
}
