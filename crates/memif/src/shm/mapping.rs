//! One region mapped into this process.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::{Arc, OnceLock};

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use super::copy;
use super::guard::Guarded;
use super::guard_table;
use super::prefetch;
use super::slice::SharedSlice;

/// Shared memory mapped readable and writable, never executable.
///
/// Made by the library for every region of a link, or by a caller who mapped memory of his own, see
/// [`Mapping::from_raw`]. Unmapped when the last queue, packet or handle that uses it is gone.
pub struct Mapping {
    start: NonNull<u8>,
    /// Bytes that may be touched.
    len: usize,
    owner: Owner,
}

enum Owner {
    /// `mapped` bytes were mapped here, in whole pages of the file, and are unmapped in `drop`.
    #[cfg_attr(miri, expect(dead_code, reason = "Miri maps no files"))]
    Library { mapped: usize, guard: Option<Guarded> },
    /// The caller mapped them; `fd` is what the peer is given. Guarded where the file cannot be sealed.
    Caller { fd: Arc<OwnedFd>, guard: OnceLock<Guarded> },
    /// The same memory for a later link, after a peer took it away. The guard goes before the memory may.
    Again { guard: Guarded, caller: Arc<Mapping> },
}

// SAFETY: a mapping is an address range; every access goes through the copy routine or atomics, which allow for
// concurrent access from anywhere.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps the first `len` bytes of a file shared. With `guard`, a fault in it does not kill the process, see
    /// [`guard`](super::guard).
    ///
    /// # Errors
    /// What `fstat` or `mmap` say; `InvalidInput` for no bytes at all.
    pub(crate) fn map(fd: impl AsFd, len: u64, guard: bool) -> io::Result<Self> {
        let page = if cfg!(miri) { rustix::param::page_size() } else { page_size_of(&fd)? };
        Self::map_pages(fd, len, page, guard)
    }

    /// Maps the first `len` bytes of a file that is known to have pages of the usual size, and to keep them.
    ///
    /// # Errors
    /// As [`map`](Self::map).
    pub(crate) fn map_usual_pages(fd: impl AsFd, len: u64) -> io::Result<Self> {
        Self::map_pages(fd, len, rustix::param::page_size(), false)
    }

    /// Maps a file of that page size.
    #[cfg(miri)]
    fn map_pages(fd: impl AsFd, len: u64, _: usize, _: bool) -> io::Result<Self> {
        let (start, len) = super::stand_in::memory(&fd, len)?;
        let fd = Arc::new(fd.as_fd().try_clone_to_owned()?);
        // SAFETY: it is never freed, and nobody makes a reference to it.
        Ok(unsafe { Self::from_raw(start, len, fd) })
    }

    #[cfg(not(miri))]
    fn map_pages(fd: impl AsFd, len: u64, page: usize, guard: bool) -> io::Result<Self> {
        copy::prepare();
        let invalid = || io::Error::from(io::ErrorKind::InvalidInput);
        let len = usize::try_from(len).map_err(|_| invalid())?;
        // The kernel maps whole pages of the file, which are huge ones on hugetlb, and unmaps nothing less.
        let mapped = len
            .checked_next_multiple_of(page)
            .filter(|mapped| (1..=isize::MAX.unsigned_abs()).contains(mapped))
            .ok_or_else(invalid)?;
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory that exists.
        let start =
            unsafe { mmap(std::ptr::null_mut(), mapped, ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED, fd, 0) }?;
        let start = NonNull::new(start.cast::<u8>()).ok_or_else(invalid)?;
        let guard = if guard {
            // SAFETY: the range was just mapped and belongs to this value, which takes the guard off before it
            // unmaps.
            match unsafe { Guarded::new(start, mapped, page) } {
                Ok(guard) => Some(guard),
                Err(error) => {
                    // SAFETY: nothing refers to the range yet.
                    let _ = unsafe { munmap(start.as_ptr().cast(), mapped) };
                    return Err(error);
                }
            }
        } else {
            None
        };
        Ok(Self { start, len, owner: Owner::Library { mapped, guard } })
    }

    /// Memory that the caller mapped, to be used as a slave's buffers with
    /// [`Memory::Mapped`](crate::Memory::Mapped). The peer maps `fd` from its first byte.
    ///
    /// The library seals the file against shrinking. Where that is not possible, on huge pages for one, the peer can
    /// take memory away at any time; the library then puts zeroed memory in place of the whole mapping and the link
    /// goes down. For the next link it maps the file there again, without what `mlock` or `madvise` had set, provided
    /// that the file is as long as it was: to make it so is the caller's, since whoever has the file can hold that call
    /// up. Every link that used it, and the peers of those, can go on reading and writing the memory.
    ///
    /// # Safety
    /// - `start` to `start + len` must be a whole shared mapping of `fd` from offset 0, readable and writable, and
    ///   stay so until the last clone of the `Arc` around the returned value is gone. `start` must come from the call
    ///   that mapped it, and `len` be at most `isize::MAX`.
    /// - No reference to these bytes may exist while an interface uses them: the peer writes them.
    #[must_use]
    pub unsafe fn from_raw(start: NonNull<u8>, len: usize, fd: Arc<OwnedFd>) -> Self {
        copy::prepare();
        Self { start, len, owner: Owner::Caller { fd, guard: OnceLock::new() } }
    }

    /// Puts a mapping of the caller under guard, for a file that cannot be sealed.
    pub(crate) fn guard_callers(&self) -> io::Result<()> {
        let Owner::Caller { fd, guard } = &self.owner else { return Ok(()) };
        if guard.get().is_none() {
            // Should another thread have been faster, one guard is enough.
            let _ = guard.set(self.new_guard(fd)?.0);
        }
        Ok(())
    }

    /// Another guard for a mapping of the caller, and the length of that in whole pages.
    fn new_guard(&self, fd: &OwnedFd) -> io::Result<(Guarded, usize)> {
        let page = page_size_of(fd)?;
        let invalid = |problem| io::Error::new(io::ErrorKind::InvalidInput, problem);
        if !self.start.addr().get().is_multiple_of(page) {
            return Err(invalid("the mapping of the buffers does not start at a page of its file"));
        }
        let mapped = self.len.checked_next_multiple_of(page);
        let mapped = mapped.ok_or_else(|| invalid("the mapping of the buffers is too long"))?;
        // SAFETY: a whole mapping by the promise made to `from_raw`, which the kernel rounded up to pages of its
        // file; it stays until the value that the caller made is gone, and every guard goes before.
        let guard = unsafe { Guarded::new(self.start, mapped, page) }?;
        Ok((guard, mapped))
    }

    /// A mapping of the caller that is under guard, for a new link: this one, or where a peer of an earlier link took
    /// the memory away, another of the same memory, for which the file was mapped again. What used this one goes on
    /// saying that the memory is gone.
    ///
    /// # Errors
    /// What `mmap` says; `WouldBlock` while another thread is in a fault of some mapping. The memory is as it was then.
    pub(crate) fn again(self: Arc<Self>) -> io::Result<Arc<Self>> {
        let Owner::Caller { fd, .. } = &self.owner else { return Ok(self) };
        if !self.is_gone() {
            return Ok(self);
        }
        let (guard, mapped) = self.new_guard(fd)?;
        if guard_table::is_mending() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        // What can fail fails here, where it does no harm: the pages that a huge page file reserves are the file's.
        let elsewhere = Self::map(fd, self.len as u64, false)?;
        let flags = MapFlags::SHARED | MapFlags::FIXED;
        // SAFETY: the range is a whole mapping of the caller by the promise made to `from_raw`, who was told there that
        // the library puts others in its place; the new one does so in one step, and stays in place of it.
        let placed =
            unsafe { mmap(self.start.as_ptr().cast(), mapped, ProtFlags::READ | ProtFlags::WRITE, flags, fd, 0) };
        if let Err(error) = placed {
            // The kernel may have taken the old one away before it failed.
            // SAFETY: the same range.
            let _ = unsafe { guard_table::put_zeros(self.start.addr().get(), mapped) };
            return Err(error.into());
        }
        drop(elsewhere);
        let (start, len) = (self.start, self.len);
        Ok(Arc::new(Self { start, len, owner: Owner::Again { guard, caller: self } }))
    }

    /// Number of bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The file behind memory that the caller mapped.
    pub(crate) fn caller_fd(&self) -> Option<&Arc<OwnedFd>> {
        match &self.owner {
            Owner::Caller { fd, .. } => Some(fd),
            Owner::Again { caller, .. } => caller.caller_fd(),
            Owner::Library { .. } => None,
        }
    }

    /// `len` bytes from `offset` on, or `None` where they would leave the mapping.
    #[inline]
    #[must_use]
    pub fn slice(&self, offset: u64, len: usize) -> Option<SharedSlice<'_>> {
        let offset = usize::try_from(offset).ok()?;
        if offset > self.len || len > self.len - offset {
            return None;
        }
        // SAFETY: `offset + len <= self.len`, all of it mapped until `self` is dropped, which the borrow delays.
        Some(unsafe { SharedSlice::new(self.start.add(offset), len) })
    }

    /// The first byte. For [`MappedRing`](super::MappedRing), which keeps the mapping alive itself.
    pub(super) fn start(&self) -> NonNull<u8> {
        self.start
    }

    /// Whether the peer took the memory away and zeros stand in its place.
    pub(crate) fn is_gone(&self) -> bool {
        let guard = match &self.owner {
            Owner::Library { guard, .. } => guard.as_ref(),
            Owner::Caller { guard, .. } => guard.get(),
            Owner::Again { guard, .. } => Some(guard),
        };
        guard.is_some_and(Guarded::was_hit)
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        if let Owner::Library { mapped, guard } = &mut self.owner {
            // The guard goes first: a handler must never touch a range that is no longer ours.
            drop(guard.take());
            // SAFETY: mapped by `map` with this length; slices borrow the mapping and rings and tables own an
            // `Arc` of it, so nothing can reach the range any more.
            let _ = unsafe { munmap(self.start.as_ptr().cast(), *mapped) };
        }
    }
}

