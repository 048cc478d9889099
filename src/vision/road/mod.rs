//! The road with its networks: from the bytes of a frame to a face that can be compared.

mod approached;
mod aside;
mod clock;
mod files;
mod open;
mod previous;
mod profile;
mod verifier;

use approached::{Approached, Flawed};
pub use aside::Aside;
use aside::Helpers;
use clock::StageClock;
pub use files::NetworkFile;
pub use open::{OpenError, RoadSettings};
use previous::Previous;
pub use previous::PreviousEncoder;
pub use profile::{EncoderProfile, with_digest};
use tch::TchError;
pub use verifier::{NoVerifier, VerifierProfile};

use super::align::{AlignedFace, FIVE_POINTS_112, Template, align};
use super::decode::{DecodeError, FrameFormat, FrameLimits, decode, decode_at_least};
use super::detect::{detect_beside, search_canvas};
use super::encode::{EncodeError, Encoded, FaceEncoder};
use super::liveness::{Surroundings, judge, liveness};
use super::nearest::{Nearest, choose_nearest};
use super::picture::picture;
use super::precision::Precision;
use super::quality::{issues, measure, shortfall};
use super::refine::{Refined, place, refine_beside};
use crate::domain::{
    BoundingBox, Detection, Encoding, FaceSeen, Frame, Landmarks, LivenessScore, ModelId, Quality,
    QualityFigure, QualityIssue, Shortfall, Sighting, Stage, StageTimings, View,
};
use crate::nets::{Crowd, Landmark68, MiniFasNet, Station, Yunet};

/// What one request asks of the road.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LookSettings {
    /// The liveness that a face must reach; none: liveness is not checked.
    pub liveness_threshold: Option<LivenessScore>,
    /// The smallest face that is good enough, in pixels between the pupils.
    pub pupil_distance_px_min: f32,
    /// Whether the picture of the face is wanted, to be kept.
    pub picture: bool,
}

/// Why a frame could not be looked at. What a frame shows is never an error: see [`Sighting`].
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// The sender's fault: the bytes are no usable frame.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The face could not be encoded.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The picture of the face could not be made.
    #[error("the face's picture: {0}")]
    Picture(#[from] image::ImageError),
    /// libtorch failed, e.g. out of memory.
    #[error("libtorch: {0}")]
    Torch(#[from] TchError),
}

/// The networks of the road, loaded, and the settings it is travelled with.
///
/// It belongs to one thread at a time; a clone is for another thread and shares the networks' numbers.
#[derive(Clone, Debug)]
pub struct Road {
    detector: Station<Yunet>,
    landmarks: Station<Landmark68>,
    liveness: Station<MiniFasNet>,
    liveness_model: ModelId,
    encoder: FaceEncoder,
    /// The encoder that people move away from, where one is served beside.
    previous: Option<Previous>,
    /// Those who are under way on this road and its clones.
    crowd: Crowd,
    /// Where parts of a look can be handed over, if anywhere.
    helpers: Option<Helpers>,
    profile: EncoderProfile,
    settings: RoadSettings,
}

/// How much larger than on the template that the encoder wants a face is that the rest of the road sees as
/// it sees a larger one.
const ENOUGH: f32 = 1.25;

/// A picture as it was sent.
struct Photo<'a> {
    bytes: &'a [u8],
    /// What the sender says it is, where they say.
    declared: Option<FrameFormat>,
    /// Of a black border around it, of its longer side.
    border_share: f32,
}

impl Photo<'_> {
    /// The picture, reduced to no less than `side_px` along its longer side where that is sooner done.
    fn decode(&self, limits: &FrameLimits, side_px: u32) -> Result<Frame, DecodeError> {
        let frame = decode_at_least(self.bytes, self.declared, limits, side_px)?;
        Ok(frame.with_border(self.border_share))
    }
}

impl Road {
    /// The nearest face of a photo, upright on the 112 x 112 template, for a person to look at; none
    /// where there is no face.
    ///
    /// # Errors
    /// When the bytes are no usable frame or the detector fails.
    pub fn portrait(
        &self,
        bytes: &[u8],
        border_share: f32,
    ) -> Result<Option<AlignedFace>, LookError> {
        let frame = decode(bytes, None, &self.settings.frame)?.with_border(border_share);
        let faces = self.detect(&frame, 0.0)?;
        Ok(match choose_nearest(&faces, &frame, &self.settings.nearest) {
            Nearest::None => None,
            Nearest::One(face) | Nearest::Several(face) => {
                let Refined { face, .. } = self.refine(&frame, *face)?;
                align(&frame, &face.landmarks, Template::FivePoints112)
            }
        })
    }

    /// The id that every encoding from here carries.
    #[must_use]
    pub fn model(&self) -> &ModelId {
        &self.encoder.model
    }

