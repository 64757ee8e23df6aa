//! Files that ours are not like, since other programs refuse or misread them.

use std::fs;
use std::process::Command;

use super::{Directory, TIME, arp, fields, python, run, text};

fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 12).unwrap().to_le_bytes();
    [&kind.to_le_bytes(), &length, body, &length].concat()
}

fn option(code: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap();
    let mut bytes = [&code.to_le_bytes(), &length.to_le_bytes(), value].concat();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn section() -> Vec<u8> {
    block(0x0a0d_0d0a, &[&0x1a2b_3c4d_u32.to_le_bytes()[..], &[1, 0, 0, 0], &[0xff; 8]].concat())
}

/// An interface whose time stamps have so many decimals.
fn interface(link_type: u16, snap_length: u32, name: &str, decimals: u8) -> Vec<u8> {
    let options = [option(2, name.as_bytes()), option(9, &[decimals]), option(0, &[])].concat();
    block(1, &[&link_type.to_le_bytes()[..], &[0, 0], &snap_length.to_le_bytes(), &options].concat())
}

/// With the flags of a direction.
fn packet(interface: u32, stamp: u64, direction: u32) -> Vec<u8> {
    let mut body = interface.to_le_bytes().to_vec();
    body.extend(stamp.rotate_left(32).to_le_bytes());
    let length = u32::try_from(arp().len()).unwrap().to_le_bytes();
    body.extend([length, length].concat());
    body.extend(arp());
    body.resize(body.len().next_multiple_of(4), 0);
    body.extend([option(2, &direction.to_le_bytes()), option(0, &[])].concat());
    block(6, &body)
}

/// What tcpdump says of a file that it refuses after its first packet.
#[track_caller]
fn refused(second: &[u8]) -> String {
    let directory = Directory::new();
    let file = directory.file("a.pcapng");
    let first = [section(), interface(1, 96, "a", 9), packet(0, TIME, 1)].concat();
    fs::write(&file, [&first[..], second, &packet(1, TIME, 1)].concat()).unwrap();
    let output = Command::new("tcpdump").arg("-nr").arg(&file).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stdout).lines().count(), 1, "{output:?}");
    text(&output.stderr)
}

pub(crate) fn second_link_type() {
    let said = refused(&interface(101, 96, "b", 9));
    assert!(said.contains("an interface has a type 101 different from the type of the first interface"), "{said}");
}

/// Although it has the same link type.
pub(crate) fn second_interface_of_raw_ip() {
    let directory = Directory::new();
    let file = directory.file("a.pcapng");
    let interfaces = [section(), interface(101, 96, "a", 9), interface(101, 96, "b", 9)].concat();
    fs::write(&file, [&interfaces[..], &packet(1, TIME, 1)].concat()).unwrap();
    let output = Command::new("tcpdump").arg("-nr").arg(&file).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("type 101 different from the type of the first interface"), "{output:?}");
}

pub(crate) fn second_snap_length() {
    let said = refused(&interface(1, 64, "b", 9));
    assert!(said.contains("an interface has a snapshot length 64 different"), "{said}");
}

pub(crate) fn directions() {
    let directory = Directory::new();
    let file = directory.file("a.pcapng");
    let blocks = [section(), interface(1, 96, "a", 9), packet(0, TIME, 1), packet(0, TIME, 2)].concat();
    fs::write(&file, blocks).unwrap();
    let seen = run("tcpdump", &[&"-Q", &"in", &"-nr", &file]);
    assert_eq!(text(&seen.stdout).lines().count(), 2, "one of them went out: {seen:?}");
}

/// Two sections whose clocks and names differ.
fn two_sections(directory: &Directory) {
    let first = [section(), interface(1, 96, "first", 9), packet(0, TIME, 1)].concat();
    let second = [section(), interface(1, 96, "second", 6), packet(0, TIME / 1000, 1)].concat();
    fs::write(directory.file("a.pcapng"), [first, second].concat()).unwrap();
}

pub(crate) fn two_clocks() {
    let directory = Directory::new();
    two_sections(&directory);
    let scapy = "from scapy.all import rdpcap\nfor packet in rdpcap('a.pcapng'): print(int(packet.time))";
    let dpkt = "import dpkt\nfor time, _ in dpkt.pcapng.Reader(open('a.pcapng', 'rb')): print(int(time))";
    for program in [scapy, dpkt] {
        assert_eq!(python(&directory, program), ["1767225600", "1767225"], "{program}");
    }
}

pub(crate) fn two_names() {
    let directory = Directory::new();
    two_sections(&directory);
    let names = fields(&directory.file("a.pcapng"), &["frame.interface_name"]);
    let version = text(&run("tshark", &[&"--version"]).stdout);
    // Later ones tell the sections apart.
    let expected = if version.contains(" 4.0.") { ["first", "first"] } else { ["first", "second"] };
    assert_eq!(names, expected, "{version}");
}

/// One packet with nine decimals.
fn one(directory: &Directory) {
    let blocks = [section(), interface(1, 96, "a", 9), packet(0, TIME, 1)].concat();
    fs::write(directory.file("a.pcapng"), blocks).unwrap();
}

pub(crate) fn scapy_writes() {
    let directory = Directory::new();
    one(&directory);
    python(
        &directory,
        "from scapy.all import rdpcap, wrpcap, wrpcapng\n\
         packets = rdpcap('a.pcapng')\n\
         wrpcap('b.pcap', packets)\n\
         wrpcapng('b.pcapng', packets)",
    );
    for name in ["b.pcap", "b.pcapng"] {
        let time = &fields(&directory.file(name), &["frame.time_epoch"])[0];
        assert!(time.starts_with("1767225600.12345") && time.ends_with("000"), "{name}: {time}");
    }
}

pub(crate) fn editcap() {
    let directory = Directory::new();
    one(&directory);
    let (from, to) = (directory.file("a.pcapng"), directory.file("b.pcap"));
    let said = run("editcap", &[&"-F", &"pcap", &from, &to]);
    assert_eq!(text(&said.stderr), "", "it says nothing of it");
    assert_eq!(fields(&to, &["frame.time_epoch"]), ["1767225600.123456000"]);
    run("editcap", &[&"-F", &"nsecpcap", &from, &to]);
    assert_eq!(fields(&to, &["frame.time_epoch"]), ["1767225600.123456789"]);
}
