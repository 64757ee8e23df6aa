//! Packets in both directions at once for as long as is asked for, as fast as they go: each is in its place and of its
//! length, one in a thousand is compared to its last byte, and both processes hold in the end what they held in the
//! beginning.

use std::time::{Duration, Instant};

use memif::{InterfaceConfig, Link, RecvError, Role};
use testkit::census::memory_of;
use testkit::patience::{Patience, STEP};
use testkit::traffic::{HEADER, check, packet};
use testkit::{Address, Census, Child, Parent};

use crate::common::Driver;
use crate::end::spell;

/// Packets each way, where [`SECONDS`] does not say for how long it is to go on.
const PACKETS: u64 = 500_000;
/// In the environment: for how long packets are to go.
const SECONDS: &str = "MEMIF_SOAK_SECONDS";
/// The processes are exchanged for new ones after this time, before they have outlived every helper.
const ROUND: Duration = Duration::from_secs(600);
/// Of so many packets one has another length, and is compared to its last byte.
const SAMPLE: u64 = 1000;
/// Bytes of all others.
const USUAL: usize = 64;
/// Packets until memory is looked at for the first time.
const WARM: u64 = 50_000;
/// Bytes of its own that a process may hold more in the end.
const MORE: u64 = 256 << 10;
const BATCH: u64 = 64;

