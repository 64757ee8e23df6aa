//! Where the rings of a link lie in its region 0.
//!
//! The message that names each ring's place, direction and size went over the socket long ago. What is left is where
//! the known slaves put rings (docs/protocol.md, section 4.4), and the cookie that each begins with.

use memif::wire::RingDirection;
use memif::wire::ring::{COOKIE, CacheLine, DESCRIPTOR_SIZE, header_size, ring_bytes, tail_offset};
use memif::{MAX_LOG2_RING_SIZE, MAX_QUEUES};

use crate::bytes::Bytes;
use crate::error::{Problem, ReadError};
use crate::ring::{Cursors, Descriptor, HEADER_READ, Ring};

/// How the slave laid out its rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Layout {
    /// Side by side from the first byte on, those to the master first: libmemif, VPP, DPDK.
    Packed,
    /// Behind a decoy, in fixed places: memif for Rust and what stands on it.
    Spaced,
}

impl Layout {
    /// In a word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Layout::Packed => "packed",
            Layout::Spaced => "spaced",
        }
    }
}

/// The rings that were found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rings {
    /// How they lie.
    pub layout: Layout,
    /// Whether the layout tells which rings are of which direction. Otherwise that was inferred from cursors and
    /// descriptors: more than two packed rings.
    pub directions_known: bool,
    /// Those from slave to master first, each direction by index.
    pub rings: Vec<Ring>,
}

/// Where the spaced layout has its parts, by cache line: the first ring, and the buffer that the decoy names.
const fn spaced_places(line: CacheLine) -> (u64, u32) {
    match line {
        CacheLine::Of64 => (65_856, 192),
        CacheLine::Of128 => (66_048, 320),
    }
}

/// That of this processor first.
const LINES: [CacheLine; 2] = if cfg!(target_arch = "aarch64") {
    [CacheLine::Of128, CacheLine::Of64]
} else {
    [CacheLine::Of64, CacheLine::Of128]
};
/// Pairs of rings for which that layout has places in any case.
const SPACED_PAIRS: u64 = 16;
/// What places of rings are rounded up to there.
const STEP: u64 = 64;
const PAGE: u64 = 4096;
/// Descriptors that are looked at to tell a ring's direction.
const SAMPLE: u16 = 16;

/// Finds the rings in a region; `None` where the bytes do not begin as a region 0 of a link does. Looks at a bounded
/// number of places, whatever stands in them.
pub fn find(memory: &impl Bytes) -> Result<Option<Rings>, Problem> {
    use CacheLine::{Of64, Of128};
    let begins = |line| begins_ring(memory, spaced_places(line).0);
    match cookie(memory, 0) {
        Ok(COOKIE) => {}
        // A slave of ours writes the decoy through the file, so that its page may be in no page table.
        Err(ReadError::NotPresent) if begins(Of64) || begins(Of128) => {}
        _ => return Ok(None),
    }
    // What follows a decoy is a buffer; where the rings are small, packed ones may lie in the spaced places, too.
    let both_ways = || begins(Of64) && !begins_ring(memory, ring_bytes(Of64, 2));
    // A slave that only sends leaves the first place empty.
    let second = |line| spaced_by_neighbour(memory, line, 1).is_some();
    let one_way = || packed_by_neighbour(memory).is_none() && second(Of64);
    // Its decoy tells.
    let wide = || has_decoy(memory, Of128) && (begins(Of128) || second(Of128));
    if both_ways() {
        spaced(memory, Of64).map(Some)
    } else if wide() {
        spaced(memory, Of128).map(Some)
    } else if one_way() {
        spaced(memory, Of64).map(Some)
    } else {
        packed(memory).map(Some)
    }
}

/// Whether the decoy of the spaced layout stands at the beginning. Where that cannot be read the rest must tell.
fn has_decoy(memory: &impl Bytes, line: CacheLine) -> bool {
    let mut offset = [0; 4];
    match memory.read_at(header_size(line) as u64 + 8, &mut offset) {
        Ok(()) => u32::from_ne_bytes(offset) == spaced_places(line).1,
        Err(error) => matches!(error, ReadError::NotPresent),
    }
}

