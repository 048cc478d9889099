//! A face in a frame: where it is, and whether it is good enough to compare.

use serde::{Deserialize, Serialize};

use super::decision::codes;

/// A place in the frame, in pixels from the top left corner.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Pixels to the right.
    pub x: f32,
    /// Pixels down.
    pub y: f32,
}

impl Point {
    /// The distance to `other` in pixels.
    #[must_use]
    pub fn distance(self, other: Self) -> f32 {
        (self.x - other.x).hypot(self.y - other.y)
    }
}

/// An upright rectangle in pixels; it may reach over the frame's edges.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BoundingBox {
    /// The left edge.
    pub x: f32,
    /// The top edge.
    pub y: f32,
    /// Width, over 0.
    pub width: f32,
    /// Height, over 0.
    pub height: f32,
}

impl BoundingBox {
    /// Area in square pixels.
    #[must_use]
    pub fn area(&self) -> f32 {
        self.width * self.height
    }

    /// The centre.
    #[must_use]
    pub fn centre(&self) -> Point {
        Point { x: self.x + self.width / 2.0, y: self.y + self.height / 2.0 }
    }

    /// The longer of width and height.
    #[must_use]
    pub fn longer_side(&self) -> f32 {
        self.width.max(self.height)
    }

    /// Intersection over union with `other`, 0 to 1.
    #[must_use]
    pub fn iou(&self, other: &Self) -> f32 {
        let width = (self.x + self.width).min(other.x + other.width) - self.x.max(other.x);
        let height = (self.y + self.height).min(other.y + other.height) - self.y.max(other.y);
        let common = width.max(0.0) * height.max(0.0);
        let union = self.area() + other.area() - common;
        if union > 0.0 { common / union } else { 0.0 }
    }
}

/// Five points: the eye on the image's left, the other eye, the nose's tip, the mouth's corner
/// on the image's left, the other corner.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Landmarks(pub [Point; 5]);

impl Landmarks {
    /// The mean of each point over several placements of the same face's landmarks; none of none.
    #[must_use]
    pub fn mean(placements: &[Self]) -> Option<Self> {
        let mean = |i: usize, axis: fn(&Point) -> f32| {
            placements.iter().map(|one| axis(&one.0[i])).sum::<f32>() / placements.len() as f32
        };
        let points = |i| Point { x: mean(i, |p| p.x), y: mean(i, |p| p.y) };
        (!placements.is_empty()).then(|| Self(std::array::from_fn(points)))
    }

    /// The same points after a change of each.
    #[must_use]
    pub fn map(self, change: impl Fn(Point) -> Point) -> Self {
        Self(self.0.map(change))
    }

    /// The eye on the image's left.
    #[must_use]
    pub fn left_eye(&self) -> Point {
        self.0[0]
    }

    /// The eye on the image's right.
    #[must_use]
    pub fn right_eye(&self) -> Point {
        self.0[1]
    }

    /// The tip of the nose.
    #[must_use]
    pub fn nose(&self) -> Point {
        self.0[2]
    }

    /// The mouth's corner on the image's left.
    #[must_use]
    pub fn left_mouth(&self) -> Point {
        self.0[3]
    }

    /// The mouth's corner on the image's right.
    #[must_use]
    pub fn right_mouth(&self) -> Point {
        self.0[4]
    }

    /// Pixels between the pupils.
    #[must_use]
    pub fn pupil_distance(&self) -> f32 {
        self.left_eye().distance(self.right_eye())
    }
}

/// A face as the detector reports it, in the frame's pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detection {
    /// Where the face is.
    pub bounding_box: BoundingBox,
    /// Its five points.
    pub landmarks: Landmarks,
    /// The detector's confidence, 0 to 1.
    pub score: f32,
}

impl Detection {
    /// The same face in a frame `scale` times as large.
    #[must_use]
    pub fn scaled(self, scale: f32) -> Self {
        let BoundingBox { x, y, width, height } = self.bounding_box;
        Self {
            bounding_box: BoundingBox {
                x: x * scale,
                y: y * scale,
                width: width * scale,
                height: height * scale,
            },
            landmarks: self.landmarks.map(|point| Point { x: point.x * scale, y: point.y * scale }),
            ..self
        }
    }
}

/// What was measured of a face's picture.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    /// Pixels between the pupils.
    pub pupil_distance_px: f32,
    /// Mean luma of the face, 0 (black) to 255.
    pub brightness: f32,
    /// Variance of the Laplacian of the aligned face's luma; low when blurred.
    pub sharpness: f32,
    /// How far the nose lies off the middle of the eyes, as a share of the pupil distance: 0
    /// facing the camera, about 0.5 turned half away; its sign says where to.
    pub yaw: f32,
    /// How far the head is bent down (over 0) or up (under 0): the nose's height between the eyes (0)
    /// and the mouth (1), less that of most people.
    pub pitch: f32,
    /// The eyes' line against the horizontal, in degrees.
    pub roll_degrees: f32,
}

codes! {
    /// Why a face's picture is not good enough.
    QualityIssue {
        /// Too few pixels between the pupils.
        TooSmall = "too_small",
        /// Too little light on the face.
        TooDark = "too_dark",
        /// Too much light on the face.
        TooBright = "too_bright",
        /// Out of focus or moving.
        TooBlurred = "too_blurred",
        /// The head is turned to a side, bent or tilted.
        TurnedAway = "turned_away",
        /// The encoder makes little of the face: it is covered, turned or badly lit.
        Unclear = "unclear",
    }
}

impl QualityIssue {
    /// What the person in front of the camera can do about it.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            Self::TooSmall => "move closer",
            Self::TooDark => "too dark: turn towards the light",
            Self::TooBright => "too bright: turn away from the light",
            Self::TooBlurred => "hold still",
            Self::TurnedAway => "look at the camera",
            Self::Unclear => "uncover your face and look at the camera",
        }
    }
}
