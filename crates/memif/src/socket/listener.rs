//! What listens: bound with the first master, or handed in, and paused while nobody can be taken in.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::timers::Timer;
use super::tokens;
use super::trace::control_log;
use super::waits::Waits;
use crate::address::SocketAddress;
use crate::error::SocketError;
use crate::sys::{self, Closer, ControlSocket, FileAccess, FileId};

/// Slaves that may wait to be accepted; the kernel lowers it to its own limit. Peers connect without a time-out, and a
/// full queue would hold a VPP slave's main thread.
const BACKLOG: u16 = 4096;
/// Pause after accept failed for want of descriptors or memory: the listener stays readable meanwhile.
const FAILURE_PAUSE: Duration = Duration::from_millis(100);

/// The listener of a driver, while it has one.
#[derive(Debug)]
pub(super) struct Listening {
    listener: Option<Listener>,
    /// Whether listening goes on without a master interface.
    always: bool,
    /// Whether nobody could be taken in at the last attempt.
    failing: bool,
}

#[derive(Debug)]
struct Listener {
    fd: OwnedFd,
    /// The file to remove in the end, if it is ours.
    file: Option<(SocketAddress, FileId)>,
    /// Whether it is out of the epoll set.
    paused: bool,
    /// Whether it is the caller's, so that others may accept from it too.
    given: bool,
}

/// What an attempt to accept gave.
#[derive(Debug)]
pub(super) enum Accepted {
    Connection(OwnedFd),
    /// Whoever it was is gone, or a signal handler ran: there may be others.
    Again,
    /// Nobody waits, or nothing listens now.
    Nobody,
}

impl Listening {
    /// Nothing listens yet.
    pub(super) fn new(always: bool) -> Self {
        Self { listener: None, always, failing: false }
    }

    pub(super) fn is_on(&self) -> bool {
        self.listener.is_some()
    }

    /// Listens on the address, unless something listens already.
    pub(super) fn start(
        &mut self,
        address: &SocketAddress,
        access: FileAccess,
        waits: &Waits,
    ) -> Result<(), SocketError> {
        if self.listener.is_none() {
            let listener = Listener::bind(address, access)?;
            listener.begin(waits)?;
            control_log!(info, "listening on {address}");
            self.listener = Some(listener);
        }
        Ok(())
    }

    /// Listens on another address instead, or keeps the old one on failure. A listener of the caller stays.
    pub(super) fn move_to(
        &mut self,
        address: &SocketAddress,
        access: FileAccess,
        waits: &mut Waits,
        closer: &Closer,
    ) -> Result<(), SocketError> {
        if self.listener.as_ref().is_none_or(|listener| listener.given) {
            return Ok(());
        }
        let listener = Listener::bind(address, access)?;
        listener.begin(waits)?;
        self.stop(waits, closer);
        self.listener = Some(listener);
        Ok(())
    }

    /// Listens on a socket of the caller in place of what listens now, from now on whether it is needed or not. On
    /// failure everything is as before.
    pub(super) fn listen_on(&mut self, fd: OwnedFd, waits: &mut Waits, closer: &Closer) -> Result<(), SocketError> {
        let old = self.take(waits);
        match Listener::given(fd, waits) {
            Ok(listener) => {
                control_log!(info, "listening on a socket that was handed in");
                self.listener = Some(listener);
                self.always = true;
                if let Some(old) = old {
                    old.end(closer);
                }
                Ok(())
            }
            Err(error) => {
                // As after a pause, with another one where the kernel has no room to watch it.
                self.listener = old.map(|listener| Listener { paused: true, ..listener });
                self.resume(waits);
                Err(error)
            }
        }
    }

    /// Stops listening when nobody needs it any more.
    pub(super) fn stop_unless(&mut self, needed: bool, waits: &mut Waits, closer: &Closer) {
        if !self.always && !needed {
            self.stop(waits, closer);
        }
    }

