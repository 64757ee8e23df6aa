//! When packets are sent: never before their time, and all of them.

use std::io::Write;
use std::time::{Duration, Instant};

use super::files::{bytes_of, packets, pcap, write};
use super::receiver::{Master, replayed, take};
use super::util::reports::{only, reports};
use super::util::{Directory, memif, piped};

pub(crate) fn no_packet_is_sent_before_its_time() {
    let directory = Directory::new();
    let file = directory.text("file");
    // Eleven packets in 500 ms.
    let all = packets(11, 50_000_000);
    write(&directory.path("file"), &all);
    for (options, least) in [
        ("", 500),
        ("--speed 5", 100),
        ("--speed 0.5", 1000),
        ("--rate 100", 100),
        ("--rate 0.1k --loop 2", 210),
        ("--loop 2", 1050),
        ("--between 0.2 10", 300),
        ("--rate 500kbps", 16),
    ] {
        let start = Instant::now();
        let (arrived, finished) = replayed(&format!("{file} {options} --json"));
        assert!(start.elapsed() >= Duration::from_millis(least), "{options}");
        let passes = if options.contains("--loop 2") { 2 } else { 1 };
        let from = if options.contains("--between") { 4 } else { 0 };
        assert_eq!(arrived, bytes_of(&vec![&all[from..]; passes].concat()), "{options}");
        let reports = reports(&finished.code(0));
        let statistics = only(&reports, "replay_statistics");
        assert!(statistics["duration_ms"].as_f64().unwrap() >= least as f64, "{options}: {statistics}");
        assert_eq!(statistics["late"]["count"], arrived.len());
    }
}

pub(crate) fn times_out_of_order_are_counted() {
    let directory = Directory::new();
    let mut all = packets(6, 10_000_000);
    all[2].time = 0;
    all[4].time = all[3].time;
    all[5].time -= 20_000_001;
    write(&directory.path("file"), &all);
    let (arrived, finished) = replayed(&directory.text("file"));
    assert_eq!(arrived, bytes_of(&all));
    finished.code(0).says("2 captured before the one that stands before them, sent at once");
}

pub(crate) fn a_pipe_is_sent_while_it_is_written() {
    let mut master = Master::new();
    let (program, mut pipe) = piped(&format!("replay - --topspeed --socket {}", master.name));
    let all = packets(3, 0);
    let file = pcap(1, &all);
    let ends = [1, 2].map(|count| pcap(1, &all[..count]).len());
    pipe.write_all(&file[..ends[0]]).unwrap();
    let mut link = master.link();
    assert_eq!(take(&mut link, 1), bytes_of(&all[..1]));
    // Half a packet more, and it waits for the rest.
    pipe.write_all(&file[ends[0]..ends[1] + 20]).unwrap();
    assert_eq!(take(&mut link, 1), bytes_of(&all[1..2]));
    pipe.write_all(&file[ends[1] + 20..]).unwrap();
    assert_eq!(take(&mut link, 1), bytes_of(&all[2..]));
    drop(pipe);
    program.finish().code(0).says("3 packets sent");
}

pub(crate) fn a_full_ring_is_waited_for_or_not() {
    let directory = Directory::new();
    let file = directory.text("file");
    let all = packets(200, 0);
    write(&directory.path("file"), &all);
    for options in ["", "--topspeed"] {
        let mut master = Master::new();
        let mut program = memif(&format!("replay {file} --ring-size 16 {options} --socket {}", master.name));
        let mut link = master.link();
        // It says that it waits, when it is asked, and the rest comes once there is room.
        let figures = loop {
            program.signal(rustix::process::Signal::USR1);
            let line = program.expect_complaint("so far: ");
            if line.contains("1 waited for a full ring") {
                break line;
            }
        };
        assert!(figures.contains("16 packets sent"), "{figures}");
        assert_eq!(take(&mut link, 200), bytes_of(&all));
        drop(link);
        program.finish().code(0).says("200 packets sent");
    }
    let mut master = Master::new();
    let program = memif(&format!("replay {file} --ring-size 16 --no-wait --json --socket {}", master.name));
    let mut link = master.link();
    let finished = program.finish().code(1);
    let reports = reports(&finished);
    let statistics = only(&reports, "replay_statistics");
    assert_eq!(statistics["sent_packets"], 16);
    assert_eq!(statistics["left_out_packets_by_reason"]["refused"], 184);
    assert_eq!(take(&mut link, 16), bytes_of(&all[..16]));
}
