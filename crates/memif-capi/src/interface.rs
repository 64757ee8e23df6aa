//! Interfaces: made, connected, disconnected and deleted.

use std::collections::HashMap;
use std::ffi::{c_int, c_void};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use memif::raw::{Keeper, QueueView};
use memif::{InterfaceConfig, InterfaceKey, Link, Peer, Role};

use crate::abi::err;
use crate::callbacks::{InterfaceCallbacks, Record};
use crate::cell::Cells;
use crate::codes::socket_code;
use crate::gate::Gate;
use crate::lock::lock;
use crate::queues::{Rx, Tx};
use crate::regions::Regions;
use crate::slab::{Places, handle};
use crate::socket_core::SocketCore;

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

    /// Whether this thread is in a callback from within a burst here.
    fn is_calling(&self) -> bool {
        self.rx.all().any(|cell| cell.is_calling()) || self.tx.all().any(|cell| cell.is_calling())
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

/// The interfaces of a socket.
#[derive(Default)]
pub(crate) struct InterfaceList {
    all: Mutex<Vec<Arc<Interface>>>,
    /// Those that the core knows: of a thousand, each event is of one.
    by_key: Mutex<HashMap<InterfaceKey, Arc<Interface>>>,
}

impl InterfaceList {
    pub(crate) fn all(&self) -> Vec<Arc<Interface>> {
        lock(&self.all).clone()
    }

    pub(crate) fn is_empty(&self) -> bool {
        lock(&self.all).is_empty()
    }

    /// The interface that an event of the core is of.
    pub(crate) fn find(&self, key: InterfaceKey) -> Option<Arc<Interface>> {
        lock(&self.by_key).get(&key).cloned()
    }

    fn remove(&self, interface: &Interface) {
        lock(&self.all).retain(|other| !std::ptr::eq(&raw const **other, interface));
        if let Some(key) = interface.key() {
            lock(&self.by_key).remove(&key);
        }
    }
}

/// One interface.
pub(crate) struct Interface {
    conn: &'static Conn,
    pub(crate) socket: Arc<SocketCore>,
    /// All of the same socket.
    all: Arc<InterfaceList>,
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
    gate: Gate,
    /// Whether the thread inside the gate runs `on_disconnect`.
    disconnecting: AtomicBool,
}

/// What is known of the present link, or the last one.
#[derive(Default)]
pub(crate) struct LinkState {
    /// Memory and eventfds stay until `on_disconnect` has returned, whoever lets go of queues before.
    keeper: Option<Keeper>,
    /// Tells the links of this process apart.
    serial: u64,
    pub(crate) rx: Vec<QueueView>,
    pub(crate) tx: Vec<QueueView>,
    pub(crate) regions: Vec<(usize, u64)>,
    /// Eventfds of receive queues that the application asked for.
    asked: Vec<RawFd>,
    pub(crate) peer: Peer,
    /// Why the last link ended, kept while the next one is up.
    pub(crate) reason: String,
}

/// Makes an interface. Its handle.
pub(crate) fn create(
    socket: &Arc<SocketCore>,
    all: &Arc<InterfaceList>,
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
        all: Arc::clone(all),
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
        gate: Gate::default(),
        disconnecting: AtomicBool::new(false),
    });
    // Known before the core knows it: another thread may be polling.
    lock(&all.all).push(Arc::clone(&interface));
    *lock(&conn.interface) = Some(Arc::clone(&interface));
    socket.report_control();
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

    /// Adds it to the core. A slave tries to connect at once; that nobody listens yet is no error.
    fn begin(self: &Arc<Self>) -> Result<(), c_int> {
        let interrupts = self.callbacks.on_interrupt.is_some();
        let queues = self.settings.rx_queues;
        let config = self.config.clone().region_source(self.regions.source());
        let added = self.socket.with_socket(|core| {
            let key = core.add_interface(config)?;
            // Set while the core is locked, so that whoever takes an event of it finds it.
            let _ = self.key.set(key);
            lock(&self.all.by_key).insert(key, Arc::clone(self));
            let begun = (0..queues)
                .filter(|_| interrupts)
                .try_for_each(|queue| core.watch_level(key, queue, self.socket.builtin))
                .and_then(|()| if self.is_master() { Ok(()) } else { core.connect_now(key).map(drop) });
            if begun.is_err() {
                let _ = core.remove_interface(key);
            }
            begun
        })?;
        added.map_err(|error: memif::SocketError| socket_code(&error))
    }

    /// `memif_request_connection`.
    pub(crate) fn request(&self) -> c_int {
        let Some(key) = self.key() else { return err::NOCONN };
        let requested = self.socket.with_socket(|core| {
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
        let Some(_inside) = self.gate.enter() else { return };
        // Only when a callback polls and so gets ahead of the end of the link before.
        self.let_go();
        static SERIAL: AtomicU64 = AtomicU64::new(1);
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let place = if self.is_master() { None } else { self.regions.choose_offset() };
        let Link { rx, tx, peer, .. } = link;
        let mut state = LinkState {
            serial,
            rx: rx.iter().map(memif::RxQueue::view).collect(),
            tx: tx.iter().map(memif::TxQueue::view).collect(),
            peer,
            ..LinkState::default()
        };
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
        {
            let mut link = lock(&self.link);
            state.reason = std::mem::take(&mut link.reason);
            *link = state;
        }
        self.rx_queues.store(rx_queues, Ordering::Release);
        self.tx_queues.store(tx_queues, Ordering::Release);
        self.up.store(true, Ordering::Release);
        self.callbacks.connected(self.handle());
    }

    /// The peer of the link that is up does what the details are to tell as the error.
    pub(crate) fn note(&self, reason: String) {
        lock(&self.link).reason = reason;
    }

    /// A link went down, or did not come up.
    pub(crate) fn link_down(&self, reason: String) {
        let Some(_inside) = self.gate.enter() else { return };
        let serial = {
            let mut link = lock(&self.link);
            link.reason = reason;
            // From now on bursts say so, once they have handed out what the peer left.
            if let Some(keeper) = &link.keeper {
                keeper.tell();
            }
            link.serial
        };
        self.tell_disconnected();
        // The callback may have deleted the interface, or polled and got another link.
        if !self.gate.is_closing() && lock(&self.link).serial == serial {
            self.let_go();
        }
    }

    /// Runs `on_disconnect`, unless this comes from there. Inside the gate.
    fn tell_disconnected(&self) {
        if !self.disconnecting.swap(true, Ordering::Relaxed) {
            self.callbacks.disconnected(self.handle());
            self.disconnecting.store(false, Ordering::Relaxed);
        }
    }

    /// After `on_disconnect`: what the link had goes, once the bursts that run are over. Inside the gate.
    fn let_go(&self) {
        self.up.store(false, Ordering::Release);
        self.rx_queues.store(0, Ordering::Release);
        self.tx_queues.store(0, Ordering::Release);
        self.empty_cells();
        let (gone, asked) = {
            let mut link = lock(&self.link);
            link.regions.clear();
            let views = (std::mem::take(&mut link.rx), std::mem::take(&mut link.tx));
            ((link.keeper.take(), views), std::mem::take(&mut link.asked))
        };
        for fd in asked {
            self.socket.report_gone(fd);
        }
        drop(gone);
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

    /// A receive queue was signalled. Of a peer that left, what it published is handed out in as many calls as the
    /// application takes: nothing tells of it again.
    pub(crate) fn interrupted(&self, queue: u8) -> c_int {
        let Some(_inside) = self.gate.enter() else { return err::SUCCESS };
        if !self.is_up() || lock(&self.link).keeper.as_ref().is_none_or(Keeper::is_broken) {
            return err::SUCCESS;
        }
        let mut result = err::SUCCESS;
        let mut left = u16::MAX;
        loop {
            let returned = self.callbacks.interrupted(self.handle(), queue);
            if returned != err::SUCCESS {
                result = returned;
            }
            let now = self.leftovers(queue);
            if now == 0 || now >= left {
                return result;
            }
            left = now;
        }
    }

    /// Slots that a peer which left has filled and the application has not taken.
    fn leftovers(&self, queue: u8) -> u16 {
        // The place may be another interface's when the callback deleted this one.
        if self.gate.is_closing() {
            return 0;
        }
        let cell = self.conn.rx.get(u16::from(queue)).and_then(|cell| cell.enter());
        cell.and_then(|mut rx| rx.as_mut().map(Rx::leftovers)).unwrap_or(0)
    }

    /// Tells the application of regions whose connection came to nothing.
    pub(crate) fn sweep_regions(&self) {
        if self.regions.any()
            && let Some(_inside) = self.gate.enter()
        {
            self.regions.sweep();
        }
    }

    /// `memif_get_queue_efd`. The application is told before the descriptor is closed: it is noted while the link
    /// cannot go.
    pub(crate) fn ask_for_efd(&self, queue: u16) -> Result<RawFd, c_int> {
        let mut link = lock(&self.link);
        if link.keeper.is_none() {
            return Err(err::DISCONNECTED);
        }
        let view = link.rx.get(usize::from(queue)).ok_or(err::QID)?;
        view.listened_elsewhere();
        let fd = view.as_fd().as_raw_fd();
        if !link.asked.contains(&fd) {
            link.asked.push(fd);
        }
        Ok(fd)
    }

    /// `memif_delete`.
    pub(crate) fn delete(&self) -> c_int {
        // From a callback that the core or a burst waits for.
        if self.socket.is_held_here() || self.conn.is_calling() {
            return err::AGAIN;
        }
        let Some(_inside) = self.gate.close() else { return err::SUCCESS };
        self.tell_disconnected();
        if let Some(key) = self.key() {
            let _ = self.socket.with_socket(|core| core.remove_interface(key));
        }
        self.let_go();
        self.forget();
        self.gate.closed();
        err::SUCCESS
    }

    /// Nothing of it stays but an empty place.
    fn forget(&self) {
        self.all.remove(self);
        let taken = lock(&self.conn.interface).take();
        self.empty_cells();
        self.regions.sweep();
        let record = lock(&self.record).take();
        // Calls the application's `free`.
        drop(record);
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
