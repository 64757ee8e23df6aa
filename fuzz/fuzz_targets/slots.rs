//! Slots, on which bindings stand: their user and a hostile peer take turns at one link. What is handed out lies in
//! shared memory, whatever the peer writes there and whatever the user gives back, in whatever order.
#![no_main]

mod queues;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use memif::raw::{Keeper, Part, RxSlots, Slot, TxSlots};
use memif::{InterfaceConfig, Link, Memory, Socket};
use queues::{NOW, Op, Peer, maps, setup};
use testkit::plan::Layout;
use testkit::{FileKind, SeqSocket, SlavePlan};

#[derive(Arbitrary, Debug)]
struct Input {
    slave: bool,
    log2: u8,
    apart: bool,
    unsealed: bool,
    buffer: u16,
    post: bool,
    steps: Vec<Step>,
}

#[derive(Arbitrary, Debug)]
enum Step {
    Peer(Op),
    Poll,
    Receive {
        max: u8,
    },
    Refill {
        count: u8,
        headroom: u16,
        places: Option<Vec<u32>>,
    },
    Leftovers,
    Interrupts {
        on: bool,
    },
    SwapReceived {
        left: u8,
        right: u8,
    },
    Allocate {
        packets: u8,
        len: u16,
        places: Option<Vec<u32>>,
    },
    /// A buffer as it was handed out, or something like it.
    Send {
        which: u8,
        skip: u16,
        len: u16,
        next: bool,
    },
    Publish,
    Enqueue {
        which: u8,
    },
    SwapSending {
        left: u8,
        right: u8,
    },
    SetNext {
        which: u8,
    },
    Ready,
    Tell,
}

struct User {
    socket: Socket,
    rx: RxSlots,
    tx: TxSlots,
    keeper: Keeper,
    /// Handed out last.
    received: Vec<Slot>,
    allocated: Vec<Slot>,
    maps: Vec<(usize, usize)>,
}

fuzz_target!(|input: Input| {
    let address = format!("@memif-fuzz-{}", std::process::id());
    let mut socket = Socket::builder(&address).open().expect("a socket");
    let (ours, theirs) = SeqSocket::pair();
    let kind = if input.unsealed { FileKind::Unsealable } else { FileKind::Sealed };
    let (link, peer) = if input.slave {
        let config = InterfaceConfig::slave(0)
            .ring_size(1 << (input.log2 % 6))
            .buffer_size(u32::from(input.buffer % 4096) + 1)
            .memory(if input.apart { Memory::RingsApart } else { Memory::OneRegion })
            .manual();
        if config.validate().is_err() {
            return;
        }
        let key = socket.add_connected(config, ours.into_fd()).expect("an interface");
        let peer = setup::master(theirs, || assert!(socket.poll(Some(NOW)).expect("polling").is_none()));
        (socket.wait_connected(key, NOW).expect("a link"), peer)
    } else {
        let plan = SlavePlan {
            log2: input.log2 % 6,
            layout: if input.apart { Layout::RingsApart } else { Layout::OneRegion },
            rings_file: kind,
            buffers_file: kind,
            ..SlavePlan::default()
        };
        let key = socket.add_interface(InterfaceConfig::master(0).manual()).expect("an interface");
        setup::linked_slave((&mut socket, key), (ours, theirs), &plan, input.post)
    };
    User::new(socket, link).run(peer, &input.steps, !input.slave);
});

fn at<T: Copy>(all: &[T], which: u8) -> Option<T> {
    all.get(usize::from(which) % all.len().max(1)).copied()
}

/// Offsets as a user chooses them: these, over and over.
fn places(chosen: &Option<Vec<u32>>) -> Option<impl FnMut() -> u32 + '_> {
    let mut all = chosen.as_ref().filter(|all| !all.is_empty())?.iter().cycle();
    Some(move || all.next().copied().unwrap_or(0))
}

impl User {
    fn new(socket: Socket, mut link: Link) -> Self {
        let (rx, tx) = (link.rx.remove(0).into_slots(), link.tx.remove(0).into_slots());
        let keeper = rx.keeper();
        Self { socket, rx, tx, keeper, received: Vec::new(), allocated: Vec::new(), maps: maps() }
    }