    /// The liveness network, with the start of its weights' SHA-256.
    #[must_use]
    pub fn liveness_model(&self) -> &ModelId {
        &self.liveness_model
    }

    /// What the rest of the service must know of the encoder.
    #[must_use]
    pub fn profile(&self) -> &EncoderProfile {
        &self.profile
    }

    /// What it was opened with.
    #[must_use]
    pub fn settings(&self) -> &RoadSettings {
        &self.settings
    }

    /// With which numbers the encoder computes.
    #[must_use]
    pub fn precision(&self) -> Precision {
        self.encoder.compute.into()
    }

    /// Runs every network once on a black frame, so that the first real frame does not pay for what
    /// libtorch prepares at a first call.
    ///
    /// # Errors
    /// When a network fails.
    pub fn warm_up(&self) -> Result<(), LookError> {
        let side = self.settings.detect.side_px_max;
        let black = Frame::new(side, side, vec![0; side as usize * side as usize * 3])
            .map_err(|error| TchError::Shape(error.to_string()))?;
        let landmarks = Landmarks(FIVE_POINTS_112);
        let bounding_box = BoundingBox { x: 0.0, y: 0.0, width: 112.0, height: 112.0 };
        self.detect(&black, 0.0)?;
        self.refine(&black, Detection { bounding_box, landmarks, score: 1.0 })?;
        liveness(&self.liveness, &black, &bounding_box)?;
        for encoder in [Some(&self.encoder), self.previous_encoder()].into_iter().flatten() {
            for yaw in [0.0, f32::MAX] {
                if let Some(face) = align(&black, &landmarks, encoder.template) {
                    encoder.encode_one(face, yaw, || None)?;
                }
            }
        }
        Ok(())
    }

    /// Travels the whole road once and stops at the first outcome that ends it.
    ///
    /// `timings` holds what was timed before, e.g. the wait in a queue; the stages are added to it.
    ///
    /// # Errors
    /// When the bytes are no usable frame or a network fails.
    pub fn look(
        &self,
        bytes: &[u8],
        declared: Option<FrameFormat>,
        settings: &LookSettings,
        timings: StageTimings,
    ) -> Result<View<FaceSeen>, LookError> {
        let photo = Photo { bytes, declared, border_share: 0.0 };
        self.look_at(photo, settings, StageClock::start(timings))
    }

    /// As [`Road::look`], for a photo that was cut tightly around a face: a black border of
    /// `border_share` of its longer side gives the detector room.
    ///
    /// # Errors
    /// As [`Road::look`].
    pub fn look_at_crop(
        &self,
        bytes: &[u8],
        border_share: f32,
        settings: &LookSettings,
    ) -> Result<View<FaceSeen>, LookError> {
        let photo = Photo { bytes, declared: None, border_share };
        self.look_at(photo, settings, StageClock::start(StageTimings::default()))
    }

    /// As [`Road::look_at_crop`], as far as the encodings of the face and of its mirror image.
    ///
    /// # Errors
    /// As [`Road::look`].
    pub fn look_at_both_sides(
        &self,
        bytes: &[u8],
        border_share: f32,
        settings: &LookSettings,
    ) -> Result<View<[Encoding; 2]>, LookError> {
        let photo = Photo { bytes, declared: None, border_share };
        let clock = StageClock::start(StageTimings::default());
        self.travel(photo, settings.pupil_distance_px_min, clock, |approached, _| {
            let Some(face) = approached.aligned_for(self.encoder.template) else {
                return Ok(turned_away(approached.quality));
            };
            let mirrored = face.mirrored();
            let both = self.encoder.encode_all([face, mirrored])?;
            Ok(Sighting::Face(both.map(|encoded| encoded.encoding)))
        })
    }

    /// As [`Road::look_at_crop`], as far as the face as the encoder is shown it.
    ///
    /// # Errors
    /// As [`Road::look`].
    pub fn look_at_aligned(
        &self,
        bytes: &[u8],
        border_share: f32,
        settings: &LookSettings,
    ) -> Result<View<AlignedFace>, LookError> {
        let photo = Photo { bytes, declared: None, border_share };
        let clock = StageClock::start(StageTimings::default());
        self.travel(photo, settings.pupil_distance_px_min, clock, |approached, _| {
            let face = approached.aligned_for(self.encoder.template);
            Ok(face.map_or_else(|| turned_away(approached.quality), Sighting::Face))
        })
    }

    /// As [`Road::look_at_crop`], as far as the face with its surroundings as the liveness network is shown it.
    ///
    /// # Errors
    /// As [`Road::look`].
    pub fn look_at_surroundings(
        &self,
        bytes: &[u8],
        border_share: f32,
        settings: &LookSettings,
    ) -> Result<View<Surroundings>, LookError> {
        let photo = Photo { bytes, declared: None, border_share };
        let clock = StageClock::start(StageTimings::default());
        self.travel(photo, settings.pupil_distance_px_min, clock, |approached, _| {
            let Approached { frame, detection, .. } = &approached;
            Ok(Sighting::Face(Surroundings::of(frame, &detection.bounding_box)))
        })
    }

