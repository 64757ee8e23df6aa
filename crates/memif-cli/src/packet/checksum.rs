//! The internet checksum: whether it is right, and a wrong one of ICMP put right, so that everything else in the packet
//! can be looked at.

use etherparse::checksum::Sum16BitWords;
use etherparse::{IpNumber, Ipv4HeaderSlice, Ipv6Header, Ipv6HeaderSlice};

/// Bytes of the header of an ICMP message of either family.
const ICMP_HEADER: usize = 8;
/// Where the checksum stands in an ICMP message.
const CHECKSUM: std::ops::Range<usize> = 2..4;

/// Whether bytes that contain their internet checksum sum up as they should.
pub(crate) fn sums_up(bytes: &[u8]) -> bool {
    Sum16BitWords::new().add_slice(bytes).ones_complement() == 0
}

/// Writes the right checksum into the ICMP message of an IP packet. `None` when there is no such message.
pub(crate) fn repair(packet: &mut [u8]) -> Option<()> {
    let (message, sum) = match packet.first()? >> 4 {
        4 => {
            let header = Ipv4HeaderSlice::from_slice(packet).ok()?;
            (header.slice().len()..usize::from(header.total_len()), Sum16BitWords::new())
        }
        6 => {
            let header = Ipv6HeaderSlice::from_slice(packet).ok()?;
            let len = header.payload_length();
            // The pseudo header of RFC 8200, 8.1.
            let sum = Sum16BitWords::new()
                .add_16bytes(header.source())
                .add_16bytes(header.destination())
                .add_4bytes(u32::from(len).to_be_bytes())
                .add_4bytes([0, 0, 0, IpNumber::IPV6_ICMP.0]);
            (Ipv6Header::LEN..Ipv6Header::LEN + usize::from(len), sum)
        }
        _ => return None,
    };
    let message = packet.get_mut(message).filter(|message| message.len() >= ICMP_HEADER)?;
    message.get_mut(CHECKSUM)?.fill(0);
    // The sum of words as they lie in memory is the checksum as it lies in memory.
    let sum = sum.add_slice(message).ones_complement();
    message.get_mut(CHECKSUM)?.copy_from_slice(&sum.to_ne_bytes());
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::echo::{self, Manner};
    use crate::packet::icmp6;
    use etherparse::IcmpEchoHeader;
    use proptest::prelude::*;
    use std::net::Ipv4Addr;

    #[test]
    fn the_checksum_that_was_there_comes_back() {
        for len in [0, 1, 8, 57, 1400] {
            let mut packet = Vec::new();
            let ends = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2));
            let header = IcmpEchoHeader { id: 1, seq: 2 };
            echo::append_request(&mut packet, ends, header, Manner::default(), len, |bytes| bytes.fill(0xa7));
            let right = packet.clone();
            packet[echo::IPV4_HEADER + 2] ^= 0x55;
            assert!(echo::parse(&packet).is_err());
            packet.extend([1, 2, 3]); // padding is no part of it
            repair(&mut packet).unwrap();
            assert_eq!(packet[..right.len()], right);
        }
    }

    #[test]
    fn the_checksum_of_ipv6_comes_back() {
        for len in [0, 1, 8, 57, 1400] {
            let right = icmp6::tests::echo(len);
            let mut packet = right.clone();
            packet[42] ^= 0x55;
            assert!(icmp6::parse(&packet).is_err());
            packet.extend([1, 2, 3]);
            repair(&mut packet).unwrap();
            assert_eq!(packet[..right.len()], right);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_without_a_panic(mut bytes: Vec<u8>) {
            repair(&mut bytes);
        }
    }
}
