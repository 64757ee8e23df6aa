//! What stands in a file.

use std::fs;
use std::path::Path;

/// A packet of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Packet {
    pub(crate) data: Vec<u8>,
    /// 1: to the slave, 2: from it.
    pub(crate) direction: u32,
    pub(crate) queue: u32,
    pub(crate) length: u32,
    pub(crate) comment: Option<String>,
    /// Packets that were lost before it.
    pub(crate) lost: u64,
}

/// A file that was written.
#[derive(Debug, Default)]
pub(crate) struct Read {
    pub(crate) link_type: u16,
    pub(crate) interfaces: Vec<String>,
    pub(crate) packets: Vec<Packet>,
    /// Of all interfaces: packets that came and that did not.
    pub(crate) received: u64,
    pub(crate) dropped: u64,
    /// What the statistics say beside their numbers.
    pub(crate) remark: Option<String>,
    /// Whether it has its statistics, and so its end.
    pub(crate) complete: bool,
}

impl Read {
    /// The bytes of packets of one direction.
    pub(crate) fn data(&self, direction: u32) -> Vec<&[u8]> {
        let of_it = self.packets.iter().filter(|packet| packet.direction == direction);
        of_it.map(|packet| &packet.data[..]).collect()
    }
}

/// Reads a file, all of whose blocks must be whole; but for the last one while it is written.
#[track_caller]
pub(crate) fn read(path: impl AsRef<Path>) -> Read {
    let all = fs::read(path).unwrap();
    let mut bytes = &all[..];
    let mut read = Read::default();
    let mut last = 0;
    while bytes.len() >= 8 {
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        let length = word(4) as usize;
        if length > bytes.len() {
            break;
        }
        assert_eq!(word(length - 4) as usize, length, "both lengths are the same");
        let text = |value: &[u8]| String::from_utf8(value.to_vec()).unwrap();
        match word(0) {
            1 => {
                read.link_type = u16::from_le_bytes(bytes[8..10].try_into().unwrap());
                read.interfaces.push(option(&bytes[16..length - 4], 2).map(text).unwrap());
            }
            5 => {
                let options = &bytes[20..length - 4];
                let count = |code| option(options, code).map_or(0, number);
                read.complete = true;
                read.received += count(4);
                read.dropped += count(5);
                read.remark = option(options, 1).map(text);
            }
            6 => {
                let kept = word(20) as usize;
                let options = &bytes[28 + kept.next_multiple_of(4)..length - 4];
                let stamp = u64::from(word(12)) << 32 | u64::from(word(16));
                assert!(last <= stamp, "time goes on");
                last = stamp;
                read.packets.push(Packet {
                    data: bytes[28..28 + kept].to_vec(),
                    direction: option(options, 2).map_or(0, |value| u32::from_le_bytes(value.try_into().unwrap())),
                    queue: option(options, 6).map_or(0, |value| u32::from_le_bytes(value.try_into().unwrap())),
                    length: word(24),
                    comment: option(options, 1).map(text),
                    lost: option(options, 4).map_or(0, number),
                });
            }
            _ => {}
        }
        bytes = &bytes[length..];
    }
    assert!(bytes.is_empty() || !read.complete, "{} bytes behind the end", bytes.len());
    read
}

fn number(value: &[u8]) -> u64 {
    u64::from_le_bytes(value.try_into().unwrap())
}

fn option(mut options: &[u8], code: u16) -> Option<&[u8]> {
    while options.len() >= 4 {
        let half = |at: usize| u16::from_le_bytes([options[at], options[at + 1]]);
        let (found, length) = (half(0), usize::from(half(2)));
        if found == code {
            return Some(&options[4..4 + length]);
        }
        options = &options[4 + length.next_multiple_of(4)..];
    }
    None
}
