//! A `libmemif.so`, called as a well-written C program does: buffers allocated by the burst, filled, sent; received by
//! the burst, copied out, given back.
#![allow(unsafe_code)]

mod ffi;
pub(crate) mod hub;

use std::cell::RefCell;
use std::ffi::{CStr, c_int, c_void};
use std::path::Path;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ffi::{
    AGAIN, BUFFER_FLAG_NEXT, Functions, Handle, NOBUF, NOBUF_RING, RX_MODE_POLLING, SUCCESS, memif_buffer_t,
    memif_conn_args_t, memif_socket_args_t,
};

use super::rust::turn;
use super::{Got, Port, Result};
use crate::job::{Job, Role, Task, Waiting};

/// Milliseconds of the longest wait before the caller looks whether the slice is over.
const PATIENCE: c_int = 200;

/// A socket of the library.
pub(crate) struct LibrarySocket {
    functions: Functions,
    handle: Handle,
}

/// What callbacks are told: which interface. Boxed, so that it stays where it is.
#[derive(Debug)]
struct State {
    id: u32,
    connected: AtomicBool,
}

/// What callbacks tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Happened {
    Connected(u32),
    Disconnected(u32),
    Signalled(u32),
}

thread_local! {
    /// What was told on this thread and not looked at yet.
    static HAPPENED: RefCell<Vec<Happened>> = const { RefCell::new(Vec::new()) };
}

/// Called by callbacks, which run inside of calls of this thread that hold nothing of it.
fn tell(what: Happened) {
    let _ = HAPPENED.try_with(|all| all.borrow_mut().push(what));
}

unsafe extern "C" fn on_connect(_: Handle, state: *mut c_void) -> c_int {
    // SAFETY: the pointer that `Interface::create` gave, to a box that outlives the interface; only ever shared.
    let state = unsafe { &*state.cast::<State>() };
    state.connected.store(true, Ordering::Relaxed);
    tell(Happened::Connected(state.id));
    0
}

unsafe extern "C" fn on_disconnect(_: Handle, state: *mut c_void) -> c_int {
    // SAFETY: as in `on_connect`.
    let state = unsafe { &*state.cast::<State>() };
    // Deleting an interface tells of a link also where there was none.
    if state.connected.swap(false, Ordering::Relaxed) {
        tell(Happened::Disconnected(state.id));
    }
    0
}

unsafe extern "C" fn on_interrupt(_: Handle, state: *mut c_void, _: u16) -> c_int {
    // SAFETY: as in `on_connect`. Packets are received when poll_event has returned.
    tell(Happened::Signalled(unsafe { &*state.cast::<State>() }.id));
    0
}

impl LibrarySocket {
    pub(crate) fn open(path: &Path, job: &Job) -> Result<Self> {
        let functions = Functions::open(path).map_err(|e| e.to_string())?;
        // SAFETY: plain data, for which zero is a value; the interface says to zero it.
        let mut args: memif_socket_args_t = unsafe { std::mem::zeroed() };
        let name = job.place.join("memif.sock").display().to_string();
        if name.len() >= args.path.len() {
            return Err(format!("{name} is too long for a socket"));
        }
        for (to, from) in args.path.iter_mut().zip(name.bytes()) {
            *to = from as _;
        }
        for (to, from) in args.app_name.iter_mut().zip(*b"memif-compare") {
            *to = from as _;
        }
        let timer = &mut args.connection_request_timer;
        if job.task == Task::Return {
            // As the library's own examples have it.
            (timer.it_value.tv_sec, timer.it_interval.tv_sec) = (2, 2);
        } else {
            (timer.it_value.tv_nsec, timer.it_interval.tv_nsec) = (2_000_000, 2_000_000);
        }
        let mut socket = Self { functions, handle: std::ptr::null_mut() };
        // SAFETY: both pointers are good for the call; the library copies the arguments.
        let code = unsafe { (socket.functions.create_socket)(&mut socket.handle, &mut args, std::ptr::null_mut()) };
        socket.check("memif_create_socket", code)?;
        Ok(socket)
    }

