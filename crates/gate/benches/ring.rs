//! The rings alone, per burst of 64 descriptors: what the batch calls cost without any byte of a packet.

mod common;

use std::hint::black_box;

use common::{BURST, Ends, nothing, time};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use memif::raw::{RxSlots, TxSlots};

/// One direction.
struct Ring {
    tx: TxSlots,
    rx: RxSlots,
}

fn send(ring: &mut Ring) {
    let mut slots = [(0, std::ptr::null_mut()); BURST as usize];
    let mut given = slots.iter_mut();
    let allocated = ring.tx.allocate(BURST, 64, None, |slot| {
        if let Some(place) = given.next() {
            *place = (slot.index, slot.data);
        }
    });
    assert_eq!(allocated.unwrap().slots, BURST);
    for (index, data) in slots {
        ring.tx.send(index, data, 64, false).unwrap();
    }
    ring.tx.publish();
}

fn receive(ring: &mut Ring) {
    let received = ring
        .rx
        .receive(BURST, |slot| {
            black_box(slot);
        })
        .unwrap();
    ring.rx.refill(received.count, 0, None).unwrap();
}

fn rings(criterion: &mut Criterion) {
    let Ends { mut master, mut slave, socket } = Ends::connect(|config| config.manual());
    let mut s2m = Ring { tx: slave.tx.remove(0).into_slots(), rx: master.rx.remove(0).into_slots() };
    let mut m2s = Ring { tx: master.tx.remove(0).into_slots(), rx: slave.rx.remove(0).into_slots() };
    // A slave's buffers are posted by its user.
    m2s.rx.refill(u16::MAX, 0, None).unwrap();
    let mut group = criterion.benchmark_group("ring");
    group.throughput(Throughput::Elements(BURST.into()));
    for (name, ring) in [("S2M", &mut s2m), ("M2S", &mut m2s)] {
        group.bench_function(format!("send {name}"), |bencher| {
            bencher.iter_custom(|n| time(n, ring, nothing, send, receive));
        });
        group.bench_function(format!("receive {name}"), |bencher| {
            bencher.iter_custom(|n| time(n, ring, send, receive, nothing));
        });
    }
    group.finish();
    drop(socket);
}

criterion_group!(benches, rings);
criterion_main!(benches);
