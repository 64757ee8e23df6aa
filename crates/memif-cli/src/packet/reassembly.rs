//! IP packets put together from their fragments (RFC 791, RFC 8200), within bounds that no peer can stretch.
//!
//! `etherparse` puts the pieces of one packet in their places. How many packets are waited for, how long, and in how
//! many pieces each may lie, is decided here.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use etherparse::defrag::{IpDefragBuf, IpFragRange};
use etherparse::{IpFragOffset, IpNumber, Ipv4HeaderSlice, Ipv6FragmentHeader, Ipv6Header, Ipv6HeaderSlice};

use super::checksum::sums_up;

/// Packets that are waited for at once. One more, and the oldest is given up.
const MOST_PACKETS: usize = 16;
/// Separate pieces in which one packet may lie: what is in order, or a few fragments out of it, takes few.
const MOST_PIECES: usize = 64;
/// How long the rest of a packet is waited for, as Linux does it.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of the longest packet.
const LONGEST: usize = 65_535;

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It is whole by itself.
    Whole,
    /// A part of a packet, which was kept.
    Kept,
    /// The last part: [`Reassembly::packet`] is the whole.
    Complete,
    /// A part that cannot be, and with it so many parts of the same packet that had come before.
    Refused(u64),
}

/// Which fragments belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key {
    source: IpAddr,
    destination: IpAddr,
    identification: u32,
    protocol: IpNumber,
}

/// A fragment, read.
#[derive(Debug)]
struct Fragment<'p> {
    key: Key,
    offset: IpFragOffset,
    more: bool,
    /// What stands before the part of the packet that was cut.
    header: &'p [u8],
    payload: &'p [u8],
    /// Bytes of the fragment without padding.
    len: usize,
}

/// A packet of which parts came.
#[derive(Debug)]
struct Partial {
    key: Key,
    since: Instant,
    buffer: IpDefragBuf,
    /// Of the first fragment, once that came.
    header: Vec<u8>,
    fragments: u64,
    longest: usize,
}

/// Fragments that wait for others.
#[derive(Debug, Default)]
pub(crate) struct Reassembly {
    /// The oldest first.
    waiting: Vec<Partial>,
    packet: Vec<u8>,
    longest_fragment: usize,
    given_up: GivenUp,
}

/// What never became whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct GivenUp {
    pub(crate) packets: u64,
    pub(crate) fragments: u64,
}

impl Reassembly {
    /// Takes an IP packet, which may be followed by padding.
    pub(crate) fn take(&mut self, now: Instant, packet: &[u8]) -> Taken {
        let fragment = match read(packet) {
            None => return Taken::Whole,
            Some(Err(Impossible)) => return Taken::Refused(0),
            Some(Ok(fragment)) => fragment,
        };
        self.expire(now);
        let at = self.waiting.iter().position(|partial| partial.key == fragment.key);
        let at = at.unwrap_or_else(|| self.wait_for(now, fragment.key));
        let Some(partial) = self.waiting.get_mut(at) else { return Taken::Refused(0) };
        match partial.add(&fragment) {
            Ok(false) => Taken::Kept,
            Ok(true) => {
                let partial = self.waiting.remove(at);
                self.longest_fragment = partial.longest;
                let before = partial.fragments.saturating_sub(1);
                match partial.finish(&mut self.packet) {
                    Some(()) => Taken::Complete,
                    None => self.refuse(before),
                }
            }
            // Whoever sends such parts means to deceive, or they are of two packets: nothing of them is taken
            // (RFC 5722).
            Err(Impossible) => {
                let before = self.waiting.remove(at).fragments;
                self.refuse(before)
            }
        }
    }

    /// The packet that was completed last.
    pub(crate) fn packet(&mut self) -> &mut Vec<u8> {
        &mut self.packet
    }

    /// Bytes of its longest fragment.
    pub(crate) fn longest_fragment(&self) -> usize {
        self.longest_fragment
    }

    /// What was given up since this was asked last, for it was too old or too much.
    pub(crate) fn given_up(&mut self) -> GivenUp {
        std::mem::take(&mut self.given_up)
    }

    /// Packets of which other parts are waited for.
    pub(crate) fn waiting(&self) -> u64 {
        self.waiting.len() as u64
    }

    fn expire(&mut self, now: Instant) {
        while self.waiting.first().is_some_and(|oldest| now.saturating_duration_since(oldest.since) >= PATIENCE) {
            self.given_up.count(&self.waiting.remove(0));
        }
    }

    fn wait_for(&mut self, since: Instant, key: Key) -> usize {
        if self.waiting.len() >= MOST_PACKETS {
            self.given_up.count(&self.waiting.remove(0));
        }
        let buffer = IpDefragBuf::new(key.protocol, Vec::new(), Vec::new());
        self.waiting.push(Partial { key, since, buffer, header: Vec::new(), fragments: 0, longest: 0 });
        self.waiting.len() - 1
    }

