//! Least-squares similarity transforms.

use nalgebra::{Matrix2, Vector2};

use crate::domain::Point;

/// A rotation, a uniform scale and a shift: `(x, y) -> (a x - b y + tx, b x + a y + ty)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Similarity {
    /// Scale times the rotation's cosine.
    pub a: f64,
    /// Scale times the rotation's sine.
    pub b: f64,
    /// Shift to the right.
    pub tx: f64,
    /// Shift down.
    pub ty: f64,
}

impl Similarity {
    /// The similarity that maps `from` onto `to` with the least sum of squared distances, never a
    /// reflection (Umeyama 1991, "Least-squares estimation of transformation parameters between two
    /// point patterns", equations 40 to 43). Two pairs of points determine it exactly.
    ///
    /// None when the points of `from` coincide, there are none, or a number is not finite.
    #[must_use]
    pub fn fit(from: &[Point], to: &[Point]) -> Option<Self> {
        let count = from.len().min(to.len());
        let vectors = |points: &[Point]| -> Vec<Vector2<f64>> {
            points[..count].iter().map(|p| Vector2::new(p.x.into(), p.y.into())).collect()
        };
        let (from, to) = (vectors(from), vectors(to));
        let mean = |v: &[Vector2<f64>]| v.iter().sum::<Vector2<f64>>() / count as f64;
        let (mean_from, mean_to) = (mean(&from), mean(&to));

        let variance = from.iter().map(|p| (p - mean_from).norm_squared()).sum::<f64>();
        let covariance: Matrix2<f64> =
            from.iter().zip(&to).map(|(p, q)| (q - mean_to) * (p - mean_from).transpose()).sum();
        // Both sums lack the same factor 1 / n.
        let spread = variance.is_finite() && variance > f64::EPSILON;
        if !spread || !covariance.iter().all(|v| v.is_finite()) {
            return None;
        }
        let svd = covariance.try_svd(true, true, f64::EPSILON, 100)?;
        let (u, v_t) = (svd.u?, svd.v_t?);
        let sign = if u.determinant() * v_t.determinant() < 0.0 { -1.0 } else { 1.0 };
        let s = Matrix2::new(1.0, 0.0, 0.0, sign);
        let rotation = u * s * v_t;
        let scale = (svd.singular_values[0] + sign * svd.singular_values[1]) / variance;
        let shift = mean_to - scale * rotation * mean_from;
        let (a, b) = (scale * rotation[(0, 0)], scale * rotation[(1, 0)]);
        (scale > 0.0).then_some(Self { a, b, tx: shift.x, ty: shift.y })
    }

    /// How much it enlarges; over 0.
    #[must_use]
    pub fn scale(&self) -> f64 {
        self.a.hypot(self.b)
    }

    /// Where `(x, y)` goes.
    #[must_use]
    pub fn apply(&self, x: f64, y: f64) -> (f64, f64) {
        (self.a * x - self.b * y + self.tx, self.b * x + self.a * y + self.ty)
    }

    /// The way back.
    #[must_use]
    pub fn inverse(&self) -> Self {
        let square = self.a * self.a + self.b * self.b;
        let (a, b) = (self.a / square, -self.b / square);
        Self { a, b, tx: -(a * self.tx - b * self.ty), ty: -(b * self.tx + a * self.ty) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn point((x, y): (f64, f64)) -> Point {
        Point { x: x as f32, y: y as f32 }
    }

    proptest! {
        #[test]
        fn a_known_similarity_is_recovered(
            scale in 0.05f64..8.0,
            angle in -3.1f64..3.1,
            shift in (-500f64..500.0, -500f64..500.0),
            points in prop::collection::vec((0f64..200.0, 0f64..200.0), 2..8),
        ) {
            let spread = |f: fn(&(f64, f64)) -> f64| {
                let values: Vec<f64> = points.iter().map(f).collect();
                values.iter().copied().fold(f64::MIN, f64::max)
                    - values.iter().copied().fold(f64::MAX, f64::min)
            };
            prop_assume!(spread(|p| p.0) + spread(|p| p.1) > 20.0);
            let known = Similarity {
                a: scale * angle.cos(),
                b: scale * angle.sin(),
                tx: shift.0,
                ty: shift.1,
            };
            let from: Vec<Point> = points.iter().copied().map(point).collect();
            let to: Vec<Point> =
                from.iter().map(|p| point(known.apply(p.x.into(), p.y.into()))).collect();
            let found = Similarity::fit(&from, &to).unwrap();
            for p in &from {
                let (x, y) = known.apply(p.x.into(), p.y.into());
                let (u, v) = found.apply(p.x.into(), p.y.into());
                prop_assert!((x - u).abs() < 0.01 && (y - v).abs() < 0.01);
            }
            let (x, y) = found.apply(12.0, 34.0);
            let (x, y) = found.inverse().apply(x, y);
            prop_assert!((x - 12.0).abs() < 1e-6 && (y - 34.0).abs() < 1e-6);
        }
    }

    #[test]
    fn mirrored_points_are_never_fitted_by_a_reflection() {
        let from = [(0.0, 0.0), (10.0, 0.0), (0.0, 5.0)].map(point);
        let to = [(0.0, 0.0), (-10.0, 0.0), (0.0, 5.0)].map(point);
        let found = Similarity::fit(&from, &to).unwrap();
        // By form there is no reflection; the fit must still be a finite transform.
        assert!(found.scale().is_finite() && found.scale() > 0.0);
    }

    #[test]
    fn points_that_coincide_or_are_not_finite_fit_nothing() {
        let there = [(3.0, 3.0), (3.0, 3.0)].map(point);
        assert_eq!(Similarity::fit(&there, &[(0.0, 0.0), (1.0, 0.0)].map(point)), None);
        assert_eq!(Similarity::fit(&[(f64::NAN, 0.0), (1.0, 0.0)].map(point), &there), None);
        assert_eq!(Similarity::fit(&[], &[]), None);
    }
}
