//! Interfaces: made, connected, disconnected and deleted.

use std::ffi::{c_int, c_void};
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use memif::raw::Keeper;
use memif::{InterfaceConfig, InterfaceKey, Link, Peer, Role};

use crate::abi::{FD_EVENT_DEL, err};
use crate::callbacks::{InterfaceCallbacks, Record, control_fd_update};
use crate::cell::{Cells, this_thread};
use crate::data::{Rx, Tx};
use crate::lock;
use crate::regions::Regions;
use crate::slab::{Places, handle};
use crate::socket::{SocketState, socket_code};

/// Interfaces by their handles.
pub(crate) static INTERFACES: Places<Conn> = Places::new();

/// What a connection handle points to. Queues are here, so that a burst needs no lock.
#[derive(Default)]
pub(crate) struct Conn {
    interface: Mutex<Option<Arc<Interface>>>,
    pub(crate) rx: Cells<Rx>,
    pub(crate) tx: Cells<Tx>,
}

impl Conn {
    pub(crate) fn get(&self) -> Option<Arc<Interface>> {
        lock(&self.interface).clone()
    }
}

/// The interface of a handle.
pub(crate) fn find(conn: *const c_void) -> Option<Arc<Interface>> {
    INTERFACES.find(conn)?.get()
}

/// What does not change of an interface.
pub(crate) struct Settings {
    pub(crate) role: Role,
    pub(crate) id: u32,
    pub(crate) mode: u8,
    pub(crate) name: Vec<u8>,
    pub(crate) secret: Vec<u8>,
    pub(crate) buffer_size: u16,
    /// Most receive queues.
    pub(crate) rx_queues: u8,
}

/// One interface.
pub(crate) struct Interface {
    conn: &'static Conn,
    pub(crate) socket: Arc<SocketState>,
    pub(crate) settings: Settings,
    config: InterfaceConfig,
    callbacks: InterfaceCallbacks,
    record: Mutex<Option<Record>>,
    key: OnceLock<InterfaceKey>,
    up: AtomicBool,
    rx_queues: AtomicU16,
    tx_queues: AtomicU16,
    pub(crate) link: Mutex<LinkState>,
    pub(crate) regions: Arc<Regions>,
    /// The thread that runs `on_disconnect`, or 0.
    disconnecting: AtomicUsize,
    deleting: AtomicBool,
}

/// What is known of the present link, or the last one.
#[derive(Default)]
pub(crate) struct LinkState {
    /// Memory and eventfds stay until `on_disconnect` has returned, whoever lets go of queues before.
    keeper: Option<Keeper>,
    pub(crate) regions: Vec<(usize, u64)>,
    /// Eventfds of receive queues that the application asked for.
    asked: Vec<RawFd>,
    pub(crate) peer: Peer,
    /// Why the last link ended.
    pub(crate) reason: String,
}

/// Makes an interface. Its handle.
pub(crate) fn create(
    socket: &Arc<SocketState>,
    settings: Settings,
    config: InterfaceConfig,
    callbacks: InterfaceCallbacks,
) -> Result<*mut c_void, c_int> {
    config.validate().map_err(|_| err::INVAL_ARG)?;
    let record = socket.allocator.record().ok_or(err::NOMEM)?;
    let conn = INTERFACES.take().ok_or(err::NOMEM)?;
    let regions = Arc::new(Regions::new(socket, callbacks.private));
    let interface = Arc::new(Interface {
        conn,
        socket: Arc::clone(socket),
        settings,
        config,
        callbacks,
        record: Mutex::new(Some(record)),
        key: OnceLock::new(),
        up: AtomicBool::new(false),
        rx_queues: AtomicU16::new(0),
        tx_queues: AtomicU16::new(0),
        link: Mutex::new(LinkState::default()),
        regions,
        disconnecting: AtomicUsize::new(0),
        deleting: AtomicBool::new(false),
    });
    // Known before the core knows it: another thread may be polling.
    lock(&socket.interfaces).push(Arc::clone(&interface));
    *lock(&conn.interface) = Some(Arc::clone(&interface));
    match interface.begin() {
        Ok(()) => Ok(handle(conn)),
        Err(code) => {
            interface.forget();
            Err(code)
        }
    }
}

