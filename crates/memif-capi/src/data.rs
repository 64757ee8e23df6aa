//! Bursts.
//!
//! Pointers of the caller are checked for null; that arrays are as long as their counts say is the one thing that is
//! taken on trust. Nothing is made of their alignment. Of the fields of a buffer, `queue` is compared and `data` is
//! compared, neither is followed.

use std::ffi::{c_int, c_void};

use memif::raw::{self, Enqueue, Part, Slot};

use crate::abi::{BUFFER_FLAG_NEXT, err, memif_buffer_t};
use crate::cell::Guard;
use crate::interface::{Conn, INTERFACES};
use crate::queues::{Rx, Token, Tx};

/// Which number of queues a queue must be below.
#[derive(Clone, Copy, Debug)]
enum Side {
    Rx,
    Tx,
}

/// Why there is no queue of that number.
#[cold]
fn why_not(conn: &Conn, side: Side, queue: u16) -> c_int {
    let Some(interface) = conn.get() else { return err::NOCONN };
    if !interface.is_up() {
        return err::DISCONNECTED;
    }
    let queues = match side {
        Side::Rx => interface.rx_queues(),
        Side::Tx => interface.tx_queues(),
    };
    // There, but its link is going down.
    if queue < queues { err::DISCONNECTED } else { err::QID }
}

#[inline]
fn find(conn: *const c_void) -> Result<&'static Conn, c_int> {
    INTERFACES.find(conn).ok_or(err::NOCONN)
}

