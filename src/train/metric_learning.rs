//! Learning an encoder by triplets.

use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};

use super::batch::{BatchShape, Sampler};
use super::collapse::{CollapseAlarm, mean_length};
use super::figures::Figures;
use super::learner::Learner;
use super::loss::{squared_distances, triplet};
use super::mining::Mining;
use super::trainer::{Judgement, Loss, Parameters, Task, TaskError};

/// What a step learns from, and how.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TripletSettings {
    /// Whose photos.
    pub batch: BatchShape,
    /// Which triplets of them.
    pub mining: Mining,
    /// α of the loss, over 0 and under 4.
    pub margin: f64,
}

/// Photos by number and who is in each.
#[derive(Clone, Debug, Default)]
pub struct People {
    /// The photos' numbers.
    pub photos: Vec<usize>,
    /// Who is in each.
    pub person: Vec<u32>,
}

/// An encoder that learns by triplets.
pub struct TripletTask<L> {
    learner: L,
    sampler: Sampler,
    validation: People,
    settings: TripletSettings,
    alarm: CollapseAlarm,
}

impl<L: Learner> TripletTask<L> {
    /// Learns from what the sampler draws, and is judged by the validation people.
    pub fn new(
        learner: L,
        sampler: Sampler,
        validation: People,
        settings: TripletSettings,
    ) -> Self {
        Self { learner, sampler, validation, settings, alarm: CollapseAlarm::default() }
    }

    /// What learns.
    pub fn learner(&self) -> &L {
        &self.learner
    }
}

impl<L: Learner> Task for TripletTask<L> {
    fn parameters(&self) -> &Parameters {
        self.learner.parameters()
    }

    fn loss(&mut self, random: &dyn Fn(&str) -> StdRng) -> Result<Loss, TaskError> {
        let TripletSettings { batch, mining, margin } = self.settings;
        let batch = self.sampler.draw(batch, &mut random("batch"));
        let encodings = self.learner.encode(&batch.photos, Some(&mut random("variation")))?;
        let distances = squared_distances(&encodings.f_detach()?)?.f_to_device(tch::Device::Cpu)?;
        let distances = Vec::<f32>::try_from(distances.f_contiguous()?.f_view([-1i64])?)?;
        let triplets = mining.choose(&batch.people, &distances, &mut random("triplets"));
        let loss = triplet(&encodings, &triplets, margin)?;
        let collapsed = self.alarm.look(&encodings)?;
        let measures = [
            ("active", loss.active),
            ("triplets", triplets.len() as f64),
            ("mean_length", mean_length(&encodings)?),
        ];
        let measures = measures.map(|(name, value)| (name.to_owned(), value)).into();
        Ok(Loss { mean: loss.mean, faces: batch.photos.len(), measures, collapsed })
    }

    fn look(&self) -> Result<Judgement, TaskError> {
        let encodings = self.learner.encode_all(&self.validation.photos)?;
        let figures = Figures::of(&encodings, &self.validation.person, None)?;
        Ok(Judgement { badness: figures.badness(), figures: figures.named() })
    }
}
