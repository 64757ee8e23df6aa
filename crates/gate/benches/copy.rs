//! The copy routine: to shared memory, from it, and within it.

mod common;

use std::hint::black_box;

use common::Ends;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const SIZES: [usize; 10] = [16, 60, 64, 128, 256, 512, 1023, 1024, 1500, 9000];

fn copies(criterion: &mut Criterion) {
    let mut ends = Ends::connect(|config| config.buffer_size(16_384));
    let mut group = criterion.benchmark_group("copy");
    for size in SIZES {
        let mut bytes = vec![0x5a; size];
        group.throughput(Throughput::Bytes(size as u64));
        let tx = &mut ends.slave.tx[0];
        let mut batch = tx.reserve().unwrap();
        batch
            .push_with(size, |writer| {
                group.bench_function(format!("to shared/{size}"), |bencher| {
                    bencher.iter(|| writer.write_at(0, black_box(&bytes)));
                });
            })
            .unwrap();
        batch.push(&bytes).unwrap();
        batch.commit();
        let mut received = ends.master.rx[0].recv(2).unwrap();
        let mut packets = received.packets().filter_map(|packet| packet.segments().next());
        let (first, second) = (packets.next().unwrap(), packets.next().unwrap());
        group.bench_function(format!("from shared/{size}"), |bencher| {
            bencher.iter(|| first.read(0, black_box(&mut bytes)));
        });
        group.bench_function(format!("between shared/{size}"), |bencher| {
            bencher.iter(|| black_box(&first).copy_to(&second));
        });
    }
    group.finish();
}

criterion_group!(benches, copies);
criterion_main!(benches);
