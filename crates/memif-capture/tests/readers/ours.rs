//! Files of ours.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use memif_capture::LinkType;
use memif_capture::write::{Direction, Files, Interface, Limits, Recorder, Rotation, Section, Target};

use super::{Directory, TIME, arp, fields, run, text};

/// Files of every kind, each with ten packets by two interfaces; of a link of that type.
fn written(directory: &Directory, link_type: LinkType) -> Vec<PathBuf> {
    let kinds = ["pcapng", "pcapng.gz", "pcapng.zst"];
    for kind in kinds {
        for (snap_length, bytes) in [(262_144, None), (20, None), (262_144, Some(1200))] {
            let rotation = Rotation { bytes, ..Rotation::default() };
            let name = format!("{}-{snap_length}-{}.{kind}", link_type.number(), bytes.is_some());
            write(Target::Path(directory.file(&name)), link_type, snap_length, rotation);
        }
    }
    let none = Files::create(
        Target::Path(directory.file("none.pcapng")),
        section(link_type, 96),
        Rotation::default(),
        &[interface(Direction::Inbound)],
        TIME,
    );
    let (_, writer) = Recorder::start(none.unwrap(), Limits::default(), |_| {}).unwrap();
    writer.finish(Duration::from_secs(60)).1.unwrap();
    let files = fs::read_dir(&directory.0).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.file_name().is_some_and(|name| name != "program.py")).collect()
}

fn section(link_type: LinkType, snap_length: u32) -> Section {
    Section {
        link_type,
        snap_length,
        application: "memif".to_owned(),
        hardware: "x86_64".to_owned(),
        os: "Linux".to_owned(),
        comment: "tests \u{1f98a}".to_owned(),
        filter: Some("arp or ip".to_owned()),
    }
}

fn interface(direction: Direction) -> Interface {
    Interface { name: format!("memif0-{direction:?}"), description: "a test".to_owned(), direction, queue: 0 }
}

fn write(target: Target, link_type: LinkType, snap_length: u32, rotation: Rotation) {
    let interfaces = [interface(Direction::Inbound), interface(Direction::Outbound)];
    let files = Files::create(target, section(link_type, snap_length), rotation, &interfaces, TIME).unwrap();
    let limits = Limits { snap_length, patience: Duration::from_millis(1), ..Limits::default() };
    let (recorder, writer) = Recorder::start(files, limits, |_| {}).unwrap();
    for interface in interfaces {
        recorder.interface(interface);
    }
    let packet = match link_type {
        LinkType::Ethernet => arp(),
        // UDP to port 9.
        LinkType::RawIp => [
            &[0x45, 0, 0, 30, 0, 0, 0x40, 0, 64, 17, 0xb7, 0x7b, 192, 168, 1, 1, 192, 168, 1, 2][..],
            &[0x30, 0x39, 0, 9, 0, 10, 0, 0, 1, 2],
        ]
        .concat(),
    };
    for number in 0..10 {
        let mut batch = recorder.batch(TIME + number);
        batch.packet(u32::from(number % 2 == 1), packet.len(), |room| {
            let kept = room.len().min(packet.len());
            room[..kept].copy_from_slice(&packet[..kept]);
            kept
        });
    }
    let (summary, finished) = writer.finish(Duration::from_secs(60));
    finished.unwrap();
    assert_eq!(summary.written, 10);
}

pub(crate) fn tshark() {
    for link_type in [LinkType::Ethernet, LinkType::RawIp] {
        let directory = Directory::new();
        let mut packets = 0;
        for file in written(&directory, link_type) {
            let seen = fields(&file, &["frame.time_epoch", "frame.interface_name", "frame.packet_flags_direction"]);
            packets += seen.len();
            assert!(
                seen.iter().all(|line| line.starts_with("1767225600.1234567") && line.contains("memif")),
                "{seen:?}"
            );
            let out = seen.iter().filter(|line| line.ends_with('2')).count();
            assert!(seen.len() < 10 || out == 5, "{seen:?}");
            let odd = fields(&file, &["_ws.malformed"]);
            assert!(file.to_string_lossy().contains("-20-") || odd.iter().all(String::is_empty), "{odd:?}");
        }
        assert_eq!(packets, 90, "of nine captures");
    }
}

pub(crate) fn tcpdump() {
    for link_type in [LinkType::Ethernet, LinkType::RawIp] {
        let directory = Directory::new();
        let mut packets = 0;
        for file in written(&directory, link_type) {
            // It reads nothing that is compressed.
            if file.extension().is_some_and(|extension| extension == "pcapng") {
                packets += text(&run("tcpdump", &[&"-nr", &file]).stdout).lines().count();
            }
        }
        assert_eq!(packets, 30, "of three captures");
    }
}

pub(crate) fn python() {
    let directory = Directory::new();
    write(Target::Path(directory.file("a.pcapng")), LinkType::Ethernet, 262_144, Rotation::default());
    let scapy = "from scapy.all import rdpcap\nfor packet in rdpcap('a.pcapng'): print(packet.time)";
    let seen = super::python(&directory, scapy);
    assert_eq!((seen.len(), seen[0].as_str()), (10, "1767225600.123456789"));
    let dpkt = "import dpkt\nfor time, data in dpkt.pcapng.Reader(open('a.pcapng', 'rb')): print(int(time), len(data))";
    let seen = super::python(&directory, dpkt);
    assert_eq!((seen.len(), seen[0].as_str()), (10, "1767225600 42"));
}
