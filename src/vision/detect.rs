//! detect: where the faces are.

use serde::Deserialize;
use tch::{TchError, Tensor};

use super::awaited::Awaited;
use super::letterbox::Letterbox;
use super::nearest::{NearestSettings, meant};
use super::nms::suppress_overlapping;
use crate::domain::{BoundingBox, Detection, Frame, Landmarks, Point};
use crate::nets::{Model, Pictures, Planes, Station, Yunet, YunetCell};

/// How faces are searched for.
#[derive(Clone, Debug, PartialEq, Deserialize, garde::Validate)]
#[serde(default, deny_unknown_fields)]
pub struct DetectSettings {
    /// The longer side, in pixels, that a larger frame is shrunk to before the closest search, or to less
    /// where the smallest face that is asked for is large enough.
    #[garde(range(min = 64, max = 4_096))]
    pub side_px_max: u32,
    /// The longer side, in pixels, that a smaller frame is enlarged to: YuNet places the landmarks of
    /// a face better that fills some hundred pixels.
    #[garde(range(min = 64, max = self.side_px_max))]
    pub side_px_min: u32,
    /// The least confidence of a face, 0 to 1.
    #[garde(range(min = 0.01, max = 1.0))]
    pub score_min: f32,
    /// The most that two faces' boxes may overlap (intersection over union, 0 to 1); of boxes that
    /// overlap more, the most confident is kept.
    #[garde(range(min = 0.0, max = 1.0))]
    pub overlap_max: f32,
    /// The most boxes of one search that are told apart, whose cost grows with their square; the most
    /// confident ones.
    #[garde(range(min = 1, max = 100_000))]
    pub candidates_max: usize,
}

impl Default for DetectSettings {
    fn default() -> Self {
        Self {
            side_px_max: 640,
            side_px_min: 320,
            score_min: 0.6,
            overlap_max: 0.3,
            candidates_max: 2_000,
        }
    }
}

/// What the sides of a canvas are multiples of.
const SIDE_MULTIPLE: u32 = Yunet::SIDE_MULTIPLE as u32;

/// Boxes of one face in two searches overlap by more than this (intersection over union).
const SAME_FACE_OVERLAP_MIN: f32 = 0.5;

/// How far apart the pupils of the smallest face that is asked for are, in pixels, when it is searched
/// for: its landmarks are then as good as those of a larger one.
const PUPIL_DISTANCE_SEARCHED_PX: f32 = 24.0;

/// Width of a face's box, in pixels of a search, from which on a closer look gains nothing.
const NEAR_PX: f32 = 50.0;

/// Width of a face's box, in pixels of a search, under which a nearer face may have been overlooked.
const FAR_PX: f32 = 25.0;

/// Width of a face's box, in pixels of a search, in a closer look.
const CLOSER_PX: f32 = 80.0;

/// How much larger than the face the part of a frame is that is looked at closer: about what a face leaves of
/// a portrait.
const CLOSER_GROWTH: f32 = 2.5;

/// The most that a face is enlarged for a closer look.
const CLOSER_ENLARGED_MAX: f32 = 2.0;

/// The least confidence of a face that need not be looked for elsewhere.
const SURE_MIN: f32 = 0.8;

/// Every face in `frame`, in the frame's pixels, most confident first; those whose pupils are less than
/// half of `pupil_distance_px_min` apart may be missing.
///
/// The frame is searched twice. First at half the size that the smallest face asked for wants; then, where
/// the face that is meant (as by [`choose_nearest`](super::nearest::choose_nearest)) and any about as
/// near have some size, at half of that, which is done soon; where they are small but sure, the part around
/// them at a size that suits them; else the whole at the full size. A face that is lost in one search, or
/// poorly placed, is found in the other, and the landmarks are the mean of both: on LFW-dev (photos of 250
/// pixels) that lifted the true matches at FMR 1e-5 from 97.0 to 98.6 % (512 numbers, the same recipe in
/// OpenCV and ONNX Runtime).
///
/// # Errors
/// When libtorch fails, e.g. out of memory.
pub fn detect(
    net: &Station<Yunet>,
    frame: &Frame,
    pupil_distance_px_min: f32,
    settings: &DetectSettings,
    nearest: &NearestSettings,
) -> Result<Vec<Detection>, TchError> {
    detect_beside(net, frame, pupil_distance_px_min, settings, nearest, |_| None)
}

