//! Row C5: a process that has no descriptors left. It happens in a helper process, which has a limit of its own.

use std::os::fd::AsFd;
use std::time::Duration;

use memif::{Breach, ConnectError, InterfaceConfig};
use testkit::wiremsg::{AddRegion, Init, Message, VERSION};
use testkit::{
    Address, Child, FileKind, MasterPlan, Parent, Received, Reply, ScriptedMaster, ScriptedSlave, SeqSocket,
    SharedFile, SlaveLink, SlavePlan,
};

use crate::common::{Driver, fill, receive, send};

fn path_of(parent: &Parent) -> Address {
    Address::Path(parent.argument(0).into())
}

/// Milliseconds of processor time that the process takes in 300 ms, without using a descriptor.
fn cpu_time() -> u128 {
    let now = || {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        Duration::try_from(time).unwrap()
    };
    let before = now();
    std::thread::sleep(Duration::from_millis(300));
    (now() - before).as_millis()
}

/// The helper: obeys `fill N`, `empty`, `cpu`, and the orders that wait for an event.
fn obey(parent: &Parent, driver: &mut Driver, key: memif::InterfaceKey) {
    let mut held = Vec::new();
    let mut link = None;
    parent.say("ready");
    while let Some(order) = parent.hear() {
        let words: Vec<&str> = order.split_whitespace().collect();
        match words.as_slice() {
            ["fill", room] => {
                fill(&mut held, room.parse().unwrap());
                parent.say("filled");
            }
            ["empty"] => {
                held.clear();
                parent.say("emptied");
            }
            ["cpu"] => parent.say(format!("cpu {}", cpu_time())),
            ["up"] => driver.set_admin_up(key, true),
            ["refused"] => parent.say(format!("refused {:?}", driver.refused().0)),
            ["failed"] => parent.say(format!("failed {:?}", driver.connect_failed(key))),
            ["connected"] => {
                link = Some(driver.connected(key));
                parent.say("connected");
            }
            ["echo"] => {
                let link = link.as_mut().unwrap();
                let packet = receive(&mut link.rx[0]);
                send(&mut link.tx[0], &packet);
                let (got, sent) = (link.rx[0].counters().packets, link.tx[0].counters().packets);
                parent.say(format!("echoed {got} {sent}"));
            }
            other => panic!("{other:?}"),
        }
    }
}

pub(crate) fn master_helper(parent: &Parent) {
    let mut driver = Driver::open(&path_of(parent));
    let key = driver.add(InterfaceConfig::master(0));
    obey(parent, &mut driver, key);
}

pub(crate) fn slave_helper(parent: &Parent) {
    let mut driver = Driver::open(&path_of(parent));
    let key = driver.add(InterfaceConfig::slave(0).ring_size(256).admin_up(false));
    obey(parent, &mut driver, key);
}

fn order(child: &mut Child, order: &str, answer: &str) -> String {
    child.say(order);
    child.expect(answer)
}

fn assert_idle(child: &mut Child) {
    let taken: u64 = order(child, "cpu", "cpu ").parse().unwrap();
    assert!(taken < 150, "{taken} ms of 300 ms taken while no descriptor is left");
}

pub(crate) fn c05_master_fd_exhaustion() {
    let address = Address::fresh();
    let mut child = Child::start("exhausted_master", &[&address.path().display().to_string()]);
    child.expect("ready");
    // A region whose descriptor could not be installed.
    let slave = ScriptedSlave::connect(&address);
    let plan = SlavePlan::default();
    let init = Init { version: VERSION, id: 0, mode: 0, secret: Vec::new(), name: plan.name.clone() };
    slave.socket.send(&Message::Init(init));
    assert_eq!(slave.socket.receive().message(), Message::Ack);
    order(&mut child, "fill 0", "filled");
    let region = SharedFile::create(FileKind::Sealed, 4096);
    let add_region = Message::AddRegion(AddRegion { index: 0, size: 4096 });
    slave.socket.try_send(&add_region.encode(), &[region.as_fd()]).unwrap();
    let refusal = slave.refusal("ADD_REGION 0");
    let expected = Breach::ControlTruncated;
    assert_eq!(refusal.reason(), expected.to_string());
    assert_eq!(order(&mut child, "refused", "refused "), format!("{:?}", memif::Refusal::from(expected)));
    drop(slave);
    // Its descriptor is free: one more connection fits, and no second one. Nothing spins on the waiting ones.
    order(&mut child, "empty", "emptied");
    order(&mut child, "fill 0", "filled");
    let waiting: Vec<SeqSocket> = (0..3).map(|_| SeqSocket::connect(&address)).collect();
    assert_idle(&mut child);
    assert!(waiting.iter().all(|s| matches!(s.peek_within(Duration::ZERO), Received::TimedOut)));
    order(&mut child, "empty", "emptied");
    for socket in waiting {
        assert!(matches!(socket.receive().message(), Message::Hello(_)));
    }
    // A good peer, packets both ways.
    let mut peer = SlaveLink::connect(&address, &plan);
    order(&mut child, "connected", "connected");
    peer.tx[0].send(b"to the master and back");
    assert_eq!(order(&mut child, "echo", "echoed "), "1 1");
    assert_eq!(peer.rx[0].wait(), b"to the master and back");
    child.finish();
}

pub(crate) fn c05_slave_fd_exhaustion() {
    let address = Address::fresh();
    let master = ScriptedMaster::bind(&address, MasterPlan::default());
    let mut child = Child::start("exhausted_slave", &[&address.path().display().to_string()]);
    child.expect("ready");
    // No socket, and no memory for a link: both are told, repeated, and cost no core.
    order(&mut child, "fill 0", "filled");
    child.say("up");
    let failed = order(&mut child, "failed", "failed ");
    assert!(failed.starts_with("Local("), "{failed}");
    assert_idle(&mut child);
    order(&mut child, "empty", "emptied");
    let mut link = master.serve();
    order(&mut child, "connected", "connected");
    link.tx[0].send(b"to the slave and back");
    assert_eq!(order(&mut child, "echo", "echoed "), "1 1");
    assert_eq!(link.rx[0].wait(), b"to the slave and back");
    drop(child);
    drop(link);
    let mut child = Child::start("exhausted_slave", &[&address.path().display().to_string()]);
    child.expect("ready");
    order(&mut child, "fill 2", "filled");
    child.say("up");
    let ending = master.serve_with(|_| Reply::Usual).map(|_| ()).unwrap_err();
    assert!(ending.left_safely(), "{ending:?}");
    let failed = order(&mut child, "failed", "failed ");
    assert!(failed.starts_with("Local("), "{failed}");
    order(&mut child, "empty", "emptied");
    let mut link = serve_until_good(&master);
    order(&mut child, "connected", "connected");
    link.tx[0].send(b"to the slave and back");
    assert_eq!(order(&mut child, "echo", "echoed "), "1 1");
    assert_eq!(link.rx[0].wait(), b"to the slave and back");
    child.finish();
    let _ = ConnectError::NotFound;
}

/// Connections that were begun while descriptors were missing fail first.
fn serve_until_good(master: &ScriptedMaster) -> testkit::MasterLink {
    testkit::eventually("a good connection", || master.serve_with(|_| Reply::Usual).ok())
}
