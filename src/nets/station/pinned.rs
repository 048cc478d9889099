//! Memory that the GPU reads and writes by itself.

use tch::{Device, Kind, TchError, Tensor};

/// A place in memory whose pages stay where they are ("pinned"), so that a GPU copies from and to it
/// without the processor; grown as needed and used again.
pub(super) struct Pinned {
    device: Device,
    bytes: Option<Tensor>,
}

impl Pinned {
    /// For copies from and to `device`.
    pub fn new(device: Device) -> Self {
        Self { device, bytes: None }
    }

    /// What it copies from and to.
    pub fn device(&self) -> Device {
        self.device
    }

    /// A copy of `bytes`, there until the next.
    pub fn hold(&mut self, bytes: &[u8]) -> Result<Tensor, TchError> {
        let place = self.place(bytes.len())?;
        // SAFETY: the place has as many bytes, and whoever was given them before is done with them.
        unsafe {
            bytes.as_ptr().copy_to_nonoverlapping(place.data_ptr().cast(), bytes.len());
        }
        Ok(place)
    }

    /// Leaves the bytes that were given out to whoever still has them; the next ones lie elsewhere.
    pub fn leave(&mut self) {
        self.bytes = None;
    }

    /// The numbers of `tensor`, in `f32`, the last dimension running fastest.
    pub fn receive(&mut self, tensor: &Tensor) -> Result<&[f32], TchError> {
        let len = tensor.numel();
        let mut place = self.place(len * size_of::<f32>())?.f_view_dtype(Kind::Float)?;
        // Waits until they are there.
        place.f_copy_(&tensor.f_flatten(0, -1)?)?;
        // SAFETY: as many numbers were just written there; they stay as long as `self` is borrowed.
        Ok(unsafe { std::slice::from_raw_parts(place.data_ptr().cast_const().cast(), len) })
    }

    fn place(&mut self, len: usize) -> Result<Tensor, TchError> {
        let bytes = match self.bytes.take().filter(|bytes| bytes.numel() >= len) {
            Some(bytes) => bytes,
            None => {
                let size = [len.next_power_of_two() as i64];
                let bytes = Tensor::f_zeros(size, (Kind::Uint8, Device::Cpu))?;
                if self.device.is_cuda() {
                    bytes.f_internal_pin_memory(self.device)?
                } else {
                    bytes
                }
            }
        };
        let place = bytes.f_narrow(0, 0, len as i64);
        self.bytes = Some(bytes);
        place
    }
}
