//! How it ends: with the file, its peer, or a signal.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::files::{bytes_of, packets, pcap, write};
use super::receiver::{Master, replayed, take};
use super::util::reports::{has_fields, only, reports};
use super::util::{Directory, abstract_name, memif, piped};

pub(crate) fn a_peer_that_comes_back_gets_the_rest() {
    let directory = Directory::new();
    // Two seconds at that pace, so that it is under way in between.
    let all = packets(2000, 1_000_000);
    write(&directory.path("file"), &all);
    let mut master = Master::new();
    let mut program = memif(&format!("replay {} --socket {}", directory.text("file"), master.name));
    let mut link = master.link();
    assert_eq!(take(&mut link, 100), bytes_of(&all[..100]));
    drop(link);
    let mut link = master.link();
    program.expect_complaint("link down");
    program.expect_complaint("connected to");
    let rest = take(&mut link, 500);
    // What was on its way when the link went down is lost, and nothing comes twice or in another order.
    let first = all.iter().position(|packet| packet.bytes == rest[0]).unwrap();
    assert!(first >= 100);
    assert!(rest == bytes_of(&all[first..first + 500]));
    program.interrupt();
    program.finish().code(0).says(", over 2 links");
}

pub(crate) fn a_peer_that_stays_away_is_an_error() {
    let directory = Directory::new();
    write(&directory.path("file"), &packets(2000, 1_000_000));
    let file = directory.text("file");
    let mut master = Master::new();
    let program = memif(&format!("replay {file} --connect-timeout 0.2 --socket {}", master.name));
    take(&mut master.link(), 10);
    drop(master);
    program.finish().code(2).says("packets sent").complains("no link in 0.2 s");
    let program = memif(&format!("replay {file} --connect-timeout 0.2 --socket {}", abstract_name()));
    program.finish().code(2).says("0 packets sent").complains("no link in 0.2 s: ");
}

pub(crate) fn signals_end_it_and_ask_for_figures() {
    let directory = Directory::new();
    let all = packets(1000, 1_000_000_000);
    write(&directory.path("file"), &all);
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let mut master = Master::new();
        let mut program = memif(&format!("replay {} --json --socket {}", directory.text("file"), master.name));
        let mut link = master.link();
        assert_eq!(take(&mut link, 1), bytes_of(&all[..1]));
        program.signal(Signal::USR1);
        let line = program.expect("so_far");
        assert!(line.contains("\"figures\":{\"type\":\"replay_statistics\""), "{line}");
        program.signal(signal);
        let reports = reports(&program.finish().code(0));
        // The first one is due at once, and nobody knows how soon the signal came.
        assert!(only(&reports, "replay_statistics")["sent_packets"].as_u64().unwrap() >= 1);
        // The peer hears of the end.
        while link.rx[0].wait(None).is_ok() {
            let _ = link.rx[0].recv(64);
        }
    }
}

pub(crate) fn a_signal_ends_the_wait_for_a_file() {
    // Nothing is written into it.
    let (program, pipe) = piped("replay - --socket @nobody-is-there");
    // Nothing is said before either: what shows is that it listens.
    let listens = || {
        let status = fs::read_to_string(format!("/proc/{}/status", program.pid())).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
        u64::from_str_radix(caught.trim(), 16).unwrap() >> (Signal::TERM.as_raw() - 1) & 1 == 1
    };
    let start = Instant::now();
    while !listens() {
        assert!(start.elapsed() < Duration::from_secs(60), "it does not listen to signals");
        thread::yield_now();
    }
    program.terminate();
    program.finish().code(0);
    drop(pipe);
}

pub(crate) fn a_cut_file_gives_the_packets_before() {
    let directory = Directory::new();
    let all = packets(10, 0);
    let file = pcap(1, &all);
    fs::write(directory.path("file"), &file[..file.len() - 1]).unwrap();
    let (arrived, finished) = replayed(&format!("{} --json", directory.text("file")));
    assert_eq!(arrived, bytes_of(&all[..9]));
    let begins = file.len() - 16 - all[9].bytes.len();
    let finished = finished.code(0).complains(&format!("the file ends within the packet or block at byte {begins}"));
    assert_eq!(only(&reports(&finished), "replay_statistics")["cut_at_byte"], begins);
}

pub(crate) fn a_damaged_file_gives_the_packets_before() {
    let directory = Directory::new();
    let all = packets(10, 0);
    let mut file = pcap(1, &all);
    let begins = file.len() - 16 - all[9].bytes.len();
    file[begins + 8..begins + 12].fill(0xff);
    fs::write(directory.path("file"), &file).unwrap();
    let (arrived, finished) = replayed(&directory.text("file"));
    assert_eq!(arrived, bytes_of(&all[..9]));
    finished
        .code(2)
        .says("9 packets sent")
        .complains(&format!("file: byte {begins}: a packet of 4294967295 bytes, where 262144 are the most"));
}

pub(crate) fn figures_for_programs() {
    let directory = Directory::new();
    write(&directory.path("file"), &packets(10, 0));
    for (options, late) in [("", true), ("--topspeed", false)] {
        let (_, finished) = replayed(&format!("{} --json {options}", directory.text("file")));
        let reports = reports(&finished.code(0));
        let kinds: Vec<_> = reports.iter().map(|report| report["type"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["interface", "connected", "replay_statistics"]);
        let statistics = only(&reports, "replay_statistics");
        has_fields(
            statistics,
            "type file sent_packets sent_bytes duration_ms packets_per_second bits_per_second read_packets passes \
             filtered_packets outside_packets left_out_packets left_out_packets_by_reason padded_packets out_of_order_packets ring_full_waits \
             links cut_at_byte late",
        );
        has_fields(&statistics["left_out_packets_by_reason"], "link_type not_ip empty truncated too_long refused");
        assert_eq!(statistics["late"].is_null(), !late);
        assert_eq!((&statistics["passes"], &statistics["links"]), (&1.into(), &1.into()));
    }
}
