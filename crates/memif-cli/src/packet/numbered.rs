//! The packets of a measurement: a UDP datagram that carries its number, and how the number is read again.
//!
//! The number stands behind all headers, so that peers which swap addresses leave it alone.

use std::mem;

use etherparse::{EtherType, IpNumber, Ipv4Header, UdpHeader};

use super::frame::{self, Framing};
use super::mac::Mac;
use crate::units::packet_bytes;

/// Bytes of the shortest packet.
pub(crate) const SHORTEST: usize = 64;
/// Bytes of the longest packet.
pub(crate) const LONGEST: usize = 65_535;
/// Packets of one size that are kept ready, each with its number: a number that was written just before the copy
/// would hold the copy up.
const READY: usize = 16;
/// Bytes of the packets of one size that are kept ready: they stay in the nearest cache.
const READY_BYTES: usize = 8192;
/// Where the number of a packet stands.
const NUMBER: usize = 48;
/// Where its length and kind stand, in eight bytes.
const KIND: usize = 56;
/// Where the last packet of a run says how many should have been sent.
const OFFERED: usize = 64;
/// Bytes of the last packet of a run.
pub(crate) const LAST: usize = 72;
/// In the upper half of the eight bytes, above the stream and the length.
const DATA: u64 = 0x6d65_6d69 << 32;
const END: u64 = 0x454e_4421 << 32;
/// Where the stream stands in the eight bytes: twice, so that a byte that was changed shows. Streams are the queues of
/// a generator, each with numbers of its own.
const STREAM: [u32; 2] = [16, 24];
/// UDP port at both ends: discard (RFC 863).
const PORT: u16 = 9;
/// Addresses of the two ends, from a net that is for measurements (RFC 2544).
const FROM: [u8; 4] = [198, 18, 0, 1];
const TO: [u8; 4] = [198, 18, 0, 2];

/// Lengths of the simple internet mix, in the order in which they are sent: 64, 570 and 1518 bytes as 7 to 4 to 1.
const IMIX: [usize; 12] = [64, 570, 64, 64, 570, 64, 1518, 64, 570, 64, 570, 64];

/// Which lengths the packets of a run have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sizes {
    /// All the same.
    Fixed(usize),
    /// The simple internet mix.
    Imix,
}

impl Sizes {
    /// Bytes of the longest packet.
    pub(crate) fn longest(self) -> usize {
        match self {
            Sizes::Fixed(size) => size,
            Sizes::Imix => 1518,
        }
    }

    /// Bytes of each packet; `None` where they differ.
    pub(crate) fn fixed(self) -> Option<usize> {
        match self {
            Sizes::Fixed(size) => Some(size),
            Sizes::Imix => None,
        }
    }

    /// For people.
    pub(crate) fn in_words(self) -> String {
        self.fixed().map_or_else(|| self.to_string(), |size| format!("{size} bytes"))
    }

    /// Bytes of the packets of one round.
    fn round(self) -> Vec<usize> {
        match self {
            Sizes::Fixed(size) => vec![size; (READY_BYTES / size).clamp(1, READY)],
            Sizes::Imix => IMIX.to_vec(),
        }
    }
}

impl std::fmt::Display for Sizes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Sizes::Fixed(size) => size.fmt(f),
            Sizes::Imix => f.pad("imix"),
        }
    }
}

impl std::str::FromStr for Sizes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.eq_ignore_ascii_case("imix") {
            return Ok(Sizes::Imix);
        }
        let least = u32::try_from(SHORTEST).unwrap_or_default();
        let most = u32::try_from(LONGEST).unwrap_or(u32::MAX);
        let size = packet_bytes(least, most)(text).ok().and_then(|size| usize::try_from(size).ok());
        size.map(Sizes::Fixed)
            .ok_or_else(|| format!("give {SHORTEST} to {LONGEST} bytes, or imix, as in 64,imix,1500,9k"))
    }
}

/// Bytes of two cache lines. Our buffers lie at multiples of it. Where a packet that is read lies like one that was
/// just written, both modulo a page, the processor takes the two for the same and waits; so packets that are ready
/// begin at the odd lines.
const LINES: usize = 128;

