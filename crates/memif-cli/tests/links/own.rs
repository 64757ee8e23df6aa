//! Links between our own programs.

use std::process::Command;

use rustix::process::Signal;
use serde_json::{Value, json};
use testkit::{FileKind, SharedFile, eventually};

use super::util::reports::{has_fields, reports};
use super::util::{Directory, master, memif, start};
use super::{link_of, links_of, responder_and_ping, rings, roles};

pub(super) fn both_ends() {
    let directory = Directory::new();
    let socket = directory.text("memif.sock");
    let responder = master(&socket, "--rx-mode polling");
    let mut ping = memif(&format!("ping 192.168.1.2 --socket {socket} --interval 0.05 --rx-mode interrupt"));
    ping.expect("icmp_seq=3");
    let link = link_of(ping.pid());
    has_fields(
        &link,
        "type link socket ends other_end layout cacheline_bytes directions_known memory_bytes regions rings problem",
    );
    assert_eq!(link["cacheline_bytes"], if cfg!(target_arch = "aarch64") { 128 } else { 64 });
    let expected = [(ping.pid(), "slave"), (responder.pid(), "master")];
    assert_eq!(roles(&link), expected.map(|(pid, role)| (u64::from(pid), role.to_owned())));
    assert_eq!((&link["socket"], &link["layout"]), (&json!(socket), &json!("spaced")));
    assert_eq!((&link["directions_known"], &link["problem"]), (&json!(true), &json!(null)));
    assert!(link["ends"][0]["program"] == "memif" && link["ends"][0]["user"].is_string(), "{link:#}");
    assert_eq!(link["regions"][0]["size_bytes"], link["memory_bytes"]);
    assert_eq!(rings(&link, "slave", "ring_size_slots"), [1024]);
    assert_eq!(rings(&link, "slave", "polls"), [true]);
    assert_eq!(rings(&link, "master", "polls"), [false]);
    // The same from the other side; and the counts go on.
    let again = link_of(responder.pid());
    assert_eq!(again["link"], link["link"]);
    let sent = |link: &_| rings(link, "slave", "sent_slots")[0].as_u64().unwrap();
    eventually("more packets", || (sent(&link_of(ping.pid())) > sent(&again)).then_some(()));

    let (slave, master) = (ping.pid(), responder.pid());
    let text = memif(&format!("links --pid {slave}")).finish().code(0);
    let lines: Vec<&str> = text.out.lines().collect();
    assert!(lines[0].starts_with("LINK "), "{text:#?}");
    for part in [format!("memif {slave} "), format!("memif {master} "), " 1/1 ".into(), " 1024 ".into(), " p/i ".into()]
    {
        assert!(lines[1].contains(&part), "{part} in {text:#?}");
    }
    assert!(lines[1].starts_with(link["link"].as_str().unwrap()), "{text:#?}");
    assert!(lines[1].len() <= 120, "{text:#?}");
    ping.interrupt();
    ping.finish().code(0);
    eventually("no link without a slave", || links_of(master).is_empty().then_some(()));
    memif(&format!("links --pid {master}")).finish().code(1).says("no link is seen");
}

pub(super) fn queues_modes_and_chains() {
    for (mode, rx_mode, polls) in [("ethernet", "adaptive", false), ("ip", "polling", true)] {
        let directory = Directory::new();
        let socket = directory.text("memif.sock");
        let options = format!("--mode {mode} --rx-mode {rx_mode}");
        let responder = master(&socket, &format!("{options} --queues 3"));
        let ping = format!("ping 192.168.1.2 --socket {socket} --interval 0.01 --size 9000 --ring-size 64 --queues 3");
        let mut ping = memif(&format!("{ping} {options}"));
        ping.expect("icmp_seq=5");
        let link = link_of(responder.pid());
        assert_eq!(rings(&link, "slave", "index"), [0, 1, 2]);
        assert_eq!(rings(&link, "master", "ring_size_slots"), [64, 64, 64]);
        // Adaptive receivers set the mask while they are busy.
        if polls {
            assert_eq!(rings(&link, "slave", "polls"), [true, true, true]);
        }
        // A chain takes five slots of each packet.
        let sum: u64 = rings(&link, "slave", "sent_slots").iter().map(|slots| slots.as_u64().unwrap()).sum();
        assert!(sum >= 25, "{link:#}");
        assert!(rings(&link, "master", "in_flight_slots").iter().all(|slots| slots.as_u64().unwrap() <= 64));
    }
}

pub(super) fn an_end_that_left() {
    let directory = Directory::new();
    let (responder, ping) = responder_and_ping(&directory);
    // A slave that does not notice that its master died.
    ping.signal(Signal::STOP);
    responder.kill();
    let link = eventually("a link without its master", || {
        links_of(ping.pid()).into_iter().find(|link| link["other_end"] != "there")
    });
    // Only who may see all processes knows that none of them is the other end.
    let absent = link["other_end"].as_str().unwrap().replace('_', " ");
    assert!(absent == "missing" || absent == "not seen", "{link:#}");
    assert_eq!(roles(&link), [(u64::from(ping.pid()), "slave".to_owned())]);
    memif(&format!("links --pid {}", ping.pid())).finish().code(0).says(&absent);
    ping.signal(Signal::CONT);
}

pub(super) fn no_such_process() {
    memif("links --pid 4194305").finish().code(2).complains("--pid: there is no process 4194305");
    for wrong in ["x", "abc", "0", "-1", "1,2", "99999999999"] {
        memif(&format!("links --pid={wrong}")).finish().code(2).complains("give the number of one process, as in 4711");
    }
}

/// A scan that may have few descriptors open, while this process has much memory that is no link's.
pub(super) fn more_memory_than_descriptors() {
    let directory = Directory::new();
    let (responder, ping) = responder_and_ping(&directory);
    let others: Vec<SharedFile> = (0..100)
        .map(|_| {
            let file = SharedFile::create(FileKind::Sealed, 4096);
            file.write(0, b"mapped");
            file
        })
        .collect();
    let limited = |limit: &str| {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("ulimit {limit} && exec \"$0\" links --json"), env!("CARGO_BIN_EXE_memif")]);
        let finished = start(command, "memif links").finish().code(0);
        let links = reports(&finished).into_iter().filter(|report| report["type"] == "link");
        let is_an_end = |link: &Value| link["ends"].as_array().unwrap().iter().any(|end| end["pid"] == ping.pid());
        let links: Vec<Value> = links.filter(is_an_end).collect();
        assert_eq!(links.len(), 1, "{finished:#?}");
    };
    limited("-n 40");
    // It raises the limit as far as it may.
    limited("-Sn 4");
    // What there is no descriptor for is told.
    for limit in 5..9 {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("ulimit -n {limit} && exec \"$0\" links"), env!("CARGO_BIN_EXE_memif")]);
        let out = start(command, "memif links").finish().out;
        let told = out.contains("no descriptor is left") || out.contains(&format!(" {} ", ping.pid()));
        assert!(told, "{limit}: {out}");
    }
    drop((others, responder));
}
