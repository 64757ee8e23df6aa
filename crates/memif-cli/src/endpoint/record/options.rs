//! Where packets are written to, and how much of them.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use memif_capture::write::{Compression, Rotation};

use crate::endpoint::values::{number, parse_period};
use crate::error::Error;
use crate::units::large_bytes;

/// As tcpdump has it: more than any packet.
const WHOLE_PACKETS: u32 = 262_144;
/// Bytes of the smallest file that another may follow: what each begins and ends with has some 400.
const SMALLEST_FILE: u64 = 1024;
/// Endings of names of files that are compressed as these are not.
const OTHER_COMPRESSIONS: [&str; 4] = ["bz2", "lz4", "xz", "Z"];
/// What stands for standard output.
const STANDARD_OUTPUT: &str = "-";

/// Options of what is written.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Packets in files")]
pub(crate) struct RecordOptions {
    /// Write the packets to this file as pcapng, which Wireshark and tcpdump read; compressed where its name ends in
    /// .gz or .zst. A file that is there is overwritten
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,

    /// Bytes of each packet that are kept, from its first on [default: all]
    #[arg(long, value_name = "BYTES", value_parser = number::<u32>(1, WHOLE_PACKETS.into()), allow_negative_numbers = true)]
    snaplen: Option<u32>,

    /// Begin another file before one has more bytes than that, as in 100M; files get numbers and times into their names
    #[arg(long, value_name = "BYTES", requires = "write", value_parser = large_bytes, allow_negative_numbers = true)]
    rotate_size: Option<u64>,

    /// Begin another file with the first packet that comes so long after the first of a file, as in 10min
    #[arg(long, value_name = "TIME", requires = "write", value_parser = parse_period, allow_negative_numbers = true)]
    rotate_time: Option<Duration>,

    /// With --rotate-size or --rotate-time: keep so many files, and remove the oldest for the next
    #[arg(long, value_name = "N", requires = "write", value_parser = number::<u32>(1, 1_000_000),
        allow_negative_numbers = true)]
    files: Option<u32>,
}

impl RecordOptions {
    /// The file, if packets are to be written.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.write.as_deref()
    }

    /// Whether they are to be written to standard output.
    pub(crate) fn takes_standard_output(&self) -> bool {
        self.path().is_some_and(|path| path == Path::new(STANDARD_OUTPUT))
    }

    /// What people and programs are told of it.
    pub(crate) fn name(&self) -> Option<String> {
        let path = self.path()?;
        Some(if self.takes_standard_output() { "standard output".to_owned() } else { path.display().to_string() })
    }

    /// Whether its name says that it is written as something else.
    pub(crate) fn names_another_format(&self) -> bool {
        let Some(path) = self.path() else { return false };
        let plain = if self.compression() == Compression::None {
            path.as_os_str()
        } else {
            path.file_stem().unwrap_or_default()
        };
        Path::new(plain).extension().is_some_and(|ending| ending.eq_ignore_ascii_case("pcap"))
    }

    /// Bytes of each packet that are kept.
    pub(crate) fn snap_length(&self) -> u32 {
        self.snaplen.unwrap_or(WHOLE_PACKETS)
    }

    /// When the next file is begun.
    pub(crate) fn rotation(&self) -> Rotation {
        Rotation { bytes: self.rotate_size, time: self.rotate_time, files: self.files }
    }

    /// Whether the files are compressed.
    pub(crate) fn compression(&self) -> Compression {
        self.path().map_or(Compression::None, Compression::of)
    }

    /// Whether these options make sense where nothing is written.
    pub(crate) fn check_without_file(&self) -> Result<(), Error> {
        match self.snaplen {
            None => Ok(()),
            Some(_) => {
                Err(Error::Usage("--snaplen is for packets that are written: give --write FILE, too".to_owned()))
            }
        }
    }

    /// Whether these options make sense together.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let rotates = self.rotate_size.is_some() || self.rotate_time.is_some();
        if self.files.is_some() && !rotates {
            return Err(Error::Usage(
                "--files needs --rotate-size or --rotate-time, which begin another file".to_owned(),
            ));
        }
        if self.rotate_size.is_some_and(|bytes| bytes < SMALLEST_FILE) {
            return Err(Error::Usage(
                "--rotate-size: give 1k or more; what a file begins and ends with has some 400 bytes".to_owned(),
            ));
        }
        let ending = self.path().and_then(Path::extension).and_then(OsStr::to_str);
        if let Some(ending) = ending.filter(|ending| OTHER_COMPRESSIONS.contains(ending)) {
            return Err(Error::Usage(format!(
                "files are compressed with gzip (.gz) or Zstandard (.zst): end the name with one of these, or write to \
                 standard output (-w -), into a program that makes a .{ending}"
            )));
        }
        if rotates && self.takes_standard_output() {
            return Err(Error::Usage(
                "standard output is one file: leave --rotate-size and --rotate-time out".to_owned(),
            ));
        }
        Ok(())
    }
}
