//! Memory that is taken away: holes and cuts (F5, F6).

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use memif::{Breach, ConnectError, InterfaceConfig, Link, Memory, RecvError, SendError};
use testkit::shared::huge_pages_left;
use testkit::{Descriptor, FileKind, Layout, ScriptedSlave, SharedFile, SlavePlan};

use crate::common::{MasterRig, Rig, SlaveRig, cross};

/// Which queues of a link are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    Rx,
    Tx,
    Both,
}

/// Uses a link until it says that it is down: the breach.
#[track_caller]
fn until_down(link: &mut Link, which: Use) -> Breach {
    until_down_counting(link, which, &AtomicU32::new(0))
}

/// As [`until_down`], counting the rounds for another thread.
#[track_caller]
fn until_down_counting(link: &mut Link, which: Use, rounds: &AtomicU32) -> Breach {
    let mut patience = testkit::Patience::default();
    while patience.more() {
        rounds.fetch_add(1, Ordering::Release);
        if which != Use::Rx {
            match link.tx[0].send(&[4; 5000]) {
                Ok(()) | Err(SendError::Full | SendError::TooLong { .. }) => {}
                Err(SendError::Breach(breach)) => return breach,
                Err(other) => panic!("{other:?}"),
            }
        }
        if which != Use::Tx {
            match link.rx[0].recv(64) {
                Ok(mut batch) => (&mut batch).into_iter().for_each(|packet| drop(packet.to_vec())),
                Err(RecvError::Breach(breach)) => return breach,
                Err(other) => panic!("{other:?}"),
            }
        }
    }
    panic!("the link never went down");
}

/// Uses a link for a while, whatever happens to it; whether it is up.
fn use_for_a_while(link: &mut Link) -> bool {
    for _ in 0..2000 {
        match link.tx[0].send(&[4; 5000]) {
            Ok(()) | Err(SendError::Full | SendError::TooLong { .. }) => {}
            Err(SendError::Breach(_) | SendError::Disconnected) => return false,
            Err(other) => panic!("{other:?}"),
        }
        match link.rx[0].recv(64) {
            Ok(mut batch) => (&mut batch).into_iter().for_each(|packet| drop(packet.to_vec())),
            Err(RecvError::Breach(_) | RecvError::Disconnected) => return false,
            Err(other) => panic!("{other:?}"),
        }
    }
    true
}

pub(crate) fn f05_master_hole_under_a_ring() {
    // Sealed against shrinking, which does not forbid holes.
    let mut rig = MasterRig::new();
    for (at, len) in [(0, 4096), (4096, 8192), (0, 1 << 20)] {
        let (mut link, mut peer) = rig.link();
        cross(&mut link, &mut peer);
        for _ in 0..20 {
            peer.tx[0].send(&[1; 3000]);
        }
        peer.memory.regions[0].punch(at, len);
        let up = use_for_a_while(&mut link);
        rig.check_neighbour();
        assert!(rig.driver.details(rig.key).link_up == up || !up);
        drop(peer);
        rig.disconnected(link);
        rig.driver.forget_events();
        rig.settle();
    }
    rig.finish();
}

pub(crate) fn f05_slave_hole_under_a_ring() {
    let mut rig = SlaveRig::new();
    for (at, len) in [(0, 4096), (4096, 8192), (0, 1 << 20)] {
        let (mut link, mut peer) = rig.link();
        cross(&mut link, &mut peer);
        for _ in 0..20 {
            peer.tx[0].send(&[1; 3000]);
        }
        peer.regions[0].punch(at, len);
        use_for_a_while(&mut link);
        rig.check_neighbour();
        peer.tx.clear();
        drop(peer);
        rig.disconnected(link);
        rig.settle();
    }
    rig.finish();
}

/// Plans whose memory can be cut, and the region to cut.
fn cuttable(huge: bool) -> Vec<(SlavePlan, usize)> {
    if huge {
        let plan = SlavePlan { layout: Layout::Pool(8 << 20), buffers_file: FileKind::Huge, ..SlavePlan::default() };
        return vec![(plan, 1)];
    }
    let mut plans = Vec::new();
    for kind in [FileKind::Sealable, FileKind::Unsealable, FileKind::Tmpfs] {
        // Rings and buffers, and buffers alone.
        plans.push((SlavePlan { rings_file: kind, ..SlavePlan::default() }, 0));
        let plan = SlavePlan { layout: Layout::RingsApart, buffers_file: kind, ..SlavePlan::default() };
        plans.push((plan, 1));
    }
    plans
}

