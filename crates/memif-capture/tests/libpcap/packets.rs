//! Packets that filters can tell apart: the addresses and numbers in them are those that the filters ask for.

use memif_capture::LinkType;

use crate::random::Random;

pub(crate) const MACS: [[u8; 6]; 5] =
    [[2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2], [0xff; 6], [1, 0, 0x5e, 0, 0, 5], [0x33, 0x33, 0, 0, 0, 1]];
pub(crate) const IPV4: [[u8; 4]; 7] = [
    [10, 0, 0, 1],
    [10, 0, 0, 2],
    [10, 1, 2, 3],
    [192, 168, 1, 1],
    [224, 0, 0, 5],
    [255, 255, 255, 255],
    [0, 0, 0, 10],
];
pub(crate) const IPV6: [[u8; 16]; 4] = [
    [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
    [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2],
    [0x20, 0x01, 0x0d, 0xb8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3],
    [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
];
pub(crate) const PORTS: [u16; 8] = [22, 53, 80, 443, 1000, 1500, 2000, 4789];
pub(crate) const TAGS: [u16; 4] = [0, 1, 100, 4095];
pub(crate) const ETHER_TYPES: [u16; 10] =
    [0x0800, 0x86dd, 0x0806, 0x8035, 0x9000, 0x88cc, 0x0026, 0x05dc, 0x05dd, 0x8100];
pub(crate) const PROTOCOLS: [u8; 13] = [6, 17, 1, 58, 132, 2, 44, 0, 47, 50, 51, 103, 112];

/// What a file has of a packet.
pub(crate) struct Packet {
    pub(crate) data: Vec<u8>,
    pub(crate) original_length: usize,
}

pub(crate) fn packet(random: &mut Random, link_type: LinkType) -> Packet {
    let mut data = if random.one_in(20) {
        let length = random.below(100);
        random.bytes(length)
    } else if link_type == LinkType::Ethernet {
        ethernet(random)
    } else {
        let mut data = Vec::new();
        ip(random, &mut data, false);
        data
    };
    if random.one_in(10) {
        for _ in 0..=random.below(3) {
            let at = random.below(data.len().max(1));
            let byte = random.byte();
            if let Some(old) = data.get_mut(at) {
                *old = byte;
            }
        }
    }
    let mut original_length = data.len();
    if random.one_in(3) {
        // Near the headers, where a cut matters.
        let kept = random.below(data.len().min(90) + 1);
        data.truncate(kept);
    } else if random.one_in(30) {
        original_length += random.below(70_000);
    }
    Packet { data, original_length }
}

fn ethernet(random: &mut Random) -> Vec<u8> {
    let mut data = random.pick(&MACS).to_vec();
    data.extend(random.pick(&MACS));
    while random.one_in(3) && data.len() < 30 {
        data.extend(random.pick(&[0x8100_u16, 0x8100, 0x88a8, 0x9100]).to_be_bytes());
        let priority = u16::from(random.byte() & 0xf0) << 8;
        data.extend((priority | random.pick(&TAGS)).to_be_bytes());
    }
    match random.below(8) {
        0 => arp(random, &mut data),
        1 => {
            data.extend(random.pick(&ETHER_TYPES).to_be_bytes());
            let count = random.below(60);
            let access_point = random.pick(&[0x06, 0x42, 0xaa, 0xf0, 0xfe]);
            data.extend([access_point, access_point, 3]);
            data.extend(random.bytes(count));
        }
        _ => ip(random, &mut data, true),
    }
    data
}

fn arp(random: &mut Random, data: &mut Vec<u8>) {
    data.extend(random.pick(&[0x0806_u16, 0x0806, 0x8035]).to_be_bytes());
    data.extend([0, 1, 8, 0, 6, 4, 0, random.pick(&[1, 2])]);
    data.extend(random.pick(&MACS));
    data.extend(random.pick(&IPV4));
    data.extend(random.pick(&MACS));
    data.extend(random.pick(&IPV4));
}

/// IPv4 or IPv6, after its type if there is one.
fn ip(random: &mut Random, data: &mut Vec<u8>, typed: bool) {
    let six = random.one_in(3);
    if typed {
        data.extend(if six { 0x86dd_u16 } else { 0x0800 }.to_be_bytes());
    }
    let protocol = if random.one_in(2) { random.pick(&[6, 17]) } else { random.pick(&PROTOCOLS) };
    let count = random.below(30);
    let rest = random.bytes(count);
    if six {
        let mut next = protocol;
        let mut extension = Vec::new();
        if random.one_in(4) {
            next = random.pick(&[44, 44, 0, 60]);
            extension = vec![protocol, 0, 0, random.pick(&[0, 1, 9]), 0, 0, 0, 1];
        }
        data.extend([0x60, random.byte() & 0xf, 0, 0, 0, 40, next, 64]);
        data.extend(random.pick(&IPV6));
        data.extend(random.pick(&IPV6));
        data.extend(extension);
    } else {
        let words = if random.one_in(4) { random.below(16) } else { 5 };
        data.push(0x40 | u8::try_from(words).unwrap());
        let length = u16::try_from(words * 4 + 20 + count).unwrap();
        data.extend([random.byte()]);
        data.extend(length.to_be_bytes());
        data.extend([0, 1]);
        data.extend(if random.one_in(5) { random.pick(&[0x2000_u16, 0x2001, 0x00b9]) } else { 0x4000 }.to_be_bytes());
        data.extend([random.pick(&[1, 64]), protocol, 0, 0]);
        data.extend(random.pick(&IPV4));
        data.extend(random.pick(&IPV4));
        data.extend(random.bytes(words.saturating_sub(5) * 4));
    }
    match protocol {
        6 => {
            data.extend(random.pick(&PORTS).to_be_bytes());
            data.extend(random.pick(&PORTS).to_be_bytes());
            data.extend(random.bytes(8));
            data.extend([0x50, random.pick(&[0x02, 0x12, 0x10, 0x18, 0x04, 0x11, 0xc2])]);
            data.extend(random.bytes(6));
        }
        17 | 132 => {
            data.extend(random.pick(&PORTS).to_be_bytes());
            data.extend(random.pick(&PORTS).to_be_bytes());
            data.extend(u16::try_from(8 + count).unwrap().to_be_bytes());
            data.extend([0, 0]);
        }
        1 => data.extend([random.pick(&[0, 3, 8, 11]), random.pick(&[0, 1, 4]), 0, 0]),
        58 => data.extend([random.pick(&[1, 128, 129, 135, 136]), 0, 0, 0]),
        _ => {}
    }
    data.extend(rest);
}
