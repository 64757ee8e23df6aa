//! Spreading packets over queues so that those of one flow stay in order: the hash of receive side scaling.
//!
//! Of memif's rings each is for one thread at each end, so a program with several threads needs several, and packets
//! of one flow, such as a TCP connection, have to take one of them all the time. [`FlowHash`] is what network cards do
//! for that: the Toeplitz hash of addresses and ports. With the usual key it gives the number that a card gives, so a
//! program behind a card and one behind a memif can agree on who serves which flow. With the
//! [symmetric](FlowHash::symmetric) one both directions of a flow have the same hash.
//!
//! ```
//! use memif::Mode;
//! use memif::flow::FlowHash;
//!
//! let hash = FlowHash::symmetric();
//! let mut packet = [0; 42];
//! packet[12..16].copy_from_slice(&[0x08, 0x00, 0x45, 0x00]); // IPv4 in Ethernet
//! packet[17] = 28;
//! packet[23] = 17; // UDP
//! packet[26..34].copy_from_slice(&[192, 0, 2, 1, 198, 51, 100, 7]);
//! packet[34..40].copy_from_slice(&[0x12, 0x34, 0x00, 0x35, 0, 8]);
//! let queue = hash.queue(Mode::Ethernet, &packet, 4);
//! assert!(queue < 4);
//! // The answer.
//! packet[26..34].copy_from_slice(&[198, 51, 100, 7, 192, 0, 2, 1]);
//! packet[34..38].copy_from_slice(&[0x00, 0x35, 0x12, 0x34]);
//! assert_eq!(hash.queue(Mode::Ethernet, &packet, 4), queue);
//! ```
//!
//! What is hashed: source and destination address, and source and destination port of TCP and UDP where the packet is
//! not a fragment; 802.1Q tags are passed over. Of a fragmented packet, the first fragment included, and of other
//! protocols the addresses alone, as cards do. What is not IP, or cut in the IP header, has the hash 0.
//!
//! Source: Microsoft's documents on receive side scaling ("RSS hashing types", "Verifying the RSS hash calculation"),
//! by whose vectors it is tested.

mod toeplitz;

use etherparse::{LaxNetSlice, LaxSlicedPacket, TransportSlice};

use crate::queue::Packet;
use crate::terms::Mode;
pub use toeplitz::KEY_SIZE;
use toeplitz::Toeplitz;

/// The key of Microsoft's documents, which most drivers set unless they are told another one.
pub const USUAL_KEY: [u8; KEY_SIZE] = [
    0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b,
    0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac,
    0x01, 0xfa,
];

/// Entries of the table that cards look a queue up in, by the low bits of the hash.
const TABLE: u32 = 128;

/// Bytes that hold all headers that are looked at: Ethernet with three tags, and the longest headers of IPv4 and TCP or
/// IPv6 with extension headers of the usual kind.
const HEADERS: usize = 256;

/// The hash of flows, for one key. It takes 4.5 KiB, and can be shared by threads.
#[derive(Clone)]
pub struct FlowHash {
    toeplitz: Toeplitz,
}

impl Default for FlowHash {
    /// By the [usual key](USUAL_KEY).
    fn default() -> Self {
        Self::with_key(&USUAL_KEY)
    }
}

impl FlowHash {
    /// By a key of one's own, such as the one that a card was set to.
    #[must_use]
    pub fn with_key(key: &[u8; KEY_SIZE]) -> Self {
        Self { toeplitz: Toeplitz::new(key) }
    }

    /// By a key that repeats every 16 bits, with which both directions of a flow have the same hash (S. Woo and K.
    /// Park, "Scalable TCP session monitoring with symmetric receive-side scaling", 2012). It spreads flows less well
    /// where many differ in few bits.
    #[must_use]
    pub fn symmetric() -> Self {
        let mut key = [0; KEY_SIZE];
        key.iter_mut().zip([0x6d, 0x5a].iter().cycle()).for_each(|(byte, of)| *byte = *of);
        Self::with_key(&key)
    }

    /// The hash of a packet; 0 where it is not IP.
    #[must_use]
    pub fn hash(&self, mode: Mode, packet: &[u8]) -> u32 {
        let sliced = match mode {
            Mode::Ethernet => LaxSlicedPacket::from_ethernet(packet).ok(),
            Mode::Ip => LaxSlicedPacket::from_ip(packet).ok(),
            Mode::PuntInject => None,
        };
        sliced.map_or(0, |sliced| self.of(&sliced))
    }

    /// The hash of a received packet, of which it copies the first 256 bytes.
    #[must_use]
    pub fn hash_received(&self, mode: Mode, packet: &Packet<'_>) -> u32 {
        let mut headers = [0; HEADERS];
        let copied = packet.copy_to(&mut headers);
        self.hash(mode, headers.get(..copied).unwrap_or_default())
    }

    /// Which of so many queues a packet takes: by the low 7 bits of its hash in a table of 128 entries that name the
    /// queues in turn, as drivers fill it unless they are told another one. 0 where there are no queues.
    #[must_use]
    pub fn queue(&self, mode: Mode, packet: &[u8], queues: usize) -> usize {
        queue_of(self.hash(mode, packet), queues)
    }

    /// The same of a received packet, of which it copies the first 256 bytes.
    #[must_use]
    pub fn queue_of_received(&self, mode: Mode, packet: &Packet<'_>, queues: usize) -> usize {
        queue_of(self.hash_received(mode, packet), queues)
    }

    fn of(&self, packet: &LaxSlicedPacket<'_>) -> u32 {
        let ports = match (&packet.net, &packet.transport) {
            (Some(net), _) if net.ip_payload_ref().is_some_and(|payload| payload.fragmented) => None,
            (_, Some(TransportSlice::Tcp(tcp))) => Some((tcp.source_port(), tcp.destination_port())),
            (_, Some(TransportSlice::Udp(udp))) => Some((udp.source_port(), udp.destination_port())),
            _ => None,
        };
        let ports = ports.map(|(source, destination)| [source.to_be_bytes(), destination.to_be_bytes()]);
        let ports = ports.as_ref().map_or(&[][..], |ports| ports.as_flattened());
        match &packet.net {
            Some(LaxNetSlice::Ipv4(ip)) => {
                self.toeplitz.hash([&ip.header().source(), &ip.header().destination(), ports])
            }
            Some(LaxNetSlice::Ipv6(ip)) => {
                self.toeplitz.hash([&ip.header().source(), &ip.header().destination(), ports])
            }
            _ => 0,
        }
    }
}

fn queue_of(hash: u32, queues: usize) -> usize {
    ((hash % TABLE) as usize).checked_rem(queues).unwrap_or(0)
}

impl std::fmt::Debug for FlowHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FlowHash").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
