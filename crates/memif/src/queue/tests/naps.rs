//! Sleeps for which somebody else's reactor waits.

use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};

use super::Pair;
use crate::config::{InterfaceConfig, RxMode};
use crate::queue::steps::{RxWait, Step};

/// Where the kernel does not take the peer's signals among what ends a sleep, time does.
#[test]
fn a_sleep_that_hears_no_signals_has_an_end() {
    let mode = |config: InterfaceConfig| config.rx_mode(RxMode::Interrupt);
    let mut pair = Pair::new(mode(InterfaceConfig::slave(0)), mode(InterfaceConfig::master(0)));
    for rx in [&mut pair.slave.rx[0], &mut pair.master.rx[0]] {
        let mut nap = rx.new_nap().unwrap();
        // As in a storm, and then the kernel refuses.
        assert!(nap.listen(false, &rx.shared));
        epoll::delete(&*nap.descriptor(), &*rx.shared.interrupt).unwrap();
        assert!(!nap.listen(true, &rx.shared));
        assert_eq!(rx.step(&mut RxWait::default(), &mut nap), Ok(Step::Sleep));
        let all = nap.descriptor();
        let minute = Timespec { tv_sec: 60, tv_nsec: 0 };
        assert_eq!(poll(&mut [PollFd::new(&*all, PollFlags::IN)], Some(&minute)), Ok(1), "it sleeps on");
        assert!(nap.look().time_over);
    }
}
