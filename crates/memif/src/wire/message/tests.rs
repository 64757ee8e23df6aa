use proptest::prelude::*;

use super::*;

#[test]
fn fields_lie_where_the_format_puts_them() {
    let ring = AddRing { private_hdr_size: 0x0c0d, ..ring(RingDirection::S2m) };
    let bytes = Message::AddRing(ring).emit();
    assert_eq!(bytes[0..2], 5u16.to_ne_bytes());
    assert_eq!(bytes[2..4], 1u16.to_ne_bytes());
    assert_eq!(bytes[4..6], 0x0102u16.to_ne_bytes());
    assert_eq!(bytes[6..8], 0x0304u16.to_ne_bytes());
    assert_eq!(bytes[8..12], 0x0506_0708u32.to_ne_bytes());
    assert_eq!(bytes[12], 14);
    assert_eq!(bytes[13..15], 0x0c0du16.to_ne_bytes());
    assert_eq!(bytes[15..], [0; 113]);

    let init = Init {
        version: VERSION,
        id: 0x0102_0304,
        mode: 1,
        secret: until_zero(*b"hunter2\0garbagegarbagega"),
        name: Text::lossy(b"slave"),
    };
    let bytes = Message::Init(init).emit();
    assert_eq!(bytes[2..4], VERSION.to_ne_bytes());
    assert_eq!(bytes[4..8], 0x0102_0304u32.to_ne_bytes());
    assert_eq!(bytes[8], 1);
    assert_eq!(&bytes[9..17], b"hunter2\0");
    assert_eq!(&bytes[33..39], b"slave\0");

    let hello = Hello {
        name: Text::lossy(b"master"),
        min_version: 1,
        max_version: 2,
        max_region: 3,
        max_m2s_ring: 4,
        max_s2m_ring: 5,
        max_log2_ring_size: 6,
    };
    let bytes = Message::Hello(hello).emit();
    for (at, value) in [(34, 1u16), (36, 2), (38, 3), (40, 4), (42, 5)] {
        assert_eq!(bytes[at..at + 2], value.to_ne_bytes());
    }
    assert_eq!(bytes[44], 6);

    let bytes = Message::AddRegion(AddRegion { index: 7, size: 0x0102_0304_0506_0708 }).emit();
    assert_eq!(bytes[2..4], 7u16.to_ne_bytes());
    assert_eq!(bytes[4..12], 0x0102_0304_0506_0708u64.to_ne_bytes());

    let end = Disconnect { code: 22, reason: Text::lossy(b"bye") };
    let bytes = Message::Disconnect(end).emit();
    assert_eq!(bytes[2..6], 22u32.to_ne_bytes());
    assert_eq!(&bytes[6..10], b"bye\0");
}

#[test]
fn other_lengths_and_types_are_named() {
    for len in (0..400).filter(|len| *len != MESSAGE_SIZE) {
        assert_eq!(Message::parse(&vec![1; len]), Err(Breach::MessageLength(len)));
    }
    for unknown in [0, 9, 99, u16::MAX] {
        let mut bytes = [0; MESSAGE_SIZE];
        bytes[..2].copy_from_slice(&unknown.to_ne_bytes());
        assert_eq!(Message::parse(&bytes), Err(Breach::UnknownType(unknown)));
    }
}

#[test]
fn garbage_behind_a_string_does_not_count() {
    let mut bytes = Message::Connect(Text::lossy(b"memif0")).emit();
    bytes[9..].fill(0xa5);
    assert_eq!(Message::parse(&bytes), Ok(Message::Connect(Text::lossy(b"memif0"))));
    let end = Disconnect { code: 0, reason: Text::lossy(&[b'x'; 200]) };
    assert_eq!(Message::Disconnect(end).emit()[6 + 95], 0);
}

#[test]
fn an_unterminated_secret_keeps_its_last_byte() {
    let mut bytes = [b'x'; MESSAGE_SIZE];
    bytes[..2].copy_from_slice(&TYPE_INIT.to_ne_bytes());
    bytes[9..33].fill(b'y');
    let Ok(Message::Init(init)) = Message::parse(&bytes) else { panic!("not an INIT") };
    assert_eq!(init.secret, [b'y'; 24]);
    assert!(!format!("{init:?}").contains("yyy"), "{init:?}");
}

fn ring(direction: RingDirection) -> AddRing {
    AddRing { direction, index: 0x0102, region: 0x0304, offset: 0x0506_0708, log2_ring_size: 14, private_hdr_size: 0 }
}

#[test]
fn directions_are_bit_0_and_other_flags_are_refused() {
    for direction in [RingDirection::S2m, RingDirection::M2s] {
        let message = Message::AddRing(ring(direction));
        assert_eq!(Message::parse(&message.emit()), Ok(message));
    }
    for flags in [2u16, 3, 0x8000] {
        let mut bytes = Message::AddRing(ring(RingDirection::S2m)).emit();
        bytes[2..4].copy_from_slice(&flags.to_ne_bytes());
        assert_eq!(Message::parse(&bytes), Err(Breach::RingFlags(flags)));
    }
}

proptest! {
    #[test]
    fn what_was_parsed_is_emitted_and_parsed_alike(
        kind in 0u16..10, body in proptest::collection::vec(any::<u8>(), MESSAGE_SIZE - 2),
    ) {
        let mut bytes = kind.to_ne_bytes().to_vec();
        bytes.extend(body);
        if let Ok(message) = Message::parse(&bytes) {
            let mut again = Message::parse(&message.emit());
            if let (Message::Init(first), Ok(Message::Init(second))) = (message, &mut again) {
                second.secret[23] = first.secret[23];
            }
            prop_assert_eq!(again, Ok(message));
        }
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Message::parse(&bytes);
    }
}
