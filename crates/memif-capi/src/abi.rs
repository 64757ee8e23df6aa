//! Types and constants of the C interface, laid out as `include/libmemif.h` has them.

#![allow(non_camel_case_types, reason = "the names of C")]

use std::ffi::{c_char, c_int, c_void};

macro_rules! codes {
    ($($name:ident = $value:literal, $text:literal;)*) => {
        $(pub(crate) const $name: c_int = $value;)*
        /// What each code means, by its number.
        pub(crate) const TEXTS: &[&str] = &[$($text),*];
        #[cfg(test)]
        pub(crate) const NAMES: &[(&str, c_int)] = &[$((concat!("MEMIF_ERR_", stringify!($name)), $value)),*];
    };
}

/// Return codes of every function, without their prefix `MEMIF_ERR_`.
#[allow(dead_code, reason = "the interface names codes that are never returned")]
pub(crate) mod err {
    use super::c_int;
    codes! {
        SUCCESS = 0, "success";
        SYSCALL = 1, "a system call failed";
        CONNREFUSED = 2, "connection refused: no master listens on the socket";
        ACCES = 3, "permission denied";
        NO_FILE = 4, "no such file or directory: check the path of the socket";
        FILE_LIMIT = 5, "the system has no more open files to give";
        PROC_FILE_LIMIT = 6, "this process has no more open files: raise its limit (ulimit -n)";
        ALREADY = 7, "this is on its way already";
        AGAIN = 8, "not now: from within this callback, or before the system is ready, it cannot be done";
        BAD_FD = 9, "bad file descriptor";
        NOMEM = 10, "out of memory";
        INVAL_ARG = 11, "invalid argument";
        NOCONN = 12, "no such interface: the handle is empty, deleted or made up";
        CONN = 13, "the variable for the new handle is not NULL: it may hold an interface";
        CB_FDUPDATE = 14, "the callback for control descriptors failed";
        FILE_NOT_SOCK = 15, "the path of the socket is a file that is no socket";
        NO_SHMFD = 16, "no descriptor came with a shared memory region";
        COOKIE = 17, "a ring has the wrong cookie";
        NOBUF_RING = 18, "the ring is full";
        NOBUF = 19, "not enough buffers: more packets wait on the ring";
        NOBUF_DET = 20, "the buffer for the details is too small";
        INT_WRITE = 21, "the signal could not be sent";
        MFMSG = 22, "the peer sent a message with wrong contents";
        QID = 23, "no such queue";
        PROTO = 24, "the peer speaks another version of the protocol";
        ID = 25, "no interface has that id";
        ACCSLAVE = 26, "only masters are connected to, and this interface is a slave";
        ALRCONN = 27, "the interface is connected or connecting already";
        MODE = 28, "the modes of the two sides differ";
        SECRET = 29, "the secrets of the two sides differ";
        NOSECRET = 30, "the master asks for a secret and none was set";
        MAXREG = 31, "too many regions";
        MAXRING = 32, "too many rings";
        NO_INTFD = 33, "no descriptor came with a ring";
        DISCONNECT = 34, "the peer asked to disconnect";
        DISCONNECTED = 35, "the interface is not connected";
        UNKNOWN_MSG = 36, "the peer sent a message that the protocol does not have";
        POLL_CANCEL = 37, "polling was cancelled";
        MAX_RING = 38, "the ring is too large: log2_ring_size is at most 14";
        PRIVHDR = 39, "the peer wants headers of its own before packets, which this library has not";
    }
}

/// `memif_fd_event_type_t`.
pub(crate) const FD_EVENT_READ: c_int = 1;
pub(crate) const FD_EVENT_DEL: c_int = 8;
/// `MEMIF_BUFFER_FLAG_NEXT`.
pub(crate) const BUFFER_FLAG_NEXT: u8 = 1;
/// `memif_rx_mode_t`.
pub(crate) const RX_MODE_INTERRUPT: c_int = 0;
pub(crate) const RX_MODE_POLLING: c_int = 1;
/// Defaults of `memif_conn_args_t`, and the largest binary logarithm of a ring size.
pub(crate) const DEFAULT_LOG2_RING_SIZE: u8 = 10;
pub(crate) const MAX_LOG2_RING_SIZE: u8 = 14;
pub(crate) const DEFAULT_BUFFER_SIZE: u16 = 2048;
/// Bytes of `memif_socket_args_t::path`.
pub(crate) const PATH_BYTES: usize = 108;