fn spaced(memory: &impl Bytes, line: CacheLine) -> Result<Rings, Problem> {
    let first = spaced_places(line).0;
    let pair_ends = |log2| first + 2 * SPACED_PAIRS * spaced_stride(line, log2);
    let first_buffer = own_buffer(memory, line, first);
    let log2 = spaced_by_neighbour(memory, line, 1)
        // The second ring of a direction, where the other direction has none.
        .or_else(|| spaced_by_neighbour(memory, line, 2))
        .or_else(|| log2_by_end(memory, first_buffer, pair_ends))
        .ok_or(Problem::SizeUnknown)?;
    let stride = spaced_stride(line, log2);
    let place = |k: u64, s2m: bool| first + (2 * k + u64::from(s2m)) * stride;
    let end = first_buffer.unwrap_or(u64::MAX).min(memory.size());
    let mut rings = Vec::new();
    for direction in [RingDirection::S2m, RingDirection::M2s] {
        for index in 0..u16::from(MAX_QUEUES) {
            let offset = place(u64::from(index), direction == RingDirection::S2m);
            if offset + stride > end || !begins_ring(memory, offset) {
                break;
            }
            rings.push(Ring { direction, index, size: 1 << log2, cache_line: line, offset });
        }
    }
    // A ring to send on names no buffers before its first packet.
    let last = rings.last().ok_or(Problem::SizeUnknown)?.descriptors();
    if stride == spaced_stride(line, 0) {
        // The smallest three have places of one size, and a buffer in each slot.
        let filled = |slot: &u16| descriptor(memory, last, *slot).is_some_and(|slot| slot.length != 0);
        let size = [4_u16, 2].into_iter().find(|size| filled(&(size - 1))).unwrap_or(1);
        rings.iter_mut().for_each(|ring| ring.size = size);
    }
    Ok(Rings { layout: Layout::Spaced, directions_known: true, rings })
}

const fn spaced_stride(line: CacheLine, log2: u8) -> u64 {
    ring_bytes(line, log2).next_multiple_of(STEP)
}

/// The size of which the ring that many places behind the first one begins.
fn spaced_by_neighbour(memory: &impl Bytes, line: CacheLine, places: u64) -> Option<u8> {
    log2_by_neighbour(memory, spaced_places(line).0, |log2| places * spaced_stride(line, log2))
}

fn packed(memory: &impl Bytes) -> Result<Rings, Problem> {
    let (line, log2) = packed_by_neighbour(memory).or_else(|| packed_alone(memory)).ok_or(Problem::SizeUnknown)?;
    let first_buffer = own_buffer(memory, line, 0);
    let stride = ring_bytes(line, log2);
    // Buffers follow at once, and a packet in the first one may begin like a ring.
    let end = first_buffer.filter(|offset| *offset >= stride).unwrap_or(u64::MAX).min(memory.size());
    let places = (0..2 * u64::from(MAX_QUEUES)).map(|k| k * stride);
    let offsets: Vec<u64> =
        places.take_while(|offset| offset + stride <= end && begins_ring(memory, *offset)).collect();
    let size = 1 << log2;
    let sends = match offsets.len() {
        0 => return Err(Problem::SizeUnknown),
        1 | 2 => 1,
        _ => split(memory, line, &offsets, size),
    };
    let ring = |(k, offset): (usize, &u64)| {
        let (direction, index) = match k.checked_sub(sends) {
            None => (RingDirection::S2m, k),
            Some(index) => (RingDirection::M2s, index),
        };
        Ring { direction, index: u16::try_from(index).unwrap_or(u16::MAX), size, cache_line: line, offset: *offset }
    };
    let rings: Vec<Ring> = offsets.iter().enumerate().map(ring).collect();
    Ok(Rings { layout: Layout::Packed, directions_known: rings.len() == 2, rings })
}

/// Line and size of packed rings by the second one, which lies right behind the first.
fn packed_by_neighbour(memory: &impl Bytes) -> Option<(CacheLine, u8)> {
    let all = LINES.into_iter().flat_map(|line| (0..=MAX_LOG2_RING_SIZE).map(move |log2| (line, log2)));
    let fitting = all.filter(|(line, log2)| begins_ring(memory, ring_bytes(*line, *log2)));
    // A longer one may be several of the shorter. 16 slots for the one line are as long as 8 for the other.
    fitting.min_by_key(|(line, log2)| (ring_bytes(*line, *log2), !has_header(memory, *line)))
}

/// Line and size of one packed ring that has no other behind it: by its first buffer, or by the end of the memory.
fn packed_alone(memory: &impl Bytes) -> Option<(CacheLine, u8)> {
    let buffers = LINES.map(|line| (line, own_buffer(memory, line, 0)));
    let size = |(line, buffer): (CacheLine, Option<u64>)| {
        log2_by_end(memory, buffer, |log2| ring_bytes(line, log2)).map(|log2| (line, log2))
    };
    let mut named = buffers.into_iter().filter(|(_, buffer)| buffer.is_some());
    let mut unnamed = LINES.map(|line| (line, None)).into_iter().filter(|_| buffers.iter().all(|(_, b)| b.is_none()));
    named.find_map(size).or_else(|| unnamed.find_map(size))
}

