//! What a slave writes to the file of its rings before anybody else has it.
//!
//! Not through the mapping: each of its pages would fault, be zeroed and then filled.

use std::io;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
#[cfg(not(miri))]
use rustix::io::pwrite;

use crate::queue::{BufferRef, BufferRow};
#[cfg(miri)]
use crate::shm::stand_in::pwrite;
use crate::wire::ring::{
    COOKIE, COOKIE_OFFSET, CacheLine, DESCRIPTOR_SIZE, DescriptorHead, header_size, offset_to_word,
};

/// As many zeros in a row are left out: they would be a page of the file.
const GAP: u64 = 4096;

/// Bytes of a new file, to be given in their order, which go to it in as few calls as leave out long rows of zeros.
pub(super) struct FileImage<'a> {
    file: &'a OwnedFd,
    /// Where `bytes` begin in the file.
    start: u64,
    bytes: Vec<u8>,
}

impl<'a> FileImage<'a> {
    pub(super) fn new(file: &'a OwnedFd) -> Self {
        Self { file, start: 0, bytes: Vec::new() }
    }

    /// The next bytes, zero so far: `len` of them at `offset`, which is behind all before.
    ///
    /// # Errors
    /// What `pwrite` says of those before.
    pub(super) fn bytes(&mut self, offset: u64, len: u64) -> io::Result<&mut [u8]> {
        let end = self.start + self.bytes.len() as u64;
        if offset.saturating_sub(end) >= GAP {
            self.flush()?;
            self.start = offset;
        }
        let place = |offset: u64| usize::try_from(offset.saturating_sub(self.start)).unwrap_or(usize::MAX);
        let (from, to) = (place(offset), place(offset + len));
        self.bytes.resize(to, 0);
        Ok(self.bytes.get_mut(from..to).unwrap_or_default())
    }

    /// The first `len` bytes of a ring, of which the header is written.
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes).
    pub(super) fn ring(&mut self, offset: u32, len: u64) -> io::Result<&mut [u8]> {
        let ring = self.bytes(offset.into(), len)?;
        if let Some(place) = ring.get_mut(COOKIE_OFFSET..COOKIE_OFFSET + size_of_val(&COOKIE)) {
            place.copy_from_slice(&COOKIE.to_ne_bytes());
        }
        Ok(ring)
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// What `pwrite` says.
    pub(super) fn write(mut self) -> io::Result<()> {
        self.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut at = self.start;
        let mut rest = &self.bytes[..];
        while !rest.is_empty() {
            let written = match pwrite(self.file, rest, at) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => written,
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            rest = rest.get(written..).unwrap_or_default();
            at += written as u64;
        }
        self.bytes.clear();
        Ok(())
    }
}

/// Has each slot of a ring name its buffer.
pub(super) fn put_descriptors(ring: &mut [u8], line: CacheLine, row: BufferRow) {
    let (descriptors, _) = ring.get_mut(header_size(line)..).unwrap_or_default().as_chunks_mut::<DESCRIPTOR_SIZE>();
    for (slot, descriptor) in (0..).zip(descriptors) {
        let BufferRef { region, offset, capacity } = row.buffer(slot);
        let words = [DescriptorHead { flags: 0, region, length: capacity }.to_word(), offset_to_word(offset)];
        for (place, word) in descriptor.as_chunks_mut().0.iter_mut().zip(words) {
            *place = word.to_ne_bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{MemfdFlags, fstat, ftruncate, memfd_create};
    use rustix::io::pread;

    #[test]
    fn what_is_given_is_written_and_pages_of_zeros_are_not() {
        let file = memfd_create("test", MemfdFlags::CLOEXEC).unwrap();
        ftruncate(&file, 1 << 20).unwrap();
        let mut image = FileImage::new(&file);
        for (offset, byte) in [(10, 1), (100, 2), (9000, 3), (500_000, 4)] {
            image.bytes(offset, 5).unwrap().fill(byte);
        }
        image.write().unwrap();
        let mut found = vec![0; 1 << 20];
        assert_eq!(pread(&file, &mut found, 0).unwrap(), found.len());
        for (offset, byte) in [(10, 1), (100, 2), (9000, 3), (500_000, 4)] {
            assert_eq!(found[offset..offset + 5], [byte; 5]);
            found[offset..offset + 5].fill(0);
        }
        assert!(found.iter().all(|byte| *byte == 0));
        let page = rustix::param::page_size() as u64;
        assert!(fstat(&file).unwrap().st_blocks as u64 * 512 <= 3 * page);
    }
}
