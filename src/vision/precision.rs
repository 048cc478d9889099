//! With which numbers the encoder and the liveness network compute.

use std::fmt;

use serde::Deserialize;
use tch::Kind;

use crate::nets::Compute;

/// With which numbers the encoder and the liveness network compute. The detector and the landmark
/// network, whose answers are places, always compute in `f32`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// `bf16` where the processor multiplies it (AVX-512 BF16, AMX), else `f32`.
    #[default]
    Auto,
    /// 32-bit floats.
    F32,
    /// 16-bit floats with the range of 32-bit ones: encodings keep a cosine of 0.999 with those of
    /// `f32`, and may be compared with them.
    Bf16,
}

/// The processor has no instructions for `bf16`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "precision = \"bf16\" needs a processor with AVX-512 BF16 or AMX, or a GPU; \"auto\" takes f32 here"
)]
pub struct PrecisionError;

impl Precision {
    /// What that means on a device.
    ///
    /// # Errors
    /// When `bf16` is asked for and the device cannot multiply it.
    pub fn on(self, device: tch::Device) -> Result<Compute, PrecisionError> {
        let kind = match self {
            Self::F32 => Kind::Float,
            Self::Auto if !Compute::prefers_bf16(device) => Kind::Float,
            Self::Bf16 if device == tch::Device::Cpu && !Compute::prefers_bf16(device) => {
                return Err(PrecisionError);
            }
            Self::Auto | Self::Bf16 => Kind::BFloat16,
        };
        Ok(Compute { device, kind })
    }
}

impl From<Compute> for Precision {
    fn from(compute: Compute) -> Self {
        if compute.kind == Kind::BFloat16 { Self::Bf16 } else { Self::F32 }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        })
    }
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    #[test]
    fn f32_is_to_be_had_everywhere_and_bf16_where_it_is_multiplied() {
        assert_eq!(Precision::F32.on(Device::Cpu).unwrap().kind, Kind::Float);
        assert_eq!(Precision::Auto.on(Device::Cuda(0)).unwrap().kind, Kind::Float);
        assert_eq!(Precision::Bf16.on(Device::Cuda(0)).unwrap().kind, Kind::BFloat16);
        let here = Precision::Bf16.on(Device::Cpu).map(|compute| compute.kind);
        let auto = Precision::Auto.on(Device::Cpu).unwrap().kind;
        match auto {
            Kind::BFloat16 => assert_eq!(here, Ok(Kind::BFloat16)),
            _ => assert_eq!(here, Err(PrecisionError)),
        }
    }
}
