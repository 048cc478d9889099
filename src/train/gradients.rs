//! Gradients, held against finite differences.

use rand::Rng;
use tch::{Kind, TchError, Tensor, no_grad};

use super::random::random;

/// How far a number is moved; in `f64` the error of a central difference is then some 1e-8.
const STEP: f64 = 1e-4;

/// Random numbers from -1 to 1, in `f64`.
pub(super) fn numbers(shape: &[i64], seed: u64) -> Tensor {
    let mut random = random(seed, "numbers", 0);
    let count = shape.iter().product::<i64>();
    let values: Vec<f64> = (0..count).map(|_| random.random_range(-1.0..1.0)).collect();
    Tensor::from_slice(&values).view(shape)
}

/// Checks the gradient of a scalar function at `xs`, which is of `f64`.
#[track_caller]
pub(super) fn assert_right(xs: &Tensor, function: impl Fn(&Tensor) -> Result<Tensor, TchError>) {
    assert_eq!(xs.kind(), Kind::Double);
    let leaf = xs.copy().set_requires_grad(true);
    function(&leaf).unwrap().backward();
    let gradient = Vec::<f64>::try_from(leaf.grad().contiguous().view([-1])).unwrap();
    let moved = |at: usize, by: f64| {
        let other = xs.copy();
        no_grad(|| {
            let _ = other.view([-1]).get(at as i64).f_add_scalar_(by).unwrap();
        });
        f64::try_from(function(&other).unwrap()).unwrap()
    };
    for (at, found) in gradient.iter().enumerate() {
        let expected = (moved(at, STEP) - moved(at, -STEP)) / (2.0 * STEP);
        assert!(
            (found - expected).abs() < 1e-6 * (1.0 + expected.abs()),
            "{at}: {found}, by differences {expected}"
        );
    }
}
