//! Closing what peers sent, where it cannot hold the driver.
//!
//! Closing a descriptor can take as long as whoever made it likes: a TCP socket with unsent data lingers, a file of a
//! FUSE file system asks its server. So the last reference to a descriptor that a peer sent is given up in the driver's
//! thread only when the descriptor is known to be harmless; all others are closed by threads that exist as long as
//! there is something to close.
//!
//! What remains: a peer whose descriptors never finish closing holds up to [`MAX_THREADS`] threads until it dies, and
//! then [`Closer::is_full`] keeps new connections out; links are not touched. Where this process has no descriptor
//! number left, the kernel itself destroys what does not fit, in the thread that reads.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{CWD, fcntl_get_seals, readlinkat};
use rustix::io::Errno;
use rustix::net::sockopt;

use super::aio;
use super::pool::{Job, Kind, Pool};
use super::seqpacket::{Left, Received, left, receive, shut_down};
use crate::wire::MESSAGE_SIZE;

/// Most threads at a time. More than one, so that one close that takes long does not hold the others.
const MAX_THREADS: usize = 4;
/// Descriptors in the queue beyond which no new connections should be made.
const FULL: usize = 256;
/// Most messages that are read from a connection in the driver's thread before it is closed.
const DRAIN_LIMIT: usize = 256;

/// Closes descriptors elsewhere. Clones share one queue.
#[derive(Clone, Debug)]
pub(crate) struct Closer(Pool<Closing>);

impl Default for Closer {
    fn default() -> Self {
        Self(Pool::new(Kind { name: "memif closer", most: MAX_THREADS, linger: Duration::ZERO }))
    }
}

#[derive(Debug)]
enum Closing {
    Descriptor(OwnedFd),
    /// A connection with messages that have descriptors.
    Connection(Arc<OwnedFd>),
}

impl Closer {
    /// Whether closing does not get on.
    pub(crate) fn is_full(&self) -> bool {
        self.0.waiting() >= FULL
    }

    fn push(&self, closing: Closing) {
        // Without a thread the next descriptor tries again.
        self.0.push(closing);
    }
}

impl Job for Closing {
    fn run(self) {
        match self {
            Closing::Descriptor(fd) => close(fd),
            Closing::Connection(fd) => {
                let mut bytes = [0; MESSAGE_SIZE];
                while left(&fd) != Left::Nothing {
                    match receive(&fd, &mut bytes) {
                        Received::Message { fds, .. } => fds.into_iter().for_each(close),
                        // A message of no bytes looks so.
                        Received::Closed | Received::Reset => {}
                        Received::Empty | Received::Failed(_) => return,
                    }
                }
            }
        }
    }
}

fn close(fd: OwnedFd) {
    // Sockets only; on others it fails at once.
    let _ = sockopt::set_socket_linger(&fd, None);
    drop(fd);
}

/// A descriptor that a peer sent. Dropped, it is closed where that harms nobody.
#[derive(Debug)]
pub(crate) struct ReceivedFd {
    /// There until it is dropped.
    fd: Option<OwnedFd>,
    closer: Closer,
}

impl ReceivedFd {
    pub(crate) fn new(fd: OwnedFd, closer: &Closer) -> Self {
        Self { fd: Some(fd), closer: closer.clone() }
    }

    pub(crate) fn get(&self) -> Option<BorrowedFd<'_>> {
        self.fd.as_ref().map(AsFd::as_fd)
    }
}

/// Only once it was checked: a shared memory file or an eventfd may be closed anywhere.
impl TryFrom<ReceivedFd> for OwnedFd {
    type Error = ReceivedFd;

    fn try_from(mut received: ReceivedFd) -> Result<OwnedFd, ReceivedFd> {
        received.fd.take().ok_or(received)
    }
}

impl Drop for ReceivedFd {
    fn drop(&mut self) {
        let Some(fd) = self.fd.take() else { return };
        // Shared memory files alone have seals.
        let harmless = fcntl_get_seals(&fd).is_ok() || is_eventfd(&fd) == Ok(true);
        if !harmless {
            self.closer.push(Closing::Descriptor(fd));
        }
    }
}

/// Whether it is an eventfd. Where the kernel does not tell by itself, its name under `/proc` does.
///
/// # Errors
/// `NOENT` without `/proc`, of what the kernel did not know for an eventfd.
pub(crate) fn is_eventfd(fd: impl AsFd) -> rustix::io::Result<bool> {
    let fd = fd.as_fd();
    // A quarter of what the name costs.
    if aio::is_eventfd(fd) {
        return Ok(true);
    }
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    match readlinkat(CWD, path, Vec::new()) {
        Ok(name) => Ok(name.as_bytes() == b"anon_inode:[eventfd]"),
        Err(Errno::NOENT) => Err(Errno::NOENT),
        Err(_) => Ok(false),
    }
}