    fn check(&self, what: &str, code: c_int) -> Result<()> {
        if code == SUCCESS { Ok(()) } else { Err(self.error(what, code)) }
    }

    #[cold]
    fn error(&self, what: &str, code: c_int) -> String {
        // SAFETY: takes any code.
        let text = unsafe { (self.functions.strerror)(code) };
        if text.is_null() {
            return format!("{what}: {code}");
        }
        // SAFETY: not null, so a text with its zero byte, valid until the next call of this thread.
        format!("{what}: {}", unsafe { CStr::from_ptr(text) }.to_string_lossy())
    }

    /// Does what is to be done within that many milliseconds.
    pub(crate) fn poll(&self, timeout: c_int) -> Result<()> {
        // SAFETY: the handle is a socket's until `self` is dropped.
        match unsafe { (self.functions.poll_event)(self.handle, timeout) } {
            SUCCESS | AGAIN => Ok(()),
            code => Err(self.error("memif_poll_event", code)),
        }
    }
}

impl Drop for LibrarySocket {
    fn drop(&mut self) {
        // SAFETY: a socket that nobody uses after this.
        unsafe { (self.functions.delete_socket)(&mut self.handle) };
    }
}

/// An interface of a socket.
pub(crate) struct Interface {
    socket: Rc<LibrarySocket>,
    functions: Functions,
    handle: Handle,
    state: Box<State>,
    queues: usize,
    next_rx: usize,
    next_tx: usize,
    waiting: Waiting,
    /// The last burst took everything, so the next one waits for a signal.
    drained: bool,
    /// Descriptors of a packet.
    chain: usize,
    received: Vec<memif_buffer_t>,
    allocated: Vec<memif_buffer_t>,
}

impl Interface {
    /// One on a socket of its own, connected.
    pub(crate) fn open(path: &Path, job: &Job) -> Result<Self> {
        let mut interface = Self::create(Rc::new(LibrarySocket::open(path, job)?), job, 0)?;
        let start = Instant::now();
        while !interface.state.connected.load(Ordering::Relaxed) {
            interface.socket.poll(PATIENCE)?;
            if start.elapsed() > Duration::from_secs(10) {
                return Err("no link within 10 s".to_owned());
            }
        }
        interface.prepare()?;
        Ok(interface)
    }

    /// One that may connect when its socket is polled.
    fn create(socket: Rc<LibrarySocket>, job: &Job, id: u32) -> Result<Self> {
        let functions = socket.functions;
        let buffer_size = job.buffer_size.try_into().map_err(|_| "buffers of at most 65535 bytes")?;
        // SAFETY: plain data, for which zero is a value; the interface says to zero it.
        let mut args: memif_conn_args_t = unsafe { std::mem::zeroed() };
        args.socket = socket.handle;
        args.num_s2m_rings = job.queues;
        args.num_m2s_rings = job.queues;
        args.buffer_size = buffer_size;
        args.log2_ring_size = job.log2_ring;
        args.is_master = u8::from(job.role == Role::Master);
        args.interface_id = id;
        args.interface_name[..5].copy_from_slice(b"memif");
        let chain = job.size.div_ceil(job.buffer_size as usize).max(1);
        // SAFETY: plain data, for which zero is a value.
        let empty: memif_buffer_t = unsafe { std::mem::zeroed() };
        let room = vec![empty; job.burst.max(1) * chain];
        let state = Box::new(State { id, connected: AtomicBool::new(false) });
        let context = std::ptr::from_ref::<State>(&state).cast_mut().cast();
        let mut interface = Self {
            socket,
            functions,
            handle: std::ptr::null_mut(),
            state,
            queues: usize::from(job.queues),
            next_rx: 0,
            next_tx: 0,
            waiting: job.waiting,
            drained: false,
            chain,
            received: room.clone(),
            allocated: room,
        };
        // SAFETY: arguments and callbacks as the interface says; the box lives until the interface is deleted.
        let code = unsafe {
            (functions.create)(
                &mut interface.handle,
                &mut args,
                Some(on_connect),
                Some(on_disconnect),
                Some(on_interrupt),
                context,
            )
        };
        interface.socket.check("memif_create", code)?;
        Ok(interface)
    }

