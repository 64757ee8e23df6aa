//! Every captured message of VPP, DPDK and libmemif, against our parser and emitter.
//!
//! `data/handshakes.json` holds 140 messages traced from unmodified programs; its `note` says what each field means.

use std::collections::BTreeMap;

use memif::wire::{MESSAGE_SIZE, Message, RingDirection, VERSION};

struct Vector {
    handshake: String,
    sender: String,
    kind: String,
    fds: usize,
    bytes: Vec<u8>,
}

fn vectors() -> Vec<Vector> {
    let json: serde_json::Value = serde_json::from_str(include_str!("data/handshakes.json")).expect("the file is JSON");
    let messages = json["messages"].as_array().expect("a list of messages");
    messages
        .iter()
        .map(|message| {
            let text = |field: &str| message[field].as_str().unwrap_or_default().to_owned();
            let hex = text("hex");
            let sender = if message["direction"] == "sent" { text("peer") } else { text("other") };
            Vector {
                handshake: text("handshake"),
                sender,
                kind: text("type"),
                fds: message["fds"].as_u64().unwrap_or_default() as usize,
                bytes: (0..hex.len() / 2)
                    .map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).expect("hex"))
                    .collect(),
            }
        })
        .collect()
}

#[test]
fn every_captured_message_is_understood() {
    let vectors = vectors();
    assert_eq!(vectors.len(), 140);
    for vector in &vectors {
        let message = Message::parse(&vector.bytes)
            .unwrap_or_else(|breach| panic!("{} {}: {breach}", vector.handshake, vector.kind));
        assert_eq!(message.name(), vector.kind, "{}", vector.handshake);
        assert_eq!(message.descriptors(), vector.fds, "{} {}", vector.handshake, vector.kind);
    }
}

#[test]
fn emitting_gives_the_captured_bytes_back() {
    let (mut same, mut stale) = (0, BTreeMap::<String, u32>::new());
    for vector in vectors() {
        let message = Message::parse(&vector.bytes).expect("parsed above");
        let emitted = message.emit();
        if emitted[..] == vector.bytes[..] {
            same += 1;
            continue;
        }
        // Only libmemif leaves stale memory behind its fields: what counts must still agree.
        assert!(vector.sender.starts_with("libmemif"), "{} {}", vector.handshake, vector.kind);
        assert_eq!(Message::parse(&emitted).expect("our own bytes"), message);
        assert_significant_bytes(&message, &emitted, &vector.bytes);
        *stale.entry(vector.kind).or_default() += 1;
    }
    assert_eq!(same, 120);
    let counts: Vec<_> = stale.iter().map(|(kind, count)| (kind.as_str(), *count)).collect();
    let total: u32 = stale.values().sum();
    assert_eq!(total, 20, "{counts:?}");
    let kinds: Vec<_> = stale.keys().map(String::as_str).collect();
    assert_eq!(kinds, ["ACK", "CONNECTED", "DISCONNECT", "HELLO"]);
}

/// Compares everything but what stands behind the zero of a string or behind the last field.
fn assert_significant_bytes(message: &Message, ours: &[u8], theirs: &[u8]) {
    let strings: &[(usize, usize)] = match message {
        Message::Hello(_) => &[(2, 32)],
        Message::Init(_) => &[(9, 24), (33, 32)],
        Message::Connect(_) | Message::Connected(_) => &[(2, 32)],
        Message::Disconnect(_) => &[(6, 96)],
        _ => &[],
    };
    let end = match message {
        Message::Ack => 2,
        Message::Hello(_) => 45,
        Message::Init(_) => 65,
        Message::AddRegion(_) => 12,
        Message::AddRing(_) => 15,
        Message::Connect(_) | Message::Connected(_) => 34,
        Message::Disconnect(_) => 102,
        _ => panic!("{message:?}"),
    };
    let mut at = 0;
    while at < end {
        assert_eq!(ours[at], theirs[at], "byte {at} of {}", message.name());
        let string = strings.iter().find(|(start, len)| (*start..start + len).contains(&at));
        at = match string {
            Some((start, len)) if ours[at] == 0 => start + len,
            _ => at + 1,
        };
    }
}

#[test]
fn the_numbers_in_the_captures_come_out() {
    let mut hellos = BTreeMap::new();
    let (mut sizes, mut rings, mut ids) = (Vec::new(), Vec::new(), Vec::new());
    for vector in vectors() {
        match Message::parse(&vector.bytes).expect("parsed above") {
            Message::Hello(hello) => {
                assert!((hello.min_version..=hello.max_version).contains(&VERSION));
                let peer = vector.sender.split(' ').next().unwrap_or_default().to_owned();
                let limits = (hello.max_region, hello.max_m2s_ring, hello.max_s2m_ring, hello.max_log2_ring_size);
                hellos.insert(peer, limits);
            }
            Message::Init(init) => ids.push((init.id, init.mode)),
            Message::AddRegion(region) => sizes.push(region.size),
            Message::AddRing(ring) => {
                assert_eq!(ring.private_hdr_size, 0);
                rings.push((ring.direction, ring.offset, ring.log2_ring_size));
            }
            _ => {}
        }
    }
    assert_eq!(hellos.get("VPP"), Some(&(256, 256, 256, 14)));
    assert_eq!(hellos.get("DPDK"), Some(&(255, 255, 255, 14)));
    assert_eq!(hellos.get("libmemif"), Some(&(255, 255, 255, 14)));
    assert!(ids.contains(&(3, 0)) && ids.contains(&(9, 0)));
    assert!(sizes.contains(&1_057_024) && sizes.contains(&33_024) && sizes.contains(&(4 << 20)));
    assert!(rings.contains(&(RingDirection::S2m, 0, 8)));
    assert!(rings.contains(&(RingDirection::M2s, 4224, 8)));
}

#[test]
fn prefixes_and_bit_flips_never_panic() {
    for vector in vectors() {
        for len in 0..MESSAGE_SIZE {
            assert!(Message::parse(&vector.bytes[..len]).is_err());
        }
        for bit in 0..8 * MESSAGE_SIZE {
            let mut bytes = vector.bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            if let Ok(message) = Message::parse(&bytes) {
                assert!(Message::parse(&message.emit()).is_ok());
            }
        }
    }
}
