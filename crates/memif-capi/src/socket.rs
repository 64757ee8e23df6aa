//! Sockets: one `memif::Socket` each, one descriptor to wait for, and the callbacks that what happens there leads to.

use std::ffi::{c_int, c_void};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use memif::{ConnectError, DisconnectReason, Event, InterfaceConfig, InterfaceKey, Socket, SocketAddress};
use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;
use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};

use crate::abi::{PATH_BYTES, err};
use crate::callbacks::{InterfaceCallbacks, Record};
use crate::codes::{code, last_code, socket_code};
use crate::interface::{self, Interface, InterfaceList, Settings};
use crate::lock::lock;
use crate::slab::{Places, handle};
use crate::socket_core::{SocketCore, SocketSettings};
use crate::waited::Waited;

/// How often to ask for an answer before another thread is let run, as in the core.
const POLLS_PER_YIELD: u32 = 8;

/// Sockets by their handles.
pub(crate) static SOCKETS: Places<SocketPlace> = Places::new();

/// What a socket handle points to.
#[derive(Default)]
pub(crate) struct SocketPlace(Mutex<Option<Arc<SocketState>>>);

impl SocketPlace {
    pub(crate) fn get(&self) -> Option<Arc<SocketState>> {
        lock(&self.0).clone()
    }
}

/// The socket of a handle.
pub(crate) fn find(socket: *const c_void) -> Option<Arc<SocketState>> {
    SOCKETS.find(socket)?.get()
}

/// One socket.
pub(crate) struct SocketState {
    place: &'static SocketPlace,
    pub(crate) core: Arc<SocketCore>,
    timer: OwnedFd,
    timer_token: u64,
    timer_runs: Mutex<bool>,
    cancel: OwnedFd,
    cancel_token: u64,
    record: Mutex<Option<Record>>,
    interfaces: Arc<InterfaceList>,
    /// The listener that the application handed in.
    given_listener: Mutex<Option<c_int>>,
}

/// Makes a socket. Its handle.
pub(crate) fn create(settings: &SocketSettings) -> Result<*mut c_void, c_int> {
    let address = address(&settings.path).ok_or(err::INVAL_ARG)?;
    let record = settings.allocator.record().ok_or(err::NOMEM)?;
    let core = Socket::builder(address).app_name(settings.app_name).patient_slaves().open();
    let mut core = core.map_err(|error| socket_code(&error))?;
    let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
    let timer = timerfd_create(TimerfdClockId::Monotonic, flags).map_err(code)?;
    let cancel = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map_err(code)?;
    let timer_token = core.add_other(&timer).map_err(|error| socket_code(&error))?;
    let cancel_token = core.add_other(&cancel).map_err(|error| socket_code(&error))?;
    let place = SOCKETS.take().ok_or(err::NOMEM)?;
    let state = Arc::new(SocketState {
        place,
        core: Arc::new(SocketCore::new(core, settings, handle(place))),
        timer,
        timer_token,
        timer_runs: Mutex::new(false),
        cancel,
        cancel_token,
        record: Mutex::new(Some(record)),
        interfaces: Arc::default(),
        given_listener: Mutex::new(None),
    });
    *lock(&place.0) = Some(Arc::clone(&state));
    let set = state.set_timer(&settings.timer);
    if set != err::SUCCESS {
        *lock(&place.0) = None;
        SOCKETS.give_back(place);
        return Err(set);
    }
    Ok(handle(place))
}

/// Where the socket is: a path, an abstract name behind `@`, or one behind a zero byte. The last one is all of the
/// field, its zeros included, as with libmemif: the kernel compares names with their length.
fn address(path: &[u8; PATH_BYTES]) -> Option<SocketAddress> {
    let (first, rest) = path.split_first()?;
    let address = match first {
        0 if rest.first() == Some(&0) => return None,
        0 => SocketAddress::Abstract(rest.to_vec()),
        b'@' => SocketAddress::Abstract(crate::strings::until_zero(rest).to_vec()),
        _ => {
            use std::os::unix::ffi::OsStrExt;
            let path = std::ffi::OsStr::from_bytes(crate::strings::until_zero(path));
            SocketAddress::Path(path.into())
        }
    };
    address.validate().ok()?;
    Some(address)
}

/// What the details give as the reason why a link ended: the peer's words as they came, where it said any.
fn reason(reason: DisconnectReason) -> String {
    match reason {
        DisconnectReason::Peer { reason, .. } => reason,
        reason => reason.to_string(),
    }
}

/// As [`reason`], for a link that did not come up.
fn failure(error: ConnectError) -> String {
    match error {
        ConnectError::Refused(reason) => reason,
        error => error.to_string(),
    }
}