    pub(super) fn stop(&mut self, waits: &mut Waits, closer: &Closer) {
        if let Some(listener) = self.take(waits) {
            listener.end(closer);
        }
    }

    fn take(&mut self, waits: &mut Waits) -> Option<Listener> {
        waits.set(Timer::Listener, None);
        let listener = self.listener.take();
        if let Some(listener) = &listener {
            waits.remove(&listener.fd);
        }
        listener
    }

    /// Takes the next that waits in the kernel.
    ///
    /// # Errors
    /// What the kernel says, for want of descriptors or memory here.
    pub(super) fn accept(&self) -> Result<Accepted, Errno> {
        let Some(listener) = self.listener.as_ref().filter(|listener| !listener.paused) else {
            return Ok(Accepted::Nobody);
        };
        match sys::accept(&listener.fd) {
            Ok(fd) => Ok(Accepted::Connection(fd)),
            Err(Errno::AGAIN) => Ok(Accepted::Nobody),
            Err(Errno::INTR | Errno::CONNABORTED) => Ok(Accepted::Again),
            Err(error) => Err(error),
        }
    }

    /// Takes the listener out of the epoll set until then, or until it is resumed: it stays readable, and that would be
    /// reported for ever.
    pub(super) fn pause(&mut self, until: Option<Instant>, waits: &mut Waits) {
        if let Some(listener) = &mut self.listener
            && !listener.paused
        {
            waits.remove(&listener.fd);
            listener.paused = true;
        }
        waits.set(Timer::Listener, until);
    }

    /// A pause, since something is missing that may come back.
    pub(super) fn pause_for_failure(&mut self, waits: &mut Waits) {
        self.pause(Instant::now().checked_add(FAILURE_PAUSE), waits);
    }

    pub(super) fn is_failing(&self) -> bool {
        self.failing
    }

    pub(super) fn is_paused(&self) -> bool {
        self.listener.as_ref().is_some_and(|listener| listener.paused)
    }

    /// Notes whether somebody could be taken in. Returns whether that is news.
    pub(super) fn set_failing(&mut self, failing: bool) -> bool {
        std::mem::replace(&mut self.failing, failing) != failing
    }

    /// Newcomers that waited for others come in. Not in a pause since something is missing: its end tries again, and
    /// says so, whether or not somebody comes.
    pub(super) fn room_again(&mut self, waits: &mut Waits) {
        if !self.failing {
            self.resume(waits);
        }
    }

    pub(super) fn resume(&mut self, waits: &mut Waits) {
        waits.set(Timer::Listener, None);
        let Some(listener) = self.listener.as_mut().filter(|listener| listener.paused) else {
            return;
        };
        listener.paused = false;
        if waits.add(&listener.fd, tokens::LISTENER).is_err() {
            listener.paused = true;
            waits.set(Timer::Listener, Instant::now().checked_add(FAILURE_PAUSE));
        }
    }

    #[cfg(feature = "raw")]
    pub(super) fn fd(&self) -> Option<std::os::fd::BorrowedFd<'_>> {
        self.listener.as_ref().map(|listener| std::os::fd::AsFd::as_fd(&listener.fd))
    }
}

impl Listener {
    fn bind(address: &SocketAddress, access: FileAccess) -> Result<Self, SocketError> {
        let (fd, id) = sys::bind(address, access)?;
        let listener = Self { fd, file: id.map(|id| (address.clone(), id)), paused: false, given: false };
        if let Err(error) = sys::listen(&listener.fd, i32::from(BACKLOG)) {
            listener.remove_file();
            return Err(SocketError::io("listen")(error));
        }
        Ok(listener)
    }

    /// One of the caller.
    fn given(fd: OwnedFd, waits: &Waits) -> Result<Self, SocketError> {
        if !sys::check_listener(&fd) {
            return Err(SocketError::WrongDescriptor("a listening SOCK_SEQPACKET Unix socket"));
        }
        sys::set_nonblocking(&fd).map_err(SocketError::io("fcntl"))?;
        let listener = Self { fd, file: None, paused: false, given: true };
        listener.begin(waits)?;
        Ok(listener)
    }

