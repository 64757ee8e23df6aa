//! What the figures after it hold for.

use serde::Serialize;

/// What the figures after it hold for.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename = "bench_link")]
pub(crate) struct LinkReport {
    pub(crate) work: &'static str,
    /// `both`, `generator`, `sink` or `echo`.
    pub(crate) part: &'static str,
    /// Of this end; of the generator where both are ours.
    pub(crate) role: String,
    pub(crate) rx_mode: String,
    pub(crate) ring_size_slots: u32,
    pub(crate) buffer_size_bytes: u32,
    /// Of the slave's memory.
    pub(crate) huge_pages: bool,
    pub(crate) numa_node: Option<u32>,
    /// At both ends where both are ours.
    pub(crate) prefault: bool,
    pub(crate) queues: u8,
    pub(crate) burst_packets: usize,
    /// Processors: of the generator and of the other end where both are ours, else of this end if it keeps to one.
    pub(crate) cpus: Vec<usize>,
    pub(crate) threads: bool,
    /// Both directions at once.
    pub(crate) duplex: bool,
    pub(crate) thread_per_queue: bool,
}
