//! Links between programs of our own.

use std::fs;

use etherparse::PacketBuilder;
use rustix::process::Signal;
use testkit::ring::NEXT;
use testkit::{Descriptor, SlavePlan, eventually};

use super::file::{Read, read};
use super::util::reports::{has_fields, only, reports};
use super::util::{Directory, Program, abstract_name, master, memif};
use super::{attach, packet, scripted};

/// The packets of one file are some of those of another, one after the other, up to its last; those of each queue on
/// their own, since of two queues nobody knows the order within a look.
#[track_caller]
fn are_the_last_of(watched: &Read, sent: &Read, options: &str) {
    assert!(watched.complete && watched.packets.len() > 40, "{options}: {watched:?}");
    for (direction, queue) in [(1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (2, 2)] {
        let of_it = |read: &Read| {
            let of_it = read.packets.iter().filter(|packet| (packet.direction, packet.queue) == (direction, queue));
            of_it.map(|packet| packet.data.clone()).collect::<Vec<_>>()
        };
        let (watched, sent) = (of_it(watched), of_it(sent));
        assert!(watched.len() <= sent.len(), "{options}: {} of {}", watched.len(), sent.len());
        let last = &sent[sent.len() - watched.len()..];
        let other = watched.iter().zip(last).position(|(watched, sent)| watched != sent);
        assert!(other.is_none(), "{options}: {direction}, {queue}: packet {other:?} of {} is another", watched.len());
    }
}

/// Watches a pinger and its responder; gives what it wrote and what the pinger wrote itself.
fn watch_a_ping(options: &str, size: u32, filter: &str) -> (Read, Read) {
    let directory = Directory::new();
    let socket = abstract_name();
    let _responder = master(&socket, options);
    let ping = format!(
        "ping 192.168.1.2 --socket {socket} --count 100 --interval 0.01 --size {size} {options} --write {}",
        directory.text("sent")
    );
    let mut ping = memif(&ping);
    ping.expect("icmp_seq=3");
    let capture = attach(ping.pid(), &format!("-w {} {filter}", directory.text("watched")));
    ping.finish().code(0);
    capture.finish().code(0).complains("the link is gone: process");
    (read(directory.path("watched")), read(directory.path("sent")))
}

pub(crate) fn packets_are_those_sent() {
    for options in ["--rx-mode polling", "--rx-mode interrupt", "--rx-mode adaptive", "--mode ip", "--queues 3"] {
        let (watched, sent) = watch_a_ping(options, 56, "");
        are_the_last_of(&watched, &sent, options);
        assert_eq!(watched.link_type, if options == "--mode ip" { 101 } else { 1 }, "{options}");
        assert!(watched.packets.iter().all(|packet| packet.lost == 0 && packet.length as usize == packet.data.len()));
        assert_eq!((watched.received, watched.dropped), (watched.packets.len() as u64, 0));
    }
}

pub(crate) fn chains() {
    for options in ["", "--mode ip", "--buffer-size 256"] {
        let (watched, sent) = watch_a_ping(options, 3000, "");
        are_the_last_of(&watched, &sent, options);
    }
    // Bytes that are not kept are not copied, and packets keep their length.
    let (watched, _) = watch_a_ping("", 3000, "--snaplen 20 icmp");
    assert!(watched.packets.iter().all(|packet| packet.data.len() == 20 && packet.length == 3042), "{watched:?}");
}

/// A request that takes two buffers.
fn long_request() -> Vec<u8> {
    let mut request = Vec::new();
    let echo = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0xfe, 0xc0, 0xa8, 1, 2])
        .ipv4([192, 168, 1, 1], [192, 168, 1, 2], 64)
        .icmpv4_echo_request(1, 1);
    echo.write(&mut request, &[7; 3000]).unwrap();
    request
}

#[track_caller]
fn stop(program: &Program) {
    program.signal(Signal::STOP);
    eventually("it sleeps", || is_stopped(program.pid()).then_some(()));
}

