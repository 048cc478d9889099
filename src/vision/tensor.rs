//! RGB bytes to tensors.

use tch::{Device, TchError, Tensor};

use crate::nets::Compute;

/// The order of the colour planes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Planes {
    Rgb,
    Bgr,
}

/// `[N, 3, height, width]` in 0..255 from `N` pictures of RGB bytes laid one after another, the three
/// numbers of a pixel next to each other, as the kernels want them.
pub(super) fn pictures(
    rgb: &[u8],
    (width, height): (u32, u32),
    planes: Planes,
    compute: Compute,
) -> Result<Tensor, TchError> {
    let (pixels, _) = rgb.as_chunks::<3>();
    let mut bytes = Vec::with_capacity(rgb.len());
    for &[red, green, blue] in pixels {
        bytes.extend(match planes {
            Planes::Rgb => [red, green, blue],
            Planes::Bgr => [blue, green, red],
        });
    }
    // Bytes travel to the device, a quarter of what floats would be.
    let bytes = Tensor::f_from_slice(&bytes)?.f_to_device(compute.device)?;
    let size = [-1, i64::from(height), i64::from(width), 3];
    bytes.f_to_kind(compute.kind)?.f_view(size)?.f_permute([0, 3, 1, 2])
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
        let rgb = [1u8, 2, 3, 4, 5, 6];
        let planes =
            |order| floats(&pictures(&rgb, (2, 1), order, Device::Cpu.into()).unwrap()).unwrap();
        assert_eq!(planes(Planes::Rgb), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
        assert_eq!(planes(Planes::Bgr), [3.0, 6.0, 2.0, 5.0, 1.0, 4.0]);
    }
}
