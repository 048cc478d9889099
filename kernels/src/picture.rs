//! Pictures as maps.

use super::element::Element;

/// Writes the bytes as numbers; of each pixel the first and the last change places if `swapped`.
pub fn write<T: Element>(bytes: &[u8], swapped: bool, out: &mut [T]) {
    let numbers: [T; 256] = std::array::from_fn(|byte| T::from_f32(byte as f32));
    let order = if swapped { [2, 1, 0] } else { [0, 1, 2] };
    let (pixels, _) = bytes.as_chunks::<3>();
    let (out, _) = out.as_chunks_mut::<3>();
    for (pixel, out) in pixels.iter().zip(out) {
        *out = order.map(|colour| numbers[usize::from(pixel[colour])]);
    }
}