/// Whether the first ring has the header of that line, as far as what nobody writes tells: the padding of the longer
/// one, where the shorter has descriptors.
fn has_header(memory: &impl Bytes, line: CacheLine) -> bool {
    let mut padding = [0; header_size(CacheLine::Of128) - tail_offset(CacheLine::Of128) - 2];
    let read = memory.read_at(tail_offset(CacheLine::Of128) as u64 + 2, &mut padding);
    (read.is_ok() && padding.iter().all(|byte| *byte == 0)) == (line == CacheLine::Of128)
}

/// The size of which the next ring begins right behind the first.
fn log2_by_neighbour(memory: &impl Bytes, first: u64, stride: impl Fn(u8) -> u64) -> Option<u8> {
    (0..=MAX_LOG2_RING_SIZE).find(|log2| begins_ring(memory, first + stride(*log2)))
}

/// The size of which the rings end where the first buffer begins, or where the memory ends.
fn log2_by_end(memory: &impl Bytes, first_buffer: Option<u64>, end: impl Fn(u8) -> u64) -> Option<u8> {
    (0..=MAX_LOG2_RING_SIZE).find(|log2| {
        let end = end(*log2);
        let ends = [end, end.next_multiple_of(PAGE)];
        ends.iter().any(|end| first_buffer == Some(*end) || (first_buffer.is_none() && memory.size() == *end))
    })
}

/// Where the buffer of the first slot lies, if that is in the same region.
fn own_buffer(memory: &impl Bytes, line: CacheLine, ring: u64) -> Option<u64> {
    let descriptor = descriptor(memory, ring + header_size(line) as u64, 0)?;
    (descriptor.region == 0 && descriptor.offset != 0).then_some(u64::from(descriptor.offset))
}

/// How many of the rings are from slave to master. Those come first; what the rings look like tells where they end.
fn split(memory: &impl Bytes, line: CacheLine, offsets: &[u64], size: u16) -> usize {
    let looks: Vec<i32> = offsets.iter().map(|offset| looks_posted(memory, line, *offset, size)).collect();
    let half = looks.len() / 2;
    let mut score: i32 = looks.iter().sum();
    let mut best = (i32::MIN, 1);
    // Both directions have a ring.
    for (index, look) in looks.iter().enumerate().take(looks.len() - 1) {
        score -= 2 * look;
        let sends = index + 1;
        // Where nothing else tells, as many each way.
        let score = 2 * score + i32::from(sends == half);
        if score > best.0 {
            best = (score, sends);
        }
    }
    best.1
}

/// How much a ring looks like one of empty buffers (more than 0) or like one of packets (less).
fn looks_posted(memory: &impl Bytes, line: CacheLine, offset: u64, size: u16) -> i32 {
    let mut header = [0; HEADER_READ];
    if memory.read_at(offset, &mut header).is_err() {
        return 0;
    }
    let Some(cursors) = Cursors::from_header(&header, line) else { return 0 };
    let between = cursors.head.wrapping_sub(cursors.tail);
    if between > size {
        return 0;
    }
    if between == 0 {
        // Drained; a receiver that has posted nothing yet looks the same only before the first packet.
        return if cursors.head == 0 { 0 } else { -2 };
    }
    let descriptors = offset + header_size(line) as u64;
    let slots = (0..between.min(SAMPLE)).map(|slot| cursors.tail.wrapping_add(slot) & (size - 1));
    let posted: Vec<Descriptor> = slots.filter_map(|slot| descriptor(memory, descriptors, slot)).collect();
    let Some(first) = posted.first() else { return 0 };
    if posted.iter().any(|other| other.flags != 0 || other.length != first.length) || first.length < 256 {
        return -2;
    }
    // Room is a power of two, or what lies between two buffers; packets of one length may be that, too.
    let apart = posted.get(1).map(|second| second.offset.abs_diff(first.offset));
    if first.length.is_power_of_two() || apart == Some(first.length) { 3 } else { 1 }
}

fn begins_ring(memory: &impl Bytes, offset: u64) -> bool {
    cookie(memory, offset).is_ok_and(|cookie| cookie == COOKIE)
}

fn cookie(memory: &impl Bytes, offset: u64) -> Result<u32, ReadError> {
    let mut cookie = [0; 4];
    memory.read_at(offset, &mut cookie)?;
    Ok(u32::from_ne_bytes(cookie))
}

/// The descriptor of a slot, of those that begin there.
fn descriptor(memory: &impl Bytes, descriptors: u64, slot: u16) -> Option<Descriptor> {
    let mut bytes = [0; DESCRIPTOR_SIZE];
    memory.read_at(descriptors + DESCRIPTOR_SIZE as u64 * u64::from(slot), &mut bytes).ok()?;
    Some(Descriptor::from_bytes(&bytes))
}
