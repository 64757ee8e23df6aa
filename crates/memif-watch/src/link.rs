//! A link of other processes, open for reading.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use memif::wire::RingDirection;
use memif::wire::ring::{CacheLine, DESCRIPTOR_SIZE};
use memif::{MAX_PACKET_SIZE, Role};

use crate::bytes::Bytes;
use crate::error::{Problem, ReadError};
use crate::layout::Layout;
use crate::maps::{self, FileId};
use crate::memory::{Memory, Way};
use crate::process::Process;
use crate::ring::{Cursors, Descriptor, HEADER_READ, Ring};

/// A link by the file that holds its rings. Written as `MAJOR:MINOR:INODE`.
///
/// Numbers of files come again after a while: who compares links of two scans looks at their processes, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkId(pub(crate) FileId);

impl fmt::Display for LinkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FileId { device: (major, minor), inode } = self.0;
        write!(f, "{major}:{minor}:{inode}")
    }
}

/// Text that names no link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a link is written as `memif links` shows it: three numbers with colons between")]
pub struct NoLinkId;

impl FromStr for LinkId {
    type Err = NoLinkId;

    fn from_str(text: &str) -> Result<Self, NoLinkId> {
        let mut numbers = text.split(':');
        let mut number = || numbers.next().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        let device = (parse(number())?, parse(number())?);
        let inode = parse(number())?;
        if numbers.next().is_some() { Err(NoLinkId) } else { Ok(Self(FileId { device, inode })) }
    }
}

fn parse<N: FromStr>(text: Option<&str>) -> Result<N, NoLinkId> {
    text.and_then(|text| text.parse().ok()).ok_or(NoLinkId)
}

/// A process at an end of a link, or at both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// The process.
    pub process: Process,
    /// Which end it is; `None` where that cannot be told, or it is both.
    pub role: Option<Role>,
    /// How often it has the rings mapped: a process that holds both ends has them twice.
    pub mappings: usize,
}

impl End {
    /// Whether this process holds both ends.
    #[must_use]
    pub const fn is_both(&self) -> bool {
        self.mappings > 1
    }
}

/// How the other end of a link stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OtherEnd {
    /// Two ends have the memory mapped.
    There,
    /// One end has: the other has gone, or has not come yet.
    Missing,
    /// One end is seen. The other may be a process that may not be looked into, or not as a whole.
    NotSeen,
}

impl OtherEnd {
    /// In a word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            OtherEnd::There => "there",
            OtherEnd::Missing => "missing",
            OtherEnd::NotSeen => "not_seen",
        }
    }
}

/// A region of a link.
#[derive(Clone, Debug)]
pub struct Region {
    /// Its number in descriptors.
    pub index: u16,
    /// Bytes of its file.
    pub size: u64,
    /// What the kernel calls the file, with everything that is not printable ASCII escaped.
    pub name: String,
    /// Whether the number is certain. It stands nowhere in memory: where there are several, it is told by the order in
    /// which the files were made.
    pub certain: bool,
    pub(crate) id: FileId,
    pub(crate) memory: Arc<Memory>,
}

impl Region {
    /// How its memory is read.
    #[must_use]
    pub fn way(&self) -> Way {
        self.memory.way
    }

    /// Device and number of the file, as [`LinkId`] writes them.
    #[must_use]
    pub fn file(&self) -> LinkId {
        LinkId(self.id)
    }
}

/// A link of other processes. It can be sent to threads and read from several at once.
///
/// It keeps its files open, and with them their memory, also after both processes have gone: drop it then
/// ([`still_there`](Self::still_there)).
#[derive(Clone, Debug)]
pub struct Link {
    pub(crate) id: LinkId,
    pub(crate) ends: Vec<End>,
    pub(crate) other_end: OtherEnd,
    pub(crate) layout: Layout,
    pub(crate) directions_known: bool,
    pub(crate) regions: Vec<Region>,
    pub(crate) rings: Vec<Ring>,
    pub(crate) socket: Option<String>,
    pub(crate) problem: Option<Problem>,
}

impl Link {
    /// The file of its rings.
    #[must_use]
    pub fn id(&self) -> LinkId {
        self.id
    }

    /// The processes that have its rings mapped, by pid; one at least. Processes that inherited the memory from one of
    /// the ends count.
    #[must_use]
    pub fn ends(&self) -> &[End] {
        &self.ends
    }

    /// The process of that role, where it can be told.
    #[must_use]
    pub fn end(&self, role: Role) -> Option<&End> {
        self.ends.iter().find(|end| end.role == Some(role))
    }

    /// Whether both ends had the memory mapped when it was looked.
    #[must_use]
    pub fn other_end(&self) -> OtherEnd {
        self.other_end
    }

    /// How the slave laid out its rings.
    #[must_use]
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// The cache line that its rings are laid out for; `None` where there is a [`problem`](Self::problem).
    #[must_use]
    pub fn cache_line(&self) -> Option<CacheLine> {
        self.rings.first().map(|ring| ring.cache_line)
    }

    /// Whether it is certain which rings are of which direction; otherwise that was inferred from what is in them.
    #[must_use]
    pub fn directions_known(&self) -> bool {
        self.directions_known
    }

