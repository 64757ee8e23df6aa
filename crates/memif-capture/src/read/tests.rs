//! Files written byte by byte, each in every variant of its format.

use std::io::{self, Read, Write};

use flate2::write::GzEncoder;
use proptest::prelude::*;

use super::*;
use crate::LinkType;

/// A packet with its bytes, as tests compare it.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    time: Option<i128>,
    interface: u32,
    link_type: u16,
    data: Vec<u8>,
    original_length: u32,
}

fn seen(time: impl Into<Option<i128>>, interface: u32, data: &[u8], original_length: u32) -> Seen {
    Seen { time: time.into(), interface, link_type: 1, data: data.to_vec(), original_length }
}

/// All packets, where the file is cut, and what is wrong with it.
fn read_all(source: impl Read) -> (Vec<Seen>, Option<u64>, Option<ReadError>) {
    let mut packets = Vec::new();
    let mut reader = match Reader::new(source) {
        Ok(reader) => reader,
        Err(error) => return (packets, None, Some(error)),
    };
    loop {
        let ready = reader.is_ready();
        match reader.next_packet() {
            Ok(Some(packet)) => packets.push(Seen {
                time: packet.time,
                interface: packet.interface,
                link_type: packet.link_type,
                data: packet.data.to_vec(),
                original_length: packet.original_length,
            }),
            Ok(None) => {
                assert!(!ready, "a packet that was said to be there is not");
                return (packets, reader.cut().map(|cut| cut.offset), None);
            }
            Err(error) => return (packets, None, Some(error)),
        }
    }
}

fn whole(source: impl Read) -> Vec<Seen> {
    match read_all(source) {
        (packets, None, None) => packets,
        (_, cut, error) => panic!("cut {cut:?}, error {error:?}"),
    }
}

fn error_of(file: &[u8]) -> String {
    read_all(file).2.expect("an error").to_string()
}

/// Numbers in a byte order.
#[derive(Clone, Copy, PartialEq)]
enum Written {
    Little,
    Big,
}

use Written::{Big, Little};

impl Written {
    fn u16(self, number: u16) -> [u8; 2] {
        if self == Little { number.to_le_bytes() } else { number.to_be_bytes() }
    }

    fn u32(self, number: u32) -> [u8; 4] {
        if self == Little { number.to_le_bytes() } else { number.to_be_bytes() }
    }

    fn words(self, numbers: &[u32]) -> Vec<u8> {
        numbers.iter().flat_map(|number| self.u32(*number)).collect()
    }

    fn pcap(self, magic: u32, link_type: u32) -> Vec<u8> {
        [&self.u32(magic)[..], &self.u16(2), &self.u16(4), &self.words(&[0, 0, 65_535, link_type])].concat()
    }

    fn block(self, kind: u32, body: &[u8]) -> Vec<u8> {
        let padded = body.len().next_multiple_of(4);
        let length = self.u32(u32::try_from(padded + 12).unwrap());
        [&self.u32(kind)[..], &length, body, &vec![0; padded - body.len()], &length].concat()
    }

    fn section(self) -> Vec<u8> {
        let body = [&self.u32(0x1a2b_3c4d)[..], &self.u16(1), &self.u16(0), &[0xff; 8]].concat();
        self.block(0x0a0d_0d0a, &body)
    }

    fn interface(self, link_type: u16, snap_length: u32, options: &[(u16, &[u8])]) -> Vec<u8> {
        let mut body = [&self.u16(link_type)[..], &[0, 0], &self.u32(snap_length)].concat();
        for (code, value) in options {
            body.extend(self.u16(*code));
            body.extend(self.u16(u16::try_from(value.len()).unwrap()));
            body.extend(*value);
            body.resize(body.len().next_multiple_of(4), 0);
        }
        if !options.is_empty() {
            body.extend([0; 4]);
        }
        self.block(1, &body)
    }

    fn enhanced(self, interface: u32, stamp: u64, data: &[u8], original: u32) -> Vec<u8> {
        let (high, low) = ((stamp >> 32) as u32, stamp as u32);
        let captured = u32::try_from(data.len()).unwrap();
        self.block(6, &[&self.words(&[interface, high, low, captured, original])[..], data].concat())
    }
}

