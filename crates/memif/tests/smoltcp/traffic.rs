//! TCP by content, over links of many kinds.

use memif::smoltcp::LinkError;
use memif::{Event, RecvError};
use smoltcp::phy::{Device as _, Medium};
use smoltcp::socket::tcp;
use smoltcp::time::Duration;

use crate::bed::{MASTER, Pair, Plan, SLAVE, Stream};

const PLANS: [Plan; 7] = [
    Plan { medium: Medium::Ethernet, ring_size: 1024, buffer_size: 2048, mtu: 1500 },
    Plan { medium: Medium::Ip, ring_size: 1024, buffer_size: 2048, mtu: 1500 },
    Plan { medium: Medium::Ethernet, ring_size: 4, buffer_size: 2048, mtu: 1500 },
    Plan { medium: Medium::Ip, ring_size: 64, buffer_size: 512, mtu: 1500 },
    Plan { medium: Medium::Ethernet, ring_size: 256, buffer_size: 2048, mtu: 9000 },
    Plan { medium: Medium::Ethernet, ring_size: 64, buffer_size: 16_384, mtu: 9000 },
    Plan { medium: Medium::Ip, ring_size: 256, buffer_size: 2048, mtu: 65_535 },
];

/// Streams both ways at once on each of so many connections, of so many bytes each.
fn streams(pair: &mut Pair, connections: u16, bytes: u64, buffer: usize) -> Vec<[Stream; 2]> {
    (0..connections)
        .map(|number| {
            let there = pair.master.listen(80 + number, buffer);
            let here = pair.slave.connect(MASTER, 80 + number, 40_000 + number, buffer);
            let seed = u64::from(number) * 2;
            [Stream::new(here, there, seed, bytes), Stream::new(there, here, seed + 1, bytes)]
        })
        .collect()
}

fn run(pair: &mut Pair, all: &mut [[Stream; 2]], end: impl Fn(&[[Stream; 2]]) -> bool) {
    run_from(pair, all, end, |_| ());
}

fn run_from(
    pair: &mut Pair,
    all: &mut [[Stream; 2]],
    end: impl Fn(&[[Stream; 2]]) -> bool,
    mut before_each_turn: impl FnMut(&mut Pair),
) {
    // A connection that waits for a retransmission lets seconds go by; one that waits for ever, all of these.
    let limit = pair.now + Duration::from_secs(120);
    while !end(all) {
        assert!(pair.now < limit, "no way on: {all:?}");
        before_each_turn(pair);
        pair.turn();
        for [up, down] in &mut *all {
            up.write(&mut pair.slave.sockets);
            down.write(&mut pair.master.sockets);
            up.read(&mut pair.master.sockets);
            down.read(&mut pair.slave.sockets);
        }
    }
}

fn all_over(all: &[[Stream; 2]]) -> bool {
    all.iter().flatten().all(Stream::is_over)
}

pub(crate) fn tcp_both_ways() {
    for plan in PLANS {
        let mut pair = Pair::new(plan);
        crosses(&mut pair);
    }
}

/// Four megabytes each way at once.
pub(crate) fn crosses(pair: &mut Pair) {
    let mut all = streams(pair, 1, 4_000_000, 1 << 16);
    run(pair, &mut all, all_over);
    pair.nothing_lost();
}

/// A window of 1 MiB over rings of eight slots: the stack sends what the window takes, as far as there is room, and
/// nothing is sent twice.
pub(crate) fn no_token_whose_frame_is_lost() {
    let mut pair = Pair::new(Plan { ring_size: 8, ..Plan::default() });
    let there = pair.master.listen(80, 1 << 20);
    let here = pair.slave.connect(MASTER, 80, 40_000, 1 << 20);
    let mut stream = [[Stream::new(here, there, 7, 32_000_000), Stream::new(there, here, 8, 0)]];
    run(&mut pair, &mut stream, all_over);
    pair.nothing_lost();
    // 54 bytes of headers for 1460 of content; the rest is the handshake.
    let sent = pair.slave.device.tx().counters().bytes;
    assert!(sent < 32_000_000 * 1514 / 1460 + 2_000, "{sent} bytes were sent for 32000000");
    assert!(pair.now.total_millis() < 10_000, "{}", pair.now);
}

