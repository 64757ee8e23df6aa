//! What became of recorded packets, for people and for programs.

use std::fmt;

use memif_capture::write::Summary;
use serde::Serialize;

/// What became of packets that were captured.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename = "capture_statistics")]
pub(crate) struct CaptureReport {
    /// The file that was named, `null` where each packet was told of in a line.
    pub(crate) file: Option<String>,
    /// Packets that came.
    pub(crate) received_packets: u64,
    /// Those that the filter chose; all, where there is none.
    pub(crate) accepted_packets: u64,
    /// Those that were written, or told of.
    pub(crate) written_packets: u64,
    /// Those that were not, as what they are written to was too slow or took nothing more.
    pub(crate) missed_packets: u64,
    /// Packets that the peer described wrongly; they are not among those that came.
    pub(crate) dropped_packets: u64,
    /// Bytes of all files, as they stand there.
    pub(crate) file_bytes: u64,
    /// Why no more could be written.
    pub(crate) failure: Option<String>,
}

impl CaptureReport {
    pub(crate) fn new(file: Option<&str>, summary: &Summary) -> Self {
        let Summary { counts, written, bytes, failure } = summary;
        Self {
            file: file.map(str::to_owned),
            received_packets: counts.received,
            accepted_packets: counts.accepted,
            written_packets: *written,
            missed_packets: counts.missed,
            dropped_packets: counts.dropped,
            file_bytes: *bytes,
            failure: failure.as_ref().map(ToString::to_string),
        }
    }
}

impl fmt::Display for CaptureReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} packets", self.received_packets)?;
        if self.accepted_packets != self.received_packets {
            write!(f, ", {} chosen by the filter", self.accepted_packets)?;
        }
        match &self.file {
            Some(file) => write!(f, ", {} written to {file} ({} bytes)", self.written_packets, self.file_bytes)?,
            None => write!(f, ", {} told of", self.written_packets)?,
        }
        write!(f, ", {} missed, {} dropped", self.missed_packets, self.dropped_packets)
    }
}
