//! Random numbers that depend on nothing but the seed, what they are for, and the step: whoever goes on at step n
//! draws what an undisturbed run draws there.

use rand::SeedableRng;
use rand::rngs::StdRng;
use sha2::{Digest, Sha256};

/// The random numbers for `purpose` at a step.
#[must_use]
pub fn random(seed: u64, purpose: &str, step: u64) -> StdRng {
    let hash = Sha256::new()
        .chain_update(seed.to_be_bytes())
        .chain_update(step.to_be_bytes())
        .chain_update(purpose.as_bytes());
    StdRng::from_seed(hash.finalize().into())
}

#[cfg(test)]
mod tests {
    use rand::Rng;

    use super::*;

    #[test]
    fn every_seed_purpose_and_step_has_its_own_numbers_and_always_the_same() {
        let first = |seed, purpose, step| random(seed, purpose, step).random::<u64>();
        assert_eq!(first(1, "batch", 2), first(1, "batch", 2));
        let all = [
            first(1, "batch", 2),
            first(2, "batch", 2),
            first(1, "other", 2),
            first(1, "batch", 3),
        ];
        assert!((1..all.len()).all(|i| !all[..i].contains(&all[i])), "{all:?}");
    }
}
