//! One link in this process: the library at one end, and at the other whatever the input writes into shared memory
//! between any two calls.

#![allow(dead_code, reason = "each target uses its part")]

pub mod setup;

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use arbitrary::Arbitrary;
use memif::{DisconnectReason, Event, Link, MAX_PACKET_SIZE, Packet, RecvError, RxMode, SendError, Socket};
use testkit::slave_path::{signal, take_signal};
use testkit::wiremsg::Message;
use testkit::{Descriptor, Received, Ring, SeqSocket, SharedFile};

pub const NOW: Duration = Duration::ZERO;

/// One step of either side.
#[derive(Arbitrary, Debug)]
pub enum Op {
    /// The peer moves a cursor to some place near the other cursor, or anywhere.
    Cursor {
        tx: bool,
        tail: bool,
        near: i8,
        anywhere: Option<u16>,
    },
    /// The peer does what it should: all sent is taken, all buffers are posted.
    Honest {
        tx: bool,
    },
    Flags {
        tx: bool,
        flags: u16,
    },
    Descriptor {
        tx: bool,
        slot: u8,
        next: bool,
        region: u8,
        length: u32,
        offset: u32,
    },
    /// A descriptor that is good, of that length.
    Good {
        tx: bool,
        slot: u8,
        next: bool,
        length: u16,
    },
    /// Any bytes anywhere in the memory.
    Bytes {
        region: u8,
        at: u32,
        value: u64,
    },
    Cut {
        region: u8,
        pages: u8,
    },
    Punch {
        region: u8,
        page: u8,
    },
    Signal {
        tx: bool,
    },
    TakeSignal {
        tx: bool,
    },
    Say {
        bytes: Vec<u8>,
    },

    Receive {
        max: u8,
        take: u8,
        forget: bool,
    },
    ReceiveInto {
        len: u16,
    },
    Forward {
        max: u8,
        commit: bool,
    },
    Send {
        len: u16,
    },
    Batch {
        lengths: Vec<u16>,
        commit: bool,
        forget: bool,
    },
    Wait,
    Acknowledge,
    Mode {
        mode: u8,
    },
    Poll,
}

/// The hostile end.
pub struct Peer {
    pub socket: SeqSocket,
    pub regions: Arc<Vec<SharedFile>>,
    /// What the library receives from and sends on.
    pub rx: (Ring, Arc<OwnedFd>),
    pub tx: (Ring, Arc<OwnedFd>),
    /// Whether files were cut: this side must not touch its mapping any more.
    cut: bool,
}

/// The link with both ends.
pub struct Bed {
    pub socket: Socket,
    pub link: Link,
    pub peer: Peer,
    /// Address ranges of all shared memory.
    maps: Vec<(usize, usize)>,
    /// What took the link down, as the first queue said it.
    breach: Option<memif::Breach>,
}

impl Peer {
    pub fn new(
        socket: SeqSocket,
        regions: Arc<Vec<SharedFile>>,
        rx: (Ring, Arc<OwnedFd>),
        tx: (Ring, Arc<OwnedFd>),
    ) -> Self {
        Self { socket, regions, rx, tx, cut: false }
    }

    fn ring(&self, tx: bool) -> &Ring {
        if tx { &self.tx.0 } else { &self.rx.0 }
    }

    fn region(&self, region: u8) -> &SharedFile {
        &self.regions[usize::from(region) % self.regions.len()]
    }