/// As [`detect`]; the search at half the first one's size, which near faces ask for, is handed to `aside` before it is known
/// whether they do.
pub(super) fn detect_beside(
    net: &Station<Yunet>,
    frame: &Frame,
    pupil_distance_px_min: f32,
    settings: &DetectSettings,
    nearest: &NearestSettings,
    aside: impl FnOnce(&dyn Fn() -> Letterbox) -> Option<Awaited<Vec<Detection>>>,
) -> Result<Vec<Detection>, TchError> {
    let (side, first_side) = sides(frame, pupil_distance_px_min, settings);
    let canvas = Letterbox::new(frame, first_side, SIDE_MULTIPLE);
    let half = || {
        if first_side < frame.width().max(frame.height()) {
            canvas.halved(SIDE_MULTIPLE)
        } else {
            Letterbox::new(frame, first_side / 2, SIDE_MULTIPLE)
        }
    };
    let ahead = aside(&half);
    let first = search_canvas(net, &canvas, settings)?;
    let near = NEAR_PX * canvas.scale.0;
    let meant = meant(&first, frame, nearest);
    let all_near = !meant.is_empty() && meant.iter().all(|face| face.bounding_box.width >= near);
    let second = if side > first_side && !all_near {
        let canvas = closer(frame, &meant, FAR_PX * canvas.scale.0, side)
            .unwrap_or_else(|| Letterbox::new(frame, side, SIDE_MULTIPLE));
        search_canvas(net, &canvas, settings)?
    } else {
        match ahead {
            Some(awaited) => awaited.wait()?,
            None => search_canvas(net, &half(), settings)?,
        }
    };
    let faces = suppress_overlapping([first.as_slice(), &second].concat(), settings.overlap_max);
    let both = || first.iter().chain(&second);
    let faces = faces.into_iter().map(|face| {
        let is_same =
            |d: &&Detection| d.bounding_box.iou(&face.bounding_box) > SAME_FACE_OVERLAP_MIN;
        let same: Vec<Landmarks> = both().filter(is_same).map(|d| d.landmarks).collect();
        Detection { landmarks: Landmarks::mean(&same).unwrap_or(face.landmarks), ..face }
    });
    Ok(faces.collect())
}

/// A closer look at the part of a frame around some faces; none where there are none, one is not sure or
/// narrower than `width_min`, or it would be more than half the work of the whole frame at `side`.
fn closer(frame: &Frame, faces: &[&Detection], width_min: f32, side: u32) -> Option<Letterbox> {
    let smallest = faces.iter().map(|face| face.bounding_box.width).reduce(f32::min)?;
    if smallest < width_min || faces.iter().any(|face| face.score < SURE_MIN) {
        return None;
    }
    // Pixels of the frame for one of the search.
    let scale = (smallest / CLOSER_PX).max(1.0 / CLOSER_ENLARGED_MAX);
    let (mut left, mut top) = (f32::INFINITY, f32::INFINITY);
    let (mut right, mut bottom) = (0f32, 0f32);
    for face in faces {
        let centre = face.bounding_box.centre();
        let reach = CLOSER_GROWTH / 2.0 * face.bounding_box.longer_side();
        (left, top) = (left.min(centre.x - reach), top.min(centre.y - reach));
        (right, bottom) = (right.max(centre.x + reach), bottom.max(centre.y + reach));
    }
    // Whole pixels; none lie before the first.
    let [left, top] = [left, top].map(|edge| edge.max(0.0) as u32);
    let [right, bottom] = [right, bottom].map(|edge| edge.ceil() as u32);
    let part = frame.part([left, top, right, bottom])?;

    let area = |frame: &Frame| frame.width() as f32 * frame.height() as f32;
    let whole_scale = frame.width().max(frame.height()) as f32 / side as f32;
    if area(&part) / scale.powi(2) > area(frame) / whole_scale.powi(2) / 2.0 {
        return None;
    }
    let side = (part.width().max(part.height()) as f32 / scale).ceil() as u32;
    let origin = Point { x: left as f32, y: top as f32 };
    Some(Letterbox::of_part(&part, origin, side, SIDE_MULTIPLE))
}

