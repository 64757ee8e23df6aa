//! ARP for IPv4 over ethernet.

use std::net::Ipv4Addr;

use etherparse::{ArpEthIpv4Packet, ArpOperation, ArpPacketSlice};

use super::mac::Mac;
use super::station::Station;

/// Bytes of an ARP packet.
pub(crate) const PACKET_LEN: usize = ArpEthIpv4Packet::LEN;

/// An ARP packet, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arp {
    pub(crate) request: bool,
    pub(crate) sender: Station,
    pub(crate) target: Station,
}

/// Reads what follows the ethernet header; `None` when it is no request or reply for IPv4 over ethernet.
pub(crate) fn parse(payload: &[u8]) -> Option<Arp> {
    let packet = ArpPacketSlice::from_slice(payload).ok()?.to_packet().try_eth_ipv4().ok()?;
    let request = match packet.operation {
        ArpOperation::REQUEST => true,
        ArpOperation::REPLY => false,
        _ => return None,
    };
    Some(Arp {
        request,
        sender: Station { mac: Mac(packet.sender_mac), ip: packet.sender_ipv4_addr() },
        target: Station { mac: Mac(packet.target_mac), ip: packet.target_ipv4_addr() },
    })
}

/// The packet that asks every station for the ethernet address of `wanted`.
pub(crate) fn request(own: Station, wanted: Ipv4Addr) -> [u8; PACKET_LEN] {
    build(ArpOperation::REQUEST, own, Station { mac: Mac([0; 6]), ip: wanted })
}

/// The packet that tells `asker` the ethernet address of `own`.
pub(crate) fn reply(own: Station, asker: Station) -> [u8; PACKET_LEN] {
    build(ArpOperation::REPLY, own, asker)
}

fn build(operation: ArpOperation, sender: Station, target: Station) -> [u8; PACKET_LEN] {
    let packet = ArpEthIpv4Packet {
        operation,
        sender_mac: sender.mac.0,
        sender_ipv4: sender.ip.octets(),
        target_mac: target.mac.0,
        target_ipv4: target.ip.octets(),
    };
    let mut bytes = [0; PACKET_LEN];
    bytes.copy_from_slice(&packet.to_bytes());
    bytes
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::packet::frame;
    use etherparse::EtherType;

    /// In an ethernet frame, as stations without a VLAN send it.
    pub(crate) fn request_frame(own: Station, wanted: Ipv4Addr) -> Vec<u8> {
        [&frame::header(Mac::BROADCAST, own.mac, EtherType::ARP)[..], &request(own, wanted)].concat()
    }

    /// In an ethernet frame, as stations without a VLAN send it.
    pub(crate) fn reply_frame(own: Station, asker: Station) -> Vec<u8> {
        [&frame::header(asker.mac, own.mac, EtherType::ARP)[..], &reply(own, asker)].concat()
    }

    fn station(last: u8) -> Station {
        let ip = Ipv4Addr::new(10, 0, 0, last);
        Station { mac: Mac::from_ip(ip.into()), ip }
    }

    #[test]
    fn request_is_read_back() {
        let arp = parse(&request(station(1), station(2).ip)).unwrap();
        assert!(arp.request);
        assert_eq!((arp.sender, arp.target.ip), (station(1), station(2).ip));
    }

    #[test]
    fn reply_goes_to_the_asker() {
        let arp = parse(&reply(station(2), station(1))).unwrap();
        assert!(!arp.request);
        assert_eq!((arp.sender, arp.target), (station(2), station(1)));
    }

    #[test]
    fn other_protocols_and_operations_are_not_taken_for_ours() {
        let good = request(station(1), station(2).ip);
        for (at, value) in [(1, 6), (3, 1), (4, 5), (5, 3), (7, 3)] {
            let mut bad = good;
            bad[at] = value;
            assert_eq!(parse(&bad), None, "byte {at}");
        }
        assert_eq!(parse(&good[..27]), None);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }
    }
}