    /// Does a step that is the peer's, opposite a library that is `master` or not. Whether it was one.
    pub fn act(&mut self, op: &Op, master: bool) -> bool {
        match op {
            Op::Cursor { .. }
            | Op::Honest { .. }
            | Op::Flags { .. }
            | Op::Descriptor { .. }
            | Op::Good { .. }
            | Op::Bytes { .. }
            | Op::Cut { .. }
            | Op::Punch { .. }
                if self.cut => {}
            Op::Cursor { tx, tail, near, anywhere } => {
                let ring = self.ring(*tx);
                let other = if *tail { ring.head() } else { ring.tail() };
                let place = anywhere.unwrap_or(other.wrapping_add_signed(i16::from(*near)));
                if *tail { ring.set_tail(place) } else { ring.set_head(place) }
            }
            Op::Honest { tx } => {
                let ring = self.ring(*tx);
                match (master, tx) {
                    // Opposite a master the peer is a slave: it writes head.
                    (true, _) => ring.set_head(ring.tail().wrapping_add(ring.size())),
                    (false, _) => ring.set_tail(ring.head()),
                }
            }
            Op::Flags { tx, flags } => self.ring(*tx).set_flags(*flags),
            Op::Descriptor { tx, slot, next, region, length, offset } => {
                let (flags, region) = (u16::from(*next), u16::from(*region) / 64);
                let (length, offset) = (*length, *offset);
                let descriptor = Descriptor { flags, region, length, offset, metadata: 7 };
                self.ring(*tx).set_descriptor(u16::from(*slot), descriptor);
            }
            Op::Good { tx, slot, next, length } => {
                let ring = self.ring(*tx);
                let slot = u16::from(*slot);
                let before = ring.descriptor(slot);
                let length = u32::from(*length) % 2049;
                let descriptor = Descriptor { flags: u16::from(*next), length, ..before };
                ring.set_descriptor(slot, descriptor);
            }
            Op::Bytes { region, at, value } => {
                let file = self.region(*region);
                file.write(u64::from(*at) % (file.size() - 8), &value.to_ne_bytes());
            }
            Op::Cut { region, pages } => {
                self.cut = self.region(*region).truncate(4096 * u64::from(*pages)).is_ok();
            }
            Op::Punch { region, page } => self.region(*region).punch(4096 * u64::from(*page), 4096),
            Op::Signal { tx } => signal(std::os::fd::AsFd::as_fd(if *tx { &self.tx.1 } else { &self.rx.1 })),
            Op::TakeSignal { tx } => {
                let fd = if *tx { &self.tx.1 } else { &self.rx.1 };
                let _ = take_signal(std::os::fd::AsFd::as_fd(fd), NOW);
            }
            Op::Say { bytes } => {
                let _ = self.socket.try_send(bytes, &[]);
            }
            _ => return false,
        }
        true
    }
}

/// Where shared memory is mapped, and nothing else is.
pub fn maps() -> Vec<(usize, usize)> {
    let text = std::fs::read_to_string("/proc/self/maps").expect("maps");
    let number = |text: &str| usize::from_str_radix(text, 16).expect("an address");
    text.lines()
        .filter(|line| line.contains("memfd:memif"))
        .filter_map(|line| line.split_once(' ')?.0.split_once('-'))
        .map(|(start, end)| (number(start), number(end)))
        .collect()
}

impl Bed {
    pub fn new(socket: Socket, link: Link, peer: Peer) -> Self {
        Self { socket, link, peer, maps: maps(), breach: None }
    }

    pub fn run(mut self, ops: &[Op], master: bool) {
        for op in ops {
            self.step(op, master);
        }
        self.end();
    }

    fn step(&mut self, op: &Op, master: bool) {
        if self.peer.act(op, master) {
            return;
        }
        match op {
            Op::Receive { max, take, forget } => self.receive((*max).into(), (*take).into(), *forget),
            Op::ReceiveInto { len } => {
                let mut buffer = vec![0; usize::from(*len)];
                let received = self.link.rx[0].recv_into(&mut buffer);
                self.received(received.map(|_| ()));
            }
            Op::Forward { max, commit } => self.forward((*max).into(), *commit),
            Op::Send { len } => {
                let sent = self.link.tx[0].send(&vec![5; usize::from(*len)]);
                self.sent(sent);
            }
            Op::Batch { lengths, commit, forget } => self.batch(lengths, *commit, *forget),
            Op::Wait => {
                let waited = self.link.rx[0].wait(Some(NOW));
                self.received(waited.map(|_| ()));
            }
            Op::Acknowledge => self.link.rx[0].acknowledge(),
            Op::Mode { mode } => {
                let modes = [RxMode::Polling, RxMode::Interrupt, RxMode::Adaptive];
                self.link.rx[0].set_mode(modes[usize::from(*mode) % 3]);
            }
            Op::Poll => {
                let _ = self.socket.poll(Some(NOW)).expect("polling");
            }
            _ => {}
        }
    }

    fn receive(&mut self, max: usize, take: usize, forget: bool) {
        let slots = self.link.rx[0].ring_size();
        let received = self.link.rx[0].recv(max).map(|mut batch| {
            assert!(batch.len() <= max.min(slots));
            for packet in batch.packets().take(take) {
                check(&packet, slots, &self.maps);
            }
            if forget {
                std::mem::forget(batch);
            }
        });
        self.received(received);
    }

