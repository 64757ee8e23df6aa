//! Shared memory files of every kind a peer can offer, with access through a mapping or through the file.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use rustix::fs::{FallocateFlags, MemfdFlags, SealFlags};
use vm_memory::{Bytes, FileOffset, MmapRegion, VolatileMemory};

/// What a region's file is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FileKind {
    /// A memfd sealed against shrinking, as every copy-mode peer offers (`F_GET_SEALS` 0x2).
    #[default]
    Sealed,
    /// A memfd that could be sealed and is not (0x0).
    Sealable,
    /// A memfd without sealing (0x1), as DPDK's memory segments are.
    Unsealable,
    /// A file on tmpfs (0x1).
    Tmpfs,
    /// A file on a disk.
    Disk,
    /// A memfd on huge pages without sealing (0x1), as VPP's buffer pools are.
    Huge,
}

impl FileKind {
    /// A descriptor of that kind with `size` bytes.
    #[must_use]
    pub fn create(self, size: u64) -> OwnedFd {
        let memfd = |flags| rustix::fs::memfd_create("memif-test", MemfdFlags::CLOEXEC | flags).expect("memfd_create");
        let fd = match self {
            FileKind::Sealed | FileKind::Sealable => memfd(MemfdFlags::ALLOW_SEALING),
            FileKind::Unsealable => memfd(MemfdFlags::empty()),
            FileKind::Huge => memfd(MemfdFlags::HUGETLB | MemfdFlags::HUGE_2MB),
            FileKind::Tmpfs => anonymous_file("/dev/shm"),
            FileKind::Disk => anonymous_file(env!("CARGO_MANIFEST_DIR")),
        };
        rustix::fs::ftruncate(&fd, size).expect("ftruncate");
        if self == FileKind::Sealed {
            rustix::fs::fcntl_add_seals(&fd, SealFlags::SHRINK).expect("seal");
        }
        fd
    }
}

/// A file without a name in `directory`.
fn anonymous_file(directory: &str) -> OwnedFd {
    let path = format!("{directory}/memif-test-{}", crate::seqsock::unique());
    let file = File::options().create_new(true).read(true).write(true).open(&path).expect("a new file");
    std::fs::remove_file(&path).expect("removing the name");
    file.into()
}

const RESERVED_PAGES: &str = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages";

/// Huge pages of 2 MiB that this process reserved.
static TAKEN: AtomicU64 = AtomicU64::new(0);

/// Huge pages of 2 MiB that nobody has or was promised.
#[must_use]
pub fn huge_pages_left() -> u64 {
    let number = |name: &str| number_in(Path::new(RESERVED_PAGES).with_file_name(name));
    number("free_hugepages").saturating_sub(number("resv_hugepages"))
}

/// Makes sure that `pages` huge pages of 2 MiB are free, reserving them when this process may. Those go back with
/// [`give_huge_pages_back`].
#[must_use]
pub fn huge_pages_free(pages: u64) -> bool {
    let missing = pages.saturating_sub(huge_pages_left());
    if missing > 0 {
        let before = number_in(RESERVED_PAGES);
        let _ = std::fs::write(RESERVED_PAGES, (before + missing).to_string());
        TAKEN.fetch_add(number_in(RESERVED_PAGES).saturating_sub(before), Ordering::Relaxed);
    }
    huge_pages_left() >= pages
}

/// Ends the reservations that this process made.
pub fn give_huge_pages_back() {
    let taken = TAKEN.swap(0, Ordering::Relaxed);
    if taken > 0 {
        let now = number_in(RESERVED_PAGES).saturating_sub(taken);
        let _ = std::fs::write(RESERVED_PAGES, now.to_string());
    }
}

/// Whether this process may reserve huge pages.
#[must_use]
pub fn may_reserve_huge_pages() -> bool {
    File::options().write(true).open(RESERVED_PAGES).is_ok()
}

fn number_in(file: impl AsRef<Path>) -> u64 {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.trim().parse().unwrap_or(0)
}

/// A shared memory file.
#[derive(Clone, Debug)]
pub struct SharedFile(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    file: File,
    size: u64,
    map: OnceLock<MmapRegion>,
}

impl SharedFile {
    /// A new file.
    #[must_use]
    pub fn create(kind: FileKind, size: u64) -> Self {
        Self::from_fd(kind.create(size), size)
    }

    /// `size` bytes of a file that came from the other side.
    #[must_use]
    pub fn from_fd(fd: OwnedFd, size: u64) -> Self {
        Self(Arc::new(Inner { file: File::from(fd), size, map: OnceLock::new() }))
    }