impl std::fmt::Debug for Mapping {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mapping").field("len", &self.len).finish_non_exhaustive()
    }
}

/// Type of the file systems whose pages are huge ones (`linux/magic.h`).
const HUGETLBFS_MAGIC: u32 = 0x9584_58f6;

/// Bytes of a page of the file, which is what mappings of it are counted in. The block size of `fstat` would not do:
/// tmpfs with transparent huge pages reports theirs, and maps single pages.
fn page_size_of(fd: impl AsFd) -> io::Result<usize> {
    let system = rustix::fs::fstatfs(fd)?;
    let page = rustix::param::page_size();
    // Where the type has 32 bits, this one is negative.
    let kind = system.f_type;
    let kind = u32::try_from(kind).or_else(|_| i32::try_from(kind).map(i32::cast_unsigned));
    if kind != Ok(HUGETLBFS_MAGIC) {
        return Ok(page);
    }
    let huge = usize::try_from(system.f_bsize).unwrap_or(page);
    Ok(if huge.is_power_of_two() && huge > page { huge } else { page })
}

/// The regions of one link by number, shared by its queues.
#[derive(Clone, Debug)]
pub(crate) struct Regions(Arc<[Region]>);

/// A region, with its place beside it.
#[derive(Debug)]
struct Region {
    start: NonNull<u8>,
    len: usize,
    mapping: Arc<Mapping>,
}

