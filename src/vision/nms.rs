//! Non-maximum suppression: one detection for each face.

use crate::domain::Detection;

/// Keeps the most confident of detections that overlap by more than `iou_max` (intersection over
/// union, 0 to 1), and returns what is kept, most confident first.
///
/// Greedy, as in Viola and Jones 2004 and every detector since.
pub(super) fn suppress_overlapping(mut detections: Vec<Detection>, iou_max: f32) -> Vec<Detection> {
    detections.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut kept: Vec<Detection> = Vec::new();
    for candidate in detections {
        let overlaps = |k: &Detection| k.bounding_box.iou(&candidate.bounding_box) > iou_max;
        if !kept.iter().any(overlaps) {
            kept.push(candidate);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{BoundingBox, Landmarks, Point};

    fn detection(x: f32, score: f32) -> Detection {
        let bounding_box = BoundingBox { x, y: 0.0, width: 10.0, height: 10.0 };
        Detection { bounding_box, landmarks: Landmarks([Point { x, y: 0.0 }; 5]), score }
    }

    #[test]
    fn the_most_confident_of_overlapping_boxes_is_kept() {
        let kept = suppress_overlapping(vec![detection(1.0, 0.7), detection(0.0, 0.9)], 0.3);
        assert_eq!(kept, [detection(0.0, 0.9)]);
    }

    #[test]
    fn boxes_apart_are_both_kept_most_confident_first() {
        let kept = suppress_overlapping(vec![detection(0.0, 0.7), detection(20.0, 0.9)], 0.3);
        assert_eq!(kept.iter().map(|d| d.score).collect::<Vec<_>>(), [0.9, 0.7]);
    }
}
