//! V11: VPP in interrupt mode takes at most 256 packets per signal and forgets the rest. Nothing may stay behind.

use std::os::fd::AsFd;
use std::time::Duration;

use memif::{InterfaceConfig, Link};
use testkit::patience::{Patience, STEP};
use testkit::seqsock::readable;
use testkit::slave_path::take_signal;
use testkit::traffic::{InOrder, packet};
use testkit::{MasterLink, SlaveLink, VppLikeSlave};

use crate::common::{MasterRig, Rig, SlaveRig};
use crate::vpp_master;

/// A receiver that lags is told again within about a millisecond, and less and less often while it does nothing.
const QUIET: Duration = Duration::from_millis(60);

/// What a receiver in interrupt mode does for one signal.
trait Sleeper {
    fn wake(&mut self) -> Vec<Vec<u8>>;
    fn is_signalled(&self) -> bool;
    fn signalled(&self, within: Duration) -> bool;
    fn received(&self) -> u64;
}

macro_rules! sleeper {
    ($link:ty) => {
        impl Sleeper for $link {
            fn wake(&mut self) -> Vec<Vec<u8>> {
                self.rx[0].wait_signalled()
            }

            fn is_signalled(&self) -> bool {
                readable(self.rx[0].interrupt.as_fd(), STEP)
            }

            fn signalled(&self, within: Duration) -> bool {
                take_signal(self.rx[0].interrupt.as_fd(), within).is_some()
            }

            fn received(&self) -> u64 {
                self.rx[0].tally.packets
            }
        }
    };
}
sleeper!(SlaveLink);
sleeper!(MasterLink);

/// Bursts of every size; the receiver moves by signals alone. `busy`: it does other things first.
#[track_caller]
fn bursts(link: &mut Link, peer: &mut impl Sleeper, busy: Duration) {
    let mut order = InOrder::of(3);
    for burst in [1, 2, 255, 256, 257, 511, 600, 700, 1000] {
        let mut batch = link.tx[0].reserve().expect("a batch");
        for n in 0..burst {
            batch.push(&packet(3, order.count() + n, 64)).expect("room");
        }
        assert_eq!(batch.commit() as u64, burst);
        std::thread::sleep(busy);
        let end = order.count() + burst;
        let mut wakes = 0;
        while order.count() < end {
            assert!(
                peer.is_signalled(),
                "{} packets of a burst of {burst} lie in the ring and nobody signals: {:?}",
                end - order.count(),
                link.tx[0].counters()
            );
            for packet in peer.wake() {
                order.take(&packet);
            }
            wakes += 1;
        }
        assert!(wakes >= burst.div_ceil(256), "more than 256 packets for one signal");
        // All is taken: signals end, or become rare where the slave never posts its last buffers again.
        let mut patience = Patience::default();
        while peer.signalled(QUIET) {
            assert!(patience.more(), "signalled all the time");
        }
    }
    assert_eq!(link.tx[0].counters().packets, peer.received());
    assert_eq!(order.count(), peer.received());
}

fn as_master(busy: Duration) {
    for zero_copy in [false, true] {
        let slave = VppLikeSlave { zero_copy, interrupt: true, log2: 11, ..VppLikeSlave::default() };
        let mut rig = MasterRig::with(InterfaceConfig::master(0));
        let (mut link, mut peer) = rig.link_as(&slave.plan(14, 255, 255));
        bursts(&mut link, &mut peer, busy);
        rig.driver.assert_idle();
        drop(peer);
        rig.disconnected(link);
        rig.finish();
    }
}

fn as_slave(busy: Duration) {
    let config = InterfaceConfig::slave(0).ring_size(2048);
    let mut rig = SlaveRig::with_socket(config, vpp_master::plan(true), |builder| builder);
    let (mut link, mut peer) = rig.link();
    bursts(&mut link, &mut peer, busy);
    rig.driver.assert_idle();
    drop(peer);
    rig.disconnected(link);
    rig.finish();
}

pub(crate) fn v11_master_sends_long_bursts() {
    as_master(Duration::ZERO);
}

pub(crate) fn v11_slave_sends_long_bursts() {
    as_slave(Duration::ZERO);
}

/// The receiver is held up between the burst and its first look, as VPP is by a long command: the signals of that time
/// merge into one.
pub(crate) fn v11_master_sends_to_a_busy_receiver() {
    as_master(Duration::from_millis(100));
}

pub(crate) fn v11_slave_sends_to_a_busy_receiver() {
    as_slave(Duration::from_millis(100));
}
