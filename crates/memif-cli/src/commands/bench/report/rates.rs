//! Packets and bits per second.

use std::fmt::Write as _;

use memif::Role;
use serde::Serialize;

use crate::commands::bench::generator::Sent;
use crate::commands::bench::outages::{Outages, OutagesReport};
use crate::commands::bench::received::Received;
use crate::counts::real;
use crate::error::Error;
use crate::output::json::milliseconds;
use crate::output::so_far;
use crate::packet::numbered::Sizes;

#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename = "bench_throughput")]
pub(crate) struct ThroughputReport {
    /// Whose packets they are: `slave` or `master`.
    from_role: String,
    /// Which of several runs of the same; `null` where there is one.
    run: Option<u32>,
    /// `null` where they differ, or where the generator is not ours.
    packet_bytes: Option<usize>,
    sent_packets: Option<u64>,
    received_packets: u64,
    lost_packets: Option<u64>,
    missing_packets: Option<u64>,
    duplicate_packets: Option<u64>,
    reordered_packets: Option<u64>,
    reordered_over_queues_packets: Option<u64>,
    corrupted_packets: Option<u64>,
    queues: Vec<QueueReport>,
    #[serde(flatten)]
    outages: OutagesReport,
    /// What the rates were measured over, without the start.
    measured_packets: u64,
    measured_ms: f64,
    packets_per_second: Option<f64>,
    bits_per_second: Option<f64>,
}

/// One queue of a sink.
#[derive(Clone, Copy, Debug, Serialize)]
struct QueueReport {
    received_packets: u64,
    duplicate_packets: Option<u64>,
    reordered_packets: Option<u64>,
}

/// The head of a table of throughput.
pub(crate) const THROUGHPUT: &str = "    size       Mpps       Gb/s          sent      received       lost  corrupted";

/// Of what a sink tells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Of {
    /// `None` where the generator is not ours.
    pub(crate) sizes: Option<Sizes>,
    /// The role of the sender.
    pub(crate) from: Role,
    /// Whether packets go the other way, too.
    pub(crate) duplex: bool,
    /// Which of several runs of the same.
    pub(crate) run: Option<u32>,
}

impl Of {
    /// What comes from an end of that role, and no more is known.
    pub(crate) fn sender(from: Role) -> Self {
        Self { sizes: None, from, duplex: false, run: None }
    }

    /// What a row needs behind its figures.
    fn words(self) -> String {
        let ways = match self.from {
            _ if !self.duplex => "",
            Role::Slave => "  slave to master",
            Role::Master => "  master to slave",
        };
        let run = self.run.map(|run| format!("  run {run}")).unwrap_or_default();
        format!("{ways}{run}")
    }
}

/// A row of it.
pub(crate) fn throughput(of: Of, received: &Received) -> (String, ThroughputReport) {
    let sizes = of.sizes;
    let (pps, bps) = received.rates().unzip();
    let number =
        |value: Option<f64>, unit: f64| value.map_or_else(|| "-".to_owned(), |value| format!("{:.3}", value / unit));
    let count = |value: Option<u64>| value.map_or_else(|| "-".to_owned(), |value| value.to_string());
    let numbered = |value: u64| received.numbered.then_some(value);
    let corrupted = numbered(received.corrupted);
    let row = format!(
        "{:>8} {:>10} {:>10} {:>13} {:>13} {:>10} {:>10}{}",
        sizes.map_or_else(|| "-".to_owned(), |sizes| sizes.to_string()),
        number(pps, 1e6),
        number(bps, 1e9),
        count(received.sent.map(|sent| sent.0)),
        received.packets,
        count(received.lost()),
        count(corrupted),
        of.words(),
    );
    let report = ThroughputReport {
        from_role: of.from.to_string(),
        run: of.run,
        packet_bytes: sizes.and_then(Sizes::fixed),
        sent_packets: received.sent.map(|sent| sent.0),
        received_packets: received.packets,
        lost_packets: received.lost(),
        missing_packets: numbered(received.missing()),
        duplicate_packets: numbered(received.duplicates),
        reordered_packets: numbered(received.reordered),
        reordered_over_queues_packets: numbered(received.reordered_over_queues),
        corrupted_packets: corrupted,
        queues: received
            .queues
            .iter()
            .map(|queue| QueueReport {
                received_packets: queue.packets,
                duplicate_packets: numbered(queue.duplicates),
                reordered_packets: numbered(queue.reordered),
            })
            .collect(),
        outages: received.outages.into(),
        measured_packets: received.measured_packets,
        measured_ms: milliseconds(received.time),
        packets_per_second: pps,
        bits_per_second: bps,
    };
    (row, report)
}

