//! The memory of a link that is looked at: whatever stands there, the search for rings ends, after a bounded number of
//! looks, and names none that does not lie in it.
//!
//! The first bytes say how long the memory is and where cookies stand, which no fuzzer guesses; the rest are bytes to
//! write, each eight behind their place.
#![no_main]

use std::cell::Cell;

use libfuzzer_sys::fuzz_target;
use memif_watch::ReadError;
use memif_watch::bytes::Bytes;
use memif_watch::layout;

const COOKIE: u32 = 0x03E3_1F20;
/// Looks for which there is a reason: each place of a ring, each size, some descriptors of each ring.
const MOST_LOOKS: u32 = 20_000;

struct Memory {
    bytes: Vec<u8>,
    looks: Cell<u32>,
}

impl Bytes for Memory {
    fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<(), ReadError> {
        self.looks.set(self.looks.get() + 1);
        // The head of a ring for the longer cache line.
        assert!(into.len() <= 256);
        let end = offset.checked_add(into.len() as u64).unwrap();
        let start = usize::try_from(offset).unwrap();
        match self.bytes.get(start..start + into.len()) {
            Some(bytes) => into.copy_from_slice(bytes),
            None => return Err(ReadError::Short { region: 0, end }),
        }
        Ok(())
    }
}

fuzz_target!(|input: &[u8]| {
    let [layout, log2, count, size @ .., a, b] = input else { return };
    let mut bytes = vec![0; usize::from(u16::from_le_bytes([*a, *b])) * 16];
    let mut write = |at: usize, word: &[u8]| {
        if let Some(place) = bytes.get_mut(at..at + word.len()) {
            place.copy_from_slice(word);
        }
    };
    let stride = 128 + (16_usize << (log2 % 15));
    let first = if layout % 2 == 0 { 0 } else { 65_856 };
    write(0, &COOKIE.to_ne_bytes());
    for k in 0..usize::from(*count) {
        write(first + k * stride.next_multiple_of(if first == 0 { 16 } else { 64 }), &COOKIE.to_ne_bytes());
    }
    for edit in size.chunks_exact(11) {
        let at = usize::from(edit[0]) << 16 | usize::from(edit[1]) << 8 | usize::from(edit[2]);
        write(at, &edit[3..]);
    }
    let memory = Memory { bytes, looks: Cell::new(0) };
    if let Ok(Some(found)) = layout::find(&memory) {
        assert!(!found.rings.is_empty() && found.rings.len() <= 510);
        for ring in &found.rings {
            assert!(ring.size.is_power_of_two() && ring.size <= 1 << 14 && ring.offset % 8 == 0);
            assert!(ring.offset + 128 + 16 * u64::from(ring.size) <= memory.size());
        }
    }
    assert!(memory.looks.get() < MOST_LOOKS, "{} looks", memory.looks.get());
});
