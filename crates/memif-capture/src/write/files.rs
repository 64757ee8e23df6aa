//! pcapng into one file or stream, or into many files in a row.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::block::{Interface, Section, statistics};
use super::chunk::{Chunk, prefix};
use super::counts::Counts;
use super::names::numbered;
use super::output::{Output, Target};
use super::sink::{Refused, Sink};

/// When the next file is begun.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rotation {
    /// Before a file has more bytes than that. One that is compressed may have some more: what a buffer holds.
    pub bytes: Option<u64>,
    /// With the first packet that comes so long after the first of the file.
    pub time: Option<Duration>,
    /// The most files that are kept: the oldest is removed when there is one more.
    pub files: Option<u32>,
}

impl Rotation {
    fn is_asked_for(&self) -> bool {
        self.bytes.is_some() || self.time.is_some()
    }
}

/// Files with packets.
#[derive(Debug)]
pub struct Files {
    section: Section,
    rotation: Rotation,
    /// The name that was given, where there can be a next file.
    base: Option<PathBuf>,
    number: u64,
    /// The first file; where so many alone are kept, all that are there.
    paths: VecDeque<PathBuf>,
    /// Bytes of the files before.
    before: u64,
    open: Open,
    /// When writing began.
    begin: u64,
}

/// The file that is written to.
#[derive(Debug)]
struct Open {
    output: Output,
    /// Interfaces that are described in it; 1 where one stands for all.
    described: usize,
    /// When its first packet was recorded.
    first: Option<u64>,
    /// When its last packet was recorded.
    last: u64,
}

impl Files {
    /// Opens the first file and writes its head, with those `interfaces`, at that time in nanoseconds since 1970.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn create(
        target: Target,
        section: Section,
        rotation: Rotation,
        interfaces: &[Interface],
        now: u64,
    ) -> io::Result<Self> {
        let (output, base, path) = match target {
            Target::Stream(file) => (Output::of(file), None, None),
            Target::Path(path) if rotation.is_asked_for() => {
                let first = numbered(&path, 1, now / 1_000_000_000);
                (Output::create(&first)?, Some(path), Some(first))
            }
            Target::Path(path) => (Output::create(&path)?, None, Some(path)),
        };
        let open = Open::begin(output, &section, interfaces)?;
        let paths = path.into_iter().collect();
        Ok(Self { section, rotation, base, number: 1, paths, before: 0, open, begin: now })
    }

    /// The oldest file that is there, as far as this knows: the first one, or what rotation has left.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.paths.front().map(PathBuf::as_path)
    }

    /// Whether packets are compressed, so that it pays to wait for more of them.
    #[must_use]
    pub fn are_compressed(&self) -> bool {
        self.open.output.is_compressed()
    }

    /// Ends the file and begins the next.
    fn rotate(&mut self, base: &Path, interfaces: &[Interface], counts: &[Counts], now: u64) -> io::Result<()> {
        self.end(counts, "")?;
        self.number += 1;
        let path = numbered(base, self.number, now / 1_000_000_000);
        let output = Output::create(&path)?;
        let open = Open::begin(output, &self.section, interfaces)?;
        self.before += self.open.output.size();
        self.open = open;
        // Without a limit there is nothing to be removed, and names would be all that memory grows by.
        let Some(most) = self.rotation.files else { return Ok(()) };
        self.paths.push_back(path);
        // The one that is open stays in any case.
        while self.paths.len() > most.max(1) as usize {
            let Some(oldest) = self.paths.pop_front() else { break };
            // Somebody else may have taken it away already.
            if let Err(error) = fs::remove_file(oldest)
                && error.kind() != io::ErrorKind::NotFound
            {
                return Err(error);
            }
        }
        Ok(())
    }

    /// Writes what became of the packets of each interface so far.
    fn end(&mut self, counts: &[Counts], remark: &str) -> io::Result<()> {
        let blocks = self.statistics(counts, remark);
        self.open.output.write(&blocks)
    }

    fn statistics(&self, counts: &[Counts], remark: &str) -> Vec<u8> {
        let end = self.open.last.max(self.begin);
        let mut sum = Counts::default();
        counts.iter().for_each(|more| sum += *more);
        let counts = if self.section.joins_interfaces() { &[sum] } else { counts };
        let of_each = (0_u32..).zip(counts).take(self.open.described);
        of_each.flat_map(|(interface, counts)| statistics(interface, self.begin, end, counts, remark)).collect()
    }

    /// How many bytes of the blocks go into the open file: none when the next one is to be begun.
    fn share(&self, blocks: &[u8], chunk: &Chunk, reserved: u64) -> usize {
        let Open { output, first, .. } = &self.open;
        let room = self.rotation.bytes.filter(|_| !output.is_compressed());
        let room = room.map(|bytes| bytes.saturating_sub(output.size() + reserved));
        let room = room.and_then(|room| usize::try_from(room).ok()).unwrap_or(usize::MAX);
        let too_large = self.rotation.bytes.is_some_and(|most| output.is_compressed() && output.size() >= most);
        if too_large && first.is_some() {
            return 0;
        }
        let first_stamp = first.unwrap_or_else(|| prefix_stamp(blocks));
        let until = self.rotation.time.map_or(u64::MAX, |time| first_stamp.saturating_add(nanoseconds(time)));
        if blocks.len() <= room && chunk.last_stamp() < until {
            return blocks.len();
        }
        let (packets, bytes) = prefix(blocks, |_, bytes, stamp| bytes <= room && stamp < until);
        if packets == 0 && first.is_none() {
            // A file has one packet at least, however short it is to be.
            return prefix(blocks, |packets, _, _| packets == 1).1;
        }
        bytes
    }
}

