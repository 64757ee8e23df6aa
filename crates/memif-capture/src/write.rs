//! pcapng files, written packet by packet.
//!
//! Threads that have packets put them into a [`Recorder`], which never waits for what it writes to: packets are copied
//! into the block that will stand in the file, in a buffer of a fixed number of them, and full buffers are for a thread
//! of the recorder's own, which hands them to a [`Sink`]. Where that is too slow, packets are missed, and counted.
//! [`Files`] is the sink for pcapng: one file or stream, or many in a row, compressed or not.
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
