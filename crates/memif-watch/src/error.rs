//! Why something could not be read, or may not be looked into.

use std::io;

/// Why a part of a link's memory could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The file ends before that: it was made shorter, or a descriptor names what is not there.
    #[error("the memory ends before byte {end} of region {region}")]
    Short {
        /// The region.
        region: u16,
        /// First byte behind what was to be read.
        end: u64,
    },
    /// No ring begins there any more.
    #[error("no ring is at byte {0} of region 0 any more: its cookie is gone")]
    NoRing(u64),
    /// No file is known to hold that region.
    #[error("which memory holds region {0} is not known")]
    NoRegion(u16),
    /// A buffer is longer than any packet.
    #[error("a buffer of {0} bytes is longer than any packet")]
    TooLong(u32),
    /// Neither process has touched those pages. Reading them through the process would make them.
    #[error("the pages are in no page table of the processes, and reading them would make them")]
    NotPresent,
    /// The process has ended, or the mapping is gone.
    #[error("the process has ended or unmapped the memory")]
    Gone,
    /// The kernel said something else.
    #[error("{0}")]
    Kernel(#[from] io::Error),
}

/// Why memory that begins like a link's is none that can be watched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// One ring stands alone, and nothing tells its size.
    #[error("one ring alone, of a size that nothing tells")]
    SizeUnknown,
    /// The rings could not be read.
    #[error("the rings cannot be read: {0}")]
    Unreadable(String),
}
