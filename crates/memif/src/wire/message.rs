//! Control messages: 128 bytes each, fields packed, integers in host order.
//!
//! Bytes after the fields of a message and after the zero that ends a string are garbage by the protocol: they are
//! never looked at and always sent as zero.

#[cfg(test)]
mod tests;

use std::fmt;

use super::Text;
use crate::error::Breach;
use crate::terms::RingDirection;

/// Bytes of every message.
pub const MESSAGE_SIZE: usize = 128;
/// The one protocol version: major in the high byte, minor in the low one.
pub const VERSION: u16 = 0x0200;

const TYPE_ACK: u16 = 1;
const TYPE_HELLO: u16 = 2;
const TYPE_INIT: u16 = 3;
const TYPE_ADD_REGION: u16 = 4;
const TYPE_ADD_RING: u16 = 5;
const TYPE_CONNECT: u16 = 6;
const TYPE_CONNECTED: u16 = 7;
const TYPE_DISCONNECT: u16 = 8;

/// The one flag of ADD_RING: packets go from slave to master.
const FLAG_S2M: u16 = 1;

/// The first message of a connection, from the master. Region and ring limits are the highest *index*.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Program and version of the master.
    pub name: Text<32>,
    /// Lowest version that the master speaks.
    pub min_version: u16,
    /// Highest version that the master speaks.
    pub max_version: u16,
    /// Highest region index.
    pub max_region: u16,
    /// Highest index of a ring from master to slave.
    pub max_m2s_ring: u16,
    /// Highest index of a ring from slave to master.
    pub max_s2m_ring: u16,
    /// Largest binary logarithm of a ring size.
    pub max_log2_ring_size: u8,
}

/// The slave's answer to HELLO: which interface it wants.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Init {
    /// The version that the slave chose.
    pub version: u16,
    /// The interface id.
    pub id: u32,
    /// The mode, see [`Mode::from_wire`](crate::Mode::from_wire).
    pub mode: u8,
    /// The secret with zeros from its first zero byte on. All 24 bytes count when secrets are compared, so that
    /// an unterminated field never equals a secret, which has 23 bytes at most.
    pub secret: [u8; 24],
    /// Program and version of the slave.
    pub name: Text<32>,
}

impl fmt::Debug for Init {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Init")
            .field("version", &self.version)
            .field("id", &self.id)
            .field("mode", &self.mode)
            .field("has_secret", &(self.secret[0] != 0))
            .field("name", &self.name)
            .finish()
    }
}

/// One shared memory file, from the slave, with its descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddRegion {
    /// 0, 1, 2, ... in order.
    pub index: u16,
    /// Bytes to map.
    pub size: u64,
}

/// One ring, from the slave, with the descriptor of its eventfd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddRing {
    /// Which way packets go, bit 0 of the flags.
    pub direction: RingDirection,
    /// Index within the direction: 0, 1, 2, ... in order.
    pub index: u16,
    /// The region that holds the ring.
    pub region: u16,
    /// Byte offset of the ring header in that region.
    pub offset: u32,
    /// The ring has two to the power of this many descriptors.
    pub log2_ring_size: u8,
    /// Always 0.
    pub private_hdr_size: u16,
}

/// The end of a connection, from either side. It is never answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disconnect {
    /// 0, or an errno of VPP.
    pub code: u32,
    /// Why, for people.
    pub reason: Text<96>,
}

/// Any control message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Message {
    /// Master to slave: go on.
    Ack,
    /// Master to slave, first of all.
    Hello(Hello),
    /// Slave to master, after HELLO.
    Init(Init),
    /// Slave to master, one descriptor.
    AddRegion(AddRegion),
    /// Slave to master, one descriptor.
    AddRing(AddRing),
    /// Slave to master: that was all. Carries the slave's interface name.
    Connect(Text<32>),
    /// Master to slave: packets may flow. Carries the master's interface name.
    Connected(Text<32>),
    /// Either way: the end.
    Disconnect(Disconnect),
}

impl Message {
    /// Reads a message.
    ///
    /// # Errors
    /// [`Breach::MessageLength`] when there are not exactly 128 bytes, [`Breach::UnknownType`] for a type and
    /// [`Breach::RingFlags`] for flags that the protocol does not have.
    pub fn parse(bytes: &[u8]) -> Result<Self, Breach> {
        let bytes: &[u8; MESSAGE_SIZE] = bytes.try_into().map_err(|_| Breach::MessageLength(bytes.len()))?;
        let mut fields = Reader(bytes);
        Ok(match fields.u16() {
            TYPE_ACK => Message::Ack,
            TYPE_HELLO => Message::Hello(Hello {
                name: fields.text(),
                min_version: fields.u16(),
                max_version: fields.u16(),
                max_region: fields.u16(),
                max_m2s_ring: fields.u16(),
                max_s2m_ring: fields.u16(),
                max_log2_ring_size: fields.u8(),
            }),
            TYPE_INIT => Message::Init(Init {
                version: fields.u16(),
                id: fields.u32(),
                mode: fields.u8(),
                secret: until_zero(fields.take()),
                name: fields.text(),
            }),
            TYPE_ADD_REGION => Message::AddRegion(AddRegion { index: fields.u16(), size: fields.u64() }),
            TYPE_ADD_RING => Message::AddRing(AddRing {
                direction: direction_from_flags(fields.u16())?,
                index: fields.u16(),
                region: fields.u16(),
                offset: fields.u32(),
                log2_ring_size: fields.u8(),
                private_hdr_size: fields.u16(),
            }),
            TYPE_CONNECT => Message::Connect(fields.text()),
            TYPE_CONNECTED => Message::Connected(fields.text()),
            TYPE_DISCONNECT => Message::Disconnect(Disconnect { code: fields.u32(), reason: fields.text() }),
            unknown => return Err(Breach::UnknownType(unknown)),
        })
    }

