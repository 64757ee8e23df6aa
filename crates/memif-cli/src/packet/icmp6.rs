//! ICMPv6: echo requests and neighbour solicitations (RFC 4443, RFC 4861).

use std::net::Ipv6Addr;
use std::ops::Range;

use etherparse::icmpv6::{NdpOptionSlice, NdpOptionsIterator, NeighborAdvertisementHeader};
use etherparse::{
    EtherType, IcmpEchoHeader, Icmpv6Header, Icmpv6Slice, Icmpv6Type, IpNumber, Ipv6Header, Ipv6HeaderSlice,
};

use super::echo::NotEcho;
use super::frame;
use super::mac::Mac;

/// Bytes of an ethernet frame with the advertisement that answers a solicitation.
pub(crate) const ADVERTISEMENT_LEN: usize = frame::ETHERNET_HEADER + Ipv6Header::LEN + ADVERTISEMENT_MESSAGE;

/// Header of the message, target address, and the option with the ethernet address.
const ADVERTISEMENT_MESSAGE: usize = Icmpv6Header::MIN_LEN + 16 + 8;
/// Hops an echo reply may take.
const HOP_LIMIT: u8 = 64;
/// Hop limit of neighbour discovery: no router lets such a packet through, so it comes from the link.
const ON_LINK: u8 = 255;
/// Type of the option that tells the ethernet address of the target, and its length in units of 8 bytes.
const TARGET_LINK_LAYER_ADDRESS: [u8; 2] = [2, 1];
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// A request with a valid checksum, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// Asks for its bytes back.
    Echo(Echo),
    /// Asks who has an address.
    Solicitation(Solicitation),
}

/// An echo request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Echo {
    id: u16,
    sequence: u16,
    /// Where in the packet the ICMP message lies. What follows it is padding.
    icmp: Range<usize>,
}

impl Echo {
    /// Bytes of the packet without padding.
    pub(crate) fn packet_len(&self) -> usize {
        self.icmp.end
    }
}

/// A neighbour solicitation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Solicitation {
    /// Who asks; `None` for a station that makes sure that nobody has the address yet.
    pub(crate) asker: Option<Ipv6Addr>,
    /// The ethernet address that the asker tells.
    pub(crate) asker_mac: Option<Mac>,
    /// The address that is asked for.
    pub(crate) target: Ipv6Addr,
}

/// Source and destination of an IPv6 packet, unverified; `None` without a whole header.
pub(crate) fn ends(packet: &[u8]) -> Option<(Ipv6Addr, Ipv6Addr)> {
    let header = Ipv6HeaderSlice::from_slice(packet).ok()?;
    Some((header.source_addr(), header.destination_addr()))
}

/// The group in which a station listens for solicitations of its address (RFC 4291, 2.7.1).
pub(crate) fn solicited_node(ip: Ipv6Addr) -> Ipv6Addr {
    let [.., a, b, c] = ip.octets();
    Ipv6Addr::from([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, a, b, c])
}

/// Reads what an IP packet asks for.
pub(crate) fn parse(packet: &[u8]) -> Result<Request, NotEcho> {
    let header = Ipv6HeaderSlice::from_slice(packet).map_err(|_| NotEcho::Malformed)?;
    match header.next_header() {
        IpNumber::IPV6_ICMP => {}
        IpNumber::IPV6_FRAGMENTATION_HEADER => return Err(NotEcho::Fragment),
        _ => return Err(NotEcho::Protocol),
    }
    let icmp = Ipv6Header::LEN..Ipv6Header::LEN + usize::from(header.payload_length());
    let bytes = packet.get(icmp.clone()).ok_or(NotEcho::Malformed)?;
    let message = Icmpv6Slice::from_slice(bytes).map_err(|_| NotEcho::Malformed)?;
    if !message.is_checksum_valid(header.source(), header.destination()) {
        return Err(NotEcho::IcmpChecksum);
    }
    match message.icmp_type() {
        Icmpv6Type::EchoRequest(echo) => Ok(Request::Echo(Echo { id: echo.id, sequence: echo.seq, icmp })),
        Icmpv6Type::NeighborSolicitation => solicitation(&header, message.payload()).map(Request::Solicitation),
        _ => Err(NotEcho::OtherMessage),
    }
}

