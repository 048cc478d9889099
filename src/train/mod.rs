//! Learning: from labelled photos to the numbers of a network.
//!
//! | module | what |
//! |---|---|
//! | `split` | people, never photos, are split |
//! | `batch`, `mining` | what a step learns from |
//! | `loss`, `margin_softmax` | what it makes smaller |
//! | `learner`: `projection` over `features`, or `network_learner` over `pictures` | what makes encodings and learns to |
//! | `variation` | what a camera may make of a picture |
//! | `encoder_task`, `collapse` | learning an encoder, and the alarm |
//! | `deal`, `presentation_sampler` | subjects who are presented, live and in attacks: split, and drawn evenly |
//! | `liveness_learner`, `liveness_loss`, `spectrum`, `liveness_task` | learning to tell live faces from attacks |
//! | `verifier`, `pairs`, `difference` | learning a logistic unit over two encodings |
//! | `reliability`, `held_out` | whether its chance is one, and how well it tells people apart |
//! | `trainer`, `adam`, `schedule` | step after step, whatever is learnt |
//! | `memory` | what a step frees, the next one takes |
//! | `run`, `parameters` | the folder of a run: whole whenever the process ends |
//! | `figures` | how well encodings tell people apart |
//! | `curves`, `model_card`, `export` | what is left of a run: plots, a model card, a weights folder |

mod adam;
mod batch;
mod collapse;
mod curves;
mod deal;
mod difference;
mod encoder_task;
mod export;
mod features;
mod figures;
#[cfg(test)]
mod gradients;
mod held_out;
mod learner;
mod liveness_learner;
mod liveness_loss;
mod liveness_task;
mod loss;
mod margin_softmax;
mod mining;
mod model_card;
mod network_learner;
mod pairs;
mod parameters;
mod pictures;
mod prepare;
mod presentation_sampler;
mod projection;
mod random;
mod reliability;
mod run;
mod schedule;
mod spectrum;
mod split;
mod trainer;
mod variation;
mod verifier;

pub use adam::{Adam, Decay, Fresh, Towards};
pub use batch::{Batch, BatchShape, Sampler, SamplerError};
pub use curves::curves;
pub use deal::{Shows, deal};
pub use encoder_task::{EncoderSettings, EncoderTask, Objective, People};
pub use export::{ExportError, Learnt, LearntPart, WeightsFolder};
pub use features::Features;
pub use figures::{Figures, FiguresError, each_pair_of};
pub use held_out::{Faces, HeldOut, HeldOutError};
pub use learner::{Learner, Rows};
pub use liveness_learner::{LivenessLearner, LivenessLosses};
pub use liveness_loss::{fourier_loss, liveness_loss};
pub use liveness_task::{LivenessSettings, LivenessTask, Presented, liveness_rates};
pub use loss::{TripletLoss, squared_distances, triplet, unit_rows};
pub use margin_softmax::{Centres, Margin, margin_softmax};
pub use mining::{Mining, Triplet};
pub use model_card::ModelCard;
pub use network_learner::NetworkLearner;
pub use pairs::{Labelled, Pairs, PhotoPair};
pub use parameters::{Tensors, TensorsError, from_bytes, to_bytes};
pub use pictures::Pictures;
pub use prepare::expect_steps;
pub use presentation_sampler::{
    LabelledPresentation, OneClass, PresentationBatch, PresentationSampler,
};
pub use projection::{
    LinearMap, ProjectionLearner, Start, each_person_alike, principal_components,
};
pub use random::random;
pub use reliability::{
    Bin, calibration_error_interval, expected_calibration_error, logistic_curve, reliability,
};
pub use run::{Checkpoint, Run, RunError, Standing};
pub use schedule::Schedule;
pub use spectrum::spectra;
pub use split::{Leak, Part, Split, leaks};
pub use trainer::{
    Ending, Judgement, Look, Loss, Note, Pace, Parameters, Step, Task, TaskError, Trained,
    TrainingError, Watcher, restore, train,
};
pub use variation::{Variation, vary};
pub use verifier::{LearntError, PairSettings, VerifierLearner, VerifierTask, tensors};
