//! Memory that both ends map: the page by which they start and stop, and that of the bare ring.
#![allow(unsafe_code)]

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::mm::{MapFlags, ProtFlags};

/// Memory that is nobody's file, and the path by which a child opens it.
pub(crate) fn create(size: usize) -> io::Result<(File, PathBuf)> {
    let fd = rustix::fs::memfd_create("memif-compare", rustix::fs::MemfdFlags::CLOEXEC)?;
    let file = File::from(fd);
    file.set_len(size as u64)?;
    let path = PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd()));
    Ok((file, path))
}

/// A shared mapping of a whole file.
#[derive(Debug)]
pub(crate) struct Mapping {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: the mapping is memory of the process, not of a thread; it is only reached through raw pointers and atomics.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let len = file.metadata()?.len() as usize;
        // SAFETY: a new mapping at an address of the kernel's choice; no Rust object is there.
        let start = unsafe {
            rustix::mm::mmap(
                std::ptr::null_mut(),
                len,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED | MapFlags::POPULATE,
                &file,
                0,
            )?
        };
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::InvalidData)?;
        Ok(Self { start, len })
    }

    pub(crate) fn start(&self) -> *mut u8 {
        self.start.as_ptr()
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Fills it with zeros. Nobody else uses it meanwhile.
    pub(crate) fn clear(&self) {
        // SAFETY: the whole mapping, which is writable.
        unsafe { self.start.as_ptr().write_bytes(0, self.len) };
    }

    /// The word at that offset.
    fn word(&self, offset: usize) -> &AtomicU32 {
        assert!(offset.is_multiple_of(4) && offset + 4 <= self.len);
        // SAFETY: aligned and inside, see above; mapped as long as `self` lives; only ever used as an atomic.
        unsafe { AtomicU32::from_ptr(self.start.as_ptr().add(offset).cast()) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped by `open` with this length; every reference into it borrows `self`.
        let _ = unsafe { rustix::mm::munmap(self.start.as_ptr().cast(), self.len) };
    }
}

/// Bytes of a [`Control`] page.
pub(crate) const CONTROL_BYTES: usize = 4096;

/// The page by which the ends of a slice start and stop together. Each word has a cache line of its own.
#[derive(Debug)]
pub(crate) struct Control(Mapping);

impl Control {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let mapping = Mapping::open(path)?;
        if mapping.len() < CONTROL_BYTES {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Self(mapping))
    }

    /// Ends that are ready.
    pub(crate) fn ready(&self) -> &AtomicU32 {
        self.0.word(0)
    }

    fn stop_word(&self) -> &AtomicU32 {
        self.0.word(128)
    }

    /// Ends the slice.
    pub(crate) fn stop(&self) {
        self.stop_word().store(1, Ordering::Release);
    }

    #[inline]
    pub(crate) fn stopped(&self) -> bool {
        self.stop_word().load(Ordering::Relaxed) != 0
    }

    /// The word of the cache line that is bounced.
    pub(crate) fn bounced(&self) -> &AtomicU32 {
        self.0.word(256)
    }

    fn release_word(&self) -> &AtomicU32 {
        self.0.word(384)
    }

    /// Lets the ends that linger go.
    pub(crate) fn release(&self) {
        self.release_word().store(1, Ordering::Release);
    }

    pub(crate) fn released(&self) -> bool {
        self.release_word().load(Ordering::Acquire) != 0
    }

    /// Links that the serving end saw go down.
    pub(crate) fn count(&self) -> &AtomicU32 {
        self.0.word(512)
    }

    /// The word by which the ends find out how far apart their cores are.
    pub(crate) fn distance(&self) -> &AtomicU32 {
        self.0.word(640)
    }

    /// Whatever ran before is forgotten.
    pub(crate) fn reset(&self) {
        for word in [self.ready(), self.stop_word(), self.bounced(), self.release_word(), self.count(), self.distance()]
        {
            word.store(0, Ordering::Release);
        }
    }
}