/// When the first of the packets was recorded.
fn prefix_stamp(blocks: &[u8]) -> u64 {
    let mut first = 0;
    prefix(blocks, |_, _, stamp| {
        first = stamp;
        false
    });
    first
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl Open {
    fn begin(mut output: Output, section: &Section, interfaces: &[Interface]) -> io::Result<Self> {
        let mut blocks = section.header();
        let joined = [Interface::all()];
        let interfaces = if section.joins_interfaces() { &joined } else { interfaces };
        interfaces.iter().for_each(|interface| blocks.extend(section.interface(interface)));
        output.write(&blocks)?;
        Ok(Self { output, described: interfaces.len(), first: None, last: 0 })
    }

    /// Describes interfaces that came since.
    fn describe(&mut self, section: &Section, interfaces: &[Interface]) -> io::Result<()> {
        let new = interfaces.get(self.described..).unwrap_or_default();
        if !new.is_empty() && !section.joins_interfaces() {
            let blocks: Vec<u8> = new.iter().flat_map(|interface| section.interface(interface)).collect();
            self.output.write(&blocks)?;
            self.described = interfaces.len();
        }
        Ok(())
    }
}

impl Sink for Files {
    fn write(&mut self, interfaces: &[Interface], counts: &[Counts], packets: &Chunk) -> Result<(), Refused> {
        let mut taken = 0;
        let failed = |taken| move |error| Refused { packets: taken, error };
        self.open.describe(&self.section, interfaces).map_err(failed(taken))?;
        let mut blocks = packets.bytes();
        let reserved = u64::try_from(self.statistics(counts, "").len()).unwrap_or_default();
        while !blocks.is_empty() {
            let share = match &self.base {
                None => blocks.len(),
                Some(base) => match self.share(blocks, packets, reserved) {
                    0 => {
                        let base = base.clone();
                        self.rotate(&base, interfaces, counts, prefix_stamp(blocks)).map_err(failed(taken))?;
                        continue;
                    }
                    share => share,
                },
            };
            let (mine, rest) = blocks.split_at_checked(share).unwrap_or((blocks, &[]));
            self.open
                .output
                .write_packets(mine)
                .map_err(|refused| Refused { packets: taken + refused.packets, ..refused })?;
            self.open.first.get_or_insert_with(|| prefix_stamp(mine));
            let (packets, _) = prefix(mine, |_, _, stamp| {
                self.open.last = stamp;
                true
            });
            taken += packets;
            blocks = rest;
        }
        Ok(())
    }

    fn finish(&mut self, interfaces: &[Interface], counts: &[Counts], remark: &str) -> io::Result<()> {
        self.open.describe(&self.section, interfaces)?;
        self.end(counts, remark)
    }

    fn joins_interfaces(&self) -> bool {
        self.section.joins_interfaces()
    }

    fn bytes(&self) -> u64 {
        self.before + self.open.output.size()
    }
}
