//! Where the headers of a frame stand.

use super::parts::{IPV4_HEADER, IPV6_HEADER, TCP_CHECKSUM, TCP_LENGTH, UDP_CHECKSUM, UDP_HEADER, sum, word};
use crate::packet::Framing;

/// Where an ethernet header says what follows.
const ETHER_TYPE: usize = 12;
const ETHER_TYPE_IPV4: u16 = 0x0800;
const ETHER_TYPE_IPV6: u16 = 0x86dd;
/// What says that a VLAN tag of four bytes follows: 802.1Q, 802.1ad.
const TAGS: [u16; 2] = [0x8100, 0x88a8];
const MOST_TAGS: usize = 2;

const TCP: u8 = 6;
const UDP: u8 = 17;

/// IP versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    V4,
    V6,
}

/// Where the IP header starts, and its version.
pub(super) fn network(frame: &[u8], framing: Framing) -> Option<(usize, Version)> {
    let mut at = 0;
    if framing == Framing::Ethernet {
        at = ETHER_TYPE;
        let mut tags = 0;
        loop {
            match word(frame, at)? {
                ETHER_TYPE_IPV4 | ETHER_TYPE_IPV6 => break,
                tag if TAGS.contains(&tag) && tags < MOST_TAGS => tags += 1,
                _ => return None,
            }
            at += 4;
        }
        at += 2;
    }
    let version = match frame.get(at)? >> 4 {
        4 => Version::V4,
        6 => Version::V6,
        _ => return None,
    };
    // A frame whose type says otherwise is none of either.
    let right = match (framing, word(frame, at.wrapping_sub(2))) {
        (Framing::Ip, _) => true,
        (_, Some(ETHER_TYPE_IPV4)) => version == Version::V4,
        (_, Some(ETHER_TYPE_IPV6)) => version == Version::V6,
        _ => false,
    };
    right.then_some((at, version))
}

/// What the transport layer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    Tcp,
    Udp,
}

impl Transport {
    /// Where its header has the checksum.
    pub(super) fn checksum(self) -> usize {
        match self {
            Self::Tcp => TCP_CHECKSUM,
            Self::Udp => UDP_CHECKSUM,
        }
    }

    /// Its number in an IP header.
    pub(super) fn number(self) -> u8 {
        match self {
            Self::Tcp => TCP,
            Self::Udp => UDP,
        }
    }

    /// Bytes of the header that starts there.
    pub(super) fn header_len(self, header: &[u8]) -> Option<usize> {
        match self {
            Self::Tcp => header.get(TCP_LENGTH).map(|len| usize::from(len >> 4) * 4),
            Self::Udp => Some(UDP_HEADER),
        }
    }
}

/// The headers of a TCP or UDP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layers {
    /// Where the IP header starts.
    pub(super) network: usize,
    pub(super) version: Version,
    /// Where the TCP or UDP header starts.
    pub(super) transport: usize,
    pub(super) kind: Transport,
    /// Where the payload starts.
    pub(super) payload: usize,
}

impl Layers {
    /// Of a frame with nothing but those headers: no fragment, no options of IPv4, no extension headers of IPv6.
    pub(super) fn plain(frame: &[u8], framing: Framing) -> Option<Self> {
        let (network, version) = network(frame, framing)?;
        let (header_len, kind) = match version {
            Version::V4 => {
                let fragment = word(frame, network + 6)? & 0x3fff;
                if *frame.get(network)? != 0x45 || fragment != 0 {
                    return None;
                }
                (IPV4_HEADER, *frame.get(network + 9)?)
            }
            Version::V6 => (IPV6_HEADER, *frame.get(network + 6)?),
        };
        let kind = [Transport::Tcp, Transport::Udp].into_iter().find(|known| known.number() == kind)?;
        let transport = network + header_len;
        let payload = transport + kind.header_len(frame.get(transport..)?)?;
        (payload <= frame.len()).then_some(Self { network, version, transport, kind, payload })
    }

    /// The sum of the pseudo header, without the length in it.
    pub(super) fn pseudo(self, frame: &[u8]) -> u64 {
        let addresses = match self.version {
            Version::V4 => self.network + 12..self.network + 20,
            Version::V6 => self.network + 8..self.network + 40,
        };
        sum(frame.get(addresses).unwrap_or_default(), u64::from(self.kind.number()))
    }
}
