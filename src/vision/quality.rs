//! quality: whether the nearest face's picture is good enough to compare.

use serde::Deserialize;

use super::align::AlignedFace;
use crate::domain::{Landmarks, Point, Quality, QualityFigure, QualityIssue, Shortfall};

/// What a face's picture must reach; its size is the gate's to demand.
#[derive(Clone, Debug, PartialEq, Deserialize, garde::Validate)]
#[serde(default, deny_unknown_fields)]
pub struct QualityLimits {
    /// The least mean luma of the face, 0 (black) to 255.
    #[garde(range(min = 0.0, max = 255.0))]
    pub brightness_min: f32,
    /// The greatest mean luma of the face, at least the least one and at most 255 (white).
    #[garde(range(min = self.brightness_min, max = 255.0))]
    pub brightness_max: f32,
    /// The least variance of the Laplacian of the aligned face's luma; less is too blurred.
    #[garde(range(min = 0.0))]
    pub sharpness_min: f32,
    /// The greatest turn of the head to either side: the nose's offset from the middle of the eyes
    /// as a share of the pupil distance.
    #[garde(range(min = 0.0))]
    pub yaw_max: f32,
    /// The greatest bend of the head down or up: the nose's height between the eyes (0) and the mouth
    /// (1) against that of most people.
    #[garde(range(min = 0.0))]
    pub pitch_max: f32,
    /// The greatest tilt of the eyes' line against the horizontal, in degrees.
    #[garde(range(min = 0.0, max = 180.0))]
    pub roll_degrees_max: f32,
    /// The least length of what the encoder says of a face before it is scaled to 1: less is unclear,
    /// a covered face for example. Absent: the encoder's own, in the weights' manifest; 0: no limit.
    #[garde(range(min = 0.0))]
    pub feature_norm_min: Option<f32>,
}

impl QualityLimits {
    /// No limit at all.
    pub const NONE: Self = Self {
        brightness_min: 0.0,
        brightness_max: 255.0,
        sharpness_min: 0.0,
        yaw_max: f32::MAX,
        pitch_max: f32::MAX,
        roll_degrees_max: 180.0,
        feature_norm_min: Some(0.0),
    };
}

impl Default for QualityLimits {
    /// From error-versus-discard curves (Grother and Tabassi 2007) of LFW-dev and photos-dev at FMR
    /// 1e-4: discarding photos over the yaw limit lowers the FNMR of photos-dev from 18.6 to 12.4 %,
    /// under MobileFaceNet's norm of 2.6 that of LFW-dev from 0.52 to 0.46 % for 0.1 % of the pairs. The
    /// most bent twentieth holds a quarter of LFW-dev's misses; the pitch limit refuses only what lies
    /// beyond 99.5 % of its photos. Light and sharpness tell little there; their limits keep out what
    /// nobody could recognise. SFace's norm of 8 is that of the least of LFW-dev's faces and of NUAA-dev's live
    /// ones: 9 would refuse a tenth of those webcam frames.
    fn default() -> Self {
        Self {
            brightness_min: 40.0,
            brightness_max: 225.0,
            sharpness_min: 10.0,
            yaw_max: 0.35,
            pitch_max: 0.2,
            roll_degrees_max: 45.0,
            feature_norm_min: None,
        }
    }
}

/// Measures the picture of the face with these landmarks, `face` being its alignment onto the
/// 112 x 112 template.
#[must_use]
pub fn measure(landmarks: &Landmarks, face: &AlignedFace) -> Quality {
    let luma = inner_luma(face);
    let (yaw, pitch, roll_degrees) = pose(landmarks);
    Quality {
        pupil_distance_px: landmarks.pupil_distance(),
        brightness: mean(&luma.values),
        sharpness: luma.laplacian_variance(),
        yaw,
        pitch,
        roll_degrees,
    }
}

/// Everything that is wrong with a picture; empty when it may be compared.
#[must_use]
pub fn issues(
    quality: &Quality,
    limits: &QualityLimits,
    pupil_distance_px_min: f32,
) -> Vec<QualityIssue> {
    let missed = missed(quality, limits, pupil_distance_px_min);
    let mut issues: Vec<_> = missed.map(|missed| missed.issue).collect();
    // A head may be turned in three ways.
    issues.dedup();
    issues
}

/// By how much the first of the [`issues`]; none where there is none, and where the figure is no number.
#[must_use]
pub fn shortfall(
    quality: &Quality,
    limits: &QualityLimits,
    pupil_distance_px_min: f32,
) -> Option<Shortfall> {
    let Missed { figure, value, limit, .. } =
        missed(quality, limits, pupil_distance_px_min).next()?;
    Shortfall::new(figure, value, limit)
}

/// A limit that a figure missed.
struct Missed {
    issue: QualityIssue,
    figure: QualityFigure,
    value: f32,
    limit: f32,
}

