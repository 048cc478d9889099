//! A search (1:N) in one thread. `./dev bench search`, beside FAISS, which searches among the same encodings and must find the
//! same people.

use std::collections::HashMap;
use std::fs::File;
use std::hint::black_box;
use std::io::{BufWriter, Write};
use std::path::Path;

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
        let enrolled: Vec<_> = (0..people).map(|_| (EmployeeId::generate(), encoding())).collect();
        let number: HashMap<EmployeeId, u32> =
            enrolled.iter().map(|(id, _)| *id).zip(0..).collect();
        write(people, "enrolled", enrolled.iter().flat_map(|(_, encoding)| values(encoding)));
        let gallery = Gallery::of(model.clone(), SIZE, enrolled).unwrap();
        let probes: Vec<Encoding> = (0..64).map(|_| encoding()).collect();
        write(people, "probes", probes.iter().flat_map(values));
        let nearest = |probe| number[&gallery.search(probe, 1).unwrap()[0].employee_id];
        write(people, "nearest", probes.iter().map(|probe| nearest(probe).to_le_bytes()));
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

fn values(encoding: &Encoding) -> impl Iterator<Item = [u8; 4]> {
    encoding.values().iter().map(|value| value.to_le_bytes())
}

/// For `search_faiss.py`: numbers of four bytes.
fn write(people: usize, what: &str, numbers: impl Iterator<Item = [u8; 4]>) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("search");
    std::fs::create_dir_all(&folder).unwrap();
    let mut file = BufWriter::new(File::create(folder.join(format!("{people}.{what}"))).unwrap());
    numbers.for_each(|number| file.write_all(&number).unwrap());
    file.flush().unwrap();
}

criterion_group!(benches, search);
criterion_main!(benches);
