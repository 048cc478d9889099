//! Whether what the configuration says of the networks fits what is there.

use super::{Config, ConfigError};
use crate::vision::EncoderProfile;

impl Config {
    /// Holds the device, the encoder, its size, the calibrations and the verifier against the machine and the weights
    /// folder, without loading a network.
    ///
    /// # Errors
    /// [`ConfigError`] with everything that does not fit, and the way out.
    pub fn check_networks(&self) -> Result<(), ConfigError> {
        let profile = EncoderProfile::of(&self.inference.weights_dir, &self.road);
        let verifier = match &profile {
            // Of no encoder there is no verifier.
            Err(_) => None,
            Ok(_) => self.matching.verifier(&self.inference.weights_dir, &self.road).err(),
        };
        let wrong: [Option<String>; 4] = [
            self.road.check_device().err().map(|error| format!("[road]: {error}")),
            match &profile {
                Err(error) => Some(format!("[road]: {error}")),
                Ok(encoder) => {
                    self.matching.risk(encoder).err().map(|error| format!("[matching]: {error:#}"))
                }
            },
            verifier.map(|error| format!("{error:#}")),
            profile.ok().and_then(|encoder| self.check_previous(&encoder)),
        ];
        let wrong: Vec<String> = wrong.into_iter().flatten().collect();
        if wrong.is_empty() { Ok(()) } else { Err(ConfigError(wrong)) }
    }

    /// What does not fit of the encoder that people move away from.
    fn check_previous(&self, current: &EncoderProfile) -> Option<String> {
        let previous = self.previous_encoder()?;
        match previous.profile(&self.road, current) {
            Err(error) => Some(format!("[previous]: {error}")),
            Ok(previous) => self
                .previous
                .risk(&self.matching, &previous)
                .err()
                .map(|error| format!("{error:#}")),
        }
    }
}