fn missed(
    quality: &Quality,
    limits: &QualityLimits,
    pupil_distance_px_min: f32,
) -> impl Iterator<Item = Missed> {
    use {QualityFigure as F, QualityIssue as I};

    // Each is said as what must hold, so that a NaN is an issue.
    let at_least = |issue, figure, value: f32, limit: f32| {
        (value >= limit, Missed { issue, figure, value, limit })
    };
    let at_most = |issue, figure, value: f32, limit: f32| {
        (value <= limit, Missed { issue, figure, value, limit })
    };
    let to_either_side = |figure, value: f32, limit: f32| {
        (value.abs() <= limit, Missed { issue: I::TurnedAway, figure, value, limit })
    };
    [
        at_least(I::TooSmall, F::PupilDistance, quality.pupil_distance_px, pupil_distance_px_min),
        at_least(I::TooDark, F::Brightness, quality.brightness, limits.brightness_min),
        at_most(I::TooBright, F::Brightness, quality.brightness, limits.brightness_max),
        at_least(I::TooBlurred, F::Sharpness, quality.sharpness, limits.sharpness_min),
        to_either_side(F::Yaw, quality.yaw, limits.yaw_max),
        to_either_side(F::Pitch, quality.pitch, limits.pitch_max),
        to_either_side(F::Roll, quality.roll_degrees, limits.roll_degrees_max),
    ]
    .into_iter()
    .filter_map(|(holds, missed)| (!holds).then_some(missed))
}

/// The nose's height between the eyes (0) and the mouth (1) in most people: the median of 3,203 photos
/// of LFW.
const NOSE_HEIGHT: f32 = 0.541;

/// Yaw, pitch and roll: the nose's offset from the middle of the eyes along their line, as a share of
/// the pupil distance; across it, as a share of the way to the mouth, less [`NOSE_HEIGHT`]; and that
/// line's angle in degrees.
fn pose(landmarks: &Landmarks) -> (f32, f32, f32) {
    let (left, right, nose) = (landmarks.left_eye(), landmarks.right_eye(), landmarks.nose());
    let (dx, dy) = (right.x - left.x, right.y - left.y);
    let eyes = Point { x: (left.x + right.x) / 2.0, y: (left.y + right.y) / 2.0 };
    let corners = (landmarks.left_mouth(), landmarks.right_mouth());
    let mouth =
        Point { x: (corners.0.x + corners.1.x) / 2.0, y: (corners.0.y + corners.1.y) / 2.0 };
    let (nose_x, nose_y) = (nose.x - eyes.x, nose.y - eyes.y);
    let below = |point: Point| (point.y - eyes.y) * dx - (point.x - eyes.x) * dy;
    let pitch = below(nose) / below(mouth) - NOSE_HEIGHT;
    let yaw = (nose_x * dx + nose_y * dy) / (dx * dx + dy * dy);
    (yaw, pitch, dy.atan2(dx).to_degrees())
}

/// The luma of a rectangle.
struct Luma {
    width: usize,
    values: Vec<f32>,
}

/// The part of the aligned face that is skin in nearly everybody: from brow to chin, between the
/// outer corners of the eyes. Hair and background would blur what is measured of the face.
fn inner_luma(face: &AlignedFace) -> Luma {
    let side = face.side() as usize;
    let share = |percent: usize| side * percent / 100;
    let (columns, rows) = (share(22)..share(78), share(32)..share(92));
    let luma = |at: usize| {
        let rgb = &face.rgb()[at * 3..][..3];
        // ITU-R BT.601.
        0.299 * f32::from(rgb[0]) + 0.587 * f32::from(rgb[1]) + 0.114 * f32::from(rgb[2])
    };
    let values = rows.flat_map(|y| columns.clone().map(move |x| y * side + x)).map(luma).collect();
    Luma { width: columns.len(), values }
}

impl Luma {
    /// Variance of the 4-neighbour Laplacian (Pech-Pacheco et al. 2000).
    fn laplacian_variance(&self) -> f32 {
        let rows: Vec<&[f32]> = self.values.chunks_exact(self.width).collect();
        let laplacian: Vec<f32> = rows
            .windows(3)
            .flat_map(|three| {
                let [above, row, below] = [three[0], three[1], three[2]];
                (1..row.len() - 1)
                    .map(move |x| above[x] + below[x] + row[x - 1] + row[x + 1] - 4.0 * row[x])
            })
            .collect();
        let mean = mean(&laplacian);
        laplacian.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / laplacian.len() as f32
    }
}