/// The longer side of the frame, in pixels, when the smallest face is searched for, and in the first
/// search.
fn sides(frame: &Frame, pupil_distance_px_min: f32, settings: &DetectSettings) -> (u32, u32) {
    let longest = frame.width().max(frame.height());
    let shrunk = PUPIL_DISTANCE_SEARCHED_PX / pupil_distance_px_min.max(PUPIL_DISTANCE_SEARCHED_PX);
    let side = (longest as f32 * shrunk).ceil() as u32;
    let side = side.max(settings.side_px_min).min(settings.side_px_max);
    (side, (side / 2).max(settings.side_px_min).min(side))
}

/// Every face that one search finds when the frame's longer side has `side_px` pixels, in the
/// frame's pixels, most confident first: what YuNet's own post-processing gives.
///
/// # Errors
/// When libtorch fails, e.g. out of memory.
pub fn search(
    net: &Station<Yunet>,
    frame: &Frame,
    side_px: u32,
    settings: &DetectSettings,
) -> Result<Vec<Detection>, TchError> {
    search_canvas(net, &Letterbox::new(frame, side_px, SIDE_MULTIPLE), settings)
}

impl Model for Yunet {
    const NAME: &'static str = "detector";

    fn planes(&self) -> Planes {
        Planes::Bgr
    }

    /// As the camera's.
    fn size(&self) -> Option<(u32, u32)> {
        None
    }

    fn answer(&self, pictures: &Tensor) -> Result<Tensor, TchError> {
        self.forward(pictures)
    }
}

/// What one search finds, in the frame's pixels.
pub(super) fn search_canvas(
    net: &Station<Yunet>,
    canvas: &Letterbox,
    settings: &DetectSettings,
) -> Result<Vec<Detection>, TchError> {
    let size = (canvas.width, canvas.height);
    let numbers = net.ask(Pictures { rgb: &canvas.rgb, size })?;
    let (mut cells, _) = numbers.as_chunks();
    let mut candidates = Vec::new();
    for stride in Yunet::STRIDES {
        let [columns, rows] = [size.0, size.1].map(|side| side as usize / stride as usize);
        let (level, coarser) = cells.split_at(columns * rows);
        candidates.extend(faces(level, columns, stride as f32, settings.score_min));
        cells = coarser;
    }
    candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
    candidates.truncate(settings.candidates_max);
    let kept = suppress_overlapping(candidates, settings.overlap_max);
    Ok(kept.into_iter().map(|detection| in_frame(canvas, detection)).collect())
}

/// The cells of one level, in rows of `columns`, that look like faces, in the canvas's pixels (Wu, Peng
/// and Yu 2023, "YuNet: a tiny millisecond-level face detector", section 3).
fn faces(
    cells: &[[f32; Yunet::CELL_SIZE]],
    columns: usize,
    stride: f32,
    score_min: f32,
) -> impl Iterator<Item = Detection> {
    let cells = cells.iter().map(|numbers| YunetCell::from(*numbers)).enumerate();
    let detections = cells.filter_map(move |(place, cell)| {
        let score = (cell.cls.clamp(0.0, 1.0) * cell.obj.clamp(0.0, 1.0)).sqrt();
        // NaN is no confidence either.
        if score.is_nan() || score < score_min {
            return None;
        }
        let corner = ((place % columns) as f32, (place / columns) as f32);
        let at = |offset: &[f32]| Point {
            x: (corner.0 + offset[0]) * stride,
            y: (corner.1 + offset[1]) * stride,
        };
        let (centre, size) = (at(&cell.bbox[..2]), [cell.bbox[2], cell.bbox[3]]);
        let [width, height] = size.map(|logarithm| logarithm.exp() * stride);
        Some(Detection {
            bounding_box: BoundingBox {
                x: centre.x - width / 2.0,
                y: centre.y - height / 2.0,
                width,
                height,
            },
            landmarks: Landmarks(std::array::from_fn(|i| at(&cell.kps[i * 2..]))),
            score,
        })
    });
    detections.filter(is_finite)
}

