//! Unix sockets that keep message borders, and descriptors on them.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, RecvMsg, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType, sockopt,
};

use crate::SocketAddress;
use crate::wire::MESSAGE_SIZE;

/// Room for as many descriptors as a message can have. One is due at most, but what does not fit would be destroyed
/// by the kernel in this thread, see [`ReceivedFd`](super::ReceivedFd).
const FD_ROOM: usize = 253;

/// A socket of the right kind, close-on-exec and not blocking.
fn socket(kind: SocketType) -> rustix::io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    rustix::net::socket_with(AddressFamily::UNIX, kind, flags, None)
}

/// A socket to listen with, not bound yet.
pub(super) fn unbound() -> rustix::io::Result<OwnedFd> {
    socket(SocketType::SEQPACKET)
}

/// The address as the kernel wants it. An abstract name is compared with its length: one zero byte, the name, and
/// nothing else, as every peer does it.
pub(crate) fn connect_address(address: &SocketAddress) -> rustix::io::Result<SocketAddrUnix> {
    match address {
        SocketAddress::Path(path) => SocketAddrUnix::new(path.as_path()),
        SocketAddress::Abstract(name) => SocketAddrUnix::new_abstract_name(name),
    }
}

/// Connects without waiting.
pub(crate) fn connect(address: &SocketAddrUnix) -> rustix::io::Result<OwnedFd> {
    let fd = socket(SocketType::SEQPACKET)?;
    rustix::net::connect(&fd, address)?;
    Ok(fd)
}

/// Tries a stream connect, which no listener of messages ever notices. What fails and how tells who is there.
pub(super) fn stream_probe(address: &SocketAddrUnix) -> rustix::io::Result<()> {
    rustix::net::connect(socket(SocketType::STREAM)?, address)
}

/// Makes a bound socket listen.
pub(crate) fn listen(fd: impl AsFd, backlog: i32) -> io::Result<()> {
    Ok(rustix::net::listen(fd, backlog)?)
}

/// Ends both directions; of a listener, the coming of connections.
pub(crate) fn shut_down(fd: impl AsFd) {
    let _ = rustix::net::shutdown(fd, rustix::net::Shutdown::Both);
}

/// Takes one waiting connection.
pub(crate) fn accept(listener: impl AsFd) -> rustix::io::Result<OwnedFd> {
    rustix::net::accept_with(listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)
}

/// Whether it is a Unix socket that keeps message borders and listens.
pub(crate) fn check_listener(fd: impl AsFd) -> bool {
    let fd = fd.as_fd();
    is_seqpacket(fd) && sockopt::socket_acceptconn(fd) == Ok(true) && no_credentials(fd)
}

/// Whether it is a Unix socket that keeps message borders and is connected.
pub(crate) fn check_connected(fd: impl AsFd) -> bool {
    let fd = fd.as_fd();
    is_seqpacket(fd) && matches!(rustix::net::getpeername(fd), Ok(Some(_))) && no_credentials(fd)
}

fn is_seqpacket(fd: BorrowedFd<'_>) -> bool {
    sockopt::socket_type(fd) == Ok(SocketType::SEQPACKET) && sockopt::socket_domain(fd) == Ok(AddressFamily::UNIX)
}

/// Credentials are asked for once, so none should come with messages.
fn no_credentials(fd: BorrowedFd<'_>) -> bool {
    sockopt::set_socket_passcred(fd, false).is_ok()
}

/// Needed for listeners, where accept has no flag of its own.
pub(crate) fn set_nonblocking(fd: impl AsFd) -> io::Result<()> {
    let fd = fd.as_fd();
    Ok(fcntl_setfl(fd, fcntl_getfl(fd)? | OFlags::NONBLOCK)?)
}

/// Why a message did not go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SendFailure {
    /// The peer does not read.
    Full,
    /// The peer is gone. It may have said why before it went.
    Gone,
    /// Anything else.
    Other(Errno),
}

/// Sends a message with its descriptor, without waiting and without a signal.
pub(crate) fn send(
    fd: impl AsFd,
    bytes: &[u8; MESSAGE_SIZE],
    attached: Option<BorrowedFd<'_>>,
) -> Result<(), SendFailure> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fds = attached.map(|fd| [fd]);
    if let Some(fds) = &fds
        && !control.push(SendAncillaryMessage::ScmRights(fds))
    {
        return Err(SendFailure::Other(Errno::NOBUFS));
    }
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    let fd = fd.as_fd();
    loop {
        return match rustix::net::sendmsg(fd, &[IoSlice::new(bytes)], &mut control, flags) {
            Ok(_) => Ok(()),
            Err(Errno::INTR) => continue,
            Err(Errno::AGAIN | Errno::NOBUFS) => Err(SendFailure::Full),
            Err(Errno::PIPE | Errno::CONNRESET | Errno::NOTCONN) => Err(SendFailure::Gone),
            Err(error) => Err(SendFailure::Other(error)),
        };
    }
}

