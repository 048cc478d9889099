//! Where a network runs and with which numbers.

use limen_kernels::Processor;
use tch::{Device, Kind};

/// Where a network runs and with which numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Compute {
    /// The processor or a GPU.
    pub device: Device,
    /// `Float`, or `BFloat16`: half the memory traffic and, where the device multiplies it, several
    /// times the speed, for numbers of three digits.
    pub kind: Kind,
}

impl Compute {
    /// Whether the device multiplies `bf16` faster than `f32`, as far as Limen has measured: the
    /// processor with AVX-512 BF16 or AMX.
    #[must_use]
    pub fn prefers_bf16(device: Device) -> bool {
        device == Device::Cpu
            && Processor::here().is_some_and(|processor| processor.knows(Kind::BFloat16))
    }
}

/// In `f32`.
impl From<Device> for Compute {
    fn from(device: Device) -> Self {
        Self { device, kind: Kind::Float }
    }
}
