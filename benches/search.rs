//! A search (1:N) in one thread. `./dev bench search`, beside FAISS.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use limen::domain::{EmployeeId, Encoding, ModelId};
use limen::gallery::Gallery;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const SIZE: usize = 128;
const PROBES_AT_ONCE: usize = 16;

fn search(criterion: &mut Criterion) {
    let model = ModelId::new("bench");
    let mut random = StdRng::seed_from_u64(1);
    let mut encoding = || {
        // Sums of uniform numbers are about normal, so that the direction is about uniform.
        let mut number = || (0..6).map(|_| random.random::<f32>() - 0.5).sum();
        let numbers = (0..SIZE).map(|_| number()).collect();
        Encoding::normalised(numbers, model.clone()).unwrap()
    };
    let mut group = criterion.benchmark_group("search");
    for people in [10_000, 100_000, 1_000_000] {
        let enrolled = (0..people).map(|_| (EmployeeId::generate(), encoding()));
        let gallery = Gallery::of(model.clone(), SIZE, enrolled).unwrap();
        let probes: Vec<Encoding> = (0..64).map(|_| encoding()).collect();
        let mut probes = probes.iter().cycle();
        group.bench_function(BenchmarkId::from_parameter(people), |bench| {
            bench.iter(|| gallery.search(black_box(probes.next().unwrap()), 2).unwrap());
        });
        // As many as may share a pass by default.
        let waiting: Vec<&Encoding> = probes.take(PROBES_AT_ONCE).collect();
        group.bench_function(BenchmarkId::new("of 16 at once", people), |bench| {
            bench.iter(|| gallery.search_all(black_box(&waiting), 2).unwrap());
        });
    }
}

criterion_group!(benches, search);
criterion_main!(benches);
