//! The kernel's large packets: cut into frames of the interface's MTU, and put together from such frames.
//!
//! With its offloads taken, the kernel gives a whole run of a TCP or UDP flow as one packet, behind a header
//! ([`VirtioNetHdr`]) that says how to cut it, and leaves checksums out. The peer of a memif link knows nothing of
//! either, so both are done here, as a network card would: [`cut`] makes frames with right checksums, [`join`] makes
//! one packet of frames that [`cut`] would make of it again, byte for byte. Everything here is pure and takes any
//! bytes.

pub(super) mod cut;
pub(super) mod join;
mod layers;

use tun_rs::{VIRTIO_NET_HDR_LEN, checksum, checksum_no_fold};

use super::device::MAX_PACKET;

/// Bytes of the header before each packet of a device whose offloads are taken.
pub(super) const HEADER: usize = VIRTIO_NET_HDR_LEN;

/// What of the work on packets the kernel leaves to the device, and so to us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Offloads {
    /// Checksums, and cutting of TCP: a header stands before each packet.
    pub(super) tcp: bool,
    /// Cutting of UDP, too.
    pub(super) udp: bool,
}

/// Of `linux/virtio_net.h`, beside what `tun-rs` has: the checksum is left out; nothing to cut; what is cut has CWR.
const NEEDS_CHECKSUM: u8 = 1;
const GSO_NONE: u8 = 0;
const GSO_ECN: u8 = 0x80;

/// Flags of a TCP header, at its byte 13.
const FIN: u8 = 1 << 0;
const PSH: u8 = 1 << 3;
const ACK: u8 = 1 << 4;
const ECE: u8 = 1 << 6;
const CWR: u8 = 1 << 7;

/// Where things stand in a header.
const IPV4_LENGTH: usize = 2;
const IPV4_ID: usize = 4;
const IPV4_CHECKSUM: usize = 10;
const IPV6_LENGTH: usize = 4;
const TCP_SEQUENCE: usize = 4;
const TCP_LENGTH: usize = 12;
const TCP_FLAGS: usize = 13;
const TCP_CHECKSUM: usize = 16;
const UDP_LENGTH: usize = 4;
const UDP_CHECKSUM: usize = 6;
/// Bytes of headers without options.
const IPV4_HEADER: usize = 20;
const IPV6_HEADER: usize = 40;
const TCP_HEADER: usize = 20;
const UDP_HEADER: usize = 8;
/// Bytes of a line of the cache.
const LINE: usize = 64;

/// Room for the header and a packet behind it. The packet, which most copies are of, starts on a line of the cache.
#[derive(Debug)]
pub(super) struct Room {
    bytes: Vec<u8>,
    start: usize,
}

impl Room {
    pub(super) fn new() -> Self {
        let bytes = vec![0; LINE + HEADER + MAX_PACKET];
        let start = (bytes.as_ptr().addr() + HEADER).wrapping_neg() % LINE;
        Self { bytes, start }
    }

    /// The header and the packet behind it.
    pub(super) fn whole(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.start..).and_then(|rest| rest.get_mut(..HEADER + MAX_PACKET)).unwrap_or_default()
    }

    /// What has room behind the header.
    pub(super) fn packet(&mut self) -> &mut [u8] {
        self.whole().get_mut(HEADER..).unwrap_or_default()
    }
}

/// The two bytes at that place, in network order.
fn word(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().copied().map(u16::from_be_bytes)
}

fn double_word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_be_bytes)
}

/// Writes two bytes in network order, where there is room for them.
fn put_word(bytes: &mut [u8], at: usize, value: u16) {
    if let Some(place) = bytes.get_mut(at..at + 2) {
        place.copy_from_slice(&value.to_be_bytes());
    }
}

fn put_double_word(bytes: &mut [u8], at: usize, value: u32) {
    if let Some(place) = bytes.get_mut(at..at + 4) {
        place.copy_from_slice(&value.to_be_bytes());
    }
}

/// Adds bytes to a sum of 16-bit words. All but the last that are added must be even in number.
fn sum(bytes: &[u8], before: u64) -> u64 {
    checksum_no_fold(bytes, before)
}

/// The sum in 16 bits, in ones' complement.
fn fold(sum: u64) -> u16 {
    checksum(&[], sum)
}

/// Writes the right checksum into an IPv4 header.
fn complete_ipv4(header: &mut [u8]) {
    put_word(header, IPV4_CHECKSUM, 0);
    let right = !fold(sum(header, 0));
    put_word(header, IPV4_CHECKSUM, right);
}

#[cfg(test)]
mod tests;
