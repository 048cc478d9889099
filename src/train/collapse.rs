//! The alarm for encodings that all become one.
//!
//! With the hardest triplets the loss has a resting place where every encoding is equal: it is then the margin, and no
//! gradient leads out (Schroff et al. 2015, section 3.2).

use tch::{TchError, Tensor};

/// Encodings whose mean is longer than this are all but one: those of strangers cancel each other out.
const MEAN_LENGTH_MAX: f64 = 0.99;

/// Steps in a row until it is said.
const PATIENCE: u32 = 20;

/// Watches step after step.
#[derive(Clone, Copy, Debug, Default)]
pub struct CollapseAlarm {
    collapsed: u32,
}

impl CollapseAlarm {
    /// Looks at a step's unit encodings `[N, D]`; whether they have been all but one for so long that training is
    /// over.
    ///
    /// # Errors
    /// When libtorch fails.
    pub fn look(&mut self, encodings: &Tensor) -> Result<bool, TchError> {
        let collapsed = mean_length(encodings)? > MEAN_LENGTH_MAX;
        self.collapsed = if collapsed { self.collapsed + 1 } else { 0 };
        Ok(self.collapsed >= PATIENCE)
    }
}

/// The length of the mean of unit encodings: 1 where all are equal, about 0 where they point everywhere.
///
/// # Errors
/// When libtorch fails.
pub fn mean_length(encodings: &Tensor) -> Result<f64, TchError> {
    let mean = encodings.f_detach()?.f_mean_dim([0i64].as_slice(), false, None)?;
    f64::try_from(mean.f_norm()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_that_stay_one_raise_the_alarm_and_those_that_differ_do_not() {
        let same = Tensor::from_slice(&[0.6f32, 0.8, 0.6, 0.8, 0.6, 0.8]).view([3, 2]);
        let apart = Tensor::from_slice(&[1.0f32, 0.0, -1.0, 0.0, 0.0, 1.0]).view([3, 2]);
        let mut alarm = CollapseAlarm::default();
        let looks: Vec<bool> = (0..PATIENCE).map(|_| alarm.look(&same).unwrap()).collect();
        assert_eq!(looks.iter().filter(|raised| **raised).count(), 1);
        assert!(looks[PATIENCE as usize - 1]);
        assert!(!alarm.look(&apart).unwrap() && !alarm.look(&same).unwrap());
    }
}
