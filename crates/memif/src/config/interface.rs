//! The settings of an interface.

#[cfg(feature = "raw")]
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "raw")]
use super::memory::RegionSource;
use super::memory::{ExternalRegions, Memory};
use crate::limits::Limits;
use crate::names::{Name, Secret};
use crate::terms::{CacheLine, Mode, Role, RxMode};

/// Everything that describes one interface. Checked as a whole when it is handed to a socket.
///
/// ```
/// use memif::InterfaceConfig;
/// let config = InterfaceConfig::slave(0).ring_size(512).rx_queues(2).tx_queues(2);
/// assert!(config.validate().is_ok());
/// assert!(InterfaceConfig::slave(0).ring_size(1000).validate().is_err());
/// ```
#[derive(Clone, Debug)]
pub struct InterfaceConfig {
    pub(crate) role: Role,
    pub(crate) id: u32,
    pub(crate) mode: Mode,
    pub(crate) secret: Option<Secret>,
    pub(crate) name: Name,
    pub(crate) rx_queues: u8,
    pub(crate) tx_queues: u8,
    pub(crate) probe_rx_queues: Option<u8>,
    pub(crate) ring_size: u32,
    pub(crate) cache_line: Option<CacheLine>,
    pub(crate) buffer_size: u32,
    pub(crate) spare_buffers: u32,
    pub(crate) max_packet: Option<u32>,
    pub(crate) chaining: bool,
    pub(crate) rx_mode: RxMode,
    pub(crate) spin: Duration,
    pub(crate) memory: Memory,
    pub(crate) huge_pages: bool,
    pub(crate) numa_node: Option<u32>,
    pub(crate) prefault: bool,
    pub(crate) require_sealed: bool,
    pub(crate) resync_limit: u32,
    pub(crate) one_way: bool,
    pub(crate) limits: Limits,
    pub(crate) admin_up: bool,
    /// Receive slots are posted by their user, and a slave connects when it is told to.
    pub(crate) manual: bool,
    /// Regions that a caller allocates and maps.
    pub(crate) external: Option<ExternalRegions>,
}

impl InterfaceConfig {
    /// An interface of that role and id with the defaults of every peer: one queue each way, rings of
    /// 1024, buffers of 2048 bytes, ethernet mode, no secret, adaptive receive.
    #[must_use]
    pub fn new(role: Role, id: u32) -> Self {
        Self {
            role,
            id,
            mode: Mode::default(),
            secret: None,
            name: Name::lossy(format!("memif{id}").as_bytes()),
            rx_queues: 1,
            tx_queues: 1,
            probe_rx_queues: None,
            ring_size: 1024,
            cache_line: None,
            buffer_size: 2048,
            spare_buffers: 0,
            max_packet: None,
            chaining: true,
            rx_mode: RxMode::default(),
            spin: Duration::from_micros(50),
            memory: Memory::default(),
            huge_pages: false,
            numa_node: None,
            prefault: false,
            require_sealed: false,
            resync_limit: 1000,
            one_way: false,
            limits: Limits::default(),
            admin_up: true,
            manual: false,
            external: None,
        }
    }

    /// For users of [`raw`](crate::raw): receive buffers are posted by [`RxSlots::refill`](crate::raw::RxSlots::refill)
    /// alone, and a slave connects when [`Socket::connect_now`](crate::Socket::connect_now) is called.
    #[cfg(feature = "raw")]
    #[must_use]
    pub fn manual(mut self) -> Self {
        self.manual = true;
        self
    }

    /// Where the buffer regions come from, see [`RegionSource`].
    #[cfg(feature = "raw")]
    #[must_use]
    pub fn region_source(mut self, source: Arc<dyn RegionSource>) -> Self {
        self.external = Some(ExternalRegions(source));
        self
    }

    /// [`InterfaceConfig::new`] with [`Role::Slave`].
    #[must_use]
    pub fn slave(id: u32) -> Self {
        Self::new(Role::Slave, id)
    }

    /// [`InterfaceConfig::new`] with [`Role::Master`].
    #[must_use]
    pub fn master(id: u32) -> Self {
        Self::new(Role::Master, id)
    }