impl Region {
    #[inline]
    fn place(&self) -> RegionStart {
        RegionStart { start: self.start, len: self.len as u64 }
    }
}

/// Where a region begins and how long it is. Addresses only: whoever uses one keeps the [`Regions`] that it came from.
#[derive(Clone, Copy, Debug)]
pub(super) struct RegionStart {
    start: NonNull<u8>,
    len: u64,
}

impl Default for RegionStart {
    /// No region: nothing lies in it but no bytes.
    fn default() -> Self {
        Self { start: NonNull::dangling(), len: 0 }
    }
}

impl RegionStart {
    /// Where those bytes lie, or `None` where they are not all in the region, in 64-bit arithmetic.
    #[inline]
    pub(super) fn find(self, offset: u32, len: u32) -> Option<NonNull<u8>> {
        if u64::from(offset) + u64::from(len) > self.len {
            return None;
        }
        // SAFETY: `offset` is at most the length of the region, whose memory is one mapping from `start` on, so this
        // stays in it or one past its end. It fits `usize`, as that length does.
        Some(unsafe { self.start.add(offset as usize) })
    }

    /// The way back.
    pub(super) fn offset_of(self, at: NonNull<u8>) -> u32 {
        u32::try_from(at.addr().get().wrapping_sub(self.start.addr().get())).unwrap_or(0)
    }
}

