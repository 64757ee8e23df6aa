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

    /// A type's name and size, then its fields' names and places.
    type Laid = (&'static str, usize, Vec<(&'static str, usize)>);

    macro_rules! layout {
        ($type:ident, $($field:ident),+) => {
            (
                stringify!($type),
                size_of::<$type>(),
                vec![$((stringify!($field), offset_of!($type, $field))),+],
            )
        };
    }

    fn layouts() -> Vec<Laid> {
        vec![
            layout!(memif_fd_event_t, fd, kind, private_ctx),
            layout!(
                memif_socket_args_t,
                path,
                app_name,
                connection_request_timer,
                on_control_fd_update,
                alloc,
                realloc,
                free
            ),
            layout!(
                memif_conn_args_t,
                socket,
                secret,
                num_s2m_rings,
                num_m2s_rings,
                buffer_size,
                log2_ring_size,
                is_master,
                interface_id,
                interface_name
            ),
            layout!(memif_buffer_t, desc_index, queue, len, flags, data),
            layout!(memif_queue_details_t, region, qid, ring_size, flags, head, tail, buffer_size),
            layout!(memif_region_details_t, index, addr, size, fd, is_external),
            layout!(
                memif_details_t,
                if_name,
                inst_name,
                remote_if_name,
                remote_inst_name,
                id,
                secret,
                role,
                mode,
                socket_path,
                regions_num,
                regions,
                rx_queues_num,
                tx_queues_num,
                rx_queues,
                tx_queues,
                error,
                link_up_down
            ),
        ]
    }

    /// `tests/c/layout.c` has the numbers of libmemif 4.0 on machines of 64 bits, and asserts them of the header.
    #[test]
    fn layouts_and_numbers_are_those_of_the_header() {
        let asserted = include_str!("../tests/c/layout.c").lines().filter(|line| line.ends_with(");"));
        let asserted: Vec<&str> =
            asserted.filter(|line| ["SIZE (", "AT (", "IS ("].iter().any(|kind| line.starts_with(kind))).collect();
        let mut ours = Vec::new();
        for (of, size, fields) in layouts() {
            ours.push(format!("SIZE ({of}, {size});"));
            for (field, at) in fields {
                // `type` is a word of Rust.
                let field = if field == "kind" { "type" } else { field };
                ours.push(format!("AT ({of}, {field}, {at});"));
            }
        }
        let (places, numbers) = asserted.split_at(ours.len());
        assert_eq!(places, ours);
        // A bit-field has no place in C: that side looks where it shows.
        assert_eq!(offset_of!(memif_conn_args_t, mode), 76);
        let codes = err::NAMES.iter().map(|(name, value)| format!("IS ({name}, {value});"));
        let numbers = numbers.iter().copied().filter(|line| line.contains("_ERR_"));
        assert_eq!(numbers.collect::<Vec<_>>(), codes.collect::<Vec<_>>());
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
