//! Checks of the descriptors that a slave hands over, before anything is mapped or waited for.

use std::os::fd::AsFd;

use rustix::fs::{FileType, SealFlags, fcntl_get_seals, fstat};
use rustix::io::Errno;

use crate::error::Breach;
use crate::proto::{PeerFd, Sealing};
use crate::sys::{self, ReceivedFd};
use crate::wire::RingDirection;

impl PeerFd for ReceivedFd {
    fn check_region(&mut self, index: u16, size: u64, require_sealed: bool) -> Result<Sealing, Breach> {
        let fd = self.get().ok_or(Breach::RegionType(index))?;
        region(fd, index, size, require_sealed)
    }

    fn check_interrupt(&mut self, direction: RingDirection, index: u16) -> Result<(), Breach> {
        let breach = Breach::InterruptType { direction: direction.as_str(), index };
        // Without /proc the check is left out: reads are of 8 bytes and never wait, and the call that signals refuses
        // what is no eventfd.
        match self.get().map(sys::is_eventfd) {
            Some(Ok(true) | Err(Errno::NOENT)) => Ok(()),
            _ => Err(breach),
        }
    }
}

/// Checks type, seals and size of a region's file, in this order: a size means something only once it cannot
/// shrink any more.
///
/// A seal that is missing is not added here: the kernel waits for the file's lock then, and the peer can hold that as
/// long as it likes, for one by writing to the file from memory whose pages come from a FUSE file. No call of this
/// function waits for that lock.
pub(super) fn region(fd: impl AsFd, index: u16, size: u64, require_sealed: bool) -> Result<Sealing, Breach> {
    let fd = fd.as_fd();
    // Seals exist on memfd, tmpfs and hugetlb files alone: pipes, sockets, disk, FUSE and network files say EINVAL.
    let seals = fcntl_get_seals(fd).map_err(|_| Breach::RegionType(index))?;
    let stat = fstat(fd).map_err(|_| Breach::RegionType(index))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(Breach::RegionType(index));
    }
    let file = u64::try_from(stat.st_size).unwrap_or(0);
    if file < size {
        return Err(Breach::RegionFile { index, size, file });
    }
    // A hole punched into huge pages can fault when no page is left, whatever the seals.
    let huge = usize::try_from(stat.st_blksize).is_ok_and(|b| b > rustix::param::page_size());
    match (seals.contains(SealFlags::SHRINK), huge) {
        (true, false) => Ok(Sealing::Sealed),
        (true, true) => Ok(Sealing::Guarded),
        (false, _) if require_sealed => Err(Breach::RegionUnsealed(index)),
        (false, _) => Ok(Sealing::Guarded),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::OwnedFd;

    use rustix::event::{EventfdFlags, eventfd};
    use rustix::fs::{MemfdFlags, ftruncate, memfd_create};

    fn memfd(flags: MemfdFlags, size: u64) -> OwnedFd {
        let fd = memfd_create("test", flags | MemfdFlags::CLOEXEC).unwrap();
        ftruncate(&fd, size).unwrap();
        fd
    }

    #[test]
    fn a_sealed_file_is_taken_and_a_sealable_one_is_not_sealed_here() {
        let fd = memfd(MemfdFlags::ALLOW_SEALING, 4096);
        assert_eq!(region(&fd, 3, 4096, false), Ok(Sealing::Guarded));
        assert_eq!(region(&fd, 3, 4096, true), Err(Breach::RegionUnsealed(3)));
        assert_eq!(fcntl_get_seals(&fd), Ok(SealFlags::empty()));
        rustix::fs::fcntl_add_seals(&fd, SealFlags::SHRINK).unwrap();
        assert_eq!(region(&fd, 0, 4096, true), Ok(Sealing::Sealed));
    }

    #[test]
    fn an_unsealable_file_is_guarded_or_refused() {
        let fd = memfd(MemfdFlags::empty(), 4096);
        assert_eq!(region(&fd, 3, 4096, false), Ok(Sealing::Guarded));
        assert_eq!(region(&fd, 3, 4096, true), Err(Breach::RegionUnsealed(3)));
    }

    #[test]
    fn a_short_file_and_other_types_are_refused() {
        let fd = memfd(MemfdFlags::ALLOW_SEALING, 4095);
        assert_eq!(region(&fd, 1, 4096, false), Err(Breach::RegionFile { index: 1, size: 4096, file: 4095 }));
        let (pipe, _other) = rustix::pipe::pipe().unwrap();
        assert_eq!(region(&pipe, 0, 1, false), Err(Breach::RegionType(0)));
        let event = eventfd(0, EventfdFlags::CLOEXEC).unwrap();
        assert_eq!(region(&event, 0, 1, false), Err(Breach::RegionType(0)));
    }

    #[test]
    fn an_interrupt_is_an_eventfd() {
        let closer = sys::Closer::default();
        let event = eventfd(0, EventfdFlags::CLOEXEC).unwrap();
        let mut event = ReceivedFd::new(event, &closer);
        assert!(event.check_interrupt(RingDirection::S2m, 0).is_ok());
        let (pipe, _other) = rustix::pipe::pipe().unwrap();
        let mut pipe = ReceivedFd::new(pipe, &closer);
        assert!(pipe.check_interrupt(RingDirection::S2m, 0).is_err());
    }
}
