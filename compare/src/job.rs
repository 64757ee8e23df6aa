//! What one end of a slice is asked to do, and what it answers. Travels between processes as JSON.

use std::path::PathBuf;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// Who carries the packets.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Carrier {
    /// The barest descriptor ring in memif's layout. `stride` is the distance of its buffers in bytes.
    Bare { stride: usize },
    /// This project's Rust API.
    Rust,
    /// A `libmemif.so`.
    Library(PathBuf),
    /// Unix `SOCK_SEQPACKET` socket.
    Seqpacket,
    /// UDP on loopback.
    Udp,
    /// A veth pair between two network namespaces, with `AF_PACKET` sockets.
    Veth,
    /// An `rtrb` ring between two threads.
    Threads,
    /// iceoryx2, publish and subscribe.
    Iceoryx,
    /// One cache line.
    Line,
    /// Async functions on tokio.
    Tokio { way: Async, threads: Threads },
}

/// What async ends are joined by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Async {
    /// `memif::tokio`.
    Memif,
    /// `UdpSocket`s of tokio on loopback.
    Udp,
    /// `UnixDatagram`s of tokio.
    Datagrams,
    /// TUN devices of tun-rs, between which the kernel forwards.
    Tun,
}

/// The flavour of a runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Threads {
    /// The thread that runs it alone.
    One,
    /// A worker for each processor that the end may use.
    Workers,
}

/// How a receiver learns of packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Waiting {
    Polling,
    Adaptive,
    Interrupt,
}

impl std::fmt::Display for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Waiting::Polling => "polling",
            Waiting::Adaptive => "adaptive",
            Waiting::Interrupt => "interrupt",
        })
    }
}

/// Which end of memif.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Role {
    Master,
    Slave,
}

impl Role {
    pub(crate) fn other(self) -> Self {
        match self {
            Role::Master => Role::Slave,
            Role::Slave => Role::Master,
        }
    }
}

/// Where the two ends run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cores {
    /// On a core each.
    Apart,
    /// Both on the first core.
    Shared,
    /// The end on the first core spends the warm-up on the other one's core, and comes back
    /// [`AFTER_VISIT`] milliseconds before what is measured begins.
    SharedBefore,
}

/// Milliseconds in which waits may learn that the ends have a core each.
pub(crate) const AFTER_VISIT: u64 = 100;

/// What an end does during the slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Task {
    /// Sends as fast as it can.
    Send,
    /// Receives, copies every packet into a private buffer, and counts.
    Receive,
    /// Sends one packet and waits until it is back; measures the time.
    Ping,
    /// Sends back a copy of what comes, from the receive buffer to the transmit buffer.
    Echo,
    /// Sends back what comes in the buffers that it came in.
    Forward,
    /// Keeps a window of packets under way and counts what comes back.
    Generate,
    /// Adds an interface, waits for its link and deletes it, again and again.
    Cycle,
    /// Sets many interfaces up, then lets one of them work.
    Crowd,
    /// The other side of `Cycle` and `Crowd`.
    Serve,
    /// A master that goes and comes back, again and again; measures the time from its listener to the link.
    Restart,
    /// The slave of such a master.
    Return,
}

impl Task {
    /// Whether this end says when the slice is over.
    pub(crate) fn measures(self) -> bool {
        !matches!(self, Task::Send | Task::Echo | Task::Forward | Task::Serve | Task::Return)
    }
}

/// One end of one slice.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) carrier: Carrier,
    pub(crate) task: Task,
    pub(crate) role: Role,
    pub(crate) waiting: Waiting,
    /// Bytes of a packet.
    pub(crate) size: usize,
    /// Packets handed over in one go.
    pub(crate) burst: usize,
    pub(crate) log2_ring: u8,
    pub(crate) buffer_size: u32,
    /// Queues each way.
    pub(crate) queues: u8,
    /// Interfaces on one socket, for `Crowd` and `Serve`.
    pub(crate) interfaces: u32,
    pub(crate) cpu: usize,
    /// Both ends have the same core.
    pub(crate) shared: bool,
    /// The other end's core, on which this one begins.
    pub(crate) visits: Option<usize>,
    /// Microseconds between a round trip and the next one.
    pub(crate) pause: u64,
    /// Milliseconds that are measured, after those of the warm-up.
    pub(crate) milliseconds: u64,
    pub(crate) warm_up: u64,
    /// The packets are ours, so that their bytes are known.
    pub(crate) own_packets: bool,
    /// Keeps the link after its report until it is released.
    pub(crate) lingers: bool,
    pub(crate) nanoseconds_per_tick: f64,
    /// Directory of this slice: sockets lie in it.
    pub(crate) place: PathBuf,
    /// The socket has an abstract name instead, as far as the carrier can.
    pub(crate) abstract_name: bool,
    /// The page that both ends share.
    pub(crate) control: PathBuf,
    /// Memory of the bare ring.
    pub(crate) memory: Option<PathBuf>,
    /// The other end where both are threads of one process.
    pub(crate) other: Option<Box<Job>>,
}

impl Job {
    /// Bytes of every packet, the same at both ends.
    pub(crate) fn payload(&self) -> Vec<u8> {
        // A broadcast frame of an ether type that is free for experiments, for those who look.
        let mut bytes: Vec<u8> = (0..self.size).map(|i| (i * 7 + i / 256) as u8).collect();
        let header = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 0x88, 0xb5];
        let head = header.len().min(bytes.len());
        bytes[..head].copy_from_slice(&header[..head]);
        bytes
    }
}

impl Report {
    pub(crate) fn set_times(&mut self, times: &Histogram<u64>) {
        let recorded = times.iter_recorded();
        self.times = recorded.map(|step| (step.value_iterated_to(), step.count_at_value())).collect();
    }
}

/// What an end measured.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Packets that were counted, and in how many nanoseconds.
    pub(crate) packets: u64,
    pub(crate) nanoseconds: f64,
    /// Seconds of a processor that they cost, where that is looked at.
    pub(crate) cpu: f64,
    /// Round trips by nanoseconds: value and count.
    pub(crate) times: Vec<(u64, u64)>,
    /// Memory of the process, and its open descriptors.
    pub(crate) kibibytes: u64,
    pub(crate) descriptors: u64,
    /// Nanoseconds of one cache line between the two cores, there and back, just before; none where the other end is
    /// another program.
    pub(crate) distance: Option<f64>,
    /// What went wrong.
    pub(crate) error: Option<String>,
}
