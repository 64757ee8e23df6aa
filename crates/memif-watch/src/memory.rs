//! Memory that other processes share, read without mapping it.
//!
//! A read-only mapping would make pages where a file has holes, and would fault where it was cut short. `pread` of the
//! file does neither. Where the file cannot be opened, the memory of a process that maps it is read, page by page and
//! only such pages as it has: what it has not touched would be made by the read.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::bytes::Bytes;
use crate::error::ReadError;
use crate::maps::FileId;

/// How memory is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Way {
    /// The file, through a mapping of a process (`/proc/PID/map_files`).
    Mapping,
    /// The file, through a descriptor that a process keeps (`/proc/PID/fd`).
    Descriptor,
    /// The memory of a process (`/proc/PID/mem`).
    Process,
}

impl Way {
    /// In a word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Way::Mapping => "mapping",
            Way::Descriptor => "descriptor",
            Way::Process => "process",
        }
    }
}

/// An open file that processes share, or the processes' views of it.
#[derive(Debug)]
pub(crate) struct Memory {
    pub(crate) way: Way,
    source: Source,
    size: u64,
}

#[derive(Debug)]
enum Source {
    File(File),
    Views(Vec<View>),
}

/// A mapping in a process.
#[derive(Debug)]
pub(crate) struct View {
    memory: File,
    pages: File,
    start: u64,
    bytes: u64,
}

impl Memory {
    /// The file behind a link of `/proc`, if it is that file and one that lies in memory. Its device is known to be one
    /// of memory, so that no other is asked for anything.
    pub(crate) fn open(link: &PathBuf, id: FileId, way: Way) -> io::Result<Self> {
        let nobody = |reason: &str| io::Error::other(reason.to_owned());
        // What the link leads to now may be a device or a pipe, which an ordinary open would wait for or set off.
        let found = rustix::fs::open(link, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        let status = rustix::fs::fstat(&found)?;
        let device = (rustix::fs::major(status.st_dev), rustix::fs::minor(status.st_dev));
        if FileType::from_raw_mode(status.st_mode) != FileType::RegularFile {
            return Err(nobody("no file of memory"));
        }
        if (FileId { device, inode: status.st_ino }) != id {
            return Err(Errno::NOENT.into());
        }
        if !lies_in_memory(&found)? {
            return Err(nobody("no file of memory"));
        }
        let again = PathBuf::from(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&found)));
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        // Reading sets the time of the last access; who owns the file may ask for less.
        let file = rustix::fs::open(&again, flags | OFlags::NOATIME, Mode::empty())
            .or_else(|_| rustix::fs::open(&again, flags, Mode::empty()))?;
        let size = u64::try_from(status.st_size).unwrap_or_default();
        Ok(Self { way, source: Source::File(File::from(file)), size })
    }

    /// The memory of processes at the mappings of a file: process, address, bytes.
    pub(crate) fn of_processes(mappings: impl Iterator<Item = (u32, u64, u64)>) -> io::Result<Self> {
        let mut views = Vec::new();
        let mut refused = None;
        for (pid, start, bytes) in mappings {
            match View::open(pid, start, bytes) {
                Ok(view) => views.push(view),
                Err(error) => refused = Some(error),
            }
        }
        match refused {
            Some(error) if views.is_empty() => Err(error),
            _ => Ok(Self::of_views(views)),
        }
    }

    pub(crate) fn of_views(views: Vec<View>) -> Self {
        let size = views.iter().map(|view| view.bytes).max().unwrap_or_default();
        Self { way: Way::Process, source: Source::Views(views), size }
    }
}

impl Bytes for Memory {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<(), ReadError> {
        match &self.source {
            Source::File(file) => file.read_exact_at(into, offset).map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => ReadError::Short { region: 0, end: offset + into.len() as u64 },
                _ => ReadError::Kernel(error),
            }),
            Source::Views(views) => {
                let mut error = ReadError::Gone;
                for view in views {
                    match view.read_at(offset, into) {
                        Ok(()) => return Ok(()),
                        Err(other) => error = other,
                    }
                }
                Err(error)
            }
        }
    }
}

/// Page of the tables that `pagemap` shows. Larger pages show as many of them.
const PAGE: u64 = 4096;
/// Bits of an entry of `pagemap`: the page is there, or was swapped out.
const THERE: u64 = 0b11 << 62;

