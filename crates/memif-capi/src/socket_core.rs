//! The core of a socket: the `memif::Socket`, and what all of its interfaces share.

use std::ffi::{c_int, c_void};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use memif::{Name, Socket};

use crate::abi::{ControlFdUpdate, FD_EVENT_DEL, FD_EVENT_READ, PATH_BYTES, err};
use crate::callbacks::{Allocator, Opaque, RegionCallbacks, control_fd_update};
use crate::cell::this_thread;
use crate::lock::lock;

/// What an interface knows of its socket.
pub(crate) struct SocketCore {
    socket: Mutex<Option<Socket>>,
    /// The thread that has `socket`, or 0: a callback for a region runs while it is locked.
    owner: AtomicUsize,
    /// What the application waits for: the descriptor of `socket`.
    control: Arc<OwnedFd>,
    /// Whether the application knows of `control`.
    reported: AtomicBool,
    /// Whether the application polls through `memif_poll_event`.
    pub(crate) builtin: bool,
    on_control: Option<ControlFdUpdate>,
    private: Opaque,
    pub(crate) allocator: Allocator,
    handle: Opaque,
    /// As the application wrote it, with a zero byte behind it.
    path: Box<[u8; PATH_BYTES + 1]>,
    pub(crate) app_name: Name,
    regions: Mutex<RegionCallbacks>,
    /// Whether there ever were any of these.
    regions_given: AtomicBool,
}

/// What a socket is made with.
pub(crate) struct SocketSettings {
    pub(crate) path: [u8; PATH_BYTES],
    pub(crate) app_name: Name,
    pub(crate) timer: libc::itimerspec,
    pub(crate) on_control: Option<ControlFdUpdate>,
    pub(crate) allocator: Allocator,
    pub(crate) private: Opaque,
}

/// Resets the owner of the core, also when what it does panics.
struct Owner<'a>(&'a AtomicUsize);

impl Drop for Owner<'_> {
    fn drop(&mut self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

impl SocketCore {
    /// Of the socket with that handle.
    pub(crate) fn new(socket: Socket, settings: &SocketSettings, handle: *mut c_void) -> Self {
        let mut path = Box::new([0; PATH_BYTES + 1]);
        for (to, from) in path.iter_mut().zip(settings.path) {
            *to = from;
        }
        Self {
            control: socket.descriptor(),
            socket: Mutex::new(Some(socket)),
            owner: AtomicUsize::new(0),
            reported: AtomicBool::new(false),
            builtin: settings.on_control.is_none(),
            on_control: settings.on_control,
            private: settings.private,
            allocator: settings.allocator,
            handle: Opaque(handle),
            path,
            app_name: settings.app_name,
            regions: Mutex::new(RegionCallbacks::default()),
            regions_given: AtomicBool::new(false),
        }
    }

    /// The handle of the socket.
    pub(crate) fn handle(&self) -> *mut c_void {
        self.handle.0
    }

    pub(crate) fn path(&self) -> &[u8; PATH_BYTES + 1] {
        &self.path
    }

    /// What the application waits for.
    pub(crate) fn control(&self) -> &OwnedFd {
        &self.control
    }

    /// Does something with the core socket. `MEMIF_ERR_INVAL_ARG` once it is deleted, `MEMIF_ERR_AGAIN` from within a
    /// callback that it is waiting for.
    pub(crate) fn with_socket<R>(&self, action: impl FnOnce(&mut Socket) -> R) -> Result<R, c_int> {
        if self.is_held_here() {
            return Err(err::AGAIN);
        }
        let mut socket = lock(&self.socket);
        self.owner.store(this_thread(), Ordering::Relaxed);
        // Dropped before the lock.
        let _owner = Owner(&self.owner);
        socket.as_mut().map(action).ok_or(err::INVAL_ARG)
    }

    /// Whether this thread is in a callback that the core waits for.
    pub(crate) fn is_held_here(&self) -> bool {
        self.owner.load(Ordering::Relaxed) == this_thread()
    }

    /// Tells the application what to watch, once there is something to watch for.
    pub(crate) fn report_control(&self) {
        if !self.reported.swap(true, Ordering::AcqRel) {
            self.control_fd_update(FD_EVENT_READ);
        }
    }

    fn control_fd_update(&self, kind: c_int) {
        let fd = self.control.as_raw_fd();
        control_fd_update(self.on_control, fd, kind, self.handle(), self.private);
    }

    /// `memif_register_external_region`: for connections to come.
    pub(crate) fn set_regions(&self, callbacks: RegionCallbacks) {
        *lock(&self.regions) = callbacks;
        self.regions_given.store(true, Ordering::Release);
    }

    /// The callbacks for regions as they are now.
    pub(crate) fn region_callbacks(&self) -> RegionCallbacks {
        *lock(&self.regions)
    }

    /// Whether there ever were callbacks for regions.
    pub(crate) fn had_region_callbacks(&self) -> bool {
        self.regions_given.load(Ordering::Acquire)
    }

    /// A descriptor of an interface is no longer to be watched.
    pub(crate) fn report_gone(&self, fd: c_int) {
        control_fd_update(self.on_control, fd, FD_EVENT_DEL, std::ptr::null_mut(), self.private);
    }

    /// The end: nothing is to be watched, and there is no socket.
    pub(crate) fn end(&self) {
        if self.reported.swap(false, Ordering::AcqRel) {
            self.control_fd_update(FD_EVENT_DEL);
        }
        // Without interfaces no callback for regions runs, hence this thread does not have the socket.
        let socket = lock(&self.socket).take();
        drop(socket);
    }
}
