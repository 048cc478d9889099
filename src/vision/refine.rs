//! refine: the landmarks of the chosen face, placed again in a picture of the face alone.

use tch::{Device, TchError};

use super::align::Template;
use super::detect::{DetectSettings, search};
use super::similarity::Similarity;
use super::warp::warp;
use crate::domain::{BoundingBox, Detection, Frame, Landmarks, Point};
use crate::nets::Yunet;

/// Side of the picture of the face alone, in pixels.
const CANVAS_PX: u32 = 160;

/// Side of the face's box in it, in pixels.
const FACE_PX: f32 = 80.0;

/// The least confidence of the face: that there is one is known already.
const SCORE_MIN: f32 = 0.3;

/// The least overlap (intersection over union) of the face's box with where it must be.
const OVERLAP_MIN: f32 = 0.3;

/// Landmarks and the mirrored ones: both eyes and both corners of the mouth change places.
const MIRRORED: [usize; 5] = [1, 0, 2, 4, 3];

/// The detection with its landmarks the mean of its own and of those that the detector finds when
/// the face stands upright, always of one size, in a picture of its own, and again in that picture's
/// mirror image. So they depend little on how large the face is in its frame, and a profile's least.
///
/// On CFP-dev that lifted the accuracy of frontal against profile from 89.4 to 91.3 %, on photos-dev
/// the true matches at FMR 1e-3 from 81.9 to 83.6 %, and left LFW-dev where it was (128 numbers, the
/// same recipe in OpenCV and ONNX Runtime).
///
/// # Errors
/// When libtorch fails, e.g. out of memory.
pub fn refine(
    net: &Yunet,
    frame: &Frame,
    face: Detection,
    settings: &DetectSettings,
    device: Device,
) -> Result<Detection, TchError> {
    let Some(to_canvas) = upright(&face) else { return Ok(face) };
    let settings = DetectSettings { score_min: SCORE_MIN, ..settings.clone() };
    let back = to_canvas.inverse();
    let in_frame = |p: Point| {
        let (x, y) = back.apply(p.x.into(), p.y.into());
        Point { x: x as f32, y: y as f32 }
    };
    let place = |rgb: Vec<u8>| -> Result<Option<Landmarks>, TchError> {
        let canvas = Frame::new(CANVAS_PX, CANVAS_PX, rgb)
            .map_err(|error| TchError::Shape(error.to_string()))?;
        let faces = search(net, &canvas, CANVAS_PX, &settings, device)?;
        Ok(centred(&faces).map(|face| face.landmarks))
    };
    let canvas = warp(frame, &to_canvas, CANVAS_PX);
    let mirrored = place(mirrored(&canvas))?.map(unmirrored);
    let placed = [place(canvas)?, mirrored].into_iter().flatten().map(|l| l.map(in_frame));
    let all: Vec<Landmarks> = placed.chain([face.landmarks]).collect();
    Ok(Detection { landmarks: Landmarks::mean(&all).unwrap_or(face.landmarks), ..face })
}

/// Turns the face upright, its box in the middle of the canvas; none when it has no size.
fn upright(face: &Detection) -> Option<Similarity> {
    let fit = Template::FivePoints112.fit(&face.landmarks)?;
    let side = f64::from(face.bounding_box.area().sqrt());
    let scale = f64::from(FACE_PX) / side / fit.scale();
    let (a, b) = (fit.a * scale, fit.b * scale);
    let (centre, middle) = (face.bounding_box.centre(), f64::from(CANVAS_PX) / 2.0);
    let turned = Similarity { a, b, tx: 0.0, ty: 0.0 }.apply(centre.x.into(), centre.y.into());
    let usable = scale.is_finite() && scale > 0.0;
    usable.then_some(Similarity { a, b, tx: middle - turned.0, ty: middle - turned.1 })
}

/// The face that lies where the face must be.
fn centred(faces: &[Detection]) -> Option<&Detection> {
    let corner = (CANVAS_PX as f32 - FACE_PX) / 2.0;
    let wanted = BoundingBox { x: corner, y: corner, width: FACE_PX, height: FACE_PX };
    let overlap = |face: &Detection| face.bounding_box.iou(&wanted);
    let best = faces.iter().max_by(|a, b| overlap(a).total_cmp(&overlap(b)))?;
    (overlap(best) >= OVERLAP_MIN).then_some(best)
}

fn mirrored(rgb: &[u8]) -> Vec<u8> {
    let rows = rgb.chunks_exact(CANVAS_PX as usize * 3);
    rows.flat_map(|row| row.as_chunks::<3>().0.iter().rev().copied()).flatten().collect()
}

fn unmirrored(landmarks: Landmarks) -> Landmarks {
    let last = CANVAS_PX as f32 - 1.0;
    Landmarks(MIRRORED.map(|i| landmarks.0[i])).map(|p| Point { x: last - p.x, y: p.y })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirroring_twice_changes_nothing() {
        let rgb: Vec<u8> = (0..CANVAS_PX * CANVAS_PX * 3).map(|i| (i % 251) as u8).collect();
        assert_eq!(mirrored(&mirrored(&rgb)), rgb);
        assert_ne!(mirrored(&rgb), rgb);
        let landmarks = Landmarks([1.0, 2.0, 3.0, 4.0, 5.0].map(|x| Point { x, y: 2.0 * x }));
        assert_eq!(unmirrored(unmirrored(landmarks)), landmarks);
    }

    #[test]
    fn a_face_without_size_stays_as_it_is() {
        let bounding_box = BoundingBox { x: 0.0, y: 0.0, width: 0.0, height: 0.0 };
        let landmarks = Landmarks(super::super::align::FIVE_POINTS_112);
        assert_eq!(upright(&Detection { bounding_box, landmarks, score: 1.0 }), None);
    }

    #[test]
    fn the_box_of_a_tilted_face_comes_to_the_middle_at_its_size() {
        let bounding_box = BoundingBox { x: 300.0, y: 100.0, width: 50.0, height: 72.0 };
        let tilted =
            super::super::align::FIVE_POINTS_112.map(|p| Point { x: 300.0 - p.y, y: 100.0 + p.x });
        let face = Detection { bounding_box, landmarks: Landmarks(tilted), score: 1.0 };
        let to_canvas = upright(&face).unwrap();
        let (x, y) = to_canvas.apply(325.0, 136.0);
        assert!((x - 80.0).abs() < 1e-6 && (y - 80.0).abs() < 1e-6, "{x} {y}");
        assert!((to_canvas.scale() - 80.0 / 60.0).abs() < 1e-6);
        // The eyes lie level.
        let eyes = [0, 1].map(|i| to_canvas.apply(tilted[i].x.into(), tilted[i].y.into()));
        assert!((eyes[0].1 - eyes[1].1).abs() < 1.0, "{eyes:?}");
    }
}
