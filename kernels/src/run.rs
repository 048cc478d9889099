//! What is done to a map, compiled for each set of instructions and chosen at run time.

use super::bf16::{Pairs, Tiles};
use super::convolution::{Filter, Packed};
use super::depthwise::{self, Taps};
use super::element::Element;
use super::matrix::{self, Multiply};
use super::panels::Panels;
use super::pool;
use super::processor::{Bf16Unit, Processor, Vectors};
use super::rows::Rows;
use super::vectors::{Avx2, Avx512};

/// What is done to a map.
pub enum Step<'a, T> {
    /// A convolution, and a map that is added to its output.
    Convolve(&'a Packed<T>, Option<&'a [T]>),
    /// The largest of every 2 x 2 places.
    Halve,
}

/// A kind of numbers with the instructions for it.
pub trait Run: Element {
    /// Writes to `out` what `step` makes of `xs`, `[N, H, W, C]`.
    fn run(
        processor: Processor,
        step: &Step<Self>,
        xs: &[Self],
        size: [usize; 4],
        out: &mut [Self],
    );
}

/// Compiles what is done for a set of instructions: each kind of layer by itself, for in one function of all of them
/// depthwise layers are up to a seventh slower.
macro_rules! compiled {
    ($name:ident, $numbers:ty, $multiply:ty, $features:literal) => {
        #[target_feature(enable = $features)]
        pub fn $name(
            step: &Step<$numbers>,
            xs: &[$numbers],
            size: [usize; 4],
            out: &mut [$numbers],
        ) {
            type Vectors = <$multiply as Multiply<$numbers>>::Lanes;
            type Filtered<'a, F> = (&'a Packed<$numbers>, &'a F);

            #[target_feature(enable = $features)]
            #[inline(never)]
            fn dense(
                (packed, panels): Filtered<Panels<$numbers>>,
                shortcut: Option<&[$numbers]>,
                (xs, size): (&[$numbers], [usize; 4]),
                out: &mut [$numbers],
            ) {
                let rows = Rows::of(xs, size, &packed.geometry, panels);
                // SAFETY: these are the instructions.
                unsafe {
                    let finish = &packed.finish;
                    matrix::multiply::<$numbers, $multiply>(&rows, panels, finish, shortcut, out);
                }
            }

            #[target_feature(enable = $features)]
            #[inline(never)]
            fn depthwise(
                (packed, taps): Filtered<Taps>,
                (xs, size): (&[$numbers], [usize; 4]),
                out: &mut [$numbers],
            ) {
                let Packed { geometry, finish, .. } = packed;
                // SAFETY: these are the instructions.
                unsafe {
                    depthwise::depthwise::<_, Vectors>(xs, size, geometry, taps, finish, out);
                }
            }

            match step {
                // SAFETY: these are the instructions.
                Step::Halve => unsafe { pool::halve::<_, Vectors>(xs, size, out) },
                Step::Convolve(packed, shortcut) => match &packed.filter {
                    Filter::Depthwise(taps) => depthwise((packed, taps), (xs, size), out),
                    Filter::Dense(panels) => dense((packed, panels), *shortcut, (xs, size), out),
                },
            }
        }
    };
}

compiled!(run_avx2, f32, Avx2, "avx2,fma");
compiled!(run_avx512, f32, Avx512, "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl");
compiled!(run_pairs, half::bf16, Pairs, "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512bf16");
compiled!(run_tiles, half::bf16, Tiles, "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512bf16");

impl Run for f32 {
    fn run(p: Processor, step: &Step<Self>, xs: &[Self], size: [usize; 4], out: &mut [Self]) {
        // SAFETY: a `Processor` knows only instructions that are there.
        match p.vectors() {
            Vectors::Avx512 => unsafe { run_avx512(step, xs, size, out) },
            Vectors::Avx2 => unsafe { run_avx2(step, xs, size, out) },
        }
    }
}

impl Run for half::bf16 {
    fn run(p: Processor, step: &Step<Self>, xs: &[Self], size: [usize; 4], out: &mut [Self]) {
        // SAFETY: a `Processor` knows only instructions that are there.
        match p.bf16() {
            Some(Bf16Unit::Tiles) => unsafe { run_tiles(step, xs, size, out) },
            Some(Bf16Unit::Pairs) => unsafe { run_pairs(step, xs, size, out) },
            None => unreachable!("bf16 on a processor without it"),
        }
    }
}
