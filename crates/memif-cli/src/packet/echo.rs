//! ICMP echo over IPv4: reading a packet, turning a request into its reply, making a request.

use std::net::{IpAddr, Ipv4Addr};
use std::ops::Range;

use etherparse::{IcmpEchoHeader, Icmpv4Header, Icmpv4Slice, Icmpv4Type, IpNumber, Ipv4Header, Ipv4HeaderSlice};

use super::checksum::sums_up;

/// Bytes of the headers of an echo request of ours: IPv4 without options, ICMP.
pub(crate) const HEADERS: usize = IPV4_HEADER + ICMP_HEADER;
/// Bytes of an IPv4 header without options.
pub(crate) const IPV4_HEADER: usize = Ipv4Header::MIN_LEN;
/// Bytes of the header of an echo request or reply.
pub(crate) const ICMP_HEADER: usize = Icmpv4Header::MIN_LEN;
/// Most bytes after the headers: an IPv4 packet has 65,535 at most.
pub(crate) const MAX_PAYLOAD: usize = 65_535 - HEADERS;

/// Hops a packet of ours may take where nothing else is said.
pub(crate) const TIME_TO_LIVE: u8 = 64;

/// Why an IP packet is no echo, and no neighbour solicitation, that can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotEcho {
    /// No IP header, or lengths that contradict each other or the packet.
    Malformed,
    /// The checksum of the IPv4 header is wrong.
    HeaderChecksum,
    /// A part of a packet.
    Fragment,
    /// Another protocol than ICMP.
    Protocol,
    /// The checksum of the ICMP message is wrong.
    IcmpChecksum,
    /// Another ICMP message.
    OtherMessage,
    /// A neighbour solicitation that breaks a rule of RFC 4861.
    Discovery,
}

/// An echo request or reply of either family with valid checksums, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Echo {
    pub(crate) request: bool,
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    /// Hops that the packet could still take.
    pub(crate) time_to_live: u8,
    pub(crate) id: u16,
    pub(crate) sequence: u16,
    /// Where in the packet the ICMP message lies. What follows it is padding.
    pub(super) icmp: Range<usize>,
}

/// How a request is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Manner {
    /// Hops it may take.
    pub(crate) time_to_live: u8,
    /// Whether routers may not cut it into fragments. IPv6 knows nothing else.
    pub(crate) dont_fragment: bool,
}

impl Default for Manner {
    fn default() -> Self {
        Self { time_to_live: TIME_TO_LIVE, dont_fragment: true }
    }
}

impl Echo {
    /// Bytes of the packet without padding.
    pub(crate) fn packet_len(&self) -> usize {
        self.icmp.end
    }

    /// Bytes of the ICMP message, its header included.
    pub(crate) fn icmp_len(&self) -> usize {
        self.icmp.len()
    }

    /// The bytes after the ICMP header. `packet` must be the one that was read; of another one the
    /// answer has no meaning and may be empty.
    pub(crate) fn payload<'a>(&self, packet: &'a [u8]) -> &'a [u8] {
        packet.get(self.icmp.start + ICMP_HEADER..self.icmp.end).unwrap_or_default()
    }
}

/// Source and destination of an IPv4 packet, unverified; `None` without a whole header.
pub(crate) fn ends(packet: &[u8]) -> Option<(Ipv4Addr, Ipv4Addr)> {
    let header = Ipv4HeaderSlice::from_slice(packet).ok()?;
    Some((header.source_addr(), header.destination_addr()))
}

/// Reads an IPv4 packet, which may be followed by padding, and checks both checksums.
pub(crate) fn parse(packet: &[u8]) -> Result<Echo, NotEcho> {
    let header = Ipv4HeaderSlice::from_slice(packet).map_err(|_| NotEcho::Malformed)?;
    let icmp = header.slice().len()..usize::from(header.total_len());
    let message = packet.get(icmp.clone()).ok_or(NotEcho::Malformed)?;
    if !sums_up(header.slice()) {
        return Err(NotEcho::HeaderChecksum);
    }
    if header.is_fragmenting_payload() {
        return Err(NotEcho::Fragment);
    }
    if header.protocol() != IpNumber::ICMP {
        return Err(NotEcho::Protocol);
    }
    // The checksum comes first: a message whose bytes are not as they were sent is not interpreted.
    if message.len() < ICMP_HEADER {
        return Err(NotEcho::Malformed);
    }
    if !sums_up(message) {
        return Err(NotEcho::IcmpChecksum);
    }
    let kind = Icmpv4Slice::from_slice(message).map_err(|_| NotEcho::Malformed)?.icmp_type();
    let (request, echo) = match kind {
        Icmpv4Type::EchoRequest(echo) => (true, echo),
        Icmpv4Type::EchoReply(echo) => (false, echo),
        _ => return Err(NotEcho::OtherMessage),
    };
    Ok(Echo {
        request,
        source: header.source_addr().into(),
        destination: header.destination_addr().into(),
        time_to_live: header.ttl(),
        id: echo.id,
        sequence: echo.seq,
        icmp,
    })
}

