//! The memif links of other processes, seen without touching either program.
//!
//! A link is shared memory, and whoever may look into one of its two processes may look at the link. [`scan`] finds
//! every link of the host, between programs that were not prepared for it, restarted or asked: rings, cursors, flags,
//! descriptors, packets.
//!
//! ```no_run
//! let host = memif_watch::scan()?;
//! for link in &host.links {
//!     for ring in link.rings() {
//!         let cursors = link.cursors(ring)?;
//!         println!("{} {} {}: {:?} in flight", link.id(), ring.direction, ring.index, ring.in_flight(&cursors));
//!     }
//! }
//! for unseen in &host.unseen {
//!     println!("not looked into: {:?}: {}", unseen.processes, unseen.why);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Nothing is written, nothing is mapped, no page is made and no socket opened: all memory is read by `pread`. What
//! stands in it is nobody's word: a read costs a bounded amount of work, whatever rings and descriptors say, and fails
//! with a [`ReadError`]. Memory changes while it is read; who needs to know that looks at the cursors again afterwards.

#![forbid(unsafe_code)]
#![doc(test(attr(deny(warnings))))]
// What the rules of the house forbid in libraries; tests may.
#![cfg_attr(
    not(test),
    warn(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        clippy::cast_sign_loss,
        clippy::expect_used,
        clippy::panic,
        clippy::print_stderr,
        clippy::print_stdout,
        clippy::unwrap_used
    )
)]

// For its fuzz target.
#[doc(hidden)]
pub mod bytes;
mod devices;
mod error;
#[doc(hidden)]
pub mod layout;
mod link;
mod maps;
mod memory;
mod process;
mod regions;
mod ring;
mod roles;
mod scan;
pub mod sockets;
mod unseen;

pub use error::{Problem, ReadError};
pub use layout::Layout;
pub use link::{End, Link, LinkId, NoLinkId, OtherEnd, Region};
pub use maps::MAX_MAPPINGS;
pub use memif::CacheLine;
pub use memif::Role;
pub use memif::wire::RingDirection;
pub use memory::Way;
pub use process::{Process, in_container, is_there};
pub use ring::{Cursors, Descriptor, Ring};
pub use scan::{Host, MAX_LINKS, scan};
pub use unseen::{Unseen, UnseenKind, Why};