/// What the details give as the error of a link that is up, and whose peer transmits on more queues than it has.
fn surplus(rx_queues: u8) -> String {
    format!("peer transmits on more queues than {rx_queues}, raise num_m2s_rings")
}

impl SocketState {
    /// `memif_create`: makes an interface. Its handle.
    pub(crate) fn add_interface(
        &self,
        settings: Settings,
        config: InterfaceConfig,
        callbacks: InterfaceCallbacks,
    ) -> Result<*mut c_void, c_int> {
        interface::create(&self.core, &self.interfaces, settings, config, callbacks)
    }

    /// `memif_control_fd_handler`: does what is to be done, to a bounded extent and without waiting.
    pub(crate) fn run(self: &Arc<Self>) -> c_int {
        let Ok(waited) = Waited::on(self.core.control(), 0) else { return err::SYSCALL };
        let result = self.follow(&waited);
        // What is left is ready still, but a loop that is told of edges hears only of what becomes ready.
        if Waited::on(self.core.control(), 0).is_ok_and(|left| !left.is_empty()) {
            let _ = self.core.with_socket(Socket::come_back);
        }
        result
    }

    /// Does what follows from what was reported, and calls back. What the last `on_interrupt` that did not return zero
    /// returned.
    fn follow(self: &Arc<Self>, waited: &Waited) -> c_int {
        if waited.has(self.timer_token) && rustix::io::read(&self.timer, &mut [0; 8]).is_ok() {
            self.connect_slaves();
        }
        // As many as wait now. Callbacks can bring more about, and a peer can see to it that this never ends: the
        // descriptor tells of the others.
        let (mut event, waiting) = match self.core.with_socket(|core| core.handle(waited.reports())) {
            Ok(Some((event, more))) => (Some(event), more),
            Ok(None) => (None, 0),
            Err(code) => return code,
        };
        let mut result = err::SUCCESS;
        for left in (0..=waiting).rev() {
            let Some(first) = event.take() else { break };
            let returned = self.dispatch(first);
            if returned != err::SUCCESS {
                result = returned;
            }
            if left > 0 {
                event = self.core.with_socket(Socket::next_event).ok().flatten();
            }
        }
        self.sweep_regions();
        result
    }

    /// Tells the application of regions whose connection came to nothing: a slave may leave as often as it likes
    /// after they were mapped, and not each time there is an event.
    fn sweep_regions(&self) {
        if !self.core.had_region_callbacks() {
            return;
        }
        for interface in self.interfaces.all() {
            interface.sweep_regions();
        }
    }

    /// The timer expired: every slave without a connection asks for one.
    fn connect_slaves(&self) {
        for interface in self.interfaces.all().iter().filter(|interface| !interface.is_master()) {
            // Errors show as no connection, until the timer expires again.
            let _ = interface.request();
        }
    }

    fn dispatch(&self, event: Event) -> c_int {
        match event {
            Event::Connected { interface, link } => {
                if let Some(interface) = self.interface(interface) {
                    interface.link_up(link);
                }
            }
            Event::Disconnected { interface, reason } => {
                if let Some(interface) = self.interface(interface) {
                    interface.link_down(self::reason(reason));
                }
            }
            Event::ConnectFailed { interface, error, .. } => {
                if let Some(interface) = self.interface(interface) {
                    interface.link_down(failure(error));
                }
            }
            Event::SurplusQueues { interface, rx_queues } => {
                if let Some(interface) = self.interface(interface) {
                    interface.note(surplus(rx_queues));
                }
            }
            Event::Readable { interface, queue } => {
                if let Some(interface) = self.interface(interface) {
                    return interface.interrupted(queue);
                }
            }
            _ => {}
        }
        err::SUCCESS
    }

    fn interface(&self, key: InterfaceKey) -> Option<Arc<Interface>> {
        self.interfaces.find(key)
    }

    /// `memif_poll_event`.
    pub(crate) fn poll(self: &Arc<Self>, timeout: c_int) -> c_int {
        if !self.core.builtin {
            return err::BAD_FD;
        }
        // From within a callback that the core waits for there is an answer below.
        let ready = self.core.with_socket(Socket::before_wait).unwrap_or(false);
        let timeout = if ready { 0 } else { timeout };
        match self.wait(timeout) {
            Err(errno) => code(errno),
            Ok(waited) if waited.has(self.cancel_token) => {
                let _ = rustix::io::read(&self.cancel, &mut [0; 8]);
                err::POLL_CANCEL
            }
            Ok(waited) if ready || !waited.is_empty() => self.follow(&waited),
            Ok(_) => err::SUCCESS,
        }
    }