/// What a read of the socket gave.
#[derive(Debug)]
pub(crate) enum Received {
    /// A message of this many bytes; of more than 128 only the first 128 are there.
    Message {
        /// Bytes that were sent.
        len: usize,
        /// Every descriptor that came. Not to be closed as they are, see [`ReceivedFd`](super::ReceivedFd).
        fds: Vec<OwnedFd>,
        /// Whether descriptors were lost, because this process has none left.
        cut: bool,
    },
    /// Nothing now.
    Empty,
    /// The peer closed after everything was read.
    Closed,
    /// The peer closed with messages of ours unread. What it sent before may still be read.
    Reset,
    /// The call failed for a reason of this side, as a filter of system calls has them.
    Failed(Errno),
}

/// Takes the next message.
pub(crate) fn receive(fd: impl AsFd, bytes: &mut [u8; MESSAGE_SIZE]) -> Received {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FD_ROOM))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let result = receive_with(fd.as_fd(), bytes, &mut control, RecvFlags::empty());
    // Whatever is not taken here is closed when the buffer is dropped.
    let mut fds = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            fds.extend(rights);
        }
    }
    classify(fd.as_fd(), result, fds)
}

/// Looks at the next message and leaves it where it is, with its descriptors.
pub(crate) fn peek(fd: impl AsFd, bytes: &mut [u8; MESSAGE_SIZE]) -> Received {
    let mut control = RecvAncillaryBuffer::new(&mut []);
    let result = receive_with(fd.as_fd(), bytes, &mut control, RecvFlags::PEEK);
    classify(fd.as_fd(), result, Vec::new())
}

/// What waits in a socket that was shut down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// Nothing more can come.
    Nothing,
    /// A message.
    Message,
    /// A message with descriptors.
    Descriptors,
}

/// Looks what is left to be read of a socket that was shut down.
pub(super) fn left(fd: impl AsFd) -> Left {
    let fd = fd.as_fd();
    let look = || {
        // Without room for descriptors, which a look does not take away.
        let mut control = RecvAncillaryBuffer::new(&mut []);
        let message = receive_with(fd, &mut [0; MESSAGE_SIZE], &mut control, RecvFlags::PEEK).ok()?;
        Some((message.bytes, message.flags.contains(ReturnFlags::CTRUNC)))
    };
    match look() {
        Some((_, true)) => Left::Descriptors,
        Some((1.., false)) => Left::Message,
        // A message of no bytes, or the end. Every message has credentials for those who ask, and no room for them
        // here; the end has none.
        Some((0, false)) if sockopt::set_socket_passcred(fd, true).is_ok() => {
            let message = look().is_some_and(|(_, cut)| cut);
            let _ = sockopt::set_socket_passcred(fd, false);
            if message { Left::Message } else { Left::Nothing }
        }
        _ => Left::Nothing,
    }
}

fn receive_with(
    fd: BorrowedFd<'_>,
    bytes: &mut [u8; MESSAGE_SIZE],
    control: &mut RecvAncillaryBuffer<'_>,
    more: RecvFlags,
) -> rustix::io::Result<RecvMsg> {
    // TRUNC as a flag makes the call return the true length.
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT | RecvFlags::TRUNC | more;
    loop {
        let mut parts = [IoSliceMut::new(bytes)];
        match rustix::net::recvmsg(fd, &mut parts, control, flags) {
            Err(Errno::INTR) => {}
            result => return result,
        }
    }
}

fn classify(fd: BorrowedFd<'_>, result: rustix::io::Result<RecvMsg>, fds: Vec<OwnedFd>) -> Received {
    match result {
        Ok(message) => {
            let cut = message.flags.contains(ReturnFlags::CTRUNC);
            // No bytes are the end, or a message of none: only the first hangs up.
            if message.bytes == 0 && fds.is_empty() && !cut && hung_up(fd) {
                return Received::Closed;
            }
            Received::Message { len: message.bytes, fds, cut }
        }
        Err(Errno::AGAIN) => Received::Empty,
        Err(Errno::CONNRESET) => Received::Reset,
        Err(error) => Received::Failed(error),
    }
}

