//! The alarm for encodings that tell nobody apart any more.
//!
//! With the hardest triplets the loss has a resting place where every encoding is equal: it is then the margin, and no
//! gradient leads out (Schroff et al. 2015, section 3.2).

use tch::{TchError, Tensor};

/// Encodings whose mean is longer than this are all but one: those of strangers cancel each other out.
const MEAN_LENGTH_MAX: f64 = 0.99;

/// What is scaled to length 1 has lost its direction to roundings where it is shorter than this on average, and where it
/// is longer no step turns it any more: the gradient of a scaled row falls with its length.
const NORM_MIN: f64 = 1e-4;
const NORM_MAX: f64 = 1e4;

/// Steps in a row until it is said of encodings.
const PATIENCE: u32 = 20;

/// How near the margin a loss rests there, as a share of it.
const AT_MARGIN: f64 = 0.01;

/// Steps in a row until that is said: it passes the margin on its way, too.
const PATIENCE_AT_MARGIN: u32 = 100;

/// What has come of the encodings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Collapse {
    /// They are all equal.
    #[error(
        "all encodings have become one (the loss rests at the margin, and no gradient leads out)"
    )]
    AllOne,
    /// There is nothing that could have been brought to length 1.
    #[error("what the network says has shrunk to nothing (a mean length under {NORM_MIN:e})")]
    Vanished,
    /// It has grown so long that no step turns it.
    #[error(
        "what the network says has grown beyond measure (a mean length over {NORM_MAX:e}): a lower --rate"
    )]
    Exploded,
    /// They differ, and not by who is shown.
    #[error(
        "the loss has rested at the margin for {PATIENCE_AT_MARGIN} steps: strangers are as near as the same person"
    )]
    AtMargin,
}

/// Watches step after step.
#[derive(Clone, Copy, Debug, Default)]
pub struct CollapseAlarm {
    all_one: u32,
    vanished: u32,
    exploded: u32,
    at_margin: u32,
}

impl CollapseAlarm {
    /// Looks at a step's unit encodings `[N, D]`, how long on average they were before they were scaled and, of triplets,
    /// its mean loss and their margin; what has come of them for so long that training is over.
    ///
    /// # Errors
    /// When libtorch fails.
    pub fn look(
        &mut self,
        encodings: &Tensor,
        norm: f64,
        triplets: Option<(f64, f64)>,
    ) -> Result<Option<Collapse>, TchError> {
        let at_margin = triplets.is_some_and(|(loss, margin)| {
            margin > 0.0 && (loss - margin).abs() < AT_MARGIN * margin
        });
        let counts = [
            (
                Collapse::AllOne,
                &mut self.all_one,
                mean_length(encodings)? > MEAN_LENGTH_MAX,
                PATIENCE,
            ),
            (Collapse::Vanished, &mut self.vanished, norm < NORM_MIN, PATIENCE),
            (Collapse::Exploded, &mut self.exploded, norm > NORM_MAX, PATIENCE),
            (Collapse::AtMargin, &mut self.at_margin, at_margin, PATIENCE_AT_MARGIN),
        ];
        let raised = counts.map(|(collapse, count, is_so, patience)| {
            *count = if is_so { *count + 1 } else { 0 };
            (*count >= patience).then_some(collapse)
        });
        Ok(raised.into_iter().flatten().next())
    }
}

/// The length of the mean of unit encodings `[N, D]`: 1 where all are equal, about 0 where they point everywhere.
///
/// # Errors
/// When libtorch fails.
pub fn mean_length(encodings: &Tensor) -> Result<f64, TchError> {
    let mean = encodings.f_detach()?.f_mean_dim([0i64].as_slice(), false, None)?;
    f64::try_from(mean.f_norm()?)
}

/// The mean of the lengths of rows `[N, D]`.
///
/// # Errors
/// When libtorch fails.
pub fn mean_norm(rows: &Tensor) -> Result<f64, TchError> {
    let norms = rows.f_detach()?.f_norm_scalaropt_dim(2.0, [1i64].as_slice(), false)?;
    f64::try_from(norms.f_mean(None)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(values: &[f32]) -> Tensor {
        Tensor::from_slice(values).view([-1, 2])
    }

    /// What is said, step by step.
    fn looks(
        encodings: &Tensor,
        norm: f64,
        triplets: Option<(f64, f64)>,
        steps: u32,
    ) -> Vec<Option<Collapse>> {
        let mut alarm = CollapseAlarm::default();
        (0..steps).map(|_| alarm.look(encodings, norm, triplets).unwrap()).collect()
    }

    #[test]
    fn encodings_that_stay_one_raise_the_alarm_and_those_that_differ_do_not() {
        let same = rows(&[0.6, 0.8, 0.6, 0.8, 0.6, 0.8]);
        let apart = rows(&[1.0, 0.0, -1.0, 0.0, 0.0, 1.0]);
        let said = looks(&same, 1.0, None, PATIENCE);
        assert!(said[..said.len() - 1].iter().all(Option::is_none));
        assert_eq!(said.last(), Some(&Some(Collapse::AllOne)));
        let mut alarm = CollapseAlarm::default();
        for _ in 0..PATIENCE {
            assert_eq!(
                alarm.look(&same, 1.0, None).unwrap().or(alarm.look(&apart, 1.0, None).unwrap()),
                None
            );
        }
    }

    #[test]
    fn encodings_of_hardly_anything_and_of_far_too_much_raise_the_alarm() {
        let apart = rows(&[1.0, 0.0, -1.0, 0.0]);
        let last = |norm| looks(&apart, norm, None, PATIENCE).pop().flatten();
        assert!((mean_norm(&rows(&[0.3, 0.4, 0.0, 0.1])).unwrap() - 0.3).abs() < 1e-6);
        assert_eq!((last(3e-5), last(2e4)), (Some(Collapse::Vanished), Some(Collapse::Exploded)));
        assert_eq!((last(0.3), last(300.0)), (None, None));
    }

    #[test]
    fn a_loss_that_rests_at_the_margin_raises_the_alarm_and_one_that_passes_it_does_not() {
        let apart = rows(&[1.0, 0.0, -1.0, 0.0, 0.0, 1.0]);
        let rests = looks(&apart, 1.0, Some((0.2001, 0.2)), PATIENCE_AT_MARGIN);
        assert_eq!(rests.last(), Some(&Some(Collapse::AtMargin)));
        assert!(rests[..rests.len() - 1].iter().all(Option::is_none));
        for (loss, margin) in [(0.19, 0.2), (0.3, 0.2), (0.0, 0.0)] {
            let said = looks(&apart, 1.0, Some((loss, margin)), 2 * PATIENCE_AT_MARGIN);
            assert!(said.iter().all(Option::is_none), "{loss} {margin}");
        }
    }
}