pub(crate) fn f06_master_cut_before_connect() {
    let mut rig = MasterRig::new();
    for (plan, region) in cuttable(false) {
        for keep in [0, 4096] {
            let slave = ScriptedSlave::connect(&rig.address);
            let memory = testkit::SlaveMemory::new(&plan);
            let mut script = testkit::Script::new(&plan, &memory);
            let connect = script.remove("CONNECT");
            slave.run(&plan, &script).unwrap();
            memory.regions[region].truncate(keep).unwrap();
            script.0 = vec![connect];
            let refusal = slave.run(&plan, &script).unwrap_err();
            drop((slave, memory, script));
            let (breach, _) = rig.agreed(&refusal);
            assert!(
                matches!(breach, memif::Refusal::Breach(Breach::RegionFile { index, file, .. })
                    if usize::from(index) == region && file == keep),
                "{breach:?}"
            );
            rig.settle();
        }
    }
    rig.finish();
}

pub(crate) fn f06_master_cut_while_idle() {
    let mut rig = MasterRig::new();
    // Each kind of queue has to notice by itself, after the link was used and before.
    for which in [Use::Rx, Use::Tx, Use::Both] {
        for used in [true, false] {
            for (plan, region) in cuttable(false) {
                let (mut link, mut peer) = rig.link_as(&plan);
                if used {
                    cross(&mut link, &mut peer);
                }
                // Something is on the ring, so that a receiver touches its buffers, too.
                peer.tx[0].send(&[1; 3000]);
                peer.memory.regions[region].truncate(0).unwrap();
                let breach = until_down(&mut link, which);
                assert_eq!(breach, Breach::MemoryGone, "{which:?} {plan:?}");
                assert_eq!(rig.breached(link, peer), Breach::MemoryGone);
            }
        }
    }
    // Asking how a link stands reads rings that are not there.
    for (plan, region) in cuttable(false) {
        let (mut link, mut peer) = rig.link_as(&plan);
        peer.tx[0].send(&[1; 3000]);
        peer.memory.regions[region].truncate(0).unwrap();
        let _ = rig.driver.details(rig.key);
        let _ = rig.driver.details(rig.key);
        assert_eq!(until_down(&mut link, Use::Both), Breach::MemoryGone, "{plan:?}");
        assert_eq!(rig.breached(link, peer), Breach::MemoryGone);
    }
    rig.finish();
}

fn cut_in_traffic(huge: bool) {
    let mut rig = MasterRig::new();
    for (plan, region) in cuttable(huge) {
        for _ in 0..5 {
            let (mut link, mut peer) = rig.link_as(&plan);
            cross(&mut link, &mut peer);
            let rounds = Arc::new(AtomicU32::new(0));
            let counted = rounds.clone();
            let traffic = std::thread::spawn(move || {
                let breach = until_down_counting(&mut link, Use::Both, &counted);
                (link, breach)
            });
            for _ in 0..50 {
                if !peer.tx[0].try_send(&[1; 3000]) {
                    break;
                }
            }
            testkit::eventually("traffic", || (rounds.load(Ordering::Acquire) > 100).then_some(()));
            peer.memory.regions[region].truncate(0).unwrap();
            // From here on this side must not touch what it has cut. Where that is the buffers alone it goes on
            // announcing packets; the other way the library touches its rings at every call.
            while region == 1 && !traffic.is_finished() {
                if peer.tx[0].free() > 0 {
                    let place = peer.tx[0].place(peer.tx[0].head());
                    let (region, offset) = (place.region, place.offset);
                    peer.tx[0].put(Descriptor { region, offset, length: 2048, ..Descriptor::default() });
                    peer.tx[0].publish();
                }
                std::thread::yield_now();
            }
            let (link, breach) = traffic.join().unwrap();
            assert_eq!(breach, Breach::MemoryGone);
            assert_eq!(rig.breached(link, peer), Breach::MemoryGone);
        }
    }
    rig.finish();
}

pub(crate) fn f06_master_cut_in_traffic() {
    cut_in_traffic(false);
}

pub(crate) fn f06_master_cut_huge_pages() {
    cut_in_traffic(true);
}

