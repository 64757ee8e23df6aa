//! ARP for IPv4 over ethernet.

use std::net::Ipv4Addr;

use etherparse::{ArpEthIpv4Packet, ArpOperation, ArpPacketSlice, EtherType};

use super::frame;
use super::mac::Mac;
use super::station::Station;

/// Bytes of an ethernet frame with an ARP packet.
pub(crate) const FRAME_LEN: usize = frame::ETHERNET_HEADER + ArpEthIpv4Packet::LEN;

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

/// The frame that asks every station for the ethernet address of `wanted`.
pub(crate) fn request(own: Station, wanted: Ipv4Addr) -> [u8; FRAME_LEN] {
    let target = Station { mac: Mac([0; 6]), ip: wanted };
    build(Mac::BROADCAST, ArpOperation::REQUEST, own, target)
}

/// The frame that tells `asker` the ethernet address of `own`.
pub(crate) fn reply(own: Station, asker: Station) -> [u8; FRAME_LEN] {
    build(asker.mac, ArpOperation::REPLY, own, asker)
}

fn build(destination: Mac, operation: ArpOperation, sender: Station, target: Station) -> [u8; FRAME_LEN] {
    let packet = ArpEthIpv4Packet {
        operation,
        sender_mac: sender.mac.0,
        sender_ipv4: sender.ip.octets(),
        target_mac: target.mac.0,
        target_ipv4: target.ip.octets(),
    };
    let mut bytes = [0; FRAME_LEN];
    let (head, body) = bytes.split_at_mut(frame::ETHERNET_HEADER);
    head.copy_from_slice(&frame::header(destination, sender.mac, EtherType::ARP));
    body.copy_from_slice(&packet.to_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn station(last: u8) -> Station {
        let ip = Ipv4Addr::new(10, 0, 0, last);
        Station { mac: Mac::from_ip(ip), ip }
    }

    #[test]
    fn request_is_read_back_and_goes_to_all() {
        let bytes = request(station(1), station(2).ip);
        let head = frame::parse(&bytes).unwrap();
        assert_eq!(head.destination, Mac::BROADCAST);
        assert_eq!(head.ether_type, EtherType::ARP);
        let arp = parse(&bytes[frame::ETHERNET_HEADER..]).unwrap();
        assert!(arp.request);
        assert_eq!((arp.sender, arp.target.ip), (station(1), station(2).ip));
    }

    #[test]
    fn reply_goes_to_the_asker() {
        let bytes = reply(station(2), station(1));
        assert_eq!(frame::parse(&bytes).unwrap().destination, station(1).mac);
        let arp = parse(&bytes[frame::ETHERNET_HEADER..]).unwrap();
        assert!(!arp.request);
        assert_eq!((arp.sender, arp.target), (station(2), station(1)));
    }

    #[test]
    fn other_protocols_and_operations_are_not_taken_for_ours() {
        let good = request(station(1), station(2).ip)[frame::ETHERNET_HEADER..].to_vec();
        for (at, value) in [(1, 6), (3, 1), (4, 5), (5, 3), (7, 3)] {
            let mut bad = good.clone();
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
