//! A ring as it lies in a shared file, every field readable and writable.

use crate::shared::SharedFile;

/// First four bytes of a ring.
pub const COOKIE: u32 = 0x03E3_1F20;
/// Ring flag: do not signal.
pub const MASK_INT: u16 = 1;
/// Descriptor flag: the packet goes on.
pub const NEXT: u16 = 1;

/// The cache line of every peer on x86-64.
pub const LINE: u64 = 64;

/// Bytes of a ring of `2^log2` slots, for the usual cache line.
#[must_use]
pub fn ring_bytes(log2: u8) -> u64 {
    ring_bytes_for(LINE, log2)
}

/// Bytes of a ring of `2^log2` slots that is laid out for cache lines of so many bytes.
#[must_use]
pub fn ring_bytes_for(line: u64, log2: u8) -> u64 {
    2 * line + (16 << log2)
}

/// One slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Descriptor {
    /// Bit 0 is [`NEXT`].
    pub flags: u16,
    /// Region of the buffer.
    pub region: u16,
    /// Bytes.
    pub length: u32,
    /// Where in the region.
    pub offset: u32,
    /// Unused.
    pub metadata: u32,
}

impl Descriptor {
    fn bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[0..2].copy_from_slice(&self.flags.to_ne_bytes());
        bytes[2..4].copy_from_slice(&self.region.to_ne_bytes());
        bytes[4..8].copy_from_slice(&self.length.to_ne_bytes());
        bytes[8..12].copy_from_slice(&self.offset.to_ne_bytes());
        bytes[12..16].copy_from_slice(&self.metadata.to_ne_bytes());
        bytes
    }

    fn from_bytes(b: &[u8]) -> Self {
        let half = |at: usize| u16::from_ne_bytes([b[at], b[at + 1]]);
        let word = |at: usize| u32::from_ne_bytes([b[at], b[at + 1], b[at + 2], b[at + 3]]);
        Self { flags: half(0), region: half(2), length: word(4), offset: word(8), metadata: word(12) }
    }
}

/// A ring at some place of a shared file.
#[derive(Clone, Debug)]
pub struct Ring {
    file: SharedFile,
    at: u64,
    log2: u8,
    line: u64,
}

impl Ring {
    /// The view of a ring of `2^log2` slots at byte `at`.
    #[must_use]
    pub fn new(file: &SharedFile, at: u64, log2: u8) -> Self {
        Self::with_line(LINE, file, at, log2)
    }

    /// The same of one that is laid out for cache lines of so many bytes.
    #[must_use]
    pub fn with_line(line: u64, file: &SharedFile, at: u64, log2: u8) -> Self {
        Self { file: file.clone(), at, log2, line }
    }

    /// Writes cookie and zeros, as a slave does before CONNECT.
    pub fn initialise(&self) {
        self.file.write(self.at, &COOKIE.to_ne_bytes());
        self.file.write(self.at + 4, &[0; 4]);
        self.set_tail(0);
    }

    /// The file that it lies in.
    #[must_use]
    pub fn file(&self) -> &SharedFile {
        &self.file
    }