    /// What packets start with; both ends must agree.
    #[must_use]
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// Slave: the secret to present. Master: the secret to demand.
    #[must_use]
    pub fn secret(mut self, secret: Option<Secret>) -> Self {
        self.secret = secret;
        self
    }

    /// The interface name that the peer is told (default `memif` and the id).
    #[must_use]
    pub fn name(mut self, name: Name) -> Self {
        self.name = name;
        self
    }

    /// Number of receive queues, 0 to 255 (default 1). Slave: the number brought, or fewer where the master says so.
    /// Master: the most that are served; a slave that brings more is refused by name, because the packets of the others
    /// would be lost. A link can have fewer, but none only if this is 0 or with [`one_way`](Self::one_way).
    #[must_use]
    pub fn rx_queues(mut self, queues: u8) -> Self {
        self.rx_queues = queues;
        self
    }

    /// For a slave whose master is a DPDK server ([`Peer::is_dpdk`](crate::Peer::is_dpdk), OVS among them): finds out
    /// how many transmit queues that has, up to `most`, in place of [`rx_queues`](Self::rx_queues), which counts
    /// towards every other master. `None`, the default, and `Some(0)`: does not.
    ///
    /// Nothing in the protocol tells the number, and a server with more queues than the slave brings loses what it
    /// sends on the others ([`Event::SurplusQueues`](crate::Event::SurplusQueues)). It refuses the first ring that it
    /// has no queue for with the text "Invalid ring index", though. So the slave brings `most`, and is that refused so,
    /// it connects a second time at once, with as many as were taken. Any other refusal, or one of that attempt, is a
    /// failure as usual. Every new link starts anew. Limits: a server with more than `most` takes them and keeps its
    /// surplus; one without transmit queues refuses the first ring, which is a failure; each such link costs a
    /// connection that the server logs as refused.
    #[must_use]
    pub fn probe_rx_queues(mut self, most: Option<u8>) -> Self {
        self.probe_rx_queues = most.filter(|most| *most > 0);
        self
    }

    /// Number of transmit queues, 0 to 255 (default 1), as for [`rx_queues`](Self::rx_queues).
    #[must_use]
    pub fn tx_queues(mut self, queues: u8) -> Self {
        self.tx_queues = queues;
        self
    }

    /// Slots per ring, a power of two from 1 to 16384 (default 1024). The slave's choice counts.
    #[must_use]
    pub fn ring_size(mut self, slots: u32) -> Self {
        self.ring_size = slots;
        self
    }

    /// The cache line that rings are laid out for, which both ends must agree in and no message names: section 4.1 of
    /// docs/protocol.md. `None` is the default.
    ///
    /// Slave: its rings are laid out so; where this is `None`, for the [line](CacheLine::default) that peers are built
    /// for on this processor. A master that turns out to have the other one ends the link with
    /// [`Breach::CacheLine`](crate::Breach::CacheLine).
    ///
    /// Master: where the slave's rings lie tells in nearly all cases what they are laid out for, and a master whose
    /// setting is `None` goes by that. What tells nothing, such as a slave with a single ring, is taken for the
    /// [default](CacheLine::default). A line that is set counts, and a slave that has the other one is refused by name.
    #[must_use]
    pub fn cache_line(mut self, line: Option<CacheLine>) -> Self {
        self.cache_line = line;
        self
    }

    /// Bytes per buffer, 1 to 65535 (default 2048), and the longest descriptor that is ever sent.
    ///
    /// Towards DPDK keep it at or below the peer's own buffer size (its `bsize`, default 2048), which it
    /// counts on (D2). VPP drops descriptors over 9216 bytes.
    #[must_use]
    pub fn buffer_size(mut self, bytes: u32) -> Self {
        self.buffer_size = bytes;
        self
    }

    /// Slave: so many buffers of each receive queue more than it has slots, 0 to 32768 (default 0). They take the place
    /// of packets that are kept ([`Packet::keep`](crate::Packet::keep)), one for each segment. Each takes the bytes of
    /// a buffer and 128 more once it is used.
    #[must_use]
    pub fn spare_buffers(mut self, buffers: u32) -> Self {
        self.spare_buffers = buffers;
        self
    }

    /// Longest packet sent or accepted, in bytes (default 65535, or what a ring holds if that is less).
    #[must_use]
    pub fn max_packet(mut self, bytes: u32) -> Self {
        self.max_packet = Some(bytes);
        self
    }

