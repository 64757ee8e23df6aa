//! The blocks of a pcapng file, but for those of packets: draft-ietf-opsawg-pcapng, with all numbers in little-endian.

use super::counts::Counts;
use crate::LinkType;

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const BYTE_ORDER: u32 = 0x1a2b_3c4d;
const INTERFACE_DESCRIPTION: u32 = 1;
const INTERFACE_STATISTICS: u32 = 5;

/// Options of any block.
pub(super) const END_OF_OPTIONS: u16 = 0;
pub(super) const COMMENT: u16 = 1;
/// Options of a section header block.
const HARDWARE: u16 = 2;
const OS: u16 = 3;
const APPLICATION: u16 = 4;
/// Options of an interface description block.
const NAME: u16 = 2;
const DESCRIPTION: u16 = 3;
const TIME_RESOLUTION: u16 = 9;
const FILTER: u16 = 11;
/// Options of an interface statistics block.
const START_TIME: u16 = 2;
const END_TIME: u16 = 3;
const RECEIVED: u16 = 4;
const DROPPED: u16 = 5;
const ACCEPTED: u16 = 6;
const MISSED: u16 = 7;
const DELIVERED: u16 = 8;

/// Time stamps count nanoseconds: so many decimals.
const NANOSECONDS: u8 = 9;
/// A filter is given as text.
const FILTER_AS_TEXT: u8 = 0;

/// What stands at the head of each file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// What all packets begin with.
    pub link_type: LinkType,
    /// The most bytes of a packet that are kept.
    pub snap_length: u32,
    /// The program that writes.
    pub application: String,
    /// The machine.
    pub hardware: String,
    /// Its operating system.
    pub os: String,
    /// What is captured, and how.
    pub comment: String,
    /// The filter that chose the packets.
    pub filter: Option<String>,
}

/// Where packets come by: a queue, in one direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Its name; another interface has another.
    pub name: String,
    /// What it is.
    pub description: String,
    /// Which way its packets go.
    pub direction: Direction,
    /// The number of the queue.
    pub queue: u32,
}

impl Interface {
    /// One that stands for all.
    pub(super) fn all() -> Self {
        let (name, description) = ("memif".to_owned(), "all queues, both directions: see the packets".to_owned());
        Self { name, description, direction: Direction::Inbound, queue: 0 }
    }
}

/// Which way a packet goes, as seen by who captures it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// To us.
    Inbound,
    /// From us.
    Outbound,
}

impl Direction {
    /// The lowest bits of the flags of a packet.
    pub(super) fn flags(self) -> u32 {
        match self {
            Self::Inbound => 1,
            Self::Outbound => 2,
        }
    }
}

impl Section {
    /// Whether one interface stands for all. libpcap takes a second one of raw IP for one of another link type (seen
    /// with 1.10.3): it compares the number in the file with its own for that type, which is another one.
    pub(super) fn joins_interfaces(&self) -> bool {
        self.link_type == LinkType::RawIp
    }

    /// The block that each file begins with.
    pub(super) fn header(&self) -> Vec<u8> {
        block(SECTION_HEADER, |body| {
            body.extend(BYTE_ORDER.to_le_bytes());
            // Version 1.0; how long the section is nobody knows yet.
            body.extend([1, 0, 0, 0]);
            body.extend((-1_i64).to_le_bytes());
            text(body, HARDWARE, &self.hardware);
            text(body, OS, &self.os);
            text(body, APPLICATION, &self.application);
            text(body, COMMENT, &self.comment);
            option(body, END_OF_OPTIONS, &[]);
        })
    }

    /// The block that describes an interface.
    pub(super) fn interface(&self, interface: &Interface) -> Vec<u8> {
        block(INTERFACE_DESCRIPTION, |body| {
            body.extend(self.link_type.number().to_le_bytes());
            body.extend([0, 0]);
            body.extend(self.snap_length.to_le_bytes());
            text(body, NAME, &interface.name);
            text(body, DESCRIPTION, &interface.description);
            option(body, TIME_RESOLUTION, &[NANOSECONDS]);
            if let Some(filter) = &self.filter {
                let filter: Vec<u8> = [FILTER_AS_TEXT].into_iter().chain(filter.bytes()).collect();
                option(body, FILTER, &filter);
            }
            option(body, END_OF_OPTIONS, &[]);
        })
    }
}

/// The block that says what became of the packets of an interface between two times, and `remark`, if not nothing.
pub(super) fn statistics(interface: u32, begin: u64, end: u64, counts: &Counts, remark: &str) -> Vec<u8> {
    block(INTERFACE_STATISTICS, |body| {
        body.extend(interface.to_le_bytes());
        body.extend(time(end));
        option(body, START_TIME, &time(begin));
        option(body, END_TIME, &time(end));
        for (code, count) in [
            (RECEIVED, counts.received),
            (DROPPED, counts.dropped),
            (ACCEPTED, counts.accepted),
            (MISSED, counts.missed),
            (DELIVERED, counts.delivered()),
        ] {
            option(body, code, &count.to_le_bytes());
        }
        text(body, COMMENT, remark);
        option(body, END_OF_OPTIONS, &[]);
    })
}

/// A time as blocks have it: the upper half comes first.
pub(super) fn time(nanoseconds: u64) -> [u8; 8] {
    nanoseconds.rotate_left(32).to_le_bytes()
}

/// A block of that type.
fn block(kind: u32, fill: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(kind.to_le_bytes());
    bytes.extend([0; 4]);
    fill(&mut bytes);
    // Options are bounded, so that no block comes near the end of the type.
    let length = u32::try_from(bytes.len() + 4).unwrap_or(u32::MAX).to_le_bytes();
    if let Some(place) = bytes.get_mut(4..8) {
        place.copy_from_slice(&length);
    }
    bytes.extend(length);
    bytes
}

/// Adds an option, cut to what its length can say.
fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
    let value = value.get(..usize::from(length)).unwrap_or(value);
    body.extend(code.to_le_bytes());
    body.extend(length.to_le_bytes());
    body.extend(value);
    body.resize(body.len().next_multiple_of(4), 0);
}

/// Adds an option with a text, unless that is empty.
fn text(body: &mut Vec<u8>, code: u16, value: &str) {
    if !value.is_empty() {
        let ends = value.char_indices().map(|(at, character)| at + character.len_utf8());
        let end = ends.take_while(|end| *end <= usize::from(u16::MAX)).last().unwrap_or_default();
        option(body, code, value.get(..end).unwrap_or_default().as_bytes());
    }
}