    fn refuse(&mut self, before: u64) -> Taken {
        self.given_up.packets += 1;
        Taken::Refused(before)
    }
}

impl GivenUp {
    fn count(&mut self, partial: &Partial) {
        self.packets += 1;
        self.fragments += partial.fragments;
    }
}

/// A fragment that no honest sender makes.
struct Impossible;

impl Partial {
    /// Whether the packet is whole now.
    fn add(&mut self, fragment: &Fragment<'_>) -> Result<bool, Impossible> {
        let start = fragment.offset.byte_offset();
        let end = usize::from(start) + fragment.payload.len();
        let header = if start == 0 { fragment.header } else { &self.header };
        let end = u16::try_from(end).ok().filter(|_| header.len() + end <= LONGEST).ok_or(Impossible)?;
        let overlaps = |range: &IpFragRange| start < range.end && range.start < end;
        if start == end || self.buffer.sections().iter().any(overlaps) || self.ends_before(end, fragment.more) {
            return Err(Impossible);
        }
        self.buffer.add(fragment.offset, fragment.more, fragment.payload).map_err(|_| Impossible)?;
        if self.buffer.sections().len() > MOST_PIECES {
            return Err(Impossible);
        }
        if start == 0 {
            self.header = fragment.header.to_vec();
        }
        self.fragments += 1;
        self.longest = self.longest.max(fragment.len);
        Ok(self.buffer.is_complete())
    }

    /// Whether a last fragment ends before one that came earlier.
    fn ends_before(&self, end: u16, more: bool) -> bool {
        !more && self.buffer.sections().iter().any(|range| range.end > end)
    }

    /// Writes the whole packet: the header of the first fragment, as it is without fragments, and all parts.
    fn finish(self, packet: &mut Vec<u8>) -> Option<()> {
        let (payload, _) = self.buffer.take_bufs();
        packet.clear();
        match self.key.source {
            IpAddr::V4(_) => {
                let mut header = Ipv4HeaderSlice::from_slice(&self.header).ok()?.to_header();
                header.total_len = u16::try_from(self.header.len() + payload.len()).ok()?;
                header.more_fragments = false;
                header.header_checksum = header.calc_header_checksum();
                packet.extend(header.to_bytes());
            }
            IpAddr::V6(_) => {
                let mut header = Ipv6HeaderSlice::from_slice(&self.header).ok()?.to_header();
                header.payload_length = u16::try_from(payload.len()).ok()?;
                header.next_header = self.key.protocol;
                packet.extend(header.to_bytes());
            }
        }
        packet.extend(payload);
        Some(())
    }
}

/// `None` for what is no fragment, as far as can be seen.
fn read(packet: &[u8]) -> Option<Result<Fragment<'_>, Impossible>> {
    match packet.first()? >> 4 {
        4 => read4(packet),
        6 => read6(packet),
        _ => None,
    }
}

fn read4(packet: &[u8]) -> Option<Result<Fragment<'_>, Impossible>> {
    let header = Ipv4HeaderSlice::from_slice(packet).ok()?;
    if !header.is_fragmenting_payload() {
        return None;
    }
    let len = usize::from(header.total_len());
    let payload = packet.get(header.slice().len()..len);
    Some(payload.filter(|_| sums_up(header.slice())).ok_or(Impossible).map(|payload| Fragment {
        key: Key {
            source: header.source_addr().into(),
            destination: header.destination_addr().into(),
            identification: header.identification().into(),
            protocol: header.protocol(),
        },
        offset: header.fragments_offset(),
        more: header.more_fragments(),
        header: header.slice(),
        payload,
        len,
    }))
}

/// With the fragment header at once behind that of IPv6: no other extension is known here.
fn read6(packet: &[u8]) -> Option<Result<Fragment<'_>, Impossible>> {
    let header = Ipv6HeaderSlice::from_slice(packet).ok()?;
    if header.next_header() != IpNumber::IPV6_FRAGMENTATION_HEADER {
        return None;
    }
    let len = Ipv6Header::LEN + usize::from(header.payload_length());
    let behind = packet.get(Ipv6Header::LEN..len);
    let parts = behind.and_then(|behind| Ipv6FragmentHeader::from_slice(behind).ok());
    Some(parts.ok_or(Impossible).map(|(part, payload)| Fragment {
        key: Key {
            source: header.source_addr().into(),
            destination: header.destination_addr().into(),
            identification: part.identification,
            protocol: part.next_header,
        },
        offset: part.fragment_offset,
        more: part.more_fragments,
        header: header.slice(),
        payload,
        len,
    }))
}

#[cfg(test)]
#[path = "reassembly_tests.rs"]
mod tests;
