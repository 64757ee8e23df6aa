//! The 128-byte messages, encoded and decoded from the tables of the protocol description.

/// Bytes of every message.
pub const SIZE: usize = 128;
/// The only version.
pub const VERSION: u16 = 0x0200;

/// HELLO.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Program of the master.
    pub name: Vec<u8>,
    /// Lowest version.
    pub min_version: u16,
    /// Highest version.
    pub max_version: u16,
    /// Highest region index.
    pub max_region: u16,
    /// Highest M2S ring index.
    pub max_m2s_ring: u16,
    /// Highest S2M ring index.
    pub max_s2m_ring: u16,
    /// Largest log2 of the ring size.
    pub max_log2: u8,
}

impl Hello {
    /// What DPDK and libmemif say, whatever they are configured for.
    #[must_use]
    pub fn usual(name: &str) -> Self {
        Self {
            name: name.as_bytes().to_vec(),
            min_version: VERSION,
            max_version: VERSION,
            max_region: 255,
            max_m2s_ring: 255,
            max_s2m_ring: 255,
            max_log2: 14,
        }
    }
}

/// INIT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Init {
    /// Version asked for.
    pub version: u16,
    /// Interface id.
    pub id: u32,
    /// Mode number.
    pub mode: u8,
    /// The 24 bytes of the secret, as many as given.
    pub secret: Vec<u8>,
    /// Program of the slave.
    pub name: Vec<u8>,
}

/// ADD_REGION.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddRegion {
    /// Index.
    pub index: u16,
    /// Bytes.
    pub size: u64,
}

/// ADD_RING.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddRing {
    /// Bit 0: slave to master.
    pub flags: u16,
    /// Index within the direction.
    pub index: u16,
    /// Region that holds the ring.
    pub region: u16,
    /// Where in the region.
    pub offset: u32,
    /// log2 of the slots.
    pub log2: u8,
    /// Must be 0.
    pub private_header: u16,
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// 1.
    Ack,
    /// 2.
    Hello(Hello),
    /// 3.
    Init(Init),
    /// 4.
    AddRegion(AddRegion),
    /// 5.
    AddRing(AddRing),
    /// 6, with the slave's interface name.
    Connect(Vec<u8>),
    /// 7, with the master's interface name.
    Connected(Vec<u8>),
    /// 8, with code and reason.
    Disconnect(u32, Vec<u8>),
    /// Any other type.
    Other(u16),
}

impl Message {
    /// A DISCONNECT with code 0.
    #[must_use]
    pub fn disconnect(reason: &str) -> Self {
        Message::Disconnect(0, reason.as_bytes().to_vec())
    }

    /// The type number.
    #[must_use]
    pub fn kind(&self) -> u16 {
        match self {
            Message::Ack => 1,
            Message::Hello(_) => 2,
            Message::Init(_) => 3,
            Message::AddRegion(_) => 4,
            Message::AddRing(_) => 5,
            Message::Connect(_) => 6,
            Message::Connected(_) => 7,
            Message::Disconnect(..) => 8,
            Message::Other(kind) => *kind,
        }
    }

    /// 128 bytes, zero where nothing is meant.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.encode_over([0; SIZE])
    }

    /// 128 bytes over what `field` held before, as peers do that do not clear their buffers. Strings end with one zero.
    #[must_use]
    pub fn encode_over(&self, mut field: [u8; SIZE]) -> Vec<u8> {
        put(&mut field, 0, &self.kind().to_ne_bytes());
        match self {
            Message::Ack | Message::Other(_) => {}
            Message::Hello(m) => {
                text(&mut field, 2, 32, &m.name);
                put(&mut field, 34, &m.min_version.to_ne_bytes());
                put(&mut field, 36, &m.max_version.to_ne_bytes());
                put(&mut field, 38, &m.max_region.to_ne_bytes());
                put(&mut field, 40, &m.max_m2s_ring.to_ne_bytes());
                put(&mut field, 42, &m.max_s2m_ring.to_ne_bytes());
                put(&mut field, 44, &[m.max_log2]);
            }
            Message::Init(m) => {
                put(&mut field, 2, &m.version.to_ne_bytes());
                put(&mut field, 4, &m.id.to_ne_bytes());
                put(&mut field, 8, &[m.mode]);
                text(&mut field, 9, 24, &m.secret);
                text(&mut field, 33, 32, &m.name);
            }
            Message::AddRegion(m) => {
                put(&mut field, 2, &m.index.to_ne_bytes());
                put(&mut field, 4, &m.size.to_ne_bytes());
            }
            Message::AddRing(m) => {
                put(&mut field, 2, &m.flags.to_ne_bytes());
                put(&mut field, 4, &m.index.to_ne_bytes());
                put(&mut field, 6, &m.region.to_ne_bytes());
                put(&mut field, 8, &m.offset.to_ne_bytes());
                put(&mut field, 12, &[m.log2]);
                put(&mut field, 13, &m.private_header.to_ne_bytes());
            }
            Message::Connect(name) | Message::Connected(name) => text(&mut field, 2, 32, name),
            Message::Disconnect(code, reason) => {
                put(&mut field, 2, &code.to_ne_bytes());
                text(&mut field, 6, 96, reason);
            }
        }
        field.to_vec()
    }

    /// The message in 128 bytes.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Self {
        assert_eq!(bytes.len(), SIZE, "a message of {} bytes: {bytes:02x?}", bytes.len());
        match u16_at(bytes, 0) {
            1 => Message::Ack,
            2 => Message::Hello(Hello {
                name: text_at(bytes, 2, 32),
                min_version: u16_at(bytes, 34),
                max_version: u16_at(bytes, 36),
                max_region: u16_at(bytes, 38),
                max_m2s_ring: u16_at(bytes, 40),
                max_s2m_ring: u16_at(bytes, 42),
                max_log2: bytes[44],
            }),
            3 => Message::Init(Init {
                version: u16_at(bytes, 2),
                id: u32_at(bytes, 4),
                mode: bytes[8],
                secret: text_at(bytes, 9, 24),
                name: text_at(bytes, 33, 32),
            }),
            4 => Message::AddRegion(AddRegion {
                index: u16_at(bytes, 2),
                size: u64::from(u32_at(bytes, 4)) | u64::from(u32_at(bytes, 8)) << 32,
            }),
            5 => Message::AddRing(AddRing {
                flags: u16_at(bytes, 2),
                index: u16_at(bytes, 4),
                region: u16_at(bytes, 6),
                offset: u32_at(bytes, 8),
                log2: bytes[12],
                private_header: u16_at(bytes, 13),
            }),
            6 => Message::Connect(text_at(bytes, 2, 32)),
            7 => Message::Connected(text_at(bytes, 2, 32)),
            8 => Message::Disconnect(u32_at(bytes, 2), text_at(bytes, 6, 96)),
            other => Message::Other(other),
        }
    }

    /// The bytes of a message that carry no meaning, as (offset, value) pairs: what a careful sender leaves zero.
    #[must_use]
    pub fn meaningless(bytes: &[u8]) -> Vec<(usize, u8)> {
        let clean = Self::decode(bytes).encode();
        bytes.iter().zip(&clean).enumerate().filter(|(_, (a, b))| a != b).map(|(i, (a, _))| (i, *a)).collect()
    }
}

