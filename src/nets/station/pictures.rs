//! RGB bytes to tensors.

use std::borrow::Cow;

use limen_kernels::pictures;
use tch::{Device, TchError, Tensor};

use crate::nets::Compute;

/// The order of the colour planes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planes {
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red.
    Bgr,
}

/// Pictures of one size.
#[derive(Clone, Copy)]
pub struct Pictures<'a> {
    /// RGB bytes, the rows of a picture from its top, pictures laid one after another.
    pub rgb: &'a [u8],
    /// Width and height of each, in pixels.
    pub size: (u32, u32),
}

/// `[N, 3, height, width]` in 0..255, the three numbers of a pixel next to each other, as the kernels
/// want them.
pub(super) fn tensor(
    Pictures { rgb, size: (width, height) }: Pictures<'_>,
    planes: Planes,
    compute: Compute,
) -> Result<Tensor, TchError> {
    if compute.device == Device::Cpu {
        let size = (width as usize, height as usize);
        return pictures(rgb, size, planes == Planes::Bgr, compute.kind);
    }
    let bytes = match planes {
        Planes::Rgb => Cow::Borrowed(rgb),
        Planes::Bgr => {
            let mut bytes = rgb.to_vec();
            bytes.as_chunks_mut::<3>().0.iter_mut().for_each(|pixel| pixel.swap(0, 2));
            Cow::Owned(bytes)
        }
    };
    let size = [-1, i64::from(height), i64::from(width), 3];
    let bytes = Tensor::f_from_slice(&bytes)?.f_view(size)?.f_to_device(compute.device)?;
    bytes.f_to_kind(compute.kind)?.f_permute([0, 3, 1, 2])
}

/// The numbers of a tensor, the last dimension running fastest.
pub(super) fn floats(tensor: &Tensor) -> Result<Vec<f32>, TchError> {
    Vec::<f32>::try_from(tensor.f_to_device(Device::Cpu)?.f_flatten(0, -1)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_become_planes_in_the_asked_order() {
        let pictures = Pictures { rgb: &[1, 2, 3, 4, 5, 6], size: (2, 1) };
        let planes = |order| floats(&tensor(pictures, order, Device::Cpu.into()).unwrap()).unwrap();
        assert_eq!(planes(Planes::Rgb), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
        assert_eq!(planes(Planes::Bgr), [3.0, 6.0, 2.0, 5.0, 1.0, 4.0]);
    }
}
