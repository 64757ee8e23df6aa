//! Rows F1 to F13. Those that need traffic under fire (F5, F6) are in `hostile_memory`.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use memif::{Breach, Event, InterfaceConfig, Link, RxMode};
use rustix::event::{EventfdFlags, epoll, eventfd};
use rustix::fs::{Mode, OFlags, SealFlags};
use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};
use testkit::census::memory;
use testkit::plan::new_eventfd;
use testkit::slave_path::signal;
use testkit::wiremsg::Message;
use testkit::{Census, FileKind, ScriptedSlave, SeqSocket, SharedFile, SlaveLink, SlavePlan, eventually};

use crate::common::{MasterRig, PeerEnd, Rig, SlaveRig, cross, cross_lengths, receive, send};

/// Descriptors that are no shared memory, named.
fn no_memory() -> Vec<(&'static str, OwnedFd)> {
    let open = |path: &str, flags| {
        rustix::fs::open(path, OFlags::CLOEXEC | flags, Mode::empty()).unwrap_or_else(|e| panic!("{path}: {e}"))
    };
    let (pipe, _) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    vec![
        ("a pipe", pipe),
        ("a socket", SeqSocket::pair().0.into_fd()),
        ("an eventfd", new_eventfd()),
        ("a disk file", FileKind::Disk.create(16 << 20)),
        ("an epoll", epoll::create(epoll::CreateFlags::CLOEXEC).unwrap()),
        ("/dev/null", open("/dev/null", OFlags::RDWR)),
        ("/dev/zero", open("/dev/zero", OFlags::RDWR)),
        ("a directory", open("/", OFlags::RDONLY)),
        ("a directory on tmpfs", open("/dev/shm", OFlags::RDONLY)),
        ("a path without access", open("/dev/shm", OFlags::PATH)),
        ("a file of /proc", open("/proc/self/maps", OFlags::RDONLY)),
    ]
}

pub(crate) fn f01_master_region_type() {
    let mut rig = MasterRig::new();
    let wrong = no_memory();
    rig.recount();
    for (name, fd) in wrong {
        let fd = Arc::new(fd);
        let breach = rig.refused(|script| script.step("ADD_REGION 0").fds = vec![fd.clone()]);
        assert_eq!(breach, Breach::RegionType(0), "{name}");
        drop(fd);
        rig.recount();
    }
    for kind in [FileKind::Sealed, FileKind::Sealable, FileKind::Unsealable, FileKind::Tmpfs] {
        rig.plan.rings_file = kind;
        rig.settle();
    }
    rig.finish();
}

pub(crate) fn f01_master_huge_pages() {
    let mut rig = MasterRig::new();
    rig.plan.layout = testkit::Layout::Pool(4 << 20);
    rig.plan.buffers_file = FileKind::Huge;
    rig.finish();
}

pub(crate) fn f02_master_region_beyond_its_file() {
    let mut rig = MasterRig::new();
    let memory = testkit::SlaveMemory::new(&rig.plan);
    let size = memory.regions[0].size();
    drop(memory);
    for (file_size, claimed) in [(0, size), (size - 1, size), (size, size + 1), (size, 1 << 35), (4096, size)] {
        for kind in [FileKind::Sealed, FileKind::Sealable, FileKind::Unsealable, FileKind::Tmpfs] {
            let file = SharedFile::create(kind, file_size);
            let breach = rig.refused_as(&rig.plan.clone(), |script| {
                script.region("ADD_REGION 0").size = claimed;
                script.step("ADD_REGION 0").fds = vec![Arc::new(file.duplicate())];
                drop(file);
            });
            assert_eq!(breach.0, Breach::RegionFile { index: 0, size: claimed, file: file_size }, "{kind:?}");
        }
    }
    rig.finish();
}

/// Adding a seal waits for the file's lock, which the peer can hold. So the file stays as it is, under a guard.
pub(crate) fn f03_master_leaves_what_could_be_sealed() {
    let mut rig = MasterRig::new();
    rig.plan.rings_file = FileKind::Sealable;
    let (mut link, mut peer) = rig.link();
    cross(&mut link, &mut peer);
    assert_eq!(peer.memory.regions[0].seals(), Some(SealFlags::empty()));
    drop(peer);
    rig.disconnected(link);
    rig.finish();
    // Shrunk before the library looked.
    let mut rig = MasterRig::new();
    rig.plan.rings_file = FileKind::Sealable;
    let plan = rig.plan.clone();
    let memory = testkit::SlaveMemory::new(&plan);
    let script = testkit::Script::new(&plan, &memory);
    memory.regions[0].truncate(4096).unwrap();
    let slave = ScriptedSlave::connect(&rig.address);
    let refusal = slave.run(&plan, &script).unwrap_err();
    drop((slave, memory, script));
    assert!(matches!(rig.agreed(&refusal).0, memif::Refusal::Breach(Breach::RegionFile { index: 0, file: 4096, .. })));
    rig.finish();
}

