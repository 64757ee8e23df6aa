//! Puts a wrong ICMP checksum right, so that everything else in the packet can be looked at.

use etherparse::Ipv4HeaderSlice;
use etherparse::checksum::Sum16BitWords;

use super::echo::ICMP_HEADER;

/// Where the checksum stands in an ICMP message.
const CHECKSUM: std::ops::Range<usize> = 2..4;

/// Writes the right checksum into the ICMP message of an IPv4 packet. `None` when there is no such message.
pub(crate) fn repair(packet: &mut [u8]) -> Option<()> {
    let header = Ipv4HeaderSlice::from_slice(packet).ok()?;
    let message = header.slice().len()..usize::from(header.total_len());
    let message = packet.get_mut(message).filter(|message| message.len() >= ICMP_HEADER)?;
    message.get_mut(CHECKSUM)?.fill(0);
    // The sum of words as they lie in memory is the checksum as it lies in memory.
    let sum = Sum16BitWords::new().add_slice(message).ones_complement();
    message.get_mut(CHECKSUM)?.copy_from_slice(&sum.to_ne_bytes());
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::echo;
    use etherparse::IcmpEchoHeader;
    use proptest::prelude::*;
    use std::net::Ipv4Addr;

    #[test]
    fn the_checksum_that_was_there_comes_back() {
        for len in [0, 1, 8, 57, 1400] {
            let mut packet = Vec::new();
            let ends = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2));
            let header = IcmpEchoHeader { id: 1, seq: 2 };
            echo::append_request(&mut packet, ends, header, len, |bytes| bytes.fill(0xa7));
            let right = packet.clone();
            packet[echo::IPV4_HEADER + 2] ^= 0x55;
            assert!(echo::parse(&packet).is_err());
            packet.extend([1, 2, 3]); // padding is no part of it
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
