//! Packets as bytes: what a frame holds, and how the few that this command sends are made.
//!
//! All functions here are pure. They take any bytes without a panic, and `etherparse` does the parsing.

pub(crate) mod arp;
pub(crate) mod checksum;
pub(crate) mod echo;
pub(crate) mod frame;
pub(crate) mod icmp6;
pub(crate) mod mac;
pub(crate) mod numbered;

pub(crate) use frame::Framing;
pub(crate) use mac::Mac;

/// The address of one end of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Station {
    /// Ethernet address; of no meaning in IP mode.
    pub(crate) mac: Mac,
    /// IPv4 address.
    pub(crate) ip: std::net::Ipv4Addr,
}
