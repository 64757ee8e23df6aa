//! The addresses of one end of a link.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::mac::Mac;

/// The address of one end of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Station {
    /// Ethernet address; of no meaning in IP mode.
    pub(crate) mac: Mac,
    /// IPv4 address.
    pub(crate) ip: Ipv4Addr,
}

/// Whether an address can be that of one host elsewhere.
pub(crate) fn is_host(ip: Ipv4Addr) -> bool {
    !(ip.is_unspecified() || ip.is_loopback() || ip.is_multicast() || ip.is_broadcast())
}

/// Whether an IPv6 address can be that of one host elsewhere.
pub(crate) fn is_host6(ip: Ipv6Addr) -> bool {
    !(ip.is_unspecified() || ip.is_loopback() || ip.is_multicast())
}