pub(crate) fn f04_master_policy_for_what_cannot_be_sealed() {
    let config = InterfaceConfig::master(0).rx_queues(2).tx_queues(2).require_sealed(true);
    let mut rig = MasterRig::with(config);
    for kind in [FileKind::Sealable, FileKind::Unsealable, FileKind::Tmpfs] {
        let plan = SlavePlan { rings_file: kind, ..rig.plan.clone() };
        let (breach, at, _) = rig.refused_as(&plan, |_| ());
        assert_eq!((breach, at.as_str()), (Breach::RegionUnsealed(0).into(), "ADD_REGION 0"), "{kind:?}");
        let plan = SlavePlan { layout: testkit::Layout::RingsApart, buffers_file: kind, ..rig.plan.clone() };
        assert_eq!(rig.refused_as(&plan, |_| ()).0, Breach::RegionUnsealed(1), "{kind:?}");
    }
    rig.finish();
    // By default they are accepted, under a guard (F6).
    for kind in [FileKind::Unsealable, FileKind::Tmpfs] {
        let mut rig = MasterRig::new();
        rig.plan.rings_file = kind;
        rig.finish();
    }
}

pub(crate) fn f07_master_sparse_region_costs_nothing() {
    let mut rig = MasterRig::new();
    rig.plan.layout = testkit::Layout::Pool(48 << 30);
    let before = memory("VmRSS");
    let (mut link, mut peer) = rig.link();
    cross(&mut link, &mut peer);
    let pool = &peer.memory.regions[1];
    assert_eq!(rig.driver.details(rig.key).regions[1].size, 48 << 30);
    assert!(pool.allocated() < 64 << 20, "{} bytes of the pool were touched", pool.allocated());
    let taken = memory("VmRSS").saturating_sub(before);
    assert!(taken < 256 << 20, "{taken} bytes more are resident");
    drop(peer);
    rig.disconnected(link);
    rig.finish();
}

pub(crate) fn f08_master_mapping() {
    let mut rig = MasterRig::new();
    for seal in [SealFlags::WRITE, SealFlags::FUTURE_WRITE] {
        let (breach, at, _) = rig.refused_as(&rig.plan.clone(), |script| {
            // Made anew: a file that is mapped writable cannot be sealed so.
            let size = script.region("ADD_REGION 0").size;
            let file = SharedFile::create(FileKind::Sealed, size);
            file.seal(seal);
            script.step("ADD_REGION 0").fds = vec![Arc::new(file.duplicate())];
        });
        assert!(matches!(breach, memif::Refusal::Breach(Breach::RegionMap { index: 0, .. })), "{seal:?}: {breach:?}");
        assert_eq!(at, "CONNECT");
    }
    // A descriptor without leave to write.
    let (breach, _, _) = rig.refused_as(&rig.plan.clone(), |script| {
        let step = script.step("ADD_REGION 0");
        let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&*step.fds[0]));
        step.fds = vec![Arc::new(OwnedFd::from(File::open(path).unwrap()))];
    });
    assert!(matches!(breach, memif::Refusal::Breach(Breach::RegionMap { index: 0, .. })), "{breach:?}");
    // Readable and writable, shared, never executable.
    let (link, peer) = rig.link();
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let mapped: Vec<&str> = maps.lines().filter(|l| l.contains("memfd:")).collect();
    assert!(!mapped.is_empty());
    assert!(mapped.iter().all(|l| l.contains(" rw-s ")), "{mapped:?}");
    drop(peer);
    rig.disconnected(link);
    rig.finish();
}

