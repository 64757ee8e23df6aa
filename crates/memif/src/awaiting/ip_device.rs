//! A queue pair as the device of an IP stack.

use std::fmt;
use std::io;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use super::reactor::Reactor;
use super::rx::RxQueue;
use super::tx::TxQueue;
use crate::error::SendError;
use crate::queue::TxWait;

/// How long a packet waits for room.
const PATIENCE: Duration = Duration::from_millis(10);

/// A queue pair that is read and written like a TUN device, one packet per call; ipstack takes it as its device. For an
/// interface whose [`mode`](crate::InterfaceConfig::mode) is [`Mode::Ip`](crate::Mode::Ip).
///
/// With tokio it is `AsyncRead` and `AsyncWrite` of tokio, with async-io those of futures-io.
///
/// - A read gives one packet. One that is longer than the buffer is cut, as by a TUN device. The end of the link is an
///   error ([`NotConnected`](io::ErrorKind::NotConnected) with a [`RecvError`](crate::RecvError) inside), never an end
///   of file.
/// - A write sends one packet, all of it, at once; there is nothing to flush. Where the ring is full it waits, for up
///   to 10 ms; then the packet is [lost](Self::lost), as in a device. Without that limit two stacks that each write
///   before they read again could wait for each other. What fits no buffer of the link is an error
///   ([`InvalidInput`](io::ErrorKind::InvalidInput)), so give the stack an MTU that does.
///
/// ipstack waits on when a read fails: that the link is down it does not tell. [`Control::events`](super::Control)
/// does, so drop the stack then, and make a new one with the next link.
pub struct IpDevice<R: Reactor> {
    rx: RxQueue<R>,
    tx: TxQueue<R>,
    tx_wait: TxWait,
    /// When the packet that waits for room found none, and when it was last asked for.
    full: Option<(Instant, Instant)>,
    lost: u64,
}

impl<R: Reactor> IpDevice<R> {
    /// A device of these queues.
    #[must_use]
    pub fn new(rx: RxQueue<R>, tx: TxQueue<R>) -> Self {
        Self { rx, tx, tx_wait: TxWait::default(), full: None, lost: 0 }
    }

    /// The queues.
    #[must_use]
    pub fn into_inner(self) -> (RxQueue<R>, TxQueue<R>) {
        (self.rx, self.tx)
    }

    /// Packets that were written and not sent, because the ring stayed full.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost
    }

    pub(crate) fn poll_receive(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        if buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let received = self.rx.poll_packet(cx, |packet| packet.copy_to(buffer));
        // At least one byte: nothing that a peer sends looks like an end of file.
        received.map_err(io::Error::from)
    }

    pub(crate) fn poll_transmit(&mut self, cx: &mut Context<'_>, packet: &[u8]) -> Poll<io::Result<usize>> {
        let now = Instant::now();
        // A write that was dropped leaves no trace but that nobody asks for it any more.
        if self.full.is_some_and(|(_, asked)| now.saturating_duration_since(asked) >= PATIENCE) {
            (self.full, self.tx_wait) = (None, TxWait::default());
        }
        let full = &mut self.full;
        let sent = self.tx.poll_until(cx, &mut self.tx_wait, true, |queue| match queue.try_send(packet) {
            Err(SendError::Full) => {
                let (since, asked) = full.get_or_insert((now, now));
                *asked = now;
                Ok((now.saturating_duration_since(*since) >= PATIENCE).then_some(false))
            }
            sent => sent.map(|()| Some(true)),
        });
        let sent = ready!(sent);
        self.full = None;
        self.lost += u64::from(sent == Ok(false));
        Poll::Ready(sent.map(|_| packet.len()).map_err(io::Error::from))
    }
}

impl<R: Reactor> fmt::Debug for IpDevice<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IpDevice")
            .field("rx", &self.rx)
            .field("tx", &self.tx)
            .field("lost", &self.lost)
            .finish_non_exhaustive()
    }
}
