//! `[inference]`

use std::path::PathBuf;

use garde::Validate;
use serde::Deserialize;

/// The inference engine.
#[derive(Clone, Debug, PartialEq, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct InferenceConfig {
    /// The folder with the weights and their manifest.
    #[garde(skip)]
    pub weights_dir: PathBuf,
    /// Threads that each look at a frame; 0: one for each core, with a GPU four.
    #[garde(range(max = 256))]
    pub workers: usize,
    /// Frames that may wait while every worker looks at one; one more is answered with 429. 0: as many
    /// as there are workers.
    #[garde(range(max = 10_000))]
    pub queue_max: usize,
}

impl Default for InferenceConfig {
    fn default() -> Self {
        Self { weights_dir: PathBuf::from("weights"), workers: 0, queue_max: 0 }
    }
}
