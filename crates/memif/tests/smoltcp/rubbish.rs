//! A peer that sends what no stack would.

use smoltcp::iface::SocketSet;
use smoltcp::phy::{ChecksumCapabilities, Medium};
use smoltcp::time::Duration;

use crate::bed::{End, Ends, MASTER, Pair, Plan, SLAVE, hardware_address};
use crate::stack::{send, udp};
use crate::traffic;

/// Frames that a stack sends to another: a question for its address, datagrams, the begin of a connection.
fn good_frames(plan: Plan) -> Vec<Vec<u8>> {
    let mut ends = Ends::new(plan);
    let (master, mut slave) = ends.links();
    let mut asking = End::new(plan, master, MASTER);
    let socket = udp(&mut asking, 9);
    let now = smoltcp::time::Instant::ZERO;
    for bytes in [&b"hello"[..], &[7; 1400]] {
        send(&mut asking, socket, SLAVE, bytes);
        asking.poll(now);
        asking.device.add_neighbor(now, &mut asking.interface, SLAVE, hardware_address(SLAVE));
    }
    asking.poll(now + Duration::from_secs(2));
    asking.sockets = SocketSet::new(Vec::new());
    asking.connect(SLAVE, 80, 40_000, 4096);
    asking.poll(now + Duration::from_secs(2));
    let mut batch = slave.rx[0].recv(64).expect("the link is up");
    (&mut batch).into_iter().map(|packet| packet.to_vec()).collect()
}

/// Good frames of which some bytes are other ones, that end early or go on, whose checksums nobody looks at.
pub(crate) fn rubbish_is_survived() {
    for medium in [Medium::Ethernet, Medium::Ip] {
        let plan = Plan { medium, ..Plan::default() };
        let good = good_frames(plan);
        assert!(good.len() >= 3, "{} frames", good.len());
        let mut ends = Ends::new(plan);
        let (mut master, slave) = ends.links();
        let mut stack = End::with(plan.device().checksums(ChecksumCapabilities::ignored()), slave, SLAVE);
        let _udp = udp(&mut stack, 9);
        let _tcp = stack.listen(80, 4096);
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = move |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 16) as usize % below
        };
        let mut now = smoltcp::time::Instant::ZERO;
        for _ in 0..40_000 {
            let mut frame = good[next(good.len())].clone();
            for _ in 0..next(5) {
                let at = next(frame.len().min(80));
                frame[at] = next(256) as u8;
            }
            match next(8) {
                0 => frame.truncate(1 + next(frame.len())),
                1 => frame.resize(frame.len() + next(4000), 0),
                _ => {}
            }
            master.tx[0].send(&frame).expect("room");
            stack.poll(now);
            now += Duration::from_millis(next(20) as u64);
            let mut answers = master.rx[0].recv(64).expect("the link is up");
            assert!((&mut answers).into_iter().all(|answer| answer.len() <= plan.mtu + 14));
        }
        assert_eq!(stack.device.rx().counters().packets, 40_000);
        assert_eq!(stack.device.lost(), 0);
    }
    // What is left of it all disturbs no stack.
    traffic::crosses(&mut Pair::new(Plan::default()));
}
