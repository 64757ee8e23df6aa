//! What is left of a packet, and what comes next in it.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The rest of a packet: the bytes that are there, and how many there were on the wire.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part<'a> {
    pub(super) data: &'a [u8],
    pub(super) length: usize,
}

impl<'a> Part<'a> {
    pub(super) fn new(data: &'a [u8], length: usize) -> Self {
        Self { data, length: length.max(data.len()) }
    }

    /// What comes after so many bytes.
    pub(super) fn after(self, bytes: usize) -> Self {
        Self { data: self.data.get(bytes..).unwrap_or_default(), length: self.length.saturating_sub(bytes) }
    }

    /// So many bytes at most: what follows is padding.
    pub(super) fn limited(self, bytes: usize) -> Self {
        let data = self.data.get(..bytes).unwrap_or(self.data);
        Self { data, length: self.length.min(bytes) }
    }

    pub(super) fn byte(self, at: usize) -> Option<u8> {
        self.data.get(at).copied()
    }

    pub(super) fn bytes<const N: usize>(self, at: usize) -> Option<[u8; N]> {
        self.data.get(at..)?.first_chunk().copied()
    }

    pub(super) fn two(self, at: usize) -> Option<u16> {
        self.bytes(at).map(u16::from_be_bytes)
    }

    pub(super) fn four(self, at: usize) -> Option<u32> {
        self.bytes(at).map(u32::from_be_bytes)
    }
}

/// What comes next in a packet.
#[derive(Debug, Clone, Copy)]
pub(super) enum Next<'a> {
    Ethernet(Part<'a>),
    /// What an Ethernet header or a tag says is in it.
    Typed(Frame<'a>, u16, Part<'a>),
    /// IPv4 or IPv6, as its first four bits say.
    Ip(Part<'a>),
    Protocol(Ends, u8, Part<'a>),
    /// All is told.
    Nothing,
}

/// The Ethernet header that a frame began with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame<'a> {
    pub(super) whole: Part<'a>,
    pub(super) source: Mac,
    pub(super) destination: Mac,
}

/// Between whom a packet goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ends {
    pub(super) addresses: Addresses,
    pub(super) fragment: Option<Fragment>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Addresses {
    V4(Ipv4Addr, Ipv4Addr),
    V6(Ipv6Addr, Ipv6Addr),
}

/// Which part of a larger packet this is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fragment {
    pub(super) id: u32,
    /// In bytes.
    pub(super) offset: usize,
    pub(super) length: usize,
    pub(super) more: bool,
}

impl Ends {
    /// `IP 10.0.0.1 > 10.0.0.2: `, with ports where there are some.
    pub(super) fn write(&self, f: &mut fmt::Formatter<'_>, ports: Option<(u16, u16)>) -> fmt::Result {
        match (self.addresses, ports) {
            (Addresses::V4(from, to), None) => write!(f, "IP {from} > {to}: ")?,
            (Addresses::V4(from, to), Some((port, other))) => write!(f, "IP {from}.{port} > {to}.{other}: ")?,
            (Addresses::V6(from, to), None) => write!(f, "IP6 {from} > {to}: ")?,
            (Addresses::V6(from, to), Some((port, other))) => write!(f, "IP6 {from}.{port} > {to}.{other}: ")?,
        }
        let Some(Fragment { id, offset, length, more }) = self.fragment else { return Ok(()) };
        write!(f, "frag {id}:{length}@{offset}{} ", if more { "+" } else { "" })
    }
}

/// A MAC address.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mac(pub(super) [u8; 6]);

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}
