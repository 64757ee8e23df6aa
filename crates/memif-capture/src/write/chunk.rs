//! Packets as they will stand in a file: enhanced packet blocks, one behind the other in a buffer.

use super::block::{COMMENT, Direction, END_OF_OPTIONS, time};

const ENHANCED_PACKET: u32 = 6;
/// The longest comment of a packet, in bytes.
const MOST_COMMENT: usize = 252;
/// Options of a packet: code, and bytes of the value.
const FLAGS: (u16, u16) = (2, 4);
const DROP_COUNT: (u16, u16) = (4, 8);
const QUEUE: (u16, u16) = (6, 4);

/// Bytes of a block before the packet.
const HEAD: usize = 28;
/// Bytes after the packet and what fills it up to whole words: flags, queue, end of options, length.
const TAIL: usize = 24;
/// Bytes of a count of lost packets.
const LOST: usize = 12;
/// Bytes of code and length of an option.
const OPTION: usize = 4;
/// The most bytes of a block beyond its packet.
pub(super) const MOST_EXTRA: usize = HEAD + 3 + OPTION + MOST_COMMENT + LOST + TAIL;

/// Blocks of packets in the order in which they were recorded.
#[derive(Debug)]
pub struct Chunk {
    bytes: Box<[u8]>,
    len: usize,
    packets: u64,
    /// Times of the first and the last packet.
    first: u64,
    last: u64,
    /// Interfaces that there were when it was given away.
    pub(super) interfaces: usize,
}

/// What the blocks of an interface have in common.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    interface: u32,
    tail: [u8; TAIL - 4],
}

impl Form {
    pub(super) fn new(interface: u32, direction: Direction, queue: u32) -> Self {
        let mut tail = [0; TAIL - 4];
        let options = [(FLAGS, direction.flags()), (QUEUE, queue), ((END_OF_OPTIONS, 0), 0)];
        for (place, (option, value)) in tail.chunks_mut(8).zip(options) {
            let words = option_head(option).into_iter().chain(value.to_le_bytes());
            place.iter_mut().zip(words).for_each(|(byte, value)| *byte = value);
        }
        Self { interface, tail }
    }
}

/// As much of a comment as is kept.
fn cut(comment: &str) -> &str {
    let mut end = comment.len().min(MOST_COMMENT);
    while !comment.is_char_boundary(end) {
        end -= 1;
    }
    comment.get(..end).unwrap_or_default()
}

/// Code and length of an option.
fn option_head((code, length): (u16, u16)) -> [u8; 4] {
    let ([a, b], [c, d]) = (code.to_le_bytes(), length.to_le_bytes());
    [a, b, c, d]
}

/// A packet to be recorded.
#[derive(Debug, Clone, Copy)]
pub(super) struct New<'f> {
    pub(super) form: &'f Form,
    /// Nanoseconds since 1970.
    pub(super) stamp: u64,
    /// Bytes that it has.
    pub(super) original: usize,
    /// The most of them that are kept.
    pub(super) snap: usize,
    /// Bytes that are needed to decide whether it is wanted.
    pub(super) seen: usize,
    /// Packets of the interface that were lost since the one before.
    pub(super) lost: u64,
    /// What is to be said about it, if not nothing; cut to [`MOST_COMMENT`] bytes.
    pub(super) comment: &'f str,
}

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Added {
    Yes,
    /// The filter does not want it.
    Unwanted,
    /// It does not fit.
    Full,
}

impl Chunk {
    /// An empty one with room for so many bytes.
    pub(super) fn new(bytes: usize) -> Self {
        // Asked for as zeros, so that it takes no memory before it is used.
        let bytes = vec![0; bytes].into_boxed_slice();
        Self { bytes, len: 0, packets: 0, first: 0, last: 0, interfaces: 0 }
    }

    pub(super) fn clear(&mut self) {
        (self.len, self.packets) = (0, 0);
    }

    /// Packets in it.
    #[must_use]
    pub fn packets(&self) -> u64 {
        self.packets
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.packets == 0
    }

    /// When the first was recorded, in nanoseconds since 1970.
    #[must_use]
    pub fn first_stamp(&self) -> u64 {
        self.first
    }

    /// When the last was recorded.
    #[must_use]
    pub fn last_stamp(&self) -> u64 {
        self.last
    }

