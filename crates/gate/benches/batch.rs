//! The batch calls, per burst of 64 packets of 64 and of 1500 bytes: send, receive and forward, in both roles.

mod common;

use std::hint::black_box;

use common::{BURST, Ends, nothing, time};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use memif::{RxQueue, TxQueue};

const SIZES: [usize; 2] = [64, 1500];

fn send(tx: &mut TxQueue, packet: &[u8]) {
    let mut batch = tx.reserve().unwrap();
    for _ in 0..BURST {
        batch.push(packet).unwrap();
    }
    batch.commit();
}

fn receive(rx: &mut RxQueue, bytes: &mut [u8]) {
    for packet in &mut rx.recv(usize::from(BURST)).unwrap() {
        packet.copy_to(bytes);
    }
}

fn forward(rx: &mut RxQueue, tx: &mut TxQueue) {
    let mut received = rx.recv(usize::from(BURST)).unwrap();
    let mut batch = tx.reserve().unwrap();
    for packet in &mut received {
        batch.forward(packet).unwrap();
    }
    batch.commit();
}

fn batches(criterion: &mut Criterion) {
    let mut ends = Ends::connect(|config| config);
    let mut group = criterion.benchmark_group("batch");
    group.throughput(Throughput::Elements(BURST.into()));
    for size in SIZES {
        let packet = vec![0x5a; size];
        let put = |tx: &mut TxQueue| send(tx, black_box(&packet));
        let take = |rx: &mut RxQueue| receive(rx, black_box(&mut vec![0; size]));
        group.bench_function(format!("send as slave/{size}"), |bencher| {
            bencher.iter_custom(|n| {
                let put = |e: &mut Ends| put(&mut e.slave.tx[0]);
                time(n, &mut ends, nothing, put, |e| take(&mut e.master.rx[0]))
            });
        });
        group.bench_function(format!("receive as master/{size}"), |bencher| {
            let bytes = std::cell::RefCell::new(vec![0; size]);
            bencher.iter_custom(|n| {
                let take = |e: &mut Ends| receive(&mut e.master.rx[0], &mut bytes.borrow_mut());
                time(n, &mut ends, |e| put(&mut e.slave.tx[0]), take, nothing)
            });
        });
        group.bench_function(format!("send as master/{size}"), |bencher| {
            bencher.iter_custom(|n| {
                let put = |e: &mut Ends| put(&mut e.master.tx[0]);
                time(n, &mut ends, nothing, put, |e| take(&mut e.slave.rx[0]))
            });
        });
        group.bench_function(format!("receive as slave/{size}"), |bencher| {
            let bytes = std::cell::RefCell::new(vec![0; size]);
            bencher.iter_custom(|n| {
                let take = |e: &mut Ends| receive(&mut e.slave.rx[0], &mut bytes.borrow_mut());
                time(n, &mut ends, |e| put(&mut e.master.tx[0]), take, nothing)
            });
        });
        // The slave's buffers change places, the master's bytes are copied.
        group.bench_function(format!("forward as slave/{size}"), |bencher| {
            bencher.iter_custom(|n| {
                let pass = |e: &mut Ends| forward(&mut e.slave.rx[0], &mut e.slave.tx[0]);
                let put = |e: &mut Ends| put(&mut e.master.tx[0]);
                time(n, &mut ends, put, pass, |e| take(&mut e.master.rx[0]))
            });
        });
        group.bench_function(format!("forward as master/{size}"), |bencher| {
            bencher.iter_custom(|n| {
                let pass = |e: &mut Ends| forward(&mut e.master.rx[0], &mut e.master.tx[0]);
                let put = |e: &mut Ends| put(&mut e.slave.tx[0]);
                time(n, &mut ends, put, pass, |e| take(&mut e.slave.rx[0]))
            });
        });
    }
    group.finish();
}

criterion_group!(benches, batches);
criterion_main!(benches);