/// A slave that leaves the marks of a chain when it gives its buffers back, as VPP does without zero-copy.
pub(crate) fn marks_that_stay() {
    let directory = Directory::new();
    let (mut slave, responder) = scripted(&SlavePlan::default());
    let capture = attach(responder.pid(), &format!("--mode ethernet -w {}", directory.text("a")));
    stop(&capture);
    let request = long_request();
    slave.tx[0].send(&request);
    let (_, at) = slave.rx[0].cursors();
    let reply = slave.rx[0].wait();
    let (_, end) = slave.rx[0].cursors();
    assert_eq!((reply.len(), end.wrapping_sub(at)), (request.len(), 2), "it has two buffers");
    let ring = &slave.rx[0].ring;
    ring.set_descriptor(at, Descriptor { flags: NEXT, ..ring.descriptor(at) });
    capture.signal(Signal::CONT);
    eventually("both are written", || (read(directory.path("a")).packets.len() == 2).then_some(()));
    drop(slave);
    capture.finish().code(0);
    let read = read(directory.path("a"));
    assert!(read.data(2) == [&request[..]] && read.data(1) == [&reply[..]], "{read:?}");
    let of_reply = read.packets.iter().find(|packet| packet.direction == 1).unwrap();
    assert!(of_reply.comment.as_deref().unwrap().starts_with("length from its headers"), "{of_reply:?}");
}

/// A master that clears the marks of a chain when it reads it, and gives its slots back later, as libmemif does; also
/// where the chain does not lie in the slots that are read at once.
pub(crate) fn marks_that_go_early() {
    for before in [0, 127] {
        let directory = Directory::new();
        let (mut slave, responder) = scripted(&SlavePlan { log2: 8, ..SlavePlan::default() });
        let capture = attach(responder.pid(), &format!("--mode ethernet -w {}", directory.text("a")));
        stop(&responder);
        stop(&capture);
        let (tx, request) = (&mut slave.tx[0], long_request());
        for number in 0..before {
            assert!(tx.push(&packet(number)));
        }
        let at = tx.head();
        assert!(tx.push(&request));
        assert_eq!(tx.head().wrapping_sub(at), 2, "it has two buffers");
        tx.ring.set_descriptor(at, Descriptor { flags: 0, ..tx.ring.descriptor(at) });
        tx.publish();
        capture.signal(Signal::CONT);
        let packets = eventually("all are written", || {
            let packets = read(directory.path("a")).packets;
            (packets.len() > before as usize).then_some(packets)
        });
        let last = packets.last().unwrap();
        assert!(last.data == request && packets.len() == before as usize + 1, "{before}: {last:?}");
        assert!(last.comment.as_deref().unwrap().starts_with("joined by its headers"), "{last:?}");
    }
}

pub(crate) fn queues() {
    let directory = Directory::new();
    let socket = abstract_name();
    let mut sink = memif(&format!("responder --role master --socket {socket}"));
    sink.expect("192.168.1.2");
    let generator = memif(&format!(
        "bench throughput --part generator --socket {socket} --seconds 3 --queues 3 --rate 3000 --ring-size 1024"
    ));
    sink.expect("connected");
    let capture = attach(generator.pid(), &format!("--mode ethernet --seconds 1 -w {}", directory.text("a")));
    capture.finish().code(0).says(" 0 missed");
    let read = read(directory.path("a"));
    assert_eq!(read.interfaces[..3], ["s2m0", "s2m1", "s2m2"], "{:?}", read.interfaces);
    for queue in 0..3 {
        assert!(read.packets.iter().any(|packet| packet.queue == queue && packet.direction == 2), "queue {queue}");
    }
}

pub(crate) fn part() {
    let directory = Directory::new();
    let socket = abstract_name();
    let responder = master(&socket, "");
    let mut ping = memif(&format!("ping 192.168.1.2 --socket {socket} --interval 0.01"));
    ping.expect("icmp_seq=3");
    for (part, directions) in [("/0", &[1, 2][..]), ("/s2m", &[2]), ("/m2s0", &[1])] {
        let target = format!("{}{part}", responder.pid());
        attach(target, &format!("--count 20 -w {}", directory.text("a"))).finish().code(0);
        let read = read(directory.path("a"));
        assert_eq!((read.packets.len(), read.interfaces.len()), (20, directions.len()), "{part}");
        let mut seen: Vec<_> = read.packets.iter().map(|packet| packet.direction).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen, directions, "{part}");
    }
}

