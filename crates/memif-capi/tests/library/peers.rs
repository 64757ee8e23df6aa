//! Peers that break the rules, attached to a C program with another interface that goes on.

use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use testkit::slave_path::signal;
use testkit::wiremsg::Message;
use testkit::{
    Address, Descriptor, FileKind, Layout, MasterLink, MasterPlan, Reply, Script, ScriptedMaster, ScriptedSlave,
    SlaveLink, SlaveMemory, SlavePlan, SurplusQueue, eventually,
};

use crate::bed::{Bed, Running, output};

const NEXT: u16 = 1;

/// A C program with interface 0 for the hostile peer, and interface 1 for an honest one.
struct Two {
    bed: Bed,
    sender: PathBuf,
    socket: PathBuf,
    _running: Running,
}

impl Two {
    /// Both are masters on one socket, or interface 0 is a slave on another one.
    fn start(other: Option<&str>) -> Self {
        Self::start_with(other, None)
    }

    /// The same with a cache line in the environment.
    fn start_with(other: Option<&str>, line: Option<&str>) -> Self {
        let bed = Bed::new();
        let two = bed.compile("two", &[]);
        let sender = bed.compile("sender", &[]);
        let socket = bed.path("two.sock");
        let mut command = bed.run(&two);
        command.arg(&socket).args(other).envs(line.map(|bytes| ("LIBMEMIF_CACHELINE_SIZE", bytes)));
        let mut running = bed.start(&mut command);
        running.expect("ready");
        let two = Self { bed, sender, socket, _running: running };
        two.neighbour();
        two
    }

    fn address(&self) -> Address {
        Address::Path(self.socket.clone())
    }

    /// A link with interface 0, as soon as the program has noticed that the one before is gone.
    #[track_caller]
    fn attack(&self, plan: &SlavePlan) -> SlaveLink {
        let address = Address::Path(self.socket.clone());
        eventually("a link", || SlaveLink::try_connect(&address, plan, |_| ()).ok())
    }

    /// The other interface works.
    #[track_caller]
    fn neighbour(&self) {
        let mut sender = self.bed.run(&self.sender);
        let said = output(sender.arg(&self.socket).args(["slave", "3000", "64", "1"]));
        assert!(said.contains("sent 3000, back 3000"), "{said}");
    }

    /// So does interface 0, for a peer that behaves.
    #[track_caller]
    fn honest_slave(&self) {
        let mut link = self.attack(&SlavePlan::id(0));
        link.tx[0].send(b"honest");
        assert_eq!(link.rx[0].wait(), b"honest");
        self.neighbour();
        assert!(link.is_up());
    }
}

fn descriptor(flags: u16, region: u16, length: u32, offset: u32) -> Descriptor {
    Descriptor { flags, region, length, offset, metadata: 0 }
}

/// Signals until it is dropped.
struct Storm {
    ends: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Storm {
    fn on(fd: Arc<OwnedFd>) -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        let seen = ends.clone();
        let thread = std::thread::spawn(move || {
            while !seen.load(Ordering::Acquire) {
                signal(fd.as_fd());
            }
        });
        Self { ends, thread: Some(thread) }
    }
}