#[test]
fn pcap_in_both_orders_and_units() {
    for order in [Little, Big] {
        for (magic, more, time) in
            [(0xa1b2_c3d4, 0, 5_000_007_000), (0xa1b2_3c4d, 0, 5_000_000_007), (0xa1b2_cd34, 8, 5_000_007_000)]
        {
            let mut file = order.pcap(magic, 1);
            for data in [&[1, 2, 3][..], &[]] {
                file.extend(order.words(&[5, 7, u32::try_from(data.len()).unwrap(), 60]));
                file.extend(vec![0xee; more]);
                file.extend(data);
            }
            assert_eq!(whole(&file[..]), [seen(time, 0, &[1, 2, 3], 60), seen(time, 0, &[], 60)]);
            // Cut anywhere: the packets before, and where.
            let first = 24 + 16 + more + 3;
            for length in 4..file.len() {
                let (packets, cut, error) = read_all(&file[..length]);
                assert!(error.is_none());
                assert_eq!(packets.len(), usize::from(length >= first), "{length}");
                let begins = if length < 24 {
                    0
                } else if length < first {
                    24
                } else {
                    first
                };
                assert_eq!(cut, (length != 24 && length != first).then_some(begins as u64), "{length}");
            }
        }
    }
}

#[test]
fn the_upper_half_of_a_link_type_is_something_else() {
    let file = Little.pcap(0xa1b2_c3d4, 0x4400_0001);
    assert_eq!(Reader::new(&file[..]).unwrap().link_type(), Some(1));
}

#[test]
fn times_are_those_of_each_interface() {
    for order in [Little, Big] {
        let offset = if order == Little { (-2_i64).to_le_bytes() } else { (-2_i64).to_be_bytes() };
        let mut file = order.section();
        file.extend(order.interface(1, 0, &[]));
        file.extend(order.interface(1, 0, &[(2, b"memif0/0"), (9, &[9]), (14, &offset)]));
        file.extend(order.interface(101, 0, &[(9, &[0x80 | 20])]));
        file.extend(order.enhanced(0, 1_700_000_000_000_001, &[1], 1));
        file.extend(order.enhanced(1, 1_700_000_000_000_000_002, &[2; 5], 60));
        file.extend(order.enhanced(2, 3 << 19, &[3; 4], 4));
        let expected = [
            seen(1_700_000_000_000_001_000, 0, &[1], 1),
            seen(1_699_999_998_000_000_002, 1, &[2; 5], 60),
            Seen { link_type: 101, ..seen(1_500_000_000, 2, &[3; 4], 4) },
        ];
        assert_eq!(whole(&file[..]), expected);
    }
}

#[test]
fn simple_and_obsolete_blocks_are_packets() {
    for order in [Little, Big] {
        let mut file = order.section();
        // No multiple of 4, so that padding must not be taken for data.
        file.extend(order.interface(1, 6, &[]));
        file.extend(order.block(3, &[&order.u32(60)[..], &[1, 2, 3, 4, 5, 6]].concat()));
        file.extend(order.block(3, &[&order.u32(3)[..], &[7, 8, 9]].concat()));
        let obsolete = [&order.u16(0)[..], &order.u16(0xffff), &order.words(&[0, 9, 2, 90]), &[5, 6]].concat();
        file.extend(order.block(2, &obsolete));
        let expected =
            [seen(None, 0, &[1, 2, 3, 4, 5, 6], 60), seen(None, 0, &[7, 8, 9], 3), seen(9000, 0, &[5, 6], 90)];
        assert_eq!(whole(&file[..]), expected);
    }
}

#[test]
fn sections_have_orders_and_interfaces_of_their_own() {
    let mut file = Vec::new();
    for (order, resolution) in [(Little, 9), (Big, 6), (Little, 3)] {
        file.extend(order.section());
        file.extend(order.interface(1, 0, &[(9, &[resolution])]));
        file.extend(order.enhanced(0, 5, &[resolution], 1));
    }
    let times: Vec<_> = whole(&file[..]).into_iter().map(|packet| packet.time.unwrap()).collect();
    assert_eq!(times, [5, 5000, 5_000_000]);
    file.extend(Little.section());
    file.extend(Little.enhanced(0, 5, &[1], 1));
    assert!(error_of(&file).ends_with("a packet of interface 0, and 0 are described before it"));
}