    /// What a program does when the link is up.
    fn prepare(&mut self) -> Result<()> {
        for queue in 0..self.queues as u16 {
            if self.waiting == Waiting::Polling {
                // SAFETY: an interface that is connected.
                let code = unsafe { (self.functions.set_rx_mode)(self.handle, RX_MODE_POLLING, queue) };
                self.socket.check("memif_set_rx_mode", code)?;
            }
            // SAFETY: an interface that is connected.
            let code = unsafe { (self.functions.refill_queue)(self.handle, queue, u16::MAX, 0) };
            self.socket.check("memif_refill_queue", code)?;
        }
        Ok(())
    }

    /// Takes up to `count` descriptors from a queue.
    #[inline]
    fn take(&mut self, queue: u16, count: usize) -> Result<usize> {
        // The way of the examples of libmemif: another burst only after MEMIF_ERR_NOBUF. One that finds nothing may
        // take the signal of a packet that comes just then, and the reference does not tell of it again.
        if self.drained {
            return Ok(0);
        }
        let mut received = 0;
        let count = count.min(self.received.len()) as u16;
        // SAFETY: the buffer has room for `count` entries.
        let code =
            unsafe { (self.functions.rx_burst)(self.handle, queue, self.received.as_mut_ptr(), count, &mut received) };
        self.drained = self.waiting != Waiting::Polling && code != NOBUF;
        match code {
            SUCCESS | NOBUF => Ok(usize::from(received)),
            // How the reference says that the eventfd had nothing to read.
            AGAIN => Ok(usize::from(received)),
            code => Err(self.socket.error("memif_rx_burst", code)),
        }
    }

    #[inline]
    fn give_back(&self, queue: u16, count: usize) -> Result<()> {
        // SAFETY: an interface.
        let code = unsafe { (self.functions.refill_queue)(self.handle, queue, count as u16, 0) };
        if code == SUCCESS { Ok(()) } else { Err(self.socket.error("memif_refill_queue", code)) }
    }

    /// Allocates buffers for up to `count` packets of `size` bytes. Returns the number of entries.
    #[inline]
    fn allocate(&mut self, queue: u16, count: usize, size: usize) -> Result<usize> {
        let mut allocated = 0;
        // SAFETY: the buffer has room for the chains of `count` packets, which is at most the job's burst.
        let code = unsafe {
            (self.functions.buffer_alloc)(
                self.handle,
                queue,
                self.allocated.as_mut_ptr(),
                count.min(self.allocated.len() / self.chain) as u16,
                &mut allocated,
                size as u16,
            )
        };
        match code {
            SUCCESS | NOBUF_RING => Ok(usize::from(allocated)),
            code => Err(self.socket.error("memif_buffer_alloc", code)),
        }
    }

    #[inline]
    fn transmit(&mut self, queue: u16, count: usize) -> Result<()> {
        let mut sent = 0;
        // SAFETY: the first `count` entries were allocated by `allocate`.
        let code = unsafe {
            (self.functions.tx_burst)(self.handle, queue, self.allocated.as_mut_ptr(), count as u16, &mut sent)
        };
        if code != SUCCESS {
            return Err(self.socket.error("memif_tx_burst", code));
        }
        if usize::from(sent) != count {
            return Err(format!("memif_tx_burst sent {sent} of {count}"));
        }
        Ok(())
    }
}

impl Port for Interface {
    #[inline]
    fn send(&mut self, payload: &[u8], count: usize) -> Result<usize> {
        let queue = turn(&mut self.next_tx, self.queues) as u16;
        let entries = self.allocate(queue, count, payload.len())?;
        if entries == 0 {
            return Ok(0);
        }
        let mut at = 0;
        for buffer in &self.allocated[..entries] {
            let len = (buffer.len as usize).min(payload.len() - at);
            // SAFETY: the buffer has room for `len` bytes and is ours until it is sent; it is shared memory, so nothing
            // else in this process refers to it.
            unsafe {
                std::ptr::copy_nonoverlapping(payload.as_ptr().add(at), buffer.data.cast(), len);
            }
            at = if buffer.flags & BUFFER_FLAG_NEXT == 0 { 0 } else { at + len };
        }
        self.transmit(queue, entries)?;
        Ok(entries / self.chain)
    }

