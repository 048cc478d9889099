//! How fast templates are sealed and opened, and how fast the whole gallery is at start: one core.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use limen::secrets::{Context, Keyring, MasterKey, Purpose};

/// Bytes of a stored encoding: 128 numbers of 4 bytes.
const TEMPLATE_BYTES: usize = 512;

fn place(row: u128) -> Context {
    let id = row.to_be_bytes();
    Context::new("face encoding").field(&id).field(&id).field(b"mobilefacenet-pca128@1f0c9a3e")
}

fn templates(c: &mut Criterion) {
    let keys = (0..2).map(|_| MasterKey::generate().expect("random numbers")).collect();
    let ring = Keyring::new(keys).expect("two keys");
    let plain = [0x5a; TEMPLATE_BYTES];
    let sealed: Vec<_> = (0..10_000)
        .map(|row| (row, ring.seal(Purpose::Template, &place(row), &plain).expect("sealed")))
        .collect();

    let mut group = c.benchmark_group("templates");
    group.throughput(Throughput::Elements(1));
    let mut rows = sealed.iter().cycle();
    group.bench_function("open", |b| {
        b.iter(|| {
            let (row, sealed) = rows.next().expect("a cycle");
            black_box(ring.open(Purpose::Template, &place(*row), sealed).expect("opened"))
        });
    });
    group.bench_function("seal", |b| {
        b.iter(|| black_box(ring.seal(Purpose::Template, &place(7), &plain).expect("sealed")));
    });
    group.finish();
}

criterion_group!(benches, templates);
criterion_main!(benches);