#[inline]
fn rx_queue(conn: &'static Conn, queue: u16) -> Result<Guard<'static, Rx>, c_int> {
    match conn.rx.get(queue).and_then(|cell| cell.enter()) {
        Some(guard) if guard.is_some() => Ok(guard),
        _ => Err(why_not(conn, Side::Rx, queue)),
    }
}

#[inline]
fn tx_queue(conn: &'static Conn, queue: u16) -> Result<Guard<'static, Tx>, c_int> {
    match conn.tx.get(queue).and_then(|cell| cell.enter()) {
        Some(guard) if guard.is_some() => Ok(guard),
        _ => Err(why_not(conn, Side::Tx, queue)),
    }
}

/// Tells the caller of a buffer. All fields are written, whatever they held before.
///
/// # Safety
/// `at` is good for a write of one buffer; it need not be aligned.
#[inline]
unsafe fn hand_over(at: *mut memif_buffer_t, slot: Slot, queue: *mut c_void) {
    let Slot { index, data, len, next } = slot;
    let flags = if next { BUFFER_FLAG_NEXT } else { 0 };
    // SAFETY: promised by the caller.
    unsafe {
        at.write_unaligned(memif_buffer_t { desc_index: index, queue, len, flags, data: data.cast() });
    }
}

/// `memif_rx_burst`. `bufs` has room for `count` buffers, unless it is null.
pub(crate) fn receive(
    conn: *const c_void,
    queue: u16,
    bufs: *mut memif_buffer_t,
    count: u16,
    rx: *mut u16,
) -> Result<(), c_int> {
    let mut guard = rx_queue(find(conn)?, queue)?;
    let Some(Rx { slots, token, .. }) = guard.as_mut() else { return Err(err::DISCONNECTED) };
    if rx.is_null() {
        return Err(err::INVAL_ARG);
    }
    // SAFETY: not null; a place for the result, by the interface.
    unsafe { rx.write(0) };
    if bufs.is_null() && count > 0 {
        return Err(err::INVAL_ARG);
    }
    let pointer = token.pointer();
    let mut at = bufs;
    let mut received: u16 = 0;
    let result = slots.receive(count, |slot| {
        // SAFETY: `receive` hands out at most `count` buffers, and the array has room for as many.
        unsafe { hand_over(at, slot, pointer) };
        at = at.wrapping_add(1);
        received += 1;
    });
    // SAFETY: as above.
    unsafe { rx.write(received) };
    match result {
        Ok(got) if got.more => Err(err::NOBUF),
        Ok(_) => Ok(()),
        Err(_) => Err(err::DISCONNECTED),
    }
}

/// `memif_refill_queue`.
pub(crate) fn refill(conn: *const c_void, queue: u16, count: u16, headroom: u16) -> Result<(), c_int> {
    let mut guard = rx_queue(find(conn)?, queue)?;
    let calling = guard.as_ref().is_some_and(|rx| rx.place.is_some()).then(|| guard.calling());
    let Some(Rx { slots, place, .. }) = guard.as_mut() else { return Err(err::DISCONNECTED) };
    let headroom = u32::from(headroom);
    let refilled = match *place {
        None => slots.refill(count, headroom, None),
        Some(place) => slots.refill(count, headroom, Some(&mut || place.choose())),
    };
    drop(calling);
    refilled.map_err(|error| match error {
        raw::RefillError::Disconnected => err::DISCONNECTED,
        _ => err::INVAL_ARG,
    })
}

/// `memif_buffer_alloc`. `bufs` has room for the packets, unless it is null.
pub(crate) fn allocate(
    conn: *const c_void,
    queue: u16,
    bufs: *mut memif_buffer_t,
    count: u16,
    count_out: *mut u16,
    size: u16,
) -> Result<(), c_int> {
    let mut guard = tx_queue(find(conn)?, queue)?;
    let calling = guard.as_ref().is_some_and(|tx| tx.place.is_some()).then(|| guard.calling());
    let Some(Tx { slots, token, place }) = guard.as_mut() else { return Err(err::DISCONNECTED) };
    if count_out.is_null() {
        return Err(err::INVAL_ARG);
    }
    // SAFETY: not null; a place for the result, by the interface.
    unsafe { count_out.write(0) };
    if bufs.is_null() && count > 0 {
        return Err(err::INVAL_ARG);
    }
    let pointer = token.pointer();
    let mut at = bufs;
    let mut allocated: u16 = 0;
    let give = |slot: Slot| {
        // SAFETY: all packets together take no more slots than their sizes ask for with buffers of the size that the
        // interface was made with, which is what callers reckon with.
        unsafe { hand_over(at, slot, pointer) };
        at = at.wrapping_add(1);
        allocated += 1;
    };
    let size = u32::from(size);
    let result = match *place {
        None => slots.allocate(count, size, None, give),
        Some(place) => slots.allocate(count, size, Some(&mut || place.choose()), give),
    };
    drop(calling);
    // SAFETY: as above.
    unsafe { count_out.write(allocated) };
    match result {
        Ok(got) if size > 0 && got.packets < count => Err(err::NOBUF_RING),
        Ok(_) => Ok(()),
        Err(memif::SendError::TooLong { .. }) => Err(err::INVAL_ARG),
        Err(_) => Err(err::DISCONNECTED),
    }
}

/// `memif_tx_burst`. `bufs` holds `count` buffers, unless it is null.
pub(crate) fn send(
    conn: *const c_void,
    queue: u16,
    bufs: *mut memif_buffer_t,
    count: u16,
    tx: *mut u16,
) -> Result<(), c_int> {
    let mut guard = tx_queue(find(conn)?, queue)?;
    let Some(Tx { slots, .. }) = guard.as_mut() else { return Err(err::DISCONNECTED) };
    if tx.is_null() {
        return Err(err::INVAL_ARG);
    }
    // SAFETY: not null; a place for the result, by the interface.
    unsafe { tx.write(0) };
    if slots.ready().is_err() {
        return Err(err::DISCONNECTED);
    }
    if count == 0 {
        return Ok(());
    }
    if bufs.is_null() {
        return Err(err::INVAL_ARG);
    }
    let sent = slots.send_all((0..usize::from(count)).map(|i| {
        // SAFETY: the array holds `count` buffers, by the interface.
        let buffer = unsafe { bufs.add(i).read_unaligned() };
        let next = buffer.flags & BUFFER_FLAG_NEXT != 0;
        Part { index: buffer.desc_index, data: buffer.data.cast(), len: buffer.len, next }
    }));
    slots.publish();
    // SAFETY: as above.
    unsafe { tx.write(sent) };
    if sent == count { Ok(()) } else { Err(err::INVAL_ARG) }
}

/// `memif_buffer_enq_tx`. `bufs` holds `count` buffers, unless it is null.
pub(crate) fn enqueue(
    conn: *const c_void,
    queue: u16,
    bufs: *mut memif_buffer_t,
    count: u16,
    count_out: *mut u16,
) -> Result<(), c_int> {
    let conn = find(conn)?;
    drop(tx_queue(conn, queue)?);
    if count_out.is_null() {
        return Err(err::INVAL_ARG);
    }
    // SAFETY: not null; a place for the result, by the interface.
    unsafe { count_out.write(0) };
    if conn.get().is_none_or(|interface| interface.is_master()) {
        return Err(err::INVAL_ARG);
    }
    if bufs.is_null() && count > 0 {
        return Err(err::INVAL_ARG);
    }
    let mut done: usize = 0;
    let result = enqueue_all(conn, queue, bufs, usize::from(count), &mut done);
    // SAFETY: as above.
    unsafe { count_out.write(u16::try_from(done).unwrap_or(count)) };
    result
}

fn enqueue_all(
    conn: &'static Conn,
    queue: u16,
    bufs: *mut memif_buffer_t,
    count: usize,
    done: &mut usize,
) -> Result<(), c_int> {
    while *done < count {
        // SAFETY: the array holds `count` buffers, by the interface.
        let first = Token::of(&unsafe { bufs.add(*done).read_unaligned() });
        if first.is_tx() {
            return Err(err::INVAL_ARG);
        }
        // Receive before transmit, as everybody who enters two cells.
        let mut from = rx_queue(conn, first.queue()).map_err(|_| err::INVAL_ARG)?;
        let mut to = tx_queue(conn, queue)?;
        let (Some(from), Some(to)) = (from.as_mut(), to.as_mut()) else {
            return Err(err::DISCONNECTED);
        };
        if from.token != first {
            return Err(err::INVAL_ARG);
        }
        while *done < count {
            let at = bufs.wrapping_add(*done);
            // SAFETY: as above.
            let mut buffer = unsafe { at.read_unaligned() };
            if Token::of(&buffer) != first {
                break;
            }
            let held = from.slots.held(buffer.desc_index).ok_or(err::INVAL_ARG)?;
            buffer.desc_index = to.slots.enqueue(held).map_err(|error| match error {
                Enqueue::Full => err::NOBUF_RING,
                Enqueue::Send(_) => err::DISCONNECTED,
                _ => err::INVAL_ARG,
            })?;
            buffer.queue = to.token.pointer();
            // SAFETY: as above; nobody else has the array during the call.
            unsafe { at.write_unaligned(buffer) };
            *done += 1;
        }
    }
    Ok(())
}

/// `memif_buffer_requeue`. Both pointers are those of buffers, or null.
pub(crate) fn requeue(conn: *const c_void, left: *mut memif_buffer_t, right: *mut memif_buffer_t) -> Result<(), c_int> {
    let conn = find(conn)?;
    let interface = conn.get().ok_or(err::NOCONN)?;
    if interface.is_master() || left.is_null() || right.is_null() {
        return Err(err::INVAL_ARG);
    }
    if !interface.is_up() {
        return Err(err::DISCONNECTED);
    }
    // SAFETY: not null; buffers, by the interface. Read and written as values, since they may be the same one.
    let (mut a, mut b) = unsafe { (left.read_unaligned(), right.read_unaligned()) };
    let swapped = swap(conn, &a, &b).unwrap_or(false);
    if !swapped {
        return Err(err::INVAL_ARG);
    }
    std::mem::swap(&mut a.desc_index, &mut b.desc_index);
    std::mem::swap(&mut a.queue, &mut b.queue);
    // SAFETY: as above.
    unsafe {
        left.write_unaligned(a);
        right.write_unaligned(b);
    }
    Ok(())
}

/// Lets two buffers of any two queues change places. Returns whether they did.
fn swap(conn: &'static Conn, left: &memif_buffer_t, right: &memif_buffer_t) -> Result<bool, c_int> {
    let (one, two) = (Token::of(left), Token::of(right));
    if one == two {
        return Ok(match Queue::enter(conn, one)? {
            Queue::Rx(mut rx) => rx.as_mut().is_some_and(|rx| rx.slots.swap(left.desc_index, right.desc_index)),
            Queue::Tx(mut tx) => tx.as_mut().is_some_and(|tx| tx.slots.swap(left.desc_index, right.desc_index)),
        });
    }
    // Receive before transmit, as everybody who enters two cells, and each by their numbers.
    let order = |token: Token| (token.is_tx(), token.queue());
    if order(one) == order(two) {
        // Of two links.
        return Ok(false);
    }
    let (first, second) = if order(one) < order(two) { (left, right) } else { (right, left) };
    let mut low = Queue::enter(conn, Token::of(first))?;
    let mut high = Queue::enter(conn, Token::of(second))?;
    Ok(match (low.held(first.desc_index), high.held(second.desc_index)) {
        (Some(low), Some(high)) => raw::swap(low, high),
        _ => false,
    })
}

/// A queue that was entered, of either direction.
enum Queue {
    Rx(Guard<'static, Rx>),
    Tx(Guard<'static, Tx>),
}

impl Queue {
    /// The queue that buffers with this token are of.
    fn enter(conn: &'static Conn, token: Token) -> Result<Self, c_int> {
        let (queue, found) = if token.is_tx() {
            let tx = tx_queue(conn, token.queue())?;
            let found = tx.as_ref().map(|tx| tx.token);
            (Self::Tx(tx), found)
        } else {
            let rx = rx_queue(conn, token.queue())?;
            let found = rx.as_ref().map(|rx| rx.token);
            (Self::Rx(rx), found)
        };
        if found == Some(token) { Ok(queue) } else { Err(err::INVAL_ARG) }
    }

    fn held(&mut self, index: u16) -> Option<raw::Held<'_>> {
        match self {
            Self::Rx(rx) => rx.as_mut()?.slots.held(index),
            Self::Tx(tx) => tx.as_mut()?.slots.held(index),
        }
    }
}

/// `memif_set_next_free_buffer`.
pub(crate) fn set_next(conn: *const c_void, queue: u16, buffer: *const memif_buffer_t) -> Result<(), c_int> {
    let mut guard = tx_queue(find(conn)?, queue).map_err(no_queue)?;
    if buffer.is_null() {
        return Err(err::INVAL_ARG);
    }
    // SAFETY: not null; a buffer, by the interface.
    let index = unsafe { buffer.read_unaligned() }.desc_index;
    let set = guard.as_mut().is_some_and(|tx| tx.slots.set_next(index));
    if set { Ok(()) } else { Err(err::INVAL_ARG) }
}

/// `memif_set_rx_mode`.
pub(crate) fn set_interrupts(conn: *const c_void, queue: u16, on: bool) -> Result<(), c_int> {
    let mut guard = rx_queue(find(conn)?, queue).map_err(no_queue)?;
    if let Some(rx) = guard.as_mut() {
        rx.slots.set_interrupts(on);
        if !on {
            // Receive calls make no system call from now on, so nobody else takes what waits.
            raw::take_signals(rx.slots.interrupt());
        }
    }
    Ok(())
}

/// libmemif counts no queues while there is no link.
fn no_queue(code: c_int) -> c_int {
    if code == err::DISCONNECTED { err::QID } else { code }
}

/// `memif_get_queue_efd`.
pub(crate) fn interrupt_fd(conn: *const c_void, queue: u16) -> Result<c_int, c_int> {
    find(conn)?.get().ok_or(err::NOCONN)?.ask_for_efd(queue)
}