/// Packets ready to send on one queue. Each already carries its number.
#[derive(Debug)]
pub(crate) struct Packets {
    /// One packet after the other from `from` on, each in a place that the longest fits in.
    ready: Vec<u8>,
    from: usize,
    place: usize,
    /// Bytes of each.
    lengths: Vec<usize>,
    /// Bytes of the longest.
    longest: usize,
    /// Whether all have the same.
    alike: bool,
    at: usize,
    number: u64,
}

impl Packets {
    /// Packets of that stream, from that number on.
    pub(crate) fn new(framing: Framing, sizes: Sizes, stream: u8, first: u64) -> Self {
        let (longest, lengths) = (sizes.longest(), sizes.round());
        let place = longest.next_multiple_of(LINES);
        let mut ready = vec![0; place * lengths.len() + LINES];
        let from = (LINES / 2).wrapping_sub(ready.as_ptr().addr()) % LINES;
        ready.truncate(from + place * lengths.len());
        let places = ready.get_mut(from..).unwrap_or_default().chunks_exact_mut(place);
        for ((number, &length), place) in (first..).zip(&lengths).zip(places) {
            let mut packet = blank(framing, length);
            write(&mut packet, NUMBER, number);
            write(&mut packet, KIND, tag(stream) | length as u64);
            if let Some(place) = place.get_mut(..length) {
                place.copy_from_slice(&packet);
            }
        }
        let alike = lengths.iter().all(|&length| length == longest);
        Self { ready, from, place, lengths, longest, alike, at: 0, number: first }
    }

    /// The next packet.
    #[inline]
    pub(crate) fn next(&self) -> &[u8] {
        let length = self.lengths.get(self.at).copied().unwrap_or(0);
        let start = self.from + self.at * self.place;
        self.ready.get(start..start + length).unwrap_or_default()
    }

    /// Says that the next packet was sent, and makes its place ready for the next round.
    #[inline]
    pub(crate) fn sent(&mut self) {
        let (start, round) = (self.from + self.at * self.place, self.lengths.len());
        if let Some(packet) = self.ready.get_mut(start..) {
            write(packet, NUMBER, self.number + round as u64);
        }
        self.number += 1;
        self.at += 1;
        if self.at == round {
            self.at = 0;
        }
    }

    /// Whether all are of one length, so that [`send_alike`](Self::send_alike) sends them.
    pub(crate) fn are_alike(&self) -> bool {
        self.alike
    }

