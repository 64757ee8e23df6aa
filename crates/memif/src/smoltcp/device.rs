//! A pair of queues as a device of the stack.

use std::os::fd::{AsFd, BorrowedFd};

use ::smoltcp::phy::{self, DeviceCapabilities, Medium};
use ::smoltcp::time::Instant;

use super::DeviceConfig;
use super::error::DeviceError;
use super::inbox::Inbox;
use super::outbox::Outbox;
use super::pace::Pace;
use crate::queue::{RxQueue, TxQueue};
use crate::socket::Link;

/// One pair of queues as a [`phy::Device`], with [`poll`](Self::poll) and [`wait`](Self::wait) around it.
///
/// - A frame that came is copied before the stack sees it: ring memory is the peer's, too, who may rewrite it at any
///   time.
/// - A token to send is given only while the ring has room for a frame of the MTU, so none is lost. A token to receive
///   comes with one to reply, and so only while there is room for the reply.
/// - Frames are published together: by [`poll`](Self::poll) at its end, by [`publish`](Self::publish), and after each
///   64.
#[derive(Debug)]
pub struct Device {
    config: DeviceConfig,
    pub(super) inbox: Inbox,
    pub(super) outbox: Outbox,
    pub(super) pace: Pace,
}

impl Device {
    /// A device of a pair of queues.
    ///
    /// # Errors
    /// [`DeviceError`] where the MTU does not fit the link.
    pub fn new(config: DeviceConfig, rx: RxQueue, tx: TxQueue) -> Result<Self, DeviceError> {
        config.check()?;
        let outbox = Outbox::new(&config, tx)?;
        Ok(Self { config, inbox: Inbox::new(rx), outbox, pace: Pace::default() })
    }

    /// A device of a link with one queue each way.
    ///
    /// # Errors
    /// As [`new`](Self::new), and [`DeviceError::Queues`].
    pub fn of_link(config: DeviceConfig, link: Link) -> Result<Self, DeviceError> {
        let (rx, tx) = pair(link)?;
        Self::new(config, rx, tx)
    }

    /// Goes on with the next link, when this one is down. An [`Interface`](::smoltcp::iface::Interface) and its sockets
    /// stay as they are: to a TCP connection it is a cable that was pulled and put back. Frames that were not published
    /// are lost with the link before.
    ///
    /// The MTU stays, since an interface asks for it once, in `Interface::new`, and would never learn of another.
    ///
    /// # Errors
    /// [`DeviceError`] where this link does not carry that MTU, as when its slave came back with smaller buffers. The
    /// device keeps the link that it had. Make another device with a smaller MTU, and an interface on it.
    pub fn attach(&mut self, link: Link) -> Result<(), DeviceError> {
        let (rx, tx) = pair(link)?;
        self.outbox.attach(&self.config, tx)?;
        self.inbox.attach(rx);
        self.pace = Pace::default();
        Ok(())
    }

    /// Publishes the frames that the stack has written. For programs that call
    /// [`Interface::poll`](::smoltcp::iface::Interface::poll) themselves, after it: [`poll`](Self::poll) does this at
    /// its end.
    pub fn publish(&mut self) {
        self.outbox.publish();
    }

    /// Frames that the stack wrote and that were not sent: what was not published when the link went down, and what is
    /// longer than the link carries.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.outbox.lost
    }

    /// The queue that frames come from, for its counters.
    #[must_use]
    pub fn rx(&self) -> &RxQueue {
        &self.inbox.rx
    }

    /// The queue that frames go to, for its counters.
    #[must_use]
    pub fn tx(&self) -> &TxQueue {
        self.outbox.queue()
    }

    pub(super) fn medium(&self) -> Medium {
        self.config.medium
    }

    /// Takes the signals of the [descriptor](AsFd), for event loops of one's own: before [`poll`](Self::poll), when it
    /// is readable.
    pub fn acknowledge(&mut self) {
        self.inbox.rx.acknowledge();
    }
}

/// That of the receive queue.
impl AsFd for Device {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inbox.rx.as_fd()
    }
}

fn pair(link: Link) -> Result<(RxQueue, TxQueue), DeviceError> {
    let Link { mut rx, mut tx, .. } = link;
    let counts = (rx.len(), tx.len());
    match (rx.pop(), tx.pop()) {
        (Some(rx), Some(tx)) if counts == (1, 1) => Ok((rx, tx)),
        _ => Err(DeviceError::Queues { rx: counts.0, tx: counts.1 }),
    }
}

impl phy::Device for Device {
    type RxToken<'a> = RxToken<'a>;
    type TxToken<'a> = TxToken<'a>;

    fn receive(&mut self, _: Instant) -> Option<(RxToken<'_>, TxToken<'_>)> {
        if !self.inbox.fill() || !self.outbox.has_room_for_reply() {
            return None;
        }
        Some((RxToken(self.inbox.take()), TxToken(&mut self.outbox)))
    }

    fn transmit(&mut self, _: Instant) -> Option<TxToken<'_>> {
        self.outbox.has_room().then_some(TxToken(&mut self.outbox))
    }

    /// The MTU of the settings, with the ethernet header where there is one, and as a burst what the ring of the
    /// receive queue holds.
    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = self.config.medium;
        capabilities.max_transmission_unit = self.config.frame();
        let each = self.outbox.queue().slots_of(self.config.frame()).max(1);
        capabilities.max_burst_size = Some((self.inbox.rx.ring_size() / each).max(1));
        capabilities.checksum = self.config.checksums.clone();
        capabilities
    }
}

/// A frame that came.
#[derive(Debug)]
pub struct RxToken<'a>(pub(super) &'a [u8]);

impl phy::RxToken for RxToken<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.0)
    }
}

/// Room for a frame.
#[derive(Debug)]
pub struct TxToken<'a>(&'a mut Outbox);

impl phy::TxToken for TxToken<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        self.0.add(len, f)
    }
}