/// Zeros without end.
fn zeros(count: u64) -> impl Read {
    io::repeat(0).take(count)
}

#[test]
fn unknown_blocks_of_any_length_are_passed_over() {
    let mut head = Little.section();
    head.extend(Little.interface(1, 0, &[]));
    head.extend(Little.block(0x0000_0bad, &[1, 2, 3, 4, 5]));
    head.extend(Little.block(5, &[0; 12]));
    let length = 80_u32 << 20;
    head.extend(Little.words(&[0x8000_0001, length]));
    let mut tail = Little.u32(length).to_vec();
    tail.extend(Little.enhanced(0, 5, &[1], 1));
    let file = head.chain(zeros(u64::from(length) - 12)).chain(&tail[..]);
    assert_eq!(whole(file), [seen(5000, 0, &[1], 1)]);
}

impl Written {
    fn start(self) -> Vec<u8> {
        [self.section(), self.interface(1, 0, &[])].concat()
    }
}

#[test]
fn a_file_cut_anywhere_gives_the_packets_before() {
    for order in [Little, Big] {
        let parts = [
            order.start(),
            order.enhanced(0, 5, &[1; 5], 5),
            order.block(0xbad, &[0; 40]),
            order.enhanced(0, 6, &[2; 6], 6),
        ];
        let file = parts.concat();
        let ends: Vec<_> = parts
            .iter()
            .scan(0, |end, part| {
                *end += part.len();
                Some(*end)
            })
            .collect();
        for length in 4..file.len() {
            let (packets, cut, error) = read_all(&file[..length]);
            // The byte order is missing, and nothing else.
            assert!(error.is_none(), "{length}: {error:?}");
            assert_eq!(packets.len(), usize::from(length >= ends[1]), "{length}");
            assert_eq!(cut.is_none(), length == 28 || ends.contains(&length), "{length}");
        }
    }
}

#[test]
fn every_fault_has_a_name_and_a_place() {
    let start = Little.start();
    let at = start.len();
    let with = |block: Vec<u8>| [start.clone(), block].concat();
    let changed = |mut block: Vec<u8>, place: usize, number: u32| {
        block[place..place + 4].copy_from_slice(&number.to_le_bytes());
        with(block)
    };
    let packet = Little.enhanced(0, 5, &[1; 5], 5);
    let cases = [
        (
            changed(packet.clone(), 4, 41),
            format!("byte {at}: a block of type 0x00000006 with a length of 41 bytes, which is no multiple"),
        ),
        (changed(packet.clone(), 4, 28), "28 bytes, too short".to_owned()),
        (changed(packet.clone(), 4, 0), "0 bytes, too short".to_owned()),
        (changed(packet.clone(), 4, 2 << 20), "2097152 bytes, where 1048576 are the most".to_owned()),
        (changed(packet.clone(), 36, 44), "40 bytes, but 44 at its end".to_owned()),
        (changed(packet.clone(), 20, 9), "no room for its packet of 9".to_owned()),
        (changed(packet.clone(), 20, u32::MAX), "a packet of 4294967295 bytes".to_owned()),
        (changed(packet.clone(), 8, 1), "interface 1, and 1 are described".to_owned()),
        (changed(packet, 8, u32::MAX), "interface 4294967295".to_owned()),
        (changed(Little.section(), 8, 0x4d3c), "a section header without a byte order (3c 4d 00 00".to_owned()),
        (changed(Little.section(), 12, 2), format!("byte {at}: version 2.0 of pcapng")),
        (
            changed(Little.interface(1, 0, &[(9, &[6])]), 16, 0xffff_0009),
            "option 9 of an interface has 65535 bytes".to_owned(),
        ),
        (changed(Little.block(0xbad, &[]), 8, 16), "12 bytes, but 16 at its end".to_owned()),
        (changed(Little.block(0xbad, &[]), 4, 8), "8 bytes, too short".to_owned()),
        (
            Little.pcap(0xa1b2_c3d4, 1).into_iter().chain(Little.words(&[1, 1, 262_145, 1])).collect(),
            "byte 24: a packet of 262145".to_owned(),
        ),
        (changed(Little.pcap(0xa1b2_c3d4, 1), 4, 3)[at..].to_vec(), "byte 0: version 3.0 of pcap".to_owned()),
        (b"#!/bin/sh\n".to_vec(), "begins with 23 21 2f 62: neither pcap nor pcapng".to_owned()),
        (vec![], "it is empty".to_owned()),
        (vec![0x0a], "begins with 0a".to_owned()),
        (b"\xfd7zXZ\0\0\0".to_vec(), "compressed with xz: unpack it first".to_owned()),
    ];
    for (file, said) in cases {
        let error = error_of(&file);
        assert!(error.contains(&said), "{error}\n{said}");
    }
}

