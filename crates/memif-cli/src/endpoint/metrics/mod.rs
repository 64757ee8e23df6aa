//! `--metrics`: counters in the text format of Prometheus, served by a thread of its own.
//!
//! What the numbers stand on is written by others, and read here alone: queues count for themselves, the thread of a
//! socket tells what happens to its links ([`Watch`]), and a command hands over the counts of its threads
//! ([`Counting`]). No thread that has packets waits for anything here.

mod board;
mod connection;
mod counting;
mod families;
mod interface;
mod options;
mod place;
mod request;
mod server;
mod text;
mod watch;

pub(crate) use board::{Counting, Metrics};
pub(crate) use counting::{Direction, Dropping};
pub(crate) use families::Recorded;
pub(crate) use interface::Of;
pub(crate) use options::MetricsOptions;
pub(crate) use watch::Watch;
