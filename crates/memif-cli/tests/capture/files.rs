//! Files that are written.

use std::fs;
use std::process::Command;

use super::util::reports::{has_fields, only, reports};
use super::util::{Directory, abstract_name, master, memif};
use super::{read, tap};

pub(crate) fn what_ends_a_capture() {
    for (options, packets) in [("--count 5", Some(5)), ("--seconds 0.5", None)] {
        let directory = Directory::new();
        let (left, right) = (abstract_name(), abstract_name());
        let _responder = master(&left, "");
        let tap = tap(&left, &right, &format!("-w {} --snaplen 20 {options}", directory.text("a")));
        let ping = memif(&format!("ping 192.168.1.2 --socket {right} --interval 0.01"));
        tap.finish().code(0);
        drop(ping);
        let read = read(directory.path("a"));
        assert!(read.complete && packets.is_none_or(|packets| read.packets.len() == packets), "{read:?}");
        assert!(read.packets.iter().all(|packet| packet.data.len() == 20));
    }
    // Nothing came.
    let directory = Directory::new();
    let ended = memif(&format!("capture --socket {} -w {} --seconds 0.1", abstract_name(), directory.text("a")));
    ended.finish().code(0).says("0 packets, 0 written to");
    assert_eq!(read(directory.path("a")).interfaces, 1, "tcpdump refuses a file without");
}

pub(crate) fn rotated_and_compressed() {
    let directory = Directory::new();
    let (left, right) = (abstract_name(), abstract_name());
    let responder = format!("--write {} --rotate-size 2k --files 3", directory.text("r.pcapng"));
    let responder = master(&left, &responder);
    let tap = tap(&left, &right, &format!("-w {} icmp", directory.text("t.pcapng.gz")));
    memif(&format!("ping 192.168.1.2 --socket {right} --count 40 --interval 0")).finish().code(0);
    tap.terminate();
    tap.finish().code(0).says("82 packets, 80 chosen by the filter, 80 written");
    responder.terminate();
    responder.finish().code(0);

    let plain = Command::new("gzip").args(["-dc", &directory.text("t.pcapng.gz")]).output().unwrap();
    fs::write(directory.path("plain"), &plain.stdout).unwrap();
    assert_eq!(read(directory.path("plain")).packets.len(), 80);
    let names = fs::read_dir(directory.path("")).unwrap().map(|entry| entry.unwrap().path());
    let mut rotated: Vec<_> = names.filter(|path| path.display().to_string().contains("/r_")).collect();
    rotated.sort();
    assert_eq!(rotated.len(), 3, "{rotated:?}");
    for path in rotated {
        assert!(read(&path).complete && fs::metadata(&path).unwrap().len() <= 2048, "{}", path.display());
    }
}

pub(crate) fn whole_after_sigkill() {
    let directory = Directory::new();
    let (left, right) = (abstract_name(), abstract_name());
    let _responder = master(&left, "");
    let tap = tap(&left, &right, &format!("-w {}", directory.text("a")));
    let mut ping = memif(&format!("ping 192.168.1.2 --socket {right} --interval 0.01"));
    testkit::eventually("packets stand in the file", || (read(directory.path("a")).packets.len() > 10).then_some(()));
    tap.kill();
    let read = read(directory.path("a"));
    assert!(!read.complete && read.packets.len() > 10);
    ping.expect_complaint("link down");
}

pub(crate) fn statistics_in_json() {
    let directory = Directory::new();
    let (left, right) = (abstract_name(), abstract_name());
    let _responder = master(&left, "");
    let mut tap = memif(&format!("capture --json --socket {left} --via {right} -w {}", directory.text("a")));
    tap.expect("\"connected\"");
    let pinged = memif(&format!("ping --json 192.168.1.2 --socket {right} --count 3 --write {}", directory.text("b")));
    let pinged = reports(&pinged.finish().code(0));
    tap.signal(rustix::process::Signal::USR1);
    tap.expect("\"so_far\"");
    tap.terminate();
    let tapped = reports(&tap.finish().code(0));

    const CAPTURED: &str = "type file received_packets accepted_packets written_packets missed_packets dropped_packets \
                            file_bytes failure";
    has_fields(only(&pinged, "capture_statistics"), CAPTURED);
    let captured = only(&tapped, "capture_statistics");
    has_fields(captured, &format!("{CAPTURED} passed_on"));
    assert_eq!((&captured["written_packets"], &captured["missed_packets"]), (&8.into(), &0.into()));
    assert_eq!(captured["failure"], serde_json::Value::Null);
    let ends = captured["passed_on"].as_array().unwrap();
    assert_eq!(ends.len(), 2);
    for end in ends {
        has_fields(
            end,
            "interface_id role socket packets bytes dropped_packets dropped_packets_by_reason ring_full_waits",
        );
        assert_eq!(end["packets"], 4);
    }
    assert_eq!(tapped.iter().filter(|report| report["type"] == "interface").count(), 2);
    let so_far = only(&tapped, "so_far");
    has_fields(&so_far["figures"], &format!("{CAPTURED} passed_on"));
}
