//! align: the face turned upright onto the template that a network was trained with.

use super::similarity::Similarity;
use super::warp::warp;
use crate::domain::{Frame, Landmarks, Point};

/// Where a network expects the landmarks in its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Template {
    /// All five landmarks on a 112 x 112 picture.
    FivePoints112,
    /// The two eyes on a 150 x 150 picture, as dlib's encoder wants them.
    Eyes150,
}

pub(super) const FIVE_POINTS_112: [Point; 5] = [
    Point { x: 38.2946, y: 51.6963 },
    Point { x: 73.5318, y: 51.5014 },
    Point { x: 56.0252, y: 71.7366 },
    Point { x: 41.5493, y: 92.3655 },
    Point { x: 70.7299, y: 92.2041 },
];
const EYES_150: [Point; 2] = [Point { x: 47.73, y: 47.14 }, Point { x: 100.28, y: 47.12 }];

impl Template {
    /// Side of the picture in pixels.
    #[must_use]
    pub fn side(self) -> u32 {
        match self {
            Self::FivePoints112 => 112,
            Self::Eyes150 => 150,
        }
    }

    /// How far apart the pupils are on it, in pixels.
    #[must_use]
    pub fn pupil_distance_px(self) -> f32 {
        match self {
            Self::FivePoints112 => FIVE_POINTS_112[0].distance(FIVE_POINTS_112[1]),
            Self::Eyes150 => EYES_150[0].distance(EYES_150[1]),
        }
    }

    /// Frame to template; none when the landmarks coincide.
    #[must_use]
    pub fn fit(self, landmarks: &Landmarks) -> Option<Similarity> {
        match self {
            Self::FivePoints112 => Similarity::fit(&landmarks.0, &FIVE_POINTS_112),
            Self::Eyes150 => Similarity::fit(&landmarks.0[..2], &EYES_150),
        }
    }
}

/// An upright face, square, its landmarks near the template's.
#[derive(Clone, PartialEq)]
pub struct AlignedFace {
    template: Template,
    rgb: Vec<u8>,
}

impl AlignedFace {
    /// The template it lies on.
    #[must_use]
    pub fn template(&self) -> Template {
        self.template
    }

    /// Its side in pixels.
    #[must_use]
    pub fn side(&self) -> u32 {
        self.template.side()
    }

    /// RGB bytes, rows from the top.
    #[must_use]
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// Its mirror image.
    #[must_use]
    pub fn mirrored(&self) -> Self {
        let rows = self.rgb.chunks_exact(self.side() as usize * 3);
        let rgb = rows.flat_map(|row| row.rchunks_exact(3)).flatten().copied().collect();
        Self { template: self.template, rgb }
    }
}

/// Shows the template only: a face must never reach a log.
impl std::fmt::Debug for AlignedFace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AlignedFace({:?})", self.template)
    }
}

/// Cuts the face out of the full-resolution frame, black where it reaches over the edge.
///
/// None when the landmarks coincide, so that no face can be cut out.
#[must_use]
pub fn align(frame: &Frame, landmarks: &Landmarks, template: Template) -> Option<AlignedFace> {
    let to_template = template.fit(landmarks)?;
    Some(AlignedFace { template, rgb: warp(frame, &to_template.into(), template.side()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn landmarks_on_the_template_cut_the_picture_out_as_it_is() {
        let rgb: Vec<u8> = (0..112 * 112 * 3).map(|i| (i % 251) as u8).collect();
        let frame = Frame::new(112, 112, rgb.clone()).unwrap();
        let face = align(&frame, &Landmarks(FIVE_POINTS_112), Template::FivePoints112).unwrap();
        assert_eq!(face.rgb(), rgb);
    }

    #[test]
    fn coinciding_landmarks_give_no_face() {
        let frame = Frame::new(8, 8, vec![0; 8 * 8 * 3]).unwrap();
        let landmarks = Landmarks([Point { x: 4.0, y: 4.0 }; 5]);
        assert_eq!(align(&frame, &landmarks, Template::FivePoints112), None);
        assert_eq!(align(&frame, &landmarks, Template::Eyes150), None);
    }
}
