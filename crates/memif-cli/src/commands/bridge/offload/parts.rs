//! What packets of the kernel consist of: where things stand, words and sums.

use tun_rs::{VIRTIO_NET_HDR_LEN, checksum, checksum_no_fold};

/// Bytes of the longest packet of either side: a device passes on no more, the rest of the room makes one that is
/// longer visible.
pub(in super::super) const MAX_PACKET: usize = memif::MAX_PACKET_SIZE as usize + 64;
/// Bytes of the header before each packet of a device whose offloads are taken.
pub(in super::super) const HEADER: usize = VIRTIO_NET_HDR_LEN;

/// What of the work on packets the kernel leaves to the device, and so to us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Offloads {
    /// Checksums, and cutting of TCP: a header stands before each packet.
    pub(in super::super) tcp: bool,
    /// Cutting of UDP, too.
    pub(in super::super) udp: bool,
}

/// Of `linux/virtio_net.h`, beside what `tun-rs` has: the checksum is left out; nothing to cut; what is cut has CWR.
pub(super) const NEEDS_CHECKSUM: u8 = 1;
pub(super) const GSO_NONE: u8 = 0;
pub(super) const GSO_ECN: u8 = 0x80;

/// Flags of a TCP header, at its byte 13.
pub(super) const FIN: u8 = 1 << 0;
pub(super) const PSH: u8 = 1 << 3;
pub(super) const ACK: u8 = 1 << 4;
pub(super) const ECE: u8 = 1 << 6;
pub(super) const CWR: u8 = 1 << 7;

/// Where things stand in a header.
pub(super) const IPV4_LENGTH: usize = 2;
pub(super) const IPV4_ID: usize = 4;
pub(super) const IPV4_CHECKSUM: usize = 10;
pub(super) const IPV6_LENGTH: usize = 4;
pub(super) const TCP_SEQUENCE: usize = 4;
pub(super) const TCP_LENGTH: usize = 12;
pub(super) const TCP_FLAGS: usize = 13;
pub(super) const TCP_CHECKSUM: usize = 16;
pub(super) const UDP_LENGTH: usize = 4;
pub(super) const UDP_CHECKSUM: usize = 6;
/// Bytes of headers without options.
pub(super) const IPV4_HEADER: usize = 20;
pub(super) const IPV6_HEADER: usize = 40;
pub(super) const TCP_HEADER: usize = 20;
pub(super) const UDP_HEADER: usize = 8;
/// Bytes of a line of the cache.
pub(super) const LINE: usize = 64;

/// Room for the header and a packet behind it. The packet, which most copies are of, starts on a line of the cache.
#[derive(Debug)]
pub(in super::super) struct Room {
    bytes: Vec<u8>,
    start: usize,
}

impl Room {
    pub(in super::super) fn new() -> Self {
        let bytes = vec![0; LINE + HEADER + MAX_PACKET];
        let start = (bytes.as_ptr().addr() + HEADER).wrapping_neg() % LINE;
        Self { bytes, start }
    }

    /// The header and the packet behind it.
    pub(in super::super) fn whole(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.start..).and_then(|rest| rest.get_mut(..HEADER + MAX_PACKET)).unwrap_or_default()
    }

    /// What has room behind the header.
    pub(in super::super) fn packet(&mut self) -> &mut [u8] {
        self.whole().get_mut(HEADER..).unwrap_or_default()
    }
}

/// The two bytes at that place, in network order.
pub(super) fn word(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().copied().map(u16::from_be_bytes)
}

pub(super) fn double_word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_be_bytes)
}

/// Writes two bytes in network order, where there is room for them.
pub(super) fn put_word(bytes: &mut [u8], at: usize, value: u16) {
    if let Some(place) = bytes.get_mut(at..at + 2) {
        place.copy_from_slice(&value.to_be_bytes());
    }
}

pub(super) fn put_double_word(bytes: &mut [u8], at: usize, value: u32) {
    if let Some(place) = bytes.get_mut(at..at + 4) {
        place.copy_from_slice(&value.to_be_bytes());
    }
}

/// Adds bytes to a sum of 16-bit words. All but the last that are added must be even in number.
pub(super) fn sum(bytes: &[u8], before: u64) -> u64 {
    checksum_no_fold(bytes, before)
}

/// The sum in 16 bits, in ones' complement.
pub(super) fn fold(sum: u64) -> u16 {
    checksum(&[], sum)
}

/// Writes the right checksum into an IPv4 header.
pub(super) fn complete_ipv4(header: &mut [u8]) {
    put_word(header, IPV4_CHECKSUM, 0);
    let right = !fold(sum(header, 0));
    put_word(header, IPV4_CHECKSUM, right);
}