pub(crate) fn soak() {
    let start = Instant::now();
    let limit = std::env::var(SECONDS).ok().map(|text| Duration::from_secs(text.parse().expect("seconds")));
    let mut sum = [0; 2];
    loop {
        let time = limit.map(|limit| limit.saturating_sub(start.elapsed()).min(ROUND));
        let counts = round(time);
        sum = [sum[0] + counts[0], sum[1] + counts[1]];
        if limit.is_none_or(|limit| start.elapsed() >= limit) {
            break;
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    let [there, back] = sum;
    println!(
        "soak: {there} packets to the slave and {back} to the master at once, {} in {seconds:.0} s: none lost, doubled, \
         out of place or changed; memory and descriptors flat",
        there + back
    );
}

/// Two processes, until the time is over. What came to the slave, and to the master.
fn round(time: Option<Duration>) -> [u64; 2] {
    let address = spell(&Address::fresh());
    let mut ends = ["slave", "master"].map(|role| Child::start("soak", &[role, &address]));
    // Sent and received so far, told when that is asked for.
    let look = |end: &mut Child| -> [u64; 2] {
        end.say("look");
        let told = end.expect("so far ");
        let mut numbers = told.split(' ').map(|number| number.parse().expect("a number"));
        [(); 2].map(|()| numbers.next().expect("two numbers"))
    };
    for end in &mut ends {
        end.expect("connected");
    }
    for end in &mut ends {
        end.say("go");
    }
    let received = |ends: &mut [Child; 2], count: u64| {
        // It comes to that: whoever finds nothing for a while fails.
        while ends.iter_mut().any(|end| look(end)[1] < count) {
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    received(&mut ends, WARM);
    let held = |end: &Child| (Census::of(end.pid()), memory_of(end.pid(), "RssAnon"));
    let before = ends.each_ref().map(held);
    match time {
        Some(time) => std::thread::sleep(time),
        None => received(&mut ends, PACKETS),
    }
    let after = ends.each_ref().map(held);
    for ((before, bytes_before), (after, bytes)) in before.iter().zip(&after) {
        assert_eq!(before, after, "descriptors and shared mappings");
        assert!(*bytes <= bytes_before + MORE, "{bytes} bytes, {bytes_before} in the beginning");
    }
    // Each says how many it has sent, and the other receives so many.
    let sent = ends.each_mut().map(|end| {
        end.say("stop");
        end.expect("sent ")
    });
    let [slave, master] = &mut ends;
    slave.say(&format!("until {}", sent[1]));
    master.say(&format!("until {}", sent[0]));
    let counts = ends.each_mut().map(|end| end.expect("received "));
    assert_eq!((&counts[0], &counts[1]), (&sent[1], &sent[0]), "received here, sent there");
    for end in &mut ends {
        end.say("end");
        end.finish();
    }
    counts.map(|count| count.parse().expect("a number"))
}

/// One end.
pub(crate) fn end(parent: &Parent) {
    let role: Role = parent.argument(0).parse().expect("a role");
    let address: memif::SocketAddress = parent.argument(1).parse().expect("an address");
    let socket = memif::Socket::builder(address).retry_period(Duration::from_millis(20)).open().expect("a socket");
    let mut driver = Driver::of(socket);
    let key = driver.add(InterfaceConfig::new(role, 0).rx_mode(memif::RxMode::Polling));
    let mut traffic = Traffic::new(driver.connected(key), role);
    parent.say("connected");
    assert_eq!(parent.hear().as_deref(), Some("go"));
    let (mut sending, mut until) = (true, u64::MAX);
    let mut patience = Patience::default();
    while traffic.received < until {
        let mut moved = 0;
        // A look at what the test says is a look at a lock.
        for _ in 0..256 {
            moved += traffic.receive() + if sending { traffic.send() } else { 0 };
        }
        if moved > 0 {
            patience = Patience::default();
        } else {
            assert!(patience.more() || until == u64::MAX && !sending, "nothing moves for {STEP:?}");
        }
        let Some(line) = parent.heard().expect("the test") else { continue };
        match line.split_once(' ') {
            None if line == "look" => parent.say(format!("so far {} {}", traffic.sent, traffic.received)),
            None if line == "stop" => {
                sending = false;
                parent.say(format!("sent {}", traffic.sent));
            }
            Some(("until", count)) => until = count.parse().expect("a number"),
            _ => panic!("no order {line:?}"),
        }
    }
    traffic.finish();
    parent.say(format!("received {}", traffic.received));
    // The other may still be receiving.
    assert_eq!(parent.hear().as_deref(), Some("end"));
}

struct Traffic {
    link: Link,
    /// Streams that are sent and received.
    streams: [u32; 2],
    sent: u64,
    received: u64,
    bytes: [u64; 2],
    usual: [u8; USUAL],
    scratch: Vec<u8>,
}

impl Traffic {
    fn new(link: Link, role: Role) -> Self {
        let streams = if role == Role::Slave { [1, 2] } else { [2, 1] };
        Self { link, streams, sent: 0, received: 0, bytes: [0; 2], usual: [0; USUAL], scratch: Vec::new() }
    }

    /// The length of a sampled packet: all that a queue takes, one after the other.
    fn length(sequence: u64) -> usize {
        HEADER + usize::try_from(sequence / SAMPLE % 9200).unwrap_or(0)
    }

    fn send(&mut self) -> u64 {
        let mut batch = self.link.tx[0].reserve().expect("a link");
        let mut count = 0;
        while count < BATCH {
            let sequence = self.sent + count;
            let (pushed, length) = if sequence.is_multiple_of(SAMPLE) {
                let packet = packet(self.streams[0], sequence, Self::length(sequence));
                (batch.push(&packet), packet.len())
            } else {
                // Its number, twice, so that half of another packet is seen.
                self.usual[..8].copy_from_slice(&sequence.to_le_bytes());
                self.usual[USUAL - 8..].copy_from_slice(&(!sequence).to_le_bytes());
                (batch.push(&self.usual), USUAL)
            };
            match pushed {
                Ok(()) => count += 1,
                Err(memif::SendError::Full) => break,
                Err(error) => panic!("packet {sequence}: {error}"),
            }
            self.bytes[0] += length as u64;
        }
        assert_eq!(batch.commit() as u64, count, "packets of a batch");
        self.sent += count;
        count
    }

    fn receive(&mut self) -> u64 {
        let before = self.received;
        let mut batch = match self.link.rx[0].recv(BATCH as usize) {
            Ok(batch) => batch,
            Err(RecvError::Disconnected) => panic!("the link is down after {before} packets"),
            Err(error) => panic!("after {before} packets: {error}"),
        };
        for packet in &mut batch {
            let sequence = self.received;
            if sequence.is_multiple_of(SAMPLE) {
                self.scratch.resize(packet.len(), 0);
                packet.copy_to(&mut self.scratch);
                assert_eq!(packet.len(), Self::length(sequence), "length of packet {sequence}");
                assert_eq!(check(&self.scratch), Ok((self.streams[1], sequence)));
            } else {
                let (mut first, mut last) = ([0; 8], [0; 8]);
                assert_eq!(packet.len(), USUAL, "length of packet {sequence}");
                packet.read(0, &mut first);
                packet.read(USUAL - 8, &mut last);
                let found = (u64::from_le_bytes(first), !u64::from_le_bytes(last));
                assert_eq!(found, (sequence, sequence), "numbers of a packet");
            }
            self.bytes[1] += packet.len() as u64;
            self.received += 1;
        }
        self.received - before
    }

    /// The counters of the queues tell the same.
    fn finish(&self) {
        let (tx, rx) = (self.link.tx[0].counters(), self.link.rx[0].counters());
        assert_eq!((tx.packets, tx.bytes), (self.sent, self.bytes[0]), "counters of tx");
        assert_eq!((rx.packets, rx.bytes), (self.received, self.bytes[1]), "counters of rx");
        assert_eq!((rx.bad_descriptors, rx.dropped, rx.resyncs), (0, 0, 0), "losses");
    }
}
