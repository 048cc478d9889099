//! The networks as `tch` modules, and the only road by which weights get into them.
//!
//! Parameter names mirror the safetensors files in `weights/`. Networks are frozen: nothing here
//! computes a gradient, but for what is wrapped in [`Trainable`]. Whoever calls `forward` prepares the input as its type says; cropping,
//! aligning and decoding live in `vision`.

mod bottleneck;
mod compute;
mod digest;
mod dlib_resnet;
mod encoder;
mod fourier_head;
mod import;
mod landmark68;
mod layers;
pub mod load;
mod logistic_unit;
mod manifest;
mod minifasnet;
mod mobilefacenet;
mod mobilenet;
mod network;
mod parameter;
mod products;
mod projection;
mod station;
mod trainable;
mod trunk;
mod yunet;

pub use compute::Compute;
pub use digest::{Digest, DigestError};
pub use dlib_resnet::DlibResnet;
pub use encoder::Encoder;
pub use fourier_head::FourierHead;
pub use import::{DlibFormatError, ImportError, Importable, OnnxFormatError, import};
pub use landmark68::Landmark68;
pub use load::LoadError;
pub use manifest::{Architecture, Input, Manifest, ManifestError, Role, Source, WeightsEntry};
pub use minifasnet::{LivenessMaps, MiniFasNet};
pub use mobilefacenet::MobileFaceNet;
pub use mobilenet::MobileNet;
pub use projection::Projection;
pub use station::{Batching, Crowd, Model, Pictures, Planes, Station};
pub use trainable::{Learns, Trainable};
pub use yunet::{Yunet, YunetCell};
