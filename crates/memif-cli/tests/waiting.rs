//! What commands that wait for a link say of peers that come and do not stay, without -v.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "this is how tests fail")]

mod util;

use serde_json::Value;
use testkit::wiremsg::Message;
use testkit::{Address, Dialect, MasterPlan, Reply, ScriptedMaster, ScriptedSlave, eventually};
use util::reports::{has_fields, reports};
use util::{Program, memif, piped};

/// How often a peer comes.
const OFTEN: usize = 5;

/// Every command that waits as a master, at that path.
fn masters(path: &str) -> Vec<String> {
    ["ping 192.168.1.2", "responder", "bench --part sink", "bench latency --part echo"]
        .into_iter()
        .chain(["bench interfaces --part echo --count 3", "bench throughput --part generator"])
        .map(|command| format!("{command} --role master --socket {path} --connect-timeout 60"))
        .map(|line| match line.split_once(' ') {
            Some(("responder", _)) => format!("responder --role master --socket {path}"),
            _ => line,
        })
        .collect()
}

/// Waits for a line on either output.
#[track_caller]
fn expect(program: &mut Program, line: &str, text: &str) -> String {
    if line.starts_with("responder") { program.expect(text) } else { program.expect_complaint(text) }
}

/// The path of an address that is there.
fn text(address: &Address) -> String {
    address.path().display().to_string()
}

fn wait_for(address: &Address) {
    eventually("the socket", || address.path().exists().then_some(()));
}

/// Comes and goes without INIT.
fn come_and_go(address: &Address) {
    drop(ScriptedSlave::connect(address));
}

#[test]
fn slaves_that_leave_are_told_of_by_every_command_that_waits() {
    let address = Address::fresh();
    for line in masters(&text(&address)) {
        let mut master = memif(&line);
        wait_for(&address);
        come_and_go(&address);
        let told = expect(&mut master, &line, "left before it asked for an interface");
        assert!(told.contains("closed by the peer without a reason"), "{line}: {told}");
        assert!(told.contains(&format!("pid {}", std::process::id())), "{line}: {told}");
        for _ in 1..OFTEN {
            come_and_go(&address);
        }
        // Those were all seen when this one is.
        let stranger = ScriptedSlave::connect(&address);
        stranger.socket.send(&Message::Ack);
        expect(&mut master, &line, "the slave gave up at once");
        master.terminate();
        let finished = master.finish();
        let all = finished.out + &finished.err;
        // Once at first, and once at the end with the count.
        let told: Vec<_> = all.lines().filter(|told| told.contains("left before it asked")).collect();
        assert_eq!(told.len(), 2, "{line}: {all}");
        assert!(told[1].ends_with(&format!("({} more times)", OFTEN - 1)), "{line}: {all}");
    }
}

#[test]
fn the_count_is_told_at_the_end() {
    let address = Address::fresh();
    let path = text(&address);
    for json in [false, true] {
        let more = if json { "--json" } else { "" };
        let mut responder = memif(&format!("responder --role master --socket {path} {more}"));
        wait_for(&address);
        for _ in 0..OFTEN {
            come_and_go(&address);
        }
        let stranger = ScriptedSlave::connect(&address);
        stranger.socket.send(&Message::Ack);
        responder.expect(if json { "\"refused\"" } else { "refused" });
        responder.terminate();
        let finished = responder.finish().code(0);
        if !json {
            finished.says(&format!("({} more times)", OFTEN - 1));
            continue;
        }
        let told = reports(&finished);
        let left: Vec<_> = told.iter().filter(|report| report["type"] == "left").collect();
        has_fields(left[0], "type interface_id reason advice peer count");
        assert!(left[0]["interface_id"].is_null());
        let counts: Vec<_> = left.iter().map(|report| report["count"].as_u64()).collect();
        assert_eq!(counts, [Some(1), Some(OFTEN as u64 - 1)]);
    }
}

