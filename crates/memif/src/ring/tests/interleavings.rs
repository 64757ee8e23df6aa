//! Both rings and the signal under loom, which tries every order of the two threads that the orderings allow.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p memif --lib --target-dir target/loom ring::`

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering, fence};

use crate::config::Role;
use crate::ring::{DeferredSignal, RingMemory, RxCursor, TxCursor};
use crate::wire::ring::FLAG_MASK_INT;

/// Memory of a ring of two slots. A slot keeps one word: the second is that of a slave whose buffers lie at its start.
pub(crate) struct Modelled {
    head: AtomicU16,
    tail: AtomicU16,
    flags: AtomicU16,
    words: [AtomicU64; 2],
}

impl Modelled {
    pub(crate) fn new() -> Self {
        Self {
            head: AtomicU16::new(0),
            tail: AtomicU16::new(0),
            flags: AtomicU16::new(FLAG_MASK_INT),
            words: [AtomicU64::new(0), AtomicU64::new(0)],
        }
    }
}

impl RingMemory for Modelled {
    fn load_head(&self) -> u16 {
        self.head.load(Ordering::Acquire)
    }
    fn load_tail(&self) -> u16 {
        self.tail.load(Ordering::Acquire)
    }
    fn store_head(&self, head: u16) {
        self.head.store(head, Ordering::Release);
    }
    fn store_tail(&self, tail: u16) {
        self.tail.store(tail, Ordering::Release);
    }
    fn load_flags(&self) -> u16 {
        self.flags.load(Ordering::Relaxed)
    }
    fn store_flags(&self, flags: u16) {
        self.flags.store(flags, Ordering::Relaxed);
    }
    fn load_word(&self, slot: u16, part: usize) -> u64 {
        // Where buffers lie is written before the ends are threads.
        if part > 0 {
            return 0;
        }
        self.words[usize::from(slot & 1)].load(Ordering::Relaxed)
    }
    fn store_word(&self, slot: u16, part: usize, word: u64) {
        if part == 0 {
            self.words[usize::from(slot & 1)].store(word, Ordering::Relaxed);
        }
    }
    fn full_fence(&self) {
        fence(Ordering::SeqCst);
    }

    fn mask(&self) -> u16 {
        1
    }
    type Descriptors<'a> = &'a Self;
    fn descriptors(&self) -> &Self {
        self
    }
}

/// Three words through a ring of two slots: none is lost, seen twice, or seen before it is whole.
fn passes_words(sender: Role) {
    loom::model(move || {
        let receiver = if sender == Role::Slave { Role::Master } else { Role::Slave };
        let memory = Arc::new(Modelled::new());
        let mut rx = RxCursor::new(receiver, 1);
        rx.give_back(rx.held(), &*memory);
        let mut tx = TxCursor::new(sender, 1);
        let theirs = Arc::clone(&memory);
        let thread = loom::thread::spawn(move || {
            let mut word = 1;
            while word <= 3 {
                let next = tx.published();
                tx.refresh(&*theirs).expect("an honest ring");
                if tx.free(next) == 0 {
                    loom::thread::yield_now();
                    continue;
                }
                theirs.store_word(next, 0, word);
                tx.publish(next.wrapping_add(1), &*theirs);
                word += 1;
            }
        });
        let mut expected = 1;
        while expected <= 3 {
            let available = rx.available(&*memory).expect("an honest ring");
            if available == 0 {
                loom::thread::yield_now();
                continue;
            }
            for _ in 0..available {
                assert_eq!(memory.load_word(rx.next(), 0), expected);
                rx.advance(1);
                expected += 1;
            }
            rx.give_back(rx.held(), &*memory);
        }
        thread.join().unwrap();
    });
}

#[test]
fn s2m_passes_words() {
    passes_words(Role::Slave);
}

#[test]
fn m2s_passes_words() {
    passes_words(Role::Master);
}

/// The receiver goes to sleep while the sender publishes: either the receiver sees the packet before it sleeps or
/// the sender sees the cleared mask and signals.
fn never_sleeps_on_a_packet(sender: Role) {
    loom::model(move || {
        let receiver = if sender == Role::Slave { Role::Master } else { Role::Slave };
        let memory = Arc::new(Modelled::new());
        let signalled = Arc::new(AtomicBool::new(false));
        let mut rx = RxCursor::new(receiver, 1);
        rx.give_back(rx.held(), &*memory);
        let mut tx = TxCursor::new(sender, 1);
        // As the master of an M2S ring, look at the posted buffers before the race begins.
        tx.refresh(&*memory).expect("an honest ring");
        let (theirs, signal) = (Arc::clone(&memory), Arc::clone(&signalled));
        let thread = loom::thread::spawn(move || {
            theirs.store_word(tx.published(), 0, 1);
            tx.publish(1, &*theirs);
            theirs.full_fence();
            if theirs.load_flags() & FLAG_MASK_INT == 0 {
                signal.store(true, Ordering::SeqCst);
            }
        });
        memory.store_flags(0);
        memory.full_fence();
        let seen = rx.available(&*memory).expect("an honest ring") > 0;
        thread.join().unwrap();
        assert!(seen || signalled.load(Ordering::SeqCst), "asleep with a packet on the ring");
    });
}

#[test]
fn s2m_never_sleeps_on_a_packet() {
    never_sleeps_on_a_packet(Role::Slave);
}

#[test]
fn m2s_never_sleeps_on_a_packet() {
    never_sleeps_on_a_packet(Role::Master);
}

