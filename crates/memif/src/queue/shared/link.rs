//! One link: how it stands, and what its queues ask of their driver.

use std::os::fd::OwnedFd;
use std::sync::atomic::{Ordering, fence};
use std::sync::{Arc, OnceLock};

use rustix::event::{EventfdFlags, eventfd};

use super::QueueShared;
use super::peer::Control;
use super::signals::{DriverSignals, FIRST_REPEAT};
use super::standing::Standing;
use super::users::Users;
use crate::config::{CacheLine, Role};
use crate::error::Breach;
use crate::shm::{Decoy, Regions};
use crate::sys;

/// One link, shared by its queues and the driver.
#[derive(Debug)]
pub(crate) struct LinkShared {
    pub(crate) role: Role,
    pub(crate) regions: Regions,
    standing: Standing,
    users: Users,
    fault: OnceLock<Breach>,
    /// Ours alone, so that no peer can drain it: readable for good once the link is down. Made for the first who
    /// sleeps: a link at rest, or one that is polled, has none.
    down_event: OnceLock<OwnedFd>,
    control: Control,
    /// Slave: what a peer with more queues than the link sends to.
    decoy: Option<Decoy>,
    signals: DriverSignals,
    pub(crate) rx: Vec<Arc<QueueShared>>,
    pub(crate) tx: Vec<Arc<QueueShared>>,
}

