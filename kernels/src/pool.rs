//! The largest of every four numbers.

use super::element::Element;
use super::lanes::Lanes;

/// Writes `[N, H / 2, W / 2, C]` of the map `xs`, `[N, H, W, C]`: of each channel the largest number in
/// 2 x 2 places; what is no number may be lost. A last odd row or column is left out.
///
/// # Safety
/// As [`Lanes`].
#[inline(always)]
pub unsafe fn halve<T: Element, V: Lanes>(xs: &[T], size: [usize; 4], out: &mut [T]) {
    let [_, height, width, channels] = size;
    let line_len = width * channels;
    let images = xs.chunks_exact(height * line_len);
    let pairs = images.flat_map(|image| image.chunks_exact(2 * line_len));
    let whole = channels / V::WIDTH * V::WIDTH;
    for (pair, out) in pairs.zip(out.chunks_exact_mut(width / 2 * channels)) {
        let (upper, lower) = pair.split_at(line_len);
        for (x, out) in out.chunks_exact_mut(channels).enumerate() {
            let four = [upper, lower].map(|line| &line[2 * x * channels..][..2 * channels]);
            for channel in (0..whole).step_by(V::WIDTH) {
                // SAFETY: the caller's; `channel + WIDTH` is within the channels of either place.
                unsafe {
                    let [upper, lower] = four.map(|two| {
                        let at = two.as_ptr().add(channel);
                        T::load::<V>(at).larger(T::load(at.add(channels)))
                    });
                    T::store(upper.larger(lower), out.as_mut_ptr().add(channel));
                }
            }
            for channel in whole..channels {
                let numbers = four.iter().flat_map(|two| [two[channel], two[channel + channels]]);
                let largest = numbers.map(Element::to_f32).fold(f32::NEG_INFINITY, f32::max);
                out[channel] = T::from_f32(largest);
            }
        }
    }
}
