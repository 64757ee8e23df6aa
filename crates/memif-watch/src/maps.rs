//! `/proc/PID/maps`: what a process has mapped, one line each.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};

/// Shared mappings that are looked at in one process.
pub const MAX_MAPPINGS: usize = 4096;
/// Text of `/proc/PID/maps` that is read of one process.
const MAX_TEXT: u64 = 16 << 20;

/// A file by its device and number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct FileId {
    pub(crate) device: (u32, u32),
    pub(crate) inode: u64,
}

/// A shared mapping that begins with the first byte of its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mapping {
    /// Addresses of its first byte and of the one behind its last, as they stand in the line and in the name of its
    /// entry in `map_files`.
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) file: FileId,
    /// What the kernel calls the file.
    pub(crate) name: Vec<u8>,
}

impl Mapping {
    /// Its name in `/proc/PID/map_files`.
    pub(crate) fn entry(&self) -> String {
        format!("{:x}-{:x}", self.start, self.end)
    }
}

/// What of a process's mappings is looked at.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Mappings {
    pub(crate) found: Vec<Mapping>,
    /// Whether a bound was reached before the end.
    pub(crate) cut: bool,
}

/// The mappings of a process that may be a region of a link.
pub(crate) fn of(pid: u32) -> io::Result<Mappings> {
    parse(File::open(format!("/proc/{pid}/maps"))?, MAX_TEXT, MAX_MAPPINGS)
}

/// Whether a process has that file mapped. Reads up to where that stands.
pub(crate) fn has(pid: u32, file: FileId) -> bool {
    let mut is_there = false;
    let here = |mapping: Mapping| {
        is_there = mapping.file == file;
        !is_there
    };
    let text = File::open(format!("/proc/{pid}/maps"));
    // What could be read before an error counts.
    let _ = text.and_then(|text| each(text, MAX_TEXT, here));
    is_there
}

fn parse(text: impl Read, most_bytes: u64, most: usize) -> io::Result<Mappings> {
    let mut found = Vec::new();
    let fits = |mapping| {
        let fits = found.len() < most;
        if fits {
            found.push(mapping);
        }
        fits
    };
    let cut = each(text, most_bytes, fits)?;
    Ok(Mappings { found, cut })
}

/// Reads the mappings that may be a region of a link: shared, readable, of a file, from its first byte on; until
/// `found` says that it wants no more. Gives whether it ended before the text did.
fn each(text: impl Read, most_bytes: u64, mut found: impl FnMut(Mapping) -> bool) -> io::Result<bool> {
    let mut text = BufReader::with_capacity(1 << 16, text.take(most_bytes));
    let mut line = Vec::new();
    loop {
        line.clear();
        if text.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        if !line.ends_with(b"\n") {
            return Ok(true);
        }
        let Some(mapping) = mapping(line.trim_ascii_end()) else { continue };
        if !found(mapping) {
            return Ok(true);
        }
    }
    // The bound may lie between two lines.
    Ok(text.get_ref().limit() == 0)
}