/// The checks of RFC 4861, 7.1.1.
fn solicitation(header: &Ipv6HeaderSlice<'_>, body: &[u8]) -> Result<Solicitation, NotEcho> {
    let (target, options) = body.split_first_chunk::<16>().ok_or(NotEcho::Discovery)?;
    let target = Ipv6Addr::from(*target);
    if header.hop_limit() != ON_LINK || target.is_multicast() {
        return Err(NotEcho::Discovery);
    }
    let mut asker_mac = None;
    for option in NdpOptionsIterator::from_slice(options) {
        let option = option.map_err(|_| NotEcho::Discovery)?;
        if let NdpOptionSlice::SourceLinkLayerAddress(option) = option {
            let mac = <[u8; 6]>::try_from(option.link_layer_address());
            asker_mac = Some(Mac(mac.map_err(|_| NotEcho::Discovery)?));
        }
    }
    let (source, destination) = (header.source_addr(), header.destination_addr());
    let asker = (!source.is_unspecified()).then_some(source);
    let to_group = destination == solicited_node(target);
    // Whoever has no address yet cannot tell where it is, and cannot know that the target exists.
    if asker.is_none() && (asker_mac.is_some() || !to_group) {
        return Err(NotEcho::Discovery);
    }
    if !to_group && destination != target {
        return Err(NotEcho::Discovery);
    }
    Ok(Solicitation { asker, asker_mac, target })
}

/// Turns the request that was read from `packet` into its reply, in place: addresses change places, hop limit and
/// checksum are new, everything else stays. `None` when `packet` is not the one that was read.
pub(crate) fn reply_in_place(packet: &mut [u8], echo: &Echo) -> Option<()> {
    let mut header = Ipv6HeaderSlice::from_slice(packet).ok()?.to_header();
    (header.source, header.destination) = (header.destination, header.source);
    header.hop_limit = HOP_LIMIT;
    let kind = Icmpv6Type::EchoReply(IcmpEchoHeader { id: echo.id, seq: echo.sequence });
    let payload = packet.get(echo.icmp.clone())?.get(Icmpv6Header::MIN_LEN..)?;
    let icmp = Icmpv6Header::with_checksum(kind, header.source, header.destination, payload).ok()?;
    packet.get_mut(..Ipv6Header::LEN)?.copy_from_slice(&header.to_bytes());
    let icmp = icmp.to_bytes();
    packet.get_mut(echo.icmp.clone())?.get_mut(..icmp.len())?.copy_from_slice(&icmp);
    Some(())
}

