//! How long a packet is, as its own headers say.

use etherparse::{
    ArpPacketSlice, EtherType, Ethernet2HeaderSlice, IpNumber, Ipv4HeaderSlice, Ipv6HeaderSlice, SingleVlanHeaderSlice,
};

use crate::LinkType;

/// Tags before what a frame carries that are looked through.
const MOST_TAGS: usize = 4;
/// Bytes of a header of IPv6.
const IPV6_HEADER: usize = 40;

/// The length that a packet's headers give it: those of ARP, IPv4 and IPv6, behind Ethernet and tags of VLANs where
/// there are some. `None` where they give none. `data` may hold more than the packet.
///
/// What a sender added to fill a frame up is not counted, as no header says how much that is.
#[must_use]
pub fn length(link_type: LinkType, data: &[u8]) -> Option<usize> {
    match link_type {
        LinkType::Ethernet => of_frame(data),
        LinkType::RawIp => of_ip(data),
    }
}

/// Whether a packet is one of IP. `data` is its beginning, and may hold more than the packet.
#[must_use]
pub fn is_ip(data: &[u8]) -> bool {
    match data.first().map(|first| first >> 4) {
        // A header whose sum is not filled in, as before a network card does it, is not told from chance.
        Some(4) => Ipv4HeaderSlice::from_slice(data).is_ok_and(|header| {
            of_ip(data).is_some() && header.header_checksum() == header.to_header().calc_header_checksum()
        }),
        Some(6) => Ipv6HeaderSlice::from_slice(data).is_ok_and(|header| {
            let common = [IpNumber::TCP, IpNumber::UDP, IpNumber::IPV6_ICMP].contains(&header.next_header());
            of_ip(data).is_some_and(|length| common || length <= data.len())
        }),
        _ => false,
    }
}

/// Whether a packet begins with an Ethernet header of a kind that is known here; `data` as for [`is_ip`].
#[must_use]
pub fn is_ethernet(data: &[u8]) -> bool {
    let Ok(header) = Ethernet2HeaderSlice::from_slice(data) else { return false };
    match header.ether_type() {
        EtherType::IPV4 | EtherType::IPV6 | EtherType::ARP => of_frame(data).is_some(),
        other => TAGS.contains(&other),
    }
}

/// Those of tags of VLANs.
const TAGS: [EtherType; 3] =
    [EtherType::VLAN_TAGGED_FRAME, EtherType::PROVIDER_BRIDGING, EtherType::VLAN_DOUBLE_TAGGED_FRAME];

fn of_frame(data: &[u8]) -> Option<usize> {
    let header = Ethernet2HeaderSlice::from_slice(data).ok()?;
    let (mut kind, mut before) = (header.ether_type(), header.slice().len());
    for _ in 0..MOST_TAGS {
        let inner = data.get(before..)?;
        let length = match kind {
            EtherType::IPV4 | EtherType::IPV6 => of_ip(inner)?,
            EtherType::ARP => ArpPacketSlice::from_slice(inner).ok()?.slice().len(),
            tag if TAGS.contains(&tag) => {
                let tag = SingleVlanHeaderSlice::from_slice(inner).ok()?;
                (kind, before) = (tag.ether_type(), before + tag.slice().len());
                continue;
            }
            _ => return None,
        };
        return Some(before + length);
    }
    None
}

fn of_ip(data: &[u8]) -> Option<usize> {
    match data.first()? >> 4 {
        4 => {
            let header = Ipv4HeaderSlice::from_slice(data).ok()?;
            // Zero is left to the network card.
            let total = usize::from(header.total_len());
            (total >= header.slice().len()).then_some(total)
        }
        6 => {
            // Zero is that of a jumbogram, or left to the network card.
            let payload = Ipv6HeaderSlice::from_slice(data).ok()?.payload_length();
            (payload > 0).then(|| IPV6_HEADER + usize::from(payload))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header of IPv4 with its sum, of a packet of that length.
    fn ip4(length: u16) -> Vec<u8> {
        let payload = length - 20;
        etherparse::Ipv4Header::new(payload, 64, IpNumber::UDP, [10, 0, 0, 1], [10, 0, 0, 2])
            .map(|mut header| {
                header.header_checksum = header.calc_header_checksum();
                header.to_bytes().to_vec()
            })
            .unwrap()
    }

    fn ip6(payload: u8) -> Vec<u8> {
        let mut packet = vec![0; 40];
        packet[0] = 0x60;
        packet[5] = payload;
        packet
    }

    fn frame(kinds: &[u16], inner: &[u8]) -> Vec<u8> {
        let mut frame = vec![2; 12];
        for (at, kind) in kinds.iter().enumerate() {
            if at > 0 {
                frame.extend([0, 5]);
            }
            frame.extend(kind.to_be_bytes());
        }
        frame.extend(inner);
        frame
    }

    fn arp() -> Vec<u8> {
        let mut packet = vec![0; 28];
        packet[..8].copy_from_slice(&[0, 1, 8, 0, 6, 4, 0, 1]);
        packet
    }

    #[test]
    fn headers_tell_the_length() {
        let jumbo = ip6(0);
        for (packet, expected) in [
            (frame(&[0x0800], &ip4(84)), Some(98)),
            (frame(&[0x86dd], &ip6(8)), Some(62)),
            (frame(&[0x0806], &arp()), Some(42)),
            (frame(&[0x8100, 0x0800], &ip4(20)), Some(38)),
            (frame(&[0x88a8, 0x8100, 0x0806], &arp()), Some(50)),
            // Nothing that tells, or not all of it.
            (frame(&[0x88cc], &[1; 50]), None),
            (frame(&[0x86dd], &jumbo), None),
            (frame(&[0x0800], &[0x45; 19]), None),
            (frame(&[0x0800], &[0x55; 20]), None),
            (frame(&[0x8100; 9], &ip4(84)), None),
            (vec![0; 13], None),
        ] {
            assert_eq!(length(LinkType::Ethernet, &packet), expected, "{packet:02x?}");
        }
        for (packet, expected) in
            [(ip4(84), Some(84)), (ip6(1), Some(41)), (jumbo, None), (Vec::new(), None), (vec![0x45], None)]
        {
            assert_eq!(length(LinkType::RawIp, &packet), expected);
        }
    }

    #[test]
    fn both_kinds_are_told_apart() {
        let filled = |mut packet: Vec<u8>| {
            packet.resize(128, 0);
            packet
        };
        for packet in [ip4(84), ip6(8)] {
            assert!(is_ip(&filled(packet.clone())) && !is_ethernet(&filled(packet)));
        }
        for packet in [frame(&[0x0800], &ip4(84)), frame(&[0x0806], &arp()), frame(&[0x8100, 0x0800], &ip4(84))] {
            assert!(is_ethernet(&filled(packet.clone())) && !is_ip(&filled(packet)));
        }
        // An address that begins like a header, a sum that is wrong, a length that does not fit.
        let mut address = frame(&[0x0800], &ip4(84));
        address[..2].copy_from_slice(&[0x45, 0]);
        assert!(!is_ip(&filled(address)));
        assert!(!is_ip(&[0; 64]) && !is_ethernet(&[0; 64]));
        // The beginning is enough.
        assert!(is_ip(&ip4(1500)) && is_ethernet(&frame(&[0x0800], &ip4(1500))));
    }
}