fn mean(values: &[f32]) -> f32 {
    values.iter().sum::<f32>() / values.len() as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Frame, Point};
    use crate::vision::align::{Template, align};

    /// Facing the camera, pupils 40 pixels apart.
    fn frontal() -> Landmarks {
        let points = [(40.0, 50.0), (80.0, 50.0), (60.0, 75.0), (44.0, 95.0), (76.0, 95.0)];
        Landmarks(points.map(|(x, y)| Point { x, y }))
    }

    fn measured(landmarks: &Landmarks, luma: impl Fn(usize, usize) -> u8) -> Quality {
        let pixels = (0..128 * 128).flat_map(|i| [luma(i % 128, i / 128); 3]);
        let frame = Frame::new(128, 128, pixels.collect()).unwrap();
        measure(landmarks, &align(&frame, landmarks, Template::FivePoints112).unwrap())
    }

    fn issues_of(quality: &Quality) -> Vec<QualityIssue> {
        issues(quality, &QualityLimits::default(), 30.0)
    }

    fn textured(x: usize, y: usize) -> u8 {
        if (x / 3 + y / 3).is_multiple_of(2) { 100 } else { 160 }
    }

    #[test]
    fn a_sharp_well_lit_face_that_looks_at_the_camera_has_no_issue() {
        assert_eq!(issues_of(&measured(&frontal(), textured)), []);
    }

    #[test]
    fn light_is_measured_on_the_face() {
        assert!((measured(&frontal(), |_, _| 100).brightness - 100.0).abs() < 0.5);
        let dark = measured(&frontal(), |x, y| textured(x, y) / 10);
        assert!(issues_of(&dark).contains(&QualityIssue::TooDark));
        let bright = measured(&frontal(), |_, _| 250);
        assert!(issues_of(&bright).contains(&QualityIssue::TooBright));
    }

    #[test]
    fn a_picture_without_detail_is_too_blurred() {
        let flat = measured(&frontal(), |_, _| 128);
        assert_eq!(issues_of(&flat), [QualityIssue::TooBlurred]);
    }

    #[test]
    fn a_nose_off_the_middle_is_a_turned_head() {
        let mut landmarks = frontal();
        landmarks.0[2].x += 30.0;
        let turned = measured(&landmarks, textured);
        assert!((turned.yaw - 0.75).abs() < 1e-3);
        assert_eq!(issues_of(&turned), [QualityIssue::TurnedAway]);
    }

    #[test]
    fn a_nose_high_or_low_between_eyes_and_mouth_is_a_bent_head() {
        for (shift, sign) in [(-12.0, -1.0), (12.0, 1.0)] {
            let mut landmarks = frontal();
            landmarks.0[2].y += shift;
            let bent = measured(&landmarks, textured);
            assert!(bent.pitch * sign > 0.2, "{}", bent.pitch);
            assert_eq!(issues_of(&bent), [QualityIssue::TurnedAway]);
        }
    }

    #[test]
    fn a_tilt_of_the_head_changes_neither_yaw_nor_pitch() {
        let tilt = |p: Point| {
            let (sin, cos) = 0.4f32.sin_cos();
            Point { x: 60.0 + cos * p.x - sin * p.y, y: sin * p.x + cos * p.y }
        };
        let mut landmarks = frontal();
        landmarks.0[2] = Point { x: 66.0, y: 70.0 };
        let (upright, tilted) = (pose(&landmarks), pose(&Landmarks(landmarks.0.map(tilt))));
        assert!((upright.0 - tilted.0).abs() < 1e-4 && (upright.1 - tilted.1).abs() < 1e-4);
        assert!((tilted.2 - 0.4f32.to_degrees()).abs() < 1e-3);
    }

    #[test]
    fn few_pixels_between_the_pupils_are_too_few() {
        let quality = measured(&frontal(), textured);
        assert_eq!(quality.pupil_distance_px, 40.0);
        assert_eq!(issues(&quality, &QualityLimits::default(), 41.0), [QualityIssue::TooSmall]);
    }

    #[test]
    fn the_shortfall_is_that_of_the_first_issue() {
        let quality = measured(&frontal(), |x, y| textured(x, y) / 10);
        let of = |min| shortfall(&quality, &QualityLimits::default(), min);
        assert_eq!(of(41.0), Shortfall::new(QualityFigure::PupilDistance, 40.0, 41.0));
        assert_eq!(of(30.0), Shortfall::new(QualityFigure::Brightness, quality.brightness, 40.0));
        let good = measured(&frontal(), textured);
        assert_eq!(shortfall(&good, &QualityLimits::default(), 30.0), None);
        let (mut bent, limits) = (good, QualityLimits::default());
        (bent.pitch, bent.roll_degrees) = (-0.5, 90.0);
        assert_eq!(issues(&bent, &limits, 30.0), [QualityIssue::TurnedAway]);
        let pitch = Shortfall::new(QualityFigure::Pitch, -0.5, limits.pitch_max);
        assert_eq!(shortfall(&bent, &limits, 30.0), pitch);
    }

    #[test]
    fn numbers_that_are_not_finite_never_pass() {
        let mut quality = measured(&frontal(), textured);
        quality.sharpness = f32::NAN;
        assert_eq!(issues_of(&quality), [QualityIssue::TooBlurred]);
        assert_eq!(shortfall(&quality, &QualityLimits::default(), 30.0), None, "it is no number");
    }
}
