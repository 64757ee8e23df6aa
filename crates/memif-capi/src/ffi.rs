//! The functions that are exported, as `include/libmemif.h` declares and documents them.
//!
//! # Safety of all of them
//! Handles may be anything. Other pointers are null or point to what the header says, arrays are as long as their
//! counts say, and callbacks are functions of their type that return.

use std::ffi::{c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

use memif::{CacheLine, InterfaceConfig, Limits, Memory, Mode, Name, Role, RxMode, Secret};

use crate::abi::{
    AddRegion, ConnectionUpdate, DEFAULT_BUFFER_SIZE, DEFAULT_LOG2_RING_SIZE, DeleteRegion, GetBufferOffset,
    GetRegionAddress, MAX_LOG2_RING_SIZE, OnInterrupt, RX_MODE_INTERRUPT, RX_MODE_POLLING, err, memif_buffer_t,
    memif_conn_args_t, memif_details_t, memif_socket_args_t,
};
use crate::callbacks::{Allocator, InterfaceCallbacks, Opaque, RegionCallbacks};
use crate::interface::{self, Settings};
use crate::socket;
use crate::socket_core::SocketSettings;
use crate::strings::{bytes, error_text, until_zero};
use crate::{data, details};

/// Runs the body of a function. A panic, a mistake of this library, ends here.
#[inline]
fn border<R>(otherwise: R, body: impl FnOnce() -> R) -> R {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or(otherwise)
}

#[inline]
fn code(result: Result<(), c_int>) -> c_int {
    result.err().unwrap_or(err::SUCCESS)
}

/// `(major << 8) | minor` of the protocol.
#[unsafe(no_mangle)]
pub extern "C" fn memif_get_version() -> u16 {
    0x0200
}

#[unsafe(no_mangle)]
pub extern "C" fn memif_get_version_str() -> *const c_char {
    c"2.0".as_ptr()
}

#[unsafe(no_mangle)]
pub extern "C" fn memif_strerror(err_code: c_int) -> *mut c_char {
    border(std::ptr::null_mut(), || error_text(err_code))
}

/// The cache line that slaves lay their rings out for: what libmemif is compiled with, and so nothing that a program
/// says. It has the name of that setting here, in the environment of the program's user. None is that of the processor.
fn cache_line() -> Result<Option<CacheLine>, c_int> {
    match std::env::var("LIBMEMIF_CACHELINE_SIZE") {
        Ok(text) if !text.is_empty() => text.parse().map(Some).map_err(|_| err::INVAL_ARG),
        Err(std::env::VarError::NotUnicode(_)) => Err(err::INVAL_ARG),
        _ => Ok(None),
    }
}

/// # Safety
/// As at the head of this module: pointers are null or point to what the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memif_create_socket(
    sock: *mut *mut c_void,
    args: *mut memif_socket_args_t,
    private_ctx: *mut c_void,
) -> c_int {
    border(err::SYSCALL, || {
        if sock.is_null() || args.is_null() {
            return err::INVAL_ARG;
        }
        // SAFETY: not null; arguments, by the interface.
        let args = unsafe { args.read() };
        let path = bytes(&args.path);
        if path.first() != Some(&0) && !path.contains(&0) {
            return err::INVAL_ARG;
        }
        let settings = SocketSettings {
            path,
            app_name: Name::lossy(until_zero(&bytes(&args.app_name))),
            timer: args.connection_request_timer,
            on_control: args.on_control_fd_update,
            allocator: Allocator { alloc: args.alloc, free: args.free },
            private: Opaque(private_ctx),
        };
        match socket::create(&settings) {
            Ok(handle) => {
                // SAFETY: not null; a place for the handle, by the interface.
                unsafe { sock.write(handle) };
                err::SUCCESS
            }
            Err(code) => code,
        }
    })
}

