//! Affine transforms of a picture's plane.

use super::similarity::Similarity;
use crate::domain::Point;

/// `(x, y) -> (xx x + xy y + tx, yx x + yy y + ty)`, which can be undone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Affine {
    xx: f64,
    xy: f64,
    yx: f64,
    yy: f64,
    tx: f64,
    ty: f64,
}

impl From<Similarity> for Affine {
    fn from(s: Similarity) -> Self {
        Self { xx: s.a, xy: -s.b, yx: s.b, yy: s.a, tx: s.tx, ty: s.ty }
    }
}

impl Affine {
    /// This transform, then one that multiplies x and y by a factor each, over 0, and shifts them.
    pub fn then_stretched(&self, (by_x, by_y): (f64, f64), (tx, ty): (f64, f64)) -> Self {
        Self {
            xx: self.xx * by_x,
            xy: self.xy * by_x,
            yx: self.yx * by_y,
            yy: self.yy * by_y,
            tx: self.tx * by_x + tx,
            ty: self.ty * by_y + ty,
        }
    }

    /// How much it enlarges: the side of the square that is as large as a unit square becomes.
    pub fn scale(&self) -> f64 {
        (self.xx * self.yy - self.xy * self.yx).abs().sqrt()
    }

    /// Where `(x, y)` goes.
    pub fn apply(&self, x: f64, y: f64) -> (f64, f64) {
        (self.xx * x + self.xy * y + self.tx, self.yx * x + self.yy * y + self.ty)
    }

    /// Where a point goes.
    pub fn map(&self, p: Point) -> Point {
        let (x, y) = self.apply(p.x.into(), p.y.into());
        Point { x: x as f32, y: y as f32 }
    }

    /// The way back.
    pub fn inverse(&self) -> Self {
        let determinant = self.xx * self.yy - self.xy * self.yx;
        let (xx, xy) = (self.yy / determinant, -self.xy / determinant);
        let (yx, yy) = (-self.yx / determinant, self.xx / determinant);
        let (tx, ty) = (-(xx * self.tx + xy * self.ty), -(yx * self.tx + yy * self.ty));
        Self { xx, xy, yx, yy, tx, ty }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_way_back_undoes_a_turn_and_a_stretch(
            (scale, angle) in (0.05f64..8.0, -3.1f64..3.1),
            shift in (-500f64..500.0, -500f64..500.0),
            stretch in (0.2f64..5.0, 0.2f64..5.0),
            (x, y) in (-100f64..100.0, -100f64..100.0),
        ) {
            let (a, b) = (scale * angle.cos(), scale * angle.sin());
            let similarity = Similarity { a, b, tx: shift.0, ty: shift.1 };
            let turned = similarity.apply(x, y);
            let affine = Affine::from(similarity).then_stretched(stretch, (7.0, -3.0));
            let there = affine.apply(x, y);
            prop_assert!((there.0 - (turned.0 * stretch.0 + 7.0)).abs() < 1e-6);
            prop_assert!((there.1 - (turned.1 * stretch.1 - 3.0)).abs() < 1e-6);
            let (u, v) = affine.inverse().apply(there.0, there.1);
            prop_assert!((u - x).abs() < 1e-6 && (v - y).abs() < 1e-6);
            let area = scale * scale * stretch.0 * stretch.1;
            prop_assert!((affine.scale() - area.sqrt()).abs() < 1e-9 * area.sqrt().max(1.0));
        }
    }
}
