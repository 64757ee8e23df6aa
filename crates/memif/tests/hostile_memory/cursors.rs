//! Heads, tails and flags of every kind (M1 to M4, M10, M14).

use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use memif::{Breach, InterfaceConfig, RecvError, RxMode, SendError};
use testkit::slave_path::take_signal;
use testkit::traffic::Dice;
use testkit::{Ring, SlavePlan, eventually};

use crate::common::{MasterRig, Rig, SlaveRig, cross, cross_lengths, receive, receive_all, send};

/// Slots of the rings in this file.
const SIZE: u16 = 256;

/// How far a cursor of the peer is moved beyond what is possible.
const BEYOND: [u16; 8] = [SIZE + 1, SIZE + 2, 2 * SIZE, 1000, 32_767, 32_768, 65_534, 65_535];

fn master(resync_limit: u32) -> MasterRig {
    let config = InterfaceConfig::master(0).rx_queues(2).tx_queues(2).resync_limit(resync_limit);
    MasterRig::with(config)
}

fn slave(resync_limit: u32) -> SlaveRig {
    SlaveRig::with(InterfaceConfig::slave(0).ring_size(u32::from(SIZE)).resync_limit(resync_limit))
}

pub(crate) fn m01_master_head_of_rx() {
    let mut rig = master(1000);
    // Also after some traffic, where cursors are not zero, and near their wrap.
    for warm_up in [0, 100, 65_530u32] {
        let (mut link, mut peer) = rig.link();
        for n in 0..warm_up {
            peer.tx[0].send(&n.to_le_bytes());
            assert_eq!(receive(&mut link.rx[0]), n.to_le_bytes());
        }
        for (round, step) in (1u64..).zip(BEYOND) {
            let head = peer.tx[0].head().wrapping_add(step);
            peer.tx[0].ring.set_head(head);
            assert!(link.rx[0].recv(64).unwrap().is_empty(), "{step}: something was delivered");
            assert_eq!(link.rx[0].counters().resyncs, round, "{step}");
            assert_eq!(peer.tx[0].ring.tail(), head, "{step}: resynchronised somewhere else");
            // The link lives on from there.
            peer.tx[0].resume_at(head);
            cross(&mut link, &mut peer);
        }
        // The largest that is possible is no breach.
        let head = peer.tx[0].head();
        for slot in 0..SIZE {
            let offset = peer.tx[0].place(head.wrapping_add(slot)).offset;
            peer.tx[0].put(testkit::Descriptor { length: 64, offset, ..Default::default() });
        }
        peer.tx[0].publish();
        assert_eq!(receive_all(&mut link.rx[0]).len(), usize::from(SIZE));
        cross(&mut link, &mut peer);
        assert!(peer.is_up());
        drop(peer);
        rig.driver.disconnected(rig.key);
        drop(link);
    }
    rig.finish();
    // Switched off, the first overrun ends the link.
    let mut rig = master(0);
    for step in BEYOND {
        let (mut link, peer) = rig.link();
        peer.tx[0].ring.set_head(step);
        let error = link.rx[0].recv(64).map(|_| ()).unwrap_err();
        let RecvError::Breach(breach) = error else { panic!("{error:?}") };
        assert!(matches!(breach, Breach::Cursor { cursor: "head", found, .. } if found == step), "{breach:?}");
        assert_eq!(rig.breached(link, peer), breach);
    }
    rig.finish();
}

pub(crate) fn m01_master_resync_limit() {
    let mut rig = master(10);
    let (mut link, mut peer) = rig.link();
    let overrun = |peer: &mut testkit::SlaveLink| {
        let head = peer.tx[0].ring.head().wrapping_add(SIZE + 1);
        peer.tx[0].ring.set_head(head);
        peer.tx[0].resume_at(head);
    };
    // A valid packet in between starts the count again.
    for _ in 0..5 {
        for _ in 0..10 {
            overrun(&mut peer);
            assert!(link.rx[0].recv(64).unwrap().is_empty());
        }
        cross(&mut link, &mut peer);
    }
    for _ in 0..10 {
        overrun(&mut peer);
        assert!(link.rx[0].recv(64).unwrap().is_empty());
    }
    overrun(&mut peer);
    assert!(link.rx[0].recv(64).is_err());
    let breach = rig.breached(link, peer);
    assert!(matches!(breach, Breach::Overrun { count: 10 | 11, .. }), "{breach:?}");
    rig.finish();
}

