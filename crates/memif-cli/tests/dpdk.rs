//! The command against DPDK's own memif driver, `dpdk-testpmd`, as server and as client.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed step is a failed test")]

mod util;

use std::path::Path;

use testkit::testpmd::Options;
use testkit::{Need, Suite, Testpmd, eventually};
use util::processes::{children, of_threads, sleeps};
use util::{Directory, Program, abstract_name, memif};

const NEEDS: &[Need] = &[Need::Root, Need::Program("dpdk-testpmd"), Need::Program("stdbuf")];

fn main() {
    Suite::new()
        .alone()
        .test("ping_a_server", NEEDS, ping_a_server)
        .test("ping_a_client", NEEDS, ping_a_client)
        .test("ping_over_an_abstract_name_with_a_secret", NEEDS, ping_over_an_abstract_name_with_a_secret)
        .test("ping_on_a_vlan", NEEDS, ping_on_a_vlan)
        .test("surplus_queues_of_a_server", NEEDS, surplus_queues_of_a_server)
        .test("queues_of_a_server_are_found", NEEDS, queues_of_a_server_are_found)
        .test("responder_opposite_a_server", NEEDS, || responder_opposite("server", 1))
        .test("responder_opposite_a_client", NEEDS, || responder_opposite("client", 1))
        .test("responder_opposite_a_server_of_4_queues", NEEDS, || responder_opposite("server", 4))
        .test("responder_opposite_a_client_of_4_queues", NEEDS, || responder_opposite("client", 4))
        .test("ping_a_client_of_several_queues", NEEDS, ping_a_client_of_several_queues)
        .test("ping_a_server_of_several_queues", NEEDS, ping_a_server_of_several_queues)
        .test("a_client_with_too_many_queues", NEEDS, a_client_with_too_many_queues)
        .test("bench_opposite_a_client_of_4_queues", NEEDS, bench_opposite_a_client_of_4_queues)
        .run()
}

/// Bytes that `ping` sends beyond the headers.
const SIZES: [u32; 4] = [64, 1500, 2048, 9000];
/// How often.
const COUNT: u64 = 20;

/// Options of a testpmd that answers pings.
fn icmpecho(role: &'static str, socket: &Path) -> Options {
    let mut options = Options::new(role, socket, "icmpecho");
    options.jumbo = true;
    options
}

/// Arguments of `ping`.
fn arguments(socket: &str, role: &str, size: u32) -> String {
    format!(
        "ping 192.168.1.1 --socket {socket} --role {role} --interval 0.01 --size {size} --timeout 30 \
         --connect-timeout 30"
    )
}

/// What `ping` says when all is well.
fn all_received() -> String {
    format!("{COUNT} packets transmitted, {COUNT} received, 0% packet loss")
}

/// testpmd counts what a pinger counts, as long as they are linked: then its figures read as zero.
#[track_caller]
fn counted_alike(testpmd: &mut Testpmd, mut pinger: Program) {
    pinger.expect(&format!("icmp_seq={COUNT} "));
    eventually("as many answers of testpmd as requests", || {
        let stats = testpmd.stats();
        let (received, sent) = (stats.get("RX-packets"), stats.get("TX-packets"));
        // One packet more than requests at least: ARP.
        (received > COUNT && received == sent).then_some(())
    });
    // Forwarding ends before the link goes down, as DPDK asks for.
    testpmd.stop();
    pinger.kill();
}

fn ping_a_server() {
    let directory = Directory::new();
    let socket = directory.path("memif.sock");
    for size in SIZES {
        let mut testpmd = Testpmd::spawn(&icmpecho("server", &socket));
        testpmd.start();
        let arguments = arguments(&directory.text("memif.sock"), "slave", size);
        counted_alike(&mut testpmd, memif(&arguments));
        testpmd.start();
        memif(&format!("{arguments} --count {COUNT}")).finish().code(0).says(&all_received());
        testpmd.kill();
        std::fs::remove_file(&socket).expect("the socket file of a server that was killed");
    }
}

fn ping_a_client() {
    for size in SIZES {
        let directory = Directory::new();
        let socket = directory.path("memif.sock");
        let arguments = arguments(&directory.text("memif.sock"), "master", size);
        let start = |more: &str| {
            // A pinger that was killed left its own socket file, which the next one replaces.
            let _ = std::fs::remove_file(&socket);
            let pinger = memif(&format!("{arguments} {more}"));
            // A client tries once, when its port starts.
            eventually("the socket of the pinger", || socket.exists().then_some(()));
            pinger
        };
        let pinger = start("");
        let mut testpmd = Testpmd::spawn(&icmpecho("client", &socket));
        testpmd.start();
        counted_alike(&mut testpmd, pinger);
        let pinger = start(&format!("--count {COUNT}"));
        testpmd.restart_stopped_port();
        pinger.finish().code(0).says(&all_received());
        testpmd.kill();
    }
}