    fn look_at(
        &self,
        photo: Photo<'_>,
        settings: &LookSettings,
        clock: StageClock,
    ) -> Result<View<FaceSeen>, LookError> {
        self.travel(photo, settings.pupil_distance_px_min, clock, |approached, clock| {
            let with_picture = settings.picture;
            let Some(threshold) = settings.liveness_threshold else {
                return self.encode(approached, None, with_picture, clock);
            };
            let judged = self.aside(|| {
                let bounding_box = &approached.detection.bounding_box;
                let seen = Surroundings::of(&approached.frame, bounding_box);
                move |road: &Self| judge(&road.liveness, &seen)
            });
            let Some(awaited) = judged else {
                let liveness = self.score(&approached, clock)?;
                if !liveness.is_live(threshold) {
                    return Ok(Sighting::Spoof { liveness });
                }
                return self.encode(approached, Some(liveness), with_picture, clock);
            };
            let mut sighting = self.encode(approached, None, with_picture, clock)?;
            let liveness = awaited.wait()?;
            clock.lap(Stage::Liveness);
            // Whatever was found meanwhile.
            if !liveness.is_live(threshold) {
                return Ok(Sighting::Spoof { liveness });
            }
            if let Sighting::Face(face) = &mut sighting {
                face.liveness = Some(liveness);
            }
            Ok(sighting)
        })
    }

    /// Travels the road up to liveness. The score is given whatever it is: a threshold is the
    /// caller's to apply.
    ///
    /// # Errors
    /// When the bytes are no usable frame or a network fails.
    pub fn look_alive(
        &self,
        bytes: &[u8],
        declared: Option<FrameFormat>,
        pupil_distance_px_min: f32,
        timings: StageTimings,
    ) -> Result<View<LivenessScore>, LookError> {
        let photo = Photo { bytes, declared, border_share: 0.0 };
        let clock = StageClock::start(timings);
        self.travel(photo, pupil_distance_px_min, clock, |approached, clock| {
            Ok(Sighting::Face(self.score(&approached, clock)?))
        })
    }

    /// decode, detect, refine, align, quality; then `onwards` with a face that is good enough.
    ///
    /// A large JPEG is first decoded as far as it is searched, and whole only where the nearest face is
    /// too small for the rest of the road in what was decoded.
    fn travel<F>(
        &self,
        photo: Photo<'_>,
        pupil_distance_px_min: f32,
        mut clock: StageClock,
        onwards: impl FnOnce(Approached, &mut StageClock) -> Result<Sighting<F>, LookError>,
    ) -> Result<View<F>, LookError> {
        let _under_way = self.crowd.set_out();
        let frame = photo.decode(&self.settings.frame, self.settings.detect.side_px_max)?;
        clock.lap(Stage::Decode);
        let faces = self.detect(&frame, pupil_distance_px_min)?;
        clock.lap(Stage::Detect);
        let (size_px, mut nearest) = (frame.sent_size(), None);
        let sighting = match choose_nearest(&faces, &frame, &self.settings.nearest) {
            Nearest::None => Sighting::NoFace,
            Nearest::Several(_) => Sighting::MultipleFaces,
            Nearest::One(face) => {
                nearest = Some(face.scaled(frame.reduction() as f32));
                let (face, frame) = self.closer(&photo, *face, frame, &mut clock)?;
                let refined = self.refine(&frame, face)?;
                match self.approach(frame, refined, pupil_distance_px_min, &mut clock) {
                    Ok(approached) => onwards(approached, &mut clock)?,
                    Err(flawed) => flawed.into(),
                }
            }
        };
        let timings = clock.timings();
        Ok(View { sighting, faces: faces.len(), nearest, size_px, timings })
    }

    /// The face in a frame that shows enough of it: the whole one where the reduced one does not.
    fn closer(
        &self,
        photo: &Photo<'_>,
        face: Detection,
        frame: Frame,
        clock: &mut StageClock,
    ) -> Result<(Detection, Frame), LookError> {
        let reduction = frame.reduction();
        let previous = self.previous_encoder().map_or(0.0, |e| e.template.pupil_distance_px());
        let enough = ENOUGH * self.encoder.template.pupil_distance_px().max(previous);
        if reduction == 1 || face.landmarks.pupil_distance() >= enough {
            return Ok((face, frame));
        }
        drop(frame);
        let whole = photo.decode(&self.settings.frame, u32::MAX)?;
        clock.lap(Stage::Decode);
        Ok((face.scaled(reduction as f32), whole))
    }

