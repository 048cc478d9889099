//! The worst comparisons as pictures: what the numbers look like.

use base64::{Engine, engine::general_purpose::STANDARD};
use image::{RgbImage, codecs::jpeg::JpegEncoder, imageops};
use maud::{Markup, html};

use super::number;

/// The most cases on a page: more would make it heavy and nobody would look at them.
pub const MAX_CASES: usize = 24;
/// The longest side of an embedded picture, in pixels.
const MAX_SIDE_PX: u32 = 224;
const JPEG_QUALITY: u8 = 85;

/// A gallery of cases, the worst first.
#[derive(Debug, Clone)]
pub struct Cases {
    /// What was chosen, and by which order.
    pub caption: String,
    /// The cases; those after the first [`MAX_CASES`] are counted, not shown.
    pub cases: Vec<Case>,
}

/// One comparison, or one presentation to the liveness check.
#[derive(Debug, Clone)]
pub struct Case {
    /// What is true of the pictures.
    pub truth: Truth,
    /// Whether the system errs on it at the threshold in use; none where there is no threshold.
    pub wrong: Option<bool>,
    /// The distance of the pair, or the liveness score of the photo.
    pub score: f64,
    /// Two faces of a comparison, one of a presentation.
    pub faces: Vec<Face>,
}

/// What is true of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Truth {
    /// A mated pair.
    SamePerson,
    /// A non-mated pair.
    DifferentPeople,
    /// A search for somebody who is enrolled.
    Member,
    /// A search for somebody who is not.
    Stranger,
    /// A bona fide presentation.
    Live,
    /// A presentation attack of the named species.
    Attack(String),
}

/// A face and where it came from.
#[derive(Debug, Clone)]
pub struct Face {
    /// The file, as the reader would look it up.
    pub path: String,
    /// The aligned face; an empty picture is said to be missing.
    pub picture: RgbImage,
}

impl Case {
    fn verdict(&self, wrong: bool) -> &'static str {
        match (&self.truth, wrong) {
            (Truth::SamePerson, true) => "False non-match",
            (Truth::SamePerson, false) => "Match",
            (Truth::DifferentPeople, true) => "False match",
            (Truth::DifferentPeople, false) => "Non-match",
            (Truth::Member, true) => "Member missed",
            (Truth::Member, false) => "Member recognised",
            (Truth::Stranger, true) => "Stranger let in",
            (Truth::Stranger, false) => "Stranger refused",
            (Truth::Live, true) => "Live person refused",
            (Truth::Live, false) => "Live person accepted",
            (Truth::Attack(_), true) => "Attack accepted",
            (Truth::Attack(_), false) => "Attack refused",
        }
    }

    fn truth(&self) -> String {
        match &self.truth {
            Truth::SamePerson => "same person".into(),
            Truth::DifferentPeople => "different people".into(),
            Truth::Member => "a member".into(),
            Truth::Stranger => "a stranger".into(),
            Truth::Live => "live".into(),
            Truth::Attack(species) => format!("attack: {species}"),
        }
    }

    fn score(&self) -> String {
        let name = match self.truth {
            Truth::SamePerson | Truth::DifferentPeople | Truth::Member | Truth::Stranger => {
                "distance"
            }
            Truth::Live | Truth::Attack(_) => "liveness score",
        };
        let score = if self.score.is_finite() {
            format!("{:.3}", self.score)
        } else {
            "undefined".to_owned()
        };
        format!("{name} {score}")
    }
}

pub(super) fn markup(cases: &Cases) -> Markup {
    let more = cases.cases.len().saturating_sub(MAX_CASES);
    html! {
        section.gallery aria-label=(cases.caption) {
            p.caption { (cases.caption) }
            @if cases.cases.is_empty() { p.note { "No cases to show." } }
            ol.cases {
                @for case in cases.cases.iter().take(MAX_CASES) { li { (one(case)) } }
            }
            @if more > 0 {
                p.note { (number::grouped(more as u64)) " more are not shown." }
            }
        }
    }
}

fn one(case: &Case) -> Markup {
    html! {
        figure.case {
            div.faces { @for face in &case.faces { (picture(face)) } }
            figcaption {
                @if let Some(wrong) = case.wrong {
                    p.verdict {
                        // The sign and the words carry the meaning, the colour only repeats it.
                        span class=(if wrong { "wrong" } else { "right" }) {
                            (if wrong { "✗ " } else { "✓ " }) (case.verdict(wrong))
                        }
                    }
                }
                p.truth { (case.truth()) ", " (case.score()) }
                // `bdi` keeps a name with direction marks from rearranging its neighbours.
                @for face in &case.faces { p.path { bdi { (path(&face.path)) } } }
            }
        }
    }
}

/// A path that may break after each folder.
fn path(path: &str) -> Markup {
    html! { @for part in path.split_inclusive('/') { (part) wbr; } }
}

fn picture(face: &Face) -> Markup {
    html! {
        @if let Some(uri) = jpeg_uri(&face.picture) {
            img src=(uri) alt=(format!("Face from {}", face.path)) width="112" height="112";
        } @else {
            span.missing { "no picture" }
        }
    }
}

/// The picture as a JPEG data URI, shrunk to at most [`MAX_SIDE_PX`]; none of an empty picture.
fn jpeg_uri(picture: &RgbImage) -> Option<String> {
    let longest = picture.width().max(picture.height());
    let shrunk;
    let picture = if longest > MAX_SIDE_PX {
        let side = |px: u32| (px * MAX_SIDE_PX / longest).max(1);
        shrunk = imageops::thumbnail(picture, side(picture.width()), side(picture.height()));
        &shrunk
    } else {
        picture
    };
    let mut jpeg = Vec::new();
    JpegEncoder::new_with_quality(&mut jpeg, JPEG_QUALITY).encode_image(picture).ok()?;
    Some(format!("data:image/jpeg;base64,{}", STANDARD.encode(jpeg)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_picture_is_said_to_be_missing() {
        assert!(jpeg_uri(&RgbImage::new(0, 0)).is_none());
    }

    #[test]
    fn a_large_picture_is_shrunk() {
        let uri = jpeg_uri(&RgbImage::new(4000, 10)).expect("a picture");
        let bytes = STANDARD.decode(uri.rsplit(',').next().expect("data")).expect("base64");
        let back = image::load_from_memory(&bytes).expect("jpeg");
        assert_eq!((back.width(), back.height()), (MAX_SIDE_PX, 1));
    }
}
