//! The kernels against libtorch, on every set of instructions that this machine has.

use proptest::prelude::*;
use tch::{Device, Kind, Tensor};

use super::{Convolution, Geometry, Processor, halve};

#[derive(Clone, Debug)]
struct Layer {
    images: i64,
    inputs: i64,
    outputs: i64,
    sides: (i64, i64),
    geometry: Geometry,
    depthwise: bool,
    shortcut: bool,
    seed: i64,
}

fn layer() -> impl Strategy<Value = Layer> {
    let channels = || prop_oneof![1i64..40, Just(64), Just(96)];
    let geometry = (1usize..9, 1usize..3).prop_flat_map(|(kernel, stride)| {
        (0..=kernel / 2).prop_map(move |padding| Geometry { kernel, stride, padding })
    });
    let maps = (1i64..3, channels(), channels(), (1i64..20, 1i64..20));
    (maps, geometry, any::<bool>(), any::<bool>(), any::<i64>()).prop_map(
        |((images, inputs, outputs, sides), geometry, depthwise, shortcut, seed)| Layer {
            images,
            inputs,
            outputs: if depthwise { inputs } else { outputs },
            sides: (fitting(sides.0, geometry), fitting(sides.1, geometry)),
            geometry,
            depthwise,
            shortcut: shortcut && !depthwise,
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
    let (bias, slope) = (random(&[outputs]), random(&[outputs]));

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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_convolution_is_libtorch_s_whatever_its_shape_and_the_processor(layer in layer()) {
        for processor in Processor::here().into_iter().flat_map(Processor::with_lesser) {
            for (kind, limit) in [(Kind::Float, 1e-5), (Kind::BFloat16, 1.0 / 256.0)] {
                if processor.knows(kind) {
                    let (expected, found) = both(&layer, processor, kind);
                    prop_assert_eq!(found.kind(), kind);
                    let difference = difference(&expected, &found);
                    prop_assert!(difference < limit, "{processor:?}, {kind:?}: {difference}");
                }
            }
        }
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

#[test]
fn what_is_no_number_stays_none() {
    let Some(processor) = Processor::here() else { return };
    for processor in processor.with_lesser() {
        for kind in [Kind::Float, Kind::BFloat16].into_iter().filter(|kind| processor.knows(*kind))
        {
            let xs = Tensor::full([1, 40, 1, 1], f64::NAN, (kind, Device::Cpu));
            let ones = Tensor::ones([40, 40, 1, 1], (Kind::Float, Device::Cpu));
            let bias = Tensor::zeros([40], (Kind::Float, Device::Cpu));
            let geometry = Geometry { kernel: 1, stride: 1, padding: 0 };
            let conv =
                Convolution::new(processor, kind, &ones, &bias, vec![0.0; 40], geometry, false);
            let found = conv.unwrap().forward(&xs, None).unwrap();
            assert_eq!(found.isnan().sum(Kind::Int64).int64_value(&[]), 40, "{processor:?}");
        }
    }
}
