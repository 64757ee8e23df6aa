//! ICMPv6: echo and neighbour discovery (RFC 4443, RFC 4861).

use std::net::Ipv6Addr;

use etherparse::icmpv6::{NdpOptionSlice, NdpOptionsIterator, NeighborAdvertisementHeader};
use etherparse::{IcmpEchoHeader, Icmpv6Header, Icmpv6Slice, Icmpv6Type, IpNumber, Ipv6Header, Ipv6HeaderSlice};

use super::echo::{Echo, NotEcho, TIME_TO_LIVE};
use super::mac::Mac;

/// Bytes of the headers of an echo request of ours: IPv6, ICMP.
pub(crate) const HEADERS: usize = Ipv6Header::LEN + Icmpv6Header::MIN_LEN;
/// Most bytes after the headers.
pub(crate) const MAX_PAYLOAD: usize = 65_535 - Icmpv6Header::MIN_LEN;

/// Hop limit of neighbour discovery: no router lets such a packet through, so it comes from the link.
const ON_LINK: u8 = 255;
/// Types of the options that tell the ethernet address of who asks and of who answers; and their length in units of
/// 8 bytes.
const SOURCE_LINK_LAYER_ADDRESS: u8 = 1;
const TARGET_LINK_LAYER_ADDRESS: u8 = 2;
const OPTION_LENGTH: u8 = 1;
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// A message with a valid checksum, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// Asks for its bytes back, or brings them.
    Echo(Echo),
    /// Asks who has an address.
    Solicitation(Solicitation),
    /// Tells who has an address.
    Advertisement(Advertisement),
}

/// A neighbour advertisement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Advertisement {
    /// The address that is told of.
    pub(crate) target: Ipv6Addr,
    /// The ethernet address that has it, where that is told.
    pub(crate) mac: Option<Mac>,
}

/// An IP packet of neighbour discovery, and the ethernet address that it goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Discovery {
    pub(crate) to: Mac,
    pub(crate) packet: Vec<u8>,
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

/// Reads an IPv6 packet, which may be followed by padding.
pub(crate) fn parse(packet: &[u8]) -> Result<Message, NotEcho> {
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
    let echo = |request, echo: IcmpEchoHeader| {
        Ok(Message::Echo(Echo {
            request,
            source: header.source_addr().into(),
            destination: header.destination_addr().into(),
            time_to_live: header.hop_limit(),
            id: echo.id,
            sequence: echo.seq,
            icmp: icmp.clone(),
        }))
    };
    match message.icmp_type() {
        Icmpv6Type::EchoRequest(header) => echo(true, header),
        Icmpv6Type::EchoReply(header) => echo(false, header),
        Icmpv6Type::NeighborSolicitation => solicitation(&header, message.payload()).map(Message::Solicitation),
        Icmpv6Type::NeighborAdvertisement(flags) => {
            advertised(&header, flags, message.payload()).map(Message::Advertisement)
        }
        _ => Err(NotEcho::OtherMessage),
    }
}

/// The target of a message of neighbour discovery, and what follows it.
fn discovery<'a>(header: &Ipv6HeaderSlice<'_>, body: &'a [u8]) -> Result<(Ipv6Addr, &'a [u8]), NotEcho> {
    let (target, options) = body.split_first_chunk::<16>().ok_or(NotEcho::Discovery)?;
    let target = Ipv6Addr::from(*target);
    if header.hop_limit() != ON_LINK || target.is_multicast() {
        return Err(NotEcho::Discovery);
    }
    Ok((target, options))
}

/// The ethernet address that one of the options tells, as `wanted` finds it there. All must be whole.
fn told<'a>(
    options: &'a [u8],
    wanted: impl Fn(&NdpOptionSlice<'a>) -> Option<&'a [u8]>,
) -> Result<Option<Mac>, NotEcho> {
    let mut mac = None;
    for option in NdpOptionsIterator::from_slice(options) {
        let option = option.map_err(|_| NotEcho::Discovery)?;
        if let Some(address) = wanted(&option) {
            mac = Some(Mac(<[u8; 6]>::try_from(address).map_err(|_| NotEcho::Discovery)?));
        }
    }
    Ok(mac)
}

