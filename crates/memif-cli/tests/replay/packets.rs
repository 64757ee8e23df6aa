//! Which packets are sent, and what is done to them before.

use std::fs;

use super::files::{BEGIN, Packet, bytes_of, frame, packets, pcap, write};
use super::receiver::{Master, receiving, replayed, replayed_ip};
use super::util::{Directory, Finished, abstract_name, master, memif};

fn file_of(packets: &[Packet]) -> (Directory, String) {
    let directory = Directory::new();
    write(&directory.path("file"), packets);
    let name = directory.text("file");
    (directory, name)
}

pub(crate) fn filters_and_moments_choose_packets() {
    let mut all = packets(20, 100_000_000);
    all[3].bytes[12..14].copy_from_slice(&[8, 6]);
    let (_directory, file) = file_of(&all);
    let (arrived, finished) = replayed(&format!("{file} --topspeed arp"));
    assert_eq!(arrived, bytes_of(&all[3..4]));
    finished.code(0).says("0 left out, 19 not matched by the filter");
    // 1,700,000,000 s after 1970 is 22:13:20.
    for between in ["0.5 1s", "500ms 2023-11-14T22:13:21Z", "2023-11-14T23:13:20.5+01:00 1"] {
        let (arrived, finished) = replayed(&format!("{file} --topspeed --between {between}"));
        assert_eq!(arrived, bytes_of(&all[5..10]), "{between}");
        finished.code(0).says("15 outside of --between");
    }
    sends_nothing(&format!("{file} --topspeed --between 3 4"))
        .complains("nothing was sent: all 20 packets are outside of --between");
}

pub(crate) fn addresses_are_written_over() {
    let all = packets(5, 0);
    let (_directory, file) = file_of(&all);
    let (arrived, finished) =
        replayed(&format!("{file} --topspeed --set-dst 01:00:5e:00:00:07 --set-src 02:fe:00:00:00:08"));
    finished.code(0);
    for (arrived, packet) in arrived.iter().zip(&all) {
        assert_eq!(arrived[..12], [1, 0, 0x5e, 0, 0, 7, 2, 0xfe, 0, 0, 0, 8]);
        assert_eq!(arrived[12..], packet.bytes[12..]);
    }
    assert_eq!(arrived.len(), 5);
}

pub(crate) fn truncated_packets_by_choice() {
    let whole = packets(2, 0);
    let cut = Packet { bytes: whole[0].bytes[..30].to_vec(), ..whole[0].clone() };
    let (_directory, file) = file_of(&[cut.clone(), whole[1].clone()]);
    let mut padded = cut.bytes.clone();
    padded.resize(whole[0].bytes.len(), 0);
    for (choice, first, said, code) in [
        ("", Some(&padded), "1 truncated and padded with zeros", 0),
        ("--truncated pad", Some(&padded), "1 truncated and padded with zeros", 0),
        ("--truncated as-is", Some(&cut.bytes), "0 left out", 0),
        ("--truncated skip", None, "1 left out (truncated: 1)", 1),
    ] {
        let (arrived, finished) = replayed(&format!("{file} --topspeed {choice}"));
        let expected: Vec<_> = first.into_iter().chain([&whole[1].bytes]).cloned().collect();
        assert_eq!(arrived, expected, "{choice}");
        finished.code(code).says(said);
    }
}

pub(crate) fn an_ip_interface_takes_ip_packets_alone() {
    let mut all = packets(5, 0);
    all[2].bytes[12..14].copy_from_slice(&[8, 6]);
    let ip: Vec<_> = [0, 1, 3, 4].map(|at: usize| all[at].bytes[14..].to_vec()).to_vec();
    let (directory, file) = file_of(&all);
    let (arrived, finished) = replayed_ip(&format!("{file} --topspeed"));
    assert_eq!(arrived, ip);
    finished.code(1).says("1 left out (no IP packets: 1)").complains("carries nothing but IP");
    let raw: Vec<_> = ip.iter().map(|bytes| Packet { bytes: bytes.clone(), time: BEGIN, original: 0 }).collect();
    fs::write(directory.path("raw"), pcap(101, &raw)).unwrap();
    let (arrived, finished) = replayed_ip(&format!("{} --topspeed ip", directory.text("raw")));
    assert_eq!(arrived, ip);
    finished.code(0);
}

