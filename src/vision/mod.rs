//! The road of a frame, each step a pure function of pixels and a network:
//!
//! | step | from | to |
//! |---|---|---|
//! | [`decode`] | bytes | [`Frame`](crate::domain::Frame) |
//! | [`detect`] | frame | every face, of which [`nearest`] chooses one |
//! | [`refine`] | frame, face | the same face, its landmarks placed again |
//! | [`align`] | frame, landmarks | [`AlignedFace`](align::AlignedFace) |
//! | [`quality`] | landmarks, aligned face | [`Quality`](crate::domain::Quality) and its issues |
//! | [`liveness`] | frame, box | [`LivenessScore`](crate::domain::LivenessScore) |
//! | [`encode`] | aligned face | [`Encoding`](crate::domain::Encoding) |
//! | `picture` | frame, box | the face's picture, where it is to be kept |
//!
//! [`Road`] owns the networks and travels the steps in this order. The server, the command line and
//! the evaluation all use these steps: there is no second preprocessing anywhere.

mod affine;
pub mod align;
mod awaited;
mod batch;
pub mod decode;
pub mod detect;
mod device;
pub mod encode;
mod letterbox;
pub mod liveness;
pub mod nearest;
mod nms;
mod picture;
mod precision;
pub mod quality;
pub mod refine;
mod resize;
mod road;
mod similarity;
mod warp;

pub use batch::BatchSettings;
pub use decode::{DecodeError, FrameFormat, FrameLimits};
pub use device::{Device, DeviceError};
pub use encode::{EncodeError, FaceEncoder};
pub use picture::KEPT_PUPILS_PX;
pub use precision::{Precision, PrecisionError};
pub use quality::{QualityLimits, issues};
pub use road::{
    Aside, EncoderProfile, LookError, LookSettings, NetworkFile, NoVerifier, OpenError,
    PreviousEncoder, Road, RoadSettings, VerifierProfile, with_digest,
};
pub use similarity::Similarity;
