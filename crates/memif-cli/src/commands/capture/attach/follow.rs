//! One ring, followed from slot to slot.

use std::time::Instant;

use memif::MAX_PACKET_SIZE;
use memif_capture::LinkType;
use memif_capture::decode;
use memif_watch::{Cursors, Descriptor, Link, ReadError, Ring, RingDirection};

use super::passed::Passed;
use super::window::{Buffers, is_given_back, is_whole};
use crate::endpoint::record::RecordingView;

/// Slots that are copied before the cursors are looked at again.
const AT_ONCE: u16 = 128;
/// Bytes that are, or a packet more.
const BYTES_AT_ONCE: usize = 1 << 20;
/// What reading a slot costs, in bytes of a packet that would be copied meanwhile.
const COST_OF_SLOT: usize = 2048;
/// Slots of the longest packet: more than any is worth, in buffers of 64 bytes. A longer chain is none.
const MOST_SLOTS: usize = 1024;
/// Bytes that the headers have which tell a length.
const HEADERS: u32 = 128;
/// Looks in a row that find impossible cursors, until they are what the memory says.
const MOST_DOUBTS: u32 = 8;
/// How much of the rate of the look before counts on.
const DECAY: f64 = 0.9;
/// Slots after which cursors are the same again.
const TURN: f64 = 65_536.0;

const FROM_HEADERS: &str = "length from its headers: the receiver had given its buffer back";
const JOINED: &str = "joined by its headers: the receiver had cleared the marks of the chain";
const OF_BUFFER: &str = "length is that of its buffer: the receiver had given it back, and no header tells it";

/// Why a link can be followed no further.
#[derive(Debug, thiserror::Error)]
pub(super) enum Lost {
    #[error("{0}")]
    Unreadable(#[from] ReadError),
    #[error("the cursors of ring {name} are impossible: head {head}, tail {tail}, {size} slots")]
    Impossible { name: String, head: u16, tail: u16, size: u16 },
}

/// What is wanted of packets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub(super) link_type: LinkType,
    /// Bytes of each.
    pub(super) bytes: u32,
}

/// A ring that is followed.
#[derive(Debug)]
pub(super) struct Follower {
    ring: Ring,
    name: String,
    interface: u32,
    /// The cursor of the first slot that was not looked at.
    next: u16,
    /// Slots were left out before it, so it may be in the middle of a packet.
    gap: bool,
    /// Where the sender was at the last look.
    seen: u16,
    /// The end of the next packet was not sent by then.
    open: bool,
    buffers: Buffers,
    /// Slots that were looked at since it was asked how buffers lie.
    since_asked: u16,
    doubts: u32,
    looked: Instant,
    /// Slots in a second.
    rate: f64,
    passed: Passed,
    /// That of all followers, during a look.
    room: Room,
}

/// Where packets are put between ring and recording. Whoever follows many rings needs it once.
#[derive(Debug, Default)]
pub(super) struct Room {
    bytes: Vec<u8>,
    descriptors: Vec<Descriptor>,
    found: Vec<Found>,
}

/// What a look did.
#[derive(Clone, Copy, Debug)]
pub(super) struct Looked {
    /// How much of the ring it went through.
    pub(super) part: f64,
    /// Slots that had been sent when it began, and that it was not to go through.
    pub(super) left: u16,
}

/// A packet that was copied.
#[derive(Clone, Copy, Debug)]
struct Found {
    /// The cursor of its first slot.
    at: u16,
    slots: u16,
    /// Where its bytes are.
    start: usize,
    end: usize,
    length: u32,
    comment: &'static str,
}

/// A packet of a ring.
#[derive(Clone, Copy, Debug)]
struct Copied {
    slots: usize,
    /// Nothing where it cannot be read.
    length: Option<u32>,
    comment: &'static str,
    /// Its headers say that it goes on behind the last slot that was looked at.
    open: bool,
}

impl Follower {
    /// Follows a ring from now on.
    pub(super) fn new(link: &Link, ring: Ring, name: String) -> Result<Self, ReadError> {
        let cursors = link.cursors(&ring)?;
        let mut descriptors = Vec::new();
        link.descriptors(&ring, 0, ring.size, &mut descriptors)?;
        let sent = cursors.sent(ring.direction);
        Ok(Self {
            ring,
            name,
            interface: u32::MAX,
            next: sent,
            gap: false,
            seen: sent,
            open: false,
            buffers: Buffers::of(&descriptors),
            since_asked: 0,
            doubts: 0,
            looked: Instant::now(),
            rate: 0.0,
            passed: Passed::default(),
            room: Room::default(),
        })
    }