    fn begin(&self, waits: &Waits) -> Result<(), SocketError> {
        // Rather now than with the first slave.
        sys::prepare_signals();
        waits.add(&self.fd, tokens::LISTENER).map_err(|error| {
            self.remove_file();
            SocketError::io("epoll")(error)
        })
    }

    fn end(self, closer: &Closer) {
        self.remove_file();
        if !self.given {
            self.turn_away(closer);
        }
    }

    /// Ends the connections that wait for accept: what they sent would be destroyed with the listener, see
    /// [`ControlSocket`].
    fn turn_away(&self, closer: &Closer) {
        sys::shut_down(&self.fd);
        for _ in 0..=BACKLOG {
            match sys::accept(&self.fd) {
                Ok(fd) => drop(ControlSocket::new(fd, closer)),
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                Err(_) => return,
            }
        }
    }

    /// To be called while the socket is open, see [`FileId`].
    fn remove_file(&self) {
        if let Some((SocketAddress::Path(path), id)) = &self.file {
            sys::unlink_if_same(path, *id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(name: &str) -> (Listening, Waits, SocketAddress) {
        let name = format!("memif-listening-{name}-{}", std::process::id());
        let address = SocketAddress::Abstract(name.into_bytes());
        let (mut listening, waits) = (Listening::new(false), Waits::new().unwrap());
        listening.start(&address, FileAccess::default(), &waits).unwrap();
        (listening, waits, address)
    }

    fn is_reported(waits: &mut Waits) -> bool {
        let mut ready = Vec::new();
        waits.wait(&mut ready, Some(Duration::ZERO)).unwrap();
        ready.iter().any(|ready| ready.token == tokens::LISTENER)
    }

    fn connect(address: &SocketAddress) -> OwnedFd {
        sys::connect(&sys::connect_address(address).unwrap()).unwrap()
    }

    #[test]
    fn a_paused_listener_is_neither_reported_nor_asked() {
        let (mut listening, mut waits, address) = bound("pause");
        let _waits_in_line = connect(&address);
        assert!(is_reported(&mut waits));
        listening.pause(Some(Instant::now()), &mut waits);
        assert!(!is_reported(&mut waits) && waits.next_time().is_some());
        assert!(matches!(listening.accept(), Ok(Accepted::Nobody)));
        listening.resume(&mut waits);
        assert!(is_reported(&mut waits) && waits.next_time().is_none());
        assert!(matches!(listening.accept(), Ok(Accepted::Connection(_))));
        assert!(matches!(listening.accept(), Ok(Accepted::Nobody)));
    }

    #[test]
    fn room_for_one_more_does_not_end_a_pause_for_want_of_descriptors() {
        let (mut listening, mut waits, _address) = bound("failing");
        listening.set_failing(true);
        listening.pause_for_failure(&mut waits);
        listening.room_again(&mut waits);
        assert!(listening.is_paused() && waits.next_time().is_some());
        listening.set_failing(false);
        listening.room_again(&mut waits);
        assert!(!listening.is_paused() && waits.next_time().is_none());
    }

    #[test]
    fn what_cannot_listen_leaves_everything_as_it_was() {
        let (mut listening, mut waits, address) = bound("given");
        let closer = Closer::default();
        let wrong = connect(&address);
        assert!(matches!(listening.listen_on(wrong, &mut waits, &closer), Err(SocketError::WrongDescriptor(_))));
        assert!(is_reported(&mut waits));
        assert!(matches!(listening.accept(), Ok(Accepted::Connection(_))));
        // It is the driver's own still, so it goes when nobody needs it.
        listening.stop_unless(true, &mut waits, &closer);
        assert!(listening.is_on());
        listening.stop_unless(false, &mut waits, &closer);
        assert!(!listening.is_on());
    }
}
