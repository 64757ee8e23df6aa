//! Packets and bits per second.

use serde::Serialize;

use super::{Report, packet_bytes};
use crate::bench::generator::Sent;
use crate::bench::packet::Sizes;
use crate::bench::sink::{Received, real};
use crate::json::milliseconds;

#[derive(Clone, Debug, Serialize)]
pub(crate) struct ThroughputReport {
    /// `null` where they differ, or where the generator is not ours.
    packet_bytes: Option<usize>,
    sent_packets: Option<u64>,
    received_packets: u64,
    lost_packets: Option<u64>,
    missing_packets: Option<u64>,
    corrupted_packets: Option<u64>,
    /// What the rates were measured over, without the start.
    measured_packets: u64,
    measured_ms: f64,
    packets_per_second: Option<f64>,
    bits_per_second: Option<f64>,
}

/// The head of a table of throughput.
pub(crate) const THROUGHPUT: &str =
    "    size       Mpps       Gb/s          sent      received       lost  corrupted";

/// A row of it.
pub(crate) fn throughput(sizes: Option<Sizes>, received: &Received) -> (String, Report) {
    let (pps, bps) = received.rates().unzip();
    let number = |value: Option<f64>, unit: f64| {
        value.map_or_else(|| "-".to_owned(), |value| format!("{:.3}", value / unit))
    };
    let count =
        |value: Option<u64>| value.map_or_else(|| "-".to_owned(), |value| value.to_string());
    let corrupted = received.numbered.then_some(received.corrupted);
    let row = format!(
        "{:>8} {:>10} {:>10} {:>13} {:>13} {:>10} {:>10}",
        sizes.map_or_else(|| "-".to_owned(), |sizes| sizes.to_string()),
        number(pps, 1e6),
        number(bps, 1e9),
        count(received.sent.map(|sent| sent.0)),
        received.packets,
        count(received.lost()),
        count(corrupted),
    );
    let report = Report::Throughput(ThroughputReport {
        packet_bytes: sizes.and_then(packet_bytes),
        sent_packets: received.sent.map(|sent| sent.0),
        received_packets: received.packets,
        lost_packets: received.lost(),
        missing_packets: received.numbered.then_some(received.missing),
        corrupted_packets: corrupted,
        measured_packets: received.measured_packets,
        measured_ms: milliseconds(received.time),
        packets_per_second: pps,
        bits_per_second: bps,
    });
    (row, report)
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct GeneratorReport {
    packet_bytes: Option<usize>,
    offered_packets: u64,
    sent_packets: u64,
    duration_ms: f64,
    packets_per_second: f64,
    bits_per_second: f64,
}

/// What a generator did whose sink is somewhere else.
pub(crate) fn generator(sizes: Sizes, sent: &Sent) -> (String, Report) {
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
    let report = Report::Generator(GeneratorReport {
        packet_bytes: packet_bytes(sizes),
        offered_packets: sent.offered,
        sent_packets: sent.packets,
        duration_ms: milliseconds(sent.time),
        packets_per_second: pps,
        bits_per_second: bps,
    });
    (text, report)
}
