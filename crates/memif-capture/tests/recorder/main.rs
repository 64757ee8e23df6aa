//! Recording packets: what stands in files, what is counted, and what becomes of it when the file takes no more.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail so")]

mod blocks;
mod failures;
mod rotation;

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use memif_capture::LinkType;
use memif_capture::write::{Direction, Ending, Files, Interface, Limits, Recorder, Rotation, Section, Target, Writer};
use testkit::{Need, Suite};

/// Nanoseconds since 1970: 2026-01-01.
const BEGIN: u64 = 1_767_225_600_000_000_000;

fn main() {
    Suite::new()
        .test("packets_stand_in_the_file_as_they_came", &[], blocks::packets_stand_as_they_came)
        .test("what_is_said_stands_in_blocks", &[], blocks::what_is_said_stands_in_blocks)
        .test("interfaces_may_come_later", &[], blocks::interfaces_may_come_later)
        .test("a_filter_sees_whole_packets", &[], blocks::a_filter_sees_whole_packets)
        .test("after_the_last_packet_wanted_none_is_taken", &[], blocks::none_after_the_last)
        .test("compressed_files_hold_the_same", &[Need::Program("gzip"), Need::Program("zstd")], blocks::compressed)
        .test("files_are_no_longer_than_asked_for", &[], rotation::by_size)
        .test("files_begin_with_their_time", &[], rotation::by_time)
        .test("the_oldest_files_go", &[], rotation::oldest_go)
        .test("who_is_too_slow_misses_packets_and_counts_them", &[], failures::too_slow)
        .test("the_next_packet_tells_of_those_missed", &[], failures::next_tells)
        .test("a_full_disk_leaves_whole_packets", &[Need::Root], failures::full_disk)
        .test("a_pipe_that_closes_ends_the_recording", &[], failures::closed_pipe)
        .test("a_reader_that_stops_reading_holds_nobody_for_ever", &[], failures::stuck_pipe)
        .run();
}

/// A directory of the test's own.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("memif-capture-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    /// Its files by name.
    fn files(&self) -> Vec<PathBuf> {
        let mut files: Vec<_> = fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// With a head that is longer than a pipe, for files.
fn section(target: &Target, snap_length: u32) -> Section {
    let comment = if matches!(target, Target::Path(_)) { 70_000 } else { 10 };
    Section {
        link_type: LinkType::Ethernet,
        snap_length,
        application: "tests".to_owned(),
        hardware: "none".to_owned(),
        os: String::new(),
        comment: "x".repeat(comment),
        filter: Some("ip".to_owned()),
    }
}

fn interface(name: &str, direction: Direction, queue: u32) -> Interface {
    Interface { name: name.to_owned(), description: format!("queue {queue}"), direction, queue }
}

fn limits(snap_length: u32) -> Limits {
    Limits { snap_length, patience: Duration::from_millis(5), ..Limits::default() }
}

/// A recorder into that target.
fn record(
    target: Target,
    rotation: Rotation,
    limits: Limits,
    told: impl Fn(Ending<'_>) + Send + Sync + 'static,
) -> (Recorder, Writer, u32) {
    let first = interface("a-rx0", Direction::Inbound, 0);
    let section = section(&target, limits.snap_length);
    let files = Files::create(target, section, rotation, std::slice::from_ref(&first), BEGIN);
    let (recorder, writer) = Recorder::start(files.unwrap(), limits, told).unwrap();
    let number = recorder.interface(first);
    (recorder, writer, number)
}

/// The packet with that number, of so many bytes.
fn packet(number: u64, length: usize) -> Vec<u8> {
    number.to_le_bytes().into_iter().cycle().take(length).collect()
}

/// Records it.
fn put(recorder: &Recorder, interface: u32, stamp: u64, packet: &[u8]) {
    recorder.batch(stamp).packet(interface, packet.len(), |room| {
        let kept = room.len().min(packet.len());
        room[..kept].copy_from_slice(&packet[..kept]);
        kept
    });
}

/// A block of a file: its type, and what stands between its lengths.
struct Block {
    kind: u32,
    body: Vec<u8>,
}

impl Block {
    fn word(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.body[at..at + 4].try_into().unwrap())
    }

    /// Of a packet.
    fn stamp(&self) -> u64 {
        u64::from(self.word(4)) << 32 | u64::from(self.word(8))
    }

    fn data(&self) -> &[u8] {
        &self.body[20..20 + self.word(12) as usize]
    }

    /// The value of an option that stands behind so many bytes.
    fn option(&self, mut at: usize, code: u16) -> Option<Vec<u8>> {
        while at + 4 <= self.body.len() {
            let found = u16::from_le_bytes(self.body[at..at + 2].try_into().unwrap());
            let length = usize::from(u16::from_le_bytes(self.body[at + 2..at + 4].try_into().unwrap()));
            if found == code && code != 0 {
                return Some(self.body[at + 4..at + 4 + length].to_vec());
            }
            at += 4 + length.next_multiple_of(4);
        }
        None
    }

    /// The same of a packet.
    fn packet_option(&self, code: u16) -> Option<Vec<u8>> {
        self.option(20 + (self.word(12) as usize).next_multiple_of(4), code)
    }
}

/// The blocks of a file, which must be whole.
#[track_caller]
fn blocks_of(mut bytes: &[u8]) -> Vec<Block> {
    let mut blocks = Vec::new();
    while !bytes.is_empty() {
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        let length = word(4) as usize;
        assert_eq!(word(length - 4) as usize, length, "both lengths are the same");
        blocks.push(Block { kind: word(0), body: bytes[8..length - 4].to_vec() });
        bytes = &bytes[length..];
    }
    assert_eq!(blocks[0].kind, 0x0a0d_0d0a);
    blocks
}

/// The packets of a file.
fn packets_of(bytes: &[u8]) -> Vec<Block> {
    blocks_of(bytes).into_iter().filter(|block| block.kind == 6).collect()
}