/// The window field is limited before it is scaled, so a burst of eight frames lets far more out at once. Nothing is
/// lost all the same.
pub(crate) fn a_burst_is_no_limit_of_what_comes_at_once() {
    let mut pair = Pair::new(Plan { ring_size: 8, ..Plan::default() });
    let stated = pair.master.device.capabilities();
    assert_eq!((stated.max_burst_size, stated.max_transmission_unit), (Some(8), 1514));
    let there = pair.master.listen(80, 1 << 20);
    let here = pair.slave.connect(MASTER, 80, 40_000, 1 << 20);
    while pair.slave.sockets.get::<tcp::Socket<'_>>(here).state() != tcp::State::Established {
        pair.turn();
    }
    let mut stream = Stream::new(here, there, 1, 1 << 20);
    // Until the congestion window, which begins small, has opened.
    let mut most = 0;
    while !stream.is_over() {
        stream.write(&mut pair.slave.sockets);
        let before = pair.slave.device.tx().counters().packets;
        pair.slave.poll(pair.now);
        most = most.max(pair.slave.device.tx().counters().packets - before);
        pair.turn();
        stream.read(&mut pair.master.sockets);
    }
    // All that the ring takes, but for what is kept for replies, and the reply that the peer has not taken yet.
    assert!(most >= 5, "{most}");
    pair.nothing_lost();
}

/// Both ends send all that their rings take, on so many connections that no window stops them.
pub(crate) fn two_full_rings_do_not_wait_for_each_other() {
    for medium in [Medium::Ethernet, Medium::Ip] {
        for (ring_size, buffer_size) in [(4, 2048), (16, 2048), (16, 512), (32, 512), (128, 512)] {
            let mut pair = Pair::new(Plan { medium, ring_size, buffer_size, ..Plan::default() });
            let mut all = streams(&mut pair, 12, 200_000, 1 << 16);
            run_from(&mut pair, &mut all, all_over, |pair| {
                // Both at the same time.
                pair.master.send_first(pair.now);
                pair.slave.send_first(pair.now);
            });
            pair.nothing_lost();
        }
    }
}

/// A connection outlives its link: what was under way is sent again.
pub(crate) fn connections_outlive_a_link() {
    let plan = Plan::default();
    let mut pair = Pair::new(plan);
    let mut all = streams(&mut pair, 1, 3_000_000, 1 << 16);
    for part in 1..=3 {
        run(&mut pair, &mut all, |all| all.iter().flatten().all(|stream| stream.came() >= part * 700_000));
        pair.ends.socket.disconnect(pair.ends.slave, "the next one, please").expect("it was up");
        while !matches!(pair.ends.socket.poll(testkit::patience::STEP), Ok(Some(Event::Disconnected { .. }))) {}
        for end in [&mut pair.master, &mut pair.slave] {
            let ended = loop {
                match end.device.poll(pair.now, &mut end.interface, &mut end.sockets) {
                    Ok(_) => {}
                    Err(ended) => break ended,
                }
            };
            assert_eq!(ended, LinkError::Down(RecvError::Disconnected));
            assert_eq!(end.device.wait(pair.now, &mut end.interface, &end.sockets, None), Err(ended));
        }
        let (master, slave) = pair.ends.links();
        pair.master.device.attach(master).expect("the same MTU");
        pair.slave.device.attach(slave).expect("the same MTU");
    }
    run(&mut pair, &mut all, all_over);
    assert_eq!(pair.slave.interface.ipv4_addr(), Some(SLAVE));
}
