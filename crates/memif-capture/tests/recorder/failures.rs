//! What is written to is too slow, or takes no more.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use memif_capture::write::{Chunk, Counts, Ending, Interface, Limits, Recorder, Refused, Rotation, Sink, Target};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use super::{BEGIN, Directory, interface, limits, packet, packets_of, put, record};

/// Takes packets when it is told to.
struct Gate {
    open: Receiver<()>,
    seen: mpsc::Sender<(Vec<usize>, Vec<Counts>)>,
}

impl Sink for Gate {
    fn write(&mut self, _: &[Interface], counts: &[Counts], packets: &Chunk) -> Result<(), Refused> {
        // Once the test lets go of it, it is open.
        let _ = self.open.recv();
        let lengths = packets.recorded().map(|packet| packet.data().len()).collect();
        self.seen.send((lengths, counts.to_vec())).unwrap();
        Ok(())
    }

    fn finish(&mut self, _: &[Interface], _: &[Counts], _: &str) -> io::Result<()> {
        Ok(())
    }

    fn bytes(&self) -> u64 {
        0
    }
}

pub(crate) fn too_slow() {
    let (gate, open) = mpsc::channel();
    let (seen, chunks) = mpsc::channel();
    let even = Box::new(|packet: &[u8], _| packet[0].is_multiple_of(2));
    let limits = Limits { filter: Some(even), ..limits(65_535) };
    let (recorder, writer) = Recorder::start(Gate { open, seen }, limits, |_| {}).unwrap();
    let first = recorder.interface(interface("a-rx0", memif_capture::write::Direction::Inbound, 0));
    // More than all buffers hold; nobody waits meanwhile.
    let packets = 2000;
    for number in 0..packets {
        put(&recorder, first, BEGIN, &packet(number, 60_000));
    }
    let counts = recorder.summary().counts;
    assert_eq!((counts.received, counts.accepted), (packets, packets / 2), "the filter sees those that are missed");
    assert!(counts.missed > 0);
    drop(gate);
    let before = counts.missed;
    // The next packet that finds room says how many were lost before it.
    let mut number = packets;
    while recorder.summary().counts.delivered() == counts.delivered() {
        number += 2;
        put(&recorder, first, BEGIN, &packet(number, 60_000));
    }
    let (summary, finished) = writer.finish(Duration::from_secs(60));
    finished.unwrap();
    assert!(summary.counts.missed >= before);
    assert_eq!(summary.written + summary.counts.missed, summary.counts.accepted);
    let taken: usize = chunks.try_iter().map(|(lengths, _)| lengths.len()).sum();
    assert_eq!(taken as u64, summary.written);
}

pub(crate) fn next_tells() {
    let (mut reader, stream) = pipe();
    let (recorder, writer, first) = record(Target::Stream(stream), Rotation::default(), limits(65_535), |_| {});
    let large = packet(1, 60_000);
    while recorder.summary().counts.missed < 100 {
        put(&recorder, first, BEGIN, &large);
    }
    let reading = thread::spawn(move || {
        let mut all = Vec::new();
        reader.read_to_end(&mut all).map(|_| all)
    });
    // Until one is taken again, after which none is missed.
    let delivered = recorder.summary().counts.delivered();
    while recorder.summary().counts.delivered() == delivered {
        put(&recorder, first, BEGIN, &large);
    }
    let (summary, finished) = writer.finish(Duration::from_secs(60));
    finished.unwrap();
    drop(recorder);
    let bytes = reading.join().unwrap().unwrap();
    let packets = packets_of(&bytes);
    assert_eq!(packets.len() as u64, summary.written);
    let told: Vec<u64> = packets
        .iter()
        .map(|packet| packet.packet_option(4).map_or(0, |count| u64::from_le_bytes(count.try_into().unwrap())))
        .collect();
    assert_eq!(told.iter().sum::<u64>(), summary.counts.missed);
    assert_eq!(told.last(), Some(&summary.counts.missed), "the one that came next");
    let blocks = super::blocks_of(&bytes);
    assert_eq!(blocks.last().unwrap().option(12, 7).unwrap(), summary.counts.missed.to_le_bytes());
}