    /// The regions whose files are known, by number; region 0 at least.
    #[must_use]
    pub fn regions(&self) -> &[Region] {
        &self.regions
    }

    /// Bytes of all regions that are known.
    #[must_use]
    pub fn memory_size(&self) -> u64 {
        self.regions.iter().fold(0, |sum, region| sum.saturating_add(region.size))
    }

    /// The rings: those from slave to master first, each direction by index. None where there is a
    /// [`problem`](Self::problem).
    #[must_use]
    pub fn rings(&self) -> &[Ring] {
        &self.rings
    }

    /// The ring of that direction and index.
    #[must_use]
    pub fn ring(&self, direction: RingDirection, index: u16) -> Option<&Ring> {
        self.rings.iter().find(|ring| ring.direction == direction && ring.index == index)
    }

    /// Where its two processes met, if they have but one connection that it can be: a path, or `@` and an abstract
    /// name, with everything that is not printable ASCII escaped.
    #[must_use]
    pub fn socket(&self) -> Option<&str> {
        self.socket.as_deref()
    }

    /// Why nothing can be read of it.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        self.problem.as_ref()
    }

    /// The cursors and flags of a ring, by one `pread`; by some more when the ends moved on meanwhile and what was read
    /// first cannot be: a tail that is newer than its head.
    ///
    /// # Errors
    ///
    /// [`ReadError`] where the ring cannot be read or is none any more.
    pub fn cursors(&self, ring: &Ring) -> Result<Cursors, ReadError> {
        /// Looks in all. Cursors that are still impossible are what the memory says.
        const LOOKS: u8 = 4;
        let mut looks = 0;
        loop {
            let mut header = [0; HEADER_READ];
            self.read(0, ring.offset, &mut header)?;
            let cursors = Cursors::from_header(&header, ring.cache_line).ok_or(ReadError::NoRing(ring.offset))?;
            looks += 1;
            if looks == LOOKS || ring.in_flight(&cursors).is_some() {
                return Ok(cursors);
            }
        }
    }

    /// Appends the descriptors of `count` slots of a ring to `into`, from the slot that the cursor `from` stands for.
    /// No more than the ring has.
    ///
    /// They may change while they are read, and be those of a later turn: look at the cursors again afterwards.
    ///
    /// # Errors
    ///
    /// [`ReadError`] where the ring cannot be read; `into` is then as it was.
    pub fn descriptors(&self, ring: &Ring, from: u16, count: u16, into: &mut Vec<Descriptor>) -> Result<(), ReadError> {
        /// Slots at once.
        const AT_ONCE: u16 = 128;
        let before = into.len();
        let mut left = count.min(ring.size);
        let mut slot = from & ring.size.wrapping_sub(1);
        let mut bytes = [0; AT_ONCE as usize * DESCRIPTOR_SIZE];
        while left > 0 {
            let now = left.min(AT_ONCE).min(ring.size - slot);
            let offset = ring.descriptors() + u64::from(slot) * DESCRIPTOR_SIZE as u64;
            let Some(part) = bytes.get_mut(..usize::from(now) * DESCRIPTOR_SIZE) else { break };
            if let Err(error) = self.read(0, offset, part) {
                into.truncate(before);
                return Err(error);
            }
            into.extend(part.as_chunks().0.iter().map(Descriptor::from_bytes));
            slot = (slot + now) & ring.size.wrapping_sub(1);
            left -= now;
        }
        Ok(())
    }

    /// Appends the bytes of a buffer to `into`.
    ///
    /// They may change while they are read: look at the cursors again afterwards.
    ///
    /// # Errors
    ///
    /// [`ReadError`] where they cannot be read; `into` is then as it was.
    pub fn buffer(&self, region: u16, offset: u32, length: u32, into: &mut Vec<u8>) -> Result<(), ReadError> {
        if length > MAX_PACKET_SIZE {
            return Err(ReadError::TooLong(length));
        }
        let before = into.len();
        into.resize(before + length as usize, 0);
        let read = self.read(region, u64::from(offset), into.get_mut(before..).unwrap_or_default());
        if read.is_err() {
            into.truncate(before);
        }
        read
    }

    /// The processes that have its rings still mapped, of those that had when it was found. When there is none, the
    /// link is gone, and its memory stays until this is dropped. This reads the mappings of the processes: some ten to
    /// some hundred microseconds each, so ask once or a few times in a second.
    #[must_use]
    pub fn still_there(&self) -> Vec<u32> {
        let pids = self.ends.iter().map(|end| &end.process).filter(|process| process.is_there());
        pids.map(|process| process.pid).filter(|pid| maps::has(*pid, self.id.0)).collect()
    }

    fn read(&self, region: u16, offset: u64, into: &mut [u8]) -> Result<(), ReadError> {
        let found = self.regions.iter().find(|known| known.index == region).ok_or(ReadError::NoRegion(region))?;
        found.memory.read_at(offset, into).map_err(|error| match error {
            ReadError::Short { end, .. } => ReadError::Short { region, end },
            other => other,
        })
    }
}
