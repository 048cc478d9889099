//! What makes encodings and learns to.

use rand::rngs::StdRng;
use tch::{TchError, Tensor};

use super::loss::unit_rows;
use super::trainer::Parameters;

/// Encodings, a row for each photo.
pub type Rows = Tensor;

/// Photos that are encoded at a time when all are.
const ENCODED_AT_ONCE: usize = 256;

/// From photos to encodings, by numbers that can be learnt. Both photos of a pair travel through the same numbers:
/// a Siamese network (Bromley et al. 1993).
pub trait Learner {
    /// What is learnt, and what is gathered beside it: numbers that ask for no gradient.
    fn parameters(&self) -> &Parameters;

    /// How many numbers an encoding has.
    fn size(&self) -> i64;

    /// What it says of photos, by their numbers, before that is scaled to length 1: `[N, D]`. With random numbers photos
    /// are varied as training wants it, and gradients flow; without they are as the service sees them.
    ///
    /// # Errors
    /// When libtorch fails.
    fn forward(&self, photos: &[usize], random: Option<&mut StdRng>) -> Result<Tensor, TchError>;

    /// The unit encodings `[N, D]` of photos: what [`Self::forward`] says of them, scaled.
    ///
    /// # Errors
    /// When libtorch fails.
    fn encode(&self, photos: &[usize], random: Option<&mut StdRng>) -> Result<Tensor, TchError> {
        unit_rows(&self.forward(photos, random)?)
    }

    /// The encodings of photos as the service would have them, `[N, D]`.
    ///
    /// # Errors
    /// When libtorch fails.
    fn encode_all(&self, photos: &[usize]) -> Result<Rows, TchError> {
        tch::no_grad(|| {
            let parts = photos.chunks(ENCODED_AT_ONCE).map(|part| self.encode(part, None));
            Tensor::f_cat(&parts.collect::<Result<Vec<_>, _>>()?, 0)
        })
    }
}
