//! pcapng files, written packet by packet.
//!
//! Threads that have packets put them into a [`Recorder`], which never waits for what it writes to: packets are copied
//! into the block that will stand in the file, in a buffer of a fixed number of them, and full buffers are for a thread
//! of the recorder's own, which hands them to a [`Sink`]. Where that is too slow, packets are missed, and counted.
//! [`Files`] is the sink for pcapng: one file or stream, or many in a row, compressed or not.
//!
//! ```
//! use std::time::Duration;
//!
//! use memif_capture::LinkType;
//! use memif_capture::write::{Direction, Files, Interface, Limits, Recorder, Rotation, Section, Target};
//!
//! let [hardware, os, comment] = ["x86_64", "Linux", "one packet"].map(str::to_owned);
//! let application = "example".to_owned();
//! let snap_length = 65_535;
//! let section =
//!     Section { link_type: LinkType::Ethernet, snap_length, application, hardware, os, comment, filter: None };
//! let path = std::env::temp_dir().join(format!("memif-example-{}.pcapng", std::process::id()));
//! let now = 1_795_941_000_000_000_000; // nanoseconds since 1970
//! let files = Files::create(Target::Path(path.clone()), section, Rotation::default(), &[], now)?;
//!
//! let limits = Limits { snap_length, patience: Duration::from_millis(50), ..Limits::default() };
//! let (recorder, writer) = Recorder::start(files, limits, |_| {})?;
//! let (name, description) = ("rx0".to_owned(), "the first queue".to_owned());
//! let queue = recorder.interface(Interface { name, description, direction: Direction::Inbound, queue: 0 });
//! let packet = [0xff; 60];
//! recorder.batch(now).packet(queue, packet.len(), |room| {
//!     let length = room.len().min(packet.len());
//!     room[..length].copy_from_slice(&packet[..length]);
//!     length
//! });
//!
//! let (summary, ended) = writer.finish(Duration::from_secs(5));
//! ended?;
//! assert_eq!((summary.written, summary.counts.missed), (1, 0));
//! # std::fs::remove_file(path)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Each file has one section, all of whose interfaces have the same link type and snap length: other readers refuse, or
//! misread, anything else. In a file of raw IP one interface stands for all, and the packets say their queue and
//! direction.
//!
//! Buffers hold whole blocks and are written whole, each compressed on its own, so what is in a file ends with a whole
//! packet whenever its writer is stopped.

mod block;
mod chunk;
mod compress;
mod counts;
mod files;
mod names;
mod output;
mod recorder;
mod sink;
mod state;

pub use block::{Direction, Interface, Section};
pub use chunk::{Chunk, Recorded};
pub use compress::Compression;
pub use counts::Counts;
pub use files::{Files, Rotation};
pub use output::Target;
pub use recorder::{Batch, Ending, Limits, Recorder, Stuck, Summary, Writer};
pub use sink::{Refused, Sink};
pub use state::Filter;
