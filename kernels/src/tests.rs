//! The kernels against libtorch, on every set of instructions that this machine has.

use proptest::prelude::*;
use tch::{Device, Kind, Tensor};

use super::{Convolution, Geometry, Processor, halve, pictures};

/// What negative sums are multiplied by.
#[derive(Clone, Copy, Debug)]
enum Slopes {
    Any,
    /// No activation.
    Ones,
    /// ReLU.
    Zeros,
}

#[derive(Clone, Debug)]
struct Layer {
    images: i64,
    inputs: i64,
    outputs: i64,
    sides: (i64, i64),
    geometry: Geometry,
    depthwise: bool,
    shortcut: bool,
    slopes: Slopes,
    seed: i64,
}

fn layer() -> impl Strategy<Value = Layer> {
    let channels = || prop_oneof![1i64..40, Just(64), Just(96)];
    let geometry = (1usize..=9, 1usize..=3).prop_flat_map(|(kernel, stride)| {
        (0..=kernel / 2).prop_map(move |padding| Geometry { kernel, stride, padding })
    });
    let maps = (1i64..3, channels(), channels(), (1i64..20, 1i64..20));
    let slopes = prop_oneof![Just(Slopes::Any), Just(Slopes::Ones), Just(Slopes::Zeros)];
    (maps, geometry, any::<bool>(), any::<bool>(), slopes, any::<i64>()).prop_map(
        |((images, inputs, outputs, sides), geometry, depthwise, shortcut, slopes, seed)| Layer {
            images,
            inputs,
            outputs: if depthwise { inputs } else { outputs },
            sides: (fitting(sides.0, geometry), fitting(sides.1, geometry)),
            geometry,
            depthwise,
            shortcut: shortcut && !depthwise,
            slopes,
            seed,
        },
    )
}

/// At least the side that the kernel fits on with its padding.
fn fitting(side: i64, Geometry { kernel, padding, .. }: Geometry) -> i64 {
    side.max(kernel as i64 - 2 * padding as i64)
}

/// The layer by libtorch in `f32`, and by the kernels of `processor` in `kind`, both on numbers that
/// `kind` holds exactly.
fn both(layer: &Layer, processor: Processor, kind: Kind) -> (Tensor, Tensor) {
    let Layer { images, inputs, outputs, sides: (height, width), geometry, .. } = *layer;
    tch::manual_seed(layer.seed);
    let random = |size: &[i64]| {
        let numbers = Tensor::randn(size, (Kind::Float, Device::Cpu));
        numbers.to_kind(Kind::BFloat16).to_kind(Kind::Float)
    };
    let xs = random(&[images, inputs, height, width]);
    let kernel = geometry.kernel as i64;
    let seen = if layer.depthwise { 1 } else { inputs };
    let weight = random(&[outputs, seen, kernel, kernel]);
    let bias = random(&[outputs]);
    let slope = match layer.slopes {
        Slopes::Any => random(&[outputs]),
        Slopes::Ones => bias.ones_like(),
        Slopes::Zeros => bias.zeros_like(),
    };

    let (stride, padding) = (geometry.stride as i64, geometry.padding as i64);
    let groups = if layer.depthwise { inputs } else { 1 };
    let conv = xs.conv2d(&weight, Some(&bias), stride, padding, 1, groups);
    let mut expected = conv.prelu(&slope);
    let shortcut = layer.shortcut.then(|| random(&expected.size()));
    if let Some(shortcut) = &shortcut {
        expected += shortcut;
    }
    let slope = Vec::try_from(slope).unwrap();
    let packed =
        Convolution::new(processor, kind, &weight, &bias, slope, geometry, layer.depthwise);
    let shortcut = shortcut.map(|shortcut| shortcut.to_kind(kind));
    let found = packed.unwrap().forward(&xs.to_kind(kind), shortcut.as_ref()).unwrap();
    (expected, found)
}