/// While it sleeps, more passes than a ring holds: what is written and what is not make up all.
pub(crate) fn missed() {
    for (plan, sent_while_asleep) in
        [(SlavePlan { log2: 6, ..SlavePlan::default() }, 1000), (SlavePlan::default(), 40_000)]
    {
        let directory = Directory::new();
        let (mut slave, responder) = scripted(&plan);
        let capture = attach(responder.pid(), &format!("--mode ethernet -w {}", directory.text("a")));
        let mut number = 0_u32;
        let mut send = |packets: u32| {
            for _ in 0..packets {
                slave.tx[0].send(&packet(number));
                number += 1;
            }
        };
        send(20);
        eventually("the first are written", || (read(directory.path("a")).packets.len() == 20).then_some(()));
        stop(&capture);
        send(sent_while_asleep);
        capture.signal(Signal::CONT);
        // It sees these after those that it missed.
        eventually("it goes on", || {
            send(1);
            read(directory.path("a")).packets.iter().any(|packet| packet.lost > 0).then_some(())
        });
        drop(slave);
        capture.finish().code(0).says(" slots missed");
        let read = read(directory.path("a"));
        assert_eq!(read.received + read.dropped, u64::from(number), "all are accounted for");
        assert_eq!(read.received, read.packets.len() as u64);
        // Each packet says what was lost before it, and is whole.
        let mut expected = 0;
        for found in &read.packets {
            expected += u32::try_from(found.lost).unwrap();
            assert_eq!(found.data, packet(expected));
            expected += 1;
        }
    }
}

pub(crate) fn lines() {
    let socket = abstract_name();
    let responder = master(&socket, "");
    let mut ping = memif(&format!("ping 192.168.1.2 --socket {socket} --interval 0.01"));
    ping.expect("icmp_seq=3");
    let capture = memif(&format!("capture --attach {} --count 20 icmp", responder.pid()));
    let finished = capture.finish().code(0).complains("packets are ethernet, as ");
    let request = finished.out.lines().find(|line| line.contains("echo request")).unwrap();
    assert!(request.contains(" s2m0 IP 192.168.1.1 > 192.168.1.2"), "{request}");
    let reply = finished.out.lines().find(|line| line.contains("echo reply")).unwrap();
    assert!(reply.contains(" m2s0 IP 192.168.1.2 > 192.168.1.1"), "{reply}");
    assert_eq!(finished.out.lines().count(), 20);
}

pub(crate) fn json() {
    let directory = Directory::new();
    let socket = abstract_name();
    let responder = master(&socket, "");
    let mut ping = memif(&format!("ping 192.168.1.2 --socket {socket} --interval 0.01"));
    ping.expect("icmp_seq=3");
    let mut capture = memif(&format!("--json capture --attach {} -w {}", responder.pid(), directory.text("a")));
    capture.expect("\"attached\"");
    capture.signal(Signal::USR1);
    capture.expect("\"so_far\"");
    ping.kill();
    let all = reports(&capture.finish().code(0));
    let attached = only(&all, "attached");
    has_fields(attached, "type link processes socket mode mode_reason queues");
    has_fields(&attached["processes"][0], "pid name uid role");
    has_fields(&attached["queues"][0], "direction queue ring_size");
    assert_eq!(
        (&attached["mode"], &attached["queues"][1]["direction"]),
        (&"ethernet".into(), &"master_to_slave".into())
    );
    let figures = only(&all, "capture_statistics");
    has_fields(
        figures,
        "type file received_packets accepted_packets written_packets missed_packets dropped_packets file_bytes failure \
         link link_end queues",
    );
    has_fields(
        &figures["queues"][0],
        "direction queue ring_size packets bytes missed_slots torn_packets unreadable_packets lengths_inferred at_least",
    );
    assert!(figures["link_end"].as_str().unwrap().contains("has"), "{figures}");
}

/// Whether a process does nothing because of SIGSTOP.
fn is_stopped(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
}
