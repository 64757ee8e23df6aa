//! The C library: a program that calls what it likes, with buffers and handles of its own making, too, and a hostile
//! peer take turns at one link. Pointers that the header asks for are good, since no library can do without; handles
//! and what stands in a buffer are anything.
#![no_main]
#![allow(non_camel_case_types, reason = "as in C")]

mod queues;

use std::ffi::{c_char, c_int, c_void};
use std::ptr;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
// Its functions are found by their names.
use memif_capi as _;
use queues::{Op, Peer, maps, setup};
use testkit::plan::Layout;
use testkit::{Address, FileKind, SeqListener, SeqSocket, SlaveMemory, SlavePlan};

type Connection = unsafe extern "C" fn(*mut c_void, *mut c_void) -> c_int;
type Interrupt = unsafe extern "C" fn(*mut c_void, *mut c_void, u16) -> c_int;

// As `include/libmemif.h` has them; crates/memif-capi/tests/c/layout.c holds sizes and places.
#[repr(C)]
struct memif_socket_args_t {
    path: [u8; 108],
    app_name: [u8; 32],
    connection_request_timer: libc::itimerspec,
    callbacks: [*mut c_void; 4],
}

#[repr(C)]
struct memif_conn_args_t {
    socket: *mut c_void,
    secret: [u8; 24],
    num_s2m_rings: u8,
    num_m2s_rings: u8,
    buffer_size: u16,
    log2_ring_size: u8,
    is_master: u8,
    interface_id: u32,
    interface_name: [u8; 32],
    mode: u8,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct memif_buffer_t {
    desc_index: u16,
    queue: *mut c_void,
    len: u32,
    flags: u8,
    data: *mut c_void,
}

const NONE: memif_buffer_t =
    memif_buffer_t { desc_index: 0, queue: ptr::null_mut(), len: 0, flags: 0, data: ptr::null_mut() };

unsafe extern "C" {
    fn memif_create_socket(sock: *mut *mut c_void, args: *mut memif_socket_args_t, ctx: *mut c_void) -> c_int;
    fn memif_delete_socket(sock: *mut *mut c_void) -> c_int;
    fn memif_create(
        conn: *mut *mut c_void,
        args: *mut memif_conn_args_t,
        on_connect: Option<Connection>,
        on_disconnect: Option<Connection>,
        on_interrupt: Option<Interrupt>,
        ctx: *mut c_void,
    ) -> c_int;
    fn memif_delete(conn: *mut *mut c_void) -> c_int;
    fn memif_request_connection(conn: *mut c_void) -> c_int;
    fn memif_poll_event(sock: *mut c_void, timeout: c_int) -> c_int;
    fn memif_cancel_poll_event(sock: *mut c_void) -> c_int;
    fn memif_control_fd_handler(ptr: *mut c_void, events: c_int) -> c_int;
    fn memif_get_details(conn: *mut c_void, md: *mut c_void, buf: *mut c_char, len: isize) -> c_int;
    fn memif_get_queue_efd(conn: *mut c_void, qid: u16, fd: *mut c_int) -> c_int;
    fn memif_set_rx_mode(conn: *mut c_void, mode: c_int, qid: u16) -> c_int;
    fn memif_strerror(code: c_int) -> *const c_char;
    fn memif_rx_burst(conn: *mut c_void, qid: u16, bufs: *mut memif_buffer_t, count: u16, rx: *mut u16) -> c_int;
    fn memif_refill_queue(conn: *mut c_void, qid: u16, count: u16, headroom: u16) -> c_int;
    fn memif_buffer_alloc(
        conn: *mut c_void,
        qid: u16,
        bufs: *mut memif_buffer_t,
        count: u16,
        count_out: *mut u16,
        size: u16,
    ) -> c_int;
    fn memif_tx_burst(conn: *mut c_void, qid: u16, bufs: *mut memif_buffer_t, count: u16, tx: *mut u16) -> c_int;
    fn memif_buffer_enq_tx(conn: *mut c_void, qid: u16, bufs: *mut memif_buffer_t, count: u16, out: *mut u16) -> c_int;
    fn memif_buffer_requeue(conn: *mut c_void, a: *mut memif_buffer_t, b: *mut memif_buffer_t) -> c_int;
    fn memif_set_next_free_buffer(conn: *mut c_void, qid: u16, buf: *mut memif_buffer_t) -> c_int;
}

#[derive(Arbitrary, Debug)]
struct Input {
    slave: bool,
    log2: u8,
    buffer: u16,
    unsealed: bool,
    post: bool,
    refill: bool,
    calls: Vec<Call>,
}

/// A handle: mostly the right one.
#[derive(Arbitrary, Debug)]
enum Handle {
    Right,
    AlsoRight,
    Socket,
    Null,
    Any(usize),
}

#[derive(Arbitrary, Debug)]
enum Call {
    Peer(Op),
    Poll,
    Control {
        handle: Handle,
    },
    Cancel,
    Request {
        handle: Handle,
    },
    Details {
        handle: Handle,
        len: u16,
    },
    Descriptor {
        handle: Handle,
        queue: u8,
    },
    Mode {
        handle: Handle,
        queue: u8,
        mode: u8,
    },
    Error {
        code: i32,
    },
    Receive {
        handle: Handle,
        queue: u8,
        count: u8,
    },
    Refill {
        handle: Handle,
        queue: u8,
        count: u16,
        headroom: u16,
    },
    Allocate {
        handle: Handle,
        queue: u8,
        count: u8,
        size: u16,
    },
    Send {
        handle: Handle,
        queue: u8,
        from: u8,
        count: u8,
    },
    Enqueue {
        handle: Handle,
        queue: u8,
        from: u8,
        count: u8,
    },
    Requeue {
        handle: Handle,
        a: u8,
        b: u8,
    },
    SetNext {
        handle: Handle,
        queue: u8,
        which: u8,
    },
    /// The program changes a buffer that it has.
    Change {
        sent: bool,
        which: u8,
        field: u8,
        value: u32,
    },
    /// The library's thread of its own is to be none: an interface is deleted.
    Delete,
}

/// Buffers of a program: more than any call here asks for.
const BUFFERS: usize = 256;

struct Program {
    socket: *mut c_void,
    conn: *mut c_void,
    received: [memif_buffer_t; BUFFERS],
    allocated: [memif_buffer_t; BUFFERS],
    maps: Vec<(usize, usize)>,
    /// Bytes of a buffer that the interface was made with.
    buffer: u16,
}

#[derive(Default)]
struct Told {
    connected: u32,
    disconnected: u32,
}

unsafe extern "C" fn on_connect(_: *mut c_void, told: *mut c_void) -> c_int {
    // SAFETY: the context that the interface was made with.
    unsafe { (*told.cast::<Told>()).connected += 1 };
    0
}

unsafe extern "C" fn on_disconnect(_: *mut c_void, told: *mut c_void) -> c_int {
    // SAFETY: as above.
    unsafe { (*told.cast::<Told>()).disconnected += 1 };
    0
}

unsafe extern "C" fn on_interrupt(_: *mut c_void, _: *mut c_void, _: u16) -> c_int {
    0
}

fuzz_target!(|input: Input| {
    let mut told = Box::new(Told::default());
    run(&input, &mut told);
    // At the end of a link or of an attempt of a slave, and from `memif_delete`.
    let Told { connected, disconnected } = *told;
    assert!(connected <= 1 && (1..=2).contains(&disconnected), "connected {connected}, disconnected {disconnected}");
    // Whatever happened, nothing is left of it. What a peer may hold up the library closes in a thread of its own.
    static DESCRIPTORS: OnceLock<usize> = OnceLock::new();
    let (before, end) = (*DESCRIPTORS.get_or_init(descriptors), Instant::now() + Duration::from_secs(30));
    while descriptors() > before {
        assert!(Instant::now() < end, "{} descriptors, {before} in the beginning", descriptors());
        std::thread::yield_now();
    }
});

/// Those of this process but for pipes: at the other ends of those is what the sanitizer looks up symbols with.
fn descriptors() -> usize {
    let all = std::fs::read_dir("/proc/self/fd").expect("/proc");
    let targets = all.flatten().filter_map(|entry| std::fs::read_link(entry.path()).ok());
    targets.filter(|target| !target.to_string_lossy().starts_with("pipe:")).count()
}

fn run(input: &Input, told: &mut Told) {
    let name = format!("memif-fuzz-c-{}", std::process::id());
    let mut path = [0; 108];
    path[0] = b'@';
    path[1..=name.len()].copy_from_slice(name.as_bytes());
    let mut args = memif_socket_args_t {
        path,
        app_name: [0; 32],
        // SAFETY: a structure of numbers.
        connection_request_timer: unsafe { std::mem::zeroed() },
        callbacks: [ptr::null_mut(); 4],
    };
    let mut socket = ptr::null_mut();
    // SAFETY: places of these types, as in all calls below.
    assert_eq!(unsafe { memif_create_socket(&mut socket, &mut args, ptr::null_mut()) }, 0);
    let given = input.buffer % 4096;
    // As the header says of 0.
    let buffer = if given == 0 { 2048 } else { given };
    let mut args = memif_conn_args_t {
        socket,
        secret: [0; 24],
        num_s2m_rings: 1,
        num_m2s_rings: 1,
        buffer_size: given,
        log2_ring_size: 1 + input.log2 % 5,
        is_master: u8::from(!input.slave),
        interface_id: 0,
        interface_name: [0; 32],
        mode: 0,
    };
    let mut conn = ptr::null_mut();
    let context = ptr::from_mut(told).cast();
    let address = Address::Abstract(name.into_bytes());
    let listener = input.slave.then(|| SeqListener::bind(&address));
    // SAFETY: as above; the context outlives the interface.
    let made = unsafe {
        memif_create(&mut conn, &mut args, Some(on_connect), Some(on_disconnect), Some(on_interrupt), context)
    };
    if made != 0 {
        // Buffers of a few bytes with such rings are refused.
        // SAFETY: a handle.
        assert_eq!(unsafe { memif_delete_socket(&mut socket) }, 0);
        return;
    }
    let turn = || {
        // SAFETY: a handle. A peer may end what was begun.
        for _ in 0..4 {
            let _ = unsafe { memif_poll_event(socket, 0) };
        }
    };
    let peer = match listener {
        Some(listener) => {
            // SAFETY: a handle.
            let _ = unsafe { memif_request_connection(conn) };
            turn();
            setup::master(listener.accept(), turn)
        }
        None => {
            let kind = if input.unsealed { FileKind::Unsealable } else { FileKind::Sealed };
            let plan = SlavePlan {
                log2: input.log2 % 6,
                layout: Layout::RingsApart,
                rings_file: kind,
                buffers_file: kind,
                ..SlavePlan::default()
            };
            let memory = SlaveMemory::new(&plan);
            let peer = SeqSocket::connect(&address);
            turn();
            setup::slave(&peer, &plan, &memory, turn);
            turn();
            let peer = setup::connected_slave(peer, &memory);
            if input.post {
                peer.tx.0.set_head(peer.tx.0.size());
            }
            peer
        }
    };
    turn();
    let program = Program { socket, conn, received: [NONE; BUFFERS], allocated: [NONE; BUFFERS], maps: maps(), buffer };
    program.run(peer, input);
}

impl Program {
    fn run(mut self, mut peer: Peer, input: &Input) {
        if input.refill {
            // SAFETY: a handle.
            let _ = unsafe { memif_refill_queue(self.conn, 0, u16::MAX, 0) };
        }
        for call in &input.calls {
            match call {
                Call::Peer(op) => _ = peer.act(op, !input.slave),
                call => self.call(call),
            }
        }
        // SAFETY: handles, or null after they were deleted.
        unsafe {
            let gone = self.conn.is_null();
            assert_eq!(memif_delete(&mut self.conn) == 0, !gone);
            assert_eq!(memif_delete_socket(&mut self.socket), 0);
        }
        assert!(self.conn.is_null() && self.socket.is_null());
    }