/// A packet is there and was signalled. The receiver takes the signal only after it has answered, right before it
/// sleeps, while another packet comes: it sees that one on its last look, or a signal is there to wake it.
#[test]
fn a_signal_taken_late_takes_no_packet_along() {
    loom::model(|| {
        let memory = Arc::new(Modelled::new());
        let signalled = Arc::new(AtomicBool::new(true));
        let mut rx = RxCursor::new(Role::Master, 1);
        memory.store_head(1);
        let (theirs, signal) = (Arc::clone(&memory), Arc::clone(&signalled));
        let thread = loom::thread::spawn(move || {
            theirs.store_head(2);
            signal.swap(true, Ordering::AcqRel);
        });
        rx.advance(rx.available(&*memory).expect("an honest ring"));
        signalled.swap(false, Ordering::AcqRel);
        let seen = rx.next().wrapping_add(rx.available(&*memory).expect("an honest ring"));
        thread.join().unwrap();
        assert!(seen == 2 || signalled.load(Ordering::Acquire), "asleep with a packet on the ring");
    });
}

/// The same where the receiver leaves the signal to the driver, which takes it before it sleeps while the receiver
/// looks at the ring: everything is handed out, reported again, or signalled.
#[test]
fn a_signal_left_to_the_driver_takes_no_packet_along() {
    loom::model(|| {
        let memory = Arc::new(Modelled::new());
        memory.store_head(1);
        let signalled = Arc::new(AtomicBool::new(true));
        let deferred = Arc::new(DeferredSignal::default());
        deferred.report();
        let (theirs, signal) = (Arc::clone(&memory), Arc::clone(&signalled));
        let sender = loom::thread::spawn(move || {
            theirs.store_head(2);
            signal.swap(true, Ordering::AcqRel);
        });
        let (ring, signal, note) = (Arc::clone(&memory), Arc::clone(&signalled), Arc::clone(&deferred));
        let receiver = loom::thread::spawn(move || {
            let seen = ring.load_head();
            if note.defer(seen) {
                return seen;
            }
            signal.swap(false, Ordering::AcqRel);
            ring.load_head()
        });
        let again = deferred.take().is_some_and(|seen| {
            signalled.swap(false, Ordering::AcqRel);
            memory.load_head() != seen
        });
        sender.join().unwrap();
        let handed_out = receiver.join().unwrap();
        let told = again || signalled.load(Ordering::Acquire);
        assert!(handed_out == 2 || told, "the driver sleeps with a packet on the ring");
    });
}

/// How a reactor tells a task that a descriptor is readable.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    /// Each signal once, as tokio, which is told what was dealt with.
    ByEdges,
    /// As long as a signal was not taken, as async-io.
    ByLevel,
}

/// A task that waits with the steps of `queue::steps`, while two packets come at the worst moments: when it leaves its
/// thread it has seen both, or is woken.
fn a_task_never_sleeps_on_a_packet(sender: Role, told: Told) {
    loom::model(move || {
        let receiver = if sender == Role::Slave { Role::Master } else { Role::Slave };
        let memory = Arc::new(Modelled::new());
        let signalled = Arc::new(AtomicBool::new(false));
        // Signals so far.
        let edges = Arc::new(AtomicU16::new(0));
        let mut rx = RxCursor::new(receiver, 1);
        rx.give_back(rx.held(), &*memory);
        let mut tx = TxCursor::new(sender, 1);
        tx.refresh(&*memory).expect("an honest ring");
        let (theirs, signal, edge) = (Arc::clone(&memory), Arc::clone(&signalled), Arc::clone(&edges));
        let thread = loom::thread::spawn(move || {
            for packet in 1..=2 {
                tx.publish(packet, &*theirs);
                theirs.full_fence();
                if theirs.load_flags() & FLAG_MASK_INT == 0 {
                    signal.swap(true, Ordering::AcqRel);
                    edge.fetch_add(1, Ordering::AcqRel);
                }
            }
        });
        let (mut seen, mut untaken, mut dealt_with) = (0, false, 0);
        let mut step = |untaken: &mut bool| {
            if std::mem::take(untaken) {
                signalled.swap(false, Ordering::AcqRel);
            }
            let found = rx.available(&*memory).expect("an honest ring");
            rx.advance(found);
            found
        };
        'waits: while seen < 2 {
            memory.store_flags(0);
            memory.full_fence();
            let mut found = step(&mut untaken);
            while found == 0 {
                let edge = edges.load(Ordering::Acquire);
                let asleep = match told {
                    Told::ByEdges => edge == dealt_with,
                    Told::ByLevel => !signalled.load(Ordering::Acquire),
                };
                if asleep {
                    break 'waits;
                }
                untaken = signalled.load(Ordering::Acquire);
                found = step(&mut untaken);
                if found == 0 {
                    // What was told before that look, and nothing since.
                    dealt_with = edge;
                }
            }
            seen += found;
            memory.store_flags(FLAG_MASK_INT);
        }
        thread.join().unwrap();
        let woken = match told {
            Told::ByEdges => edges.load(Ordering::Acquire) != dealt_with,
            Told::ByLevel => signalled.load(Ordering::Acquire),
        };
        assert!(seen == 2 || woken, "a task sleeps with a packet on the ring");
    });
}

#[test]
fn a_task_told_by_edges_never_sleeps_on_a_packet() {
    a_task_never_sleeps_on_a_packet(Role::Slave, Told::ByEdges);
    a_task_never_sleeps_on_a_packet(Role::Master, Told::ByEdges);
}

#[test]
fn a_task_told_by_level_never_sleeps_on_a_packet() {
    a_task_never_sleeps_on_a_packet(Role::Slave, Told::ByLevel);
    a_task_never_sleeps_on_a_packet(Role::Master, Told::ByLevel);
}