impl Drop for Storm {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What a slave writes into its rings.
pub(crate) fn hostile_slave_rings() {
    let two = Two::start(None);
    // Descriptors that point outside are dropped; good packets before and after are not.
    for bad in [
        descriptor(0, 9, 64, 0),
        descriptor(0, 0, u32::MAX, 64),
        descriptor(0, 1, 64, u32::MAX - 3),
        descriptor(0, 0, 0, 0),
    ] {
        let mut link = two.attack(&SlavePlan::id(0));
        link.tx[0].send(b"before");
        link.tx[0].put(bad);
        link.tx[0].publish();
        link.tx[0].send(b"after");
        assert_eq!(link.rx[0].wait(), b"before");
        assert_eq!(link.rx[0].wait(), b"after");
        assert!(link.is_up());
    }
    two.neighbour();
    // Posted buffers that are none: packets take the next ones.
    let mut link = two.attack(&SlavePlan::id(0));
    for slot in 0..100 {
        link.memory.m2s[0].ring.set_descriptor(slot, descriptor(0, 7, 2048, u32::MAX));
    }
    link.tx[0].send(b"into the void");
    two.neighbour();
    drop(link);
    // A chain whose end does not come waits, and is whole when it does.
    let mut link = two.attack(&SlavePlan::id(0));
    let place = link.tx[0].place(0);
    link.tx[0].put(descriptor(NEXT, place.region, 4, place.offset));
    link.tx[0].publish();
    two.neighbour();
    let place = link.tx[0].place(1);
    link.tx[0].put(descriptor(0, place.region, 4, place.offset));
    link.tx[0].publish();
    two.neighbour();
    assert!(link.is_up());
    // One that fills the ring never ends.
    for slot in 2..2 + 256 {
        let place = link.tx[0].place(slot);
        link.tx[0].put(descriptor(NEXT, place.region, 4, place.offset));
    }
    link.tx[0].publish();
    assert!(link.end().is_some());
    drop(link);
    two.neighbour();
    // Cursors that cannot be: the receiver starts afresh, or the link goes down.
    for cursor in [257, 0x5555, 0x7fff, 0x8000, 0xffff] {
        let link = two.attack(&SlavePlan::id(0));
        link.memory.m2s[0].ring.set_head(cursor);
        link.memory.s2m[0].ring.set_head(cursor);
        signal((*link.memory.s2m[0].interrupt).as_fd());
        drop(link);
    }
    two.neighbour();
    // Signals for nothing, as fast as they go, and as many as there can be.
    let mut link = two.attack(&SlavePlan::id(0));
    let fd = link.memory.s2m[0].interrupt.clone();
    rustix::io::write(&*fd, &(u64::MAX - 1).to_ne_bytes()).unwrap();
    let storm = Storm::on(fd);
    two.neighbour();
    link.tx[0].send(b"in the storm");
    assert_eq!(link.rx[0].wait(), b"in the storm");
    drop((storm, link));
    two.honest_slave();
}

/// A slave takes its memory away: the program touches it, and lives.
pub(crate) fn hostile_slave_memory() {
    let two = Two::start(None);
    for kind in [FileKind::Sealable, FileKind::Unsealable, FileKind::Tmpfs] {
        for (region, layout) in [(0, Layout::OneRegion), (1, Layout::RingsApart)] {
            let rings = if region == 0 { kind } else { FileKind::Sealed };
            let plan = SlavePlan { rings_file: rings, buffers_file: kind, layout, ..SlavePlan::id(0) };
            for traffic in [false, true] {
                let mut link = two.attack(&plan);
                link.tx[0].send(b"before");
                assert_eq!(link.rx[0].wait(), b"before");
                if traffic {
                    for _ in 0..50 {
                        link.tx[0].try_send(&[1; 1000]);
                    }
                }
                link.memory.regions[region].truncate(0).unwrap();
                if region == 1 {
                    let place = link.tx[0].place(link.tx[0].head());
                    link.tx[0].put(descriptor(0, place.region, 64, place.offset));
                    link.tx[0].publish();
                }
                // It looks whenever it is signalled.
                let storm = Storm::on(link.memory.s2m[0].interrupt.clone());
                assert!(link.end().is_some(), "{plan:?}");
                drop(storm);
            }
        }
        two.neighbour();
    }
    two.honest_slave();
}

/// Handshakes that break off, lie, or say nonsense.
pub(crate) fn hostile_slave_handshakes() {
    let two = Two::start(None);
    let address = two.address();
    let plan = SlavePlan { layout: Layout::RingsApart, ..SlavePlan::id(0) };
    let labels = {
        let memory = SlaveMemory::new(&plan);
        let script = Script::new(&plan, &memory);
        script.labels().iter().map(|label| (*label).to_owned()).collect::<Vec<_>>()
    };
    for label in &labels {
        // Gone after each step, and each step twice, as garbage, and with a message from the other side.
        for how in 0..4 {
            let slave = ScriptedSlave::connect(&address);
            let memory = SlaveMemory::new(&plan);
            let mut script = Script::new(&plan, &memory);
            match how {
                0 => script.end_after(label),
                1 => {
                    let again = script.step(label).clone();
                    script.insert_after(label, again);
                }
                2 => script.step(label).raw = Some(vec![0xff; 128]),
                _ => script.step(label).message = Message::Connected(b"who".to_vec()),
            }
            let _ = slave.run(&plan, &script);
        }
        two.neighbour();
    }
    type Edit = fn(&mut Script);
    let lies: [Edit; 7] = [
        |script| script.ring("ADD_RING S2M 0").offset = u32::MAX - 7,
        |script| script.ring("ADD_RING S2M 0").region = 200,
        |script| script.ring("ADD_RING M2S 0").log2 = 15,
        |script| script.ring("ADD_RING M2S 0").index = 77,
        |script| script.region("ADD_REGION 0").size = u64::MAX,
        |script| script.region("ADD_REGION 1").size = 1 << 40,
        |script| drop(script.remove("ADD_RING M2S 0")),
    ];
    for edit in lies {
        // Whoever asks for less than the default gets a link; nobody gets more than that.
        let _ = SlaveLink::try_connect(&address, &plan, edit);
    }
    two.neighbour();
    let refused = SlaveLink::try_connect(&address, &SlavePlan::id(5), |_| ()).unwrap_err();
    assert!(refused.reason.is_some(), "{refused:?}");
    // Many who say nothing.
    let mute: Vec<_> = (0..60).map(|_| ScriptedSlave::connect(&address)).collect();
    two.neighbour();
    drop(mute);
    two.honest_slave();
}

/// A DPDK server with more queues than the program's slave brings: they get nothing of it, and the details tell.
pub(crate) fn surplus_queues_of_dpdk() {
    let bed = Bed::new();
    let path = bed.path("surplus.sock");
    let master = ScriptedMaster::bind(&Address::Path(path.clone()), MasterPlan::dpdk_server());
    let program = bed.compile("surplus", &[]);
    let mut command = bed.run(&program);
    let mut running = bed.start(command.arg(&path));
    let link = eventually("a link", || master.serve_with(|_| Reply::Usual).ok());
    let mut surplus = SurplusQueue::of(&link);
    assert_eq!(surplus.receive(), None);
    assert!(surplus.send(&[0xee; 60]));
    running.expect("peer transmits on more queues than 1");
}

/// The user says for which cache line the master was built, where that is not the usual one; where the user does not,
/// the reason of the end does.
pub(crate) fn cache_line_of_the_environment() {
    let master = |bed: &Bed, line| {
        let path = bed.path("line.sock");
        let plan = MasterPlan { line, ..MasterPlan::default() };
        (ScriptedMaster::bind(&Address::Path(path.clone()), plan), path)
    };
    let bed = Bed::new();
    for (line, said) in [(128, Some("128")), (64, Some("64")), (64, None), (64, Some(""))] {
        let (master, path) = master(&bed, line);
        let _two = Two::start_with(path.to_str(), said);
        let mut link = eventually("a link", || master.serve_with(|_| Reply::Usual).ok());
        for _ in 0..3 {
            link.tx[0].send(b"honest");
            assert_eq!(link.rx[0].wait(), b"honest");
        }
    }
    for (line, said) in [(128, None), (64, Some("128"))] {
        let (master, path) = master(&bed, line);
        let _two = Two::start_with(path.to_str(), said);
        let link = eventually("a link", || master.serve_with(|_| Reply::Usual).ok());
        link.rx[0].ring.set_tail(2);
        let reason = link.end().expect("DISCONNECT");
        assert!(reason.contains(&format!("at the slave and {line} at the master")), "{reason}");
    }
    let two = bed.compile("two", &[]);
    let mut command = bed.run(&two);
    command.arg(bed.path("two.sock")).arg(bed.path("line.sock")).env("LIBMEMIF_CACHELINE_SIZE", "96");
    let output = command.output().expect("the program starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && errors.contains("nvalid"), "{errors}");
}

/// The program's interface 0 is the slave of a hostile master.
pub(crate) fn hostile_master() {
    let bed = Bed::new();
    let path = bed.path("hostile.sock");
    let master = ScriptedMaster::bind(&Address::Path(path.clone()), MasterPlan::default());
    let two = Two::start(path.to_str());
    let honest = || -> MasterLink {
        let mut link = eventually("a link", || master.serve_with(|_| Reply::Usual).ok());
        link.tx[0].send(b"honest");
        assert_eq!(link.rx[0].wait(), b"honest");
        link
    };
    drop(honest());
    // At each point of the handshake: nonsense, silence, the end.
    for point in 0..6 {
        for how in 0..4 {
            let mut at = 0;
            let _ = master.serve_with(|_| {
                at += 1;
                if at - 1 != point {
                    return Reply::Usual;
                }
                match how {
                    0 => Reply::Raw(vec![0xff; 128], Vec::new()),
                    1 => Reply::Raw(vec![2; 7], Vec::new()),
                    2 => Reply::Say(Message::Connect(b"me".to_vec())),
                    _ => Reply::Close,
                }
            });
        }
        two.neighbour();
    }
    // Packets longer than their buffers, of regions that are not there, and chains without an end.
    for bad in [
        descriptor(0, 1, u32::MAX, 0),
        descriptor(0, 1, 4097, 0),
        descriptor(0, 200, 64, u32::MAX),
        descriptor(NEXT, 1, 64, 0),
    ] {
        let mut link = honest();
        for _ in 0..16 {
            link.tx[0].put(bad);
        }
        link.tx[0].publish();
        two.neighbour();
    }
    let mut link = honest();
    while link.tx[0].free() > 0 {
        link.tx[0].put(descriptor(NEXT, 1, 64, 0));
    }
    link.tx[0].publish();
    assert!(link.end().is_some());
    // Cursors that cannot be.
    for cursor in [300, 0x5555, 0x8000, 0xffff] {
        let link = honest();
        link.tx[0].ring.set_tail(cursor);
        link.rx[0].ring.set_tail(cursor);
        signal((*link.tx[0].interrupt).as_fd());
        two.neighbour();
        drop(link);
    }
    // A storm.
    let link = honest();
    let storm = Storm::on(link.tx[0].interrupt.clone());
    two.neighbour();
    drop((storm, link));
    // Its memory cannot be made smaller.
    let link = honest();
    assert!(link.regions.iter().all(|region| region.truncate(0).is_err()));
    drop(link);
    drop(honest());
    two.neighbour();
}
