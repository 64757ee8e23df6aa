//! Capture files of the test's own, and the packets in them.

use std::fs;
use std::path::Path;

/// A packet of a file: nanoseconds since 1970, bytes, and how many it had.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    pub(crate) time: u64,
    pub(crate) bytes: Vec<u8>,
    pub(crate) original: u32,
}

/// When the files begin.
pub(crate) const BEGIN: u64 = 1_700_000_000_000_000_000;

/// An Ethernet frame with an IPv4 packet of UDP in it, from a port and with that payload.
pub(crate) fn frame(port: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(28 + payload.len()).unwrap();
    let udp = length - 20;
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0];
    frame.extend(length.to_be_bytes());
    frame.extend([0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    frame.extend(port.to_be_bytes());
    frame.extend([0x13, 0x88]);
    frame.extend(udp.to_be_bytes());
    frame.extend([0, 0]);
    frame.extend(payload);
    frame
}

/// So many packets of all lengths, so far apart.
pub(crate) fn packets(count: u32, apart: u64) -> Vec<Packet> {
    (0..count)
        .map(|number| {
            let mut payload = number.to_be_bytes().to_vec();
            payload.resize(18 + number as usize * 37 % 1400, number.to_be_bytes()[3]);
            let bytes = frame(1000 + u16::try_from(number % 7).unwrap(), &payload);
            let original = u32::try_from(bytes.len()).unwrap();
            Packet { time: BEGIN + u64::from(number) * apart, bytes, original }
        })
        .collect()
}

/// The bytes of packets.
pub(crate) fn bytes_of(packets: &[Packet]) -> Vec<Vec<u8>> {
    packets.iter().map(|packet| packet.bytes.clone()).collect()
}

/// A pcap file with nanoseconds.
pub(crate) fn pcap(link_type: u32, packets: &[Packet]) -> Vec<u8> {
    let mut file = 0xa1b2_3c4d_u32.to_le_bytes().to_vec();
    file.extend([2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0]);
    file.extend(link_type.to_le_bytes());
    for packet in packets {
        let length = u32::try_from(packet.bytes.len()).unwrap();
        let (seconds, rest) = (packet.time / 1_000_000_000, packet.time % 1_000_000_000);
        for number in [u32::try_from(seconds).unwrap(), u32::try_from(rest).unwrap(), length, packet.original] {
            file.extend(number.to_le_bytes());
        }
        file.extend(&packet.bytes);
    }
    file
}

/// Writes such a file, of Ethernet frames.
pub(crate) fn write(path: &Path, packets: &[Packet]) {
    fs::write(path, pcap(1, packets)).unwrap();
}

/// A pcapng file with microseconds, as it has where nothing else is said.
pub(crate) fn pcapng(link_type: u16, packets: &[Packet]) -> Vec<u8> {
    let mut file = [0x0a0d_0d0a_u32, 28, 0x1a2b_3c4d, 1, u32::MAX, u32::MAX, 28].map(u32::to_le_bytes).concat();
    file.extend([1, 20, u32::from(link_type), 0, 20].map(u32::to_le_bytes).concat());
    for packet in packets {
        let length = u32::try_from(packet.bytes.len()).unwrap();
        let (block, time) = (32 + length.next_multiple_of(4), packet.time / 1000);
        let (high, low) = (u32::try_from(time >> 32).unwrap(), u32::try_from(time & 0xffff_ffff).unwrap());
        file.extend([6, block, 0, high, low, length, length].map(u32::to_le_bytes).concat());
        file.extend(&packet.bytes);
        file.resize(file.len().next_multiple_of(4), 0);
        file.extend(block.to_le_bytes());
    }
    file
}