impl Interface {
    pub(crate) fn handle(&self) -> *mut c_void {
        handle(self.conn)
    }

    pub(crate) fn key(&self) -> Option<InterfaceKey> {
        self.key.get().copied()
    }

    pub(crate) fn is_master(&self) -> bool {
        self.settings.role == Role::Master
    }

    pub(crate) fn is_up(&self) -> bool {
        self.up.load(Ordering::Acquire)
    }

    pub(crate) fn rx_queues(&self) -> u16 {
        self.rx_queues.load(Ordering::Acquire)
    }

    pub(crate) fn tx_queues(&self) -> u16 {
        self.tx_queues.load(Ordering::Acquire)
    }

    fn config(&self) -> InterfaceConfig {
        match self.regions.source() {
            Some(source) => self.config.clone().region_source(source),
            None => self.config.clone(),
        }
    }

    /// Adds it to the core. A slave tries to connect at once; that nobody listens yet is no error.
    fn begin(&self) -> Result<(), c_int> {
        let interrupts = self.callbacks.on_interrupt.is_some();
        let queues = self.settings.rx_queues;
        let config = self.config();
        let added = self.socket.with_core(|core| {
            let key = core.add_interface(config)?;
            // Set while the core is locked, so that whoever takes an event of it finds it.
            let _ = self.key.set(key);
            for queue in (0..queues).filter(|_| interrupts) {
                core.watch_level(key, queue)?;
            }
            if !self.is_master() {
                let _ = core.connect_now(key)?;
            }
            Ok(())
        })?;
        added.map_err(|error: memif::SocketError| socket_code(&error))
    }

    /// The callbacks for regions changed: they hold from the next connection on.
    pub(crate) fn reconfigure(&self) {
        if let Some(key) = self.key() {
            let config = self.config();
            let _ = self.socket.with_core(|core| core.reconfigure(key, config));
        }
    }

    /// `memif_request_connection`.
    pub(crate) fn request(&self) -> c_int {
        let Some(key) = self.key() else { return err::NOCONN };
        let requested = self.socket.with_core(|core| {
            if core.has_connection(key)? {
                return Ok(err::ALRCONN);
            }
            if self.is_master() {
                return Ok(err::SUCCESS);
            }
            Ok(core.connect_now(key)?.map_or(err::CONNREFUSED, |()| err::SUCCESS))
        });
        match requested {
            Ok(Ok(code)) => code,
            Ok(Err(error)) => socket_code(&error),
            Err(code) => code,
        }
    }

    /// A link came up: its queues go into their cells, then the application hears of it.
    pub(crate) fn link_up(&self, link: Link) {
        if self.deleting.load(Ordering::Acquire) {
            return;
        }
        /// Tells the links of this process apart.
        static SERIAL: AtomicU64 = AtomicU64::new(1);
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let place = if self.is_master() { None } else { self.regions.choose_offset() };
        let Link { rx, tx, peer, .. } = link;
        let mut state = LinkState { peer, ..LinkState::default() };
        let (rx_queues, tx_queues) = (count(rx.len()), count(tx.len()));
        for queue in rx {
            let index = queue.index();
            let slots = queue.into_slots();
            state.note(slots.keeper(), slots.regions());
            if let Some(mut guard) = self.conn.rx.make(index).and_then(|cell| cell.enter()) {
                *guard = Some(Rx::new(slots, serial, index, place));
            }
        }
        for queue in tx {
            let index = queue.index();
            let slots = queue.into_slots();
            state.note(slots.keeper(), slots.regions());
            if let Some(mut guard) = self.conn.tx.make(index).and_then(|cell| cell.enter()) {
                *guard = Some(Tx::new(slots, serial, index, place));
            }
        }
        *lock(&self.link) = state;
        self.rx_queues.store(rx_queues, Ordering::Release);
        self.tx_queues.store(tx_queues, Ordering::Release);
        self.up.store(true, Ordering::Release);
        self.callbacks.connected(self.handle());
    }

