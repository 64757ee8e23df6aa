//! What is captured of a replay is what was replayed, and so is a replay of that capture.

use std::fs;

use super::files::{Packet, bytes_of, packets, pcapng, write};
use super::receiver::{replayed, replayed_ip};
use super::util::{Directory, Finished, abstract_name, memif};

/// Replays a file to a capture that ends with the last packet.
#[track_caller]
fn captured(file: &str, into: &str, count: usize, options: &str) {
    let socket = abstract_name();
    let arguments = format!("capture --role master --socket {socket} -w {into} --count {count} {options}");
    let mut capture = memif(&arguments);
    capture.expect("capturing on master interface");
    let replay = memif(&format!("replay {file} --topspeed --socket {socket} {options}"));
    replay.finish().code(0).says(&format!("{count} packets sent"));
    capture.finish().code(0).says(&format!("{count} packets, {count} written")).says("0 missed, 0 dropped");
}

/// Asserts that a file arrives unchanged from it, from a capture of its replay, and from one of that capture's.
#[track_caller]
fn goes_round(
    directory: &Directory,
    expected: &[Vec<u8>],
    options: &str,
    replayed: fn(&str) -> (Vec<Vec<u8>>, Finished),
) {
    for (from, to) in [("original", "first"), ("first", "second")] {
        captured(&directory.text(from), &directory.text(to), expected.len(), options);
    }
    for file in ["original", "first", "second"] {
        let (arrived, finished) = replayed(&format!("{} --topspeed", directory.text(file)));
        assert!(arrived == expected, "{file}: {} of {}: {finished:#?}", arrived.len(), expected.len());
        finished.code(0);
    }
    // By the file's own bytes, not only by what our reader takes from them.
    let data = |file: &str| fs::read(directory.path(file)).unwrap();
    for file in ["first", "second"] {
        assert_eq!(packets_of_pcapng(&data(file)), expected, "{file}");
    }
}

/// The bytes of the enhanced packet blocks of a file in this machine's byte order.
fn packets_of_pcapng(file: &[u8]) -> Vec<Vec<u8>> {
    let number = |at: usize| u32::from_ne_bytes(file[at..at + 4].try_into().unwrap());
    let (mut found, mut at) = (Vec::new(), 0);
    while at < file.len() {
        if number(at) == 6 {
            found.push(file[at + 28..at + 28 + number(at + 20) as usize].to_vec());
        }
        at += number(at + 4) as usize;
    }
    found
}

pub(crate) fn ethernet_goes_round() {
    let directory = Directory::new();
    let all = packets(2000, 1_000);
    write(&directory.path("original"), &all);
    goes_round(&directory, &bytes_of(&all), "", replayed);
}

pub(crate) fn raw_ip_goes_round() {
    let directory = Directory::new();
    let of_ip = |packet: &Packet| Packet { bytes: packet.bytes[14..].to_vec(), ..packet.clone() };
    let all: Vec<_> = packets(2000, 1_000).iter().map(of_ip).collect();
    fs::write(directory.path("original"), pcapng(101, &all)).unwrap();
    goes_round(&directory, &bytes_of(&all), "--mode ip", replayed_ip);
}
