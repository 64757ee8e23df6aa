//! A line for each packet, in the manner of tcpdump.

use std::io::{self, BufWriter, StdoutLock, Write};

use memif_capture::LinkType;
use memif_capture::decode;
use memif_capture::write::{Chunk, Counts, Direction, Interface, Recorded, Refused, Sink};
use serde::Serialize;

use crate::output::speaks_json;

#[cfg(test)]
mod picture;

/// Prints packets on standard output.
#[derive(Debug)]
pub(super) struct Lines {
    link_type: LinkType,
    way: Way,
    bytes: u64,
}

/// What a line says of the way that its packet went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    None,
    /// `In` or `Out`.
    InOrOut,
    /// The name of its interface.
    Named,
}

/// A packet, for programs.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "packet")]
struct PacketReport<'p> {
    /// Since 1970.
    time_nanoseconds: u64,
    interface: &'p str,
    queue: u32,
    /// `in` or `out`.
    direction: &'p str,
    length_bytes: usize,
    captured_bytes: usize,
    line: String,
}

impl Lines {
    pub(super) fn new(link_type: LinkType, way: Way) -> Self {
        Self { link_type, way, bytes: 0 }
    }

    fn print(&self, out: &mut impl Write, interface: &Interface, packet: &Recorded<'_>) -> io::Result<()> {
        let line = decode::line(self.link_type, packet.data(), packet.original_length());
        let (short, word) = match packet.direction() {
            Direction::Inbound => ("In ", "in"),
            Direction::Outbound => ("Out", "out"),
        };
        if speaks_json() {
            let report = PacketReport {
                time_nanoseconds: packet.stamp(),
                interface: &interface.name,
                queue: packet.queue(),
                direction: word,
                length_bytes: packet.original_length(),
                captured_bytes: packet.data().len(),
                line: line.to_string(),
            };
            serde_json::to_writer(&mut *out, &report)?;
            return writeln!(out);
        }
        let time = time_of_day(packet.stamp());
        match self.way {
            Way::None => writeln!(out, "{time} {line}"),
            Way::InOrOut => writeln!(out, "{time} {short} {line}"),
            Way::Named => writeln!(out, "{time} {} {line}", interface.name),
        }
    }
}

impl Sink for Lines {
    fn write(&mut self, interfaces: &[Interface], _counts: &[Counts], packets: &Chunk) -> Result<(), Refused> {
        // Lines that were printed before in part are there.
        let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
        let mut printed = 0;
        for packet in packets.recorded() {
            let Some(interface) = interfaces.get(packet.interface()) else { continue };
            self.print(&mut out, interface, &packet).map_err(|error| Refused { packets: printed, error })?;
            printed += 1;
        }
        finish(out).map_err(|error| Refused { packets: printed, error })?;
        self.bytes += printed;
        Ok(())
    }

    fn finish(&mut self, _interfaces: &[Interface], _counts: &[Counts], _remark: &str) -> io::Result<()> {
        Ok(())
    }

    /// Something that grows while it goes on.
    fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// What was not printed because of an error must not be tried once more when `out` is dropped.
fn finish(mut out: BufWriter<StdoutLock<'_>>) -> io::Result<()> {
    let flushed = out.flush();
    let (_, _) = out.into_parts();
    flushed
}

/// The time of day in UTC, to the microsecond.
fn time_of_day(nanoseconds: u64) -> String {
    let (seconds, micros) = (nanoseconds / 1_000_000_000 % 86_400, nanoseconds / 1000 % 1_000_000);
    format!("{:02}:{:02}:{:02}.{micros:06}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_day() {
        assert_eq!(time_of_day(0), "00:00:00.000000");
        // As `date --utc --date=@1709251199.123456789` says.
        assert_eq!(time_of_day(1_709_251_199_123_456_789), "23:59:59.123456");
    }
}