    /// A link went down, or did not come up.
    pub(crate) fn link_down(&self, reason: &str) {
        reason.clone_into(&mut lock(&self.link).reason);
        if self.deleting.load(Ordering::Acquire) {
            return;
        }
        self.tell_disconnected();
        if !self.deleting.load(Ordering::Acquire) {
            self.let_go();
        }
    }

    /// Runs `on_disconnect`, unless this thread is in it.
    fn tell_disconnected(&self) {
        let me = this_thread();
        loop {
            match self.disconnecting.compare_exchange(0, me, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => break,
                Err(who) if who == me => return,
                // Another thread is in it: memory stays until it returns.
                Err(_) => std::thread::yield_now(),
            }
        }
        self.callbacks.disconnected(self.handle());
        self.disconnecting.store(0, Ordering::Release);
    }

    /// After `on_disconnect`: what the link had goes. Queues stay in their cells until their threads come by again, which
    /// then find the link down, so that what those hold stays mapped that long; but regions of the application go
    /// now, so that it hears of it here.
    fn let_go(&self) {
        self.up.store(false, Ordering::Release);
        self.rx_queues.store(0, Ordering::Release);
        self.tx_queues.store(0, Ordering::Release);
        let (keeper, asked) = {
            let mut link = lock(&self.link);
            link.regions.clear();
            (link.keeper.take(), std::mem::take(&mut link.asked))
        };
        for fd in asked {
            let socket = &self.socket;
            let nothing = std::ptr::null_mut();
            control_fd_update(socket.on_control, fd, FD_EVENT_DEL, nothing, socket.private);
        }
        if self.regions.any() {
            self.empty_cells();
        }
        drop(keeper);
        self.regions.sweep();
    }

    /// Takes the queues out. Waits for bursts that run.
    fn empty_cells(&self) {
        for cell in self.conn.rx.all() {
            let taken = cell.enter().and_then(|mut guard| guard.take());
            drop(taken);
        }
        for cell in self.conn.tx.all() {
            let taken = cell.enter().and_then(|mut guard| guard.take());
            drop(taken);
        }
    }

    /// A receive queue was signalled.
    pub(crate) fn interrupted(&self, queue: u8) -> c_int {
        if self.is_up() && !self.deleting.load(Ordering::Acquire) {
            self.callbacks.interrupted(self.handle(), queue)
        } else {
            err::SUCCESS
        }
    }

    /// The application asked for the eventfd of a receive queue, and is told before it is closed.
    pub(crate) fn note_asked(&self, fd: RawFd) {
        let asked = &mut lock(&self.link).asked;
        if !asked.contains(&fd) {
            asked.push(fd);
        }
    }

    /// `memif_delete`.
    pub(crate) fn delete(&self) -> c_int {
        if self.deleting.swap(true, Ordering::AcqRel) {
            // From `on_disconnect`, that this very call runs: it is under way.
            return err::SUCCESS;
        }
        self.tell_disconnected();
        if let Some(key) = self.key() {
            let _ = self.socket.with_core(|core| core.remove_interface(key));
        }
        self.let_go();
        self.forget();
        err::SUCCESS
    }

    /// Nothing of it stays but an empty place.
    fn forget(&self) {
        lock(&self.socket.interfaces).retain(|other| !std::ptr::eq(&raw const **other, self));
        let taken = lock(&self.conn.interface).take();
        self.empty_cells();
        self.regions.sweep();
        drop(lock(&self.record).take());
        if taken.is_some() {
            INTERFACES.give_back(self.conn);
        }
    }
}

impl LinkState {
    fn note(&mut self, keeper: Keeper, regions: impl Iterator<Item = (*mut u8, u64)>) {
        if self.keeper.is_none() {
            self.keeper = Some(keeper);
            self.regions = regions.map(|(start, len)| (start.addr(), len)).collect();
        }
    }
}

fn count(queues: usize) -> u16 {
    u16::try_from(queues).unwrap_or(u16::MAX)
}