fn put(field: &mut [u8; SIZE], at: usize, bytes: &[u8]) {
    field[at..at + bytes.len()].copy_from_slice(bytes);
}

/// Writes at most `room` bytes; adds the ending zero when there is room for it, so that a test can leave it out.
fn text(field: &mut [u8; SIZE], at: usize, room: usize, bytes: &[u8]) {
    assert!(bytes.len() <= room, "{} bytes of text in a field of {room}", bytes.len());
    put(field, at, bytes);
    if bytes.len() < room {
        field[at + bytes.len()] = 0;
    }
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_ne_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn text_at(bytes: &[u8], at: usize, room: usize) -> Vec<u8> {
    bytes[at..at + room].iter().copied().take_while(|b| *b != 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let mut bytes: Vec<u8> = text.split_whitespace().map(|b| u8::from_str_radix(b, 16).unwrap()).collect();
        bytes.resize(SIZE, 0);
        bytes
    }

    /// The reference dumps of the protocol description, little endian machines only.
    #[test]
    #[cfg(target_endian = "little")]
    fn messages_are_the_dumps_of_the_description() {
        let rings =
            Message::AddRing(AddRing { flags: 0, index: 0, region: 0, offset: 4224, log2: 8, private_header: 0 });
        assert_eq!(rings.encode(), hex("05 00 00 00 00 00 00 00 80 10 00 00 08 00 00"));
        let region = Message::AddRegion(AddRegion { index: 0, size: 1_057_024 });
        assert_eq!(region.encode(), hex("04 00 00 00 00 21 10 00 00 00 00 00"));
        let connect = Message::Connect(b"memif2/9".to_vec());
        assert_eq!(connect.encode(), hex("06 00 6d 65 6d 69 66 32 2f 39 00"));
        let init = Message::Init(Init {
            version: VERSION,
            id: 3,
            mode: 0,
            secret: b"hunter2".to_vec(),
            name: b"DPDK 22.11.11".to_vec(),
        });
        let bytes = init.encode();
        assert_eq!(bytes[..16], hex("03 00 00 02 03 00 00 00 00 68 75 6e 74 65 72 32")[..16]);
        assert_eq!(&bytes[33..46], b"DPDK 22.11.11");
        let hello = Message::Hello(Hello::usual("DPDK 22.11.11")).encode();
        assert_eq!(hello[0x22..0x2d], hex("00 02 00 02 ff 00 ff 00 ff 00 0e")[..11]);
    }

    #[test]
    fn every_message_decodes_to_itself_over_any_garbage() {
        let messages = [
            Message::Ack,
            Message::Hello(Hello { max_m2s_ring: 256, ..Hello::usual("x") }),
            Message::Init(Init { version: 1, id: 2, mode: 3, secret: b"s".to_vec(), name: b"n".to_vec() }),
            Message::AddRegion(AddRegion { index: 7, size: u64::MAX }),
            Message::AddRing(AddRing { flags: 1, index: 2, region: 3, offset: 4, log2: 5, private_header: 6 }),
            Message::Connect(b"a".to_vec()),
            Message::Connected(b"b".to_vec()),
            Message::Disconnect(9, b"c".to_vec()),
            Message::Other(77),
        ];
        for message in messages {
            assert_eq!(Message::decode(&message.encode()), message);
            assert_eq!(Message::decode(&message.encode_over([0xa5; SIZE])), message);
            assert!(Message::meaningless(&message.encode()).is_empty());
            assert!(!Message::meaningless(&message.encode_over([0xa5; SIZE])).is_empty());
        }
    }
}