/// `memif_alloc_t`. SAFETY of a call: the application promised such a function with the pointer.
pub(crate) type Alloc = unsafe extern "C" fn(usize) -> *mut c_void;
/// `memif_realloc_t`. SAFETY of a call: the application promised such a function with the pointer.
pub(crate) type Realloc = unsafe extern "C" fn(*mut c_void, usize) -> *mut c_void;
/// `memif_free_t`. SAFETY of a call: the application promised such a function with the pointer.
pub(crate) type Free = unsafe extern "C" fn(*mut c_void);
/// `memif_control_fd_update_t`. SAFETY of a call: the application promised such a function with the pointer.
pub(crate) type ControlFdUpdate = unsafe extern "C" fn(memif_fd_event_t, *mut c_void) -> c_int;
/// `memif_connection_update_t`. SAFETY of a call: the application promised such a function with the pointer.
pub(crate) type ConnectionUpdate = unsafe extern "C" fn(*mut c_void, *mut c_void) -> c_int;
/// `memif_on_interrupt_t`. SAFETY of a call: the application promised such a function with the pointer.
pub(crate) type OnInterrupt = unsafe extern "C" fn(*mut c_void, *mut c_void, u16) -> c_int;
/// `memif_get_external_buffer_offset_t`. SAFETY of a call: the application promised such a function with the pointer.
pub(crate) type GetBufferOffset = unsafe extern "C" fn(*mut c_void) -> u32;
/// `memif_add_external_region_t`. SAFETY of a call: the application promised such a function with the pointer.
pub(crate) type AddRegion = unsafe extern "C" fn(*mut *mut c_void, u32, *mut c_int, *mut c_void) -> c_int;
/// `memif_get_external_region_addr_t`. SAFETY of a call: the application promised such a function with the pointer.
pub(crate) type GetRegionAddress = unsafe extern "C" fn(u32, c_int, *mut c_void) -> *mut c_void;
/// `memif_del_external_region_t`. SAFETY of a call: the application promised such a function with the pointer.
pub(crate) type DeleteRegion = unsafe extern "C" fn(*mut c_void, u32, c_int, *mut c_void) -> c_int;

/// `memif_fd_event_t`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct memif_fd_event_t {
    pub(crate) fd: c_int,
    pub(crate) kind: c_int,
    pub(crate) private_ctx: *mut c_void,
}

/// `memif_socket_args_t`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct memif_socket_args_t {
    pub(crate) path: [c_char; PATH_BYTES],
    pub(crate) app_name: [c_char; 32],
    pub(crate) connection_request_timer: libc::itimerspec,
    pub(crate) on_control_fd_update: Option<ControlFdUpdate>,
    pub(crate) alloc: Option<Alloc>,
    pub(crate) realloc: Option<Realloc>,
    pub(crate) free: Option<Free>,
}

/// `memif_conn_args_t`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct memif_conn_args_t {
    pub(crate) socket: *mut c_void,
    pub(crate) secret: [u8; 24],
    pub(crate) num_s2m_rings: u8,
    pub(crate) num_m2s_rings: u8,
    pub(crate) buffer_size: u16,
    pub(crate) log2_ring_size: u8,
    pub(crate) is_master: u8,
    pub(crate) interface_id: u32,
    pub(crate) interface_name: [u8; 32],
    /// A bit-field of 8 bits in C, which is one byte here.
    pub(crate) mode: u8,
}

/// `memif_buffer_t`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct memif_buffer_t {
    pub(crate) desc_index: u16,
    pub(crate) queue: *mut c_void,
    pub(crate) len: u32,
    pub(crate) flags: u8,
    pub(crate) data: *mut c_void,
}

