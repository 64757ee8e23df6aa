//! What of a packet in a file a memif carries.

use crate::LinkType;

/// Link types, of the list of LINKTYPE values of tcpdump.org. 12 and 14 are what some systems write for 101.
const NULL: u16 = 0;
const ETHERNET: u16 = 1;
const RAW_OF_BSD: u16 = 12;
const RAW_OF_OPENBSD: u16 = 14;
const RAW: u16 = 101;
const LOOP: u16 = 108;
const LINUX_SLL: u16 = 113;
const IPV4: u16 = 228;
const IPV6: u16 = 229;
const LINUX_SLL2: u16 = 276;

/// Types of what an Ethernet header is followed by.
const ETHER_IPV4: u16 = 0x0800;
const ETHER_IPV6: u16 = 0x86dd;
const ETHER_VLAN: [u16; 3] = [0x8100, 0x88a8, 0x9100];

/// Why a packet cannot go over an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// Nothing of this link type can.
    LinkType,
    /// It is no IP packet, and the interface carries nothing else: ARP, for example.
    NotIp,
}

/// The bytes of a packet that an interface of the kind `wanted` carries: all of them, or those from its IP header on.
///
/// An Ethernet interface takes Ethernet frames. One for IP packets takes those as they are (raw IP, IPv4, IPv6), and
/// without the header that was before them in files of other link types: Ethernet, with VLAN tags or not, the loopback
/// of BSD, and both of Linux's cooked captures.
///
/// # Errors
/// Why it carries none.
pub fn carried(link_type: u16, data: &[u8], wanted: LinkType) -> Result<&[u8], Misfit> {
    match (wanted, link_type) {
        (LinkType::Ethernet, ETHERNET) => Ok(data),
        (LinkType::Ethernet, _) => Err(Misfit::LinkType),
        (LinkType::RawIp, RAW | RAW_OF_BSD | RAW_OF_OPENBSD | IPV4 | IPV6) => ip(data),
        // The family of addresses, 2 and several numbers for IPv6, is in the byte order of who wrote it.
        (LinkType::RawIp, NULL | LOOP) => ip(data.get(4..).unwrap_or_default()),
        (LinkType::RawIp, ETHERNET) => of_frame(data, 12),
        (LinkType::RawIp, LINUX_SLL) => of_frame(data, 14),
        (LinkType::RawIp, LINUX_SLL2) => match ether_type(data, 0) {
            Some(ETHER_IPV4 | ETHER_IPV6) => ip(data.get(20..).unwrap_or_default()),
            _ => Err(Misfit::NotIp),
        },
        (LinkType::RawIp, _) => Err(Misfit::LinkType),
    }
}

/// The packet behind a header whose type stands at that place, and behind its VLAN tags.
fn of_frame(data: &[u8], mut at: usize) -> Result<&[u8], Misfit> {
    // Each tag is four bytes longer, so this ends with the data.
    loop {
        match ether_type(data, at) {
            Some(ETHER_IPV4 | ETHER_IPV6) => return ip(data.get(at + 2..).unwrap_or_default()),
            Some(tag) if ETHER_VLAN.contains(&tag) => at += 4,
            _ => return Err(Misfit::NotIp),
        }
    }
}

fn ether_type(data: &[u8], at: usize) -> Option<u16> {
    let bytes = data.get(at..at + 2)?;
    Some(u16::from_be_bytes(bytes.try_into().ok()?))
}

/// The same bytes, if they are of an IP packet.
fn ip(data: &[u8]) -> Result<&[u8], Misfit> {
    match data.first().map(|first| first >> 4) {
        Some(4 | 6) => Ok(data),
        _ => Err(Misfit::NotIp),
    }
}

/// What packets of that link type are called.
#[must_use]
pub fn name_of(link_type: u16) -> String {
    let name = match link_type {
        NULL | LOOP => "loopback of BSD",
        ETHERNET => "Ethernet",
        RAW | RAW_OF_BSD | RAW_OF_OPENBSD => "raw IP",
        IPV4 => "raw IPv4",
        IPV6 => "raw IPv6",
        LINUX_SLL | LINUX_SLL2 => "cooked Linux",
        105 | 127 | 163 => "wireless",
        189 | 220 | 249 => "USB",
        _ => return format!("link type {link_type}"),
    };
    format!("{name}, link type {link_type}")
}