    fn forward(&mut self, max: usize, commit: bool) {
        let Link { rx, tx, .. } = &mut self.link;
        let (mut sent, mut counted) = (Ok(()), 0);
        let received = rx[0].recv(max).map(|mut batch| match tx[0].reserve() {
            Err(error) => sent = Err(error),
            Ok(mut out) => {
                for packet in &mut batch {
                    match out.forward(packet) {
                        Ok(()) => counted += 1,
                        Err(failed) => {
                            sent = Err(failed.error);
                            break;
                        }
                    }
                }
                if commit {
                    assert!(out.commit() <= counted);
                }
            }
        });
        self.received(received);
        self.sent(sent);
    }

    fn batch(&mut self, lengths: &[u16], commit: bool, forget: bool) {
        let slots = self.link.tx[0].ring_size();
        let sent = match self.link.tx[0].reserve() {
            Err(error) => Err(error),
            Ok(mut batch) => {
                let mut result = Ok(());
                for len in lengths {
                    let len = usize::from(*len);
                    result = batch.push_with(len, |writer| {
                        let bytes = vec![6; len + 9];
                        assert_eq!(writer.write_at(0, &bytes), len);
                        assert_eq!(writer.write_at(len / 2, &bytes), len - len / 2);
                        assert_eq!(writer.write_at(len, &bytes), 0);
                    });
                    if result.is_err() {
                        break;
                    }
                }
                assert!(batch.len() <= slots);
                if forget {
                    std::mem::forget(batch);
                } else if commit {
                    batch.commit();
                }
                result
            }
        };
        self.sent(sent);
    }

    fn received(&mut self, result: Result<(), RecvError>) {
        match result {
            Err(RecvError::Breach(breach)) => self.down(Some(breach)),
            Err(_) => self.down(None),
            Ok(()) => {}
        }
    }

    fn sent(&mut self, result: Result<(), SendError>) {
        match result {
            Err(SendError::Breach(breach)) => self.down(Some(breach)),
            Err(SendError::Disconnected) => self.down(None),
            Err(SendError::TooLong { len, .. }) => assert!(len > 1),
            _ => {}
        }
    }

    /// A queue said that the link is down: from now on all of them do.
    fn down(&mut self, breach: Option<memif::Breach>) {
        if let Some(breach) = breach {
            assert!(!breach.to_string().is_empty());
            assert!(self.breach.get_or_insert_with(|| breach.clone()) == &breach);
        }
        let Link { rx, tx, .. } = &mut self.link;
        assert!(!rx[0].is_connected() && !tx[0].is_connected());
        assert!(rx[0].recv(1).is_err() && tx[0].send(&[1]).is_err());
    }

    /// Ends the link; when a queue found a breach, both ends are told that one.
    fn end(mut self) {
        let Some(breach) = self.breach else { return };
        let mut told = None;
        while let Some(event) = self.socket.poll(Some(NOW)).expect("polling") {
            if let Event::Disconnected { reason: DisconnectReason::Breach(breach), .. } = event {
                told = Some(breach);
            }
        }
        // Where the peer ended the connection first, that is what is told.
        let Some(told) = told else { return };
        if told != breach {
            return;
        }
        let mut words = breach.to_string();
        words.truncate(95);
        while let Received::Message { bytes, .. } = self.peer.socket.receive_within(NOW) {
            if let Message::Disconnect(_, reason) = Message::decode(&bytes) {
                assert_eq!(String::from_utf8_lossy(&reason), words);
                return;
            }
        }
        panic!("the peer was not told of {breach}");
    }
}

/// A packet lies where shared memory is, and all of its bytes can be read.
fn check(packet: &Packet<'_>, slots: usize, maps: &[(usize, usize)]) {
    let mut sum = 0;
    assert!(packet.segments().len() <= slots);
    for segment in packet.segments() {
        let start = segment.as_ptr().addr();
        let inside = |(from, to): &(usize, usize)| start >= *from && start + segment.len() <= *to;
        assert!(maps.iter().any(inside), "a segment outside of shared memory");
        assert!(!segment.is_empty());
        sum += segment.len();
    }
    assert_eq!(packet.len(), sum);
    assert!((1..=MAX_PACKET_SIZE as usize).contains(&sum));
    assert_eq!(packet.to_vec().len(), sum);
    assert_eq!(packet.read(sum / 2, &mut vec![0; sum]), sum - sum / 2);
    assert_eq!(packet.read(sum, &mut [0; 8]), 0);
}