/// A row of what came both ways together, as packets and bits per second.
pub(crate) fn both_ways(sizes: Sizes, (pps, bps): (f64, f64)) -> String {
    let (pps, bps) = (pps / 1e6, bps / 1e9);
    format!("{sizes:>8} {pps:>10.3} {bps:>10.3} {:>52}both ways", "")
}

/// Says what came until now.
pub(crate) fn received_so_far(from: Role, received: &Received) -> Result<(), Error> {
    let (pps, bps) = received.rates().unwrap_or_default();
    let missing = if received.numbered { format!(", {} did not come", received.missing()) } else { String::new() };
    let (packets, mpps, gbps) = (received.packets, pps / 1e6, bps / 1e9);
    let figures = throughput(Of::sender(from), received).1;
    so_far(format_args!("{packets} packets received{missing}: {mpps:.3} Mpps, {gbps:.3} Gb/s"), &figures)
}

/// Says what was sent until now.
pub(crate) fn sent_so_far(sizes: Sizes, sent: &Sent) -> Result<(), Error> {
    let (packets, dropped) = (sent.packets, sent.offered - sent.packets);
    let (_, figures) = generator(sizes, sent, Outages::default());
    so_far(format_args!("{packets} packets sent, {dropped} found the ring full at their time"), &figures)
}

/// Says what was sent back until now.
pub(crate) fn echo_so_far(packets: u64) {
    // A closed pipe is met again by the report of the end.
    let _ = so_far(format_args!("{packets} packets sent back over this link"), &echo(packets, Outages::default()));
}

/// How the packets came on several queues, for people.
pub(crate) fn queues(received: &Received) -> Vec<String> {
    if received.queues.len() < 2 {
        return Vec::new();
    }
    let mut lines = Vec::new();
    for (number, queue) in received.queues.iter().enumerate() {
        let mut line = format!("queue {number}: {} received", queue.packets);
        if received.numbered {
            let _ = write!(line, ", {} of them after a later one, {} again", queue.reordered, queue.duplicates);
        }
        lines.push(line);
    }
    if received.reordered_over_queues > 0 {
        lines.push(format!(
            "{} came after a later one of another queue, as happens where packets are spread over queues",
            received.reordered_over_queues
        ));
    }
    lines
}

#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename = "bench_echo")]
pub(crate) struct EchoReport {
    returned_packets: u64,
    #[serde(flatten)]
    outages: OutagesReport,
}

/// What an echo sent back over one link, and the times without one until then.
pub(crate) fn echo(returned_packets: u64, outages: Outages) -> EchoReport {
    EchoReport { returned_packets, outages: outages.into() }
}

#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename = "bench_generator")]
pub(crate) struct GeneratorReport {
    packet_bytes: Option<usize>,
    offered_packets: u64,
    sent_packets: u64,
    #[serde(flatten)]
    outages: OutagesReport,
    duration_ms: f64,
    packets_per_second: f64,
    bits_per_second: f64,
}

/// What a generator did whose sink is somewhere else.
pub(crate) fn generator(sizes: Sizes, sent: &Sent, outages: Outages) -> (String, GeneratorReport) {
    let seconds = sent.time.as_secs_f64().max(f64::MIN_POSITIVE);
    let (pps, bps) = (real(sent.packets) / seconds, 8.0 * real(sent.bytes) / seconds);
    let text = format!(
        "sent {} packets of {sizes} bytes in {:.3} s: {:.3} Mpps, {:.3} Gb/s; {} found the ring full at their time",
        sent.packets,
        seconds,
        pps / 1e6,
        bps / 1e9,
        sent.offered - sent.packets,
    );
    let report = GeneratorReport {
        packet_bytes: sizes.fixed(),
        offered_packets: sent.offered,
        sent_packets: sent.packets,
        outages: outages.into(),
        duration_ms: milliseconds(sent.time),
        packets_per_second: pps,
        bits_per_second: bps,
    };
    (text, report)
}
