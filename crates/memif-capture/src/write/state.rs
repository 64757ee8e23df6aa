//! What threads that record packets and the one that writes them share.

use std::collections::VecDeque;

use super::block::Interface;
use super::chunk::{Added, Chunk, Form, MOST_EXTRA, New};
use super::counts::Counts;

/// Whether a packet is wanted: its first bytes, and how many it has.
pub type Filter = Box<dyn Fn(&[u8], usize) -> bool + Send>;

/// The longest packet that a filter sees whole.
const MOST_SEEN: usize = 65_535;
/// Bytes of a buffer that holds any one packet.
const ONE: usize = MOST_SEEN + MOST_EXTRA;

/// Behind one lock, which nobody holds while something is written.
pub(super) struct State {
    /// The buffer that packets are put into; `None` while all are full.
    current: Option<Chunk>,
    /// Empty ones. The one that was used last comes first, since it is in the caches.
    free: Vec<Chunk>,
    /// Full ones, the oldest first.
    full: VecDeque<Chunk>,
    interfaces: Vec<Known>,
    /// All packets are said to be of the first interface.
    joined: bool,
    snap: usize,
    filter: Option<Filter>,
    /// Where the filter sees packets for which there is no room.
    aside: Chunk,
    /// Packets that are wanted still.
    left: u64,
    /// What is written to takes nothing more.
    failed: bool,
    /// Nothing more comes.
    ending: bool,
    /// The writer sleeps until there is something.
    idle: bool,
    /// The time of the last packet.
    last: u64,
    /// What is to be said about the end.
    pub(super) remark: String,
}

struct Known {
    interface: Interface,
    form: Form,
    counts: Counts,
    /// Missed since the last packet that was recorded.
    lost: u64,
}

/// What the writer has to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    None,
    /// There is something for it.
    Wake,
    /// The last packet that was wanted came.
    Complete,
}

/// What there is for the writer.
pub(super) enum Work {
    /// Packets.
    Chunk(Chunk),
    /// Some packets, which may wait for more.
    Some,
    /// None until it is woken.
    None,
    /// None any more.
    End,
}

/// A packet as it comes.
#[derive(Clone, Copy)]
struct Incoming<'c> {
    stamp: u64,
    original: usize,
    snap: usize,
    seen: usize,
    comment: &'c str,
}

impl State {
    /// With so many buffers of so many bytes.
    pub(super) fn new(
        (chunks, bytes): (usize, usize),
        snap: usize,
        joined: bool,
        filter: Option<Filter>,
        most: Option<u64>,
    ) -> Self {
        let mut free: Vec<_> = (0..chunks).map(|_| Chunk::new(bytes.max(ONE))).collect();
        Self {
            current: free.pop(),
            free,
            full: VecDeque::with_capacity(chunks),
            interfaces: Vec::new(),
            joined,
            snap,
            aside: Chunk::new(if filter.is_some() { ONE } else { 0 }),
            filter,
            left: most.unwrap_or(u64::MAX),
            failed: false,
            ending: false,
            idle: false,
            last: 0,
            remark: String::new(),
        }
    }

    /// The place of that interface, which is added if there is none of its name.
    pub(super) fn interface(&mut self, interface: Interface) -> u32 {
        let known = self.interfaces.iter().position(|known| known.interface.name == interface.name);
        let place = known.unwrap_or(self.interfaces.len());
        let number = u32::try_from(place).unwrap_or(u32::MAX);
        if known.is_none() {
            let said = if self.joined { 0 } else { number };
            let form = Form::new(said, interface.direction, interface.queue);
            self.interfaces.push(Known { interface, form, counts: Counts::default(), lost: 0 });
        }
        number
    }

    /// Interfaces from that place on.
    pub(super) fn interfaces(&self, from: usize) -> impl Iterator<Item = &Interface> {
        self.interfaces.iter().skip(from).map(|known| &known.interface)
    }

    pub(super) fn counts(&self) -> impl Iterator<Item = Counts> {
        self.interfaces.iter().map(|known| known.counts)
    }

    /// Counts packets of that interface that the link dropped.
    pub(super) fn dropped(&mut self, interface: u32, packets: u64) {
        if let Some(known) = self.interfaces.get_mut(interface as usize) {
            known.counts.dropped += packets;
        }
    }