impl LinkShared {
    pub(crate) fn new(
        role: Role,
        regions: Regions,
        signals: &DriverSignals,
        decoy: Option<Decoy>,
        rx: Vec<Arc<QueueShared>>,
        tx: Vec<Arc<QueueShared>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            role,
            regions,
            standing: Standing::default(),
            users: Users::default(),
            fault: OnceLock::new(),
            down_event: OnceLock::new(),
            control: Control::default(),
            decoy,
            signals: signals.clone(),
            rx,
            tx,
        })
    }

    /// Whether the link is down.
    #[inline]
    pub(crate) fn is_down(&self) -> bool {
        !self.standing.is_up()
    }

    /// Whether it went down because the peer left, so that receivers still take what that published before.
    pub(crate) fn has_leftovers(&self) -> bool {
        self.standing.has_leftovers()
    }

    /// Whether the peer left and the application of a binding was not told: to it the link is up.
    #[cfg(feature = "raw")]
    pub(crate) fn is_untold(&self) -> bool {
        self.standing.is_untold()
    }

    /// The application of a binding is told now, if the peer left.
    #[cfg(feature = "raw")]
    pub(crate) fn tell(&self) {
        self.standing.tell();
    }

    /// The connection that the link belongs to. To be called before its queues are handed out.
    pub(crate) fn set_control(&self, control: Arc<OwnedFd>) {
        self.control.set(control);
    }

    /// The connection that the link belongs to, to be waited for with [`PEER_GONE`](super::PEER_GONE); then it is to
    /// be taken down with [`lost_peer`](Self::lost_peer).
    pub(crate) fn control(&self) -> Option<&OwnedFd> {
        self.control.get()
    }

    /// Looks whether the peer is gone, of which the driver may not know yet. One system call at most.
    #[cfg(feature = "raw")]
    pub(crate) fn peer_is_gone(&self) -> bool {
        self.control.is_gone()
    }

    /// Takes the link down if the peer is gone. One system call at most. Returns whether it is down.
    pub(crate) fn look_at_peer(&self) -> bool {
        if !self.is_down() && self.control.is_gone() {
            self.lost_peer();
        }
        self.is_down()
    }

    /// A queue found that the peer is gone. The driver is told, which has the connection still and reads why: what its
    /// queues take for over must not stay up to it.
    pub(crate) fn lost_peer(&self) {
        if self.standing.leave() {
            self.wake_sleepers();
            self.signals.call_attention();
        }
    }

    /// Readable once the link is down.
    ///
    /// # Errors
    /// There is none yet, and the process has no descriptor left.
    pub(crate) fn down_event(&self) -> rustix::io::Result<&OwnedFd> {
        if let Some(event) = self.down_event.get() {
            return Ok(event);
        }
        let made = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        // Where another thread was first, its one counts.
        let event = self.down_event.get_or_init(|| made);
        // Whoever takes the link down looks for the event behind such a fence, too: one sees what the other did.
        fence(Ordering::SeqCst);
        if self.is_down() {
            sys::raise(event);
        }
        Ok(event)
    }

    /// Takes the link down for a breach that a queue found, and tells the driver. The first breach counts.
    /// Returns the breach that did, which is another one when the peer took its memory away: then everything
    /// reads as zero, and what follows from that is no news.
    pub(crate) fn fail(&self, breach: Breach) -> Breach {
        let breach = if self.regions.any_gone() { Breach::MemoryGone } else { self.other_line().unwrap_or(breach) };
        let first = self.fault.get_or_init(|| breach).clone();
        self.shut();
        self.signals.call_attention();
        first
    }

    /// Takes the link down: every call on its queues says so from now on, and sleepers wake.
    pub(crate) fn shut(&self) {
        if self.standing.shut() {
            self.wake_sleepers();
        }
    }

    /// Takes the link down because the peer left. Receivers first take what it published before.
    pub(crate) fn leave(&self) {
        if self.standing.leave() {
            self.wake_sleepers();
        }
    }

    fn wake_sleepers(&self) {
        fence(Ordering::SeqCst);
        if let Some(event) = self.down_event.get() {
            sys::raise(event);
        }
    }

    /// Nobody has the link or one of its queues any more. The driver takes it down, unless it is to stay up.
    pub(super) fn users_are_gone(&self) {
        if self.users.are_gone() && !self.is_down() {
            self.signals.call_attention();
        }
    }

    /// The link stays up without users.
    pub(super) fn keep_up(&self) {
        self.users.are_not_needed();
    }

    /// Whether it is to go because nobody has it.
    pub(crate) fn is_unused(&self) -> bool {
        self.users.left_it()
    }

    /// The breach that a queue found, if one did.
    pub(crate) fn fault(&self) -> Option<Breach> {
        self.fault.get().cloned()
    }

    /// Slave: the cache line of the master, as far as what that wrote to the rings tells.
    pub(crate) fn line_of_master(&self) -> Option<CacheLine> {
        if self.role == Role::Master {
            return None;
        }
        let queues = || self.rx.iter().chain(&self.tx);
        let own = queues().next()?.line();
        // What a master writes behind a ring, since its descriptors lie further on, may look like a tail in the next.
        let mut told = queues().filter_map(|queue| queue.line_of_master());
        told.try_fold(None, |_, line| if line == own { Ok(Some(line)) } else { Err(line) }).unwrap_or_else(Some)
    }

    /// The breach that it is, if the master has the other line: then everything else is no news.
    pub(crate) fn other_line(&self) -> Option<Breach> {
        let slave = self.rx.iter().chain(&self.tx).next()?.line();
        let master = self.line_of_master().filter(|master| *master != slave)?;
        Some(Breach::CacheLine { slave, master })
    }

    /// Whether the peer sends on more queues than the link has, see [`Decoy`].
    pub(crate) fn surplus_used(&self) -> bool {
        self.decoy.as_ref().is_some_and(Decoy::is_used)
    }

    /// Makes sure that the driver repeats signals while this link's receivers lag.
    #[inline]
    pub(crate) fn want_repeat(&self) {
        self.signals.arm_repeat();
    }

    /// For the driver: repeats signals to receivers that lag. Returns whether it wants to be called again in a
    /// millisecond; for later it arms the timer itself.
    pub(crate) fn repeat_signals(&self) -> bool {
        if self.is_down() {
            return false;
        }
        let now = self.signals.now();
        let mut soon = false;
        // Every queue is asked: no short cut.
        for wait in self.tx.iter().filter_map(|queue| queue.repeat(now)) {
            if wait <= FIRST_REPEAT {
                soon = true;
            } else {
                self.signals.arm_slow(wait);
            }
        }
        soon
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::sys::{EventFd, TimerFd, is_signalled};

    fn link() -> Arc<LinkShared> {
        let (attention, repeat) = (EventFd::new().unwrap(), TimerFd::new().unwrap());
        let signals = DriverSignals::new(attention.shared(), repeat.shared());
        LinkShared::new(Role::Master, Regions::new(vec![]), &signals, None, vec![], vec![])
    }

    #[test]
    fn whoever_sleeps_hears_of_the_end_whichever_comes_first() {
        let sleeper_first = link();
        assert!(!is_signalled(sleeper_first.down_event().unwrap()));
        sleeper_first.leave();
        assert!(is_signalled(sleeper_first.down_event().unwrap()));
        let end_first = link();
        end_first.shut();
        assert!(end_first.down_event.get().is_none(), "made for nobody");
        assert!(is_signalled(end_first.down_event().unwrap()));
    }

    #[test]
    fn whoever_sleeps_hears_of_the_end_that_comes_meanwhile() {
        for _ in 0..500 {
            let link = link();
            let start = std::sync::Barrier::new(3);
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    start.wait();
                    link.shut();
                });
                for _ in 0..2 {
                    scope.spawn(|| {
                        start.wait();
                        let _ = link.down_event().unwrap();
                    });
                }
            });
            assert!(is_signalled(link.down_event().unwrap()));
        }
    }
}
