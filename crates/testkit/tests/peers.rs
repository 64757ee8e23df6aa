//! The scripted peers against each other: what they say and what they do agrees, in every dialect.

use std::sync::atomic::{AtomicBool, Ordering};

use testkit::suite::WATCHDOG;
use testkit::traffic::{InOrder, packet};
use testkit::{
    Address, Census, Dialect, Layout, MasterPlan, Need, Refusal, Reply, ScriptedMaster, SlaveLink, SlavePlan, Suite,
    VppLikeMaster, VppLikeSlave, eventually,
};

fn main() {
    Suite::new()
        .test("all_dialects_understand_each_other", &[], all_dialects_understand_each_other)
        .test("vpp_with_huge_pages", &[Need::HugePages(8)], vpp_with_huge_pages)
        .test("refusals_are_reported", &[], refusals_are_reported)
        .test("masters_can_be_told_what_to_answer", &[], masters_can_be_told_what_to_answer)
        .building(build_unwatched)
        .test("building_is_not_watched", &[], run_watched)
        .run()
}

/// Scripted peers refuse bytes that mean nothing, since the library must not send any.
fn clean(dialect: Dialect) -> Dialect {
    Dialect { garbage: false, ..dialect }
}

fn exchange(link: &mut SlaveLink, master: &mut testkit::MasterLink, lengths: &[usize]) {
    for round in 0u64.. {
        if round == 40 {
            break;
        }
        let (mut up, mut down) = (InOrder::of(1), InOrder::of(2));
        for (sequence, len) in (0u64..).zip(lengths) {
            link.tx[0].send(&packet(1, sequence, *len));
            up.take(&master.rx[0].wait());
            master.tx[0].send(&packet(2, sequence, *len));
            down.take(&link.rx[0].wait());
        }
    }
    let packets = 40 * lengths.len() as u64;
    assert_eq!((link.tx[0].tally.packets, link.rx[0].tally.packets), (packets, packets));
    assert_eq!((master.tx[0].tally.bytes, master.rx[0].tally.bytes), (link.rx[0].tally.bytes, link.tx[0].tally.bytes));
}

fn all_dialects_understand_each_other() {
    let before = Census::now();
    let dialects = [Dialect::PLAIN, Dialect::LIBMEMIF, Dialect::VPP_INTERRUPT];
    for master in dialects.iter().copied().chain([Dialect::VPP, Dialect::DPDK]) {
        for slave in dialects {
            let layout = if slave == Dialect::LIBMEMIF { Layout::RingsApart } else { Layout::OneRegion };
            let (master, slave) = (clean(master), clean(slave));
            let address = Address::fresh_abstract();
            let listener = ScriptedMaster::bind(&address, MasterPlan::of(master));
            let served = std::thread::spawn(move || listener.serve());
            let plan = SlavePlan { log2: 4, dialect: slave, layout, ..SlavePlan::default() };
            let mut link = SlaveLink::connect(&address, &plan);
            let mut peer = served.join().unwrap();
            // DPDK 22.11 as a sender leaves NEXT where a chain began; that is for tests of a receiver.
            exchange(&mut link, &mut peer, &[16, 64, 1500, 2048, 2049, 9000]);
        }
    }
    Census::wait_back_to(&before);
}

fn vpp(huge_pages: bool) {
    let before = Census::now();
    for (zero_copy, ip) in [(true, false), (true, true), (false, true)] {
        let address = Address::fresh();
        let mut master = VppLikeMaster::bind(&address, false);
        master.0.plan.mode = u8::from(ip);
        master.0.plan.dialect = clean(Dialect::VPP);
        let served = std::thread::spawn(move || master.serve());
        let slave = VppLikeSlave { zero_copy, ip, huge_pages, log2: 6, ..VppLikeSlave::default() };
        let mut plan = slave.plan(14, 256, 256);
        plan.dialect = clean(plan.dialect);
        let mut link = SlaveLink::connect(&address, &plan);
        let mut peer = served.join().unwrap();
        exchange(&mut link, &mut peer, &[64, 1500, 3000]);
    }
    Census::wait_back_to(&before);
}

fn vpp_with_huge_pages() {
    vpp(true);
}

fn refusals_are_reported() {
    vpp(false);
    let address = Address::fresh_abstract();
    let listener = ScriptedMaster::bind(
        &address,
        MasterPlan { ids: Some(vec![7]), secret: b"s".to_vec(), ..MasterPlan::default() },
    );
    let served = std::thread::spawn(move || {
        for _ in 0..3 {
            assert!(listener.serve_with(|_| Reply::Usual).is_err());
        }
    });
    let refused = |plan: SlavePlan| SlaveLink::try_connect(&address, &plan, |_| ()).unwrap_err();
    let init = |reason: &str| Refusal { at: "INIT".to_owned(), reason: Some(reason.to_owned()) };
    assert_eq!(refused(SlavePlan::id(6)), init("no such interface"));
    assert_eq!(refused(SlavePlan::id(7)), init("incorrect secret"));
    let plan = SlavePlan { mode: 1, ..SlavePlan::id(7) };
    assert_eq!(refused(plan), init("mode mismatch"));
    served.join().unwrap();
}

fn masters_can_be_told_what_to_answer() {
    let address = Address::fresh_abstract();
    let listener = ScriptedMaster::bind(&address, MasterPlan::default());
    let served = std::thread::spawn(move || {
        listener.serve_with(|point| if point.is_after(4) { Reply::Close } else { Reply::Usual })
    });
    let refusal = SlaveLink::try_connect(&address, &SlavePlan::default(), |_| ()).unwrap_err();
    assert_eq!((refusal.at.as_str(), refusal.reason), ("ADD_REGION 0", None));
    let ending = served.join().unwrap().unwrap_err();
    assert!(ending.closed_here && ending.left_safely());
    assert_eq!(ending.said.iter().map(testkit::wiremsg::Message::kind).collect::<Vec<_>>(), [3, 4]);
}

static BUILT: AtomicBool = AtomicBool::new(false);

/// What a test is built from is built first, without a time limit.
fn build_unwatched() {
    assert!(!is_watched());
    BUILT.store(true, Ordering::Relaxed);
}

fn run_watched() {
    assert!(BUILT.load(Ordering::Relaxed));
    eventually("the watchdog", || is_watched().then_some(()));
}

/// Whether a test of this process is under a watchdog.
fn is_watched() -> bool {
    let threads = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let mut names = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("comm")).ok());
    names.any(|name| name.trim() == WATCHDOG)
}
