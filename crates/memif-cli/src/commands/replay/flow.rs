//! Which flow a packet belongs to, so that the packets of one stay in their order on one queue.

use crate::packet::Framing;

/// A number that all packets of a flow have: of its addresses, protocol and ports, or, where it is not IP, of its
/// Ethernet addresses. Fragments have no ports, so all of a packet between two addresses stay together only among
/// themselves.
pub(super) fn number_of(framing: Framing, packet: &[u8]) -> u16 {
    let (kind, ip) = match framing {
        Framing::Ip => (None, packet),
        Framing::Ethernet => behind_tags(packet),
    };
    let mut sum = Sum::default();
    let version = ip.first().map(|first| first >> 4);
    match (kind, version) {
        (None | Some(0x0800), Some(4)) => {
            sum.add(ip, 9..10);
            sum.add(ip, 12..20);
            let header = usize::from(ip.first().copied().unwrap_or_default() & 0xf) * 4;
            let whole = ip.get(6..8).is_some_and(|bytes| bytes[0] & 0x3f == 0 && bytes[1] == 0);
            if whole && has_ports(ip.get(9)) {
                sum.add(ip, header..header + 4);
            }
        }
        (None | Some(0x86dd), Some(6)) => {
            sum.add(ip, 6..7);
            sum.add(ip, 8..40);
            if has_ports(ip.get(6)) {
                sum.add(ip, 40..44);
            }
        }
        _ => sum.add(packet, 0..12),
    }
    sum.number()
}

/// The type of what an Ethernet frame carries, behind its VLAN tags, and its bytes.
fn behind_tags(frame: &[u8]) -> (Option<u16>, &[u8]) {
    let mut at = 12;
    loop {
        let kind = frame.get(at..at + 2).and_then(|bytes| Some(u16::from_be_bytes(bytes.try_into().ok()?)));
        match kind {
            Some(0x8100 | 0x88a8) => at += 4,
            kind => return (kind.or(Some(0)), frame.get(at + 2..).unwrap_or_default()),
        }
    }
}

/// TCP, UDP, SCTP.
fn has_ports(protocol: Option<&u8>) -> bool {
    matches!(protocol, Some(6 | 17 | 132))
}

/// FNV-1a.
struct Sum(u64);

impl Default for Sum {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Sum {
    fn add(&mut self, bytes: &[u8], range: std::ops::Range<usize>) {
        for byte in bytes.get(range).unwrap_or_default() {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn number(self) -> u16 {
        // The last bytes have reached the lower half alone.
        let mixed = (self.0 ^ (self.0 >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let [high, low, ..] = mixed.to_be_bytes();
        u16::from_be_bytes([high, low])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn udp(port: u8, payload: u8, fragment: u8) -> Vec<u8> {
        let mut packet = vec![0x45, 0, 0, 32, payload, 0, 0, fragment, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        packet.extend([0, port, 0, 53, 0, 12, 0, 0, payload, 0, 0, 0]);
        packet
    }

    #[test]
    fn packets_of_a_flow_have_one_number() {
        let ip = |packet: Vec<u8>| number_of(Framing::Ip, &packet);
        assert_eq!(ip(udp(7, 1, 0)), ip(udp(7, 2, 0)));
        assert_ne!(ip(udp(7, 1, 0)), ip(udp(8, 1, 0)));
        // What a fragment has in place of ports says nothing.
        assert_eq!(ip(udp(7, 1, 3)), ip(udp(8, 1, 3)));
        let tagged = |port| [&[2; 12][..], &[0x81, 0, 0, 7, 8, 0], &udp(port, 1, 0)].concat();
        assert_ne!(number_of(Framing::Ethernet, &tagged(7)), number_of(Framing::Ethernet, &tagged(8)));
        let arp = |last| [&[2; 11][..], &[last, 8, 6, last]].concat();
        assert_ne!(number_of(Framing::Ethernet, &arp(1)), number_of(Framing::Ethernet, &arp(2)));
    }

    #[test]
    fn any_bytes_have_a_number() {
        for length in 0..60 {
            for first in [0, 0x45, 0x4f, 0x60] {
                let packet = vec![first; length];
                let _ = (number_of(Framing::Ip, &packet), number_of(Framing::Ethernet, &packet));
            }
        }
    }
}