/// testpmd answers on whatever VLAN the question came from, with the same tag.
fn ping_on_a_vlan() {
    let directory = Directory::new();
    let mut testpmd = Testpmd::spawn(&icmpecho("server", &directory.path("memif.sock")));
    testpmd.start();
    let arguments = arguments(&directory.text("memif.sock"), "slave", 1000);
    memif(&format!("{arguments} --count {COUNT} --vlan 7")).finish().code(0).says(&all_received());
    testpmd.kill();
}

fn ping_over_an_abstract_name_with_a_secret() {
    let name = abstract_name();
    let mut options = icmpecho("server", Path::new(&name[1..]));
    options.is_abstract = true;
    options.secret = Some("hunter2".to_owned());
    let mut testpmd = Testpmd::spawn(&options);
    memif(&format!("ping 192.168.1.1 --socket {name} --secret hunter3 --connect-timeout 1"))
        .finish()
        .code(2)
        .complains("Incorrect secret");
    testpmd.start();
    let right = format!("{} --secret hunter2", arguments(&name, "slave", 64));
    counted_alike(&mut testpmd, memif(&right));
    testpmd.start();
    memif(&format!("{right} --count {COUNT}")).finish().code(0).says(&all_received());
}

/// A server with two queues: a slave with one says what is lost and which option helps, and where it is the answers
/// that are lost.
fn surplus_queues_of_a_server() {
    let directory = Directory::new();
    let socket = directory.path("memif.sock");
    let mut options = icmpecho("server", &socket);
    options.queues = 2;
    let mut testpmd = Testpmd::spawn(&options);
    testpmd.start();
    // Its second queue has nothing to answer: nothing is lost, and nothing is said.
    let ping = format!("{} --count {COUNT}", arguments(&directory.text("memif.sock"), "slave", 64));
    for more in ["", "--rx-queues 2", "--queues 2"] {
        let ended = memif(&format!("{ping} {more}")).finish().code(0).says(&all_received());
        assert!(!ended.out.contains("DUP!") && !ended.err.contains("more queues"), "{ended:#?}");
    }
    testpmd.stop();
    // Another one: a queue that had a ring on an earlier link keeps its place, and what it sends there tells nothing.
    let socket = directory.path("other.sock");
    let mut options = Options::new("server", &socket, "txonly");
    options.queues = 2;
    let mut testpmd = Testpmd::spawn(&options);
    let told = "transmits on more queues than this link has receive queues (1)";
    let mut responder = memif(&format!("responder --socket {} --ip 192.168.1.2 --json", socket.display()));
    responder.expect("\"type\":\"connected\"");
    testpmd.start();
    responder.expect("\"type\":\"surplus_queues\"");
    testpmd.stop();
    responder.terminate();
    responder.finish().code(0).says(told).says("--rx-queues auto");
    // Nobody answers. The hint comes with it. Nothing is asked of this testpmd once the link is down.
    testpmd.start();
    memif(&format!("ping 192.168.1.1 --socket {} --timeout 1", socket.display()))
        .finish()
        .code(1)
        .complains(told)
        .complains("nobody answered ARP")
        .complains("--rx-queues auto");
}

/// `--rx-queues auto` brings as many as the server has, and then nothing is lost.
fn queues_of_a_server_are_found() {
    let directory = Directory::new();
    let socket = directory.path("memif.sock");
    let mut options = Options::new("server", &socket, "txonly");
    options.queues = 2;
    let mut testpmd = Testpmd::spawn(&options);
    let mut responder =
        memif(&format!("responder --socket {} --ip 192.168.1.2 --rx-queues auto --json", socket.display()));
    responder.expect("\"rx_queues\":2,\"tx_queues\":1");
    testpmd.start();
    eventually("packets of testpmd", || (testpmd.stats().get("TX-packets") > 100_000).then_some(()));
    testpmd.stop();
    let sent = testpmd.stats().get("TX-packets");
    eventually("the responder at rest", || asleep("memif").then_some(()));
    responder.terminate();
    responder.finish().code(0).says(&format!("\"received_packets\":{sent},"));
}

/// Receive and transmit queues of a testpmd that answers pings. It answers by the transmit queue of the same number as
/// the receive queue, so it must have as many of those.
const QUEUES: [(u8, u8); 3] = [(4, 4), (2, 4), (1, 3)];

fn queues_of(mut options: Options, (rx, tx): (u8, u8)) -> Options {
    options.queues = rx;
    options.tx_queues = Some(tx);
    options
}