    /// Whether packets longer than a buffer are sent as chains (default yes). Received chains are always accepted.
    #[must_use]
    pub fn chaining(mut self, chaining: bool) -> Self {
        self.chaining = chaining;
        self
    }

    /// The receive mode that queues start with (default adaptive).
    #[must_use]
    pub fn rx_mode(mut self, mode: RxMode) -> Self {
        self.rx_mode = mode;
        self
    }

    /// How long an adaptive wait looks at the ring before it sleeps, at most (default 50 µs); zero for never.
    ///
    /// Once four times as long was spent in vain, without a packet in between, waits sleep at once. From then on one
    /// wait in eight at most, and one in 5 ms, tries whether looking pays again. With the default that is a hundredth
    /// of the time, and a peer that got a processor of its own is noticed within some milliseconds if packets keep
    /// coming.
    #[must_use]
    pub fn spin(mut self, spin: Duration) -> Self {
        self.spin = spin;
        self
    }

    /// Slave: where the buffers lie.
    #[must_use]
    pub fn memory(mut self, memory: Memory) -> Self {
        self.memory = memory;
        self
    }

    /// Slave: buffers lie on huge pages of 2 MiB (default no), rings apart from them on usual ones. For memory of the
    /// library.
    ///
    /// The pages must be reserved: `sysctl vm.nr_hugepages=N` as root. A link takes 3 with the default sizes; the
    /// buffers of a queue take 2176 bytes per slot, or buffer size and 128. All are made before the link comes up (0.2
    /// ms with the default sizes). Where too few are free, or the control group's hugetlb limit allows fewer,
    /// connecting fails with [`ConnectError::Local`](crate::ConnectError::Local), and is tried again. A peer that
    /// punches holes into this memory while no page is free takes it away: it is mapped under the guard against
    /// `SIGBUS` as such memory of a peer is.
    #[must_use]
    pub fn huge_pages(mut self, huge: bool) -> Self {
        self.huge_pages = huge;
        self
    }

    /// Slave: memory of the library comes from that NUMA node and from no other (default: from wherever the process
    /// that touches a page first runs). A node that has none left is treated by the kernel as a machine that has none.
    ///
    /// [`validate`](Self::validate) asks the kernel whether this process can have memory of that node.
    #[must_use]
    pub fn numa_node(mut self, node: Option<u32>) -> Self {
        self.numa_node = node;
        self
    }

    /// All pages of the regions are there and mapped before the link comes up (default no), and not when packets first
    /// come to them.
    ///
    /// A slave's memory is made so: about 2 ms per link with the default sizes (0.2 ms on huge pages), in the thread
    /// that polls the socket, and all of it takes memory from then on. A master maps those regions that its slave has
    /// filled, up to 64 MiB of each link, and makes no memory.
    ///
    /// So are the tables that queues of either role have of their slots, up to 56 KiB for each in rings of 1024, which
    /// are otherwise allocated with the first packet of each queue.
    #[must_use]
    pub fn prefault(mut self, prefault: bool) -> Self {
        self.prefault = prefault;
        self
    }

    /// Master: refuse memory that its owner can still shrink (default no: such regions are guarded).
    #[must_use]
    pub fn require_sealed(mut self, require: bool) -> Self {
        self.require_sealed = require;
        self
    }

    /// Number of resynchronisations in a row without a valid packet after which a link goes down
    /// (default 1000); 0 takes the link down at the first ring overrun.
    #[must_use]
    pub fn resync_limit(mut self, limit: u32) -> Self {
        self.resync_limit = limit;
        self
    }

    /// Master: whether a slave may bring no ring at all in a direction in which queues are served (default no: it is
    /// refused by name). The [`Link`](crate::Link) then has no queue there, and waiting for one is an error.
    #[must_use]
    pub fn one_way(mut self, allowed: bool) -> Self {
        self.one_way = allowed;
        self
    }

    /// Master: what a slave may make it map and hold.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Whether the interface starts administratively up (default yes).
    #[must_use]
    pub fn admin_up(mut self, up: bool) -> Self {
        self.admin_up = up;
        self
    }

    /// The role.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// The interface id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }
}
