//! A template in four bits a number, and what that still tells of a distance.
//!
//! A template `t` is kept as a code `t̂` on a grid of 16 steps, with `‖t − t̂‖`; a probe `p` as `p̂` in
//! 8 bits a number. The codes give `t̂·p̂` in whole numbers, and by Cauchy and Schwarz
//!
//! ```text
//! t·p <= t̂·p̂ + ‖t − t̂‖ ‖p‖ + ‖t̂‖ ‖p − p̂‖
//! ```
//!
//! so that whoever is too far by this bound is too far in truth, and only the others need be compared
//! in full. The idea is that of VA-files (Weber, Schek and Blott, VLDB 1998); the rotation before it
//! that of `RaBitQ` (Gao and Long, SIGMOD 2024).

use super::rotation::Rotation;

/// The step of the grid in standard deviations of a number: the best for 16 levels and a normal
/// distribution (Max 1960, "Quantizing for minimum distortion", table II).
const STEP: f32 = 0.3352;

/// The middle between the 16 levels 0..=15.
const MIDDLE: f32 = 7.5;

/// More than what rounding adds to a dot product of two unit vectors in `f32`.
const ROUNDING: f32 = 1e-4;

/// One template's code: two numbers a byte.
#[derive(Debug)]
pub(super) struct Code {
    /// Of each [`Code::NUMBERS`] numbers the first half in the low four bits, the second in the high ones; as the
    /// last word `‖t − t̂‖`, an `f32`.
    pub words: Vec<[u8; Code::WORD]>,
}

/// The width of a step of the grid for unit vectors of so many numbers.
fn step(padded: usize) -> f32 {
    STEP / (padded as f32).sqrt()
}

impl Code {
    /// Bytes that are read at once.
    pub const WORD: usize = 4;
    /// Numbers in a word; a rotated template has a multiple of it.
    pub const NUMBERS: usize = 2 * Self::WORD;

    /// The code of a unit vector.
    pub fn of(template: &[f32], rotation: &Rotation) -> Self {
        let rotated = rotation.apply(template);
        let step = step(rotated.len());
        let level = |v: f32| (v / step + MIDDLE).round().clamp(0.0, 15.0);
        let levels: Vec<f32> = rotated.iter().map(|v| level(*v)).collect();
        let square: f32 =
            rotated.iter().zip(&levels).map(|(v, l)| (v - step * (l - MIDDLE)).powi(2)).sum();
        let words = levels.as_chunks::<{ Self::NUMBERS }>().0.iter();
        let words = words.map(|numbers| {
            let (low, high) = numbers.split_at(Self::WORD);
            std::array::from_fn(|byte| low[byte] as u8 | (high[byte] as u8) << 4)
        });
        Self { words: words.chain([square.sqrt().to_le_bytes()]).collect() }
    }
}

/// A probe, ready to be held against codes.
pub(super) struct CodedProbe {
    /// `p̂` over a scale: for each word of a code the numbers of the low four bits of its bytes, then of the high ones.
    pub numbers: Vec<[[i8; Code::WORD]; 2]>,
    /// The bound for a sum and an error of 0.
    most: f32,
    /// How much nearer one more in a sum of products of whole numbers is.
    unit: f32,
    /// How much nearer a template may be whose code is off by 1.
    slack: f32,
}

impl CodedProbe {
    /// A unit vector.
    pub fn of(probe: &[f32], rotation: &Rotation) -> Self {
        let rotated = rotation.apply(probe);
        let largest = rotated.iter().fold(f32::MIN_POSITIVE, |max, v| max.max(v.abs()));
        let scale = largest / 127.0;
        // The nearest whole number, -127 to 127, moved to 0 to 254: there a cast, which only drops the fraction, rounds down.
        let whole = |v: f32| (v / scale + 127.5) as u8;
        let numbers: Vec<i8> =
            rotated.iter().map(|v| whole(*v).wrapping_sub(127).cast_signed()).collect();
        let off = |(v, whole): (&f32, &i8)| (v - scale * f32::from(*whole)).powi(2);
        let error = rotated.iter().zip(&numbers).map(off).sum::<f32>().sqrt();
        let sum: i32 = numbers.iter().map(|whole| i32::from(*whole)).sum();
        let numbers = numbers.as_chunks::<{ Code::WORD }>().0.as_chunks::<2>().0.to_vec();
        let unit = 2.0 * scale * step(rotated.len());
        // ‖t − p‖² is 2 − 2 t·p; ‖p‖ is 1, and ‖t̂‖ at most 1 + ‖t − t̂‖.
        let most = 2.0 + unit * MIDDLE * sum as f32 - 2.0 * (error + ROUNDING);
        Self { numbers, most, unit, slack: 2.0 * (1.0 + error) }
    }

    /// A squared distance that a template is not nearer than whose code has this sum of levels times the probe's
    /// numbers, and this error.
    #[inline(always)]
    pub fn least_distance(&self, sum: i32, error: f32) -> f32 {
        self.most - self.unit * sum as f32 - self.slack * error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_of_a_normal_template_is_about_a_tenth_off() {
        let values: Vec<f32> = (0..128).map(|i| (i as f32 * 12.9898).sin() * 43_758.547).collect();
        let values: Vec<f32> = values.iter().map(|v| v.fract()).collect();
        let norm = values.iter().map(|v| v * v).sum::<f32>().sqrt();
        let values: Vec<f32> = values.iter().map(|v| v / norm).collect();
        let code = Code::of(&values, &Rotation::new(128));
        assert_eq!(code.words.as_flattened().len(), 64 + size_of::<f32>());
        let error = f32::from_le_bytes(*code.words.last().unwrap());
        assert!((0.05..0.15).contains(&error), "{error}");
    }
}
