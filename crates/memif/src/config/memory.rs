//! Where the buffers of an interface come from.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use crate::shm::Mapping;

/// Where a slave's packet buffers come from. Its rings always lie in a sealed memfd of the library.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Memory {
    /// One memfd holds rings and buffers (further ones follow only past 4 GiB).
    #[default]
    OneRegion,
    /// Rings in region 0, buffers in the regions after it.
    RingsApart,
    /// Buffers in a file of the caller: a memfd, a file on tmpfs or on a huge page mount.
    /// The library maps `size` bytes of it and seals it against shrinking, and against further seals, where that is
    /// possible: seals of your own come before. The memory is reused by every later connection, and the peers of
    /// earlier ones can still read and write it. Where it cannot be sealed, they can also cut the file, now and later:
    /// a slave then connects again as soon as the file is as long as before
    /// ([`ConnectError::Local`](crate::ConnectError::Local) until then).
    File {
        /// The file; it must be at least `size` bytes long.
        fd: Arc<OwnedFd>,
        /// Bytes to share, from the start of the file.
        size: u64,
    },
    /// Buffers in memory that the caller mapped, see [`Mapping::from_raw`]. What holds for a [`File`](Self::File) holds
    /// for the file behind it.
    Mapped(Arc<Mapping>),
}

/// Where the buffer regions of an interface come from, in place of memory of the library.
#[derive(Clone)]
pub(crate) struct ExternalRegions(pub(crate) Arc<dyn RegionSource>);

impl std::fmt::Debug for ExternalRegions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ExternalRegions")
    }
}

/// Allocates and maps regions for the connections of an interface, all but region 0.
#[cfg_attr(not(feature = "raw"), allow(unreachable_pub, reason = "public with that feature"))]
pub trait RegionSource: Send + Sync {
    /// Slave: whether [`allocate`](Self::allocate) is going to give memory. Buffers are then packed without spare room.
    fn allocates(&self) -> bool;

    /// Slave: as [`allocates`](Self::allocates), for memory that the library has made already, when
    /// [`allocate`](Self::allocate) gave none: whether it is to be used. Asked when the master has answered, which is
    /// when that counts.
    fn agrees(&self) -> bool;

    /// Slave: memory of at least `size` bytes for the buffers of a new connection, made with
    /// [`Mapping::from_raw`]. `None` where the library is to allocate it.
    ///
    /// # Errors
    /// Whatever is in the way; the connection is then given up.
    fn allocate(&self, size: u64) -> std::io::Result<Option<Arc<Mapping>>>;

    /// Master: a mapping of `size` bytes of a region that a slave offered, made with [`Mapping::from_raw`]. `None`
    /// where the library is to map it.
    ///
    /// # Errors
    /// Whatever is in the way; the connection is then refused.
    fn map(&self, fd: &Arc<OwnedFd>, size: u64) -> std::io::Result<Option<Arc<Mapping>>>;
}
