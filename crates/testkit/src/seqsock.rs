//! Raw `SOCK_SEQPACKET` sockets: any bytes, any descriptors, in and out.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType,
};

use crate::patience::STEP;
use crate::wiremsg::Message;

/// Where a listener stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// A socket file.
    Path(PathBuf),
    /// An abstract name, without the leading zero byte.
    Abstract(Vec<u8>),
}

impl Address {
    /// An address that no other test has, as a path.
    #[must_use]
    pub fn fresh() -> Self {
        Address::Path(std::env::temp_dir().join(format!("memif-test-{}.sock", unique())))
    }

    /// An abstract address that no other test has.
    #[must_use]
    pub fn fresh_abstract() -> Self {
        Address::Abstract(format!("memif-test-{}", unique()).into_bytes())
    }

    /// The path.
    #[must_use]
    pub fn path(&self) -> &std::path::Path {
        match self {
            Address::Path(path) => path,
            Address::Abstract(_) => panic!("an abstract address has no path"),
        }
    }

    fn raw(&self) -> SocketAddrUnix {
        match self {
            Address::Path(path) => SocketAddrUnix::new(path).expect("path of a socket"),
            Address::Abstract(name) => SocketAddrUnix::new_abstract_name(name).expect("abstract name"),
        }
    }
}

/// Text that is unique among the processes of this machine and within this one.
#[must_use]
pub fn unique() -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let serial = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{}-{:x}-{serial}", std::process::id(), now.as_nanos() & 0xffff_ffff)
}

/// What a receive brought.
#[derive(Debug)]
pub enum Received {
    /// A datagram and its descriptors.
    Message {
        /// The bytes, cut at 4096.
        bytes: Vec<u8>,
        /// The descriptors.
        fds: Vec<OwnedFd>,
    },
    /// The other side closed.
    Closed,
    /// The other side closed with unread data (ECONNRESET).
    Reset,
    /// Nothing came in time.
    TimedOut,
}

impl Received {
    /// The message, or a failed test.
    #[track_caller]
    #[must_use]
    pub fn message(self) -> Message {
        match self {
            Received::Message { bytes, .. } => Message::decode(&bytes),
            other => panic!("a message was due, not {other:?}"),
        }
    }

    /// Whether the connection is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self, Received::Closed | Received::Reset)
    }
}

/// One end of a connection.
#[derive(Debug)]
pub struct SeqSocket(OwnedFd);