    /// Gives the next packets to `push`, up to `count` of them, until it refuses one. Says how many bytes were sent,
    /// and why one was not. For packets of one length.
    #[inline(always)]
    pub(crate) fn send_alike<E>(
        &mut self,
        count: usize,
        mut push: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> (u64, Option<E>) {
        // That they are this long spares looking at every packet.
        let length = self.longest.max(SHORTEST);
        let place = self.place.max(length);
        let (first, round) = (self.number, self.lengths.len());
        // The number that a packet has in the next round.
        let mut later = first + round as u64;
        let (mut left, mut refused) = (count, None);
        while left > 0 && refused.is_none() {
            let before = left;
            let mut ready = self.ready.get_mut(self.from + self.at * place..).unwrap_or_default();
            while left > 0
                && let Some((packet, rest)) = mem::take(&mut ready).split_at_mut_checked(place)
                && let Some(packet) = packet.get_mut(..length)
            {
                if let Err(error) = push(packet) {
                    refused = Some(error);
                    break;
                }
                write(packet, NUMBER, later);
                later += 1;
                left -= 1;
                ready = rest;
            }
            self.at += before - left;
            if self.at >= round {
                self.at = 0;
            }
        }
        self.number = later - round as u64;
        ((self.number - first) * length as u64, refused)
    }

    /// As [`send_alike`](Self::send_alike), for lengths that may differ.
    pub(crate) fn send_mixed<E>(
        &mut self,
        count: usize,
        mut push: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> (u64, Option<E>) {
        let mut bytes = 0;
        for _ in 0..count {
            let packet = self.next();
            if let Err(error) = push(packet) {
                return (bytes, Some(error));
            }
            bytes += packet.len() as u64;
            self.sent();
        }
        (bytes, None)
    }

    /// The number of the next packet, which is how many were sent if the first had the number 0.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }
}

/// The packet that tells a sink that all were sent, and how many were and should have been, on all queues.
pub(crate) fn last(framing: Framing, sent: u64, offered: u64) -> Vec<u8> {
    let mut packet = blank(framing, LAST);
    write(&mut packet, NUMBER, sent);
    write(&mut packet, KIND, END | LAST as u64);
    write(&mut packet, OFFERED, offered);
    packet
}

/// What a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One of ours, with its number in its stream.
    Data { stream: u8, number: u64 },
    /// The last one: how many were sent and should have been, on all queues.
    End { sent: u64, offered: u64 },
    /// Not ours, or changed on its way.
    Other,
}

/// How packets of that stream are marked, above their length.
pub(crate) fn tag(stream: u8) -> u64 {
    STREAM.iter().fold(DATA, |tag, place| tag | u64::from(stream) << place)
}

/// Whether that is the packet of ours with that [`tag`] and number: `buffer` holds it, and is longer.
#[inline(always)]
pub(crate) fn is_next(buffer: &[u8; LONGEST], len: usize, tag: u64, number: u64) -> bool {
    read(buffer, NUMBER) == Some(number) && read(buffer, KIND) == Some(tag | len as u64)
}

/// Reads a packet.
#[inline]
pub(crate) fn kind(packet: &[u8]) -> Kind {
    let len = packet.len() as u64;
    match (read(packet, NUMBER), read(packet, KIND)) {
        (Some(number), Some(kind)) if kind == tag(stream_of(kind)) | len => {
            Kind::Data { stream: stream_of(kind), number }
        }
        (Some(sent), Some(kind)) if kind == END | len => match read(packet, OFFERED) {
            Some(offered) => Kind::End { sent, offered },
            None => Kind::Other,
        },
        _ => Kind::Other,
    }
}

fn stream_of(kind: u64) -> u8 {
    let [_, _, stream, ..] = kind.to_le_bytes();
    stream
}

#[inline]
fn read(packet: &[u8], at: usize) -> Option<u64> {
    packet.get(at..at + 8)?.try_into().ok().map(u64::from_le_bytes)
}

#[inline]
fn write(packet: &mut [u8], at: usize, value: u64) {
    if let Some(place) = packet.get_mut(at..at + 8) {
        place.copy_from_slice(&value.to_le_bytes());
    }
}

/// A packet of that length with headers, length and kind. Its number is 0.
fn blank(framing: Framing, size: usize) -> Vec<u8> {
    let mut packet = Vec::with_capacity(size);
    if framing == Framing::Ethernet {
        let [to, from] = [TO, FROM].map(|ip| Mac::from_ip(ip.into()));
        packet.extend_from_slice(&frame::header(to, from, EtherType::IPV4));
    }
    let payload = size - packet.len() - Ipv4Header::MIN_LEN;
    let length = u16::try_from(payload).unwrap_or(u16::MAX);
    if let Ok(mut ip) = Ipv4Header::new(length, 64, IpNumber::UDP, FROM, TO) {
        ip.dont_fragment = true;
        ip.header_checksum = ip.calc_header_checksum();
        packet.extend_from_slice(&ip.to_bytes());
    }
    // The checksum is left out, which UDP over IPv4 allows: the number changes with every packet.
    let udp = UdpHeader { source_port: PORT, destination_port: PORT, length, checksum: 0 };
    packet.extend_from_slice(&udp.to_bytes());
    // What cannot be written as zeros only, so that lost bytes show.
    packet.extend((0_u8..=255).cycle().take(size.saturating_sub(packet.len())));
    write(&mut packet, NUMBER, 0);
    write(&mut packet, KIND, DATA | size as u64);
    packet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_carry_their_numbers_and_lengths() {
        for framing in [Framing::Ethernet, Framing::Ip] {
            for sizes in [Sizes::Fixed(64), Sizes::Fixed(65_535), Sizes::Imix] {
                let stream = 254;
                let mut packets = Packets::new(framing, sizes, stream, 3);
                let mut longest = 0;
                for number in 3..103 {
                    assert_eq!(kind(packets.next()), Kind::Data { stream, number });
                    longest = longest.max(packets.next().len());
                    packets.sent();
                }
                assert_eq!(longest, sizes.longest());
                let last = last(framing, 100, 107);
                assert_eq!(kind(&last), Kind::End { sent: 100, offered: 107 });
            }
        }
    }

    #[test]
    fn refused_packets_come_again() {
        for sizes in [Sizes::Fixed(64), Sizes::Fixed(9000), Sizes::Imix] {
            let mut packets = Packets::new(Framing::Ethernet, sizes, 0, 0);
            let (mut numbers, mut bytes) = (Vec::new(), 0);
            let mut sent = 0;
            for room in [0, 1, 40, 7, 16, 0, 100] {
                let mut left = room;
                let push = |packet: &[u8]| {
                    if left == 0 {
                        return Err("full");
                    }
                    left -= 1;
                    bytes += packet.len() as u64;
                    numbers.push(kind(packet));
                    Ok(())
                };
                let (took, refused) =
                    if packets.are_alike() { packets.send_alike(40, push) } else { packets.send_mixed(40, push) };
                sent += took;
                assert_eq!(refused, (room < 40).then_some("full"));
            }
            assert_eq!(sent, bytes);
            let data = |number| Kind::Data { stream: 0, number };
            let expected: Vec<_> = (0..104).map(data).collect();
            assert_eq!(numbers, expected, "{sizes}");
            assert_eq!(packets.number(), 104);
            assert_eq!(kind(packets.next()), data(104));
        }
    }

    #[test]
    fn the_next_packet_is_known() {
        let mut packets = Packets::new(Framing::Ethernet, Sizes::Fixed(100), 9, 0);
        packets.sent();
        let mut buffer = [0; LONGEST];
        buffer[..100].copy_from_slice(packets.next());
        assert!(is_next(&buffer, 100, tag(9), 1));
        assert!(!is_next(&buffer, 100, tag(9), 0), "another number");
        assert!(!is_next(&buffer, 100, tag(8), 1), "another stream");
        assert!(!is_next(&buffer, 99, tag(9), 1), "cut");
        buffer[KIND + 5] ^= 1;
        assert!(!is_next(&buffer, 100, tag(9), 1), "changed");
    }

    #[test]
    fn changed_packets_show() {
        let packets = Packets::new(Framing::Ethernet, Sizes::Fixed(64), 0, 0);
        let packet = packets.next();
        assert_eq!(kind(&packet[..63]), Kind::Other);
        assert_eq!(kind(&[]), Kind::Other);
        let mut changed = Vec::new();
        for byte in [2, 3, 5] {
            changed = packet.to_vec();
            changed[KIND + byte] ^= 1;
            assert_eq!(kind(&changed), Kind::Other);
        }
        changed.push(0);
        assert_eq!(kind(&changed), Kind::Other);
    }

    #[test]
    fn other_programs_can_read_them() {
        let packets = Packets::new(Framing::Ethernet, Sizes::Fixed(200), 0, 0);
        let read = etherparse::SlicedPacket::from_ethernet(packets.next()).unwrap();
        assert!(matches!(read.transport, Some(etherparse::TransportSlice::Udp(_))), "{read:?}");
        let packets = Packets::new(Framing::Ip, Sizes::Fixed(64), 0, 0);
        assert!(etherparse::SlicedPacket::from_ip(packets.next()).is_ok());
    }

    #[test]
    fn sizes_say_what_to_give() {
        assert_eq!("64".parse(), Ok(Sizes::Fixed(64)));
        assert_eq!("9k".parse(), Ok(Sizes::Fixed(9000)));
        assert_eq!("IMIX".parse(), Ok(Sizes::Imix));
        for text in ["", "63", "65536", "-1", "x"] {
            let error = text.parse::<Sizes>().unwrap_err();
            assert!(error.contains("64 to 65535 bytes, or imix"), "{text}: {error}");
        }
    }
}
