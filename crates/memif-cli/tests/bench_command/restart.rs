//! Links that end during a run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use memif::{InterfaceConfig, Socket};
use testkit::eventually;

use crate::both::number;
use crate::switch::{Fate, Switch};
use crate::util::reports::{only, reports};
use crate::util::{abstract_name, memif};

const RECONNECT: &str = "--reconnect --json";

/// A switch that is restarted between a generator and a sink: what it lost is counted, and the time without links is
/// told.
pub(crate) fn a_switch_is_restarted() {
    let name = abstract_name();
    let start = || Switch::start(&name, |_| Fate::Out(&[0]));
    let passes = |switch: &Switch| {
        eventually("packets", || (switch.passed() > 100).then_some(()));
    };
    let first = start();
    let mut sink = memif(&format!("bench --part sink --socket {name} --id 1 {RECONNECT}"));
    let mut generator = memif(&format!("bench --part generator --socket {name} --rate 2k --seconds 3600 {RECONNECT}"));
    passes(&first);
    drop(first);
    sink.expect("\"disconnected\"");
    generator.expect("\"disconnected\"");
    let second = start();
    sink.expect("bench_outage");
    let line = generator.expect("bench_outage");
    assert!(line.contains("disconnected by the peer") && line.contains("true"), "{line}");
    passes(&second);
    generator.interrupt();
    let generator = generator.finish().code(0).complains("the link is back after");
    let sent = reports(&generator);
    let sent = only(&sent, "bench_generator");
    let sink = sink.finish().code(1).complains("link down: ").complains("the link is back after");
    let found = reports(&sink);
    let found = only(&found, "bench_throughput");
    for report in [sent, found] {
        assert_eq!(report["outages"], 1, "{report}");
        assert!(report["without_link_ms"].as_f64().unwrap() > 0.0, "{report}");
    }
    // At this rate some were due in that time.
    let (offered, taken) = (number(sent, "offered_packets"), number(sent, "sent_packets"));
    assert!(offered > taken, "{sent}");
    assert_eq!(found["sent_packets"], sent["sent_packets"]);
    assert_eq!(number(found, "lost_packets"), offered - number(found, "received_packets"));
    for none in ["duplicate_packets", "reordered_packets", "corrupted_packets"] {
        assert_eq!(found[none], 0, "{found}");
    }
}

/// Sends back what comes on interface 0, and counts it; ends when dropped.
struct Mirror {
    stop: Arc<AtomicBool>,
    passed: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Mirror {
    fn start(name: &str) -> Self {
        let mut socket = Socket::builder(name).open().unwrap();
        let key = socket.add_interface(InterfaceConfig::master(0)).unwrap();
        let (stop, passed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (over, count) = (Arc::clone(&stop), Arc::clone(&passed));
        let thread = thread::spawn(move || {
            let mut link = socket.wait_connected(key, Duration::from_secs(60)).unwrap();
            while !over.load(Ordering::Relaxed) {
                socket.poll(Some(Duration::ZERO)).unwrap();
                let (Ok(mut batch), Ok(mut out)) = (link.rx[0].recv(64), link.tx[0].reserve()) else {
                    return;
                };
                for packet in &mut batch {
                    out.forward(packet).unwrap();
                }
                count.fetch_add(out.commit() as u64, Ordering::Relaxed);
            }
        });
        Self { stop, passed, thread: Some(thread) }
    }

    fn wait(&self, packets: u64) {
        eventually("round trips", || (self.passed.load(Ordering::Relaxed) > packets).then_some(()));
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Round trips over a peer that is restarted.
pub(crate) fn a_mirror_is_restarted() {
    for settings in ["--rate 5k", "--rx-mode adaptive"] {
        let name = abstract_name();
        let first = Mirror::start(&name);
        let mut asker =
            memif(&format!("bench latency --part generator --socket {name} --seconds 3600 {RECONNECT} {settings}"));
        // Beyond the warm-up of a second.
        first.wait(6000);
        drop(first);
        asker.expect("\"disconnected\"");
        let second = Mirror::start(&name);
        asker.expect("bench_outage");
        second.wait(20);
        asker.interrupt();
        let finished = asker.finish().complains("the link is back after");
        let found = reports(&finished);
        let found = only(&found, "bench_latency");
        assert_eq!(found["outages"], 1, "{found}");
        assert!(found["without_link_ms"].as_f64().unwrap() > 0.0, "{found}");
        // At a rate those that were due in that time are lost.
        let lost = number(found, "lost_packets");
        assert!(lost > 0 || !settings.contains("rate"), "{found}");
        finished.code(i32::from(lost > 0));
    }
}

/// An echo tells how long it had no link.
pub(crate) fn an_asker_is_restarted() {
    let name = abstract_name();
    let mut echo = memif(&format!("bench --part echo --role master --socket {name} {RECONNECT}"));
    for _ in 0..2 {
        let asker = format!("bench latency --part generator --socket {name} --seconds 0.1");
        memif(&asker).finish().code(0);
        echo.expect("bench_echo");
    }
    echo.terminate();
    let echo = echo.finish().code(0).complains("the link is back after");
    let found = reports(&echo);
    let outages: Vec<_> = found.iter().filter(|report| report["type"] == "bench_outage").collect();
    assert_eq!(outages[0]["is_back"], true, "{found:?}");
    assert!(outages[0]["reason"].as_str().unwrap().contains("disconnected"), "{found:?}");
    let totals = found.iter().filter(|report| report["type"] == "bench_echo");
    let totals: Vec<_> = totals.map(|report| number(report, "outages")).collect();
    assert_eq!(totals, [0, 1]);
}

/// A link that does not come back: what was measured until then is told, and it is no success.
pub(crate) fn a_link_does_not_come_back() {
    for part in ["sink", "generator --rate 1k --seconds 3600"] {
        let name = abstract_name();
        let mut socket = Socket::builder(&name).open().unwrap();
        let key = socket.add_interface(InterfaceConfig::master(0)).unwrap();
        let end = memif(&format!("bench --part {part} --socket {name} --connect-timeout 1 {RECONNECT}"));
        let mut link = socket.wait_connected(key, Duration::from_secs(60)).unwrap();
        link.tx[0].send_wait(&[0; 64]).unwrap();
        if part != "sink" {
            link.rx[0].wait(Some(Duration::from_secs(60))).unwrap();
        }
        drop((link, socket));
        let finished = end.finish().code(1).complains("the link did not come back: no link in 1 s");
        let found = reports(&finished);
        assert_eq!(only(&found, "bench_outage")["is_back"], false);
        let kind = if part == "sink" { "bench_throughput" } else { "bench_generator" };
        let report = only(&found, kind);
        assert_eq!(report["outages"], 1, "{report}");
        assert!(report["without_link_ms"].as_f64().unwrap() > 0.0, "{report}");
    }
}