impl SeqSocket {
    /// Connects, once.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn try_connect(address: &Address) -> io::Result<Self> {
        let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        rustix::net::connect(&socket, &address.raw())?;
        Ok(Self(socket))
    }

    /// Connects, waiting for the listener to appear.
    #[must_use]
    #[track_caller]
    pub fn connect(address: &Address) -> Self {
        crate::eventually("a listener to connect to", || Self::try_connect(address).ok())
    }

    /// A connected pair.
    #[must_use]
    pub fn pair() -> (Self, Self) {
        let (a, b) = rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
            .expect("socketpair");
        (Self(a), Self(b))
    }

    /// The descriptor.
    #[must_use]
    pub fn into_fd(self) -> OwnedFd {
        self.0
    }

    /// Sends one datagram with its descriptors in one block.
    ///
    /// # Errors
    /// What the kernel says, EPIPE as any other (no signal).
    pub fn try_send(&self, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        let blocks: &[&[BorrowedFd<'_>]] = if fds.is_empty() { &[] } else { &[fds] };
        self.try_send_blocks(bytes, blocks, SendFlags::NOSIGNAL)
    }

    /// Sends one datagram with several blocks of descriptors.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn try_send_blocks(&self, bytes: &[u8], blocks: &[&[BorrowedFd<'_>]], flags: SendFlags) -> io::Result<()> {
        let room = blocks.iter().map(|fds| SendAncillaryMessage::ScmRights(fds).size()).sum();
        let mut space = vec![MaybeUninit::uninit(); room];
        let mut control = SendAncillaryBuffer::new(&mut space);
        for fds in blocks {
            assert!(control.push(SendAncillaryMessage::ScmRights(fds)), "room for descriptors");
        }
        rustix::net::sendmsg(&self.0, &[IoSlice::new(bytes)], &mut control, flags | SendFlags::NOSIGNAL)?;
        Ok(())
    }

    /// Sends a message without descriptors; it must be accepted by the kernel.
    #[track_caller]
    pub fn send(&self, message: &Message) {
        self.try_send(&message.encode(), &[]).unwrap_or_else(|e| panic!("sending {message:?}: {e}"));
    }

    /// Sends a message without waiting; false when the socket is full or closed.
    #[must_use]
    pub fn send_now(&self, message: &Message) -> bool {
        self.try_send_blocks(&message.encode(), &[], SendFlags::DONTWAIT).is_ok()
    }

    /// Whether the other end is closed, however much of what it said is still to be read.
    #[must_use]
    #[track_caller]
    pub fn is_closed(&self) -> bool {
        let mut set = [PollFd::new(&self.0, PollFlags::empty())];
        rustix::event::poll(&mut set, Some(&Timespec::default())).unwrap();
        set[0].revents().contains(PollFlags::HUP)
    }

    /// From now on whatever the other end sends fails there, though this end stays.
    #[track_caller]
    pub fn stop_reading(&self) {
        rustix::net::shutdown(&self.0, rustix::net::Shutdown::Read).unwrap();
    }

    /// Whether something can be read within `time`.
    #[must_use]
    pub fn readable(&self, time: Duration) -> bool {
        readable(self.0.as_fd(), time)
    }

    /// Receives one datagram within `time`.
    #[must_use]
    pub fn receive_within(&self, time: Duration) -> Received {
        if !self.readable(time) {
            return Received::TimedOut;
        }
        self.receive_ready(RecvFlags::DONTWAIT)
    }

    /// Looks at the next datagram and leaves it there.
    #[must_use]
    pub fn peek_within(&self, time: Duration) -> Received {
        if !self.readable(time) {
            return Received::TimedOut;
        }
        self.receive_ready(RecvFlags::DONTWAIT | RecvFlags::PEEK)
    }

    /// Receives one datagram within [`STEP`].
    #[must_use]
    pub fn receive(&self) -> Received {
        self.receive_within(STEP)
    }

    fn receive_ready(&self, flags: RecvFlags) -> Received {
        let mut bytes = vec![0; 4096];
        let mut space = vec![MaybeUninit::uninit(); 4096];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let result = rustix::net::recvmsg(
            &self.0,
            &mut [IoSliceMut::new(&mut bytes)],
            &mut control,
            flags | RecvFlags::CMSG_CLOEXEC,
        );
        let message = match result {
            Ok(message) => message,
            Err(Errno::CONNRESET) => return Received::Reset,
            Err(Errno::AGAIN) => return Received::TimedOut,
            Err(error) => panic!("recvmsg: {error}"),
        };
        assert!(!message.flags.contains(ReturnFlags::TRUNC), "a datagram longer than 4096 bytes");
        let mut fds = Vec::new();
        for item in control.drain() {
            if let RecvAncillaryMessage::ScmRights(received) = item {
                fds.extend(received);
            }
        }
        if message.bytes == 0 {
            return Received::Closed;
        }
        bytes.truncate(message.bytes);
        Received::Message { bytes, fds }
    }

    /// Reads until the connection is over; every message that came before that.
    #[track_caller]
    #[must_use]
    pub fn drain(&self) -> Vec<Message> {
        let mut messages = Vec::new();
        loop {
            match self.receive() {
                Received::Message { bytes, .. } => messages.push(Message::decode(&bytes)),
                Received::Closed | Received::Reset => return messages,
                Received::TimedOut => panic!("not closed in time, after {messages:?}"),
            }
        }
    }

    /// Waits for the other end to end a link: the reason, when it gave one. It says nothing else.
    #[track_caller]
    #[must_use]
    pub fn last_words(&self) -> Option<String> {
        let mut reason = None;
        loop {
            match self.receive() {
                Received::Message { bytes, .. } => match Message::decode(&bytes) {
                    Message::Disconnect(_, text) => {
                        reason = Some(String::from_utf8_lossy(&text).into_owned());
                    }
                    other => panic!("{other:?} after CONNECTED"),
                },
                Received::Closed | Received::Reset => return reason,
                Received::TimedOut => panic!("the link was not ended in time"),
            }
        }
    }

    /// Whether it is open and nothing came.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        matches!(self.peek_within(Duration::ZERO), Received::TimedOut)
    }
}