    fn handle(&self, handle: &Handle) -> *mut c_void {
        match handle {
            Handle::Right | Handle::AlsoRight => self.conn,
            Handle::Socket => self.socket,
            Handle::Null => ptr::null_mut(),
            Handle::Any(number) => ptr::without_provenance_mut(*number),
        }
    }

    fn call(&mut self, call: &Call) {
        let mut count_out = u16::MAX;
        let out = &mut count_out;
        // SAFETY: every pointer is a place of its type, arrays are as long as the counts; handles may be anything.
        unsafe {
            match call {
                Call::Peer(_) => {}
                Call::Poll => _ = memif_poll_event(self.socket, 0),
                Call::Control { handle } => _ = memif_control_fd_handler(self.handle(handle), 1),
                Call::Cancel => _ = memif_cancel_poll_event(self.socket),
                Call::Request { handle } => _ = memif_request_connection(self.handle(handle)),
                Call::Details { handle, len } => {
                    // More than the structure has.
                    let mut details = [0_u64; 64];
                    let mut text = vec![0; usize::from(*len)];
                    let len = isize::try_from(text.len()).expect("a length");
                    memif_get_details(self.handle(handle), details.as_mut_ptr().cast(), text.as_mut_ptr(), len);
                }
                Call::Descriptor { handle, queue } => {
                    let mut fd = 0;
                    let told = memif_get_queue_efd(self.handle(handle), u16::from(*queue) / 64, &mut fd);
                    assert!((told == 0) == (fd >= 0));
                }
                Call::Mode { handle, queue, mode } => {
                    memif_set_rx_mode(self.handle(handle), c_int::from(*mode) % 3, u16::from(*queue) / 64);
                }
                Call::Error { code } => assert!(!memif_strerror(*code).is_null()),
                Call::Receive { handle, queue, count } => {
                    let conn = self.handle(handle);
                    let bufs = self.received.as_mut_ptr();
                    memif_rx_burst(conn, u16::from(*queue) / 64, bufs, u16::from(*count), out);
                    let came = self.received.iter().take(usize::from(if *out == u16::MAX { 0 } else { *out }));
                    assert!(*out == u16::MAX || *out <= u16::from(*count));
                    for buffer in came {
                        self.inside(buffer);
                        for at in 0..buffer.len as usize {
                            buffer.data.cast::<u8>().add(at).read_volatile();
                        }
                    }
                }
                Call::Refill { handle, queue, count, headroom } => {
                    let headroom = *headroom % 4096;
                    memif_refill_queue(self.handle(handle), u16::from(*queue) / 64, *count, headroom);
                }
                Call::Allocate { handle, queue, count, size } => {
                    let conn = self.handle(handle);
                    let bufs = self.allocated.as_mut_ptr();
                    memif_buffer_alloc(conn, u16::from(*queue) / 64, bufs, u16::from(*count), out, *size);
                    // A long packet takes an entry for each buffer.
                    let most = u32::from(*count) * u32::from(*size).div_ceil(self.buffer.into()).max(1);
                    assert!(*out == u16::MAX || u32::from(*out) <= most);
                    for buffer in self.allocated.iter().take(usize::from(if *out == u16::MAX { 0 } else { *out })) {
                        self.inside(buffer);
                        for at in 0..buffer.len as usize {
                            buffer.data.cast::<u8>().add(at).write_volatile(6);
                        }
                    }
                }
                Call::Send { handle, queue, from, count } => {
                    let conn = self.handle(handle);
                    let count = u16::from(*count).min(256 - u16::from(*from));
                    let bufs = self.allocated.as_mut_ptr().add(usize::from(*from));
                    memif_tx_burst(conn, u16::from(*queue) / 64, bufs, count, out);
                    assert!(*out == u16::MAX || *out <= count);
                }
                Call::Enqueue { handle, queue, from, count } => {
                    let conn = self.handle(handle);
                    let count = u16::from(*count).min(256 - u16::from(*from));
                    let bufs = self.received.as_mut_ptr().add(usize::from(*from));
                    memif_buffer_enq_tx(conn, u16::from(*queue) / 64, bufs, count, out);
                    assert!(*out == u16::MAX || *out <= count);
                }
                Call::Requeue { handle, a, b } => {
                    let conn = self.handle(handle);
                    let (mut one, mut two) = (self.received[usize::from(*a)], self.received[usize::from(*b)]);
                    memif_buffer_requeue(conn, &mut one, &mut two);
                    (self.received[usize::from(*a)], self.received[usize::from(*b)]) = (one, two);
                }
                Call::SetNext { handle, queue, which } => {
                    let conn = self.handle(handle);
                    let buffer = &mut self.allocated[usize::from(*which)];
                    memif_set_next_free_buffer(conn, u16::from(*queue) / 64, buffer);
                }
                Call::Change { sent, which, field, value } => {
                    let all = if *sent { &mut self.allocated } else { &mut self.received };
                    let buffer = &mut all[usize::from(*which)];
                    match field % 5 {
                        0 => buffer.desc_index = *value as u16,
                        1 => buffer.len = *value,
                        2 => buffer.flags = *value as u8,
                        3 => buffer.data = buffer.data.wrapping_byte_offset(*value as i16 as isize),
                        _ => buffer.queue = ptr::without_provenance_mut(*value as usize),
                    }
                }
                Call::Delete => _ = memif_delete(&mut self.conn),
            }
        }
    }

    /// What is handed out lies in shared memory.
    fn inside(&self, buffer: &memif_buffer_t) {
        let (start, len) = (buffer.data.addr(), buffer.len as usize);
        let inside = |(from, to): &(usize, usize)| start >= *from && start + len <= *to;
        assert!(len == 0 || self.maps.iter().any(inside), "{start:#x} and {len} bytes are elsewhere");
    }
}