pub(crate) fn f09_master_same_memory_twice() {
    let mut rig = MasterRig::new();
    // The same file as a second region.
    let plan = rig.plan.clone();
    let peer = SlaveLink::try_connect(&rig.address, &plan, |script| {
        let mut again = script.step("ADD_REGION 0").clone();
        again.label = "ADD_REGION 1".to_owned();
        if let Message::AddRegion(region) = &mut again.message {
            region.index = 1;
        }
        script.insert_after("ADD_REGION 0", again);
    });
    let (mut peer, mut link) = (peer.unwrap(), rig.driver.connected(rig.key));
    cross(&mut link, &mut peer);
    drop(peer);
    rig.disconnected(link);
    // The same memory on two connections: each is checked by itself, and neither harms the other interfaces.
    let other = rig.driver.add(InterfaceConfig::master(6));
    let memory = testkit::SlaveMemory::new(&plan);
    let mut links = Vec::new();
    let mut sockets = Vec::new();
    for (id, key) in [(0, rig.key), (6, other)] {
        let plan = SlavePlan { id, ..plan.clone() };
        let script = testkit::Script::new(&plan, &memory);
        let slave = ScriptedSlave::connect(&rig.address);
        slave.run(&plan, &script).unwrap();
        links.push(rig.driver.connected(key));
        sockets.push(slave);
    }
    // Both read what is announced once.
    memory.s2m[0].ring.set_head(1);
    for link in &mut links {
        let packet = receive(&mut link.rx[0]);
        assert_eq!(packet.len(), 2048);
    }
    rig.check_neighbour();
    drop((sockets, memory, links));
    rig.driver.disconnected(rig.key);
    rig.driver.disconnected(other);
    rig.driver.call(move |socket| socket.remove_interface(other)).unwrap();
    rig.finish();
}

pub(crate) fn f10_master_interrupt_type() {
    let mut rig = MasterRig::new();
    let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC).unwrap();
    let inotify = rustix::fs::inotify::init(rustix::fs::inotify::CreateFlags::CLOEXEC).unwrap();
    let mut wrong = no_memory();
    wrong.retain(|(name, _)| *name != "an eventfd");
    wrong.push(("a timer", timer));
    wrong.push(("an inotify", inotify));
    wrong.push(("a memfd", FileKind::Sealed.create(4096)));
    wrong.push(("a memfd called like an eventfd", {
        rustix::fs::memfd_create("anon_inode:[eventfd]", rustix::fs::MemfdFlags::CLOEXEC).unwrap()
    }));
    rig.recount();
    for (name, fd) in wrong {
        let fd = Arc::new(fd);
        for (label, direction) in [("ADD_RING S2M 0", "S2M"), ("ADD_RING M2S 0", "M2S")] {
            let (breach, at, _) = rig.refused_as(&rig.plan.clone(), |script| {
                script.step(label).fds = vec![fd.clone()];
            });
            assert_eq!(breach, Breach::InterruptType { direction, index: 0 }, "{name}");
            assert_eq!(at, label);
        }
        drop(fd);
        rig.recount();
    }
    rig.finish();
}

/// An eventfd whose calls wait, with a counter.
fn blocking_eventfd() -> OwnedFd {
    eventfd(0, EventfdFlags::CLOEXEC).unwrap()
}

/// Fills an eventfd to the brim: the next write waits.
fn fill(fd: impl AsFd) {
    let _ = testkit::slave_path::take_signal(fd.as_fd(), Duration::ZERO);
    rustix::io::write(fd, &(u64::MAX - 1).to_ne_bytes()).unwrap();
}

/// Over a link whose eventfds wait: the one that the library reads, and the one that it writes.
fn nothing_waits<R: Rig>(mut rig: R, mut link: Link, mut peer: R::Peer, fds: (Arc<OwnedFd>, Arc<OwnedFd>)) {
    // Reads with nothing to read do not wait.
    link.rx[0].acknowledge();
    assert!(!link.rx[0].wait(Some(Duration::from_millis(5))).unwrap());
    link.rx[0].acknowledge();
    cross_lengths(&mut link, &mut peer, 10, &[64]);
    // Writes with no room do not wait, and the packets are there.
    fill(&fds.1);
    cross_lengths(&mut link, &mut peer, 10, &[64, 3000]);
    fill(&fds.1);
    send(&mut link.tx[0], b"a packet and then silence");
    assert_eq!(peer.receive(0), b"a packet and then silence");
    // A receiver that lags, so that the signal is repeated: the driver does not wait either.
    for _ in 0..50 {
        send(&mut link.tx[0], &[7; 100]);
    }
    fill(&fds.1);
    rig.check_neighbour();
    drop((peer, fds));
    rig.disconnected(link);
    rig.finish();
}

