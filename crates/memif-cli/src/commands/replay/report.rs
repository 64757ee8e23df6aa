//! What was sent, in words and for programs.

use std::fmt;

use serde::Serialize;

use super::send::{Sender, lateness};
use super::tally::{LeftOut, Reason};
use crate::counts::real;
use crate::output::json::milliseconds;
use crate::output::times::TimesReport;

/// What became of a file.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename = "replay_statistics")]
pub(super) struct Statistics {
    file: String,
    sent_packets: u64,
    sent_bytes: u64,
    duration_ms: f64,
    packets_per_second: f64,
    bits_per_second: f64,
    /// Packets of the file, in all passes.
    read_packets: u64,
    /// How often the file was read to its end.
    passes: u64,
    filtered_packets: u64,
    outside_packets: u64,
    left_out_packets: u64,
    left_out_packets_by_reason: LeftOut,
    padded_packets: u64,
    out_of_order_packets: u64,
    /// How often a packet had to wait for a full ring.
    ring_full_waits: u64,
    links: u64,
    /// The byte at which the packet begins within which the file ends.
    cut_at_byte: Option<u64>,
    /// How late packets were published; `null` with `--topspeed`.
    late: Option<TimesReport>,
    #[serde(skip)]
    lateness: Option<String>,
}

impl Statistics {
    pub(super) fn new(file: &str, paced: bool, sender: &Sender) -> Self {
        let (sent, read) = (&sender.sent, &sender.read);
        let seconds = sender.time().as_secs_f64();
        let rate = |count: f64| if seconds > 0.0 { count / seconds } else { 0.0 };
        let left_out = sender.left_out();
        Self {
            file: file.to_owned(),
            sent_packets: sent.packets,
            sent_bytes: sent.bytes,
            duration_ms: milliseconds(sender.time()),
            packets_per_second: rate(real(sent.packets)),
            bits_per_second: rate(8.0 * real(sent.bytes)),
            read_packets: read.packets,
            passes: sender.end.as_ref().map_or(0, |end| end.passes),
            filtered_packets: read.unmatched,
            outside_packets: read.outside,
            left_out_packets: left_out.all(),
            left_out_packets_by_reason: left_out,
            padded_packets: read.padded,
            out_of_order_packets: read.out_of_order,
            ring_full_waits: sent.waits,
            links: sent.links,
            cut_at_byte: sender.end.as_ref().and_then(|end| end.cut).map(|cut| cut.offset),
            late: paced.then(|| TimesReport::new(&sent.late)),
            lateness: lateness(&sent.late),
        }
    }

    /// Whether every packet that was to be sent was.
    pub(super) fn is_complete(&self) -> bool {
        self.left_out_packets == 0
    }

    /// Whether packets were left out for that reason.
    pub(super) fn is_short_of(&self, reason: Reason) -> bool {
        self.left_out_packets_by_reason.of(reason) > 0
    }

    /// What is to be said of a run that sent nothing, though nothing failed.
    pub(super) fn about_nothing(&self) -> Option<String> {
        let Self { sent_packets: 0, read_packets, filtered_packets, outside_packets, .. } = *self else { return None };
        Some(match (read_packets, filtered_packets, outside_packets) {
            (0, ..) => "nothing was sent: there is no packet in it".to_owned(),
            (_, 0, 1..) => format!("nothing was sent: all {read_packets} packets are outside of --between"),
            (_, 1.., 0) => format!("nothing was sent: the filter matches none of {read_packets} packets"),
            _ => format!("nothing was sent, of {read_packets} packets"),
        })
    }
}

impl fmt::Display for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} packets sent, {} bytes in {:.2} s: {:.0} packets/s, {:.3} Mbit/s",
            self.sent_packets,
            self.sent_bytes,
            self.duration_ms / 1000.0,
            self.packets_per_second,
            self.bits_per_second / 1e6,
        )?;
        let left_out = self.left_out_packets_by_reason.to_string().replacen(" dropped", " left out", 1);
        write!(f, "\n{left_out}")?;
        for (count, what) in [
            (self.filtered_packets, "not matched by the filter"),
            (self.outside_packets, "outside of --between"),
            (self.padded_packets, "truncated and padded with zeros"),
            (self.out_of_order_packets, "captured before the one that stands before them, sent at once"),
            (self.ring_full_waits, "waited for a full ring"),
        ] {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        if self.links > 1 {
            write!(f, ", over {} links", self.links)?;
        }
        self.lateness.as_ref().map_or(Ok(()), |lateness| write!(f, "\n{lateness}"))
    }
}
