//! Learning an encoder: by triplets, or by the names of the training people.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};
use tch::{Device, TchError, Tensor};

use super::batch::{Batch, BatchShape, Sampler};
use super::collapse::{CollapseAlarm, mean_length, mean_norm};
use super::figures::Figures;
use super::learner::Learner;
use super::loss::{squared_distances, triplet, unit_rows};
use super::margin_softmax::{Centres, Margin, accuracy, margin_softmax};
use super::mining::Mining;
use super::trainer::{Judgement, Loss, Parameters, Task, TaskError};

/// What a step learns from, and how.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EncoderSettings {
    /// Whose photos.
    pub batch: BatchShape,
    /// What is made smaller.
    pub objective: Objective,
}

/// What is made smaller.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Objective {
    /// The triplet loss.
    Triplet {
        /// Which triplets of a batch.
        mining: Mining,
        /// α of the loss, over 0 and under 4.
        margin: f64,
    },
    /// The cross-entropy of a softmax over the training people, with a margin.
    Softmax {
        /// How a person is made harder to tell.
        margin: Margin,
        /// What cosines are multiplied with.
        scale: f64,
    },
}

/// Photos by number and who is in each.
#[derive(Clone, Debug, Default)]
pub struct People {
    /// The photos' numbers.
    pub photos: Vec<usize>,
    /// Who is in each.
    pub person: Vec<u32>,
}

impl People {
    /// These and others.
    #[must_use]
    pub fn with(self, others: Self) -> Self {
        Self {
            photos: [self.photos, others.photos].concat(),
            person: [self.person, others.person].concat(),
        }
    }
}

/// An encoder that learns.
pub struct EncoderTask<L> {
    learner: L,
    sampler: Sampler,
    validation: People,
    batch: BatchShape,
    goal: Goal,
    /// Those of the learner, and of what it learns by.
    parameters: Vec<(String, Tensor)>,
    alarm: CollapseAlarm,
}

/// What the eye wants to see beside a loss, by name.
type Measures = Vec<(&'static str, f64)>;

/// An objective with what it needs.
enum Goal {
    Triplet { mining: Mining, margin: f64 },
    Softmax { margin: Margin, scale: f64, centres: Centres, place: BTreeMap<u32, i64> },
}

/// The name of the centres among the parameters.
const CENTRES: &str = "centres.weight";

impl<L: Learner> EncoderTask<L> {
    /// Learns from what the sampler draws, and is judged by the validation people. `random`: where the centres of a
    /// softmax begin.
    ///
    /// # Errors
    /// When libtorch fails.
    pub fn new(
        learner: L,
        sampler: Sampler,
        validation: People,
        settings: EncoderSettings,
        random: &mut StdRng,
    ) -> Result<Self, TchError> {
        let EncoderSettings { batch, objective } = settings;
        let mut parameters: Vec<(String, Tensor)> = learner
            .parameters()
            .iter()
            .map(|(name, tensor)| (name.clone(), tensor.shallow_clone()))
            .collect();
        let goal = match objective {
            Objective::Triplet { mining, margin } => Goal::Triplet { mining, margin },
            Objective::Softmax { margin, scale } => {
                let place: BTreeMap<u32, i64> = sampler.people().into_iter().zip(0..).collect();
                let device = parameters.first().map_or(Device::Cpu, |(_, tensor)| tensor.device());
                let centres = Centres::new(place.len(), learner.size(), device, random)?;
                parameters.push((CENTRES.to_owned(), centres.weight()));
                Goal::Softmax { margin, scale, centres, place }
            }
        };
        let alarm = CollapseAlarm::default();
        Ok(Self { learner, sampler, validation, batch, goal, parameters, alarm })
    }

    /// What learns.
    pub fn learner(&self) -> &L {
        &self.learner
    }

    /// What has learnt.
    pub fn into_learner(self) -> L {
        self.learner
    }
}

impl Goal {
    /// The mean loss of unit encodings `[N, size]` of a batch's photos, and what the eye wants to see beside it.
    fn loss(
        &self,
        encodings: &Tensor,
        batch: &Batch,
        random: &mut StdRng,
    ) -> Result<(Tensor, Measures), TchError> {
        match self {
            Self::Triplet { mining, margin } => {
                let distances = squared_distances(&encodings.f_detach()?)?;
                let distances = distances.f_to_device(Device::Cpu)?.f_contiguous()?;
                let distances = Vec::<f32>::try_from(distances.f_view([-1i64])?)?;
                let triplets = mining.choose(&batch.people, &distances, random);
                let loss = triplet(encodings, &triplets, *margin)?;
                let measures = vec![("active", loss.active), ("triplets", triplets.len() as f64)];
                Ok((loss.mean, measures))
            }
            Self::Softmax { margin, scale, centres, place } => {
                let person: Vec<i64> = batch.people.iter().map(|person| place[person]).collect();
                let cosines = centres.cosines(encodings)?;
                let mean = margin_softmax(&cosines, &person, *margin, *scale)?;
                Ok((mean, vec![("accuracy", accuracy(&cosines.f_detach()?, &person)?)]))
            }
        }
    }
}

impl<L: Learner> Task for EncoderTask<L> {
    fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    fn is_fresh(&self, name: &str) -> bool {
        name == CENTRES
    }

    fn loss(&mut self, random: &dyn Fn(&str) -> StdRng) -> Result<Loss, TaskError> {
        let batch = self.sampler.draw(self.batch, &mut random("batch"));
        let said = self.learner.forward(&batch.photos, Some(&mut random("variation")))?;
        let (encodings, norm) = (unit_rows(&said)?, mean_norm(&said)?);
        let (mean, mut measures) = self.goal.loss(&encodings, &batch, &mut random("triplets"))?;
        measures.extend([("mean_length", mean_length(&encodings)?), ("norm", norm)]);
        let measures = measures.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let triplets = match self.goal {
            Goal::Triplet { margin, .. } => Some((f64::try_from(&mean)?, margin)),
            Goal::Softmax { .. } => None,
        };
        let collapsed = self.alarm.look(&encodings, norm, triplets)?;
        Ok(Loss { mean, faces: batch.photos.len(), measures, collapsed })
    }

    fn look(&self) -> Result<Judgement, TaskError> {
        let encodings = self.learner.encode_all(&self.validation.photos)?;
        let figures = Figures::of(&encodings, &self.validation.person, None)?;
        Ok(Judgement { badness: figures.badness(), figures: figures.named() })
    }
}
