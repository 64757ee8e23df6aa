//! `memif responder` with commands: the sessions of libmemif's README on a terminal and from a pipe, with peers that
//! behave as VPP does.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "this is how tests fail")]

mod seed;
mod terminal;
#[path = "../util/mod.rs"]
mod util;

use std::io::Write;
use std::path::Path;

use rustix::process::Signal;
use terminal::Console as _;
use testkit::{Address, VppLikeMaster, VppLikeSlave, eventually};
use util::{Directory, Program, abstract_name, piped};

const APP: &str = "VPP 26.10-rc0~374-gb575ec2c56d";
const SPACE: &str = "        ";

/// An echo request, from 192.168.x.1 with that ethernet address to the interface of that index.
fn request(index: u8, sequence: u16) -> Vec<u8> {
    let third = index + 1;
    let sum = |bytes: &[u8]| {
        let words = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]));
        let sum: u32 = words.sum();
        let sum = (sum & 0xffff) + (sum >> 16);
        let sum = (sum & 0xffff) + (sum >> 16);
        (!u16::try_from(sum).unwrap()).to_be_bytes()
    };
    let mut frame = vec![0x02, 0xfe, 192, 168, third, 2, 2, 0, 0, 0, 0, 1, 8, 0];
    let mut ip = vec![0x45, 0, 0, 60, 0, 0, 0, 0, 64, 1, 0, 0, 192, 168, third, 1, 192, 168, third, 2];
    let check = sum(&ip);
    ip[10..12].copy_from_slice(&check);
    let mut icmp = vec![8, 0, 0, 0, 0, 1];
    icmp.extend(sequence.to_be_bytes());
    icmp.resize(40, 0x5a);
    let check = sum(&icmp);
    icmp[2..4].copy_from_slice(&check);
    frame.extend(ip);
    frame.extend(icmp);
    frame
}

/// Whether that is the answer to [`request`].
fn is_answer(frame: &[u8], sequence: u16) -> bool {
    frame.len() == 74 && frame[34] == 0 && frame[40..42] == sequence.to_be_bytes()
}

fn path_of(directory: &Directory) -> (String, Address) {
    (directory.text("memif.sock"), Address::Path(directory.path("memif.sock")))
}

fn wait_for_socket(path: &Path) {
    eventually("the socket", || path.exists().then_some(()));
}

#[test]
fn the_slave_session_on_a_terminal() {
    let directory = Directory::new();
    let (path, address) = path_of(&directory);
    let vpp = VppLikeMaster::bind(&address, false);
    let mut console = terminal::start(&format!("responder --interactive --socket {path}"));
    console.prompt();
    assert_eq!(console.lines()[..12], seed::banner(false));
    console.keys("conn 0 0\r");
    let mut link = vpp.serve();
    assert_eq!(link.init.name, b"ICMP_Responder");
    assert_eq!(link.slave_if_name, b"memif_connection");
    assert_eq!((link.rx.len(), link.tx.len()), (1, 1));
    console.expect("INFO: memif connected!");
    for sequence in 0..5 {
        link.tx[0].send(&request(0, sequence));
        assert!(is_answer(&link.rx[0].wait(), sequence));
    }
    let (shown, counters) = seed::split(&console.show(1));
    assert_eq!(shown, seed::shown(seed::SLAVE, &path, "memif2/0", APP));
    assert!(counters[1].contains("rx queue 0: 5 packets, 370 bytes"), "{counters:?}");
    assert!(counters[3].contains("5 echo requests answered"), "{counters:?}");
    VppLikeMaster::delete(link);
    console.expect("INFO: memif disconnected! (interface 0: disconnected by the peer: interface deleted)");
    console.keys("exit\r");
    assert!(console.finish().0.success());
}

#[test]
fn the_master_session_on_a_terminal() {
    let directory = Directory::new();
    let (path, address) = path_of(&directory);
    let mut console = terminal::start(&format!("-v responder --interactive --socket {path}"));
    console.prompt();
    assert_eq!(console.lines()[..12], seed::banner(true));
    console.keys("conn 0 1\r");
    wait_for_socket(&directory.path("memif.sock"));
    let vpp = VppLikeSlave { rx_queues: 2, tx_queues: 2, ..VppLikeSlave::default() };
    let mut link = vpp.connect(&address);
    console.expect("INFO: memif connected!");
    for queue in 0..2 {
        link.tx[queue].send(&request(0, 7));
        assert!(is_answer(&link.rx[queue].wait(), 7));
    }
    let (shown, counters) = seed::split(&console.show(1));
    assert_eq!(shown, seed::shown(seed::MASTER, &path, "memif2/0", APP));
    assert_eq!(counters.len(), 6, "{counters:?}");
    drop(link);
    console.expect("INFO: memif disconnected! (interface 0: closed by the peer without a reason)");
    // Ctrl-D is exit.
    console.keys("\u{4}");
    assert!(console.finish().0.success());
    assert!(!directory.path("memif.sock").exists());
}