    #[inline]
    fn receive(&mut self, scratch: &mut [u8], count: usize) -> Result<Got> {
        let queue = turn(&mut self.next_rx, self.queues) as u16;
        let entries = self.take(queue, count * self.chain)?;
        if entries == 0 {
            return Ok(Got::default());
        }
        let mut got = Got::default();
        let mut at = 0;
        for buffer in &self.received[..entries] {
            let len = (buffer.len as usize).min(scratch.len() - at);
            // SAFETY: the buffer holds `len` bytes and is ours until it is given back; the scratch has room.
            unsafe {
                std::ptr::copy_nonoverlapping(buffer.data.cast(), scratch.as_mut_ptr().add(at), len);
            }
            got.bytes += len;
            if buffer.flags & BUFFER_FLAG_NEXT == 0 {
                at = 0;
                got.packets += 1;
            } else {
                at += len;
            }
        }
        self.give_back(queue, entries)?;
        Ok(got)
    }

    #[inline]
    fn echo(&mut self, _: &mut [u8], count: usize) -> Result<usize> {
        let queue = turn(&mut self.next_rx, self.queues) as u16;
        let entries = self.take(queue, count)?;
        if entries == 0 {
            return Ok(0);
        }
        // All packets of a job have one size, and the window keeps the ring from being full.
        let allocated = self.allocate(queue, entries, self.received[0].len as usize)?;
        if allocated != entries {
            return Err(format!("{entries} packets to send back and {allocated} buffers"));
        }
        for (to, from) in self.allocated[..entries].iter().zip(&self.received) {
            // SAFETY: both buffers have as many bytes, are different ones, and are ours until sent and given back.
            unsafe {
                std::ptr::copy_nonoverlapping::<u8>(from.data.cast(), to.data.cast(), from.len.min(to.len) as usize);
            }
        }
        self.give_back(queue, entries)?;
        self.transmit(queue, entries)?;
        Ok(entries)
    }

    #[inline]
    fn forward(&mut self, _: &mut [u8], count: usize) -> Result<usize> {
        let queue = turn(&mut self.next_rx, self.queues) as u16;
        let entries = self.take(queue, count)?;
        if entries == 0 {
            return Ok(0);
        }
        let mut enqueued = 0;
        // SAFETY: the first entries were received and not given back.
        let code = unsafe {
            (self.functions.enq_tx)(self.handle, queue, self.received.as_mut_ptr(), entries as u16, &mut enqueued)
        };
        if code != SUCCESS || usize::from(enqueued) != entries {
            return Err(self.socket.error("memif_buffer_enq_tx", code));
        }
        let mut sent = 0;
        // SAFETY: the same entries, enqueued just now.
        let code =
            unsafe { (self.functions.tx_burst)(self.handle, queue, self.received.as_mut_ptr(), enqueued, &mut sent) };
        if code != SUCCESS || sent != enqueued {
            return Err(self.socket.error("memif_tx_burst", code));
        }
        self.give_back(queue, entries)?;
        Ok(entries)
    }

    #[inline]
    fn wait(&mut self) -> Result<()> {
        if self.waiting == Waiting::Polling {
            std::hint::spin_loop();
            return Ok(());
        }
        self.socket.poll(PATIENCE)?;
        // The caller receives whatever happened.
        self.drained = false;
        HAPPENED.with(|all| all.borrow_mut().clear());
        Ok(())
    }

    fn rarely(&mut self) -> Result<()> {
        self.socket.poll(0)
    }
}

impl Drop for Interface {
    fn drop(&mut self) {
        if !self.handle.is_null() {
            // SAFETY: an interface of this socket, not deleted yet. What goes wrong at the end of a slice goes with the
            // process.
            unsafe { (self.functions.delete)(&mut self.handle) };
        }
    }
}
