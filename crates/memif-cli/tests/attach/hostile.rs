//! What watching does to memory, and what memory does to who watches.

use std::os::fd::AsFd;

use rustix::fs::{fstat, ftruncate};
use testkit::plan::Layout;
use testkit::ring::{NEXT, ring_bytes};
use testkit::{Descriptor, FileKind, Ring, SharedFile, SlavePlan, eventually};

use super::file::read;
use super::util::{Directory, memif};
use super::{attach, packet, scripted};

pub(crate) fn nothing_changes() {
    let (mut slave, responder) = scripted(&SlavePlan { log2: 10, ..SlavePlan::default() });
    (0..50).for_each(|number| slave.tx[0].send(&packet(number)));
    slave.tx[0].wait_drained();
    let state = || {
        let regions = slave.memory.regions.iter();
        regions
            .map(|file| (file.read(0, 65_536), fstat(file.duplicate().as_fd()).unwrap().st_blocks))
            .collect::<Vec<_>>()
    };
    let blocks =
        || slave.memory.regions.iter().map(|file| fstat(file.duplicate().as_fd()).unwrap().st_blocks).sum::<i64>();
    // The master asks to be signalled once it has waited for a while, by a flag that lies there, too.
    let asleep = || (slave.memory.s2m[0].ring.flags() & 1 == 0).then_some(());
    eventually("the master sleeps", asleep);
    let before = state();
    let count = blocks();
    // It looks at every slot of both rings to begin with, most of which were never touched.
    memif(&format!("capture --attach {} --seconds 0.3", responder.pid())).finish().code(0);
    assert!(state() == before, "memory or its blocks changed");
    assert_eq!(blocks(), count);
    assert!(slave.is_up());
}

pub(crate) fn several_regions() {
    for layout in [Layout::RingsApart, Layout::Pool(4 << 20)] {
        let directory = Directory::new();
        let (mut slave, responder) = scripted(&SlavePlan { layout, ..SlavePlan::default() });
        // Which memory holds the region shows in descriptors.
        slave.tx[0].send(&packet(0));
        slave.tx[0].wait_drained();
        let capture = attach(responder.pid(), &format!("--mode ethernet -w {}", directory.text("a")));
        (1..30).for_each(|number| {
            slave.tx[0].send(&packet(number));
            eventually("it is written", || (read(directory.path("a")).packets.len() == number as usize).then_some(()));
        });
        drop(slave);
        capture.finish().code(0);
        let read = read(directory.path("a"));
        assert!((1..30).zip(&read.packets).all(|(number, found)| found.data == packet(number)), "{layout:?}: {read:?}");
        assert_eq!(read.dropped, 0);
    }
}

pub(crate) fn forged() {
    type Forge = fn(&testkit::SlaveLink);
    let cases: [(&str, Forge); 3] = [
        ("its cookie is gone", |slave| slave.memory.s2m[0].ring.set_cookie(7)),
        ("the cursors of ring s2m0 are impossible", |slave| slave.memory.s2m[0].ring.set_tail(30_000)),
        ("the memory ends before", |slave| ftruncate(slave.memory.regions[0].duplicate(), 0).unwrap()),
    ];
    for (reason, forge) in cases {
        let directory = Directory::new();
        let plan = SlavePlan { rings_file: FileKind::Unsealable, ..SlavePlan::default() };
        let (mut slave, responder) = scripted(&plan);
        let capture = attach(responder.pid(), &format!("--mode ethernet -w {}", directory.text("a")));
        slave.tx[0].send(&packet(1));
        eventually("it is written", || (read(directory.path("a")).packets.len() == 1).then_some(()));
        forge(&slave);
        let finished = capture.finish();
        let read = read(directory.path("a"));
        assert!(read.complete && read.packets.len() == 1, "{finished:#?}");
        // The master may have ended the link first, because of the same.
        let said = read.remark.unwrap();
        assert!(finished.err.contains(reason) || finished.err.contains("has closed it"), "{reason}: {finished:#?}");
        assert!(said.contains("the end of the link: "), "{said}");
    }
}