    /// Bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.0.size
    }

    /// A copy of the descriptor.
    #[must_use]
    pub fn duplicate(&self) -> OwnedFd {
        self.0.file.as_fd().try_clone_to_owned().expect("dup")
    }

    fn map(&self) -> &MmapRegion {
        self.0.map.get_or_init(|| {
            let file = self.0.file.try_clone().expect("dup");
            let size = usize::try_from(self.0.size).expect("a size to map");
            MmapRegion::from_file(FileOffset::new(file, 0), size).expect("mapping")
        })
    }

    /// Reads `len` bytes through the mapping.
    #[must_use]
    #[track_caller]
    pub fn read(&self, at: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.slice(at, len).read_slice(&mut bytes, 0).expect("reading shared memory");
        bytes
    }

    /// Writes through the mapping.
    #[track_caller]
    pub fn write(&self, at: u64, bytes: &[u8]) {
        self.slice(at, bytes.len()).write_slice(bytes, 0).expect("writing shared memory");
    }

    #[track_caller]
    fn slice(&self, at: u64, len: usize) -> vm_memory::VolatileSlice<'_, vm_memory::bitmap::BS<'_, ()>> {
        let at = usize::try_from(at).expect("an offset");
        self.map().get_slice(at, len).unwrap_or_else(|e| panic!("{len} bytes at {at} of {}: {e}", self.0.size))
    }

    /// Loads a 16-bit value with acquire order.
    #[must_use]
    #[track_caller]
    pub fn load16(&self, at: u64) -> u16 {
        self.slice(at, 2).load(0, Ordering::Acquire).expect("an aligned value")
    }

    /// Stores a 16-bit value in one store, with sequentially consistent order: a scripted peer loses no wake-up.
    #[track_caller]
    pub fn store16(&self, at: u64, value: u16) {
        self.slice(at, 2).store(value, 0, Ordering::SeqCst).expect("an aligned value");
    }

    /// Stores a 64-bit value in one store.
    #[track_caller]
    pub fn store64(&self, at: u64, value: u64) {
        self.slice(at, 8).store(value, 0, Ordering::Release).expect("an aligned value");
    }

    /// Loads a 64-bit value.
    #[must_use]
    #[track_caller]
    pub fn load64(&self, at: u64) -> u64 {
        self.slice(at, 8).load(0, Ordering::Acquire).expect("an aligned value")
    }

    /// Reads through the file, which never faults: for files that are being cut.
    #[must_use]
    pub fn read_file(&self, at: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.0.file.read_exact_at(&mut bytes, at).expect("pread");
        bytes
    }

    /// Writes through the file.
    pub fn write_file(&self, at: u64, bytes: &[u8]) {
        self.0.file.write_all_at(bytes, at).expect("pwrite");
    }

    /// Cuts or extends the file. The mapping of this side must not be touched behind the new end.
    ///
    /// # Errors
    /// What the kernel says, EPERM when the file is sealed.
    pub fn truncate(&self, size: u64) -> std::io::Result<()> {
        Ok(rustix::fs::ftruncate(&self.0.file, size)?)
    }

    /// Punches a hole: the bytes read as zero afterwards.
    pub fn punch(&self, at: u64, len: u64) {
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        rustix::fs::fallocate(&self.0.file, flags, at, len).expect("punching a hole");
    }

    /// The seals that it has now.
    #[must_use]
    pub fn seals(&self) -> Option<SealFlags> {
        rustix::fs::fcntl_get_seals(&self.0.file).ok()
    }

    /// Adds seals.
    pub fn seal(&self, seals: SealFlags) {
        rustix::fs::fcntl_add_seals(&self.0.file, seals).expect("adding seals");
    }

    /// Bytes of memory that the file really takes.
    #[must_use]
    pub fn allocated(&self) -> u64 {
        let stat = rustix::fs::fstat(&self.0.file).expect("fstat");
        u64::try_from(stat.st_blocks).unwrap_or(0) * 512
    }
}

impl AsFd for SharedFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.file.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_have_the_seals_of_their_kind() {
        let seals = |kind: FileKind| SharedFile::create(kind, 8192).seals().map(|s| s.bits());
        assert_eq!(seals(FileKind::Sealed), Some(0x2));
        assert_eq!(seals(FileKind::Sealable), Some(0x0));
        assert_eq!(seals(FileKind::Unsealable), Some(0x1));
        assert_eq!(seals(FileKind::Tmpfs), Some(0x1));
        assert_eq!(seals(FileKind::Disk), None);
        assert!(SharedFile::create(FileKind::Sealed, 8192).truncate(0).is_err());
        assert!(SharedFile::create(FileKind::Unsealable, 8192).truncate(0).is_ok());
    }

    #[test]
    fn mapping_and_file_see_the_same_bytes() {
        let a = SharedFile::create(FileKind::Sealed, 8192);
        let b = SharedFile::from_fd(a.duplicate(), 8192);
        a.write(100, b"abc");
        assert_eq!(b.read(100, 3), b"abc");
        assert_eq!(b.read_file(100, 3), b"abc");
        b.write_file(100, b"xyz");
        assert_eq!(a.read(100, 3), b"xyz");
        a.store16(6, 0x1234);
        assert_eq!(b.load16(6), 0x1234);
        b.punch(0, 4096);
        assert_eq!(a.load16(6), 0);
    }
}