// SAFETY: the pointer is that of the mapping, which is `Send` and `Sync` itself.
unsafe impl Send for Region {}
// SAFETY: as above.
unsafe impl Sync for Region {}

impl Regions {
    pub(crate) fn new(regions: Vec<Arc<Mapping>>) -> Self {
        Self(regions.into_iter().map(|mapping| Region { start: mapping.start, len: mapping.len, mapping }).collect())
    }

    /// Where the region of that number is.
    #[inline]
    pub(super) fn place(&self, region: u16) -> Option<RegionStart> {
        self.0.get(usize::from(region)).map(Region::place)
    }

    /// Whether both are those of one link.
    #[inline]
    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Number of regions.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The region of that number.
    pub(crate) fn get(&self, region: u16) -> Option<&Arc<Mapping>> {
        self.0.get(usize::from(region)).map(|region| &region.mapping)
    }

    /// `len` bytes of a region from `offset` on, or `None` where there is no such region or they would leave it.
    #[inline]
    pub(crate) fn slice(&self, region: u16, offset: u32, len: u32) -> Option<SharedSlice<'_>> {
        let start = self.place(region)?.find(offset, len)?;
        // SAFETY: `find` made sure that the bytes lie in the mapping, which stays as long as its `Arc` in this table,
        // which the borrow of `self` keeps. `len` fits `usize`, since it is at most that of the mapping.
        Some(unsafe { SharedSlice::new(start, len as usize) })
    }

    /// Whether those bytes lie in that region, in 64-bit arithmetic.
    #[inline]
    pub(crate) fn contains(&self, region: u16, offset: u32, len: u32) -> bool {
        self.place(region).is_some_and(|place| place.find(offset, len).is_some())
    }

    /// Asks for the cache line at that place, to be read soon. A place outside does no harm.
    #[inline]
    pub(crate) fn prefetch(&self, region: u16, offset: u32) {
        if let Some(region) = self.0.get(usize::from(region)) {
            prefetch::to_read(region.start.as_ptr().wrapping_add(offset as usize));
        }
    }

    /// Start and length of every region.
    #[cfg(any(feature = "raw", test))]
    pub(crate) fn iter(&self) -> impl Iterator<Item = (*mut u8, u64)> {
        self.0.iter().map(|region| (region.start.as_ptr(), region.len as u64))
    }

    /// Whether the peer took one of them away.
    pub(crate) fn any_gone(&self) -> bool {
        self.0.iter().any(|region| region.mapping.is_gone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shm::tests::private_mapping;
    use rustix::fs::{MemfdFlags, ftruncate, memfd_create};

    #[test]
    fn pages_are_those_of_the_file() {
        use rustix::fs::{MemfdFlags, memfd_create};
        let small = memfd_create("small", MemfdFlags::CLOEXEC).unwrap();
        assert_eq!(page_size_of(&small).unwrap(), rustix::param::page_size());
        // Making one takes no page yet, so it works where none are reserved.
        if let Ok(huge) = memfd_create("huge", MemfdFlags::HUGETLB | MemfdFlags::HUGE_2MB) {
            assert_eq!(page_size_of(&huge).unwrap(), 2 << 20);
        }
    }

    /// A mapping of a memfd that nobody else has.
    #[test]
    fn slices_stay_inside() {
        let mapping = private_mapping(100);
        assert_eq!(mapping.slice(0, 100).unwrap().len(), 100);
        assert!(mapping.slice(100, 0).is_some());
        assert!(mapping.slice(0, 101).is_none());
        assert!(mapping.slice(101, 0).is_none());
        assert!(mapping.slice(u64::MAX, 1).is_none());
        let regions = Regions::new(vec![Arc::new(mapping)]);
        assert!(regions.contains(0, 0, 100) && regions.contains(0, 100, 0));
        assert!(!regions.contains(0, 1, 100) && !regions.contains(1, 0, 1));
        assert!(!regions.contains(0, u32::MAX, u32::MAX));
        assert!(regions.slice(0, u32::MAX, u32::MAX).is_none());
    }

    #[test]
    fn nothing_maps_at_no_size() {
        let fd = memfd_create("test", MemfdFlags::CLOEXEC).unwrap();
        assert!(Mapping::map(&fd, 0, false).is_err());
        assert!(Mapping::map(&fd, u64::MAX, false).is_err());
    }

    #[test]
    fn memory_that_was_taken_away_is_mapped_again_for_the_next_link() {
        use rustix::io::{pread, pwrite};

        let size = 8192;
        let fd = Arc::new(memfd_create("test", MemfdFlags::CLOEXEC).unwrap());
        ftruncate(&fd, size).unwrap();
        let callers = Arc::new(super::super::tests::mapped_by_the_caller(&fd, size));
        callers.guard_callers().unwrap();
        let first = Arc::clone(&callers).again().unwrap();
        assert!(Arc::ptr_eq(&first, &callers), "while it is there");
        let mut links = vec![first];
        for round in 1..4 {
            let here = links.last().unwrap();
            ftruncate(&fd, 0).unwrap();
            here.slice(0, 1).unwrap().read(0, &mut [0]);
            assert!(here.is_gone());
            ftruncate(&fd, size).unwrap();
            pwrite(&fd, &[round; 3], 5000).unwrap();
            let next = Arc::clone(&callers).again().unwrap();
            let mut bytes = [0; 3];
            // By the same addresses, so the caller sees it, too.
            callers.slice(5000, 3).unwrap().read(0, &mut bytes);
            assert_eq!(bytes, [round; 3]);
            next.slice(6000, 1).unwrap().write(0, &[round]);
            pread(&fd, &mut bytes[..1], 6000).unwrap();
            assert_eq!(bytes[0], round);
            assert!(!next.is_gone() && links.iter().all(|link| link.is_gone()));
            links.push(next);
        }
    }

    #[test]
    fn a_guarded_mapping_survives_its_file() {
        let fd = memfd_create("test", MemfdFlags::CLOEXEC).unwrap();
        ftruncate(&fd, 1 << 20).unwrap();
        let mapping = Mapping::map(&fd, 1 << 20, true).unwrap();
        let slice = mapping.slice(0, 1 << 20).unwrap();
        slice.write(0, b"abc");
        let before = super::super::fault_count();
        ftruncate(&fd, 0).unwrap();
        assert!(!mapping.is_gone());
        let mut bytes = [1; 3];
        assert_eq!(slice.read(0, &mut bytes), 3);
        assert_eq!(bytes, [0; 3]);
        assert!(mapping.is_gone());
        assert!(super::super::fault_count() > before);
        slice.write((1 << 20) - 3, b"abc");
    }
}