/// `7f91b8836000-7f91b8936000 rw-s 00000000 00:01 2148454    /memfd:name (deleted)`
fn mapping(line: &[u8]) -> Option<Mapping> {
    // Most lines are private mappings; the kind stands at the end of the second word.
    let dash = line.iter().position(|byte| *byte == b'-')?;
    let space = line.iter().position(|byte| *byte == b' ')?;
    let (addresses, rest) = line.split_at_checked(space)?;
    let permissions = rest.get(1..5)?;
    if permissions.first() != Some(&b'r') || permissions.last() != Some(&b's') {
        return None;
    }
    let (start, end) = addresses.split_at_checked(dash)?;
    let mut rest = rest.get(5..)?;
    let mut word = || {
        let start = rest.iter().position(|byte| *byte != b' ')?;
        let word = rest.get(start..)?;
        let end = word.iter().position(|byte| *byte == b' ').unwrap_or(word.len());
        let (word, behind) = word.split_at_checked(end)?;
        rest = behind;
        str::from_utf8(word).ok()
    };
    let offset = u64::from_str_radix(word()?, 16).ok()?;
    let (major, minor) = word()?.split_once(':')?;
    let inode = word()?.parse().ok()?;
    if offset != 0 || inode == 0 {
        return None;
    }
    let hexadecimal = |text: &[u8]| u64::from_str_radix(str::from_utf8(text).ok()?, 16).ok();
    let (start, end) = (hexadecimal(start)?, hexadecimal(end.get(1..)?)?);
    if start >= end {
        return None;
    }
    Some(Mapping {
        start,
        end,
        file: FileId { device: (u32::from_str_radix(major, 16).ok()?, u32::from_str_radix(minor, 16).ok()?), inode },
        name: rest.trim_ascii_start().to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Written by the kernel (6.18), shortened.
    const MAPS: &[u8] = b"\
55d0c8a00000-55d0c8a2d000 r--p 00000000 fe:00 1573 /usr/bin/cat\n\
7f91b8836000-7f91b8936000 rw-s 00000000 00:01 2148454                    /memfd:memif region 0 (deleted)\n\
7f91b8936000-7f91b8938000 rw-s 00001000 00:01 2148454                    /memfd:memif region 0 (deleted)\n\
7f91b8938000-7f91b893a000 -w-s 00000000 00:01 2148455                    /memfd:x (deleted)\n\
7f91b893a000-7f91b893c000 r--s 00000000 00:1a 17                         /dev/shm/name with  spaces\n\
7f91b893c000-7f91b893e000 rw-s 00000000 00:01 12                         \n\
7ffd5d5f2000-7ffd5d613000 rw-p 00000000 00:00 0                          [stack]\n";

    #[test]
    fn shared_files_from_their_first_byte_on_are_found() {
        let read = parse(MAPS, 1 << 20, 100).unwrap();
        let mapping = |start, end, device, inode, name: &str| Mapping {
            start,
            end,
            file: FileId { device, inode },
            name: name.as_bytes().to_vec(),
        };
        let expected = [
            mapping(0x7f91_b883_6000, 0x7f91_b893_6000, (0, 1), 2_148_454, "/memfd:memif region 0 (deleted)"),
            mapping(0x7f91_b893_a000, 0x7f91_b893_c000, (0, 0x1a), 17, "/dev/shm/name with  spaces"),
            mapping(0x7f91_b893_c000, 0x7f91_b893_e000, (0, 1), 12, ""),
        ];
        assert_eq!(read, Mappings { found: expected.to_vec(), cut: false });
        assert_eq!(expected[0].entry(), "7f91b8836000-7f91b8936000");
    }

    #[test]
    fn what_is_beyond_a_bound_is_told() {
        let read = parse(MAPS, 1 << 20, 2).unwrap();
        assert_eq!((read.found.len(), read.cut), (2, true));
        for bytes in 0..MAPS.len() {
            assert!(parse(MAPS, bytes as u64, 100).unwrap().cut, "{bytes}");
        }
    }

    #[test]
    fn reading_ends_where_a_file_was_found() {
        let mut seen = 0;
        let cut = each(MAPS, 1 << 20, |mapping| {
            seen += 1;
            mapping.file.inode != 17
        });
        assert_eq!((cut.unwrap(), seen), (true, 2));
        let own = of(std::process::id()).unwrap().found;
        assert!(own.iter().all(|mapping| has(std::process::id(), mapping.file)));
        assert!(!has(std::process::id(), FileId { device: (0, 0), inode: 1 }));
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(
            mut text in Just(MAPS.to_vec()),
            changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..20),
        ) {
            for (at, byte) in changes {
                let at = at.index(text.len());
                text[at] = byte;
            }
            let read = parse(text.as_slice(), 1 << 20, 100).unwrap();
            prop_assert!(read.found.iter().all(|mapping| mapping.start < mapping.end && mapping.file.inode != 0));
        }
    }
}
