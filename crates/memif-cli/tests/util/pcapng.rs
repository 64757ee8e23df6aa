//! What stands in files of `--write`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail so")]

use std::fs;
use std::path::Path;

/// A packet of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Packet {
    pub(crate) data: Vec<u8>,
    /// 1: came in, 2: went out.
    pub(crate) direction: u32,
    pub(crate) queue: u32,
    pub(crate) stamp: u64,
}

/// A file that was written.
#[derive(Debug, Default)]
pub(crate) struct Read {
    pub(crate) link_type: u16,
    pub(crate) interfaces: usize,
    pub(crate) packets: Vec<Packet>,
    /// Whether it has its statistics, and so its end.
    pub(crate) complete: bool,
}

/// Reads a file, all of whose blocks must be whole.
#[track_caller]
pub(crate) fn read(path: impl AsRef<Path>) -> Read {
    let all = fs::read(path).unwrap();
    let mut bytes = &all[..];
    let mut read = Read::default();
    while !bytes.is_empty() {
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        let length = word(4) as usize;
        assert_eq!(word(length - 4) as usize, length, "both lengths are the same");
        match word(0) {
            1 => {
                read.interfaces += 1;
                read.link_type = u16::from_le_bytes(bytes[8..10].try_into().unwrap());
            }
            5 => read.complete = true,
            6 => {
                let data = bytes[28..28 + word(20) as usize].to_vec();
                let stamp = u64::from(word(12)) << 32 | u64::from(word(16));
                assert!(read.packets.last().is_none_or(|before| before.stamp <= stamp), "time goes on");
                read.packets.push(Packet { data, direction: word(length - 20), queue: word(length - 12), stamp });
            }
            _ => {}
        }
        bytes = &bytes[length..];
    }
    read
}