    pub(super) fn ring(&self) -> Ring {
        self.ring
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Its packets are those of that interface.
    pub(super) fn record_as(&mut self, interface: u32) {
        self.interface = interface;
    }

    pub(super) fn passed(&self) -> Passed {
        self.passed
    }

    /// Whether packets passed that were not looked at.
    pub(super) fn has_more(&self, link: &Link) -> Result<bool, ReadError> {
        Ok(link.cursors(&self.ring)?.sent(self.ring.direction) != self.next)
    }

    /// In how many seconds the sender goes through a part of the ring, as it did of late.
    pub(super) fn seconds_for(&self, part: u16) -> f64 {
        f64::from(self.ring.size / part).max(1.0) / self.rate.max(1.0)
    }

    /// Records what was sent since the last look. `more` is told what was done, in bytes, and says whether to go on.
    pub(super) fn look(
        &mut self,
        link: &Link,
        view: &RecordingView,
        wanted: Wanted,
        room: &mut Room,
        more: &mut dyn FnMut(usize) -> bool,
    ) -> Result<Looked, Lost> {
        std::mem::swap(&mut self.room, room);
        let looked = self.record_new(link, view, wanted, more);
        std::mem::swap(&mut self.room, room);
        looked
    }

    fn record_new(
        &mut self,
        link: &Link,
        view: &RecordingView,
        wanted: Wanted,
        more: &mut dyn FnMut(usize) -> bool,
    ) -> Result<Looked, Lost> {
        let before = link.cursors(&self.ring)?;
        let time = view.now();
        let sent = before.sent(self.ring.direction);
        self.trust(&before)?;
        let went = sent.wrapping_sub(self.seen);
        self.seen = sent;
        self.pace(went);
        let new = sent.wrapping_sub(self.next);
        if new == 0 || (went == 0 && self.open) {
            return Ok(Looked { part: 0.0, left: 0 });
        }
        let began = self.next;
        self.ask_again(link, new)?;
        self.leave_out_old(before, new, view, time);
        let mut left = 0;
        let mut done = 0;
        while self.next != sent {
            if !more(done) {
                left = sent.wrapping_sub(self.next);
                break;
            }
            let from = self.next;
            self.open = !self.copy(link, wanted, sent)?;
            if self.open {
                break;
            }
            let after = link.cursors(&self.ring)?;
            self.record(view, time, before, after);
            done = self.room.bytes.len() + usize::from(self.next.wrapping_sub(from)) * COST_OF_SLOT;
        }
        Ok(Looked { part: f64::from(self.next.wrapping_sub(began)) / f64::from(self.ring.size), left })
    }

    /// Counts slots that are looked at no more.
    pub(super) fn miss(&mut self, slots: u16, view: &RecordingView) {
        if slots > 0 {
            self.next = self.next.wrapping_add(slots);
            self.gap = true;
            self.passed.missed_slots += u64::from(slots);
            view.lane(self.interface, view.now()).unseen(slots.into());
        }
    }

    /// Cursors may look impossible once or twice while they are written.
    fn trust(&mut self, cursors: &Cursors) -> Result<(), Lost> {
        if self.ring.in_flight(cursors).is_some() {
            self.doubts = 0;
            return Ok(());
        }
        self.doubts += 1;
        if self.doubts < MOST_DOUBTS {
            return Ok(());
        }
        let Cursors { head, tail, .. } = *cursors;
        Err(Lost::Impossible { name: self.name.clone(), head, tail, size: self.ring.size })
    }

    /// `went`: slots that were filled since the last look.
    fn pace(&mut self, went: u16) {
        let elapsed = self.looked.elapsed().as_secs_f64().max(1e-6);
        self.looked = Instant::now();
        // At the rate of before, the cursors may have gone round.
        self.passed.at_least |= self.rate * elapsed + f64::from(went) >= TURN;
        self.rate = (f64::from(went) / elapsed).max(self.rate * DECAY);
    }

    /// A ring that was never gone through has slots that tell nothing yet of how buffers lie.
    fn ask_again(&mut self, link: &Link, new: u16) -> Result<(), ReadError> {
        self.since_asked = self.since_asked.saturating_add(new);
        if self.buffers == Buffers::Pool && self.since_asked >= self.ring.size {
            self.since_asked = 0;
            self.room.descriptors.clear();
            link.descriptors(&self.ring, 0, self.ring.size, &mut self.room.descriptors)?;
            self.buffers = Buffers::of(&self.room.descriptors);
        }
        Ok(())
    }

    /// Counts the slots that were filled anew before they could be looked at.
    fn leave_out_old(&mut self, cursors: Cursors, new: u16, view: &RecordingView, time: u64) {
        let mut old = new.saturating_sub(self.ring.size);
        while old < new && !is_whole(&self.ring, self.buffers, cursors, cursors, self.next.wrapping_add(old)) {
            old += 1;
        }
        if old > 0 {
            // Those that are about to be filled anew would be torn, one after the other.
            old = old.max(new.saturating_sub(self.ring.size / 4 * 3)).min(new);
            self.next = self.next.wrapping_add(old);
            self.gap = true;
            self.passed.missed_slots += u64::from(old);
            view.lane(self.interface, time).unseen(old.into());
        }
    }

    /// Copies packets, up to some slots before `sent`. Gives whether there were any.
    fn copy(&mut self, link: &Link, wanted: Wanted, sent: u16) -> Result<bool, Lost> {
        let left = sent.wrapping_sub(self.next);
        let mut count = left.min(AT_ONCE);
        loop {
            self.room.descriptors.clear();
            link.descriptors(&self.ring, self.next, count, &mut self.room.descriptors)?;
            // What the receiver had by then may have lost its length, or the marks of its chain.
            let then = link.cursors(&self.ring)?;
            self.room.found.clear();
            self.room.bytes.clear();
            let taken = self.copy_described(link, wanted, &then, count == left);
            if taken > 0 {
                self.next = self.next.wrapping_add(taken);
                return Ok(true);
            }
            if count == left {
                // The end of that packet was not sent yet.
                return Ok(false);
            }
            count = left.min(count.saturating_mul(2));
        }
    }

    /// Copies the packets whose descriptors are there; gives how many slots these are. `all`: nothing more was sent.
    fn copy_described(&mut self, link: &Link, wanted: Wanted, then: &Cursors, all: bool) -> u16 {
        let descriptors = std::mem::take(&mut self.room.descriptors);
        let mut taken = 0_u16;
        let mut rest = &descriptors[..];
        // A long chain had more read than is to be copied at once.
        while let Some(first) = rest.first().filter(|_| taken < AT_ONCE && self.room.bytes.len() < BYTES_AT_ONCE) {
            let at = self.next.wrapping_add(taken);
            let slot = at & self.ring.size.wrapping_sub(1);
            if !self.buffers.holds(slot, first) {
                self.buffers = Buffers::Pool;
            }
            let start = self.room.bytes.len();
            let Some(more) = rest.iter().position(|descriptor| !descriptor.has_next()) else {
                if rest.len() >= MOST_SLOTS {
                    let slots = u16::try_from(rest.len()).unwrap_or(u16::MAX);
                    taken = taken.wrapping_add(slots);
                    // What follows is the rest of the same.
                    let comment = if std::mem::replace(&mut self.gap, true) { LEFT_OUT } else { UNREADABLE };
                    self.room.found.push(Found { at, slots, start, end: start, length: 0, comment });
                }
                break;
            };
            let posted = self.ring.direction == RingDirection::M2s && is_given_back(&self.ring, then, at);
            let copied = match posted {
                true => self.copy_posted(link, wanted, rest, more + 1),
                false => self.copy_sent(link, wanted, rest, more + 1),
            };
            if copied.open && !all && rest.len() < usize::from(AT_ONCE) {
                self.room.bytes.truncate(start);
                break;
            }
            let (passed, more) = rest.split_at_checked(copied.slots).unwrap_or((rest, &[]));
            rest = more;
            let slots = u16::try_from(passed.len()).unwrap_or(u16::MAX);
            taken = taken.wrapping_add(slots);
            // Where slots were left out, this is the end of a packet whose beginning may be among them.
            let (end, length, comment) = match copied.length {
                _ if std::mem::take(&mut self.gap) => (start, 0, LEFT_OUT),
                Some(length) => (self.room.bytes.len(), length, copied.comment),
                None => (start, 0, UNREADABLE),
            };
            self.room.bytes.truncate(end);
            self.room.found.push(Found { at, slots, start, end, length, comment });
        }
        self.room.descriptors = descriptors;
        taken
    }

    /// Copies a packet whose descriptors say its lengths. A master may have cleared the marks of a chain, and not given
    /// its slots back yet: where headers say that there is more, it is what follows if that makes up their length.
    fn copy_sent(&mut self, link: &Link, wanted: Wanted, rest: &[Descriptor], marked: usize) -> Copied {
        let start = self.room.bytes.len();
        let length = self.copy_chain(link, wanted, rest.get(..marked).unwrap_or_default());
        let as_marked = Copied { slots: marked, length, comment: "", open: false };
        let (RingDirection::S2m, Some(length), Some(first)) = (self.ring.direction, length, rest.first()) else {
            return as_marked;
        };
        let head = self.room.bytes.get(start..).unwrap_or_default();
        let said = match u32::try_from(head.len()) {
            Ok(copied) if copied < first.length.min(HEADERS) => self.length_by_headers(link, wanted.link_type, first),
            _ => decode::length(wanted.link_type, head).and_then(packet_length),
        };
        let Some(said) = said.filter(|said| *said > length) else { return as_marked };
        let mut held = 0_u32;
        for (slots, part) in (1..).zip(rest) {
            held = held.saturating_add(part.length);
            if held == said && !part.has_next() {
                self.room.bytes.truncate(start);
                let length = self.copy_chain(link, wanted, rest.get(..slots).unwrap_or_default());
                return Copied { slots, length, comment: JOINED, open: false };
            }
            if held > said || part.length == 0 {
                return as_marked;
            }
        }
        Copied { open: true, ..as_marked }
    }

    /// Copies a packet whose buffers were posted again, so that descriptors say how much room there is, and marks of
    /// its chain may be cleared. Its length is that of its headers if they tell, or the room.
    fn copy_posted(&mut self, link: &Link, wanted: Wanted, rest: &[Descriptor], marked: usize) -> Copied {
        let said = rest.first().and_then(|first| self.length_by_headers(link, wanted.link_type, first));
        let room = |slots: usize| {
            let parts = rest.iter().take(slots);
            parts.fold(0_u32, |sum, part| sum.saturating_add(part.length)).min(MAX_PACKET_SIZE)
        };
        let mut held = 0_u32;
        let needed = said.and_then(|said| {
            (1..).zip(rest).find_map(|(slots, part)| {
                held = held.saturating_add(part.length);
                (slots >= marked && held >= said).then_some(slots)
            })
        });
        let (slots, length, comment) = match (said, needed) {
            (Some(said), Some(slots)) => (slots, said, FROM_HEADERS),
            _ => (marked, room(marked), OF_BUFFER),
        };
        let length = self.copy_parts(link, wanted, rest.get(..slots).unwrap_or_default(), length);
        Copied { slots, length, comment, open: said.is_some() && needed.is_none() }
    }

    /// Copies a packet as its descriptors say; gives its length.
    fn copy_chain(&mut self, link: &Link, wanted: Wanted, chain: &[Descriptor]) -> Option<u32> {
        let length = chain.iter().map(|part| u64::from(part.length)).sum::<u64>();
        let length = u32::try_from(length).ok().filter(|length| *length <= MAX_PACKET_SIZE)?;
        self.copy_parts(link, wanted, chain, length)
    }

    /// Copies so many bytes, or those of them that are wanted; gives how many there were.
    fn copy_parts(&mut self, link: &Link, wanted: Wanted, chain: &[Descriptor], length: u32) -> Option<u32> {
        let mut left = length.min(wanted.bytes);
        for part in chain {
            let now = part.length.min(left);
            link.buffer(part.region, part.offset, now, &mut self.room.bytes).ok()?;
            left -= now;
        }
        Some(length)
    }

    fn length_by_headers(&mut self, link: &Link, link_type: LinkType, first: &Descriptor) -> Option<u32> {
        let start = self.room.bytes.len();
        link.buffer(first.region, first.offset, first.length.min(HEADERS), &mut self.room.bytes).ok()?;
        let said = self.room.bytes.get(start..).and_then(|head| decode::length(link_type, head));
        self.room.bytes.truncate(start);
        said.and_then(packet_length)
    }

    /// Records what was copied and is still as it was sent.
    fn record(&mut self, view: &RecordingView, time: u64, before: Cursors, after: Cursors) {
        let mut lane = view.lane(self.interface, time);
        for Found { at, slots, start, end, length, comment } in self.room.found.iter().copied() {
            let whole = is_whole(&self.ring, self.buffers, before, after, at);
            let lost = match comment {
                LEFT_OUT => {
                    self.passed.missed_slots += u64::from(slots);
                    u64::from(slots)
                }
                _ if !whole => {
                    self.passed.torn_packets += 1;
                    1
                }
                UNREADABLE => {
                    self.passed.unreadable_packets += 1;
                    1
                }
                _ => 0,
            };
            if lost > 0 {
                lane.unseen(lost);
                continue;
            }
            self.passed.packets += 1;
            self.passed.bytes += u64::from(length);
            self.passed.lengths_inferred += u64::from(!comment.is_empty());
            let packet = self.room.bytes.get(start..end).unwrap_or_default();
            lane.commented(usize::try_from(length).unwrap_or_default(), comment, |room| {
                room.iter_mut().zip(packet).for_each(|(to, from)| *to = *from);
                room.len().min(packet.len())
            });
        }
    }
}

/// A length that a packet can have.
fn packet_length(said: usize) -> Option<u32> {
    u32::try_from(said).ok().filter(|said| *said <= MAX_PACKET_SIZE)
}

/// In place of a comment: what is no packet for the file.
const LEFT_OUT: &str = "left out";
const UNREADABLE: &str = "unreadable";
