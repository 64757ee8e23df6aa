//! What was measured, as rows of a table and as JSON.

mod crowd;
mod outages;
mod rates;
mod times;
mod trials;

use serde::Serialize;

use crate::packet::numbered::Sizes;

pub(crate) use crowd::{CrowdReport, crowd};
pub(crate) use outages::{OutageReport, OutagesReport, outage, outages};
pub(crate) use rates::{
    EchoReport, GeneratorReport, THROUGHPUT, ThroughputReport, echo, generator, queues, throughput,
};
pub(crate) use times::{LatencyReport, SetupReport, bars, latency, setup, times_head, times_row};
pub(crate) use trials::{NdrReport, TRIALS, TrialReport, ndr, trial};

/// A report, printed by [`output::report`](crate::output::report).
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type")]
pub(crate) enum Report {
    #[serde(rename = "bench_link")]
    Link(LinkReport),
    #[serde(rename = "bench_throughput")]
    Throughput(ThroughputReport),
    #[serde(rename = "bench_generator")]
    Generator(GeneratorReport),
    #[serde(rename = "bench_echo")]
    Echo(EchoReport),
    #[serde(rename = "bench_outage")]
    Outage(OutageReport),
    #[serde(rename = "bench_latency")]
    Latency(Box<LatencyReport>),
    #[serde(rename = "bench_ndr_trial")]
    Trial(TrialReport),
    #[serde(rename = "bench_ndr")]
    Ndr(NdrReport),
    #[serde(rename = "bench_setup")]
    Setup(Box<SetupReport>),
    #[serde(rename = "bench_interfaces")]
    Crowd(Box<CrowdReport>),
}

/// What the figures after it hold for.
#[derive(Clone, Debug, Serialize)]
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
}

/// Bytes of each packet; `null` where they differ.
fn packet_bytes(sizes: Sizes) -> Option<usize> {
    match sizes {
        Sizes::Fixed(size) => Some(size),
        Sizes::Imix => None,
    }
}