/// A master whose client has more queues than one: without an option all are served, and every answer comes once.
fn ping_a_client_of_several_queues() {
    for queues in QUEUES {
        for limit in ["", "--max-queues 4", "--queues 5"] {
            let directory = Directory::new();
            let socket = directory.path("memif.sock");
            let arguments = arguments(&directory.text("memif.sock"), "master", 56);
            let pinger = memif(&format!("{arguments} {limit} --count {COUNT}"));
            eventually("the socket of the pinger", || socket.exists().then_some(()));
            let mut testpmd = Testpmd::spawn(&queues_of(icmpecho("client", &socket), queues));
            testpmd.start();
            let finished = pinger.finish().code(0).says(&all_received());
            assert!(!finished.out.contains("DUP!"), "{queues:?} {limit}: {finished:#?}");
            testpmd.kill();
        }
    }
}

/// Our slave has as many queues as its server.
fn ping_a_server_of_several_queues() {
    for (rx, tx) in QUEUES {
        let directory = Directory::new();
        let socket = directory.path("memif.sock");
        let mut testpmd = Testpmd::spawn(&queues_of(icmpecho("server", &socket), (rx, tx)));
        testpmd.start();
        let arguments = arguments(&directory.text("memif.sock"), "slave", 56);
        let pinger = memif(&format!("{arguments} --rx-queues {tx} --tx-queues {rx} --count {COUNT}"));
        let finished = pinger.finish().code(0).says(&all_received());
        assert!(!finished.out.contains("DUP!"), "{finished:#?}");
        testpmd.kill();
    }
}

/// What is too much is said at both ends.
fn a_client_with_too_many_queues() {
    let directory = Directory::new();
    let socket = directory.path("memif.sock");
    let arguments = arguments(&directory.text("memif.sock"), "master", 56);
    let mut pinger = memif(&format!("{arguments} --max-queues 2"));
    eventually("the socket of the pinger", || socket.exists().then_some(()));
    let mut options = queues_of(icmpecho("client", &socket), (4, 4));
    options.verbose = true;
    let testpmd = Testpmd::spawn(&options);
    let line = pinger.expect_complaint("bring at most 2 (tx-queues)");
    assert!(line.contains("--max-queues"), "{line}");
    eventually("our words in the output of testpmd", || {
        testpmd.output().contains("bring at most 2 (tx-queues)").then_some(())
    });
    pinger.terminate();
    pinger.finish().code(1);
}

/// A generator sends on all queues, and all that comes back is its own.
fn bench_opposite_a_client_of_4_queues() {
    let directory = Directory::new();
    let socket = directory.path("memif.sock");
    let bench = memif(&format!(
        "bench latency --part generator --role master --socket {} --connect-timeout 30 --seconds 0.2 --rate 2000",
        socket.display()
    ));
    eventually("the socket of the generator", || socket.exists().then_some(()));
    let options = queues_of(Options::new("client", &socket, "macswap"), (4, 4));
    let mut testpmd = Testpmd::spawn(&options);
    testpmd.start();
    let finished = bench.finish().code(0).says("up to 32 queues each way");
    assert!(!finished.err.contains("lost"), "{finished:#?}");
}

/// The responder answers none of flowgen's packets and counts every one.
fn responder_opposite(role: &'static str, queues: u8) {
    let directory = Directory::new();
    let socket = directory.path("memif.sock");
    let ours = if role == "server" { format!("slave --queues {queues}") } else { "master".to_owned() };
    let options = queues_of(Options::new(role, &socket, "flowgen"), (queues, queues));
    let respond = || {
        let mut responder = memif(&format!("responder --socket {} --role {ours}", socket.display()));
        responder.expect("192.168.1.2");
        responder
    };
    // Whoever is the master comes first.
    let (mut testpmd, mut responder) = if role == "server" {
        (Testpmd::spawn(&options), respond())
    } else {
        let responder = respond();
        eventually("the socket of the responder", || socket.exists().then_some(()));
        (Testpmd::spawn(&options), responder)
    };
    responder.expect("connected to \"DPDK ");
    testpmd.start();
    eventually("packets of testpmd", || (testpmd.stats().get("TX-packets") > 10_000).then_some(()));
    testpmd.stop();
    let stats = testpmd.stats();
    let sent = stats.get("TX-packets");
    assert_eq!(stats.get("RX-packets"), 0, "{stats:?}");
    eventually("the responder at rest", || asleep("memif").then_some(()));
    responder.terminate();
    responder
        .finish()
        .code(0)
        .says(&format!("{sent} packets received, 0 echo requests answered, 0 ARP requests answered, {sent} dropped"));
}

/// Whether all threads of this process's children of that name sleep. The responder does when the ring is empty.
fn asleep(name: &str) -> bool {
    let called = |pid: &u32| of_threads(*pid, "comm").iter().any(|comm| comm.trim() == name);
    children(std::process::id()).into_iter().filter(called).all(sleeps)
}
