//! What other programs make of pcapng files: of ours, and of those that ours are not like, and why.
//!
//! The second kind is made by hand. Should one of these programs change, its test fails, and the form of our files may
//! be thought about anew.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail so")]

mod foreign;
mod ours;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

use testkit::suite::{DPKT, SCAPY};
use testkit::{Need, Suite};

/// Debian's, which finds Debian's modules.
const PYTHON: &str = "/usr/bin/python3";

/// A time with all nine decimals, in nanoseconds since 1970.
const TIME: u64 = 1_767_225_600_123_456_789;

fn main() {
    const TSHARK: &[Need] = &[Need::Program("tshark")];
    const TCPDUMP: &[Need] = &[Need::Program("tcpdump")];
    const TO_PYTHON: &[Need] = &[Need::Program(PYTHON), Need::Program(SCAPY), Need::Program(DPKT)];
    Suite::new()
        .test("tshark_reads_every_file_of_ours_without_a_word", TSHARK, ours::tshark)
        .test("tcpdump_reads_ours", TCPDUMP, ours::tcpdump)
        .test("scapy_and_dpkt_read_ours", TO_PYTHON, ours::python)
        .test("tcpdump_refuses_a_second_link_type", TCPDUMP, foreign::second_link_type)
        .test("tcpdump_refuses_a_second_interface_of_raw_ip", TCPDUMP, foreign::second_interface_of_raw_ip)
        .test("tcpdump_refuses_a_second_snap_length", TCPDUMP, foreign::second_snap_length)
        .test("tcpdump_ignores_directions", TCPDUMP, foreign::directions)
        .test("scapy_and_dpkt_keep_the_clock_of_the_first_section", TO_PYTHON, foreign::two_clocks)
        .test("tshark_keeps_the_names_of_the_first_section", TSHARK, foreign::two_names)
        .test("scapy_writes_microseconds", &[TSHARK, TO_PYTHON].concat(), foreign::scapy_writes)
        .test("editcap_cuts_nanoseconds_for_pcap", &[TSHARK, &[Need::Program("editcap")]].concat(), foreign::editcap)
        .run();
}

/// A directory of the test's own.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("memif-readers-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What a program says; it must find nothing wrong.
#[track_caller]
fn run(program: &str, arguments: &[&dyn AsRef<OsStr>]) -> Output {
    let output = Command::new(program).args(arguments.iter().map(|argument| argument.as_ref())).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What Wireshark's programs say of a file, without what they say of who runs them.
fn complaints(output: &Output) -> String {
    let text = text(&output.stderr);
    text.lines().filter(|line| !line.starts_with("Running as user")).collect()
}

/// Fields of each packet, as tshark sees them, without a word about the file.
#[track_caller]
fn fields(file: &Path, names: &[&str]) -> Vec<String> {
    let mut arguments: Vec<&dyn AsRef<OsStr>> = vec![&"-r", &file, &"-T", &"fields"];
    for name in names {
        arguments.extend([&"-e" as &dyn AsRef<OsStr>, name]);
    }
    let output = run("tshark", &arguments);
    assert_eq!(complaints(&output), "", "{}", file.display());
    text(&output.stdout).lines().map(str::to_owned).collect()
}

/// What a program in Python prints.
#[track_caller]
fn python(directory: &Directory, program: &str) -> Vec<String> {
    let file = directory.file("program.py");
    fs::write(&file, program).unwrap();
    let output = Command::new(PYTHON).arg(&file).current_dir(&directory.0).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    text(&output.stdout).lines().map(str::to_owned).collect()
}

/// A question about an address in an Ethernet frame.
fn arp() -> Vec<u8> {
    let mut frame = vec![0xff; 6];
    frame.extend([2, 0xfe, 192, 168, 1, 1, 8, 6]);
    frame.extend([0, 1, 8, 0, 6, 4, 0, 1, 2, 0xfe, 192, 168, 1, 1, 192, 168, 1, 1, 0, 0, 0, 0, 0, 0, 192, 168, 1, 2]);
    frame
}
