//! What stands in a file.

use std::fs;
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

use memif_capture::write::{Direction, Ending, Limits, Rotation, Target};

use super::{BEGIN, Directory, blocks_of, interface, limits, packet, packets_of, put, record};

pub(crate) fn packets_stand_as_they_came() {
    let directory = Directory::new();
    let path = directory.0.join("a.pcapng");
    let (recorder, writer, first) = record(Target::Path(path.clone()), Rotation::default(), limits(96), |_| {});
    let second = recorder.interface(interface("a-tx3", Direction::Outbound, 3));
    assert_eq!((first, second), (0, 1));
    assert_eq!(recorder.interface(interface("a-tx3", Direction::Outbound, 3)), 1, "it is known already");
    // Every remainder of the length, and packets that are cut.
    let lengths = (1..200).chain([9000, 65_535]);
    for (number, length) in (0..).zip(lengths.clone()) {
        // A clock that is set back.
        let stamp = if number == 50 { BEGIN } else { BEGIN + number * 1001 };
        put(&recorder, u32::from(number % 2 == 1), stamp, &packet(number, length));
    }
    recorder.batch(BEGIN).dropped(second, 7);
    let (summary, finished) = writer.finish(Duration::from_secs(60));
    finished.unwrap();
    let bytes = fs::read(&path).unwrap();
    assert_eq!((summary.counts.received, summary.written, summary.counts.missed), (201, 201, 0));
    assert_eq!((summary.counts.dropped, summary.bytes), (7, bytes.len() as u64));

    let blocks = blocks_of(&bytes);
    let kinds: Vec<_> = blocks.iter().map(|block| block.kind).collect();
    assert_eq!(kinds[..3], [0x0a0d_0d0a, 1, 1]);
    assert_eq!(kinds[kinds.len() - 2..], [5, 5]);
    assert_eq!(blocks[0].option(16, 4).unwrap(), b"tests");
    assert_eq!(blocks[0].option(16, 1).unwrap().len(), 65_535, "what is too long for an option is cut");
    for (block, name) in blocks[1..3].iter().zip(["a-rx0", "a-tx3"]) {
        assert_eq!(block.body[..8], [1, 0, 0, 0, 96, 0, 0, 0]);
        assert_eq!(block.option(8, 2).unwrap(), name.as_bytes());
        assert_eq!(block.option(8, 9).unwrap(), [9]);
        assert_eq!(block.option(8, 11).unwrap(), b"\0ip");
    }
    let packets = packets_of(&bytes);
    assert_eq!(packets.len(), 201);
    let mut before = 0;
    for ((number, length), block) in (0..).zip(lengths).zip(&packets) {
        assert_eq!(block.word(0), u32::from(number % 2 == 1));
        let expected = packet(number, length);
        assert_eq!(block.data(), &expected[..length.min(96)]);
        assert_eq!(block.word(16) as usize, length);
        let stamp = if number == 50 { BEGIN + 49 * 1001 } else { BEGIN + number * 1001 };
        assert_eq!(block.stamp(), stamp);
        assert!(block.stamp() >= before);
        before = block.stamp();
        let (direction, queue) = if number % 2 == 1 { (2_u32, 3_u32) } else { (1, 0) };
        assert_eq!(block.packet_option(2).unwrap(), direction.to_le_bytes());
        assert_eq!(block.packet_option(6).unwrap(), queue.to_le_bytes());
        assert_eq!(block.packet_option(4), None);
    }
    let statistics = &blocks[blocks.len() - 1];
    for (code, count) in [(4, 100_u64), (5, 7), (6, 100), (7, 0), (8, 100)] {
        assert_eq!(statistics.option(12, code).unwrap(), count.to_le_bytes(), "option {code}");
    }
}

pub(crate) fn what_is_said_stands_in_blocks() {
    let directory = Directory::new();
    let path = directory.0.join("a.pcapng");
    let (recorder, writer, first) = record(Target::Path(path.clone()), Rotation::default(), limits(96), |_| {});
    // A letter of two bytes lies across the place where a comment is cut.
    let comments = ["", "a", "of its headers", &format!("{}\u{e4}", "x".repeat(251)), &"y".repeat(300)];
    for (number, comment) in (0..).zip(comments) {
        let data = packet(number, 60);
        recorder.batch(BEGIN + number).commented(first, 61, comment, |room| {
            room[..60].copy_from_slice(&data);
            60
        });
        recorder.batch(BEGIN).unseen(first, number);
    }
    recorder.remark("one".to_owned());
    recorder.remark("the link is gone".to_owned());
    let (summary, finished) = writer.finish(Duration::from_secs(60));
    finished.unwrap();
    assert_eq!((summary.counts.received, summary.counts.dropped), (5, 10));
    let bytes = fs::read(&path).unwrap();
    for ((number, comment), block) in (0_u64..).zip(comments).zip(packets_of(&bytes)) {
        assert_eq!((block.data(), block.word(16)), (&packet(number, 60)[..], 61));
        let kept = comment.strip_suffix('\u{e4}').unwrap_or_else(|| &comment[..comment.len().min(252)]);
        let said = block.packet_option(1).map(|said| String::from_utf8(said.to_vec()).unwrap());
        assert_eq!(said.as_deref(), (!kept.is_empty()).then_some(kept));
        let before = number.checked_sub(1).filter(|before| *before > 0);
        assert_eq!(block.packet_option(4), before.map(|count| count.to_le_bytes().to_vec()));
        assert_eq!(block.packet_option(2).unwrap(), 1_u32.to_le_bytes());
    }
    let blocks = blocks_of(&bytes);
    assert_eq!(blocks.last().unwrap().option(12, 1).unwrap(), b"the link is gone");
}

