//! Accidents of either side, and rest.

use std::fs;

use rustix::process::Signal;
use testkit::{Namespace, eventually};

use crate::bed::{Pair, Single, TAP, bridge, has_carrier, ping};
use crate::pair::serve_file;
use crate::util::processes::of_threads;
use crate::util::{Directory, memif, start};

pub(crate) fn either_bridge_killed_in_traffic() {
    for end in 0..2 {
        // Devices that outlive their bridges, and keep their addresses.
        let mut pair = Pair::prepared("", |namespace| {
            namespace.ip(&format!("tuntap add dev {TAP} mode tap"));
        });
        let (sent, _server) = serve_file(&pair);
        let to = pair.directory.path("received");
        let mut curl = pair.namespaces[0].command("curl");
        curl.args(["-sS", "-f", "--limit-rate", "12M", "-o"]).arg(&to);
        curl.arg("http://10.0.0.2:8000/sent");
        let curl = start(curl, "curl");
        let received = || fs::metadata(&to).map_or(0, |file| file.len());
        for part in [4 << 20, 16 << 20] {
            eventually("some of the file", || (received() > part).then_some(()));
            assert!(received() < sent.len() as u64, "it was not in traffic");
            pair.replace(end);
        }
        curl.finish().code(0);
        assert!(fs::read(to).expect("the file") == sent, "other bytes arrived");
        // The one that lived has seen it twice.
        let other = &mut pair.bridges[1 - end];
        other.expect("link down");
        other.expect("link down");
        other.terminate();
        other.expect("to memif:");
    }
}

pub(crate) fn figures_are_told_while_it_goes_on() {
    let mut single = Single::new("slave", "", "");
    for (replies, answers) in [(5_u64, "-c 5 -i 0.01"), (25, "-c 20 -i 0.01")] {
        single.ping(answers);
        // The last packets are counted just after they were passed on.
        eventually("figures of all replies", || {
            single.bridge.signal(Signal::USR1);
            let line = single.bridge.expect_complaint("so far: tap0: to memif: ");
            let packets = |after: &str| -> u64 {
                let (_, rest) = line.split_once(after).expect("both ways");
                rest.split(' ').next().and_then(|number| number.parse().ok()).expect("a number")
            };
            (packets("to memif: ") >= replies && packets("from memif: ") >= replies).then_some(())
        });
    }
    single.bridge.terminate();
    single.bridge.expect("to memif:");
}

pub(crate) fn device_stays_while_the_peer_is_away() {
    for role in ["slave", "master"] {
        let mut single = Single::new(role, "", "");
        for killed in [true, false] {
            single.ping("-c 5 -i 0.01");
            assert!(has_carrier(&single.namespace));
            if killed {
                single.responder.kill_now();
            } else {
                single.responder.terminate();
            }
            single.bridge.expect("link down");
            assert!(!has_carrier(&single.namespace));
            single.respond_again();
            single.bridge.expect("connected to");
            assert!(has_carrier(&single.namespace));
        }
        // Its address is still there, and so are its neighbours.
        single.ping("-f -c 1000");
    }
}

pub(crate) fn first_packet_of_each_link_is_answered() {
    for role in ["slave", "master"] {
        // Without ARP, which would try again.
        let mut single = Single::new(role, "--mode ip", "");
        let other = if role == "slave" { "master" } else { "slave" };
        let ping = format!("ping 192.168.1.1 --role {other} --mode ip --count 1 --socket {}", single.socket());
        single.responder.kill_now();
        for _ in 0..12 {
            single.bridge.expect("link down");
            // The kernel has closed its queues to the device.
            eventually("the device is down for the kernel", || {
                single.namespace.ip(&format!("link show dev {TAP}")).contains("state DOWN").then_some(())
            });
            memif(&ping).finish().code(0).says("1 received");
        }
        // A device that is set down is not waited for.
        single.bridge.expect("link down");
        single.namespace.ip(&format!("link set dev {TAP} down"));
        memif(&format!("{ping} --timeout 0.1")).finish().code(1);
        single.bridge.expect("link down");
        single.bridge.terminate();
        let line = single.bridge.expect("from memif:");
        assert!(line.contains("(device down: 1)"), "{line}");
    }
}

pub(crate) fn device_down_and_up_again() {
    let mut pair = Pair::new("");
    ping(&pair.namespaces[0], "-c 5 -i 0.01 10.0.0.2");
    pair.namespaces[1].ip(&format!("link set dev {TAP} down"));
    let lost = pair.namespaces[0].run("ping -q -c 20 -i 0.01 -W 0.1 10.0.0.2");
    assert!(!lost.status.success(), "{lost:?}");
    pair.namespaces[1].ip(&format!("link set dev {TAP} up"));
    ping(&pair.namespaces[0], "-f -c 1000 10.0.0.2");
    pair.bridges[1].terminate();
    let line = pair.bridges[1].expect("from memif:");
    assert!(line.contains("device down: "), "{line}");
}

pub(crate) fn deleted_device_ends_the_bridge() {
    // With a link.
    let single = Single::new("slave", "", "");
    single.ping("-c 2 -i 0.01");
    single.namespace.ip(&format!("link delete dev {TAP}"));
    single.bridge.finish().code(2).complains("tap0 is gone").complains("start this again").says("from memif: ");
    // Without one.
    let namespace = Namespace::new();
    let directory = Directory::new();
    let socket = directory.text("memif.sock");
    let mut alone = bridge(&namespace, &format!("--socket {socket} --role master"));
    alone.expect("device created");
    assert!(!has_carrier(&namespace));
    namespace.ip(&format!("link delete dev {TAP}"));
    alone.finish().code(2).complains("tap0 is gone");
}

pub(crate) fn device_moved_to_another_namespace() {
    let single = Single::new("slave", "", "");
    let other = Namespace::new();
    single.namespace.ip(&format!("link set dev {TAP} netns {}", other.name()));
    other.ip(&format!("address add 192.168.1.1/24 dev {TAP}"));
    other.ip(&format!("link set dev {TAP} up"));
    ping(&other, "-f -c 1000 192.168.1.2");
}

pub(crate) fn idle_bridge_sleeps() {
    for mode in ["interrupt", "adaptive"] {
        // As master: a slave looks for its master every two seconds.
        let mut single = Single::new("master", &format!("--rx-mode {mode}"), "--queues 2");
        single.namespace.must(&format!("sysctl -q -w net.ipv6.conf.{TAP}.disable_ipv6=1"));
        single.ping("-f -c 500");
        let pid = single.bridge.pid();
        let tasks = || of_threads(pid, "status");
        let turns = || {
            let tasks = tasks();
            let lines = tasks.iter().flat_map(|text| text.lines());
            let switches = lines.filter(|line| line.contains("ctxt_switches"));
            switches.filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).sum::<u64>()
        };
        // It comes to rest: for a whole second all threads sleep and none runs.
        let rests = |what| {
            eventually(what, || {
                let before = turns();
                std::thread::sleep(std::time::Duration::from_secs(1));
                let asleep = tasks().iter().all(|text| text.contains("State:\tS"));
                (asleep && turns() == before).then_some(())
            });
        };
        rests("rest");
        single.namespace.ip(&format!("link set dev {TAP} down"));
        rests("rest while the device is down");
        single.responder.kill_now();
        single.bridge.expect("link down");
        rests("rest without a peer");
    }
}