pub(crate) fn f11_master_blocking_eventfd() {
    for mode in [RxMode::Interrupt, RxMode::Adaptive] {
        let config = InterfaceConfig::master(0).rx_queues(2).tx_queues(2).rx_mode(mode);
        let mut rig = MasterRig::with(config);
        let (s2m, m2s) = (Arc::new(blocking_eventfd()), Arc::new(blocking_eventfd()));
        let plan = rig.plan.clone();
        let peer = SlaveLink::try_connect(&rig.address, &plan, |script| {
            script.step("ADD_RING S2M 0").fds = vec![s2m.clone()];
            script.step("ADD_RING M2S 0").fds = vec![m2s.clone()];
        });
        let (mut peer, link) = (peer.unwrap(), rig.driver.connected(rig.key));
        peer.tx[0].interrupt = s2m.clone();
        peer.rx[0].interrupt = m2s.clone();
        // Whatever the library did about O_NONBLOCK, the peer takes it back.
        for fd in [&s2m, &m2s] {
            let flags = rustix::fs::fcntl_getfl(fd).unwrap();
            rustix::fs::fcntl_setfl(fd, flags - OFlags::NONBLOCK).unwrap();
        }
        nothing_waits(rig, link, peer, (s2m, m2s));
    }
}

/// Writes an eventfd all the time, until told to stop.
struct Storm {
    stop: Arc<AtomicBool>,
    written: Arc<AtomicU64>,
    thread: std::thread::JoinHandle<()>,
}

impl Storm {
    fn on(fd: &Arc<OwnedFd>) -> Self {
        let (stop, written, fd) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)), fd.clone());
        let (flag, count) = (stop.clone(), written.clone());
        let thread = std::thread::spawn(move || {
            while !flag.load(Ordering::Relaxed) {
                signal(fd.as_fd());
                if count.fetch_add(1, Ordering::Relaxed) % 64 == 0 {
                    std::thread::yield_now();
                }
            }
        });
        Self { stop, written, thread }
    }

    /// Waits for so many signals more.
    #[track_caller]
    fn rage(&self, signals: u64) {
        let end = self.written.load(Ordering::Relaxed) + signals;
        eventually("a storm", || (self.written.load(Ordering::Relaxed) >= end).then_some(()));
    }

    /// How many there were.
    fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
        self.written.load(Ordering::Relaxed)
    }
}

pub(crate) fn f12_master_storm_of_signals() {
    let config = InterfaceConfig::master(0).rx_queues(2).tx_queues(2).rx_mode(RxMode::Interrupt);
    let mut rig = MasterRig::with(config);
    let key = rig.key;
    rig.driver.call(move |socket| socket.watch(key, 0)).unwrap();
    let (mut link, mut peer) = rig.link();
    let storm = Storm::on(&peer.tx[0].interrupt);
    // A wait is bounded, finds nothing, and is not a wake-up per signal.
    let woken = link.rx[0].counters().wake_ups;
    assert!(!link.rx[0].wait(Some(Duration::from_millis(100))).unwrap());
    let woken = link.rx[0].counters().wake_ups - woken;
    // The driver goes on serving the others and does not report every signal.
    rig.check_neighbour();
    storm.rage(10_000);
    let written = storm.stop();
    let reported = rig.driver.pending().iter().filter(|event| matches!(event, Event::Readable { .. })).count();
    assert!(written > 1000, "{written} signals are no storm");
    assert!(woken < 1000, "{woken} wake-ups for {written} signals");
    assert!(reported < 1000, "{reported} events for {written} signals");
    rig.driver.forget_events();
    // Packets still come through, and are reported.
    cross(&mut link, &mut peer);
    peer.tx[0].send(&[9; 64]);
    rig.driver.event("Readable", |event| match event {
        Event::Readable { queue: 0, .. } => Ok(()),
        other => Err(other),
    });
    assert_eq!(receive(&mut link.rx[0]), [9; 64]);
    drop(peer);
    rig.disconnected(link);
    rig.finish();
}

/// Counts memory files among the descriptors of this process.
fn memory_files() -> usize {
    Census::now().fds.iter().filter(|(name, _)| name.contains("memfd:")).map(|(_, n)| n).sum()
}

