//! A switch between a generator and a sink: interface 0 of a socket is the generator's, interface 1 the sink's. What
//! comes on one goes out on the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use memif::{Event, InterfaceConfig, InterfaceKey, Link, Socket};
use serde_json::Value;

use crate::both::number;
use crate::util::reports::{only, reports};
use crate::util::{Finished, abstract_name, memif};

/// Queues that the switch serves.
const QUEUES: u8 = 4;

/// A packet as it is seen by the switch.
pub(crate) struct Seen<'p> {
    pub(crate) bytes: &'p [u8],
    /// Packets before this one.
    pub(crate) number: u64,
    /// Whether it is the last one of a queue.
    pub(crate) is_last: bool,
}

/// What becomes of a packet.
pub(crate) enum Fate {
    /// It goes out on these queues, as often as they are named.
    Out(&'static [usize]),
    /// It goes out after all others, on that queue, when nothing more has come for a while.
    Held(usize),
}

pub(crate) struct Switch {
    stop: Arc<AtomicBool>,
    passed: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Switch {
    pub(crate) fn start(name: &str, fate: impl FnMut(&Seen<'_>) -> Fate + Send + 'static) -> Self {
        let mut socket = Socket::builder(name).open().unwrap();
        let keys = [0, 1].map(|id| {
            let config = InterfaceConfig::master(id).rx_queues(QUEUES).tx_queues(QUEUES);
            socket.add_interface(config).unwrap()
        });
        let (stop, passed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let thread = thread::spawn({
            let (stop, passed) = (Arc::clone(&stop), Arc::clone(&passed));
            move || run(socket, keys, fate, &stop, &passed)
        });
        Self { stop, passed, thread: Some(thread) }
    }

    /// Packets that went through.
    pub(crate) fn passed(&self) -> u64 {
        self.passed.load(Ordering::Relaxed)
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(
    mut socket: Socket,
    keys: [InterfaceKey; 2],
    mut fate: impl FnMut(&Seen<'_>) -> Fate,
    stop: &AtomicBool,
    passed: &AtomicU64,
) {
    let mut links: [Option<Link>; 2] = [None, None];
    let mut held: Vec<(usize, Vec<u8>)> = Vec::new();
    let (mut number, mut heard) = (0, Instant::now());
    let mut buffer = vec![0; 65_535];
    while !stop.load(Ordering::Relaxed) {
        match socket.poll(Some(Duration::from_micros(50))).unwrap() {
            Some(Event::Connected { interface, link }) => {
                links[usize::from(interface == keys[1])] = Some(link);
            }
            Some(Event::Disconnected { interface, .. }) => {
                links[usize::from(interface == keys[1])] = None;
            }
            _ => {}
        }
        let [Some(from), Some(to)] = &mut links else { continue };
        let mut send = |queue: usize, bytes: &[u8]| {
            let queues = to.tx.len();
            // The link may go down meanwhile.
            let _ = to.tx[queue % queues].send_timeout(bytes, Duration::from_secs(1));
            passed.fetch_add(1, Ordering::Relaxed);
        };
        for queue in &mut from.rx {
            while let Ok(Some(len)) = queue.recv_into(&mut buffer) {
                heard = Instant::now();
                let bytes = &buffer[..len];
                let is_last = bytes[60..64] == 0x454e_4421_u32.to_le_bytes();
                match fate(&Seen { bytes, number, is_last }) {
                    Fate::Out(queues) => queues.iter().for_each(|queue| send(*queue, bytes)),
                    Fate::Held(queue) => held.push((queue, bytes.to_vec())),
                }
                number += 1;
            }
        }
        if heard.elapsed() > Duration::from_millis(150) {
            held.drain(..).for_each(|(queue, bytes)| send(queue, &bytes));
        }
    }
}

/// What generator and sink say of each other over such a switch, and how the sink ended.
fn measure(
    generator: &str,
    sink: &str,
    fate: impl FnMut(&Seen<'_>) -> Fate + Send + 'static,
) -> (Value, Value, Finished) {
    let name = abstract_name();
    let _switch = Switch::start(&name, fate);
    let mut sink = memif(&format!("bench --part sink --socket {name} --id 1 --json {sink}"));
    sink.expect("\"connected\"");
    let generator =
        memif(&format!("bench --part generator --socket {name} --json --rate 20k --seconds 0.3 {generator}"));
    let sent = reports(&generator.finish().code(0));
    let finished = sink.finish();
    let found = reports(&finished);
    (only(&sent, "bench_generator").clone(), only(&found, "bench_throughput").clone(), finished)
}

/// Packets that a sink had on each queue.
pub(crate) fn by_queue(report: &Value) -> Vec<u64> {
    let queues = report["queues"].as_array().expect("queues");
    queues.iter().map(|queue| number(queue, "received_packets")).collect()
}

#[track_caller]
pub(crate) fn assert_complete(sent: &Value, found: &Value) {
    for field in ["received_packets", "sent_packets"] {
        assert_eq!(sent["sent_packets"], found[field], "{found}");
    }
    for none in ["missing_packets", "duplicate_packets", "reordered_packets", "corrupted_packets"] {
        assert_eq!(found[none], 0, "{none}: {found}");
    }
    assert!(number(found, "received_packets") > 0, "{found}");
}

pub(crate) fn spread_over_queues() {
    // Where the last packet goes, no other one need be.
    const SPREAD: [&[usize]; 3] = [&[0], &[1], &[2]];
    for polling in ["polling", "adaptive"] {
        let round_robin = |seen: &Seen<'_>| Fate::Out(SPREAD[usize::try_from(seen.number % 3).unwrap()]);
        let sink = format!("--queues 3 --rx-mode {polling}");
        let (sent, found, finished) = measure("", &sink, round_robin);
        assert_complete(&sent, &found);
        assert!(by_queue(&found).iter().all(|packets| *packets > 0), "{found}");
        let lost = number(&found, "lost_packets");
        assert_eq!(lost, number(&sent, "offered_packets") - number(&sent, "sent_packets"));
        finished.code(i32::from(lost > 0));
    }
}

pub(crate) fn one_queue_of_several() {
    let (sent, found, _) = measure("", "--queues 4", |_| Fate::Out(&[2]));
    assert_complete(&sent, &found);
    assert_eq!(by_queue(&found), [0, 0, number(&sent, "sent_packets"), 0]);
}

pub(crate) fn several_queues_into_one() {
    let (sent, found, _) = measure("--queues 3", "", |_| Fate::Out(&[0]));
    assert_complete(&sent, &found);
    assert_eq!(found["reordered_over_queues_packets"], 0);
}

/// The word of the generator overtakes packets that another queue still has.
pub(crate) fn the_end_comes_first() {
    let (sent, found, _) = measure("", "--queues 2", |seen| match seen.number {
        100..200 => Fate::Held(1),
        _ => Fate::Out(&[0]),
    });
    assert_complete(&sent, &found);
    assert_eq!(by_queue(&found), [number(&sent, "sent_packets") - 100, 100]);
    assert_eq!(found["reordered_over_queues_packets"], 100);
}

pub(crate) fn loss_is_loss() {
    let (sent, found, finished) = measure("", "--queues 2", |seen| match seen.number {
        10..20 => Fate::Out(&[]),
        odd if odd % 2 == 1 => Fate::Out(&[1]),
        _ => Fate::Out(&[0]),
    });
    let full = number(&sent, "offered_packets") - number(&sent, "sent_packets");
    assert_eq!((number(&found, "missing_packets"), number(&found, "lost_packets")), (10, 10 + full));
    for none in ["duplicate_packets", "reordered_packets", "corrupted_packets"] {
        assert_eq!(found[none], 0, "{found}");
    }
    let finished = finished.code(1).complains("10 packets did not come, though later ones did");
    assert!(!finished.err.contains("order") && !finished.err.contains("after a later"), "{finished:#?}");
}

pub(crate) fn order_and_copies() {
    let mut before: Option<Vec<u8>> = None;
    let (sent, found, finished) = measure("", "--queues 2", move |seen| match seen.number {
        // Behind those of its own queue; again on the other one.
        50 => Fate::Held(0),
        60..63 if !seen.is_last => {
            assert!(before.replace(seen.bytes.to_vec()).as_deref() != Some(seen.bytes));
            Fate::Out(&[0, 1])
        }
        _ => Fate::Out(&[0]),
    });
    assert_eq!(number(&found, "received_packets"), number(&sent, "sent_packets") + 3);
    let fields = ["missing_packets", "duplicate_packets", "reordered_packets"];
    assert_eq!(fields.map(|field| number(&found, field)), [0, 3, 1]);
    let queues = &found["queues"];
    assert_eq!(number(&queues[0], "reordered_packets"), 1);
    // Either queue may have been read first.
    let copies = [0, 1].map(|queue| number(&queues[queue], "duplicate_packets"));
    assert_eq!(copies.iter().sum::<u64>(), 3);
    let full = number(&sent, "offered_packets") - number(&sent, "sent_packets");
    assert_eq!(number(&found, "lost_packets"), full);
    finished.code(1).complains("1 packet came after a later one on the same queue").complains("3 packets came again");
}