fn is_finite(detection: &Detection) -> bool {
    let b = &detection.bounding_box;
    let points = detection.landmarks.0.iter();
    [b.x, b.y, b.width, b.height].iter().all(|v| v.is_finite())
        && points.flat_map(|p| [p.x, p.y]).all(f32::is_finite)
}

fn in_frame(canvas: &Letterbox, detection: Detection) -> Detection {
    let b = detection.bounding_box;
    let corner = canvas.to_frame(Point { x: b.x, y: b.y });
    let (width, height) = (b.width * canvas.scale.0, b.height * canvas.scale.1);
    Detection {
        bounding_box: BoundingBox { x: corner.x, y: corner.y, width, height },
        landmarks: Landmarks(detection.landmarks.0.map(|point| canvas.to_frame(point))),
        score: detection.score,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closer_look_is_taken_of_the_part_around_small_and_sure_faces() {
        let frame = Frame::new(1_920, 1_080, vec![0; 1_920 * 1_080 * 3]).unwrap();
        let face = |x: f32, y: f32, score| Detection {
            bounding_box: BoundingBox { x, y, width: 160.0, height: 200.0 },
            landmarks: Landmarks([Point { x, y }; 5]),
            score,
        };
        let look = |faces: &[Detection], width_min| {
            closer(&frame, &faces.iter().collect::<Vec<_>>(), width_min, 640)
        };
        // Half a reach of 250 pixels around (880, 600), every second of them.
        let canvas = look(&[face(800.0, 500.0, 0.9)], 150.0).unwrap();
        assert_eq!((canvas.width, canvas.height), (256, 256));
        let corner = canvas.to_frame(Point { x: 0.0, y: 0.0 });
        assert_eq!((corner.x, corner.y), (630.0, 350.0));
        let end = canvas.to_frame(Point { x: 250.0, y: 250.0 });
        assert_eq!((end.x, end.y), (1_130.0, 850.0));
        // At the frame's edge there is less.
        let canvas = look(&[face(0.0, 0.0, 0.9)], 150.0).unwrap();
        assert_eq!((canvas.width, canvas.height), (192, 192));
        let corner = canvas.to_frame(Point { x: 0.0, y: 0.0 });
        assert_eq!((corner.x, corner.y), (0.0, 0.0));

        let (sure, unsure) = (face(800.0, 500.0, 0.9), face(1_000.0, 500.0, 0.7));
        assert!(look(&[], 150.0).is_none());
        assert!(look(&[sure, unsure], 150.0).is_none(), "one that is not sure");
        assert!(look(&[sure], 161.0).is_none(), "one that is too small");
        assert!(look(&[sure, face(100.0, 100.0, 0.9)], 150.0).is_none(), "nearly the whole frame");
        assert!(look(&[sure, face(1_000.0, 500.0, 0.9)], 150.0).is_some(), "two side by side");
    }

    #[test]
    fn a_frame_is_searched_as_small_as_the_smallest_face_allows() {
        let sides = |width, pupil_distance_px_min| {
            let frame = Frame::new(width, 10, vec![0; width as usize * 30]).unwrap();
            sides(&frame, pupil_distance_px_min, &DetectSettings::default())
        };
        assert_eq!(sides(640, 24.0), (640, 320));
        assert_eq!(sides(640, 0.0), (640, 320));
        assert_eq!(sides(640, 32.0), (480, 320));
        assert_eq!(sides(640, 60.0), (320, 320));
        assert_eq!(sides(4_000, 24.0), (640, 320), "the largest side");
        assert_eq!(sides(100, 24.0), (320, 320), "the smallest side");
    }
}
