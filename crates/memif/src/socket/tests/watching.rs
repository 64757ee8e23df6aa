//! Watched queues in the modes that do not ask for signals by themselves.

use super::*;
use crate::config::RxMode;

/// The next event is that queue 0 is readable.
#[track_caller]
fn expect_readable(socket: &mut Socket) {
    let event = socket.poll(Some(WATCHDOG)).unwrap();
    assert!(matches!(event, Some(Event::Readable { queue: 0, .. })), "{event:?}");
}

fn received(link: &mut Link) -> usize {
    let mut count = 0;
    loop {
        let mut batch = link.rx[0].recv(4).unwrap();
        if batch.is_empty() {
            return count;
        }
        count += (&mut batch).into_iter().count();
    }
}

/// A link whose queue is in the default mode.
fn default_link() -> (Both, Link, Link) {
    let mut both = Both::new(InterfaceConfig::master(0), InterfaceConfig::slave(0));
    let (here, there) = both.links();
    (both, here, there)
}

#[test]
fn the_default_mode_is_right_for_it() {
    let (mut both, mut here, mut there) = default_link();
    there.tx[0].send(&[1; 60]).unwrap();
    both.master.watch(both.master_key, 0).unwrap();
    // Nobody has told of that packet.
    expect_readable(&mut both.master);
    assert_eq!(received(&mut here), 1);
    for _ in 0..2 {
        // More batches than an adaptive queue takes without a sleep before it has its sender be quiet.
        for _ in 0..100 {
            there.tx[0].send(&[1; 60]).unwrap();
            expect_readable(&mut both.master);
            assert_eq!(received(&mut here), 1);
        }
        // And on the next link.
        both.slave.disconnect(both.slave_key, "again").unwrap();
        both.run(reason, reason);
        (here, there) = both.links();
    }
}

#[test]
fn a_queue_that_waited_before_can_be_watched() {
    let (mut both, mut here, mut there) = default_link();
    // It asks for signals now, and would stop to when packets come fast.
    assert_eq!(here.rx[0].wait(Some(Duration::from_millis(2))), Ok(false));
    both.master.watch(both.master_key, 0).unwrap();
    expect_readable(&mut both.master);
    assert_eq!(received(&mut here), 0);
    for _ in 0..100 {
        there.tx[0].send(&[1; 60]).unwrap();
        expect_readable(&mut both.master);
        assert_eq!(received(&mut here), 1);
    }
}

#[test]
fn polling_queues_are_not_watched() {
    let mut socket = open(&fresh_address());
    let polling = || InterfaceConfig::master(0).rx_mode(RxMode::Polling);
    let key = socket.add_interface(polling()).unwrap();
    assert!(matches!(socket.watch(key, 0), Err(SocketError::NeverSignalled)));
    socket.reconfigure(key, InterfaceConfig::master(0)).unwrap();
    socket.watch(key, 0).unwrap();
    assert!(matches!(socket.reconfigure(key, polling()), Err(SocketError::NeverSignalled)));
    socket.unwatch(key, 0).unwrap();
    socket.reconfigure(key, polling()).unwrap();
}
