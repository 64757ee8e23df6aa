//! Regions of the application: allocated by it as slave, mapped by it as master.

use std::ffi::{c_int, c_void};
use std::os::fd::{AsRawFd, BorrowedFd, IntoRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, Weak};

use memif::Mapping;
use memif::raw::RegionSource;

use crate::callbacks::{ChooseOffset, Opaque, RegionCallbacks, is_none};
use crate::lock::lock;
use crate::socket_core::SocketCore;

/// The regions of the application that one interface uses.
pub(crate) struct Regions {
    socket: Weak<SocketCore>,
    private: Opaque,
    used: Arc<Mutex<Vec<Used>>>,
    /// As it was when memory was allocated last.
    choose: Arc<Mutex<Option<ChooseOffset>>>,
}

/// One of them. It is in use while somebody else holds the mapping.
struct Used {
    mapping: Arc<Mapping>,
    address: Opaque,
    size: u32,
    fd: Fd,
    callbacks: RegionCallbacks,
}

/// The descriptor that the application knows it by.
enum Fd {
    /// Its own.
    Theirs(c_int),
    /// A copy of a slave's, which is the application's from the end on.
    Copy(OwnedFd),
}

impl Fd {
    fn number(&self) -> c_int {
        match self {
            Self::Theirs(fd) => *fd,
            Self::Copy(fd) => fd.as_raw_fd(),
        }
    }
}

impl Regions {
    pub(crate) fn new(socket: &Arc<SocketCore>, private: Opaque) -> Self {
        Self { socket: Arc::downgrade(socket), private, used: Arc::default(), choose: Arc::default() }
    }

    /// What the core asks for regions. It looks for callbacks of the application each time: they may come and go.
    pub(crate) fn source(&self) -> Arc<dyn RegionSource> {
        Arc::new(Source {
            socket: Weak::clone(&self.socket),
            private: self.private,
            used: Arc::clone(&self.used),
            choose: Arc::clone(&self.choose),
        })
    }

    /// Who chooses the places of a slave's buffers, if that is the application.
    pub(crate) fn choose_offset(&self) -> Option<ChooseOffset> {
        *lock(&self.choose)
    }

    pub(crate) fn any(&self) -> bool {
        !lock(&self.used).is_empty()
    }

    /// The descriptor of a region by its address.
    pub(crate) fn fd_of(&self, address: usize) -> Option<c_int> {
        let used = lock(&self.used);
        used.iter().find(|used| used.address.0.addr() == address).map(|used| used.fd.number())
    }

    /// Tells the application of regions that nothing uses any more.
    pub(crate) fn sweep(&self) {
        let gone: Vec<Used> = lock(&self.used).extract_if(.., |used| Arc::strong_count(&used.mapping) == 1).collect();
        for Used { mapping, address, size, fd, callbacks } in gone {
            drop(mapping);
            give_back(callbacks, address.0, size, fd, self.private);
        }
    }
}

struct Source {
    socket: Weak<SocketCore>,
    private: Opaque,
    used: Arc<Mutex<Vec<Used>>>,
    choose: Arc<Mutex<Option<ChooseOffset>>>,
}

impl Source {
    fn callbacks(&self) -> RegionCallbacks {
        self.socket.upgrade().map(|socket| socket.region_callbacks()).unwrap_or_default()
    }

    /// The callbacks that count for a slave's new connection.
    fn begin(&self) -> RegionCallbacks {
        let callbacks = self.callbacks();
        *lock(&self.choose) = callbacks.offset.map(|call| ChooseOffset { call, private: self.private });
        callbacks
    }

    /// Takes what a callback gave. What is refused goes back to the application.
    fn take(
        &self,
        callbacks: RegionCallbacks,
        address: *mut c_void,
        size: u32,
        shared: std::io::Result<Arc<OwnedFd>>,
        fd: Fd,
    ) -> std::io::Result<Option<Arc<Mapping>>> {
        let checked = check(address, size).and_then(|start| Ok((start, shared?)));
        let (start, shared) = match checked {
            Ok(checked) => checked,
            Err(error) => {
                give_back(callbacks, address, size, fd, self.private);
                return Err(error);
            }
        };
        // SAFETY: that `size` bytes of the file are mapped there, shared, readable and writable, until the callback
        // that deletes the region is called, is what the interface asks of the callback that gave the address. It is
        // called by `sweep`, when nobody else holds the mapping.
        let mapping = unsafe { Mapping::from_raw(start, size as usize, shared) };
        let mapping = Arc::new(mapping);
        lock(&self.used).push(Used { mapping: Arc::clone(&mapping), address: Opaque(address), size, fd, callbacks });
        Ok(Some(mapping))
    }
}

/// An address where so many bytes can be mapped.
fn check(address: *mut c_void, size: u32) -> std::io::Result<NonNull<u8>> {
    let start = NonNull::new(address.cast::<u8>()).ok_or_else(|| refused("no address"))?;
    let fits = address.addr().checked_add(size as usize).is_some();
    if !fits || !address.addr().is_multiple_of(rustix::param::page_size()) {
        return Err(refused("an address where nothing can be mapped"));
    }
    Ok(start)
}

impl RegionSource for Source {
    fn allocates(&self) -> bool {
        self.callbacks().add.is_some()
    }

    fn agrees(&self) -> bool {
        self.begin().add.is_none()
    }

    fn allocate(&self, size: u64) -> std::io::Result<Option<Arc<Mapping>>> {
        let callbacks = self.begin();
        if callbacks.add.is_none() {
            return Ok(None);
        }
        let size = u32::try_from(size).map_err(|_| refused("a region of more than 4 GiB"))?;
        let added = callbacks.add(size, self.private);
        let (address, fd) = added.ok_or_else(|| refused("the callback that adds regions failed"))?;
        // SAFETY: not -1, and used for the one call below, which the kernel answers with an error if the number is no
        // descriptor.
        let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
        let shared = rustix::io::fcntl_dupfd_cloexec(borrowed, 0);
        let shared = shared.map(Arc::new).map_err(std::io::Error::from);
        self.take(callbacks, address, size, shared, Fd::Theirs(fd))
    }

    fn map(&self, fd: &Arc<OwnedFd>, size: u64) -> std::io::Result<Option<Arc<Mapping>>> {
        let callbacks = self.callbacks();
        if callbacks.address.is_none() {
            return Ok(None);
        }
        let size = u32::try_from(size).map_err(|_| refused("a region of more than 4 GiB"))?;
        let copy = rustix::io::fcntl_dupfd_cloexec(&**fd, 0)?;
        let address = callbacks.address(size, copy.as_raw_fd(), self.private);
        if is_none(address) {
            return Err(refused("the callback that maps regions failed"));
        }
        self.take(callbacks, address, size, Ok(Arc::clone(fd)), Fd::Copy(copy))
    }
}

/// Tells the application that a region is not used any more.
fn give_back(callbacks: RegionCallbacks, address: *mut c_void, size: u32, fd: Fd, private: Opaque) {
    if callbacks.delete(address, size, fd.number(), private)
        && let Fd::Copy(fd) = fd
    {
        // Closed by the callback, as with libmemif.
        let _ = fd.into_raw_fd();
    }
}

fn refused(why: &'static str) -> std::io::Error {
    std::io::Error::other(why)
}