    /// The bytes to send. Reserved bytes are zero and every string is terminated.
    #[must_use]
    pub fn emit(&self) -> [u8; MESSAGE_SIZE] {
        let mut fields = Writer { bytes: [0; MESSAGE_SIZE], at: 0 };
        match self {
            Message::Ack => fields.put(&TYPE_ACK.to_ne_bytes()),
            Message::Hello(hello) => fields
                .put(&TYPE_HELLO.to_ne_bytes())
                .put(hello.name.field())
                .put(&hello.min_version.to_ne_bytes())
                .put(&hello.max_version.to_ne_bytes())
                .put(&hello.max_region.to_ne_bytes())
                .put(&hello.max_m2s_ring.to_ne_bytes())
                .put(&hello.max_s2m_ring.to_ne_bytes())
                .put(&[hello.max_log2_ring_size]),
            Message::Init(init) => fields
                .put(&TYPE_INIT.to_ne_bytes())
                .put(&init.version.to_ne_bytes())
                .put(&init.id.to_ne_bytes())
                .put(&[init.mode])
                .put(Text::<24>::lossy(&init.secret).field())
                .put(init.name.field()),
            Message::AddRegion(region) => fields
                .put(&TYPE_ADD_REGION.to_ne_bytes())
                .put(&region.index.to_ne_bytes())
                .put(&region.size.to_ne_bytes()),
            Message::AddRing(ring) => fields
                .put(&TYPE_ADD_RING.to_ne_bytes())
                .put(&direction_to_flags(ring.direction).to_ne_bytes())
                .put(&ring.index.to_ne_bytes())
                .put(&ring.region.to_ne_bytes())
                .put(&ring.offset.to_ne_bytes())
                .put(&[ring.log2_ring_size])
                .put(&ring.private_hdr_size.to_ne_bytes()),
            Message::Connect(name) => fields.put(&TYPE_CONNECT.to_ne_bytes()).put(name.field()),
            Message::Connected(name) => fields.put(&TYPE_CONNECTED.to_ne_bytes()).put(name.field()),
            Message::Disconnect(end) => {
                fields.put(&TYPE_DISCONNECT.to_ne_bytes()).put(&end.code.to_ne_bytes()).put(end.reason.field())
            }
        };
        fields.bytes
    }

    /// The name that the protocol gives the message.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Message::Ack => "ACK",
            Message::Hello(_) => "HELLO",
            Message::Init(_) => "INIT",
            Message::AddRegion(_) => "ADD_REGION",
            Message::AddRing(_) => "ADD_RING",
            Message::Connect(_) => "CONNECT",
            Message::Connected(_) => "CONNECTED",
            Message::Disconnect(_) => "DISCONNECT",
        }
    }

    /// How many descriptors come with the message.
    #[must_use]
    pub const fn descriptors(&self) -> usize {
        match self {
            Message::AddRegion(_) | Message::AddRing(_) => 1,
            _ => 0,
        }
    }
}

/// The field with everything from its first zero on set to zero.
fn until_zero<const N: usize>(mut field: [u8; N]) -> [u8; N] {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(N);
    field[end..].fill(0);
    field
}

/// Takes fields off the front.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    /// The next `N` bytes. Zeros stand in for bytes behind the end, which no message of 128 bytes reaches.
    fn take<const N: usize>(&mut self) -> [u8; N] {
        match self.0.split_first_chunk::<N>() {
            Some((field, rest)) => {
                self.0 = rest;
                *field
            }
            None => [0; N],
        }
    }

    fn u8(&mut self) -> u8 {
        u8::from_ne_bytes(self.take())
    }

    fn u16(&mut self) -> u16 {
        u16::from_ne_bytes(self.take())
    }

    fn u32(&mut self) -> u32 {
        u32::from_ne_bytes(self.take())
    }

    fn u64(&mut self) -> u64 {
        u64::from_ne_bytes(self.take())
    }

    fn text<const N: usize>(&mut self) -> Text<N> {
        Text::from_field(&self.take())
    }
}

/// Puts fields one after the other.
struct Writer {
    bytes: [u8; MESSAGE_SIZE],
    at: usize,
}

impl Writer {
    fn put(&mut self, field: &[u8]) -> &mut Self {
        for (to, from) in self.bytes.iter_mut().skip(self.at).zip(field) {
            *to = *from;
        }
        self.at += field.len();
        self
    }
}

const fn direction_to_flags(direction: RingDirection) -> u16 {
    match direction {
        RingDirection::S2m => FLAG_S2M,
        RingDirection::M2s => 0,
    }
}

const fn direction_from_flags(flags: u16) -> Result<RingDirection, Breach> {
    match flags {
        FLAG_S2M => Ok(RingDirection::S2m),
        0 => Ok(RingDirection::M2s),
        _ => Err(Breach::RingFlags(flags)),
    }
}