/// Turns the request that was read from `packet` into its reply, in place: addresses change places, time to
/// live and both checksums are new, everything else stays, as do IPv4 options. `None` when `packet` is not
/// the one that was read.
pub(crate) fn reply_in_place(packet: &mut [u8], echo: &Echo) -> Option<()> {
    let mut header = Ipv4HeaderSlice::from_slice(packet).ok()?.to_header();
    (header.source, header.destination) = (header.destination, header.source);
    header.time_to_live = TIME_TO_LIVE;
    header.header_checksum = header.calc_header_checksum();
    let header = header.to_bytes();
    let kind = Icmpv4Type::EchoReply(IcmpEchoHeader { id: echo.id, seq: echo.sequence });
    let icmp = Icmpv4Header::with_checksum(kind, echo.payload(packet)).to_bytes();
    packet.get_mut(..header.len())?.copy_from_slice(&header);
    packet.get_mut(echo.icmp.clone())?.get_mut(..icmp.len())?.copy_from_slice(&icmp);
    Some(())
}

/// Appends an echo request from `source` to `destination` to `packet`; `fill` writes its `payload_len`
/// bytes, at most [`MAX_PAYLOAD`].
pub(crate) fn append_request(
    packet: &mut Vec<u8>,
    (source, destination): (Ipv4Addr, Ipv4Addr),
    echo: IcmpEchoHeader,
    manner: Manner,
    payload_len: usize,
    fill: impl FnOnce(&mut [u8]),
) {
    let start = packet.len();
    let payload = start + HEADERS;
    packet.resize(payload + payload_len.min(MAX_PAYLOAD), 0);
    fill(&mut packet[payload..]);
    let kind = Icmpv4Type::EchoRequest(echo);
    let icmp = Icmpv4Header::with_checksum(kind, &packet[payload..]).to_bytes();
    let total_len = u16::try_from(packet.len() - start).unwrap_or(u16::MAX);
    let mut header = Ipv4Header {
        total_len,
        identification: echo.seq,
        dont_fragment: manner.dont_fragment,
        time_to_live: manner.time_to_live,
        protocol: IpNumber::ICMP,
        source: source.octets(),
        destination: destination.octets(),
        ..Ipv4Header::default()
    };
    header.header_checksum = header.calc_header_checksum();
    packet[start..start + IPV4_HEADER].copy_from_slice(&header.to_bytes());
    packet[start + IPV4_HEADER..payload].copy_from_slice(&icmp);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::mutations::{apply, changes};
    use etherparse::checksum::Sum16BitWords;
    use proptest::prelude::*;

    const A: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 1);
    const B: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 2);

    fn request(len: usize) -> Vec<u8> {
        let mut packet = Vec::new();
        append_request(&mut packet, (A, B), IcmpEchoHeader { id: 7, seq: 9 }, Manner::default(), len, |bytes| {
            for (at, byte) in bytes.iter_mut().enumerate() {
                *byte = at.to_le_bytes()[0];
            }
        });
        packet
    }

    /// An echo request of 8 bytes, written and summed up by hand from RFC 791 and RFC 792.
    const KNOWN: [u8; 36] = [
        0x45, 0, 0, 36, 0, 9, 0x40, 0, 64, 1, 0xb7, 0x7c, 192, 168, 1, 1, 192, 168, 1, 2, // IPv4
        8, 0, 0xeb, 0xdf, 0, 7, 0, 9, // ICMP echo request, id 7, sequence 9
        0, 1, 2, 3, 4, 5, 6, 7,
    ];

    #[test]
    fn request_is_as_the_rfcs_write_it() {
        assert_eq!(request(8), KNOWN);
    }

    #[test]
    fn hops_and_leave_to_fragment_are_as_asked_for() {
        let mut packet = Vec::new();
        let manner = Manner { time_to_live: 3, dont_fragment: false };
        append_request(&mut packet, (A, B), IcmpEchoHeader { id: 7, seq: 9 }, manner, 8, |bytes| bytes.fill(1));
        assert_eq!((packet[6], packet[8]), (0, 3));
        assert_eq!(parse(&packet).unwrap().time_to_live, 3);
    }

    #[test]
    fn sizes_from_none_to_the_largest_are_read_back() {
        for len in [0, 1, 8, 56, 1472, 9000, MAX_PAYLOAD] {
            let packet = request(len);
            let echo = parse(&packet).unwrap();
            assert!(echo.request);
            assert_eq!((echo.source, echo.destination), (A.into(), B.into()));
            assert_eq!((echo.id, echo.sequence, echo.time_to_live), (7, 9, 64));
            assert_eq!(echo.packet_len(), HEADERS + len);
            assert_eq!(echo.payload(&packet).len(), len);
        }
    }

    #[test]
    fn reply_swaps_the_ends_and_keeps_the_payload() {
        for len in [0, 1, 57, 9000, MAX_PAYLOAD] {
            let original = request(len);
            let mut packet = original.clone();
            packet[8] = 3; // time to live on arrival
            packet[10..12].fill(0);
            let mut header = Ipv4HeaderSlice::from_slice(&packet).unwrap().to_header();
            header.header_checksum = header.calc_header_checksum();
            packet[..20].copy_from_slice(&header.to_bytes());
            packet.extend([0xaa; 10]); // padding
            let echo = parse(&packet).unwrap();
            reply_in_place(&mut packet, &echo).unwrap();
            let reply = parse(&packet).unwrap();
            assert!(!reply.request);
            assert_eq!((reply.source, reply.destination, reply.time_to_live), (B.into(), A.into(), 64));
            assert_eq!((reply.id, reply.sequence), (7, 9));
            assert_eq!(reply.payload(&packet), &original[HEADERS..]);
        }
    }

    #[test]
    fn options_are_skipped_and_kept() {
        let plain = request(8);
        let mut header = Ipv4HeaderSlice::from_slice(&plain).unwrap().to_header();
        header.options = [1, 1, 1, 0].into();
        header.total_len += 4;
        header.header_checksum = header.calc_header_checksum();
        let mut packet = header.to_bytes().to_vec();
        packet.extend(&plain[IPV4_HEADER..]);
        let echo = parse(&packet).unwrap();
        reply_in_place(&mut packet, &echo).unwrap();
        let reply = parse(&packet).unwrap();
        assert_eq!(reply.payload(&packet), &plain[HEADERS..]);
        assert_eq!(packet[20..24], [1, 1, 1, 0]);
    }

    /// `packet` with one change and a header checksum that fits again.
    fn changed(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut packet = request(16);
        change(&mut packet);
        packet[10..12].fill(0);
        let sum = Sum16BitWords::new().add_slice(&packet[..20]).ones_complement().to_ne_bytes();
        packet[10..12].copy_from_slice(&sum);
        packet
    }

    #[test]
    fn each_fault_has_its_name() {
        let fault = |packet: Vec<u8>| parse(&packet).unwrap_err();
        assert!(parse(&changed(|_| ())).is_ok());
        assert_eq!(fault(request(16)[..43].to_vec()), NotEcho::Malformed);
        assert_eq!(fault(changed(|p| p[0] = 0x65)), NotEcho::Malformed);
        assert_eq!(fault(changed(|p| p[0] = 0x44)), NotEcho::Malformed);
        assert_eq!(fault(changed(|p| p[2..4].copy_from_slice(&[0, 19]))), NotEcho::Malformed);
        assert_eq!(fault(changed(|p| p[2..4].copy_from_slice(&[0, 27]))), NotEcho::Malformed);
        assert_eq!(fault(changed(|p| p[6] = 0x20)), NotEcho::Fragment);
        assert_eq!(fault(changed(|p| p[7] = 1)), NotEcho::Fragment);
        assert_eq!(fault(changed(|p| p[9] = 17)), NotEcho::Protocol);
        assert_eq!(fault(changed(|p| p[43] ^= 1)), NotEcho::IcmpChecksum);
        let mut wrong = request(16);
        wrong[8] -= 1;
        assert_eq!(fault(wrong), NotEcho::HeaderChecksum);
        // Types 13 and 8 with code 1, each with a checksum that fits.
        for (kind, code) in [(13, 0), (3, 0), (8, 1)] {
            let mut other = request(16);
            other[20..22].copy_from_slice(&[kind, code]);
            other[22..24].fill(0);
            let sum = Sum16BitWords::new().add_slice(&other[20..]).ones_complement().to_ne_bytes();
            other[22..24].copy_from_slice(&sum);
            assert!(matches!(fault(other), NotEcho::OtherMessage | NotEcho::Malformed));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
            let _ = ends(&bytes);
        }

        #[test]
        fn any_change_is_read_and_answered_without_a_panic(
            len in 0usize..64,
            changes in changes(),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut packet = request(len);
            apply(changes, &mut packet);
            let echo = parse(&packet);
            packet.truncate(cut.index(packet.len() + 1));
            if let Ok(echo) = echo {
                let _ = echo.payload(&packet);
                let _ = reply_in_place(&mut packet, &echo);
            }
        }
    }
}