#[test]
fn the_console_tells_of_them_too() {
    let address = Address::fresh();
    let line = format!("responder --interactive --socket {}", text(&address));
    let (mut console, mut keys) = piped(&line);
    std::io::Write::write_all(&mut keys, b"conn 0 1\n").unwrap();
    wait_for(&address);
    come_and_go(&address);
    console.expect("INFO: a peer (pid ");
    come_and_go(&address);
    let stranger = ScriptedSlave::connect(&address);
    stranger.socket.send(&Message::Ack);
    console.expect("INFO: refused");
    drop(keys);
    console.finish().code(0).says("left before it asked for an interface").says("(once more)");
}

#[test]
fn no_link_in_time_names_the_slaves_that_left() {
    let address = Address::fresh();
    let ping = memif(&format!("ping 192.168.1.2 --role master --socket {} --connect-timeout 2", text(&address)));
    wait_for(&address);
    come_and_go(&address);
    let finished = ping.finish().code(2);
    assert!(finished.err.contains("no link in 2 s: a peer (pid "), "{finished:#?}");
    assert!(!finished.err.contains("no slave connected"), "{finished:#?}");
}

/// Has no such interface for so many attempts, or just closes.
fn refuse(master: &ScriptedMaster, attempts: usize, closes: bool) {
    for _ in 0..attempts {
        master.serve_with(|_| if closes { Reply::Close } else { Reply::Usual }).expect_err("no link");
    }
}

/// A DPDK without a started port.
fn starting() -> MasterPlan {
    MasterPlan { ids: Some(Vec::new()), ..MasterPlan::of(Dialect::DPDK) }
}

#[test]
fn a_master_that_is_about_to_have_the_interface_is_not_complained_about() {
    for closes in [false, true] {
        // A machine that is slow enough makes a second of three attempts; it is not always so slow.
        let quiet = (0..5).any(|_| {
            let address = Address::fresh();
            let mut master = ScriptedMaster::bind(&address, starting());
            let mut responder = memif(&format!("responder --json --socket {}", text(&address)));
            refuse(&master, 3, closes);
            master.plan.ids = None;
            let _link = master.serve();
            let connected = responder.expect("\"connected\"");
            responder.terminate();
            let finished = responder.finish().code(0);
            assert!(finished.out.contains(&connected));
            !finished.out.contains("connect_failed")
        });
        assert!(quiet, "complained each time");
    }
}

/// Refuses until somebody comes who says nothing.
fn refuse_all(address: &Address) -> std::thread::JoinHandle<()> {
    let master = ScriptedMaster::bind(address, starting());
    std::thread::spawn(move || {
        loop {
            let refused = master.serve_with(|_| Reply::Usual).expect_err("no link");
            if refused.said.is_empty() {
                // That was not the responder, but the end of the test.
                return;
            }
        }
    })
}

/// Nobody was told before, so it is not "more".
#[test]
fn the_first_line_reads_as_a_first_line() {
    let address = Address::fresh();
    let served = refuse_all(&address);
    let mut responder = memif(&format!("responder --id 0 --socket {}", text(&address)));
    let line = responder.expect("ID not found");
    assert!(line.ends_with("(trying again)"), "{line}");
    responder.terminate();
    responder.finish().code(0);
    come_and_go(&address);
    served.join().unwrap();
}

#[test]
fn a_master_that_never_has_the_interface_is_complained_about_once() {
    let address = Address::fresh();
    let served = refuse_all(&address);
    let mut responder = memif(&format!("responder --json --socket {}", text(&address)));
    let told: Value = serde_json::from_str(&responder.expect("\"connect_failed\"")).unwrap();
    assert_eq!(told["reason"], "refused by the master: ID not found");
    assert!(told["advice"].as_str().unwrap().contains("--id"), "{told}");
    // It was held back, and counted, for a second of many attempts.
    let count = told["count"].as_u64().unwrap();
    assert!(count > 5, "{told}");
    responder.terminate();
    let finished = responder.finish().code(0);
    let all: Vec<_> = reports(&finished).into_iter().filter(|told| told["type"] == "connect_failed").collect();
    assert!(all.len() <= 2 && all[0] == told, "{all:?}");
    come_and_go(&address);
    served.join().unwrap();
}
