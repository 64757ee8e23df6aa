//! What each command serves, as promtool reads it.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use testkit::eventually;
use testkit::netns::Namespace;

use super::http::{address, metrics, serving, sum};
use super::sender::{Slave, until};
use super::util::{Directory, abstract_name, memif, piped, start};

/// Whether promtool finds nothing to say.
#[track_caller]
fn check(text: &str) {
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut promtool = promtool.spawn().unwrap();
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let said = promtool.wait_with_output().unwrap();
    let words = String::from_utf8_lossy(&said.stdout).into_owned() + &String::from_utf8_lossy(&said.stderr);
    assert!(said.status.success() && words.is_empty(), "{words}\n{text}");
}

/// Before there is a link, with one, and after it.
fn follow(address: &str, socket: &str, packets: u64) {
    check(&until(address, "memif_up", &[], 0));
    let mut slave = Slave::connect(socket);
    slave.send(7, 60);
    let text = until(address, "memif_packets_total", &["direction=\"rx\""], packets);
    assert_eq!(sum(&text, "memif_up", &[]), 1, "{text}");
    check(&text);
    slave.leave();
    check(&until(address, "memif_up", &[], 0));
}

pub(crate) fn responder() {
    let socket = abstract_name();
    let (program, address) = serving(&format!("responder --role master --socket {socket}"));
    follow(&address, &socket, 7);
    program.terminate();
    program.finish().code(0);
}

pub(crate) fn console() {
    let directory = Directory::new();
    let socket = directory.text("memif.sock");
    let (mut program, mut commands) = piped(&format!("responder --interactive --socket {socket} --metrics :0"));
    let address = address(&mut program);
    check(&metrics(&address));
    writeln!(commands, "conn 0 1").unwrap();
    until(&address, "memif_up", &["role=\"master\""], 0);
    follow(&address, &socket, 7);
    // What was counted stays, and goes on.
    writeln!(commands, "del 0\nconn 0 1\nshow").unwrap();
    program.expect("interface index: 0");
    let text = metrics(&address);
    assert_eq!(sum(&text, "memif_packets_total", &["direction=\"rx\""]), 7, "{text}");
    let mut slave = Slave::connect(&socket);
    slave.send(3, 60);
    let text = until(&address, "memif_command_dropped_packets_total", &["direction=\"rx\""], 10);
    check(&text);
    drop(slave);
    writeln!(commands, "exit").unwrap();
    program.finish().code(0);
}

pub(crate) fn capture() {
    let directory = Directory::new();
    let socket = abstract_name();
    let file = directory.text("packets.pcapng");
    let (program, address) = serving(&format!("capture --role master --socket {socket} -w {file}"));
    follow(&address, &socket, 7);
    let text = metrics(&address);
    assert!(text.contains("\nmemif_recorder_received_packets_total 7\n"), "{text}");
    program.terminate();
    program.finish().code(0);
}

/// A capture file of so many packets.
fn pcap(packets: u32, bytes: u32) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4, 0x0004_0002, 0, 0, 65_535, 1_u32] {
        file.extend(word.to_le_bytes());
    }
    for _ in 0..packets {
        for word in [0, 0, bytes, bytes] {
            file.extend(word.to_le_bytes());
        }
        file.extend(vec![2; bytes as usize]);
    }
    file
}

pub(crate) fn replay() {
    let directory = Directory::new();
    let (socket, file) = (abstract_name(), directory.text("trace.pcap"));
    fs::write(&file, pcap(100, 60)).unwrap();
    let (responder, there) = serving(&format!("responder --role master --socket {socket}"));
    let (replay, here) = serving(&format!("replay {file} --topspeed --loop 0 --socket {socket}"));
    until(&here, "memif_up", &[], 1);
    let text = metrics(&here);
    check(&text);
    assert_eq!(sum(&text, "memif_command_dropped_packets_total", &["reason=\"too_long\""]), 0);
    replay.terminate();
    replay.finish().code(0);
    let before = until(&there, "memif_up", &[], 0);
    // One that comes to its end waits until all of it was taken.
    memif(&format!("replay {file} --topspeed --loop 500 --socket {socket}")).finish().code(0);
    let packets = sum(&before, "memif_packets_total", &["direction=\"rx\""]) + 50_000;
    let text = until(&there, "memif_packets_total", &["direction=\"rx\""], packets);
    assert_eq!(sum(&text, "memif_bytes_total", &["direction=\"rx\""]), 60 * packets);
    drop(responder);
}

pub(crate) fn bench() {
    for arguments in ["bench --seconds 60", "bench latency --threads --seconds 60"] {
        let (program, address) = serving(arguments);
        let text = loop {
            let text = metrics(&address);
            if text.contains("memif_packets_total{") && sum(&text, "memif_packets_total", &[]) > 0 {
                break text;
            }
        };
        check(&text);
        program.terminate();
        program.finish();
    }
    memif("bench setup --metrics 127.0.0.1:0").finish().code(2).complains("leave it out for setup");
}

pub(crate) fn bridge() {
    let namespace = Namespace::new();
    let directory = Directory::new();
    let socket = directory.text("memif.sock");
    // Of a namespace of its own nothing but a path is reached from here.
    let place = directory.text("metrics.sock");
    let arguments = format!("bridge --tap tap0 --role master --socket {socket} --metrics {place}");
    let mut command = namespace.command(env!("CARGO_BIN_EXE_memif"));
    command.args(arguments.split_whitespace());
    let mut program = start(command, &arguments);
    // Lines of both outputs come as they come, so only one of them is waited for.
    program.expect("master interface 0");
    eventually("a place to read from", || std::path::Path::new(&place).exists().then_some(()));
    let read = || super::places::read(&place);
    let mut slave = Slave::connect(&socket);
    slave.send(7, 60);
    let text = loop {
        let text = read();
        if text.contains("memif_packets_total{") && sum(&text, "memif_packets_total", &["direction=\"rx\""]) == 7 {
            break text;
        }
    };
    check(&text);
    assert!(text.contains("reason=\"device_down\""), "{text}");
    program.terminate();
    program.finish().code(0);
}