    /// Every face; those whose pupils are less than half of `pupil_distance_px_min` apart may be missing.
    fn detect(
        &self,
        frame: &Frame,
        pupil_distance_px_min: f32,
    ) -> Result<Vec<Detection>, TchError> {
        let RoadSettings { detect: settings, nearest, .. } = &self.settings;
        let pupils = pupil_distance_px_min / frame.reduction() as f32;
        detect_beside(&self.detector, frame, pupils, settings, nearest, |half| {
            if !self.detector.is_here() {
                // A GPU does one thing after another anyway.
                return None;
            }
            self.aside(|| {
                let (half, settings) = (half(), settings.clone());
                move |road: &Self| search_canvas(&road.detector, &half, &settings)
            })
        })
    }

    fn refine(&self, frame: &Frame, face: Detection) -> Result<Refined, TchError> {
        refine_beside(&self.landmarks, frame, face, |picture| {
            self.aside(|| {
                let picture = picture.to_vec();
                move |road: &Self| place(&road.landmarks, &picture)
            })
        })
    }

    /// Aligns and measures the nearest face; what is wrong with it where it is not good enough.
    fn approach(
        &self,
        frame: Frame,
        Refined { face: detection, placed }: Refined,
        pupil_distance_px_min: f32,
        clock: &mut StageClock,
    ) -> Result<Approached, Flawed> {
        let face = align(&frame, &detection.landmarks, Template::FivePoints112);
        clock.lap(Stage::Align);
        let Some(face) = face else {
            // Landmarks in one place: a face without size.
            let shortfall =
                Shortfall::new(QualityFigure::PupilDistance, 0.0, pupil_distance_px_min);
            let (quality, issues) = (NO_SIZE, vec![QualityIssue::TooSmall]);
            return Err(Flawed { quality, issues, shortfall });
        };
        let mut quality = measure(&detection.landmarks, &face);
        quality.pupil_distance_px *= frame.reduction() as f32;
        let limits = &self.settings.quality;
        let issues = issues(&quality, limits, pupil_distance_px_min);
        clock.lap(Stage::Quality);
        if issues.is_empty() {
            Ok(Approached { frame, detection, placed, face, quality })
        } else {
            let shortfall = shortfall(&quality, limits, pupil_distance_px_min);
            Err(Flawed { quality, issues, shortfall })
        }
    }

    fn score(
        &self,
        approached: &Approached,
        clock: &mut StageClock,
    ) -> Result<LivenessScore, LookError> {
        let bounding_box = &approached.detection.bounding_box;
        let score = liveness(&self.liveness, &approached.frame, bounding_box)?;
        clock.lap(Stage::Liveness);
        Ok(score)
    }

    fn encode(
        &self,
        approached: Approached,
        liveness: Option<LivenessScore>,
        with_picture: bool,
        clock: &mut StageClock,
    ) -> Result<Sighting<FaceSeen>, LookError> {
        let said = approached.encoded_by(&self.encoder)?;
        let previous = self.say_previous(&approached)?.transpose();
        clock.lap(Stage::Encode);
        let Approached { frame, detection, quality, .. } = approached;
        let limit = self.settings.quality.feature_norm_min.or(self.profile.feature_norm_min);
        Ok(match said {
            Some(Encoded { feature_norm, .. }) if limit.is_some_and(|min| feature_norm < min) => {
                let norm = |min| Shortfall::new(QualityFigure::FeatureNorm, feature_norm, min);
                let shortfall = limit.and_then(norm);
                Sighting::LowQuality { quality, issues: vec![QualityIssue::Unclear], shortfall }
            }
            Some(Encoded { encoding, feature_norm }) => {
                // Whoever the other model alone knows is asked again, and not said to be nobody.
                let previous = match previous {
                    Ok(previous) => previous,
                    Err(shortfall) => {
                        let issues = vec![QualityIssue::Unclear];
                        return Ok(Sighting::LowQuality { quality, issues, shortfall });
                    }
                };
                let picture = match with_picture {
                    true => picture(&frame, &detection.bounding_box)?,
                    false => None,
                };
                Sighting::Face(FaceSeen {
                    encoding,
                    previous,
                    liveness,
                    quality,
                    feature_norm,
                    picture,
                })
            }
            None => turned_away(quality),
        })
    }
}

/// What is said of a face whose landmarks lie so that it cannot be turned upright.
fn turned_away<F>(quality: Quality) -> Sighting<F> {
    Sighting::LowQuality { quality, issues: vec![QualityIssue::TurnedAway], shortfall: None }
}

/// What there is to say of a face whose landmarks coincide.
const NO_SIZE: Quality = Quality {
    pupil_distance_px: 0.0,
    brightness: 0.0,
    sharpness: 0.0,
    yaw: 0.0,
    pitch: 0.0,
    roll_degrees: 0.0,
};
