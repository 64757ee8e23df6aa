//! UDP over IPv4 in user space: quinn's socket, on a memif in IP mode.

use std::fmt;
use std::future::Future;
use std::io::{self, ErrorKind, IoSliceMut};
use std::net::{SocketAddr, SocketAddrV4};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use etherparse::{NetSlice, PacketBuilder, SlicedPacket, TransportSlice};
use futures_util::StreamExt;
use memif::tokio::{Link, RxStream, TxQueue};
use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};
use tokio::time::{Sleep, sleep};

const TIME_TO_LIVE: u8 = 64;
/// Nothing signals a freed slot: how long after a look at a full ring the next one comes.
const PAUSE: Duration = Duration::from_millis(1);

/// A socket with one address, through which its link is used. What comes for other addresses is dropped.
///
/// It neither asks for neighbours nor routes: in IP mode a packet for whatever address goes to the peer.
#[derive(Debug)]
pub struct UdpSocket {
    own: SocketAddrV4,
    rx: Mutex<RxStream>,
    /// Used by a task for each connection.
    tx: Mutex<TxQueue>,
}

impl UdpSocket {
    /// A socket on a link. `None` when that has no queue in one direction.
    #[must_use]
    pub fn new(own: SocketAddrV4, mut link: Link) -> Option<Arc<Self>> {
        let (rx, tx) = (link.rx.pop()?, link.tx.pop()?);
        Some(Arc::new(Self { own, rx: Mutex::new(rx.into_stream()), tx: Mutex::new(tx) }))
    }

    /// The datagram in a packet, and who sent it. Its sum is not checked: QUIC finds out what was changed.
    fn datagram<'a>(&self, packet: &'a [u8]) -> Option<(SocketAddrV4, &'a [u8])> {
        let packet = SlicedPacket::from_ip(packet).ok()?;
        let (Some(NetSlice::Ipv4(ip)), Some(TransportSlice::Udp(udp))) = (packet.net, packet.transport) else {
            return None;
        };
        let to = SocketAddrV4::new(ip.header().destination_addr(), udp.destination_port());
        let from = SocketAddrV4::new(ip.header().source_addr(), udp.source_port());
        (to == self.own).then_some((from, udp.payload()))
    }
}

impl AsyncUdpSocket for UdpSocket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Room { socket: self, pause: None })
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let SocketAddr::V4(to) = transmit.destination else {
            return Err(ErrorKind::AddrNotAvailable.into());
        };
        let mut packet = Vec::new();
        PacketBuilder::ipv4(self.own.ip().octets(), to.ip().octets(), TIME_TO_LIVE)
            .udp(self.own.port(), to.port())
            .write(&mut packet, transmit.contents)
            .map_err(io::Error::other)?;
        // That the ring is full becomes `WouldBlock`, as quinn asks for.
        Ok(lock(&self.tx).get_mut().send(&packet)?)
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut rx = lock(&self.rx);
        let mut count = 0;
        while let (Some(buffer), Some(meta)) = (buffers.get_mut(count), meta.get_mut(count)) {
            let packet = match rx.poll_next_unpin(cx) {
                Poll::Ready(Some(packet)) => packet?,
                Poll::Ready(None) => return Poll::Ready(Err(ErrorKind::NotConnected.into())),
                Poll::Pending if count == 0 => return Poll::Pending,
                Poll::Pending => break,
            };
            let Some((from, content)) = self.datagram(&packet) else { continue };
            // Longer than quinn said that it takes: as if it had been lost.
            let Some(place) = buffer.get_mut(..content.len()) else { continue };
            place.copy_from_slice(content);
            *meta = RecvMeta { addr: from.into(), len: content.len(), stride: content.len(), ecn: None, dst_ip: None };
            count += 1;
        }
        Poll::Ready(Ok(count))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.own.into())
    }

    fn may_fragment(&self) -> bool {
        false
    }
}

/// A wait for room on the ring, of one connection.
struct Room {
    socket: Arc<UdpSocket>,
    pause: Option<Pin<Box<Sleep>>>,
}

impl UdpPoller for Room {
    fn poll_writable(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !lock(&self.socket.tx).get_mut().has_room(1)? {
            let pause = self.pause.get_or_insert_with(|| Box::pin(sleep(PAUSE)));
            ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        Poll::Ready(Ok(()))
    }
}

impl fmt::Debug for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Room").field("socket", &self.socket).finish_non_exhaustive()
    }
}

/// No thread panics with one of these locks.
fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