#[test]
fn both_sessions_from_a_pipe() {
    for master in [false, true] {
        let directory = Directory::new();
        let (path, address) = path_of(&directory);
        let vpp = (!master).then(|| VppLikeMaster::bind(&address, false));
        let (mut console, mut keys) = piped(&format!("responder --interactive --socket {path}"));
        let block = if master {
            keys.write_all(b"conn 0 1\n").unwrap();
            wait_for_socket(&directory.path("memif.sock"));
            seed::MASTER
        } else {
            keys.write_all(b"conn 0 0\n").unwrap();
            seed::SLAVE
        };
        let slave = VppLikeSlave { rx_queues: 2, tx_queues: 2, ..VppLikeSlave::default() };
        let links = match &vpp {
            Some(vpp) => (Some(vpp.serve()), None),
            None => (None, Some(slave.connect(&address))),
        };
        console.expect("INFO: memif connected!");
        // End of input is exit.
        keys.write_all(b"show\n").unwrap();
        drop(keys);
        let finished = console.finish().code(0);
        let out: Vec<_> = finished.out.lines().map(str::to_owned).collect();
        assert_eq!(out[..12].join("\n"), seed::banner(false).join("\n").replace(SPACE, "\t"));
        assert_eq!(out[12], "INFO: memif connected!");
        assert_eq!(seed::split(&out[13..]).0, seed::shown(block, &path, "memif2/0", APP));
        assert!(finished.out.ends_with("\tno connection\n\n"));
        drop(links);
    }
}

#[test]
fn every_command_used_wrongly_is_answered_and_changes_nothing() {
    let directory = Directory::new();
    let (mut console, mut keys) =
        piped(&format!("responder --interactive --socket {}/none/memif.sock", directory.text("")));
    let mut typed = |line: &[u8], answer: &str, console: &mut Program| {
        keys.write_all(line).unwrap();
        keys.write_all(b"\n").unwrap();
        console.expect(answer);
    };
    for (line, answer) in [
        ("shwo", "unknown command \"shwo\": type help, exit, conn, del, show, ip-set or rx-mode"),
        ("conn", "type conn <index> [0|1]"),
        ("conn 255", "give a number from 0 to 254"),
        ("conn 0 2", "give 0 for slave or 1 for master"),
        ("conn 0 1", "create it"),
        ("del 0", "there is no interface 0 (there is none yet): make it with conn 0"),
        ("conn 0", ""),
        ("conn 0 1", "interface 0 exists: del 0 first, or take another index, as in conn 1"),
        ("del 3", "there is no interface 3 (there is 0)"),
        ("ip-set 3 10.0.0.1", "there is no interface 3"),
        ("ip-set 0 10.0.0", "is no IP address"),
        ("rx-mode 0 1 polling", "interface 0 has no receive queue 1: give 0"),
        ("rx-mode 0 0 busy", "give polling, interrupt or adaptive"),
        ("exit now", "exit stands alone"),
    ] {
        if answer.is_empty() {
            // Nothing is said; the next answer proves that it was done.
            keys_only(&mut typed, line, &mut console);
        } else {
            typed(line.as_bytes(), answer, &mut console);
        }
    }
    typed(b"\xff\xfe\x1b", "unknown command", &mut console);
    typed(&[b'x'; 100_000], "too long for a command", &mut console);
    typed(b"show", "no connection", &mut console);
    typed(b"exit", "", &mut console);
}

fn keys_only(typed: &mut impl FnMut(&[u8], &str, &mut Program), line: &str, console: &mut Program) {
    typed(format!("{line}\nhelp").as_bytes(), "commands:", console);
}

#[test]
fn lines_that_come_while_one_is_typed_do_not_tear_it() {
    let directory = Directory::new();
    let (path, address) = path_of(&directory);
    let mut console = terminal::start(&format!("responder --interactive --socket {path}"));
    console.prompt();
    console.keys("conn 0 1\r");
    wait_for_socket(&directory.path("memif.sock"));
    console.keys("sho");
    console.expect("# sho");
    for _ in 0..3 {
        let link = VppLikeSlave::default().connect(&address);
        console.last_two("INFO: memif connected!", "# sho");
        drop(link);
        console.last_two("INFO: memif disconnected! (interface 0: closed by the peer without a reason)", "# sho");
    }
    // The line goes on where it was, and comes back from the history.
    console.keys("w\r");
    console.expect(&format!("{SPACE}link: down"));
    console.keys("\u{1b}[A");
    console.wait_for("the last line", |lines| lines.last().is_some_and(|last| last == "# show").then_some(()));
    // Ctrl-C is exit.
    console.keys("\u{3}");
    assert!(console.finish().0.success());
    assert!(!directory.path("memif.sock").exists());
}

