//! Whole networks, layer by layer, each layer fed by the one before as on the road: where their time goes, on one thread.
//! `./dev bench -p limen-kernels --bench networks`. Widths are those that are left when dead channels are taken out and
//! the rest is filled up for `f32`.

use std::time::{Duration, Instant};

use limen_kernels::{Convolution, Geometry, Processor};
use tch::{Device, Kind, Tensor};

/// Rounds whose median counts.
const ROUNDS: usize = 40;

struct Layer {
    name: String,
    convolution: Convolution,
    /// Multiplications for each place of the output.
    products: usize,
    /// Whether the map three layers back is added: what went into this bottleneck.
    shortcut: bool,
}

struct Network {
    kind: Kind,
    processor: Processor,
    channels: i64,
    layers: Vec<Layer>,
}

impl Network {
    fn new(processor: Processor, kind: Kind, channels: i64) -> Self {
        Self { kind, processor, channels, layers: Vec::new() }
    }

    fn layer(&mut self, outputs: i64, kernel: usize, stride: usize, padding: usize, dense: bool) {
        let inputs = if dense { self.channels } else { 1 };
        let side = kernel as i64;
        let scale = (2.0 / (inputs * side * side) as f64).sqrt();
        let options = (self.kind, Device::Cpu);
        let weight = Tensor::randn([outputs, inputs, side, side], options) * scale;
        let bias = Tensor::zeros([outputs], options);
        let slope = vec![0.25; outputs as usize];
        let geometry = Geometry { kernel, stride, padding };
        let packed =
            Convolution::new(self.processor, self.kind, &weight, &bias, slope, geometry, !dense);
        let (what, from) = (if dense { "" } else { ", depthwise" }, self.channels);
        self.layers.push(Layer {
            name: format!("{kernel}x{kernel} / {stride}, {from} to {outputs}{what}"),
            convolution: packed.expect("a layer"),
            products: weight.numel(),
            shortcut: false,
        });
        self.channels = outputs;
    }

    fn dense(&mut self, outputs: i64) {
        self.layer(outputs, 1, 1, 0, true);
    }

    fn depthwise(&mut self, stride: usize) {
        self.layer(self.channels, 3, stride, 1, false);
    }

    /// An inverted bottleneck; one that does not halve is added to what goes in.
    fn bottleneck(&mut self, expansion: i64, outputs: i64, stride: usize) {
        self.dense(expansion);
        self.depthwise(stride);
        self.dense(outputs);
        self.layers.last_mut().expect("layers").shortcut = stride == 1;
    }

    /// Stacks of bottlenecks, the first of each halves.
    fn stages(&mut self, stages: &[(i64, &[i64])]) {
        for (outputs, expansions) in stages {
            for (block, expansion) in expansions.iter().enumerate() {
                self.bottleneck(*expansion, *outputs, if block == 0 { 2 } else { 1 });
            }
        }
    }

    fn once(&self, picture: &Tensor, times: &mut [Vec<Duration>]) {
        let mut maps = vec![picture.shallow_clone()];
        for (layer, times) in self.layers.iter().zip(times) {
            let xs = maps.last().expect("a picture");
            let shortcut = layer.shortcut.then(|| &maps[maps.len() - 3]);
            let start = Instant::now();
            let map = layer.convolution.forward(xs, shortcut).expect("a map");
            times.push(start.elapsed());
            maps.push(map);
            // Dropped as on the road: no longer than what a shortcut asks for.
            if maps.len() > 3 {
                drop(maps.remove(0));
            }
        }
    }

    fn print(&self, title: &str, picture: [i64; 4]) {
        let [images, height, width, channels] = picture;
        let xs = Tensor::randn([images, height, width, channels], (self.kind, Device::Cpu));
        let xs = xs.permute([0, 3, 1, 2]);
        let mut times = vec![Vec::new(); self.layers.len()];
        for _ in 0..ROUNDS {
            self.once(&xs, &mut times);
        }
        let medians: Vec<f64> = times.iter_mut().map(|times| median_us(times)).collect();
        let sum: f64 = medians.iter().sum();
        println!("\n{title}, {:?}: {:.2} ms", self.kind, sum / 1e3);
        let mut map = xs;
        for (layer, us) in self.layers.iter().zip(&medians) {
            map = layer.convolution.forward(&map, None).expect("a map");
            let (_, channels, height, width) = map.size4().expect("a map");
            let places = (images * height * width) as usize;
            let products = (places * layer.products) as f64;
            let (share, speed) = (100.0 * us / sum, products / us / 1e3);
            let size = format!("{width}x{height}x{channels}");
            println!("{us:9.1} us {share:5.1} % {speed:6.1} G/s  {size:<12} {}", layer.name);
        }
    }
}

fn median_us(times: &mut [Duration]) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e6
}

fn main() {
    tch::set_num_threads(1);
    let _no_grad = tch::no_grad_guard();
    let processor = Processor::here().expect("a processor with AVX2");
    for kind in [Kind::Float, Kind::BFloat16] {
        if !processor.knows(kind) {
            continue;
        }
        let mut encoder = Network::new(processor, kind, 3);
        encoder.layer(48, 3, 2, 1, true);
        encoder.depthwise(1);
        encoder.stages(&[
            (64, &[128, 112, 112, 112, 96]),
            (128, &[256, 144, 112, 96, 96, 128, 112]),
            (128, &[464, 144, 112]),
        ]);
        encoder.dense(512);
        encoder.layer(512, 7, 1, 0, false);
        encoder.dense(512);
        encoder.print("MobileFaceNet", [1, 112, 112, 3]);

        let mut liveness = Network::new(processor, kind, 3);
        liveness.layer(32, 3, 2, 1, true);
        liveness.depthwise(1);
        liveness.stages(&[
            (64, &[112, 16, 16, 16, 16]),
            (128, &[240, 240, 64, 32, 80, 32, 32]),
            (128, &[320, 32, 32]),
        ]);
        liveness.dense(512);
        liveness.layer(512, 8, 1, 0, false);
        liveness.print("MiniFASNetV2-SE without squeeze and excitation", [1, 128, 128, 3]);

        if kind == Kind::BFloat16 {
            // The others stay in f32: see benches/RESULTS.md.
            continue;
        }
        let mut landmarks = Network::new(processor, kind, 3);
        landmarks.layer(32, 3, 2, 1, true);
        landmarks.depthwise(1);
        landmarks.stages(&[
            (32, &[64, 64, 64, 64]),
            (64, &[128, 128, 128, 128, 128]),
            (64, &[256, 112, 112]),
        ]);
        landmarks.dense(512);
        landmarks.layer(512, 4, 1, 0, false);
        landmarks.print("68 landmarks, one of two pictures", [1, 64, 64, 3]);

        // Poolings are left out: each level by itself.
        for (title, size, outputs) in [
            ("YuNet at 320x256, to stride 2", [1, 256, 320, 3], [16, 16].as_slice()),
            ("YuNet, stride 4", [1, 64, 80, 16], &[16, 32, 32, 64]),
            ("YuNet, stride 8, with a lateral and a head", [1, 32, 40, 64], &[64, 64, 64, 16]),
        ] {
            let mut level = Network::new(processor, kind, size[3]);
            if size[3] == 3 {
                level.layer(16, 3, 2, 1, true);
            }
            let separable = if size[3] == 3 { &outputs[1..] } else { outputs };
            for outputs in separable {
                level.dense(*outputs);
                level.depthwise(1);
            }
            level.print(title, size);
        }
    }
}