/// A master punches holes into huge pages that were sealed, and somebody takes the pages.
pub(crate) fn f05_slave_hole_in_own_huge_pages() {
    for which in [Use::Rx, Use::Tx, Use::Both] {
        let config = InterfaceConfig::slave(0).ring_size(256).huge_pages(true);
        let mut rig = SlaveRig::with(config);
        let (mut link, mut peer) = rig.link();
        // Every page is there before the first packet: no limit can strike later.
        let made = rustix::fs::fstat(&peer.regions[1]).unwrap().st_blocks;
        assert_eq!(u64::try_from(made).unwrap() * 512, peer.regions[1].size());
        cross(&mut link, &mut peer);
        peer.tx[0].send(&[1; 3000]);
        let region = &peer.regions[1];
        assert!(region.truncate(0).is_err(), "sealed");
        region.punch(0, region.size());
        let left = huge_pages_left();
        let hog = SharedFile::create(FileKind::Huge, left << 21);
        (0..left).for_each(|page| hog.write(page << 21, &[1]));
        assert_eq!(huge_pages_left(), 0);
        assert_eq!(until_down(&mut link, which), Breach::MemoryGone);
        assert_eq!(rig.driver.breached(rig.key), Breach::MemoryGone);
        assert!(peer.end().is_some());
        rig.down();
        drop((link, peer));
        // No page is left for the next link, and it is said what to do.
        rig.driver.set_admin_up(rig.key, true);
        rig.master.serve_with(|_| testkit::Reply::Usual).map(|_| ()).unwrap_err();
        let error = rig.driver.connect_failed(rig.key).to_string();
        assert!(error.contains("sysctl vm.nr_hugepages"), "{error}");
        rig.down();
        drop(hog);
        rig.finish();
    }
}

/// A master that maps ahead makes no memory for a slave that has none behind its file.
pub(crate) fn f05_master_prefault_of_sparse_files() {
    let (size, kinds) = (48 << 20, [FileKind::Sealed, FileKind::Unsealable]);
    for kind in kinds {
        let mut rig = MasterRig::with(InterfaceConfig::master(0).prefault(true));
        let layout = Layout::Pool(size);
        let plan = SlavePlan { layout, buffers_file: kind, ..SlavePlan::default() };
        let (mut link, mut peer) = rig.link_as(&plan);
        assert_eq!(peer.memory.regions[1].allocated(), 0, "bytes that were made");
        cross(&mut link, &mut peer);
        drop((link, peer));
        rig.finish();
    }
}

/// A slave that makes all pages ahead has them when the master gets to see its files.
pub(crate) fn prefaulted_slaves_have_every_page() {
    for (prefault, memory) in [(true, Memory::OneRegion), (true, Memory::RingsApart), (false, Memory::OneRegion)] {
        let config = InterfaceConfig::slave(0).memory(memory).prefault(prefault);
        let mut rig = SlaveRig::with(config);
        let (link, peer) = rig.link();
        for region in peer.regions.iter() {
            assert_eq!(region.allocated() >= region.size(), prefault, "{}", region.size());
        }
        drop((link, peer));
        rig.down();
        rig.finish();
    }
}

/// A master that has the file of a slave's caller cannot spoil it for the next one.
pub(crate) fn f06_slave_callers_file_takes_no_seals() {
    use rustix::fs::{SealFlags, fcntl_add_seals};

    let size = 4 << 20;
    let file = SharedFile::create(FileKind::Sealable, size);
    let fd: Arc<OwnedFd> = Arc::new(file.duplicate());
    let memory = Memory::File { fd: fd.clone(), size };
    let mut rig = SlaveRig::with(InterfaceConfig::slave(0).ring_size(256).memory(memory));
    let (link, peer) = rig.link();
    assert_eq!(fcntl_add_seals(&peer.regions[1], SealFlags::FUTURE_WRITE), Err(rustix::io::Errno::PERM));
    drop(peer);
    rig.disconnected(link);
    rig.settle();
    rig.finish();
    drop((file, fd));
}

pub(crate) fn f06_slave_callers_file_cut() {
    let kinds = [FileKind::Unsealable, FileKind::Tmpfs];
    for (kind, which) in kinds.into_iter().flat_map(|k| [(k, Use::Rx), (k, Use::Tx), (k, Use::Both)]) {
        let size = 4 << 20;
        let file = SharedFile::create(kind, size);
        let fd: Arc<OwnedFd> = Arc::new(file.duplicate());
        let memory = Memory::File { fd: fd.clone(), size };
        let mut rig = SlaveRig::with(InterfaceConfig::slave(0).ring_size(256).memory(memory));
        let (mut link, mut peer) = rig.link();
        cross(&mut link, &mut peer);
        // The master has the file, too.
        peer.tx[0].send(&[1; 3000]);
        peer.regions[1].truncate(0).unwrap();
        let breach = until_down(&mut link, which);
        assert_eq!(breach, Breach::MemoryGone);
        assert_eq!(rig.driver.breached(rig.key), Breach::MemoryGone);
        assert!(peer.end().is_some());
        rig.down();
        drop((link, peer));
        // As long as the file is short there is no link, and it is said why.
        rig.driver.set_admin_up(rig.key, true);
        rig.master.serve_with(|_| testkit::Reply::Usual).map(|_| ()).unwrap_err();
        let error = rig.driver.connect_failed(rig.key);
        assert!(matches!(&error, ConnectError::Local(what) if what.to_string().contains("short")), "{error:?}");
        rig.down();
        file.truncate(size).unwrap();
        rig.finish();
        drop((file, fd));
    }
}