    /// Counts packets of that interface that passed and were not seen.
    pub(super) fn unseen(&mut self, interface: u32, packets: u64) {
        if let Some(known) = self.interfaces.get_mut(interface as usize) {
            known.counts.dropped += packets;
            known.lost += packets;
        }
    }

    /// Records a packet of that time, or of that of the last packet where the clock was set back.
    #[inline]
    pub(super) fn record(
        &mut self,
        interface: u32,
        stamp: u64,
        (original, comment): (usize, &str),
        copy: impl Fn(&mut [u8]) -> usize,
    ) -> News {
        if self.left == 0 {
            return News::None;
        }
        self.last = self.last.max(stamp);
        let seen = original.min(if self.filter.is_some() { MOST_SEEN } else { self.snap });
        let packet = Incoming { stamp: self.last, original, snap: self.snap, seen, comment };
        let Some(known) = self.interfaces.get_mut(interface as usize) else { return News::None };
        known.counts.received += 1;
        let mut added = add(self.current.as_mut(), known, self.filter.as_ref(), packet, &copy);
        let mut woken = false;
        if added == Added::Full {
            woken = self.hand_over();
            let Some(known) = self.interfaces.get_mut(interface as usize) else { return News::None };
            added = add(self.current.as_mut(), known, self.filter.as_ref(), packet, &copy);
            if added == Added::Full {
                self.aside.clear();
                let judged = match &self.filter {
                    None => Added::Yes,
                    filter => add(Some(&mut self.aside), known, filter.as_ref(), packet, &copy),
                };
                if judged != Added::Unwanted {
                    known.counts.accepted += 1;
                    known.counts.missed += 1;
                    known.lost += 1;
                }
                return if woken { News::Wake } else { News::None };
            }
        }
        if added == Added::Yes {
            if let Some(known) = self.interfaces.get_mut(interface as usize) {
                known.counts.accepted += 1;
                known.lost = 0;
            }
            self.left -= 1;
            if self.left == 0 {
                return News::Complete;
            }
            woken |= std::mem::take(&mut self.idle);
        }
        if woken { News::Wake } else { News::None }
    }

    /// Gives the buffer that packets are put into to the writer, if there is one and something in it.
    fn hand_over(&mut self) -> bool {
        if self.current.as_ref().is_none_or(Chunk::is_empty) {
            return false;
        }
        let next = self.free.pop();
        if let Some(mut full) = std::mem::replace(&mut self.current, next) {
            full.interfaces = self.interfaces.len();
            self.full.push_back(full);
        }
        true
    }

    /// What there is for the writer; `now`: also what may wait.
    pub(super) fn work(&mut self, now: bool) -> Work {
        if let Some(chunk) = self.full.pop_front() {
            return Work::Chunk(chunk);
        }
        if (now || self.ending) && self.hand_over() {
            return self.full.pop_front().map_or(Work::None, Work::Chunk);
        }
        if self.ending {
            return Work::End;
        }
        // Waiting packets are told of by whoever puts in the first.
        self.idle = self.current.as_ref().is_none_or(Chunk::is_empty);
        if self.idle { Work::None } else { Work::Some }
    }

    /// Takes an empty buffer back.
    pub(super) fn give_back(&mut self, mut chunk: Chunk) {
        chunk.clear();
        if self.failed {
            return;
        }
        match &self.current {
            None => self.current = Some(chunk),
            Some(_) => self.free.push(chunk),
        }
    }

    /// Nothing can be written any more: the buffers go, and packets are missed.
    pub(super) fn fail(&mut self) {
        self.failed = true;
        self.current = None;
        self.free = Vec::new();
        self.full = VecDeque::new();
    }

    /// Nothing more comes.
    pub(super) fn end(&mut self) {
        self.ending = true;
    }
}

#[inline]
fn add(
    chunk: Option<&mut Chunk>,
    known: &Known,
    filter: Option<&Filter>,
    packet: Incoming<'_>,
    copy: impl Fn(&mut [u8]) -> usize,
) -> Added {
    let Some(chunk) = chunk else { return Added::Full };
    let Incoming { stamp, original, snap, seen, comment } = packet;
    let new = New { form: &known.form, stamp, original, snap, seen, lost: known.lost, comment };
    chunk.add(&new, copy, |bytes| filter.is_none_or(|filter| filter(bytes, original)))
}
