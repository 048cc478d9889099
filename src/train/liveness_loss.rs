//! What a liveness network makes smaller.

use tch::{Kind, TchError, Tensor};

use crate::nets::MiniFasNet;

/// The mean cross-entropy of live against attack, of logits `[N, classes]`: an attack is whatever is not of the live class.
///
/// `-ln p` for a live face, `-ln (1 - p)` for an attack, `p` being the softmax's probability of the live class; computed as
/// differences of log-sum-exps, so that no probability that rounds to nothing is taken the logarithm of.
///
/// # Errors
/// When libtorch fails.
pub fn liveness_loss(logits: &Tensor, live: &[bool]) -> Result<Tensor, TchError> {
    let live_class = MiniFasNet::LIVE_CLASS;
    let behind = logits.size2()?.1 - live_class - 1;
    let all = logits.f_logsumexp([1i64].as_slice(), false)?;
    let own = logits.f_select(1, live_class)?;
    let others = [logits.f_narrow(1, 0, live_class)?, logits.f_narrow(1, live_class + 1, behind)?];
    let others = Tensor::f_cat(&others, 1)?.f_logsumexp([1i64].as_slice(), false)?;
    let live = Tensor::f_from_slice(live)?.f_to_device(logits.device())?;
    all.f_sub(&own.f_where_self(&live, &others)?)?.f_mean(None)
}

/// The mean squared difference of the spectrum that a head tells of, `[N, 1, side, side]`, from the right one.
///
/// # Errors
/// When the shapes differ, or libtorch fails.
pub fn fourier_loss(told: &Tensor, right: &Tensor) -> Result<Tensor, TchError> {
    if told.size() != right.size() {
        let (told, right) = (told.size(), right.size());
        return Err(TchError::Shape(format!("a spectrum of {told:?}, not of {right:?}")));
    }
    told.f_to_kind(right.kind())?.f_sub(right)?.f_square()?.f_mean(None::<Kind>)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::gradients::{assert_right, numbers};

    const LIVE: [bool; 4] = [true, false, true, false];

    #[test]
    fn their_gradients_are_those_of_finite_differences() {
        assert_right(&numbers(&[4, 3], 1), |logits| liveness_loss(logits, &LIVE));
        let right = numbers(&[2, 1, 3, 3], 2);
        assert_right(&numbers(&[2, 1, 3, 3], 3), |told| fourier_loss(told, &right));
        let both = |xs: &Tensor| {
            let live = liveness_loss(&xs.f_narrow(1, 0, 3)?, &LIVE)?;
            let told = xs.f_narrow(1, 3, 2)?.f_view([4, 1, 1, 2])?;
            let fourier = fourier_loss(&told, &numbers(&[4, 1, 1, 2], 4))?;
            live.f_mul_scalar(0.5)?.f_add(&fourier.f_mul_scalar(0.5)?)
        };
        assert_right(&numbers(&[4, 5], 5), both);
    }

    #[test]
    fn it_is_the_cross_entropy_of_live_against_all_attacks() {
        let logits = numbers(&[4, 3], 1);
        let p = Vec::<f64>::try_from(logits.softmax(1, Kind::Double).select(1, 0)).unwrap();
        let expected: f64 =
            p.iter().zip(LIVE).map(|(p, live)| -if live { *p } else { 1.0 - p }.ln()).sum();
        let loss = f64::try_from(liveness_loss(&logits, &LIVE).unwrap()).unwrap();
        assert!((loss - expected / 4.0).abs() < 1e-12, "{loss}");
        // Where the probability of an attack is nothing in f32, its logarithm is none.
        let sure = Tensor::from_slice(&[200f32, 0.0, 0.0]).view([1, 3]);
        let loss = f64::try_from(liveness_loss(&sure, &[false]).unwrap()).unwrap();
        assert!((loss - (200.0 - 2f64.ln())).abs() < 1e-3, "{loss}");
    }
}
