//! Layers as the networks have them, on one thread, in multiplications a second, beside libtorch's matrix product:
//! `./dev bench -p limen-kernels`. Two of it at once, each on a core of its own, show what workers leave each other.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use limen_kernels::{Convolution, Geometry, Processor};
use tch::{Device, Kind, Tensor};

/// A square map, the channels before and after, and a square kernel; every channel by itself, or all of them together.
struct Layer {
    name: &'static str,
    side: i64,
    channels: [i64; 2],
    kernel: usize,
    stride: usize,
    depthwise: bool,
}

const fn dense(
    name: &'static str,
    side: i64,
    channels: [i64; 2],
    kernel: usize,
    stride: usize,
) -> Layer {
    Layer { name, side, channels, kernel, stride, depthwise: false }
}

const fn depthwise(name: &'static str, side: i64, channels: i64, stride: usize) -> Layer {
    Layer { name, side, channels: [channels; 2], kernel: 3, stride, depthwise: true }
}

const LAYERS: [Layer; 13] = [
    dense("first", 112, [3, 64], 3, 2),
    dense("56x56, 64 to 128", 56, [64, 128], 1, 1),
    dense("28x28, 128 to 64", 28, [128, 64], 1, 1),
    dense("14x14, 256 to 128", 14, [256, 128], 1, 1),
    dense("7x7, 512 to 128", 7, [512, 128], 1, 1),
    dense("7x7, 128 to 512", 7, [128, 512], 1, 1),
    dense("160x160, 16 to 16", 160, [16, 16], 1, 1),
    dense("28x28, 64 to 64, 3x3", 28, [64, 64], 3, 1),
    depthwise("56x56, depthwise 64", 56, 64, 1),
    depthwise("56x56, depthwise 128, halved", 56, 128, 2),
    depthwise("28x28, depthwise 128", 28, 128, 1),
    depthwise("14x14, depthwise 256", 14, 256, 1),
    depthwise("7x7, depthwise 512", 7, 512, 1),
];

fn layers(criterion: &mut Criterion) {
    tch::set_num_threads(1);
    let _no_grad = tch::no_grad_guard();
    let processor = Processor::here().expect("a processor with AVX2");
    for (kind, name) in [(Kind::Float, "f32"), (Kind::BFloat16, "bf16")] {
        if !processor.knows(kind) {
            continue;
        }
        let random = |shape: &[i64]| Tensor::randn(shape, (kind, Device::Cpu));
        let mut group = criterion.benchmark_group(name);
        for layer in &LAYERS {
            let Layer { side, channels: [inputs, outputs], kernel, stride, .. } = *layer;
            let seen = if layer.depthwise { 1 } else { inputs };
            let weight = random(&[outputs, seen, kernel as i64, kernel as i64]);
            let (bias, slope) = (random(&[outputs]), vec![0.25; outputs as usize]);
            let geometry = Geometry { kernel, stride, padding: kernel / 2 };
            let packed =
                Convolution::new(processor, kind, &weight, &bias, slope, geometry, layer.depthwise);
            let convolution = packed.unwrap();
            let map = random(&[1, side, side, inputs]).permute([0, 3, 1, 2]);
            let places = convolution.forward(&map, None).unwrap().numel() / outputs as usize;
            group.throughput(Throughput::Elements((places * weight.numel()) as u64));
            group.bench_function(layer.name, |bench| {
                bench.iter(|| convolution.forward(black_box(&map), None).unwrap());
            });
        }
        let square = random(&[1_024, 1_024]);
        group.throughput(Throughput::Elements(1 << 30));
        group.bench_function("libtorch's product of 1024x1024", |bench| {
            bench.iter(|| square.matmul(black_box(&square)));
        });
    }
}

criterion_group!(benches, layers);
criterion_main!(benches);