pub(crate) fn interfaces_may_come_later() {
    let directory = Directory::new();
    let path = directory.0.join("a.pcapng");
    let (recorder, writer, first) = record(Target::Path(path.clone()), Rotation::default(), limits(96), |_| {});
    put(&recorder, first, BEGIN, &packet(0, 60));
    let second = recorder.interface(interface("a-rx1", Direction::Inbound, 1));
    put(&recorder, second, BEGIN, &packet(1, 60));
    put(&recorder, 77, BEGIN, &packet(2, 60));
    writer.finish(Duration::from_secs(60)).1.unwrap();
    let blocks = blocks_of(&fs::read(&path).unwrap());
    let mut described = 0;
    for block in &blocks {
        described += u32::from(block.kind == 1);
        assert!(block.kind != 6 || block.word(0) < described, "a packet of an interface that nobody described");
    }
    assert_eq!((described, blocks.iter().filter(|block| block.kind == 6).count()), (2, 2));
}

pub(crate) fn a_filter_sees_whole_packets() {
    let directory = Directory::new();
    let path = directory.0.join("a.pcapng");
    let filter =
        Box::new(|packet: &[u8], length: usize| packet.len() == length && packet[length - 1].is_multiple_of(2));
    let limits = Limits { filter: Some(filter), ..limits(16) };
    let (recorder, writer, first) = record(Target::Path(path.clone()), Rotation::default(), limits, |_| {});
    for number in 0..100 {
        let mut long = packet(0, 1500);
        long[1499] = number;
        put(&recorder, first, BEGIN, &long);
    }
    let (summary, _) = writer.finish(Duration::from_secs(60));
    assert_eq!((summary.counts.received, summary.counts.accepted, summary.written), (100, 50, 50));
    let packets = packets_of(&fs::read(&path).unwrap());
    assert_eq!(packets.len(), 50);
    assert!(packets.iter().all(|packet| packet.data().len() == 16 && packet.word(16) == 1500));
}

pub(crate) fn none_after_the_last() {
    let directory = Directory::new();
    let path = directory.0.join("a.pcapng");
    let (sender, told) = mpsc::channel();
    let limits = Limits { packets: Some(10), ..limits(96) };
    let (recorder, writer, first) = record(Target::Path(path.clone()), Rotation::default(), limits, move |ending| {
        sender.send(matches!(ending, Ending::Complete)).unwrap();
    });
    for number in 0..100 {
        put(&recorder, first, BEGIN, &packet(number, 60));
    }
    assert!(told.recv().unwrap());
    let (summary, _) = writer.finish(Duration::from_secs(60));
    assert_eq!((summary.counts.received, summary.written, summary.counts.missed), (10, 10, 0));
    assert_eq!(told.try_iter().count(), 0, "it is told once");
    assert_eq!(packets_of(&fs::read(&path).unwrap()).len(), 10);
}

pub(crate) fn compressed() {
    for (end, program) in [("gz", "gzip"), ("zst", "zstd")] {
        let directory = Directory::new();
        let path = directory.0.join(format!("a.pcapng.{end}"));
        let (recorder, writer, first) = record(Target::Path(path.clone()), Rotation::default(), limits(2000), |_| {});
        for number in 0..2000 {
            put(&recorder, first, BEGIN + number, &packet(number, 1500));
        }
        let (summary, _) = writer.finish(Duration::from_secs(60));
        assert_eq!((summary.written, summary.bytes), (2000, fs::metadata(&path).unwrap().len()));
        assert!(summary.bytes < 1_500_000, "{} bytes of 3 million", summary.bytes);
        let plain = Command::new(program).arg("-dc").arg(&path).output().unwrap();
        assert!(plain.status.success(), "{plain:?}");
        let packets = packets_of(&plain.stdout);
        assert_eq!(packets.len(), 2000);
        assert!((0..).zip(&packets).all(|(number, block)| block.data() == packet(number, 1500)));
    }
}