/// # Safety
/// As at the head of this module: pointers are null or point to what the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memif_delete_socket(sock: *mut *mut c_void) -> c_int {
    border(err::SYSCALL, || {
        if sock.is_null() {
            return err::INVAL_ARG;
        }
        // SAFETY: not null; a handle, by the interface.
        let Some(state) = socket::find(unsafe { sock.read() }) else { return err::INVAL_ARG };
        let result = state.delete();
        if result == err::SUCCESS {
            // SAFETY: as above.
            unsafe { sock.write(std::ptr::null_mut()) };
        }
        result
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn memif_get_socket_handle(conn: *mut c_void) -> *mut c_void {
    border(std::ptr::null_mut(), || interface::find(conn).map_or(std::ptr::null_mut(), |conn| conn.socket.handle()))
}

#[unsafe(no_mangle)]
pub extern "C" fn memif_get_socket_path(sock: *mut c_void) -> *const c_char {
    border(std::ptr::null(), || socket::find(sock).map_or(std::ptr::null(), |sock| sock.core.path().as_ptr().cast()))
}

#[unsafe(no_mangle)]
pub extern "C" fn memif_get_socket_filename(sock: *mut c_void) -> *const c_char {
    memif_get_socket_path(sock)
}

#[unsafe(no_mangle)]
pub extern "C" fn memif_get_listener_fd(sock: *mut c_void) -> c_int {
    border(-1, || socket::find(sock).map_or(-1, |sock| sock.listener()))
}

#[unsafe(no_mangle)]
pub extern "C" fn memif_set_listener_fd(sock: *mut c_void, fd: c_int) -> c_int {
    border(err::SYSCALL, || socket::find(sock).map_or(err::INVAL_ARG, |sock| sock.set_listener(fd)))
}

#[unsafe(no_mangle)]
pub extern "C" fn memif_set_connection_request_timer(sock: *mut c_void, timer: libc::itimerspec) -> c_int {
    border(err::SYSCALL, || socket::find(sock).map_or(err::INVAL_ARG, |sock| sock.set_timer(&timer)))
}

#[unsafe(no_mangle)]
pub extern "C" fn memif_register_external_region(
    sock: *mut c_void,
    ar: Option<AddRegion>,
    gr: Option<GetRegionAddress>,
    dr: Option<DeleteRegion>,
    go: Option<GetBufferOffset>,
) {
    border((), || {
        if let Some(sock) = socket::find(sock) {
            sock.core.set_regions(RegionCallbacks { add: ar, address: gr, delete: dr, offset: go });
        }
    });
}

/// # Safety
/// As at the head of this module: pointers are null or point to what the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memif_create(
    conn: *mut *mut c_void,
    args: *mut memif_conn_args_t,
    on_connect: Option<ConnectionUpdate>,
    on_disconnect: Option<ConnectionUpdate>,
    on_interrupt: Option<OnInterrupt>,
    private_ctx: *mut c_void,
) -> c_int {
    border(err::SYSCALL, || {
        if conn.is_null() || args.is_null() {
            return err::INVAL_ARG;
        }
        // SAFETY: not null; a handle, by the interface.
        if !unsafe { conn.read() }.is_null() {
            return err::CONN;
        }
        // SAFETY: not null; arguments, by the interface, and nobody else has them during the call.
        let args = unsafe { &mut *args };
        let Some(sock) = socket::find(args.socket) else { return err::INVAL_ARG };
        let private = Opaque(private_ctx);
        let callbacks = InterfaceCallbacks { on_connect, on_disconnect, on_interrupt, private };
        let made = settings(args).and_then(|(settings, config)| sock.add_interface(settings, config, callbacks));
        match made {
            Ok(handle) => {
                // SAFETY: as above.
                unsafe { conn.write(handle) };
                err::SUCCESS
            }
            Err(code) => code,
        }
    })
}

/// What an interface is to be, with the defaults written back as libmemif does.
fn settings(args: &mut memif_conn_args_t) -> Result<(Settings, InterfaceConfig), c_int> {
    if args.log2_ring_size == 0 {
        args.log2_ring_size = DEFAULT_LOG2_RING_SIZE;
    } else if args.log2_ring_size > MAX_LOG2_RING_SIZE {
        return Err(err::MAX_RING);
    }
    if args.buffer_size == 0 {
        args.buffer_size = DEFAULT_BUFFER_SIZE;
    }
    args.num_s2m_rings = args.num_s2m_rings.max(1);
    args.num_m2s_rings = args.num_m2s_rings.max(1);
    let role = if args.is_master == 0 { Role::Slave } else { Role::Master };
    let (rx, tx) = match role {
        Role::Master => (args.num_s2m_rings, args.num_m2s_rings),
        Role::Slave => (args.num_m2s_rings, args.num_s2m_rings),
    };
    let mode = Mode::from_wire(args.mode).ok_or(err::INVAL_ARG)?;
    let name = until_zero(args.interface_name.get(..31).unwrap_or_default()).to_vec();
    let secret = until_zero(args.secret.get(..23).unwrap_or_default()).to_vec();
    // As libmemif has it: the number of rings is all that bounds them.
    let mut limits = Limits::for_queues(rx, tx);
    // The details count regions in a byte.
    limits.regions = 255;
    let mut config = InterfaceConfig::new(role, args.interface_id)
        .mode(mode)
        .name(Name::lossy(&name))
        .rx_queues(rx)
        .tx_queues(tx)
        .ring_size(1 << args.log2_ring_size)
        .buffer_size(args.buffer_size.into())
        .rx_mode(RxMode::Interrupt)
        .memory(Memory::RingsApart)
        .limits(limits)
        .one_way(true)
        .manual();
    if role == Role::Slave {
        config = config.cache_line(cache_line()?);
    }
    if !secret.is_empty() {
        config = config.secret(Some(Secret::new(&secret).map_err(|_| err::INVAL_ARG)?));
    }
    let settings = Settings {
        role,
        id: args.interface_id,
        mode: args.mode,
        name,
        secret,
        buffer_size: args.buffer_size,
        rx_queues: rx,
    };
    Ok((settings, config))
}

/// # Safety
/// As at the head of this module: pointers are null or point to what the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memif_delete(conn: *mut *mut c_void) -> c_int {
    border(err::SYSCALL, || {
        if conn.is_null() {
            return err::NOCONN;
        }
        // SAFETY: not null; a handle, by the interface.
        let Some(interface) = interface::find(unsafe { conn.read() }) else { return err::NOCONN };
        let result = interface.delete();
        if result == err::SUCCESS {
            // SAFETY: as above.
            unsafe { conn.write(std::ptr::null_mut()) };
        }
        result
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn memif_request_connection(conn: *mut c_void) -> c_int {
    border(err::SYSCALL, || interface::find(conn).map_or(err::NOCONN, |interface| interface.request()))
}

/// # Safety
/// As at the head of this module: pointers are null or point to what the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memif_get_details(
    conn: *mut c_void,
    md: *mut memif_details_t,
    buf: *mut c_char,
    buflen: isize,
) -> c_int {
    border(err::SYSCALL, || {
        let Some(interface) = interface::find(conn) else { return err::NOCONN };
        let len = usize::try_from(buflen).unwrap_or(0);
        if md.is_null() || (buf.is_null() && len > 0) {
            return err::INVAL_ARG;
        }
        // SAFETY: not null; a place for the details, by the interface. All zeros is a value of it.
        unsafe { md.write_bytes(0, 1) };
        // SAFETY: as above, and nobody else has it during the call.
        details::fill(&interface, unsafe { &mut *md }, buf.cast(), len)
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn memif_control_fd_handler(ptr: *mut c_void, _events: c_int) -> c_int {
    border(err::SYSCALL, || socket::find(ptr).map_or(err::INVAL_ARG, |sock| sock.run()))
}

#[unsafe(no_mangle)]
pub extern "C" fn memif_poll_event(sock: *mut c_void, timeout: c_int) -> c_int {
    border(err::SYSCALL, || socket::find(sock).map_or(err::INVAL_ARG, |sock| sock.poll(timeout)))
}

#[unsafe(no_mangle)]
pub extern "C" fn memif_cancel_poll_event(sock: *mut c_void) -> c_int {
    border(err::SYSCALL, || socket::find(sock).map_or(err::INVAL_ARG, |sock| sock.cancel()))
}

/// # Safety
/// As at the head of this module: pointers are null or point to what the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memif_get_queue_efd(conn: *mut c_void, qid: u16, fd: *mut c_int) -> c_int {
    border(err::SYSCALL, || {
        if fd.is_null() {
            return err::INVAL_ARG;
        }
        let found = data::interrupt_fd(conn, qid);
        // SAFETY: not null; a place for the descriptor, by the interface.
        unsafe { fd.write(found.unwrap_or(-1)) };
        found.err().unwrap_or(err::SUCCESS)
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn memif_set_rx_mode(conn: *mut c_void, rx_mode: c_int, qid: u16) -> c_int {
    border(err::SYSCALL, || match rx_mode {
        RX_MODE_INTERRUPT | RX_MODE_POLLING => code(data::set_interrupts(conn, qid, rx_mode == RX_MODE_INTERRUPT)),
        _ if interface::find(conn).is_none() => err::NOCONN,
        _ => err::INVAL_ARG,
    })
}

/// # Safety
/// As at the head of this module: pointers are null or point to what the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memif_buffer_alloc(
    conn: *mut c_void,
    qid: u16,
    bufs: *mut memif_buffer_t,
    count: u16,
    count_out: *mut u16,
    size: u16,
) -> c_int {
    border(err::SYSCALL, || code(data::allocate(conn, qid, bufs, count, count_out, size)))
}

/// # Safety
/// As at the head of this module: pointers are null or point to what the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memif_tx_burst(
    conn: *mut c_void,
    qid: u16,
    bufs: *mut memif_buffer_t,
    count: u16,
    tx: *mut u16,
) -> c_int {
    border(err::SYSCALL, || code(data::send(conn, qid, bufs, count, tx)))
}

/// # Safety
/// As at the head of this module: pointers are null or point to what the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memif_rx_burst(
    conn: *mut c_void,
    qid: u16,
    bufs: *mut memif_buffer_t,
    count: u16,
    rx: *mut u16,
) -> c_int {
    border(err::SYSCALL, || code(data::receive(conn, qid, bufs, count, rx)))
}

#[unsafe(no_mangle)]
pub extern "C" fn memif_refill_queue(conn: *mut c_void, qid: u16, count: u16, headroom: u16) -> c_int {
    border(err::SYSCALL, || code(data::refill(conn, qid, count, headroom)))
}

/// # Safety
/// As at the head of this module: pointers are null or point to what the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memif_buffer_enq_tx(
    conn: *mut c_void,
    qid: u16,
    bufs: *mut memif_buffer_t,
    count: u16,
    count_out: *mut u16,
) -> c_int {
    border(err::SYSCALL, || code(data::enqueue(conn, qid, bufs, count, count_out)))
}

/// # Safety
/// As at the head of this module: pointers are null or point to what the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memif_buffer_requeue(
    conn: *mut c_void,
    buf_a: *mut memif_buffer_t,
    buf_b: *mut memif_buffer_t,
) -> c_int {
    border(err::SYSCALL, || code(data::requeue(conn, buf_a, buf_b)))
}

/// # Safety
/// As at the head of this module: pointers are null or point to what the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memif_set_next_free_buffer(conn: *mut c_void, qid: u16, buf: *mut memif_buffer_t) -> c_int {
    border(err::SYSCALL, || code(data::set_next(conn, qid, buf)))
}