/// Sends until the ring is full; the peer takes nothing.
fn fill(tx: &mut memif::TxQueue) {
    for _ in 0..=SIZE {
        match tx.send(&[1; 64]) {
            Ok(()) => {}
            Err(SendError::Full) => return,
            Err(other) => panic!("{other:?}"),
        }
    }
    panic!("more than a ring was sent");
}

pub(crate) fn m01_master_head_of_tx() {
    let mut rig = master(1000);
    for step in BEYOND {
        let (mut link, mut peer) = rig.link();
        cross(&mut link, &mut peer);
        // All that was posted is used: tail stands at head.
        fill(&mut link.tx[0]);
        let ring = &peer.rx[0].ring;
        let head = ring.tail().wrapping_add(step);
        ring.set_head(head);
        let error = link.tx[0].send(&[1; 64]).unwrap_err();
        let SendError::Breach(breach) = error else { panic!("{step}: {error:?}") };
        assert!(matches!(breach, Breach::Cursor { cursor: "head", found, .. } if found == head), "{breach:?}");
        assert_eq!(rig.breached(link, peer), breach);
    }
    rig.finish();
}

/// Moves a cursor about until told to stop.
struct Flipping {
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Flipping {
    fn start(mut step: impl FnMut(&mut Dice) + Send + 'static) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let flag = stop.clone();
        let thread = std::thread::spawn(move || {
            let mut dice = Dice::new(7);
            while !flag.load(Ordering::Relaxed) {
                step(&mut dice);
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Flipping {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

fn any_step(dice: &mut Dice) -> u16 {
    let classes = [0, 1, 2, SIZE / 2, SIZE, SIZE + 1, 32_768, 65_535];
    classes[dice.within(0, classes.len() - 1)]
}

/// Receives and sends a lot whatever comes; says whether the link is still up.
fn hammer(link: &mut memif::Link, rounds: usize) -> bool {
    let mut buffer = vec![0; 70_000];
    for _ in 0..rounds {
        match link.rx[0].recv(64) {
            Ok(mut batch) => {
                assert!(batch.len() <= 64);
                for packet in &mut batch {
                    let copied = packet.copy_to(&mut buffer);
                    assert_eq!(copied, packet.len());
                    assert!((1..=65_535).contains(&copied));
                }
            }
            Err(RecvError::Breach(_) | RecvError::Disconnected) => return false,
            Err(other) => panic!("{other:?}"),
        }
        match link.tx[0].send(&[3; 500]) {
            Ok(()) | Err(SendError::Full | SendError::TooLong { .. }) => {}
            Err(SendError::Breach(_) | SendError::Disconnected) => return false,
            Err(other) => panic!("{other:?}"),
        }
    }
    true
}

pub(crate) fn m01_master_heads_in_traffic() {
    let mut rig = master(u32::MAX);
    for both in [false, true] {
        for _ in 0..5 {
            let (mut link, peer) = rig.link();
            let mut rings: Vec<Ring> = vec![peer.tx[0].ring.clone()];
            if both {
                rings.push(peer.rx[0].ring.clone());
            }
            let flipping = Flipping::start(move |dice| {
                for ring in &rings {
                    ring.set_head(ring.head().wrapping_add(any_step(dice)));
                }
            });
            let up = hammer(&mut link, 20_000);
            assert!(up || both, "an overrun of an rx ring is no reason to go down");
            drop(flipping);
            rig.check_neighbour();
            drop(peer);
            rig.driver.disconnected(rig.key);
            drop(link);
            rig.driver.forget_events();
        }
    }
    rig.finish();
}

pub(crate) fn m02_slave_tail_of_rx() {
    let mut rig = slave(1000);
    for warm_up in [0, 100, 65_530u32] {
        let (mut link, mut peer) = rig.link();
        for n in 0..warm_up {
            peer.tx[0].send(&n.to_le_bytes());
            assert_eq!(receive(&mut link.rx[0]), n.to_le_bytes());
        }
        for (round, step) in (1u64..).zip(BEYOND) {
            let tail = peer.tx[0].tail().wrapping_add(step);
            peer.tx[0].ring.set_tail(tail);
            assert!(link.rx[0].recv(64).unwrap().is_empty(), "{step}: something was delivered");
            assert_eq!(link.rx[0].counters().resyncs, round, "{step}");
            let head = peer.tx[0].ring.head();
            assert_eq!(head, tail.wrapping_add(SIZE), "{step}: not the whole ring was posted anew");
            peer.tx[0].resume_at(tail);
            cross(&mut link, &mut peer);
        }
        assert!(peer.is_up());
        drop(peer);
        rig.driver.disconnected(rig.key);
        rig.down();
        drop(link);
    }
    rig.finish();
    let mut rig = slave(0);
    for step in BEYOND {
        let (mut link, peer) = rig.link();
        peer.tx[0].ring.set_tail(step);
        let error = link.rx[0].recv(64).map(|_| ()).unwrap_err();
        let RecvError::Breach(breach) = error else { panic!("{error:?}") };
        assert!(matches!(breach, Breach::Cursor { cursor: "tail", found, .. } if found == step), "{breach:?}");
        assert_eq!(rig.breached(link, peer), breach);
    }
    rig.finish();
}

pub(crate) fn m02_slave_resync_limit() {
    let mut rig = slave(10);
    let (mut link, mut peer) = rig.link();
    let overrun = |peer: &mut testkit::MasterLink| {
        let tail = peer.tx[0].ring.tail().wrapping_add(SIZE + 1);
        peer.tx[0].ring.set_tail(tail);
        peer.tx[0].resume_at(tail);
    };
    for _ in 0..5 {
        for _ in 0..10 {
            overrun(&mut peer);
            assert!(link.rx[0].recv(64).unwrap().is_empty());
        }
        cross(&mut link, &mut peer);
    }
    for _ in 0..10 {
        overrun(&mut peer);
        assert!(link.rx[0].recv(64).unwrap().is_empty());
    }
    overrun(&mut peer);
    assert!(link.rx[0].recv(64).is_err());
    let breach = rig.breached(link, peer);
    assert!(matches!(breach, Breach::Overrun { count: 10 | 11, .. }), "{breach:?}");
    rig.finish();
}

pub(crate) fn m02_slave_tail_of_tx() {
    let mut rig = slave(1000);
    for step in [1, 2, SIZE, SIZE + 1, 1000, 32_767, 32_768, 65_535 - SIZE] {
        let (mut link, mut peer) = rig.link();
        cross(&mut link, &mut peer);
        // The whole ring is under way: tail may be anywhere from a ring behind head to head.
        fill(&mut link.tx[0]);
        let ring = &peer.rx[0].ring;
        let tail = ring.head().wrapping_add(step);
        ring.set_tail(tail);
        let error = link.tx[0].send(&[1; 64]).unwrap_err();
        let SendError::Breach(breach) = error else { panic!("{step}: {error:?}") };
        assert!(matches!(breach, Breach::Cursor { cursor: "tail", found, .. } if found == tail), "{breach:?}");
        assert_eq!(rig.breached(link, peer), breach);
    }
    rig.finish();
}

pub(crate) fn m02_slave_tails_in_traffic() {
    let mut rig = slave(u32::MAX);
    for both in [false, true] {
        for _ in 0..5 {
            let (mut link, peer) = rig.link();
            let mut rings: Vec<Ring> = vec![peer.tx[0].ring.clone()];
            if both {
                rings.push(peer.rx[0].ring.clone());
            }
            let flipping = Flipping::start(move |dice| {
                for ring in &rings {
                    ring.set_tail(ring.tail().wrapping_add(any_step(dice)));
                }
            });
            let up = hammer(&mut link, 20_000);
            assert!(up || both, "an overrun of an rx ring is no reason to go down");
            drop(flipping);
            rig.check_neighbour();
            drop(peer);
            rig.driver.disconnected(rig.key);
            rig.down();
            drop(link);
        }
    }
    rig.finish();
}

pub(crate) fn m03_master_own_index() {
    let mut rig = master(1000);
    let (mut link, mut peer) = rig.link();
    cross(&mut link, &mut peer);
    for garbage in [0, 1, 77, SIZE, 32_768, 65_535] {
        for round in 0..20u8 {
            // The master's own cursor is overwritten behind its back, in both rings, before each packet.
            peer.tx[0].push(&[round; 100]);
            peer.tx[0].ring.set_tail(garbage);
            peer.tx[0].publish();
            assert_eq!(receive(&mut link.rx[0]), [round; 100]);
            assert_eq!(peer.tx[0].ring.tail(), peer.tx[0].head(), "tail after {garbage}");
            let before = peer.rx[0].cursors().1;
            peer.rx[0].ring.set_tail(garbage);
            send(&mut link.tx[0], &[round; 200]);
            assert_eq!(peer.rx[0].ring.tail(), before.wrapping_add(1), "tail after {garbage}");
            assert_eq!(peer.rx[0].wait(), [round; 200]);
        }
    }
    cross(&mut link, &mut peer);
    drop(peer);
    rig.driver.disconnected(rig.key);
    drop(link);
    rig.finish();
}

pub(crate) fn m03_slave_own_index() {
    let mut rig = slave(1000);
    let (mut link, mut peer) = rig.link();
    cross(&mut link, &mut peer);
    for garbage in [0, 1, 77, SIZE, 32_768, 65_535] {
        for round in 0..20u8 {
            // The slave's own cursor: where it has posted to, and where it has sent to.
            assert!(peer.tx[0].push(&[round; 100]));
            let posted = peer.tx[0].ring.head();
            peer.tx[0].ring.set_head(garbage);
            peer.tx[0].publish();
            assert_eq!(receive(&mut link.rx[0]), [round; 100]);
            assert_eq!(peer.tx[0].ring.head(), posted.wrapping_add(1), "head after {garbage}");
            let before = peer.rx[0].taken();
            peer.rx[0].ring.set_head(garbage);
            send(&mut link.tx[0], &[round; 200]);
            assert_eq!(peer.rx[0].ring.head(), before.wrapping_add(1), "head after {garbage}");
            assert_eq!(peer.rx[0].wait(), [round; 200]);
        }
    }
    cross(&mut link, &mut peer);
    drop(peer);
    rig.driver.disconnected(rig.key);
    rig.down();
    drop(link);
    rig.finish();
}

pub(crate) fn m04_master_fixed_values() {
    let mut rig = master(1000);
    let (mut link, mut peer) = rig.link();
    for ring in [peer.tx[0].ring.clone(), peer.rx[0].ring.clone()] {
        ring.set_cookie(0xdead_beef);
        ring.fill_padding(0xff);
    }
    cross(&mut link, &mut peer);
    for ring in [&peer.tx[0].ring, &peer.rx[0].ring] {
        assert_eq!(ring.cookie(), 0xdead_beef, "the cookie is the slave's");
    }
    assert!(peer.is_up());
    drop(peer);
    rig.driver.disconnected(rig.key);
    drop(link);
    rig.finish();
}

pub(crate) fn m04_slave_fixed_values() {
    let mut rig = slave(1000);
    let (mut link, mut peer) = rig.link();
    for ring in [peer.tx[0].ring.clone(), peer.rx[0].ring.clone()] {
        ring.set_cookie(0xdead_beef);
        ring.fill_padding(0xff);
    }
    cross(&mut link, &mut peer);
    assert!(peer.is_up());
    drop(peer);
    rig.driver.disconnected(rig.key);
    rig.down();
    drop(link);
    rig.finish();
}

/// Every call takes what it was asked for and comes back, although there is always more.
fn bounded_work(link: &mut memif::Link) {
    for max in [0, 1, 7, 64, usize::MAX] {
        for _ in 0..2000 {
            let mut batch = link.rx[0].recv(max).unwrap();
            assert!(batch.len() <= max.min(usize::from(SIZE)));
            let mut taken = 0;
            for packet in &mut batch {
                taken += packet.len().min(1);
            }
            assert!(taken <= max.min(usize::from(SIZE)));
        }
    }
}

pub(crate) fn m10_master_bounded_work() {
    let mut rig = master(u32::MAX);
    let (mut link, peer) = rig.link();
    let ring = peer.tx[0].ring.clone();
    // Always a full ring of packets, however many are taken.
    let refill = Flipping::start(move |_| ring.set_head(ring.tail().wrapping_add(SIZE)));
    bounded_work(&mut link);
    rig.check_neighbour();
    drop(refill);
    drop(peer);
    rig.driver.disconnected(rig.key);
    drop(link);
    rig.finish();
}

pub(crate) fn m10_slave_bounded_work() {
    let mut rig = slave(u32::MAX);
    let (mut link, peer) = rig.link();
    let ring = peer.tx[0].ring.clone();
    let refill = Flipping::start(move |_| ring.set_tail(ring.head()));
    bounded_work(&mut link);
    rig.check_neighbour();
    drop(refill);
    drop(peer);
    rig.driver.disconnected(rig.key);
    rig.down();
    drop(link);
    rig.finish();
}

/// A slave that posts buffers of no use as fast as they come back. A send that does not wait must not go on with it.
pub(crate) fn m10_master_bounded_sends() {
    // The larger the ring, the more time the slave has to be ahead.
    let size = 1u16 << 14;
    let mut rig = master(1000);
    let plan = SlavePlan { log2: 14, buffer_size: 64, ..rig.plan.clone() };
    let (mut link, peer) = rig.link_as(&plan);
    let ring = peer.rx[0].ring.clone();
    for slot in 0..size {
        ring.set_descriptor(slot, testkit::Descriptor::default());
    }
    let repost = Flipping::start(move |_| ring.set_head(ring.tail().wrapping_add(size)));
    let mut all = 0;
    for length in [64, 5000].into_iter().cycle() {
        let before = link.tx[0].counters().bad_descriptors;
        assert_eq!(link.tx[0].send(&vec![1; length]), Err(SendError::Full));
        let some = link.tx[0].counters().bad_descriptors - before;
        assert!(some <= u64::from(size), "{some} buffers for one packet");
        all += some;
        if all > 100 * u64::from(size) {
            break;
        }
    }
    rig.check_neighbour();
    drop(repost);
    drop(peer);
    rig.driver.disconnected(rig.key);
    drop(link);
    rig.finish();
}

/// Ring flags of a receiving peer, and whether they ask for signals.
const FLAGS: [(u16, bool); 6] =
    [(0, true), (1, false), (0xfffe, true), (0xffff, false), (0x8000, true), (0x8001, false)];

pub(crate) fn m14_master_ring_flags() {
    let mut rig = master(1000);
    let (mut link, mut peer) = rig.link();
    for (flags, wanted) in FLAGS {
        peer.rx[0].ring.set_flags(flags);
        let _ = take_signal(peer.rx[0].interrupt.as_fd(), Duration::ZERO);
        send(&mut link.tx[0], &[5; 64]);
        assert_eq!(peer.rx[0].wait(), [5; 64]);
        let signalled = take_signal(peer.rx[0].interrupt.as_fd(), Duration::ZERO).is_some();
        assert_eq!(signalled, wanted, "flags {flags:#x}");
        assert_eq!(peer.rx[0].ring.flags(), flags, "a sender wrote the flags");
        cross_lengths(&mut link, &mut peer, 2, &[64, 3000]);
    }
    drop(peer);
    rig.driver.disconnected(rig.key);
    drop(link);
    rig.finish();
}

pub(crate) fn m14_slave_ring_flags() {
    let mut rig = SlaveRig::with(InterfaceConfig::slave(0).ring_size(u32::from(SIZE)).rx_mode(RxMode::Polling));
    let (mut link, mut peer) = rig.link();
    for (flags, wanted) in FLAGS {
        peer.rx[0].ring.set_flags(flags);
        let _ = take_signal(peer.rx[0].interrupt.as_fd(), Duration::ZERO);
        send(&mut link.tx[0], &[5; 64]);
        assert_eq!(peer.rx[0].wait(), [5; 64]);
        let signalled = take_signal(peer.rx[0].interrupt.as_fd(), Duration::ZERO).is_some();
        assert_eq!(signalled, wanted, "flags {flags:#x}");
        assert_eq!(peer.rx[0].ring.flags(), flags, "a sender wrote the flags");
        cross_lengths(&mut link, &mut peer, 2, &[64, 3000]);
    }
    // Nor does it mind what the master writes over the flags of its own rings.
    for (flags, _) in FLAGS {
        peer.tx[0].ring.set_flags(flags);
        cross_lengths(&mut link, &mut peer, 2, &[64]);
    }
    eventually("a link that is up", || peer.is_up().then_some(()));
    drop(peer);
    rig.disconnected(link);
    rig.finish();
}