    fn run(mut self, mut peer: Peer, steps: &[Step], master: bool) {
        for step in steps {
            match step {
                Step::Peer(op) => _ = peer.act(op, master),
                step => self.step(step),
            }
        }
        // The queues go first, and what was handed out stays.
        let Self { rx, tx, keeper, received, maps, .. } = self;
        drop((rx, tx));
        for slot in received {
            read(slot, &maps);
        }
        let _ = keeper.is_broken();
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Peer(_) => {}
            Step::Poll => _ = self.socket.poll(Some(NOW)).expect("polling"),
            Step::Receive { max } => {
                let Self { rx, received, maps, .. } = self;
                received.clear();
                let told = rx.receive(u16::from(*max), |slot| {
                    read(slot, maps);
                    received.push(slot);
                });
                if let Ok(told) = told {
                    assert_eq!(usize::from(told.count), received.len());
                }
                assert!(
                    received.len() <= usize::from((*max).min(self.rx.ring_size() as u8)) || self.rx.ring_size() > 255
                );
            }
            Step::Refill { count, headroom, places: chosen } => {
                let mut places = places(chosen);
                let places = places.as_mut().map(|place| place as &mut dyn FnMut() -> u32);
                let _ = self.rx.refill(u16::from(*count), u32::from(*headroom), places);
            }
            Step::Leftovers => _ = self.rx.leftovers(),
            Step::Interrupts { on } => self.rx.set_interrupts(*on),
            Step::SwapReceived { left, right } => {
                if let (Some(left), Some(right)) = (at(&self.received, *left), at(&self.received, *right)) {
                    self.rx.swap(left.index, right.index);
                }
            }
            Step::Allocate { packets, len, places: chosen } => {
                let mut places = places(chosen);
                let places = places.as_mut().map(|place| place as &mut dyn FnMut() -> u32);
                let Self { tx, allocated, maps, .. } = self;
                allocated.clear();
                let _ = tx.allocate(u16::from(*packets), u32::from(*len), places, |slot| {
                    inside(slot, maps);
                    fill(slot);
                    allocated.push(slot);
                });
            }
            Step::Send { which, skip, len, next } => {
                let Some(slot) = at(&self.allocated, *which) else { return };
                let data = slot.data.wrapping_add(usize::from(*skip));
                let part = Part { index: slot.index, data, len: u32::from(*len), next: *next };
                // As handed out, more often than not.
                let part = if *skip % 4 == 0 { part } else { Part { data: slot.data, len: slot.len, ..part } };
                let _ = self.tx.send_all([part]);
            }
            Step::Publish => self.tx.publish(),
            Step::Enqueue { which } => {
                let Some(slot) = at(&self.received, *which) else { return };
                if let Some(held) = self.rx.held(slot.index) {
                    let _ = self.tx.enqueue(held);
                }
            }
            Step::SwapSending { left, right } => {
                if let (Some(left), Some(right)) = (at(&self.allocated, *left), at(&self.allocated, *right)) {
                    self.tx.swap(left.index, right.index);
                }
            }
            Step::SetNext { which } => {
                if let Some(slot) = at(&self.allocated, *which) {
                    self.tx.set_next(slot.index);
                }
            }
            Step::Ready => _ = self.tx.ready(),
            Step::Tell => self.keeper.tell(),
        }
    }
}

fn inside(slot: Slot, maps: &[(usize, usize)]) {
    let (start, len) = (slot.data.addr(), slot.len as usize);
    assert!(len == 0 || maps.iter().any(|(from, to)| start >= *from && start + len <= *to), "{slot:?} is elsewhere");
}

/// All bytes can be read.
fn read(slot: Slot, maps: &[(usize, usize)]) {
    inside(slot, maps);
    for at in 0..slot.len as usize {
        // SAFETY: shared memory that is mapped, as was just looked up; the peer of this test is this thread.
        unsafe { slot.data.add(at).read_volatile() };
    }
}

/// All bytes can be written.
fn fill(slot: Slot) {
    for at in 0..slot.len as usize {
        // SAFETY: as above.
        unsafe { slot.data.add(at).write_volatile(6) };
    }
}