#[test]
fn a_pasted_session_loses_no_line() {
    let socket = abstract_name();
    let mut console = terminal::start(&format!("responder --interactive --socket {socket}"));
    console.prompt();
    console.keys("# conn 0 1\r# conn 1 1\r# ip-set 1 fd00::9\r# del 0\r# show\r");
    console.expect(&format!("{SPACE}interface ip6: fd00::9"));
    console.expect("interface index: 1");
    console.keys("exit\r");
    let (status, lines) = console.finish();
    assert!(status.success());
    assert!(!lines.iter().any(|line| line.contains("exists")), "{lines:?}");
}

#[test]
fn tab_completes_and_question_marks_explain() {
    let socket = abstract_name();
    let mut console = terminal::start(&format!("responder --interactive --socket {socket}"));
    console.prompt();
    console.keys("c\t0 m\t");
    console.wait_for("the whole command", |lines| {
        lines.last().is_some_and(|last| last == "# conn 0 master").then_some(())
    });
    console.keys("\r");
    console.keys("rx?");
    console.last_two("  rx-mode <index> <qid> adaptive - poll while packets come, else sleep (the default)", "# rx");
    console.keys("\t0 0 \t");
    console.last_two("polling  interrupt  adaptive", "# rx-mode 0 0");
    console.keys("p\r");
    // The rest may be left out, and VPP's word for the end is known.
    console.keys("sh\r");
    console.expect(&format!("{SPACE}role: master"));
    console.keys("q\r");
    assert!(console.finish().0.success());
}

