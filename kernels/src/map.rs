//! Feature maps as the kernels read them: `[N, H, W, C]` in memory, "channels last".

use tch::{Device, Kind, TchError, Tensor};

use super::element::Element;

/// A tensor `[N, C, H, W]` whose channels lie next to each other.
pub struct Map {
    tensor: Tensor,
    /// N, H, W and C.
    pub size: [usize; 4],
}

impl Map {
    /// The tensor itself where its channels lie next to each other, else a copy.
    pub fn of(tensor: &Tensor) -> Result<Self, TchError> {
        let (n, c, h, w) = tensor.size4()?;
        let size = [n, c, h, w];
        // The stride of a dimension with one place says nothing.
        let strides = tensor.stride().into_iter().zip(channels_last(size)).zip(size);
        let tensor =
            if strides.into_iter().all(|((found, wanted), len)| len == 1 || found == wanted) {
                tensor.shallow_clone()
            } else {
                tensor.f_permute([0, 2, 3, 1])?.f_contiguous()?.f_permute([0, 3, 1, 2])?
            };
        Ok(Self { tensor, size: [n, h, w, c].map(|len| len as usize) })
    }

    pub fn kind(&self) -> Kind {
        self.tensor.kind()
    }

    /// The numbers, channels running fastest.
    pub fn numbers<T: Element>(&self) -> &[T] {
        assert_eq!((self.tensor.kind(), self.tensor.device()), (T::KIND, Device::Cpu));
        let len = self.size.iter().product();
        if len == 0 {
            return &[];
        }
        // SAFETY: the tensor owns `len` numbers of this kind without gaps: `of` saw to the strides,
        // the line above to the kind. Nobody writes to the input of a frozen network meanwhile.
        unsafe { std::slice::from_raw_parts(self.tensor.data_ptr().cast(), len) }
    }
}

/// A tensor `[N, C, H, W]`, channels last, of the numbers that `fill` writes over what lies there.
pub fn filled<T: Element>(
    [n, h, w, c]: [usize; 4],
    fill: impl FnOnce(&mut [T]),
) -> Result<Tensor, TchError> {
    let size = [n, c, h, w].map(|len| len as i64);
    let strides = channels_last(size);
    let tensor = Tensor::f_empty_strided(size, strides, (T::KIND, Device::Cpu))?;
    if n * h * w * c == 0 {
        return Ok(tensor);
    }
    // SAFETY: as in `numbers`, of a tensor that nobody else knows yet. It comes from an allocator
    // beyond Rust, where whatever lies in it is a number, and is written before it is read.
    fill(unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr().cast(), n * h * w * c) });
    Ok(tensor)
}

fn channels_last([_, c, h, w]: [i64; 4]) -> [i64; 4] {
    [h * w * c, 1, w * c, c]
}