#[test]
fn interfaces_are_bounded() {
    let mut file = Little.section();
    for _ in 0..=MAX_INTERFACES {
        file.extend(Little.interface(1, 0, &[]));
    }
    assert!(error_of(&file).contains("more than 65536 interfaces"));
    // A new section begins anew.
    let file = [&file[..28 + 20 * MAX_INTERFACES], &Little.start(), &Little.enhanced(0, 1, &[1], 1)].concat();
    assert_eq!(whole(&file[..]).len(), 1);
}

/// A source that gives a byte at a time, is interrupted in between, and fails at last if asked to.
struct Slow<'a>(&'a [u8], bool, bool);

impl Read for Slow<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.1 = !self.1;
        match (self.1, self.0.split_first()) {
            (true, _) => Err(io::ErrorKind::Interrupted.into()),
            (false, Some((byte, rest))) if !into.is_empty() => {
                into[0] = *byte;
                self.0 = rest;
                Ok(1)
            }
            (false, None) if self.2 => Err(io::Error::other("the disk burns")),
            _ => Ok(0),
        }
    }
}

/// A file with many packets.
fn long() -> Vec<u8> {
    let mut file = Little.start();
    for number in 0..2000_u32 {
        let data = vec![number as u8; 60 + number as usize % 1400];
        file.extend(Little.enhanced(0, number.into(), &data, 1500));
    }
    file
}

fn gzip(file: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(file).unwrap();
    encoder.finish().unwrap()
}

fn zstd(file: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(file, ruzstd::encoding::CompressionLevel::Fastest)
}

#[test]
fn packed_files_are_told_by_their_first_bytes() {
    let file = long();
    let packets = whole(&file[..]);
    assert_eq!(packets.len(), 2000);
    let (left, right) = file.split_at(file.len() / 3);
    // A skippable frame, as pzstd writes.
    let skipped = [&[0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 9, 9, 9][..], &zstd(left), &zstd(right)].concat();
    for packed in [gzip(&file), [gzip(left), gzip(right)].concat(), zstd(&file), skipped] {
        assert_eq!(whole(&packed[..]), packets);
        assert_eq!(whole(Slow(&packed, false, false)), packets);
        // Cut, it gives what was unpacked until there, and says so.
        let (before, cut, error) = read_all(&packed[..packed.len() / 2]);
        assert!(error.is_none(), "{error:?}");
        assert!(before.len() > 100 && before[..] == packets[..before.len()], "{}", before.len());
        assert!(cut.is_some());
        // What the source says is not hidden by the unpacker.
        let (_, _, error) = read_all(Slow(&packed[..packed.len() / 2], false, true));
        assert!(error.unwrap().to_string().contains("the disk burns"));
    }
    assert_eq!(error_of(&gzip(b"")), "it is empty once unpacked; not even the header of a capture was written");
    assert!(error_of(&gzip(&gzip(&file))).contains("begins with 1f 8b"));
}

/// A frame of Zstandard with a window of 4 MiB, as those of `zstd -9` and up, in blocks that are not compressed.
fn stored(file: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0, 12 << 3];
    let mut blocks = file.chunks(100_000).peekable();
    while let Some(block) = blocks.next() {
        let head = (block.len() as u32) << 3 | u32::from(blocks.peek().is_none());
        frame.extend(&head.to_le_bytes()[..3]);
        frame.extend(block);
    }
    frame
}

