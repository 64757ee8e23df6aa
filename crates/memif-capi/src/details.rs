//! `memif_get_details`.

use std::ffi::c_void;

use memif::raw::QueueView;

use crate::abi::{PATH_BYTES, err, memif_details_t, memif_queue_details_t, memif_region_details_t};
use crate::interface::Interface;
use crate::lock::lock;

/// Memory of the caller that strings and tables are put into, one behind the other.
struct Space {
    next: *mut u8,
    left: usize,
    full: bool,
}

impl Space {
    /// Room for `len` bytes at a multiple of `align`. Null when there is none, which is noted; what is shorter
    /// may still fit.
    fn take(&mut self, len: usize, align: usize) -> *mut u8 {
        let skip = self.next.addr().wrapping_neg() % align;
        if self.next.is_null() || skip.checked_add(len).is_none_or(|bytes| bytes > self.left) {
            self.full = true;
            return std::ptr::null_mut();
        }
        let start = self.next.wrapping_add(skip);
        self.next = start.wrapping_add(len);
        self.left -= skip + len;
        start
    }

    fn bytes(&mut self, bytes: &[u8]) -> *mut u8 {
        let at = self.take(bytes.len(), 1);
        if !at.is_null() {
            // SAFETY: as many bytes of the caller's buffer, which nothing else refers to during the call.
            unsafe { at.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        }
        at
    }

    fn text(&mut self, text: &[u8]) -> *mut u8 {
        let mut bytes = text.to_vec();
        bytes.push(0);
        self.bytes(&bytes)
    }

    /// A table, and how many entries it has: none where it does not fit.
    fn table<T: Copy>(&mut self, entries: &[T]) -> (*mut T, u8) {
        let count = u8::try_from(entries.len()).unwrap_or(u8::MAX);
        let entries = entries.get(..usize::from(count)).unwrap_or_default();
        let at = self.take(size_of_val(entries), align_of::<T>()).cast::<T>();
        if at.is_null() {
            return (at, 0);
        }
        for (i, entry) in entries.iter().enumerate() {
            // SAFETY: room for all entries at the right alignment, see `take`.
            unsafe { at.add(i).write(*entry) };
        }
        (at, count)
    }
}

/// Fills `details` with what there is, in memory from `buf` on.
pub(crate) fn fill(interface: &Interface, details: &mut memif_details_t, buf: *mut u8, len: usize) -> i32 {
    let socket = &interface.socket;
    let settings = &interface.settings;
    let queues = |views: &[QueueView]| -> Vec<memif_queue_details_t> {
        views.iter().map(|view| queue_details(&view.details(), settings.buffer_size)).collect()
    };
    let (peer, reason, regions, rx, tx) = {
        let link = lock(&interface.link);
        let (rx, tx) = (queues(&link.rx), queues(&link.tx));
        (link.peer.clone(), link.reason.clone(), link.regions.clone(), rx, tx)
    };
    let mut space = Space { next: buf, left: len, full: false };
    let null = std::ptr::null_mut;
    details.if_name = space.text(&settings.name);
    details.inst_name = space.text(socket.app_name.as_bytes());
    details.remote_if_name = space.text(peer.interface_name.as_bytes());
    details.remote_inst_name = space.text(peer.app_name.as_bytes());
    details.id = settings.id;
    details.secret = if settings.secret.is_empty() { null() } else { space.text(&settings.secret) };
    details.role = u8::from(!interface.is_master());
    details.mode = settings.mode;
    let path = socket.path().get(..PATH_BYTES).unwrap_or_default();
    details.socket_path = space.bytes(path);
    details.error = space.text(reason.as_bytes());

    let regions: Vec<_> = regions.iter().enumerate().map(|(i, region)| describe(interface, i, *region)).collect();
    (details.regions, details.regions_num) = space.table(&regions);
    (details.rx_queues, details.rx_queues_num) = space.table(&rx);
    (details.tx_queues, details.tx_queues_num) = space.table(&tx);
    details.link_up_down = u8::from(interface.is_up());
    if space.full { err::NOBUF_DET } else { err::SUCCESS }
}

fn describe(interface: &Interface, index: usize, (start, len): (usize, u64)) -> memif_region_details_t {
    let fd = interface.regions.fd_of(start);
    memif_region_details_t {
        index: u8::try_from(index).unwrap_or(u8::MAX),
        addr: std::ptr::with_exposed_provenance_mut::<c_void>(start),
        size: u32::try_from(len).unwrap_or(u32::MAX),
        fd: fd.unwrap_or(-1),
        is_external: u8::from(fd.is_some()),
    }
}

fn queue_details(queue: &memif::QueueDetails, buffer_size: u16) -> memif_queue_details_t {
    memif_queue_details_t {
        region: u8::try_from(queue.region).unwrap_or(u8::MAX),
        qid: queue.index.into(),
        ring_size: queue.ring_size,
        flags: queue.flags,
        head: queue.head,
        tail: queue.tail,
        buffer_size,
    }
}