/// Whether the peer closed, whatever there is left to read.
pub(crate) fn hung_up(fd: impl AsFd) -> bool {
    const NOW: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };
    let mut fds = [PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::RDHUP)];
    loop {
        match poll(&mut fds, Some(&NOW)) {
            // A handler that runs meanwhile ends even a call that does not wait.
            Err(Errno::INTR) => {}
            // Not to be asked is no end.
            result => return result.is_ok_and(|ready| ready > 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::EventFd;
    use rustix::net::{bind, socketpair};

    fn pair() -> (OwnedFd, OwnedFd) {
        let flags = SocketFlags::CLOEXEC;
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).unwrap()
    }

    fn send_raw(fd: &OwnedFd, bytes: &[u8], fds: &[BorrowedFd<'_>]) {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(253))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !fds.is_empty() {
            assert!(control.push(SendAncillaryMessage::ScmRights(fds)));
        }
        let parts = [IoSlice::new(bytes)];
        rustix::net::sendmsg(fd, &parts, &mut control, SendFlags::empty()).unwrap();
    }

    fn next(fd: &OwnedFd) -> (usize, usize, bool) {
        match receive(fd, &mut [0; MESSAGE_SIZE]) {
            Received::Message { len, fds, cut } => (len, fds.len(), cut),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_message_and_its_descriptor_arrive() {
        let (a, b) = pair();
        let event = EventFd::new().unwrap();
        let mut message = [7; MESSAGE_SIZE];
        send(&a, &message, Some(event.as_fd())).unwrap();
        message = [0; MESSAGE_SIZE];
        let Received::Message { len: 128, fds, cut: false } = receive(&b, &mut message) else {
            panic!("no message");
        };
        assert_eq!(message, [7; MESSAGE_SIZE]);
        event.set();
        assert!(rustix::io::read(&fds[0], &mut [0; 8]).is_ok());
        assert!(matches!(receive(&b, &mut message), Received::Empty));
    }

    #[test]
    fn odd_lengths_and_surplus_descriptors_are_seen() {
        let (a, b) = pair();
        let event = EventFd::new().unwrap();
        send_raw(&a, &[0; 127], &[]);
        send_raw(&a, &[0; 129], &[]);
        send_raw(&a, &[0; 4000], &[event.as_fd()]);
        send_raw(&a, &[], &[]);
        send_raw(&a, &[1; 128], &[event.as_fd(); 2]);
        send_raw(&a, &[1; 128], &[event.as_fd(); 253]);
        assert_eq!(next(&b), (127, 0, false));
        assert_eq!(next(&b), (129, 0, false));
        assert_eq!(next(&b), (4000, 1, false));
        assert_eq!(next(&b), (0, 0, false));
        assert_eq!(next(&b), (128, 2, false));
        assert_eq!(next(&b), (128, 253, false));
        drop(a);
        assert!(matches!(receive(&b, &mut [0; MESSAGE_SIZE]), Received::Closed));
    }

    #[test]
    fn peeking_leaves_the_message() {
        let (a, b) = pair();
        let event = EventFd::new().unwrap();
        send(&a, &[9; MESSAGE_SIZE], None).unwrap();
        send(&a, &[8; MESSAGE_SIZE], Some(event.as_fd())).unwrap();
        let mut message = [0; MESSAGE_SIZE];
        for _ in 0..2 {
            let seen = peek(&b, &mut message);
            assert!(matches!(seen, Received::Message { len: 128, cut: false, .. }), "{seen:?}");
            assert_eq!(message[0], 9);
        }
        assert_eq!(next(&b), (128, 0, false));
        let seen = peek(&b, &mut message);
        assert!(matches!(seen, Received::Message { len: 128, cut: true, .. }), "{seen:?}");
        assert_eq!(next(&b), (128, 1, false));
    }

    #[test]
    fn a_full_socket_and_a_closed_one_do_not_wait() {
        let (a, b) = pair();
        let full = (0..10_000).find_map(|_| send(&a, &[0; MESSAGE_SIZE], None).err());
        assert_eq!(full, Some(SendFailure::Full));
        drop(b);
        assert_eq!(send(&a, &[0; MESSAGE_SIZE], None), Err(SendFailure::Gone));
    }

    #[test]
    fn a_reset_does_not_hide_what_was_sent_before() {
        let (a, b) = pair();
        send(&a, &[1; MESSAGE_SIZE], None).unwrap();
        send(&b, &[2; MESSAGE_SIZE], None).unwrap();
        drop(b);
        let mut message = [0; MESSAGE_SIZE];
        assert!(matches!(receive(&a, &mut message), Received::Reset));
        assert!(matches!(receive(&a, &mut message), Received::Message { len: 128, .. }));
        assert_eq!(message[0], 2);
        assert!(matches!(receive(&a, &mut message), Received::Closed));
    }

    #[test]
    fn abstract_addresses_have_the_length_that_peers_use() {
        let name = format!("memif-test-{}-length", std::process::id());
        let address = connect_address(&SocketAddress::Abstract(name.clone().into())).unwrap();
        let listener = unbound().unwrap();
        bind(&listener, &address).unwrap();
        let bound = rustix::net::getsockname(&listener).unwrap();
        assert_eq!(bound.addr_len() as usize, 2 + 1 + name.len());
        listen(&listener, 1).unwrap();
        assert!(check_listener(&listener));
        let fd = connect(&address).unwrap();
        assert!(check_connected(&fd) && !check_connected(&listener) && !check_listener(&fd));
        let me = crate::sys::peer_credentials(accept(&listener).unwrap()).unwrap();
        assert_eq!(me.pid, std::process::id());
        assert_eq!(me.uid, rustix::process::getuid().as_raw());
    }
}