impl AsFd for SeqSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Whether `fd` can be read within `time`.
#[must_use]
pub fn readable(fd: BorrowedFd<'_>, time: Duration) -> bool {
    let end = std::time::Instant::now() + time;
    loop {
        let left = end.saturating_duration_since(std::time::Instant::now());
        let timeout = Timespec::try_from(left).expect("a time that fits");
        let mut set = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
        match rustix::event::poll(&mut set, Some(&timeout)) {
            Ok(count) => return count > 0,
            Err(Errno::INTR) => {}
            Err(error) => panic!("poll: {error}"),
        }
    }
}

/// A listener; its file goes when it is dropped.
#[derive(Debug)]
pub struct SeqListener {
    socket: OwnedFd,
    address: Address,
}

impl SeqListener {
    /// Binds and listens.
    #[must_use]
    #[track_caller]
    pub fn bind(address: &Address) -> Self {
        let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
            .expect("socket");
        rustix::net::bind(&socket, &address.raw()).unwrap_or_else(|e| panic!("bind {address:?}: {e}"));
        rustix::net::listen(&socket, 16).expect("listen");
        Self { socket, address: address.clone() }
    }

    /// The next connection within `time`.
    #[must_use]
    pub fn accept_within(&self, time: Duration) -> Option<SeqSocket> {
        readable(self.socket.as_fd(), time)
            .then(|| SeqSocket(rustix::net::accept_with(&self.socket, SocketFlags::CLOEXEC).expect("accept")))
    }

    /// The next connection.
    #[must_use]
    #[track_caller]
    pub fn accept(&self) -> SeqSocket {
        self.accept_within(STEP).expect("a connection in time")
    }

    /// A copy of the listening descriptor.
    #[must_use]
    pub fn duplicate(&self) -> OwnedFd {
        self.socket.try_clone().expect("dup")
    }
}

impl Drop for SeqListener {
    fn drop(&mut self) {
        if let Address::Path(path) = &self.address {
            let _ = std::fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::event::{EventfdFlags, eventfd};

    #[test]
    fn bytes_and_descriptors_arrive() {
        let (a, b) = SeqSocket::pair();
        let fd = eventfd(7, EventfdFlags::CLOEXEC).unwrap();
        a.try_send(b"hello", &[fd.as_fd(); 3]).unwrap();
        let Received::Message { bytes, fds } = b.receive() else { panic!("a message") };
        assert_eq!((bytes.as_slice(), fds.len()), (b"hello".as_slice(), 3));
        a.try_send_blocks(b"x", &[&[fd.as_fd()], &[fd.as_fd(); 2]], SendFlags::empty()).unwrap();
        let Received::Message { fds, .. } = b.receive() else { panic!("a message") };
        assert_eq!(fds.len(), 3);
        drop(a);
        assert!(matches!(b.receive(), Received::Closed));
    }

    #[test]
    fn an_unread_message_at_close_is_a_reset() {
        let (a, b) = SeqSocket::pair();
        b.send(&Message::Ack);
        drop(a);
        assert!(matches!(b.receive(), Received::Reset));
    }

    #[test]
    fn listeners_are_found_by_path_and_by_name() {
        for address in [Address::fresh(), Address::fresh_abstract()] {
            let listener = SeqListener::bind(&address);
            let client = SeqSocket::connect(&address);
            let server = listener.accept();
            client.send(&Message::Ack);
            assert_eq!(server.receive().message(), Message::Ack);
        }
    }
}