    /// First byte in the file.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.at
    }

    /// Slots.
    #[must_use]
    pub fn slots(&self) -> u32 {
        1 << self.log2
    }

    /// Slots as a distance of cursors.
    #[must_use]
    pub fn size(&self) -> u16 {
        u16::try_from(self.slots()).expect("a ring of at most 2^15")
    }

    /// Binary logarithm of the slots.
    #[must_use]
    pub fn log2(&self) -> u8 {
        self.log2
    }

    /// The cookie.
    #[must_use]
    pub fn cookie(&self) -> u32 {
        let b = self.file.read(self.at, 4);
        u32::from_ne_bytes([b[0], b[1], b[2], b[3]])
    }

    /// Overwrites the cookie.
    pub fn set_cookie(&self, cookie: u32) {
        self.file.write(self.at, &cookie.to_ne_bytes());
    }

    /// Ring flags.
    #[must_use]
    pub fn flags(&self) -> u16 {
        self.file.load16(self.at + 4)
    }

    /// Sets the ring flags.
    pub fn set_flags(&self, flags: u16) {
        self.file.store16(self.at + 4, flags);
    }

    /// The slave's cursor.
    #[must_use]
    pub fn head(&self) -> u16 {
        self.file.load16(self.at + 6)
    }

    /// Moves the slave's cursor.
    pub fn set_head(&self, head: u16) {
        self.file.store16(self.at + 6, head);
    }

    /// The master's cursor.
    #[must_use]
    pub fn tail(&self) -> u16 {
        self.file.load16(self.at + self.line)
    }

    /// Moves the master's cursor.
    pub fn set_tail(&self, tail: u16) {
        self.file.store16(self.at + self.line, tail);
    }

    /// Where the slot of a cursor lies in the file.
    #[must_use]
    pub fn slot_at(&self, cursor: u16) -> u64 {
        self.at + 2 * self.line + 16 * (u64::from(cursor) & (u64::from(self.slots()) - 1))
    }

    /// The descriptor in the slot of a cursor.
    #[must_use]
    pub fn descriptor(&self, cursor: u16) -> Descriptor {
        Descriptor::from_bytes(&self.file.read(self.slot_at(cursor), 16))
    }

    /// Writes the descriptor in the slot of a cursor, in two 64-bit stores where it is aligned.
    pub fn set_descriptor(&self, cursor: u16, descriptor: Descriptor) {
        let (at, bytes) = (self.slot_at(cursor), descriptor.bytes());
        if at % 8 == 0 {
            let word = |from: usize| u64::from_ne_bytes(bytes[from..from + 8].try_into().expect("eight bytes"));
            self.file.store64(at + 8, word(8));
            self.file.store64(at, word(0));
        } else {
            self.file.write(at, &bytes);
        }
    }

    /// The header's bytes that nobody may write: between head and tail, and behind tail.
    #[must_use]
    pub fn padding(&self) -> Vec<u8> {
        let parts = self.padded().map(|(at, bytes)| self.file.read(at, bytes));
        parts.concat()
    }

    /// Fills the header's padding.
    pub fn fill_padding(&self, value: u8) {
        for (at, bytes) in self.padded() {
            self.file.write(at, &vec![value; bytes]);
        }
    }

    fn padded(&self) -> [(u64, usize); 2] {
        let line = usize::try_from(self.line).expect("a cache line");
        [(self.at + 8, line - 8), (self.at + self.line + 2, line - 2)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shared::FileKind;

    #[test]
    fn fields_lie_where_the_description_says() {
        let file = SharedFile::create(FileKind::Sealed, 8192);
        let ring = Ring::new(&file, 1024, 4);
        ring.initialise();
        ring.set_flags(1);
        ring.set_head(0x0203);
        ring.set_tail(0x0405);
        assert_eq!(ring.cookie(), COOKIE);
        assert_eq!(file.read(1028, 4), [1u16.to_ne_bytes(), 0x0203u16.to_ne_bytes()].concat());
        assert_eq!(file.read(1088, 2), 0x0405u16.to_ne_bytes());
        let descriptor = Descriptor { flags: 1, region: 2, length: 3, offset: 4, metadata: 5 };
        ring.set_descriptor(17, descriptor);
        assert_eq!(ring.descriptor(1), descriptor);
        assert_eq!(ring.slot_at(17), 1024 + 128 + 16);
        assert_eq!(file.read(1024 + 128 + 16 + 4, 4), 3u32.to_ne_bytes());
        assert_eq!(ring_bytes(8), 4224);

        let ring = Ring::with_line(128, &file, 2048, 4);
        ring.initialise();
        ring.fill_padding(7);
        ring.set_tail(0x0405);
        assert_eq!(file.read(2048 + 128, 2), 0x0405u16.to_ne_bytes());
        assert_eq!((ring.cookie(), ring.flags(), ring.head()), (COOKIE, 0, 0));
        assert_eq!((ring.slot_at(1), ring_bytes_for(128, 8)), (2048 + 256 + 16, 4352));
        assert_eq!(ring.padding(), [7; 120 + 126]);
    }
}