/// The largest difference, as a share of what the numbers are like.
fn difference(expected: &Tensor, found: &Tensor) -> f64 {
    assert_eq!(expected.size(), found.size());
    let difference = (expected - found.to_kind(Kind::Float)).abs().max();
    (difference / (expected.abs().max() + 1.0)).double_value(&[])
}

/// Refuses what is not libtorch's, on each set of instructions and with both kinds of numbers.
fn expect_libtorch_s(layer: &Layer) {
    for processor in Processor::here().into_iter().flat_map(Processor::with_lesser) {
        for (kind, limit) in [(Kind::Float, 1e-5), (Kind::BFloat16, 1.0 / 256.0)] {
            if processor.knows(kind) {
                let (expected, found) = both(layer, processor, kind);
                assert_eq!(found.kind(), kind);
                let difference = difference(&expected, &found);
                assert!(difference < limit, "{layer:?}, {processor:?}, {kind:?}: {difference}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_convolution_is_libtorch_s_whatever_its_shape_and_the_processor(layer in layer()) {
        expect_libtorch_s(&layer);
    }

    #[test]
    fn halving_keeps_the_largest_of_every_four(
        (channels, height, width) in (1i64..40, 2i64..9, 2i64..9),
    ) {
        let xs = Tensor::randn([2, channels, height, width], (Kind::Float, Device::Cpu));
        for processor in Processor::here().into_iter().flat_map(Processor::with_lesser) {
            for kind in [Kind::Float, Kind::BFloat16] {
                if processor.knows(kind) {
                    let xs = xs.to_kind(kind);
                    let expected = xs.to_kind(Kind::Float).max_pool2d(2, 2, 0, 1, false);
                    let found = halve(processor, &xs).unwrap();
                    prop_assert_eq!(difference(&expected, &found), 0.0);
                }
            }
        }
    }
}

#[test]
fn a_map_that_does_not_fit_is_refused_and_says_what_would() {
    let Some(processor) = Processor::here() else { return };
    let floats = |size: &[i64]| Tensor::zeros(size, (Kind::Float, Device::Cpu));
    let geometry = Geometry { kernel: 3, stride: 1, padding: 0 };
    let (weight, bias) = (floats(&[4, 8, 3, 3]), floats(&[4]));
    let conv =
        Convolution::new(processor, Kind::Float, &weight, &bias, vec![1.0; 4], geometry, false);
    let conv = conv.unwrap();
    assert_eq!(conv.forward(&floats(&[1, 8, 3, 3]), None).unwrap().size(), [1, 4, 1, 1]);
    for (xs, shortcut) in [
        (floats(&[1, 7, 3, 3]), None),
        (floats(&[1, 8, 3, 2]), None),
        (floats(&[8, 3, 3]), None),
        (floats(&[1, 8, 3, 3]).to_kind(Kind::BFloat16), None),
        (floats(&[1, 8, 3, 3]), Some(floats(&[1, 4, 2, 1]))),
    ] {
        assert!(conv.forward(&xs, shortcut.as_ref()).is_err(), "{:?}", xs.size());
    }
}

/// Every number of rows that a last block may have, each a picture of one place.
#[test]
fn a_product_is_libtorch_s_however_many_rows_it_has() {
    let geometry = Geometry { kernel: 1, stride: 1, padding: 0 };
    for images in 1..=66 {
        // Rows that lie as the product reads them, and such as are copied; columns of one vector and of two.
        for (inputs, outputs) in [(32, 16), (32, 40), (33, 17)] {
            for slopes in [Slopes::Ones, Slopes::Any] {
                let (sides, depthwise, shortcut, seed) = ((1, 1), false, true, images);
                let layer = Layer {
                    images,
                    inputs,
                    outputs,
                    sides,
                    geometry,
                    depthwise,
                    shortcut,
                    slopes,
                    seed,
                };
                expect_libtorch_s(&layer);
            }
        }
    }
}

#[test]
fn a_depthwise_layer_is_libtorch_s_on_the_smallest_maps() {
    for (height, width, channels) in
        (1..=9).flat_map(|h| (1..=9).flat_map(move |w| [8, 17, 40].map(|c| (h, w, c))))
    {
        for (stride, padding) in [(1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (2, 2)] {
            let geometry = Geometry { kernel: 3, stride, padding };
            let layer = Layer {
                images: 2,
                inputs: channels,
                outputs: channels,
                sides: (fitting(height, geometry), fitting(width, geometry)),
                geometry,
                depthwise: true,
                shortcut: false,
                slopes: Slopes::Any,
                seed: height * 9 + width,
            };
            expect_libtorch_s(&layer);
        }
    }
}

#[test]
fn a_kernel_that_may_miss_the_map_is_refused() {
    let Some(processor) = Processor::here() else { return };
    let floats = |size: &[i64]| Tensor::zeros(size, (Kind::Float, Device::Cpu));
    for (stride, padding) in [(0, 1), (1, 3)] {
        let geometry = Geometry { kernel: 3, stride, padding };
        let (weight, bias) = (floats(&[4, 1, 3, 3]), floats(&[4]));
        let slope = vec![1.0; 4];
        let conv = Convolution::new(processor, Kind::Float, &weight, &bias, slope, geometry, true);
        assert!(conv.is_err(), "{geometry:?}");
    }
}

#[test]
fn what_is_no_number_stays_none_and_its_neighbours_stay_numbers() {
    let Some(processor) = Processor::here() else { return };
    let cases = processor.with_lesser().into_iter().flat_map(|processor| {
        let kinds = [Kind::Float, Kind::BFloat16].into_iter();
        kinds.filter(move |kind| processor.knows(*kind)).map(move |kind| (processor, kind))
    });
    for (processor, kind) in cases {
        for (kernel, padding, depthwise) in [(1, 0, false), (3, 1, true)] {
            for slope in [0.0, 1.0] {
                for images in [1, 3] {
                    // The first picture's first place alone.
                    let xs = Tensor::ones([images, 40, 4, 4], (kind, Device::Cpu));
                    let no_number = if images == 1 { f64::NAN } else { -f64::NAN };
                    let _ = xs.narrow(0, 0, 1).narrow(2, 0, 1).narrow(3, 0, 1).fill_(no_number);
                    let seen = if depthwise { 1 } else { 40 };
                    let ones = Tensor::ones([40, seen, kernel, kernel], (Kind::Float, Device::Cpu));
                    let bias = Tensor::zeros([40], (Kind::Float, Device::Cpu));
                    let geometry = Geometry { kernel: kernel as usize, stride: 1, padding };
                    let slope = vec![slope; 40];
                    let conv =
                        Convolution::new(processor, kind, &ones, &bias, slope, geometry, depthwise);
                    let found = conv.unwrap().forward(&xs, None).unwrap();
                    let reached = if depthwise { 4 } else { 1 };
                    let nans = found.isnan().sum(Kind::Int64).int64_value(&[]);
                    assert_eq!(nans, reached * 40, "{processor:?}, {kind:?}, {kernel}");
                }
            }
        }
    }
}

#[test]
fn pictures_become_maps_in_either_order_of_their_colours() {
    let bytes: Vec<u8> = (0..=255).chain([7, 8]).cycle().take(2 * 3 * 5 * 3).collect();
    let plain = Tensor::from_slice(&bytes).view([2i64, 5, 3, 3]).permute([0, 3, 1, 2]);
    for kind in [Kind::Float, Kind::BFloat16] {
        for (swapped, expected) in [(false, plain.shallow_clone()), (true, plain.flip([1]))] {
            let found = pictures(&bytes, (3, 5), swapped, kind).unwrap();
            assert_eq!(found.kind(), kind);
            assert!(found.equal(&expected.to_kind(kind)), "{kind:?}, {swapped}");
        }
    }
    for (len, size) in [(44, (3, 5)), (0, (0, 5))] {
        assert!(pictures(&bytes[..len], size, false, Kind::Float).is_err(), "{len}, {size:?}");
    }
}