/// The frame that tells who asked, or every station where that one has no address, that `own` has the target.
/// `from` is the ethernet address that the question came from. `None` is never the case.
pub(crate) fn advertisement(own: Mac, asked: &Solicitation, from: Mac) -> Option<[u8; ADVERTISEMENT_LEN]> {
    let source = asked.target.octets();
    let destination = asked.asker.unwrap_or(ALL_NODES).octets();
    let station = match asked.asker {
        Some(_) => asked.asker_mac.filter(|mac| mac.is_station()).unwrap_or(from),
        None => Mac([0x33, 0x33, 0, 0, 0, 1]),
    };
    let mut payload = [0; ADVERTISEMENT_MESSAGE - Icmpv6Header::MIN_LEN];
    payload[..16].copy_from_slice(&source);
    payload[16..18].copy_from_slice(&TARGET_LINK_LAYER_ADDRESS);
    payload[18..].copy_from_slice(&own.0);
    let kind = Icmpv6Type::NeighborAdvertisement(NeighborAdvertisementHeader {
        router: false,
        solicited: asked.asker.is_some(),
        r#override: true,
    });
    let icmp = Icmpv6Header::with_checksum(kind, source, destination, &payload).ok()?.to_bytes();
    let header = Ipv6Header {
        payload_length: u16::try_from(ADVERTISEMENT_MESSAGE).ok()?,
        next_header: IpNumber::IPV6_ICMP,
        hop_limit: ON_LINK,
        source,
        destination,
        ..Ipv6Header::default()
    };
    let mut bytes = [0; ADVERTISEMENT_LEN];
    let (ethernet, ip) = bytes.split_at_mut(frame::ETHERNET_HEADER);
    ethernet.copy_from_slice(&frame::header(station, own, EtherType::IPV6));
    let (head, message) = ip.split_at_mut(Ipv6Header::LEN);
    head.copy_from_slice(&header.to_bytes());
    let (kind, rest) = message.split_at_mut_checked(icmp.len())?;
    kind.copy_from_slice(&icmp);
    rest.copy_from_slice(&payload);
    Some(bytes)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::packet::mutations::{apply, changes};
    use proptest::prelude::*;

    pub(crate) const A: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1);
    pub(crate) const B: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0x1234, 0x5678);
    const A_MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const B_MAC: Mac = Mac([2, 0, 0, 0, 0, 2]);

    /// An IPv6 packet with that message, whose checksum is computed here and not by what is tested.
    pub(crate) fn packet(from: Ipv6Addr, to: Ipv6Addr, hops: u8, message: &[u8]) -> Vec<u8> {
        let len = u16::try_from(message.len()).unwrap();
        let mut bytes = vec![0x60, 0, 0, 0];
        bytes.extend(len.to_be_bytes());
        bytes.extend([58, hops]);
        bytes.extend(from.octets());
        bytes.extend(to.octets());
        let mut sum = u32::from(len) + 58;
        let mut message = message.to_vec();
        message[2..4].fill(0);
        for pair in bytes[8..].chunks(2).chain(message.chunks(2)) {
            sum += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
        }
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        message[2..4].copy_from_slice(&(!u16::try_from(sum).unwrap()).to_be_bytes());
        bytes.extend(message);
        bytes
    }

    pub(crate) fn echo(len: usize) -> Vec<u8> {
        let mut message = vec![128, 0, 0, 0, 0, 7, 0, 9];
        message.extend((0..len).map(|at| at.to_le_bytes()[0]));
        packet(A, B, 64, &message)
    }

    fn question(target: Ipv6Addr, options: &[u8]) -> Vec<u8> {
        let mut message = vec![135, 0, 0, 0, 0, 0, 0, 0];
        message.extend(target.octets());
        message.extend(options);
        message
    }

    const TELLS_MAC: [u8; 8] = [1, 1, 2, 0, 0, 0, 0, 1];

    /// The question for `B` as Linux and VPP ask it.
    pub(crate) fn solicit() -> Vec<u8> {
        packet(A, solicited_node(B), 255, &question(B, &TELLS_MAC))
    }

    /// The question of a station that wants to take `B`.
    pub(crate) fn probe() -> Vec<u8> {
        packet(Ipv6Addr::UNSPECIFIED, solicited_node(B), 255, &question(B, &[]))
    }

    #[test]
    fn echo_requests_become_replies() {
        for len in [0, 1, 56, 9000, 65_535 - 8] {
            let mut bytes = echo(len);
            bytes.extend([0xaa; 3]); // padding
            let Ok(Request::Echo(read)) = parse(&bytes) else { panic!("not read") };
            assert_eq!(read.packet_len(), 48 + len);
            reply_in_place(&mut bytes, &read).unwrap();
            let mut message = vec![129, 0, 0, 0, 0, 7, 0, 9];
            message.extend(&echo(len)[48..]);
            assert_eq!(bytes[..48 + len], packet(B, A, 64, &message));
        }
    }

    #[test]
    fn groups_are_made_of_the_last_three_bytes() {
        assert_eq!(solicited_node(B).to_string(), "ff02::1:ff34:5678");
    }

    #[test]
    fn solicitations_are_answered_to_the_asker() {
        for (bytes, told) in [
            (solicit(), Some(A_MAC)),
            // Unicast, as a station asks whose neighbour may be gone; the option may be left out.
            (packet(A, B, 255, &question(B, &[])), None),
            // Options of other types are skipped.
            (packet(A, B, 255, &question(B, &[14, 1, 0, 0, 0, 0, 0, 0])), None),
        ] {
            let Ok(Request::Solicitation(asked)) = parse(&bytes) else { panic!("not read") };
            assert_eq!(asked, Solicitation { asker: Some(A), asker_mac: told, target: B });
            let frame = advertisement(B_MAC, &asked, A_MAC).unwrap();
            assert_eq!(frame[..14], frame::header(A_MAC, B_MAC, EtherType::IPV6));
            let mut message = vec![136, 0, 0, 0, 0x60, 0, 0, 0];
            message.extend(B.octets());
            message.extend([2, 1, 2, 0, 0, 0, 0, 2]);
            assert_eq!(frame[14..], packet(B, A, 255, &message));
        }
    }

    #[test]
    fn a_probe_for_a_double_address_is_answered_to_all() {
        let Ok(Request::Solicitation(asked)) = parse(&probe()) else { panic!("not read") };
        assert_eq!((asked.asker, asked.asker_mac), (None, None));
        let frame = advertisement(B_MAC, &asked, A_MAC).unwrap();
        assert_eq!(frame[..6], [0x33, 0x33, 0, 0, 0, 1]);
        let mut message = vec![136, 0, 0, 0, 0x20, 0, 0, 0];
        message.extend(B.octets());
        message.extend([2, 1, 2, 0, 0, 0, 0, 2]);
        assert_eq!(frame[14..], packet(B, ALL_NODES, 255, &message));
    }

    #[test]
    fn each_fault_has_its_name() {
        let fault = |bytes: Vec<u8>| parse(&bytes).unwrap_err();
        let nobody = Ipv6Addr::UNSPECIFIED;
        let group = solicited_node(B);
        for bytes in [
            packet(A, group, 254, &question(B, &TELLS_MAC)), // came through a router
            packet(A, group, 255, &question(ALL_NODES, &TELLS_MAC)), // a group has no neighbour
            packet(A, group, 255, &question(B, &[1, 0, 0, 0, 0, 0, 0, 0])), // no end
            packet(A, group, 255, &question(B, &[1, 2, 0, 0, 0, 0, 0, 0])), // beyond the end
            packet(A, group, 255, &question(B, &[1])),
            packet(A, group, 255, &question(B, &[1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])),
            packet(A, group, 255, &question(B, &[])[..23]),
            packet(A, ALL_NODES, 255, &question(B, &TELLS_MAC)),
            packet(nobody, group, 255, &question(B, &TELLS_MAC)),
            packet(nobody, B, 255, &question(B, &[])),
        ] {
            assert_eq!(fault(bytes), NotEcho::Discovery);
        }
        assert_eq!(fault(packet(A, B, 64, &[129, 0, 0, 0, 0, 7, 0, 9])), NotEcho::OtherMessage);
        assert_eq!(fault(packet(A, B, 64, &[128, 1, 0, 0, 0, 7, 0, 9])), NotEcho::OtherMessage);
        let changed = |at: usize, value: u8| {
            let mut bytes = echo(8);
            bytes[at] = value;
            fault(bytes)
        };
        assert_eq!(changed(0, 0x40), NotEcho::Malformed);
        assert_eq!(changed(5, 17), NotEcho::Malformed); // longer than the packet
        assert_eq!(changed(5, 7), NotEcho::Malformed); // shorter than a message
        assert_eq!(changed(6, 44), NotEcho::Fragment);
        assert_eq!(changed(6, 0), NotEcho::Protocol); // hop-by-hop options
        assert_eq!(changed(6, 17), NotEcho::Protocol);
        assert_eq!(changed(55, 0), NotEcho::IcmpChecksum);
        assert_eq!(changed(23, 9), NotEcho::IcmpChecksum); // the addresses are summed up, too
        assert_eq!(fault(echo(8)[..39].to_vec()), NotEcho::Malformed);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
            let _ = ends(&bytes);
        }

        /// With a checksum that fits.
        #[test]
        fn any_change_is_read_and_answered_without_a_panic(
            kind in 0..3,
            changes in changes(),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut message = match kind { 0 => solicit(), 1 => probe(), _ => echo(20) }.split_off(40);
            apply(changes, &mut message);
            let mut bytes = packet(A, B, 255, &message);
            let read = parse(&bytes);
            bytes.truncate(cut.index(bytes.len() + 1));
            match read {
                Ok(Request::Echo(echo)) => { let _ = reply_in_place(&mut bytes, &echo); }
                Ok(Request::Solicitation(asked)) => {
                    prop_assert!(advertisement(B_MAC, &asked, A_MAC).is_some());
                }
                Err(_) => {}
            }
        }
    }
}