pub(crate) fn packets_that_are_too_long() {
    let short = Packet { bytes: frame(1, &[1; 20]), time: BEGIN, original: 0 };
    let long = Packet { bytes: frame(1, &[1; 4000]), time: BEGIN, original: 0 };
    let longest = Packet { bytes: vec![1; 70_000], time: BEGIN, original: 0 };
    let (_directory, file) = file_of(&[short.clone(), long.clone(), longest, short.clone()]);
    // A ring carries it as a chain, unless there are to be none.
    let (arrived, finished) = replayed(&format!("{file} --topspeed"));
    assert_eq!(arrived, bytes_of(&[short.clone(), long, short.clone()]));
    finished.code(1).says("1 left out (too long: 1)").complains("up to 70000 bytes are longer than any of a memif");
    let (arrived, finished) = replayed(&format!("{file} --topspeed --no-chains"));
    assert_eq!(arrived, bytes_of(&[short.clone(), short]));
    finished.code(1).says("2 left out (too long: 2)").complains("4042 bytes do not fit the rings, which carry 2048");
}

pub(crate) fn flows_keep_their_order_on_several_queues() {
    let all = packets(2000, 0);
    let (_directory, file) = file_of(&all);
    let master = Master::with(|config| config.rx_queues(4).tx_queues(4));
    let program = memif(&format!("replay {file} --topspeed --queues 4 --socket {}", master.name));
    let receiver = receiving(master);
    program.finish().code(0).says("2000 packets sent");
    let queues = receiver.join().unwrap();
    assert_eq!(queues.iter().map(Vec::len).sum::<usize>(), 2000);
    assert!(queues.iter().filter(|packets| !packets.is_empty()).count() > 1, "all flows are on one queue");
    let port = |packet: &[u8]| packet[34..36].to_vec();
    for number in 0..7_u16 {
        let of_flow = |packet: &&Vec<u8>| port(packet) == (1000 + number).to_be_bytes();
        let expected: Vec<_> = all.iter().map(|packet| &packet.bytes).filter(of_flow).collect();
        let found: Vec<Vec<_>> = queues.iter().map(|packets| packets.iter().filter(of_flow).collect()).collect();
        assert!(found.contains(&expected), "flow {number}");
    }
    // Unless they are asked for there is one.
    let (arrived, _) = replayed(&format!("{file} --topspeed"));
    assert_eq!(arrived, bytes_of(&all));
}

pub(crate) fn passes_follow_each_other() {
    // Few packets, which are kept, and many, which are read again.
    for (count, times) in [(100, 3), (30_000, 2)] {
        let all = packets(count, 0);
        let (_directory, file) = file_of(&all);
        let (arrived, finished) = replayed(&format!("{file} --topspeed --loop {times} ip"));
        let expected = bytes_of(&vec![&all[..]; times].concat());
        assert!(arrived == expected, "{} of {}", arrived.len(), expected.len());
        finished.code(0);
    }
    // Without end, until a signal comes; and an end where there is nothing.
    let (_directory, file) = file_of(&packets(10, 1000));
    let master = Master::new();
    let program = memif(&format!("replay {file} --loop 0 --socket {}", master.name));
    let receiver = std::thread::spawn(move || {
        let mut master = master;
        super::receiver::take(&mut master.link(), 1000)
    });
    assert_eq!(receiver.join().unwrap().len(), 1000);
    drop(program);
    let (_directory, file) = file_of(&[]);
    sends_nothing(&format!("{file} --loop 0")).complains("nothing was sent: there is no packet in it");
}

/// Asserts that nothing is sent to a peer, which sees a link that comes and goes at once.
fn sends_nothing(arguments: &str) -> Finished {
    let socket = abstract_name();
    let _master = master(&socket, "");
    memif(&format!("replay --socket {socket} {arguments}")).finish().code(0).says("0 packets sent")
}
