//! A packet in one line, in the manner of tcpdump.
//!
//! Told are Ethernet, tags of VLANs, ARP, IPv4 and IPv6 with fragments and extension headers, ICMP and ICMPv6, TCP,
//! UDP, and what is inside of VXLAN (UDP port 4789), GTP-U (UDP port 2152) and IP in IP; of all else its type and
//! length. What is cut off is marked as tcpdump does it: `[|tcp]` stands where a header of TCP is not all there.
//!
//! The [length] of a packet, where nothing but its bytes is left of it, is that of its headers.
//!
//! A packet may hold anything. It is looked through once, from its beginning, and no further than so many layers; the
//! line has numbers, addresses and words of this module only, none of its bytes.

mod icmp;
mod length;
mod link;
mod network;
mod part;
mod transport;
mod tunnel;

use std::fmt;

pub use length::{is_ethernet, is_ip, length};

use crate::LinkType;
use part::{Next, Part};

/// Headers that are told, tags and tunnels included. A packet in a tunnel takes four or five.
const MOST_LAYERS: usize = 16;

/// What a packet is, in one line without its end and without a time. `data` are its first bytes, `original_length` is
/// how many it had on the wire.
#[must_use]
pub fn line(link_type: LinkType, data: &[u8], original_length: usize) -> Line<'_> {
    Line { link_type, data, original_length }
}

/// A packet that can be printed: [`line()`].
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    link_type: LinkType,
    data: &'a [u8],
    original_length: usize,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = Part::new(self.data, self.original_length);
        let mut next = match self.link_type {
            LinkType::Ethernet => Next::Ethernet(part),
            LinkType::RawIp => Next::Ip(part),
        };
        for _ in 0..MOST_LAYERS {
            next = match next {
                Next::Ethernet(part) => link::ethernet(f, part)?,
                Next::Typed(frame, ether_type, part) => link::typed(f, frame, ether_type, part)?,
                Next::Ip(part) => network::ip(f, part)?,
                Next::Protocol(ends, number, part) => transport::protocol(f, ends, number, part)?,
                Next::Nothing => return Ok(()),
            };
        }
        match next {
            Next::Nothing => Ok(()),
            _ => f.write_str("more layers"),
        }
    }
}