pub(crate) fn f13_master_keeps_no_region_open() {
    let inherited = Census::inherited();
    let mut rig = MasterRig::new();
    let files = memory_files();
    let slave = ScriptedSlave::connect(&rig.address);
    let plan = rig.plan.clone();
    {
        let memory = testkit::SlaveMemory::new(&plan);
        slave.run(&plan, &testkit::Script::new(&plan, &memory)).unwrap();
    }
    let link = rig.driver.connected(rig.key);
    // The slave has closed all of its own by now: what is left open is the library's.
    assert_eq!(memory_files(), files, "memory files stay open: {:?}", Census::now());
    assert_eq!(Census::now().mapping_count(), rig.quiet().mapping_count() + 1);
    assert_eq!(Census::inherited(), inherited, "descriptors that a child process would inherit");
    drop(slave);
    rig.disconnected(link);
    rig.finish();
}

pub(crate) fn f06_slave_memory_cannot_be_taken_away() {
    let mut rig = SlaveRig::new();
    let (mut link, mut peer) = rig.link();
    for region in peer.regions.iter() {
        let seals = region.seals().unwrap();
        assert!(seals.contains(SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL), "{seals:?}");
        assert!(!seals.intersects(SealFlags::WRITE | SealFlags::FUTURE_WRITE), "{seals:?}");
        assert!(region.truncate(region.size() - 1).is_err());
        assert!(region.truncate(0).is_err());
        assert!(region.truncate(region.size() + 4096).is_err());
    }
    cross(&mut link, &mut peer);
    drop(peer);
    rig.disconnected(link);
    rig.finish();
}

pub(crate) fn f11_slave_blocking_eventfd() {
    for mode in [RxMode::Interrupt, RxMode::Adaptive] {
        let mut rig = SlaveRig::with(InterfaceConfig::slave(0).ring_size(256).rx_mode(mode));
        let (link, peer) = rig.link();
        let (s2m, m2s) = (peer.rx[0].interrupt.clone(), peer.tx[0].interrupt.clone());
        for fd in [&s2m, &m2s] {
            let flags = rustix::fs::fcntl_getfl(fd).unwrap();
            assert!(flags.contains(OFlags::NONBLOCK), "5.6: every slave makes them so");
            rustix::fs::fcntl_setfl(fd, flags - OFlags::NONBLOCK).unwrap();
        }
        nothing_waits(rig, link, peer, (m2s, s2m));
    }
}

pub(crate) fn f12_slave_storm_of_signals() {
    let config = InterfaceConfig::slave(0).ring_size(256).rx_mode(RxMode::Interrupt);
    let mut rig = SlaveRig::with(config);
    let key = rig.key;
    rig.driver.call(move |socket| socket.watch(key, 0)).unwrap();
    let (mut link, mut peer) = rig.link();
    let storm = Storm::on(&peer.tx[0].interrupt);
    let woken = link.rx[0].counters().wake_ups;
    assert!(!link.rx[0].wait(Some(Duration::from_millis(100))).unwrap());
    let woken = link.rx[0].counters().wake_ups - woken;
    rig.check_neighbour();
    storm.rage(10_000);
    let written = storm.stop();
    let reported = rig.driver.pending().iter().filter(|event| matches!(event, Event::Readable { .. })).count();
    assert!(written > 1000, "{written} signals are no storm");
    assert!(woken < 1000, "{woken} wake-ups for {written} signals");
    assert!(reported < 1000, "{reported} events for {written} signals");
    rig.driver.forget_events();
    cross(&mut link, &mut peer);
    drop(peer);
    rig.disconnected(link);
    rig.finish();
}

pub(crate) fn f13_slave_descriptors() {
    let inherited = Census::inherited();
    let mut rig = SlaveRig::new();
    let (mut link, mut peer) = rig.link();
    cross(&mut link, &mut peer);
    assert_eq!(Census::inherited(), inherited, "descriptors that a child process would inherit");
    let mine = memory_files();
    // The master's own copies are two per region (one for its mapping); a slave needs none after the handshake.
    let theirs: usize = peer.regions.len() * 2;
    let neighbours = rig.quiet().fds.iter().filter(|(n, _)| n.contains("memfd:")).map(|(_, n)| n).sum::<usize>();
    assert_eq!(mine, neighbours + theirs, "memory files stay open: {:?}", Census::now());
    drop(peer);
    rig.disconnected(link);
    rig.finish();
}
