//! What the caller hands in to be called, and pointers of its own that go with it.

use std::ffi::{c_int, c_void};

use crate::abi::{
    AddRegion, Alloc, ConnectionUpdate, ControlFdUpdate, DeleteRegion, Free, GetBufferOffset, GetRegionAddress,
    OnInterrupt, memif_fd_event_t,
};

/// A pointer of the caller that is given back to it and never followed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opaque(pub(crate) *mut c_void);

// SAFETY: a number as far as this library goes; that callbacks run on the thread that polls, and with them whatever the
// pointer means, is part of the interface.
unsafe impl Send for Opaque {}
// SAFETY: as above.
unsafe impl Sync for Opaque {}

/// Where an application wants its handles to be accounted for.
#[derive(Clone, Copy)]
pub(crate) struct Allocator {
    pub(crate) alloc: Option<Alloc>,
    pub(crate) free: Option<Free>,
}

/// Bytes asked of the application's allocator per handle.
const RECORD: usize = 64;

impl Allocator {
    /// A record for a handle. `None` when the application has no memory for it.
    pub(crate) fn record(&self) -> Option<Record> {
        let Some(alloc) = self.alloc else { return Some(Record { at: None, free: None }) };
        // SAFETY: the interface asks for a function like `malloc`, callable at any time until the handle is deleted.
        let at = unsafe { alloc(RECORD) };
        let free = self.free.unwrap_or(libc::free);
        (!at.is_null()).then_some(Record { at: Some(Opaque(at)), free: Some(free) })
    }
}

/// Memory of the application's allocator that stands for a handle. Nothing lies in it: what a library must be able to
/// trust does not lie in memory that others may free.
pub(crate) struct Record {
    at: Option<Opaque>,
    free: Option<Free>,
}

impl Drop for Record {
    fn drop(&mut self) {
        if let (Some(at), Some(free)) = (self.at.take(), self.free) {
            // SAFETY: from the application's `alloc`, and given back once, to its `free`.
            unsafe { free(at.0) };
        }
    }
}

/// Calls `on_control_fd_update`. What it returns changes nothing, as in libmemif.
pub(crate) fn control_fd_update(
    call: Option<ControlFdUpdate>,
    fd: c_int,
    kind: c_int,
    context: *mut c_void,
    private: Opaque,
) {
    if let Some(call) = call {
        let event = memif_fd_event_t { fd, kind, private_ctx: context };
        // SAFETY: the caller promised a function of this type when it made the socket.
        unsafe { call(event, private.0) };
    }
}

/// Callbacks of one interface.
#[derive(Clone, Copy)]
pub(crate) struct InterfaceCallbacks {
    pub(crate) on_connect: Option<ConnectionUpdate>,
    pub(crate) on_disconnect: Option<ConnectionUpdate>,
    pub(crate) on_interrupt: Option<OnInterrupt>,
    pub(crate) private: Opaque,
}

impl InterfaceCallbacks {
    pub(crate) fn connected(&self, handle: *mut c_void) {
        if let Some(call) = self.on_connect {
            // SAFETY: the caller promised a function of this type when it made the interface.
            unsafe { call(handle, self.private.0) };
        }
    }

    pub(crate) fn disconnected(&self, handle: *mut c_void) {
        if let Some(call) = self.on_disconnect {
            // SAFETY: as above.
            unsafe { call(handle, self.private.0) };
        }
    }

    /// What it returns is what polling returns.
    pub(crate) fn interrupted(&self, handle: *mut c_void, queue: u8) -> c_int {
        // SAFETY: as above.
        self.on_interrupt.map_or(0, |call| unsafe { call(handle, self.private.0, queue.into()) })
    }
}

/// Callbacks for regions of the application.
#[derive(Clone, Copy, Default)]
pub(crate) struct RegionCallbacks {
    pub(crate) add: Option<AddRegion>,
    pub(crate) address: Option<GetRegionAddress>,
    pub(crate) delete: Option<DeleteRegion>,
    pub(crate) offset: Option<GetBufferOffset>,
}

/// Whether an address is one that says that there is none: null, or what a failed `mmap` gives.
pub(crate) fn is_none(address: *mut c_void) -> bool {
    address.is_null() || address == libc::MAP_FAILED
}

impl RegionCallbacks {
    /// Memory of `size` bytes for a slave's buffers: address and file. `None` without the callback, or when it fails.
    pub(crate) fn add(&self, size: u32, private: Opaque) -> Option<(*mut c_void, c_int)> {
        let call = self.add?;
        let (mut address, mut fd) = (std::ptr::null_mut(), -1);
        // SAFETY: the caller promised a function of this type; both places are ours and writable.
        let result = unsafe { call(&raw mut address, size, &raw mut fd, private.0) };
        let given = result == 0 && !is_none(address);
        if given && fd < 0 {
            self.delete(address, size, fd, private);
        }
        (given && fd >= 0).then_some((address, fd))
    }

    /// Where the application mapped a region that a slave offered. Null without the callback, or when it fails.
    pub(crate) fn address(&self, size: u32, fd: c_int, private: Opaque) -> *mut c_void {
        // SAFETY: the caller promised a function of this type.
        self.address.map_or(std::ptr::null_mut(), |call| unsafe { call(size, fd, private.0) })
    }

    /// A region is not used any more. Returns whether there is somebody to tell.
    pub(crate) fn delete(&self, address: *mut c_void, size: u32, fd: c_int, private: Opaque) -> bool {
        let Some(call) = self.delete else { return false };
        // SAFETY: the caller promised a function of this type.
        unsafe { call(address, size, fd, private.0) };
        true
    }
}

/// `memif_get_external_buffer_offset_t` with what it is called with.
#[derive(Clone, Copy)]
pub(crate) struct ChooseOffset {
    pub(crate) call: GetBufferOffset,
    pub(crate) private: Opaque,
}

impl ChooseOffset {
    pub(crate) fn choose(self) -> u32 {
        // SAFETY: the caller promised a function of this type.
        unsafe { (self.call)(self.private.0) }
    }
}
