//! What packets of a watched link begin with: nothing in its memory says so, but the packets do.

use memif_capture::decode::{is_ethernet, is_ip};
use memif_watch::{Link, Ring};

use crate::packet::Framing;

/// Packets of each ring that are looked at.
const SAMPLE: u16 = 64;
/// Bytes of each that are enough to tell.
const ENOUGH: u32 = 2048;

/// What packets tell of their link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Evidence {
    ethernet: u32,
    ip: u32,
    /// Those that tell nothing.
    other: u32,
}

impl Evidence {
    /// Of what lies in those rings: the last packets, old ones too.
    pub(super) fn of<'r>(link: &Link, rings: impl Iterator<Item = &'r Ring>) -> Self {
        let mut evidence = Self::default();
        for ring in rings {
            let Ok(cursors) = link.cursors(ring) else { continue };
            let count = SAMPLE.min(ring.size);
            let mut descriptors = Vec::new();
            let from = cursors.sent(ring.direction).wrapping_sub(count);
            // What cannot be read tells nothing.
            let _ = link.descriptors(ring, from, count, &mut descriptors);
            for descriptor in descriptors {
                let mut bytes = Vec::new();
                let length = descriptor.length.min(ENOUGH);
                if link.buffer(descriptor.region, descriptor.offset, length, &mut bytes).is_ok() {
                    evidence.add(&bytes);
                }
            }
        }
        evidence
    }

    fn add(&mut self, packet: &[u8]) {
        if packet.iter().all(|byte| *byte == 0) {
            return;
        }
        let kind = match (is_ip(packet), is_ethernet(packet)) {
            (true, _) => &mut self.ip,
            (_, true) => &mut self.ethernet,
            _ => &mut self.other,
        };
        *kind += 1;
    }

    /// Whether there was any packet.
    pub(super) fn is_any(self) -> bool {
        self != Self::default()
    }

    /// What they begin with, and how that is known.
    pub(super) fn framing(self) -> (Framing, String) {
        let Self { ethernet, ip, other } = self;
        let seen = |kind: &str, of: u32| format!("{kind}, as {of} of {} packets show", ethernet + ip + other);
        match (ethernet, ip) {
            (0, 0) if other == 0 => (Framing::Ethernet, "ethernet, as no packet shows anything else".to_owned()),
            (0, 0) => (Framing::Ethernet, "ethernet, which is a guess: no packet shows what it is".to_owned()),
            _ if ip > ethernet => (Framing::Ip, seen("ip", ip)),
            _ => (Framing::Ethernet, seen("ethernet", ethernet)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_packets_decide() {
        let mut evidence = Evidence::default();
        assert!(!evidence.is_any());
        evidence.add(&[0; 60]);
        assert!(!evidence.is_any());
        evidence.add(&[1; 60]);
        let (framing, why) = evidence.framing();
        assert!(framing == Framing::Ethernet && why.contains("guess"), "{why}");
        let mut ip6 = [0; 48];
        (ip6[0], ip6[5]) = (0x60, 8);
        evidence.add(&ip6);
        let (framing, why) = evidence.framing();
        assert!(framing == Framing::Ip && why.contains("1 of 2"), "{why}");
        let frame: Vec<u8> = [2; 12].into_iter().chain([0x86, 0xdd]).chain(ip6).collect();
        evidence.add(&frame);
        assert_eq!(evidence.framing().0, Framing::Ethernet);
    }
}