    /// The blocks.
    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// Adds a packet that `copy` writes, as many bytes as it says, if `wanted` wants it.
    #[inline]
    pub(super) fn add(
        &mut self,
        new: &New<'_>,
        copy: impl FnOnce(&mut [u8]) -> usize,
        wanted: impl FnOnce(&[u8]) -> bool,
    ) -> Added {
        let room = self.bytes.get_mut(self.len..).unwrap_or_default();
        if room.len() < new.seen + MOST_EXTRA {
            return Added::Full;
        }
        let Some((head, rest)) = room.split_first_chunk_mut::<HEAD>() else { return Added::Full };
        let Some(packet) = rest.get_mut(..new.seen) else { return Added::Full };
        let seen = copy(packet).min(packet.len());
        if !wanted(packet.get(..seen).unwrap_or_default()) {
            return Added::Unwanted;
        }
        let kept = seen.min(new.snap);
        let padded = kept.next_multiple_of(4);
        let lost = if new.lost > 0 { LOST } else { 0 };
        let comment = cut(new.comment);
        let said = if comment.is_empty() { 0 } else { OPTION + comment.len().next_multiple_of(4) };
        let length = HEAD + padded + said + lost + TAIL;
        let word = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes();
        let mut words = head.chunks_exact_mut(4);
        let mut put = |value: [u8; 4]| {
            if let Some(place) = words.next() {
                place.copy_from_slice(&value);
            }
        };
        put(ENHANCED_PACKET.to_le_bytes());
        put(word(length));
        put(new.form.interface.to_le_bytes());
        let [a, b, c, d, e, f, g, h] = time(new.stamp);
        put([a, b, c, d]);
        put([e, f, g, h]);
        put(word(kept));
        put(word(new.original));
        if let Some(fill) = rest.get_mut(kept..padded) {
            fill.fill(0);
        }
        let Some(mut rest) = rest.get_mut(padded..) else { return Added::Full };
        if said > 0 {
            let Some((option, after)) = rest.split_at_mut_checked(said) else { return Added::Full };
            let head = option_head((COMMENT, u16::try_from(comment.len()).unwrap_or_default()));
            let fill = std::iter::repeat_n(0, said);
            let words = head.into_iter().chain(comment.bytes()).chain(fill);
            option.iter_mut().zip(words).for_each(|(byte, value)| *byte = value);
            rest = after;
        }
        if lost > 0 {
            let Some((option, after)) = rest.split_first_chunk_mut::<LOST>() else { return Added::Full };
            let (code, count) = option.split_at_mut(4);
            code.copy_from_slice(&option_head(DROP_COUNT));
            count.copy_from_slice(&new.lost.to_le_bytes());
            rest = after;
        }
        let Some((tail, _)) = rest.split_first_chunk_mut::<TAIL>() else { return Added::Full };
        let (options, last) = tail.split_at_mut(TAIL - 4);
        options.copy_from_slice(&new.form.tail);
        last.copy_from_slice(&word(length));
        if self.packets == 0 {
            self.first = new.stamp;
        }
        self.last = new.stamp;
        self.packets += 1;
        self.len += length;
        Added::Yes
    }

    /// The packets, as they were recorded.
    pub fn recorded(&self) -> impl Iterator<Item = Recorded<'_>> {
        blocks(self.bytes()).map(|block| Recorded { block })
    }
}

/// A packet that was recorded.
#[derive(Debug, Clone, Copy)]
pub struct Recorded<'c> {
    block: &'c [u8],
}

impl<'c> Recorded<'c> {
    /// The place of its interface among those of the recorder.
    #[must_use]
    pub fn interface(&self) -> usize {
        usize::try_from(word_at(self.block, 8)).unwrap_or(usize::MAX)
    }

    /// Which way it went.
    #[must_use]
    pub fn direction(&self) -> Direction {
        let flags = self.block.len().checked_sub(TAIL - 4).map_or(0, |at| word_at(self.block, at));
        if flags == Direction::Outbound.flags() { Direction::Outbound } else { Direction::Inbound }
    }

    /// The queue that it came or went by.
    #[must_use]
    pub fn queue(&self) -> u32 {
        self.block.len().checked_sub(TAIL - 12).map_or(0, |at| word_at(self.block, at))
    }

    /// When it was recorded, in nanoseconds since 1970.
    #[must_use]
    pub fn stamp(&self) -> u64 {
        u64::from(word_at(self.block, 12)) << 32 | u64::from(word_at(self.block, 16))
    }

    /// The bytes that were kept.
    #[must_use]
    pub fn data(&self) -> &'c [u8] {
        let kept = usize::try_from(word_at(self.block, 20)).unwrap_or_default();
        self.block.get(HEAD..HEAD + kept).unwrap_or_default()
    }

    /// Bytes that it had.
    #[must_use]
    pub fn original_length(&self) -> usize {
        usize::try_from(word_at(self.block, 24)).unwrap_or_default()
    }
}

/// The blocks, one by one.
fn blocks(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let length = usize::try_from(word_at(bytes, 4)).ok()?;
        let (block, rest) = bytes.split_at_checked(length).filter(|(block, _)| !block.is_empty())?;
        bytes = rest;
        Some(block)
    })
}

fn word_at(bytes: &[u8], at: usize) -> u32 {
    let word = bytes.get(at..).and_then(|bytes| bytes.first_chunk::<4>());
    word.copied().map_or(0, u32::from_le_bytes)
}

/// How many of the blocks are kept, as long as `keep` says so of what there would be then: how many, how many bytes
/// they have, and the time of the last.
pub(super) fn prefix(bytes: &[u8], mut keep: impl FnMut(u64, usize, u64) -> bool) -> (u64, usize) {
    let (mut packets, mut end) = (0, 0);
    for block in blocks(bytes) {
        if !keep(packets + 1, end + block.len(), Recorded { block }.stamp()) {
            break;
        }
        packets += 1;
        end += block.len();
    }
    (packets, end)
}