/// A connected control socket. Dropped, it ends cleanly: with data unread the peer would get a reset before our last
/// message, and existing peers give up at that.
#[derive(Debug)]
pub(crate) struct ControlSocket {
    fd: Arc<OwnedFd>,
    closer: Closer,
}

impl ControlSocket {
    pub(crate) fn new(fd: OwnedFd, closer: &Closer) -> Self {
        Self { fd: Arc::new(fd), closer: closer.clone() }
    }

    pub(crate) fn closer(&self) -> &Closer {
        &self.closer
    }

    /// For those who wait for its end, who may keep it longer than this.
    pub(crate) fn shared(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.fd)
    }
}

impl AsFd for ControlSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        // The peer still gets what we sent, and can send nothing more, so what is to be read has an end.
        shut_down(&self.fd);
        let mut bytes = [0; MESSAGE_SIZE];
        for _ in 0..DRAIN_LIMIT {
            // Left unread, descriptors would be destroyed by the kernel, in this thread. The closer takes them out
            // first; the last reference to the socket itself, empty then, may go anywhere.
            match left(&self.fd) {
                Left::Nothing => return,
                Left::Descriptors => break,
                Left::Message => drop(receive(&self.fd, &mut bytes)),
            }
        }
        self.closer.push(Closing::Connection(Arc::clone(&self.fd)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::EventFd;
    use crate::sys::seqpacket::send;
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
    use std::time::Instant;

    fn pair() -> (OwnedFd, OwnedFd) {
        let flags = SocketFlags::CLOEXEC;
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).unwrap()
    }

    #[track_caller]
    fn wait_until_idle(closer: &Closer) {
        let start = Instant::now();
        while !closer.0.is_at_rest() {
            assert!(start.elapsed() < Duration::from_secs(60), "{closer:?}");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn harmless_descriptors_are_closed_in_place_and_others_elsewhere() {
        let closer = Closer::default();
        let memory = rustix::fs::memfd_create("x", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
        drop(ReceivedFd::new(memory, &closer));
        drop(ReceivedFd::new(EventFd::new().unwrap().as_fd().try_clone_to_owned().unwrap(), &closer));
        assert!(closer.0.is_at_rest());
        let (read, write) = rustix::pipe::pipe().unwrap();
        drop(ReceivedFd::new(write, &closer));
        wait_until_idle(&closer);
        assert_eq!(rustix::io::read(&read, &mut [0; 1]), Ok(0), "the pipe is still open");
    }

    #[test]
    fn a_connection_ends_cleanly_with_its_last_word_and_unread_descriptors() {
        for attached in [false, true] {
            let closer = Closer::default();
            let (ours, peer) = pair();
            let ours = ControlSocket::new(ours, &closer);
            let (read, write) = rustix::pipe::pipe().unwrap();
            for _ in 0..3 {
                send(&peer, &[1; MESSAGE_SIZE], attached.then(|| write.as_fd())).unwrap();
            }
            drop(write);
            send(&ours, &[9; MESSAGE_SIZE], None).unwrap();
            drop(ours);
            let mut bytes = [0; MESSAGE_SIZE];
            assert!(matches!(receive(&peer, &mut bytes), Received::Message { len: 128, .. }));
            assert_eq!(bytes[0], 9);
            assert!(matches!(receive(&peer, &mut bytes), Received::Closed));
            wait_until_idle(&closer);
            assert!(matches!(receive(&peer, &mut bytes), Received::Closed), "a reset came");
            assert_eq!(rustix::io::read(&read, &mut [0; 1]), Ok(0), "the pipe is still open");
        }
    }

    /// What a queue holds of a connection must hold nothing of the peer's, whatever came before it.
    #[test]
    fn messages_of_no_bytes_hide_no_descriptors() {
        use rustix::net::SendFlags;
        use rustix::pipe::{PipeFlags, pipe_with};

        for empty_first in 0..3 {
            let closer = Closer::default();
            let (ours, peer) = pair();
            let ours = ControlSocket::new(ours, &closer);
            let (read, write) = pipe_with(PipeFlags::NONBLOCK).unwrap();
            for _ in 0..empty_first {
                rustix::net::send(&peer, &[], SendFlags::empty()).unwrap();
            }
            send(&peer, &[1; MESSAGE_SIZE], Some(write.as_fd())).unwrap();
            rustix::net::send(&peer, &[], SendFlags::empty()).unwrap();
            send(&peer, &[1; MESSAGE_SIZE], Some(write.as_fd())).unwrap();
            drop(write);
            let kept = ours.shared();
            drop(ours);
            wait_until_idle(&closer);
            assert_eq!(rustix::io::read(&read, &mut [0; 1]), Ok(0), "{empty_first}: the pipe is still open");
            assert_eq!(left(&kept), Left::Nothing);
        }
    }
}