    /// Waits for what is to be done. The answer of a handshake may be here before this thread would be asleep, so it is
    /// looked for a moment.
    fn wait(&self, timeout: c_int) -> Result<Waited, Errno> {
        let until = if timeout == 0 { Ok(None) } else { self.core.with_socket(Socket::look_until) };
        if let Ok(Some(until)) = until {
            while Instant::now() < until {
                for _ in 0..POLLS_PER_YIELD {
                    let waited = Waited::on(self.core.control(), 0)?;
                    if !waited.is_empty() {
                        return Ok(waited);
                    }
                }
                // Whoever is to answer may need this core.
                std::thread::yield_now();
            }
            let _ = self.core.with_socket(Socket::looked_in_vain);
        }
        Waited::on(self.core.control(), timeout)
    }

    /// `memif_cancel_poll_event`.
    pub(crate) fn cancel(&self) -> c_int {
        if !self.core.builtin {
            return err::INVAL_ARG;
        }
        match rustix::io::write(&self.cancel, &1u64.to_ne_bytes()) {
            Ok(_) => err::SUCCESS,
            Err(_) => err::INT_WRITE,
        }
    }

    /// `memif_set_connection_request_timer`.
    pub(crate) fn set_timer(&self, timer: &libc::itimerspec) -> c_int {
        let mut runs = lock(&self.timer_runs);
        if !*runs && timer.it_interval.tv_sec == 0 && timer.it_interval.tv_nsec == 0 {
            return err::SUCCESS;
        }
        // SAFETY: a timer descriptor of ours, a setting that was copied, and no wish for the old one. The kernel checks
        // the numbers.
        let set = unsafe { libc::timerfd_settime(self.timer.as_raw_fd(), 0, timer, std::ptr::null_mut()) };
        if set < 0 {
            return last_code();
        }
        *runs = true;
        drop(runs);
        self.core.report_control();
        err::SUCCESS
    }

    /// `memif_get_listener_fd`.
    pub(crate) fn listener(&self) -> c_int {
        let own = self.core.with_socket(|core| core.listener().map(|fd| fd.as_raw_fd()));
        match own {
            Ok(Some(own)) => lock(&self.given_listener).unwrap_or(own),
            _ => -1,
        }
    }

    /// `memif_set_listener_fd`. The application keeps its descriptor; we listen on a copy.
    pub(crate) fn set_listener(&self, fd: c_int) -> c_int {
        if fd < 0 {
            return err::INVAL_ARG;
        }
        // SAFETY: used for the one call below, which the kernel answers with an error if the number is no descriptor.
        let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
        let copy = match rustix::io::fcntl_dupfd_cloexec(borrowed, 0) {
            Ok(copy) => copy,
            Err(errno) => return code(errno),
        };
        self.core.report_control();
        match self.core.with_socket(|core| core.set_listener(copy)) {
            Ok(Ok(())) => {
                *lock(&self.given_listener) = Some(fd);
                err::SUCCESS
            }
            Ok(Err(error)) => socket_code(&error),
            Err(code) => code,
        }
    }

    /// `memif_delete_socket`.
    pub(crate) fn delete(&self) -> c_int {
        if !self.interfaces.is_empty() {
            return err::INVAL_ARG;
        }
        let Some(state) = lock(&self.place.0).take() else { return err::INVAL_ARG };
        self.core.end();
        // A thread that polls still comes back.
        let _ = rustix::io::write(&self.cancel, &1u64.to_ne_bytes());
        let record = lock(&self.record).take();
        // Calls the application's `free`.
        drop(record);
        SOCKETS.give_back(self.place);
        drop(state);
        err::SUCCESS
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use memif::Name;

    use super::*;
    use crate::callbacks::{Allocator, Opaque};

    #[test]
    fn a_panic_leaves_the_core_to_others() {
        let mut path = [0; PATH_BYTES];
        for (to, from) in path.iter_mut().zip(b"@memif-capi-panic") {
            *to = *from;
        }
        let settings = SocketSettings {
            path,
            app_name: Name::lossy(b"tests"),
            // SAFETY: numbers, of which all zeros is a value.
            timer: unsafe { std::mem::zeroed() },
            on_control: None,
            allocator: Allocator { alloc: None, free: None },
            private: Opaque(std::ptr::null_mut()),
        };
        let socket = find(create(&settings).unwrap()).unwrap();
        let panicked = catch_unwind(AssertUnwindSafe(|| socket.core.with_socket(|_| panic!("as a mistake would"))));
        assert!(panicked.is_err());
        assert!(!socket.core.is_held_here());
        assert_eq!(socket.core.with_socket(|core| core.next_event().is_none()), Ok(true));
        assert_eq!(socket.delete(), err::SUCCESS);
    }
}