pub(crate) fn full_disk() {
    let directory = Directory::new();
    // In a mount of its own, so that nothing else is short of room.
    mount("none", &directory.0, "tmpfs", MountFlags::empty(), Some(c"size=1m")).unwrap();
    let outcome = std::panic::catch_unwind(|| {
        for name in ["a.pcapng", "b.pcapng.gz", "c.pcapng.zst"] {
            fill(&directory, name);
        }
    });
    unmount(&directory.0, UnmountFlags::DETACH).unwrap();
    outcome.unwrap();
}

fn fill(directory: &Directory, name: &str) {
    let path = directory.0.join(name);
    let (sender, told) = mpsc::channel();
    let target = Target::Path(path.clone());
    let (recorder, writer, first) = record(target, Rotation::default(), limits(2000), move |ending| {
        let Ending::Failed(error) = ending else { panic!("{ending:?}") };
        sender.send(error.kind()).unwrap();
    });
    let mut number = 0;
    let mut random = 1_u64;
    let kind = loop {
        // Nothing that could be compressed.
        let bytes: Vec<u8> = std::iter::repeat_with(|| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random.to_le_bytes()
        })
        .take(125)
        .flatten()
        .collect();
        put(&recorder, first, BEGIN + number, &bytes);
        number += 1;
        if let Ok(kind) = told.try_recv() {
            break kind;
        }
    };
    assert_eq!(kind, io::ErrorKind::StorageFull);
    put(&recorder, first, BEGIN, &packet(0, 60));
    let (summary, finished) = writer.finish(Duration::from_secs(60));
    finished.unwrap();
    assert_eq!(summary.failure.unwrap().kind(), io::ErrorKind::StorageFull);
    assert_eq!(summary.counts.received, number + 1);
    assert_eq!(summary.written + summary.counts.missed, number + 1);
    let length = fs::metadata(&path).unwrap().len();
    assert_eq!(length, summary.bytes);
    if name.ends_with("pcapng") {
        let packets = packets_of(&fs::read(&path).unwrap());
        assert_eq!(packets.len() as u64, summary.written);
        assert!(length > 1_000_000 - 70_000, "the disk is used to its end: {length} bytes");
    } else {
        let program = if name.ends_with("gz") { "gzip" } else { "zstd" };
        if let Ok(plain) = std::process::Command::new(program).arg("-dc").arg(&path).output() {
            assert!(plain.status.success(), "{plain:?}");
            assert_eq!(packets_of(&plain.stdout).len() as u64, summary.written);
        }
    }
    fs::remove_file(&path).unwrap();
}

fn pipe() -> (io::PipeReader, File) {
    let (reader, writer) = io::pipe().unwrap();
    (reader, File::from(OwnedFd::from(writer)))
}

pub(crate) fn closed_pipe() {
    let (mut reader, stream) = pipe();
    let (sender, told) = mpsc::channel();
    let (recorder, writer, first) = record(Target::Stream(stream), Rotation::default(), limits(2000), move |ending| {
        let Ending::Failed(error) = ending else { panic!("{ending:?}") };
        sender.send(error.kind()).unwrap();
    });
    let mut head = [0; 8];
    reader.read_exact(&mut head).unwrap();
    drop(reader);
    let kind = loop {
        put(&recorder, first, BEGIN, &packet(0, 1500));
        if let Ok(kind) = told.try_recv() {
            break kind;
        }
    };
    assert_eq!(kind, io::ErrorKind::BrokenPipe);
    let (summary, finished) = writer.finish(Duration::from_secs(60));
    finished.unwrap();
    assert_eq!(summary.failure.unwrap().kind(), io::ErrorKind::BrokenPipe);
}

pub(crate) fn stuck_pipe() {
    let (reader, stream) = pipe();
    let (recorder, writer, first) = record(Target::Stream(stream), Rotation::default(), limits(2000), |_| {});
    for number in 0..1000 {
        put(&recorder, first, BEGIN, &packet(number, 1500));
    }
    let (summary, finished) = writer.finish(Duration::from_millis(200));
    assert!(finished.is_err());
    assert_eq!(summary.counts.received, 1000);
    assert_eq!(summary.written + summary.counts.missed, 1000);
    drop(reader);
}