impl View {
    fn open(pid: u32, start: u64, bytes: u64) -> io::Result<Self> {
        let memory = File::open(format!("/proc/{pid}/mem"))?;
        let pages = File::open(format!("/proc/{pid}/pagemap"))?;
        Ok(Self { memory, pages, start, bytes })
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<(), ReadError> {
        if into.is_empty() {
            return Ok(());
        }
        let end = offset.checked_add(into.len() as u64).filter(|end| *end <= self.bytes);
        let Some(end) = end else { return Err(ReadError::Short { region: 0, end: offset.saturating_add(PAGE) }) };
        let page = rustix::param::page_size() as u64;
        let first = (self.start + offset) / page;
        let last = (self.start + end - 1) / page;
        for number in first..=last {
            let mut entry = [0; 8];
            self.pages.read_exact_at(&mut entry, number * 8).map_err(gone)?;
            if u64::from_ne_bytes(entry) & THERE == 0 {
                return Err(ReadError::NotPresent);
            }
        }
        self.memory.read_exact_at(into, self.start + offset).map_err(gone)
    }
}

/// What the kernel says of a process without memory: nothing, or that it cannot read there.
fn gone(error: io::Error) -> ReadError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => ReadError::Gone,
        _ if error.raw_os_error() == Some(Errno::IO.raw_os_error()) => ReadError::Gone,
        _ if error.raw_os_error() == Some(Errno::SRCH.raw_os_error()) => ReadError::Gone,
        _ => ReadError::Kernel(error),
    }
}

/// Types of file systems that keep files in memory, as the kernel's `magic.h` numbers them.
const TMPFS: u32 = 0x0102_1994;
const HUGETLBFS: u32 = 0x9584_58f6;

fn lies_in_memory(file: &impl std::os::fd::AsFd) -> io::Result<bool> {
    let kind = rustix::fs::fstatfs(file)?.f_type;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the type has other widths elsewhere")]
    let kind = kind as u32;
    Ok(kind == TMPFS || kind == HUGETLBFS)
}

#[cfg(test)]
mod tests {
    use testkit::{FileKind, SharedFile};

    use super::*;
    use crate::maps;

    #[test]
    fn through_a_process_only_pages_that_it_has_are_read() {
        const SIZE: u64 = 1 << 20;
        let file = SharedFile::create(FileKind::Sealed, SIZE);
        file.write(0, b"here");
        let pages = file.allocated();
        let inode = rustix::fs::fstat(&file).unwrap().st_ino;
        let mappings = maps::of(std::process::id()).unwrap().found;
        let mapping = mappings.iter().find(|mapping| mapping.file.inode == inode).unwrap();
        let own = || (std::process::id(), mapping.start, mapping.end - mapping.start);
        let memory = Memory::of_processes([own()].into_iter()).unwrap();
        assert_eq!((memory.size(), memory.way), (SIZE, Way::Process));

        let mut bytes = [0; 4];
        memory.read_at(0, &mut bytes).unwrap();
        assert_eq!(&bytes, b"here");
        memory.read_at(SIZE, &mut []).unwrap();
        for hole in [100_000, SIZE - 4] {
            assert!(matches!(memory.read_at(hole, &mut bytes), Err(ReadError::NotPresent)));
        }
        // The last page that is there, and the one behind it.
        assert!(matches!(memory.read_at(4094, &mut bytes), Err(ReadError::NotPresent)));
        for end in [SIZE - 3, SIZE, u64::MAX] {
            assert!(matches!(memory.read_at(end, &mut bytes), Err(ReadError::Short { .. })));
        }
        assert_eq!(file.allocated(), pages);
        // The same reads by the memory of the process make a page.
        let View { memory: plain, start, .. } = View::open(own().0, own().1, own().2).unwrap();
        plain.read_exact_at(&mut bytes, start + 100_000).unwrap();
        assert!(file.allocated() > pages);

        drop(file);
        assert!(memory.read_at(0, &mut bytes).is_err());
    }

    #[test]
    fn only_files_that_lie_in_memory_are_opened() {
        let open = |file: &std::os::fd::OwnedFd, change: u64| {
            let status = rustix::fs::fstat(file).unwrap();
            let device = (rustix::fs::major(status.st_dev), rustix::fs::minor(status.st_dev));
            let link = PathBuf::from(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(file)));
            Memory::open(&link, FileId { device, inode: status.st_ino + change }, Way::Descriptor)
        };
        let memory = FileKind::Sealed.create(4096);
        assert_eq!(open(&memory, 0).unwrap().size(), 4096);
        assert!(open(&memory, 1).is_err(), "another file is there now");
        assert!(open(&FileKind::Tmpfs.create(4096), 0).is_ok());
        assert!(open(&File::open("/dev/zero").unwrap().into(), 0).is_err());
        let (pipe, _writer) = io::pipe().unwrap();
        assert!(open(&pipe.into(), 0).is_err());
        let eventfd = testkit::plan::new_eventfd();
        assert!(open(&eventfd, 0).is_err());
    }
}
