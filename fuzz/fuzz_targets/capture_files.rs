//! Capture files: whatever they hold, reading ends, in bounded memory.
//!
//! The first byte says what stands before the rest, since no fuzzer guesses four bytes of a format at once: nothing, or
//! the header of a format; or that the rest becomes the bodies of blocks, whose two lengths nobody guesses either.
#![no_main]

use libfuzzer_sys::fuzz_target;
use memif_capture::LinkType;
use memif_capture::read::{MAX_PACKET, ReadError, Reader, carried, name_of};

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, rest)) = bytes.split_first() else { return };
    let file = match choice % 8 {
        0 => rest.to_vec(),
        1 => [&[0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0], rest].concat(),
        2 => [&[0xa1, 0xb2, 0x3c, 0x4d, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 101], rest].concat(),
        3 => blocks(rest, u32::to_le_bytes),
        4 => blocks(rest, u32::to_be_bytes),
        5 => [&block(SECTION, &SECTION_BODY, u32::to_le_bytes)[..], rest].concat(),
        6 => [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3], rest].concat(),
        _ => [&[0x28, 0xb5, 0x2f, 0xfd, 0, 0x58], rest].concat(),
    };
    if let Err(error) = read(&file) {
        assert!(!error.to_string().is_empty());
    }
});

const SECTION: u32 = 0x0a0d_0d0a;
const SECTION_BODY: [u8; 16] = [0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];

fn block(kind: u32, body: &[u8], order: fn(u32) -> [u8; 4]) -> Vec<u8> {
    let padded = body.len().next_multiple_of(4);
    let length = order(u32::try_from(padded + 12).unwrap());
    [&order(kind)[..], &length, body, &vec![0; padded - body.len()], &length].concat()
}

/// A section and an interface, and blocks each with a type and a length of a byte before its body.
fn blocks(mut rest: &[u8], order: fn(u32) -> [u8; 4]) -> Vec<u8> {
    let (mut body, mut interface) = (SECTION_BODY, [1, 0, 0, 0, 0, 0, 0, 0]);
    if order(1) != u32::to_le_bytes(1) {
        body[..4].reverse();
        body[4..6].reverse();
        interface[..2].reverse();
    }
    let mut file = block(SECTION, &body, order);
    file.extend(block(1, &interface, order));
    while let [kind, length, more @ ..] = rest {
        let (body, more) = more.split_at(more.len().min(usize::from(*length)));
        file.extend(block(u32::from(*kind) % 8, body, order));
        rest = more;
    }
    file
}

fn read(file: &[u8]) -> Result<(), ReadError> {
    let mut reader = Reader::new(file)?;
    let (mut packets, mut bytes) = (0_usize, 0_usize);
    loop {
        let ready = reader.is_ready();
        let Some(packet) = reader.next_packet()? else {
            assert!(!ready, "a packet that was said to be there is not");
            break;
        };
        assert!(packet.data.len() <= packet.original_length as usize);
        assert!(packet.data.len() <= MAX_PACKET as usize);
        packets += 1;
        bytes += packet.data.len();
        for wanted in [LinkType::Ethernet, LinkType::RawIp] {
            if let Ok(data) = carried(packet.link_type, packet.data, wanted) {
                assert!(packet.data.ends_with(data));
            }
        }
        assert!(!name_of(packet.link_type).is_empty());
    }
    if reader.compression().is_none() {
        // A packet takes 16 bytes of a file at least.
        assert!(packets * 16 + bytes <= file.len());
        assert!(reader.cut().is_none_or(|cut| cut.offset < file.len() as u64));
    }
    // The end stays the end.
    assert!(reader.next_packet()?.is_none());
    Ok(())
}