#[test]
fn a_cut_frame_gives_all_that_its_window_holds() {
    let file = [long(), long(), long(), long()].concat();
    assert!(file.len() > 4 << 20, "{}", file.len());
    let packed = stored(&file);
    assert_eq!(whole(&packed[..]), whole(&file[..]));
    for missing in [1, 1_000_000] {
        let blocks = (packed.len() - missing - 6) / 100_003;
        let expected = read_all(&file[..blocks * 100_000]);
        let (packets, cut, error) = read_all(&packed[..packed.len() - missing]);
        assert!(error.is_none(), "{error:?}");
        assert_eq!((packets.len(), cut), (expected.0.len(), expected.1));
        assert!(packets == expected.0);
    }
}

#[test]
fn damage_to_packed_bytes_is_an_error() {
    let mut packed = gzip(&long());
    let sum = packed.len() - 8;
    packed[sum] ^= 1;
    assert!(error_of(&packed).contains("its gzip data is damaged"));
    let mut packed = zstd(&long());
    let sum = packed.len() - 4;
    packed[sum] ^= 1;
    assert!(error_of(&packed).contains("its checksum is"), "{}", error_of(&packed));
    // A frame that asks for a window of 16 MiB.
    let error = error_of(&[0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x70, 0, 0, 0, 0]);
    assert!(error.contains("a window of 16777216 bytes"), "{error}");
}

#[test]
fn an_ip_interface_carries_what_is_in_a_packet() {
    let ip = [0x45, 1, 2, 3];
    let behind = |header: &[u8]| [header, &ip].concat();
    let ethernet = |kind: &[u8]| behind(&[&[0; 12], kind].concat());
    for (link_type, data) in [
        (101, ip.to_vec()),
        (12, ip.to_vec()),
        (14, ip.to_vec()),
        (228, ip.to_vec()),
        (0, behind(&[2, 0, 0, 0])),
        (108, behind(&[0, 0, 0, 2])),
        (1, ethernet(&[8, 0])),
        (1, ethernet(&[0x81, 0, 0, 7, 8, 0])),
        (1, ethernet(&[0x88, 0xa8, 0, 7, 0x81, 0, 0, 8, 0x86, 0xdd])),
        (113, behind(&[&[0; 14][..], &[8, 0]].concat())),
        (276, behind(&[&[8, 0][..], &[0; 18]].concat())),
    ] {
        assert_eq!(carried(link_type, &data, LinkType::RawIp), Ok(&ip[..]), "{link_type}");
        for length in 0..data.len() {
            let _ = carried(link_type, &data[..length], LinkType::RawIp);
        }
    }
    assert_eq!(carried(1, &ethernet(&[8, 6]), LinkType::RawIp), Err(Misfit::NotIp));
    assert_eq!(carried(101, &[0x35], LinkType::RawIp), Err(Misfit::NotIp));
    assert_eq!(carried(105, &ip, LinkType::RawIp), Err(Misfit::LinkType));
    assert_eq!(carried(101, &ip, LinkType::Ethernet), Err(Misfit::LinkType));
    assert_eq!(carried(1, &ip, LinkType::Ethernet), Ok(&ip[..]));
    assert_eq!(name_of(101), "raw IP, link type 101");
    assert_eq!(name_of(5000), "link type 5000");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 512 }))]

    /// Whatever is changed in a file, reading it ends, with packets that lie in it.
    #[test]
    fn nothing_in_a_file_breaks_the_reader(
        kind in 0..4,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
    ) {
        let mut file = [Little.start(), Little.enhanced(0, 5, &[1; 50], 60), Little.block(7, &[0; 8]),
            Big.start(), Big.enhanced(0, 5, &[1; 50], 60), Big.block(3, &[0; 8])].concat();
        if kind == 1 {
            file = Big.pcap(0xa1b2_c3d4, 1);
            file.extend(Big.words(&[1, 1, 4, 4, 0, 2, 2, 4, 4, 0]));
        }
        file = match kind {
            2 => gzip(&file),
            3 => zstd(&file),
            _ => file,
        };
        for (place, byte) in changes {
            let place = place.index(file.len());
            file[place] = byte;
        }
        let (packets, _, _) = read_all(&file[..]);
        for packet in packets {
            prop_assert!(packet.data.len() <= packet.original_length as usize);
        }
    }
}