/// `memif_queue_details_t`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct memif_queue_details_t {
    pub(crate) region: u8,
    pub(crate) qid: u16,
    pub(crate) ring_size: u32,
    pub(crate) flags: u16,
    pub(crate) head: u16,
    pub(crate) tail: u16,
    pub(crate) buffer_size: u16,
}

/// `memif_region_details_t`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct memif_region_details_t {
    pub(crate) index: u8,
    pub(crate) addr: *mut c_void,
    pub(crate) size: u32,
    pub(crate) fd: c_int,
    pub(crate) is_external: u8,
}

/// `memif_details_t`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct memif_details_t {
    pub(crate) if_name: *mut u8,
    pub(crate) inst_name: *mut u8,
    pub(crate) remote_if_name: *mut u8,
    pub(crate) remote_inst_name: *mut u8,
    pub(crate) id: u32,
    pub(crate) secret: *mut u8,
    pub(crate) role: u8,
    pub(crate) mode: u8,
    pub(crate) socket_path: *mut u8,
    pub(crate) regions_num: u8,
    pub(crate) regions: *mut memif_region_details_t,
    pub(crate) rx_queues_num: u8,
    pub(crate) tx_queues_num: u8,
    pub(crate) rx_queues: *mut memif_queue_details_t,
    pub(crate) tx_queues: *mut memif_queue_details_t,
    pub(crate) error: *mut u8,
    pub(crate) link_up_down: u8,
}

#[cfg(all(test, target_pointer_width = "64"))]
mod tests {
    use super::*;
    use std::mem::{offset_of, size_of};

    macro_rules! layout {
        ($type:ty, $size:literal, $($field:ident = $offset:literal),*) => {
            assert_eq!(size_of::<$type>(), $size, stringify!($type));
            $(assert_eq!(offset_of!($type, $field), $offset, concat!(stringify!($type), "::", stringify!($field)));)*
        };
    }

    /// The numbers of libmemif 4.0 on machines of 64 bits; `tests/c/layout.c` asserts the same of the header.
    #[test]
    fn layouts_are_those_of_libmemif() {
        layout!(memif_fd_event_t, 16, fd = 0, kind = 4, private_ctx = 8);
        layout!(
            memif_socket_args_t,
            208,
            path = 0,
            app_name = 108,
            connection_request_timer = 144,
            on_control_fd_update = 176,
            alloc = 184,
            realloc = 192,
            free = 200
        );
        layout!(
            memif_conn_args_t,
            80,
            socket = 0,
            secret = 8,
            num_s2m_rings = 32,
            num_m2s_rings = 33,
            buffer_size = 34,
            log2_ring_size = 36,
            is_master = 37,
            interface_id = 40,
            interface_name = 44,
            mode = 76
        );
        layout!(memif_buffer_t, 32, desc_index = 0, queue = 8, len = 16, flags = 20, data = 24);
        layout!(
            memif_queue_details_t,
            16,
            region = 0,
            qid = 2,
            ring_size = 4,
            flags = 8,
            head = 10,
            tail = 12,
            buffer_size = 14
        );
        layout!(memif_region_details_t, 32, index = 0, addr = 8, size = 16, fd = 20, is_external = 24);
        layout!(
            memif_details_t,
            120,
            if_name = 0,
            inst_name = 8,
            remote_if_name = 16,
            remote_inst_name = 24,
            id = 32,
            secret = 40,
            role = 48,
            mode = 49,
            socket_path = 56,
            regions_num = 64,
            regions = 72,
            rx_queues_num = 80,
            tx_queues_num = 81,
            rx_queues = 88,
            tx_queues = 96,
            error = 104,
            link_up_down = 112
        );
    }

    #[test]
    fn codes_are_numbered_from_zero_without_gaps() {
        assert_eq!(err::NAMES.len(), 40);
        for (at, (name, value)) in err::NAMES.iter().enumerate() {
            assert_eq!(usize::try_from(*value), Ok(at), "{name}");
        }
        assert_eq!(err::TEXTS.len(), err::NAMES.len());
    }
}