#[test]
fn abbreviations_and_question_marks_come_from_a_pipe_too() {
    let (mut console, mut keys) = piped(&format!("--json responder --interactive --socket {}", abstract_name()));
    keys.write_all(b"c 0 1\nip?\ni 0 fd00::9\nsh\nq\n").unwrap();
    console.expect(r#"{"type":"done","command":"c 0 1"}"#);
    let help = console.expect(r#""type":"help""#);
    assert!(help.contains("ip-set <index> <ip-addr> - set interface ip address"), "{help}");
    assert!(!help.contains("conn"), "{help}");
    console.expect(r#""ip6":"fd00::9""#);
    console.finish().code(0);
}

#[test]
fn the_terminal_is_given_back_as_it_was() {
    for signal in [Some(Signal::TERM), Some(Signal::INT), None] {
        let mut console = terminal::start(&format!("responder --interactive --socket {}", abstract_name()));
        console.prompt();
        assert!(console.is_raw());
        match signal {
            Some(signal) => console.signal(signal),
            None => console.keys("exit\r"),
        }
        assert!(console.finish().0.success());
        assert!(!console.is_raw());
    }
}

#[test]
fn refusals_are_told_and_the_log_with_v_only() {
    for verbose in [false, true] {
        let directory = Directory::new();
        let (path, address) = path_of(&directory);
        let v = if verbose { "-v" } else { "" };
        let (mut console, mut keys) = piped(&format!("{v} responder --interactive --socket {path}"));
        keys.write_all(b"conn 0 1\n").unwrap();
        wait_for_socket(&directory.path("memif.sock"));
        let stranger = VppLikeSlave { id: 7, ..VppLikeSlave::default() };
        assert!(stranger.try_connect(&address, |_| ()).is_err());
        console.expect("unmatched interface id 7");
        let _link = VppLikeSlave::default().connect(&address);
        console.expect("INFO: memif connected!");
        drop(keys);
        let finished = console.finish().code(0);
        assert_eq!(finished.err.contains("memif::"), verbose, "{finished:?}");
    }
}

#[test]
fn as_many_interfaces_as_there_are_addresses() {
    let directory = Directory::new();
    let (path, address) = path_of(&directory);
    let (mut console, mut keys) = piped(&format!("responder --interactive --socket {path}"));
    for index in 0..=254 {
        writeln!(keys, "conn {index} 1").unwrap();
    }
    writeln!(keys, "conn 255 1\nconn 254").unwrap();
    console.expect("from 0 to 254");
    console.expect("interface 254 exists: del 254 first");
    let mut link = VppLikeSlave { id: 254, ..VppLikeSlave::default() }.connect(&address);
    console.expect("INFO: memif connected! (interface 254)");
    link.tx[0].send(&request(254, 1));
    assert!(is_answer(&link.rx[0].wait(), 1));
    writeln!(keys, "show\ndel 9\nshow\nexit").unwrap();
    console.expect("interface index: 253");
    console.expect("interface ip: 192.168.255.2");
    console.expect("interface index: 254");
    let finished = console.finish().code(0);
    // Every index was used, then one was free.
    assert_eq!(finished.out.matches("no connection").count(), 1);
    assert!(finished.out.ends_with("interface index: 9\n\tno connection\n\n"), "{finished:?}");
}

#[test]
fn a_peer_that_takes_nothing_delays_neither_another_nor_the_prompt() {
    let directory = Directory::new();
    let (path, address) = path_of(&directory);
    let (mut console, mut keys) = piped(&format!("responder --interactive --socket {path}"));
    keys.write_all(b"conn 0 1\nconn 1 1\n").unwrap();
    wait_for_socket(&directory.path("memif.sock"));
    // Both interfaces are there once the second one takes its slave.
    let mut good = eventually("the second interface", || {
        VppLikeSlave { id: 1, ..VppLikeSlave::default() }.try_connect(&address, |_| ()).ok()
    });
    let mut stuck = VppLikeSlave::default().connect(&address);
    console.expect("INFO: memif connected! (interface 1)");
    console.expect("INFO: memif connected! (interface 0)");
    // It asks all the time and takes no answer.
    let mut sequence = 0;
    for round in 0..200 {
        for _ in 0..64 {
            stuck.tx[0].try_send(&request(0, 0));
        }
        good.tx[0].send(&request(1, sequence));
        assert!(is_answer(&good.rx[0].wait(), sequence));
        sequence += 1;
        if round % 20 == 0 {
            keys.write_all(b"show\n").unwrap();
            console.expect("no connection");
        }
    }
    keys.write_all(b"ip-set 0 10.0.0.1\nrx-mode 0 0 interrupt\nrx-mode 1 0 polling\nshow\n").unwrap();
    console.expect("interface ip: 10.0.0.1");
    console.expect("no connection");
    for _ in 0..10 {
        good.tx[0].send(&request(1, sequence));
        assert!(is_answer(&good.rx[0].wait(), sequence));
        sequence += 1;
    }
    // Its first answers are given up after a while.
    let given_up = |_| {
        keys.write_all(b"show\n").unwrap();
        let line = console.expect("all links:");
        console.expect("no connection");
        line.contains("peer took no answers")
    };
    assert!((0..100_000).any(given_up), "every answer was taken");
    drop(keys);
    console.finish().code(0);
}

#[test]
fn changes_reach_the_link() {
    let directory = Directory::new();
    let (path, address) = path_of(&directory);
    let (mut console, mut keys) = piped(&format!("responder --interactive --socket {path}"));
    keys.write_all(b"conn 0 1\n").unwrap();
    wait_for_socket(&directory.path("memif.sock"));
    for _ in 0..2 {
        let mut link = VppLikeSlave::default().connect(&address);
        console.expect("INFO: memif connected!");
        // The mode lasts over the end of a link.
        keys.write_all(b"ip-set 0 192.168.1.9\nrx-mode 0 0 interrupt\nshow\n").unwrap();
        // A queue that is adaptive may want signals, too, before any of that was read.
        console.expect("interface ip: 192.168.1.9");
        console.expect("no connection");
        eventually("signals wanted", || (link.memory.s2m[0].ring.flags() == 0).then_some(()));
        link.tx[0].send(&request(0, 1));
        let mut other = request(0, 2);
        // To the new address: the checksum goes down by what the address goes up.
        other[33] = 9;
        let check = u16::from_be_bytes([other[24], other[25]]) - 7;
        other[24..26].copy_from_slice(&check.to_be_bytes());
        link.tx[0].send(&other);
        assert!(is_answer(&link.rx[0].wait(), 2), "the old address was answered for");
        keys.write_all(b"rx-mode 0 0 polling\n").unwrap();
        eventually("no signals wanted", || (link.memory.s2m[0].ring.flags() == 1).then_some(()));
        drop(link);
        console.expect("INFO: memif disconnected!");
    }
    drop(keys);
    console.finish().code(0);
}

#[test]
fn a_slave_beside_a_master_is_told_that_it_meets_itself() {
    let (mut console, mut keys) = piped(&format!("responder --interactive --socket {}", abstract_name()));
    keys.write_all(b"conn 0 1\nconn 1 0\n").unwrap();
    let line = console.expect("note: ");
    assert!(line.contains("its slaves (1) reach only itself"), "{line}");
    drop(keys);
    console.finish().code(0);
}
