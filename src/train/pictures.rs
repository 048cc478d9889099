//! The pictures that a network is shown, as one tensor.

use tch::{Device, Kind, TchError, Tensor};

/// Square pictures of one size, `[N, 3, side, side]` in BGR, bytes.
#[derive(Debug)]
pub struct Pictures(Tensor);

/// The same pictures, not a copy.
impl Clone for Pictures {
    fn clone(&self) -> Self {
        Self(self.0.shallow_clone())
    }
}

impl Pictures {
    /// Of RGB bytes, rows from the top, each picture `side` x `side`; they lie on `device` from then on.
    ///
    /// # Errors
    /// When one is of another size, or there is none.
    pub fn new<'a>(
        rgb: impl IntoIterator<Item = &'a [u8]>,
        side: u32,
        device: Device,
    ) -> Result<Self, TchError> {
        let side = i64::from(side);
        let pictures = rgb.into_iter().map(|rgb| {
            let rows = Tensor::f_from_slice(rgb)?.f_view([side, side, 3])?;
            rows.f_flip([2])?.f_permute([2, 0, 1])?.f_contiguous()
        });
        let pictures = pictures.collect::<Result<Vec<_>, _>>()?;
        Ok(Self(Tensor::f_stack(&pictures, 0)?.f_to_device(device)?))
    }

    /// Some of them by their number, in `f32`, 0 to 255.
    ///
    /// # Errors
    /// When there is no such picture.
    pub fn of(&self, numbers: &[usize]) -> Result<Tensor, TchError> {
        let numbers: Vec<i64> = numbers.iter().map(|number| *number as i64).collect();
        let numbers = Tensor::f_from_slice(&numbers)?.f_to_device(self.0.device())?;
        self.0.f_index_select(0, &numbers)?.f_to_kind(Kind::Float)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_become_planes_of_blue_green_and_red() {
        let red_then_blue = [255u8, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0];
        let pictures = Pictures::new([&red_then_blue[..], &[7; 12]], 2, Device::Cpu).unwrap();
        let first = Vec::<f32>::try_from(pictures.of(&[0]).unwrap().view([-1])).unwrap();
        assert_eq!(first, [0.0, 9.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 255.0, 0.0, 0.0, 0.0]);
        assert_eq!(pictures.of(&[1, 0, 1]).unwrap().size(), [3, 3, 2, 2]);
        assert!(Pictures::new([&red_then_blue[..3]], 2, Device::Cpu).is_err());
    }
}
