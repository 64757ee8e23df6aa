//! Control messages in words, for logs.

use std::fmt;

use super::message::{AddRegion, AddRing, Disconnect, Hello, Init, Message};
use crate::terms::Mode;

/// The name of the message and all of its fields, on one line; of a secret only whether there is one.
impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            Message::Ack => Ok(()),
            Message::Hello(hello) => describe_hello(f, hello),
            Message::Init(init) => describe_init(f, init),
            Message::AddRegion(AddRegion { index, size }) => write!(f, ": index {index}, {size} bytes"),
            Message::AddRing(ring) => describe_ring(f, ring),
            Message::Connect(name) | Message::Connected(name) => write!(f, ": interface \"{name}\""),
            Message::Disconnect(Disconnect { code, reason }) => write!(f, ": code {code}, \"{reason}\""),
        }
    }
}

fn describe_hello(f: &mut fmt::Formatter<'_>, hello: &Hello) -> fmt::Result {
    write!(
        f,
        ": program \"{}\", versions {:#06x} to {:#06x}, highest region {}, highest M2S ring {}, highest S2M ring {}, \
         rings up to 2^{}",
        hello.name,
        hello.min_version,
        hello.max_version,
        hello.max_region,
        hello.max_m2s_ring,
        hello.max_s2m_ring,
        hello.max_log2_ring_size
    )
}

fn describe_init(f: &mut fmt::Formatter<'_>, init: &Init) -> fmt::Result {
    let secret = if init.secret[0] == 0 { "no secret" } else { "a secret" };
    write!(f, ": program \"{}\", version {:#06x}, id {}, mode ", init.name, init.version, init.id)?;
    match Mode::from_wire(init.mode) {
        Some(mode) => write!(f, "{mode}")?,
        None => write!(f, "{}", init.mode)?,
    }
    write!(f, ", {secret}")
}

fn describe_ring(f: &mut fmt::Formatter<'_>, ring: &AddRing) -> fmt::Result {
    let AddRing { direction, index, region, offset, log2_ring_size, private_hdr_size } = ring;
    write!(f, ": {direction} {index}, 2^{log2_ring_size} slots at {offset} of region {region}")?;
    // Nobody uses them: worth a word only where somebody does.
    if *private_hdr_size != 0 {
        write!(f, ", private headers of {private_hdr_size} bytes")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{RingDirection, Text, VERSION};
    use super::*;

    #[test]
    fn every_message_is_told_with_its_fields() {
        let hello = Hello {
            name: Text::lossy(b"VPP 26.10"),
            min_version: VERSION,
            max_version: VERSION,
            max_region: 255,
            max_m2s_ring: 254,
            max_s2m_ring: 253,
            max_log2_ring_size: 14,
        };
        let mut secret = [0; 24];
        secret[..3].copy_from_slice(b"psk");
        let init = Init { version: VERSION, id: 7, mode: 1, secret, name: Text::lossy(b"x\n") };
        let ring = AddRing {
            direction: RingDirection::S2m,
            index: 2,
            region: 1,
            offset: 4096,
            log2_ring_size: 10,
            private_hdr_size: 0,
        };
        for (message, text) in [
            (Message::Ack, "ACK"),
            (
                Message::Hello(hello),
                "HELLO: program \"VPP 26.10\", versions 0x0200 to 0x0200, highest region 255, highest M2S ring 254, \
                 highest S2M ring 253, rings up to 2^14",
            ),
            (Message::Init(init), "INIT: program \"x\\n\", version 0x0200, id 7, mode ip, a secret"),
            (
                Message::Init(Init { mode: 9, secret: [0; 24], ..init }),
                "INIT: program \"x\\n\", version 0x0200, id 7, mode 9, no secret",
            ),
            (Message::AddRegion(AddRegion { index: 1, size: 65536 }), "ADD_REGION: index 1, 65536 bytes"),
            (Message::AddRing(ring), "ADD_RING: S2M 2, 2^10 slots at 4096 of region 1"),
            (
                Message::AddRing(AddRing { private_hdr_size: 8, ..ring }),
                "ADD_RING: S2M 2, 2^10 slots at 4096 of region 1, private headers of 8 bytes",
            ),
            (Message::Connect(Text::lossy(b"memif0/0")), "CONNECT: interface \"memif0/0\""),
            (Message::Connected(Text::lossy(b"m")), "CONNECTED: interface \"m\""),
            (Message::Disconnect(Disconnect { code: 5, reason: Text::lossy(b"bye") }), "DISCONNECT: code 5, \"bye\""),
        ] {
            assert_eq!(message.to_string(), text);
        }
    }
}
