//! The interface of libmemif 4.0 as far as it is used here, and a library that has it, opened by path.
#![allow(unsafe_code)]
#![allow(non_camel_case_types, reason = "the names of the C interface")]

use std::ffi::{c_char, c_int, c_void};
use std::path::Path;

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW, Symbol};

pub(super) type Handle = *mut c_void;

#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct memif_socket_args_t {
    pub(super) path: [c_char; 108],
    pub(super) app_name: [c_char; 32],
    pub(super) connection_request_timer: libc::itimerspec,
    pub(super) on_control_fd_update: *mut c_void,
    pub(super) alloc: *mut c_void,
    pub(super) realloc: *mut c_void,
    pub(super) free: *mut c_void,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct memif_conn_args_t {
    pub(super) socket: Handle,
    pub(super) secret: [u8; 24],
    pub(super) num_s2m_rings: u8,
    pub(super) num_m2s_rings: u8,
    pub(super) buffer_size: u16,
    pub(super) log2_ring_size: u8,
    pub(super) is_master: u8,
    pub(super) interface_id: u32,
    pub(super) interface_name: [u8; 32],
    pub(super) mode: u8,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct memif_buffer_t {
    pub(super) desc_index: u16,
    pub(super) queue: *mut c_void,
    pub(super) len: u32,
    pub(super) flags: u8,
    pub(super) data: *mut c_void,
}

pub(super) const BUFFER_FLAG_NEXT: u8 = 1;
pub(super) const RX_MODE_POLLING: c_int = 1;
pub(super) const SUCCESS: c_int = 0;
pub(super) const AGAIN: c_int = 8;
pub(super) const NOBUF_RING: c_int = 18;
pub(super) const NOBUF: c_int = 19;

const _: () = {
    use std::mem::{offset_of, size_of};
    assert!(size_of::<memif_socket_args_t>() == 208);
    assert!(offset_of!(memif_socket_args_t, on_control_fd_update) == 176);
    assert!(size_of::<memif_conn_args_t>() == 80);
    assert!(offset_of!(memif_conn_args_t, interface_id) == 40);
    assert!(size_of::<memif_buffer_t>() == 32);
    assert!(offset_of!(memif_buffer_t, data) == 24);
};

pub(super) type OnLink = unsafe extern "C" fn(Handle, *mut c_void) -> c_int;
pub(super) type OnInterrupt = unsafe extern "C" fn(Handle, *mut c_void, u16) -> c_int;
type Burst = unsafe extern "C" fn(Handle, u16, *mut memif_buffer_t, u16, *mut u16) -> c_int;

/// The functions of one library. Calling one is unsafe, with what its documentation asks for; each call says how that
/// is kept. The library is never closed: it may have started threads.
#[derive(Clone, Copy)]
pub(super) struct Functions {
    pub(super) create_socket: unsafe extern "C" fn(*mut Handle, *mut memif_socket_args_t, *mut c_void) -> c_int,
    pub(super) delete_socket: unsafe extern "C" fn(*mut Handle) -> c_int,
    pub(super) create: unsafe extern "C" fn(
        *mut Handle,
        *mut memif_conn_args_t,
        Option<OnLink>,
        Option<OnLink>,
        Option<OnInterrupt>,
        *mut c_void,
    ) -> c_int,
    pub(super) delete: unsafe extern "C" fn(*mut Handle) -> c_int,
    pub(super) poll_event: unsafe extern "C" fn(Handle, c_int) -> c_int,
    pub(super) set_rx_mode: unsafe extern "C" fn(Handle, c_int, u16) -> c_int,
    pub(super) buffer_alloc: unsafe extern "C" fn(Handle, u16, *mut memif_buffer_t, u16, *mut u16, u16) -> c_int,
    pub(super) tx_burst: Burst,
    pub(super) rx_burst: Burst,
    pub(super) refill_queue: unsafe extern "C" fn(Handle, u16, u16, u16) -> c_int,
    pub(super) enq_tx: Burst,
    pub(super) strerror: unsafe extern "C" fn(c_int) -> *mut c_char,
}

impl Functions {
    pub(super) fn open(path: &Path) -> Result<Self, libloading::Error> {
        // SAFETY: the user gave this file as a libmemif; its initialisers are those of that library.
        let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL)? };
        macro_rules! function {
            ($name:literal) => {{
                // SAFETY: libmemif 4.0 has a function of this name and of the type of the field that it goes to.
                let symbol: Symbol<_> = unsafe { library.get(concat!($name, "\0").as_bytes())? };
                *symbol
            }};
        }
        let functions = Self {
            create_socket: function!("memif_create_socket"),
            delete_socket: function!("memif_delete_socket"),
            create: function!("memif_create"),
            delete: function!("memif_delete"),
            poll_event: function!("memif_poll_event"),
            set_rx_mode: function!("memif_set_rx_mode"),
            buffer_alloc: function!("memif_buffer_alloc"),
            tx_burst: function!("memif_tx_burst"),
            rx_burst: function!("memif_rx_burst"),
            refill_queue: function!("memif_refill_queue"),
            enq_tx: function!("memif_buffer_enq_tx"),
            strerror: function!("memif_strerror"),
        };
        std::mem::forget(library);
        Ok(functions)
    }
}
