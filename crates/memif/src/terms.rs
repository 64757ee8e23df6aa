//! Words of the protocol as values: roles, modes, directions, and the bounds of every peer.

use std::fmt;

/// Largest number of queues per direction: the counters of every peer are one byte wide.
pub const MAX_QUEUES: u8 = 255;
/// Largest binary logarithm of a ring size, and the one that every HELLO announces.
pub const MAX_LOG2_RING_SIZE: u8 = 14;
/// Largest buffer, in bytes: peers read the posted capacity into 16 bits.
pub const MAX_BUFFER_SIZE: u32 = 65_535;
/// Largest packet, in bytes.
pub const MAX_PACKET_SIZE: u32 = 65_535;

/// Which end of a link an interface is. There is no third.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Listens on the socket and maps the memory that it is given. DPDK says *server*.
    #[doc(alias = "server")]
    Master,
    /// Connects and allocates all shared memory. DPDK says *client*.
    #[doc(alias = "client")]
    Slave,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::Master => "master",
            Role::Slave => "slave",
        })
    }
}

/// What a packet on the link starts with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mode {
    /// An ethernet frame without its check sequence (0 on the wire).
    #[default]
    Ethernet,
    /// An IPv4 or IPv6 header (1 on the wire).
    Ip,
    /// Reserved for punt and inject paths (2 on the wire); no known peer uses it.
    PuntInject,
}

impl Mode {
    /// The number in INIT.
    #[must_use]
    pub const fn to_wire(self) -> u8 {
        match self {
            Mode::Ethernet => 0,
            Mode::Ip => 1,
            Mode::PuntInject => 2,
        }
    }

    /// The mode with that number in INIT, or `None` where there is none.
    #[must_use]
    pub const fn from_wire(number: u8) -> Option<Self> {
        match number {
            0 => Some(Mode::Ethernet),
            1 => Some(Mode::Ip),
            2 => Some(Mode::PuntInject),
            _ => None,
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Mode::Ethernet => "ethernet",
            Mode::Ip => "ip",
            Mode::PuntInject => "punt/inject",
        })
    }
}

/// How a receive queue learns of packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RxMode {
    /// The ring is looked at; the peer is told never to signal. Costs a core and no system call while packets come.
    Polling,
    /// The peer signals every burst. Safe with any event loop and any sender.
    Interrupt,
    /// Polls while packets come, sleeps when none do. No system call on either side while busy.
    ///
    /// A wait looks at the ring for up to [`InterfaceConfig::spin`](crate::InterfaceConfig::spin) before it sleeps, as
    /// long as that brings packets. Where it never does, because both ends share a processor or packets are far apart,
    /// waits soon sleep at once, as in interrupt mode. They try again now and then, and look first again as soon as
    /// that pays.
    ///
    /// In an event loop of the caller there is no such wait: once a queue was asked for its descriptor
    /// ([`AsFd`](std::os::fd::AsFd)), or is [watched](crate::Socket::watch), the peer signals every burst.
    #[default]
    Adaptive,
}

impl fmt::Display for RxMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RxMode::Polling => "polling",
            RxMode::Interrupt => "interrupt",
            RxMode::Adaptive => "adaptive",
        })
    }
}

/// Which way packets go on a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RingDirection {
    /// From the slave to the master. DPDK says C2S.
    S2m,
    /// From the master to the slave. DPDK says S2C.
    M2s,
}

impl RingDirection {
    /// `S2M` or `M2S`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            RingDirection::S2m => "S2M",
            RingDirection::M2s => "M2S",
        }
    }
}

impl fmt::Display for RingDirection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The cache line that a ring is laid out for, which is a part of its format: the tail lies in the second line and the
/// descriptors begin with the third. Programs have it from their build and no message names it (docs/protocol.md, 4.1).
///
/// The [default](Self::default) is that of the peers' own builds for the processor: 128 bytes on aarch64, 64 elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CacheLine {
    /// 64 bytes: every peer on x86-64, and gomemif everywhere.
    Of64,
    /// 128 bytes: libmemif on aarch64, VPP and DPDK there unless they were built for one processor with other lines,
    /// DPDK on ppc64.
    Of128,
}

impl CacheLine {
    /// Its bytes.
    #[must_use]
    #[inline]
    pub const fn bytes(self) -> usize {
        match self {
            CacheLine::Of64 => 64,
            CacheLine::Of128 => 128,
        }
    }

    /// The one of so many bytes, or `None` where no ring is laid out for it.
    #[must_use]
    pub const fn from_bytes(bytes: usize) -> Option<Self> {
        match bytes {
            64 => Some(CacheLine::Of64),
            128 => Some(CacheLine::Of128),
            _ => None,
        }
    }

    /// The other one.
    pub(crate) const fn other(self) -> Self {
        match self {
            CacheLine::Of64 => CacheLine::Of128,
            CacheLine::Of128 => CacheLine::Of64,
        }
    }
}

impl Default for CacheLine {
    fn default() -> Self {
        if cfg!(target_arch = "aarch64") { CacheLine::Of128 } else { CacheLine::Of64 }
    }
}

impl fmt::Display for CacheLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.bytes(), f)
    }
}

/// A queue as this end names it: `rx 0`, `tx 3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueueName {
    /// Whether packets arrive here.
    pub direction: Direction,
    /// Number of the queue within its direction.
    pub index: u8,
}

impl fmt::Display for QueueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.direction, self.index)
    }
}

/// Which way packets go through a queue, seen from this end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Direction {
    /// Towards us.
    Rx,
    /// From us.
    Tx,
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Direction::Rx => "rx",
            Direction::Tx => "tx",
        })
    }
}