/// The checks of RFC 4861, 7.1.1.
fn solicitation(header: &Ipv6HeaderSlice<'_>, body: &[u8]) -> Result<Solicitation, NotEcho> {
    let (target, options) = discovery(header, body)?;
    let asker_mac = told(options, |option| match option {
        NdpOptionSlice::SourceLinkLayerAddress(option) => Some(option.link_layer_address()),
        _ => None,
    })?;
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

/// The checks of RFC 4861, 7.1.2.
fn advertised(
    header: &Ipv6HeaderSlice<'_>,
    flags: NeighborAdvertisementHeader,
    body: &[u8],
) -> Result<Advertisement, NotEcho> {
    let (target, options) = discovery(header, body)?;
    let mac = told(options, |option| match option {
        NdpOptionSlice::TargetLinkLayerAddress(option) => Some(option.link_layer_address()),
        _ => None,
    })?;
    if flags.solicited && header.destination_addr().is_multicast() {
        return Err(NotEcho::Discovery);
    }
    Ok(Advertisement { target, mac })
}

/// Turns the request that was read from `packet` into its reply, in place: addresses change places, hop limit and
/// checksum are new, everything else stays. `None` when `packet` is not the one that was read.
pub(crate) fn reply_in_place(packet: &mut [u8], echo: &Echo) -> Option<()> {
    let mut header = Ipv6HeaderSlice::from_slice(packet).ok()?.to_header();
    (header.source, header.destination) = (header.destination, header.source);
    header.hop_limit = TIME_TO_LIVE;
    let kind = Icmpv6Type::EchoReply(IcmpEchoHeader { id: echo.id, seq: echo.sequence });
    let payload = packet.get(echo.icmp.clone())?.get(Icmpv6Header::MIN_LEN..)?;
    let icmp = Icmpv6Header::with_checksum(kind, header.source, header.destination, payload).ok()?;
    packet.get_mut(..Ipv6Header::LEN)?.copy_from_slice(&header.to_bytes());
    let icmp = icmp.to_bytes();
    packet.get_mut(echo.icmp.clone())?.get_mut(..icmp.len())?.copy_from_slice(&icmp);
    Some(())
}

/// Appends an echo request from `source` to `destination` to `packet`; `fill` writes its `payload_len` bytes, at most
/// [`MAX_PAYLOAD`].
pub(crate) fn append_request(
    packet: &mut Vec<u8>,
    (source, destination): (Ipv6Addr, Ipv6Addr),
    echo: IcmpEchoHeader,
    hop_limit: u8,
    payload_len: usize,
    fill: impl FnOnce(&mut [u8]),
) {
    let start = packet.len();
    let payload = start + HEADERS;
    packet.resize(payload + payload_len.min(MAX_PAYLOAD), 0);
    fill(&mut packet[payload..]);
    let ends = (source.octets(), destination.octets());
    let kind = Icmpv6Type::EchoRequest(echo);
    // An error is of a payload that is too long, which this is not.
    let checksum = kind.calc_checksum(ends.0, ends.1, &packet[payload..]).unwrap_or_default();
    let icmp = Icmpv6Header { icmp_type: kind, checksum }.to_bytes();
    let header = header(ends, hop_limit, packet.len() - start - Ipv6Header::LEN);
    packet[start..start + Ipv6Header::LEN].copy_from_slice(&header.to_bytes());
    packet[start + Ipv6Header::LEN..payload].copy_from_slice(&icmp);
}

fn header((source, destination): ([u8; 16], [u8; 16]), hop_limit: u8, message_len: usize) -> Ipv6Header {
    Ipv6Header {
        payload_length: u16::try_from(message_len).unwrap_or(u16::MAX),
        next_header: IpNumber::IPV6_ICMP,
        hop_limit,
        source,
        destination,
        ..Ipv6Header::default()
    }
}

/// Asks the stations of the link who has `target`. `None` is never the case.
pub(crate) fn solicit(own: (Mac, Ipv6Addr), target: Ipv6Addr) -> Option<Discovery> {
    let group = solicited_node(target);
    let option = (SOURCE_LINK_LAYER_ADDRESS, own.0);
    let packet = about_neighbour((own.1, group), Icmpv6Type::NeighborSolicitation, target, option)?;
    Some(Discovery { to: Mac::of_group(group), packet })
}

/// Tells who asked, or every station where that one has no address, that `own` has the target. `from` is the ethernet
/// address that the question came from. `None` is never the case.
pub(crate) fn advertisement(own: Mac, asked: &Solicitation, from: Mac) -> Option<Discovery> {
    let destination = asked.asker.unwrap_or(ALL_NODES);
    let to = match asked.asker {
        Some(_) => asked.asker_mac.filter(|mac| mac.is_station()).unwrap_or(from),
        None => Mac::of_group(ALL_NODES),
    };
    let kind = Icmpv6Type::NeighborAdvertisement(NeighborAdvertisementHeader {
        router: false,
        solicited: asked.asker.is_some(),
        r#override: true,
    });
    let option = (TARGET_LINK_LAYER_ADDRESS, own);
    let packet = about_neighbour((asked.target, destination), kind, asked.target, option)?;
    Some(Discovery { to, packet })
}

/// A packet of neighbour discovery with one option, which tells an ethernet address.
fn about_neighbour(
    (source, destination): (Ipv6Addr, Ipv6Addr),
    kind: Icmpv6Type,
    target: Ipv6Addr,
    (option, mac): (u8, Mac),
) -> Option<Vec<u8>> {
    let body = [&target.octets()[..], &[option, OPTION_LENGTH], &mac.0].concat();
    let ends = (source.octets(), destination.octets());
    let icmp = Icmpv6Header::with_checksum(kind, ends.0, ends.1, &body).ok()?.to_bytes();
    let header = header(ends, ON_LINK, icmp.len() + body.len());
    Some([&header.to_bytes()[..], &icmp, &body].concat())
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
    pub(crate) fn solicitation_of_b() -> Vec<u8> {
        packet(A, solicited_node(B), 255, &question(B, &TELLS_MAC))
    }

    /// The question of a station that wants to take `B`.
    pub(crate) fn probe() -> Vec<u8> {
        packet(Ipv6Addr::UNSPECIFIED, solicited_node(B), 255, &question(B, &[]))
    }

    /// The answer of `B`.
    fn answer_of_b() -> Vec<u8> {
        let asked = Solicitation { asker: Some(A), asker_mac: Some(A_MAC), target: B };
        advertisement(B_MAC, &asked, A_MAC).unwrap().packet
    }

    #[test]
    fn echo_requests_become_replies() {
        for len in [0, 1, 56, 9000, 65_535 - 8] {
            let mut bytes = echo(len);
            bytes.extend([0xaa; 3]); // padding
            let Ok(Message::Echo(read)) = parse(&bytes) else { panic!("not read") };
            assert_eq!(read.packet_len(), 48 + len);
            reply_in_place(&mut bytes, &read).unwrap();
            let mut message = vec![129, 0, 0, 0, 0, 7, 0, 9];
            message.extend(&echo(len)[48..]);
            assert_eq!(bytes[..48 + len], packet(B, A, 64, &message));
        }
    }

    #[test]
    fn requests_are_as_the_rfcs_write_them() {
        for len in [0, 1, 56, 9000, MAX_PAYLOAD] {
            let mut bytes = vec![0xaa]; // what stands before it stays
            append_request(&mut bytes, (A, B), IcmpEchoHeader { id: 7, seq: 9 }, 64, len, |payload| {
                payload.iter_mut().zip(0_usize..).for_each(|(byte, at)| *byte = at.to_le_bytes()[0]);
            });
            assert_eq!((bytes[0], &bytes[1..]), (0xaa, &echo(len)[..]));
            let Ok(Message::Echo(read)) = parse(&bytes[1..]) else { panic!("not read") };
            assert!(read.request);
            assert_eq!((read.source, read.destination), (A.into(), B.into()));
            assert_eq!((read.id, read.sequence, read.time_to_live), (7, 9, 64));
            assert_eq!(read.payload(&bytes[1..]).len(), len);
        }
    }

    #[test]
    fn our_question_and_its_answer_are_read() {
        let question = solicit((A_MAC, A), B).unwrap();
        assert_eq!((question.to, &question.packet), (Mac::of_group(solicited_node(B)), &solicitation_of_b()));
        let Ok(Message::Solicitation(asked)) = parse(&question.packet) else { panic!("not read") };
        let answer = advertisement(B_MAC, &asked, A_MAC).unwrap();
        let wanted = Advertisement { target: B, mac: Some(B_MAC) };
        assert_eq!(parse(&answer.packet), Ok(Message::Advertisement(wanted)));
        // The option may be left out where the question went to one station.
        let mut message = vec![136, 0, 0, 0, 0x40, 0, 0, 0];
        message.extend(B.octets());
        let short = packet(B, A, 255, &message);
        assert_eq!(parse(&short), Ok(Message::Advertisement(Advertisement { target: B, mac: None })));
        for wrong in [
            packet(B, A, 254, &message),
            packet(B, ALL_NODES, 255, &message),
            packet(B, A, 255, &message[..23]),
            packet(B, A, 255, &[&message[..], &[2, 2, 0, 0, 0, 0, 0, 0]].concat()),
        ] {
            assert_eq!(parse(&wrong), Err(NotEcho::Discovery));
        }
    }

    #[test]
    fn groups_are_made_of_the_last_three_bytes() {
        assert_eq!(solicited_node(B).to_string(), "ff02::1:ff34:5678");
    }

    #[test]
    fn solicitations_are_answered_to_the_asker() {
        for (bytes, told) in [
            (solicitation_of_b(), Some(A_MAC)),
            // Unicast, as a station asks whose neighbour may be gone; the option may be left out.
            (packet(A, B, 255, &question(B, &[])), None),
            // Options of other types are skipped.
            (packet(A, B, 255, &question(B, &[14, 1, 0, 0, 0, 0, 0, 0])), None),
        ] {
            let Ok(Message::Solicitation(asked)) = parse(&bytes) else { panic!("not read") };
            assert_eq!(asked, Solicitation { asker: Some(A), asker_mac: told, target: B });
            let answer = advertisement(B_MAC, &asked, A_MAC).unwrap();
            assert_eq!(answer.to, A_MAC);
            let mut message = vec![136, 0, 0, 0, 0x60, 0, 0, 0];
            message.extend(B.octets());
            message.extend([2, 1, 2, 0, 0, 0, 0, 2]);
            assert_eq!(answer.packet, packet(B, A, 255, &message));
        }
    }

    #[test]
    fn a_probe_for_a_double_address_is_answered_to_all() {
        let Ok(Message::Solicitation(asked)) = parse(&probe()) else { panic!("not read") };
        assert_eq!((asked.asker, asked.asker_mac), (None, None));
        let answer = advertisement(B_MAC, &asked, A_MAC).unwrap();
        assert_eq!(answer.to.0, [0x33, 0x33, 0, 0, 0, 1]);
        let mut message = vec![136, 0, 0, 0, 0x20, 0, 0, 0];
        message.extend(B.octets());
        message.extend([2, 1, 2, 0, 0, 0, 0, 2]);
        assert_eq!(answer.packet, packet(B, ALL_NODES, 255, &message));
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
        assert_eq!(fault(packet(A, B, 64, &[130, 0, 0, 0, 0, 7, 0, 9])), NotEcho::OtherMessage);
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
            kind in 0..4,
            changes in changes(),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut message = match kind { 0 => solicitation_of_b(), 1 => probe(), 2 => answer_of_b(), _ => echo(20) }.split_off(40);
            apply(changes, &mut message);
            let mut bytes = packet(A, B, 255, &message);
            let read = parse(&bytes);
            bytes.truncate(cut.index(bytes.len() + 1));
            match read {
                Ok(Message::Echo(echo)) => { let _ = reply_in_place(&mut bytes, &echo); }
                Ok(Message::Solicitation(asked)) => {
                    prop_assert!(advertisement(B_MAC, &asked, A_MAC).is_some());
                }
                Ok(Message::Advertisement(_)) | Err(_) => {}
            }
        }
    }
}