pub(crate) fn descriptors() {
    let directory = Directory::new();
    let (mut slave, responder) = scripted(&SlavePlan::default());
    let capture = attach(responder.pid(), &format!("--mode ethernet -w {}", directory.text("a")));
    slave.tx[0].send(&packet(1));
    eventually("it is written", || (read(directory.path("a")).packets.len() == 1).then_some(()));
    let good = slave.memory.s2m[0].ring.descriptor(0);
    let lies = [
        Descriptor { region: 9, ..good },
        Descriptor { offset: u32::MAX, ..good },
        Descriptor { length: u32::MAX, ..good },
    ];
    for lie in lies {
        slave.tx[0].put(lie);
    }
    slave.tx[0].publish();
    slave.tx[0].send(&packet(2));
    eventually("it goes on", || (read(directory.path("a")).packets.len() == 2).then_some(()));
    drop(slave);
    let finished = capture.finish().code(0);
    let read = read(directory.path("a"));
    assert!(read.complete && read.dropped == 3 && read.packets[1].lost == 3, "{finished:#?} {read:?}");
    assert!(finished.out.contains("3 unreadable"), "{finished:#?}");
}

/// Two rings of this process, of which the first one sends, and room for the longest packet behind them.
struct Forged {
    file: SharedFile,
    ring: Ring,
    buffer: u32,
}

impl Forged {
    fn new(log2: u8) -> Self {
        let rings = 2 * ring_bytes(log2);
        let file = SharedFile::create(FileKind::Sealed, rings + 65_536);
        let [ring, other] = [0, ring_bytes(log2)].map(|at| Ring::new(&file, at, log2));
        ring.initialise();
        other.initialise();
        let buffer = u32::try_from(rings).unwrap();
        file.write(rings, &packet(7));
        Self { file, ring, buffer }
    }

    /// Its name in `memif links`.
    fn link(&self) -> String {
        let status = fstat(self.file.duplicate()).unwrap();
        let (major, minor) = (rustix::fs::major(status.st_dev), rustix::fs::minor(status.st_dev));
        format!("{major}:{minor}:{}", status.st_ino)
    }

    fn put(&self, slots: std::ops::Range<u16>, flags: u16, length: u32, skip: u32) {
        for slot in slots {
            let offset = self.buffer + skip;
            self.ring.set_descriptor(slot, Descriptor { flags, region: 0, length, offset, metadata: 0 });
        }
    }
}

/// Packets behind a long chain, all that a ring can hold, are no more at once than others.
pub(crate) fn long_memory() {
    let directory = Directory::new();
    let forged = Forged::new(14);
    let capture = attach(forged.link(), &format!("--mode ethernet -w {} ether proto 0x88b5", directory.text("a")));
    forged.put(0..8192, NEXT, 0, 0);
    forged.put(8192..16_383, 0, 65_535, 1);
    forged.put(16_383..16_384, 0, 60, 0);
    forged.ring.set_head(16_384);
    eventually("the last one is written", || (read(directory.path("a")).packets.len() == 1).then_some(()));
    let status = std::fs::read_to_string(format!("/proc/{}/status", capture.pid())).unwrap();
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.strip_suffix("kB")).unwrap();
    assert!(most.trim().parse::<u32>().unwrap() < 200_000, "{most} kB");
    capture.terminate();
    capture.finish().code(0);
}

/// A chain that no packet can be is left out, and what comes behind its end is seen.
pub(crate) fn endless() {
    let directory = Directory::new();
    let forged = Forged::new(11);
    let capture = attach(forged.link(), &format!("--mode ethernet -w {}", directory.text("a")));
    forged.put(0..1500, NEXT, 60, 0);
    forged.ring.set_head(1500);
    forged.put(1500..1502, 0, 60, 0);
    forged.ring.set_head(1502);
    eventually("it goes on", || (read(directory.path("a")).packets.len() == 1).then_some(()));
    capture.terminate();
    let finished = capture.finish().code(0);
    assert_eq!(read(directory.path("a")).packets[0].data, packet(7));
    assert!(finished.out.contains("s2m0: 1 packets, 477 slots missed, 0 torn, 1 unreadable"), "{finished:#?}");
}
