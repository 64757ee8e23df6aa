//! Traffic both ways at once between the library, in a thread of its own, and a scripted peer.

use memif::Link;
use testkit::patience::Patience;
use testkit::slave_path::Tally;
use testkit::traffic::{InOrder, packet};
use testkit::{MasterLink, SlaveLink};

use crate::load::{Load, RxLane, Style, TxLane, Watch};

/// The first queues of a scripted peer, without waiting.
pub(crate) trait Duplex {
    /// Sends if there is room.
    fn try_send(&mut self, packet: &[u8]) -> bool;
    /// Receives if there is a packet.
    fn try_receive(&mut self) -> Option<Vec<u8>>;
    /// What was sent and received.
    fn counted(&self) -> (Tally, Tally);
}

macro_rules! duplex {
    ($link:ty) => {
        impl Duplex for $link {
            fn try_send(&mut self, packet: &[u8]) -> bool {
                self.tx[0].try_send(packet)
            }

            fn try_receive(&mut self) -> Option<Vec<u8>> {
                self.rx[0].receive()
            }

            fn counted(&self) -> (Tally, Tally) {
                (self.tx[0].tally, self.rx[0].tally)
            }
        }
    };
}
duplex!(SlaveLink);
duplex!(MasterLink);

/// So many packets each way at once, checked for content and order; the counters of both ends tell the same.
#[track_caller]
pub(crate) fn both_ways(link: &mut Link, peer: &mut impl Duplex, packets: u64, sizes: &[usize], style: Style) {
    let load = Load { packets, sizes: sizes.to_vec(), batch: 32, style };
    let before = peer.counted();
    let report = std::thread::scope(|scope| {
        let library = scope.spawn(|| {
            let Link { rx, tx, .. } = link;
            let (rx, tx) = (RxLane::new(&mut rx[0], 1), TxLane::new(&mut tx[0], 2));
            load.run(vec![rx], vec![tx], &Watch::default())
        });
        let (mut sent, mut order, mut patience) = (0, InOrder::of(2), Patience::default());
        let mut next = None;
        while sent < packets || order.count() < packets {
            let mut moved = false;
            if sent < packets {
                let at = usize::try_from(sent).expect("an index") % sizes.len();
                let packet = next.take().unwrap_or_else(|| packet(1, sent, sizes[at]));
                if peer.try_send(&packet) {
                    sent += 1;
                    moved = true;
                } else {
                    next = Some(packet);
                }
            }
            if let Some(packet) = peer.try_receive() {
                order.take(&packet);
                moved = true;
            }
            if moved {
                patience = Patience::default();
            } else if !patience.more() {
                panic!("nothing moves: {sent} sent and {} received of {packets}", order.count());
            }
        }
        library.join().expect("the library's end")
    });
    let after = peer.counted();
    let difference = |a: Tally, b: Tally| (a.packets - b.packets, a.bytes - b.bytes);
    assert_eq!(report.rx, [difference(after.0, before.0)], "received by the library, sent by the peer");
    assert_eq!(report.tx, [difference(after.1, before.1)], "sent by the library, received by the peer");
    assert!(!report.link_down);
}
