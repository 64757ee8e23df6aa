//! What an interface is asked to be: roles, names, sizes, limits, and the check that they fit together.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use crate::error::ConfigError;
use crate::limits::Limits;
use crate::shm::Mapping;
use crate::wire::Text;

/// Largest number of queues per direction: the counters of every peer are one byte wide.
pub const MAX_QUEUES: u8 = 255;
/// Largest binary logarithm of a ring size, and the one that every HELLO announces.
pub const MAX_LOG2_RING_SIZE: u8 = 14;
/// Largest buffer, in bytes: peers read the posted capacity into 16 bits.
pub const MAX_BUFFER_SIZE: u32 = 65_535;
/// Largest packet, in bytes.
pub const MAX_PACKET_SIZE: u32 = 65_535;

/// Which end of a link an interface is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Listens on the socket and maps the memory that it is given. DPDK says *server*.
    #[doc(alias = "server")]
    Master,
    /// Connects and allocates all shared memory. DPDK says *client*.
    #[doc(alias = "client")]
    Slave,
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Role::Master => "master",
            Role::Slave => "slave",
        })
    }
}

impl std::str::FromStr for Role {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "master" | "server" => Ok(Role::Master),
            "slave" | "client" => Ok(Role::Slave),
            _ => Err(ConfigError::Role(text.to_owned())),
        }
    }
}

/// What a packet on the link starts with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
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

impl std::fmt::Display for Mode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Mode::Ethernet => "ethernet",
            Mode::Ip => "ip",
            Mode::PuntInject => "punt/inject",
        })
    }
}

impl std::str::FromStr for Mode {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "ethernet" => Ok(Mode::Ethernet),
            "ip" => Ok(Mode::Ip),
            "punt/inject" | "punt-inject" => Ok(Mode::PuntInject),
            _ => Err(ConfigError::Mode(text.to_owned())),
        }
    }
}

/// How a receive queue learns of packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RxMode {
    /// The ring is looked at; the peer is told never to signal. Costs a core and no system call.
    Polling,
    /// The peer signals every burst. Safe with any event loop and any sender.
    Interrupt,
    /// Polls while packets come, sleeps when none do. No system call on either side while busy.
    ///
    /// A wait looks at the ring for up to [`InterfaceConfig::spin`] before it sleeps, as long as that brings packets.
    /// Where it never does, because both ends share a processor or packets are far apart, waits soon sleep at once, as
    /// in interrupt mode. They try again now and then, and look first again as soon as that pays.
    #[default]
    Adaptive,
}

impl std::fmt::Display for RxMode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            RxMode::Polling => "polling",
            RxMode::Interrupt => "interrupt",
            RxMode::Adaptive => "adaptive",
        })
    }
}

impl std::str::FromStr for RxMode {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "polling" => Ok(RxMode::Polling),
            "interrupt" => Ok(RxMode::Interrupt),
            "adaptive" => Ok(RxMode::Adaptive),
            _ => Err(ConfigError::RxMode(text.to_owned())),
        }
    }
}

/// A name of a program or an interface: at most 31 bytes, none of them zero.
pub type Name = Text<32>;

/// A shared secret: 1 to 23 bytes, none of them zero. Printing it shows no byte of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret(Text<24>);

impl Secret {
    /// Checks the length and that no byte is zero.
    ///
    /// # Errors
    /// [`ConfigError::Secret`] when the text is empty, longer than 23 bytes or holds a zero byte.
    pub fn new(secret: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        let bytes = secret.as_ref();
        match Text::new(bytes) {
            Ok(text) if !bytes.is_empty() => Ok(Self(text)),
            _ => Err(ConfigError::Secret(bytes.len())),
        }
    }

    /// The field as INIT carries it, zero padded.
    pub(crate) fn field(&self) -> &Text<24> {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl std::str::FromStr for Secret {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

/// Where a slave's packet buffers come from. Its rings always lie in a sealed memfd of the library.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Memory {
    /// One memfd holds rings and buffers (further ones follow only past 4 GiB).
    #[default]
    OneRegion,
    /// Rings in region 0, buffers in the regions after it.
    RingsApart,
    /// Buffers in a file of the caller: a memfd, a file on tmpfs or on a huge page mount.
    /// The library maps `size` bytes of it and seals it against shrinking where that is possible. The memory is
    /// reused by every later connection, and the peers of earlier ones can still read and write it.
    File {
        /// The file; it must be at least `size` bytes long.
        fd: Arc<OwnedFd>,
        /// Bytes to share, from the start of the file.
        size: u64,
    },
    /// Buffers in memory that the caller mapped, see [`Mapping::from_raw`].
    Mapped(Arc<Mapping>),
}

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
    pub(crate) buffer_size: u32,
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

/// Where the buffer regions of an interface come from, in place of memory of the library.
#[derive(Clone)]
pub(crate) struct ExternalRegions(pub(crate) Arc<dyn RegionSource>);

impl std::fmt::Debug for ExternalRegions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ExternalRegions")
    }
}

/// Allocates and maps regions for the connections of an interface, all but region 0.
#[cfg_attr(not(feature = "raw"), allow(unreachable_pub, reason = "public with that feature"))]
pub trait RegionSource: Send + Sync {
    /// Slave: whether [`allocate`](Self::allocate) is going to give memory. Buffers are then packed without spare room.
    fn allocates(&self) -> bool;

    /// Slave: as [`allocates`](Self::allocates), for memory that the library has made already, when
    /// [`allocate`](Self::allocate) gave none: whether it is to be used. Asked when the master has answered, which is
    /// when that counts.
    fn agrees(&self) -> bool;

    /// Slave: memory of at least `size` bytes for the buffers of a new connection, made with
    /// [`Mapping::from_raw`]. `None` where the library is to allocate it.
    ///
    /// # Errors
    /// Whatever is in the way; the connection is then given up.
    fn allocate(&self, size: u64) -> std::io::Result<Option<Arc<Mapping>>>;

    /// Master: a mapping of `size` bytes of a region that a slave offered, made with [`Mapping::from_raw`]. `None`
    /// where the library is to map it.
    ///
    /// # Errors
    /// Whatever is in the way; the connection is then refused.
    fn map(&self, fd: &Arc<OwnedFd>, size: u64) -> std::io::Result<Option<Arc<Mapping>>>;
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
            buffer_size: 2048,
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

    /// Bytes per buffer, 1 to 65535 (default 2048), and the longest descriptor that is ever sent.
    ///
    /// Towards DPDK keep it at or below the peer's own buffer size (its `bsize`, default 2048), which it
    /// counts on (D2). VPP drops descriptors over 9216 bytes.
    #[must_use]
    pub fn buffer_size(mut self, bytes: u32) -> Self {
        self.buffer_size = bytes;
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
    /// buffers of a queue take 2176 bytes per slot, or buffer size and 128. Where too few are free, connecting fails
    /// with [`ConnectError::Local`](crate::ConnectError::Local), and is tried again. A peer that punches holes into
    /// this memory while no page is free takes it away: it is mapped under the guard against `SIGBUS` as such memory of
    /// a peer is.
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

    /// The binary logarithm of the ring size. Meaningful only for a configuration that passed
    /// [`validate`](Self::validate).
    pub(crate) fn log2_ring_size(&self) -> u8 {
        u8::try_from(self.ring_size.trailing_zeros()).unwrap_or(MAX_LOG2_RING_SIZE)
    }

    /// The longest packet that a ring of `slots` slots carries under this configuration, in bytes.
    pub(crate) fn packet_limit(&self, slots: u32) -> u32 {
        let carried = if self.chaining { self.buffer_size.saturating_mul(slots) } else { self.buffer_size };
        self.max_packet.unwrap_or(MAX_PACKET_SIZE).min(carried)
    }

    /// Checks every setting and that they fit together, and asks the kernel whether there is such a NUMA node.
    ///
    /// # Errors
    /// The first setting that cannot be, with the one to change.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if self.rx_queues == 0 && self.tx_queues == 0 {
            return Err(ConfigError::NoQueues);
        }
        if !self.ring_size.is_power_of_two() || self.ring_size > 1 << MAX_LOG2_RING_SIZE {
            return Err(ConfigError::RingSize(self.ring_size));
        }
        if self.buffer_size == 0 || self.buffer_size > MAX_BUFFER_SIZE {
            return Err(ConfigError::BufferSize(self.buffer_size));
        }
        self.limits.validate()?;
        if let Some(max_packet) = self.max_packet {
            if max_packet == 0 || max_packet > MAX_PACKET_SIZE {
                return Err(ConfigError::MaxPacket(max_packet));
            }
            if !self.chaining && max_packet > self.buffer_size {
                return Err(ConfigError::PacketNeedsChaining { max_packet, buffer_size: self.buffer_size });
            }
            if self.role == Role::Slave && self.buffer_size.saturating_mul(self.ring_size) < max_packet {
                return Err(ConfigError::PacketExceedsRing {
                    max_packet,
                    buffer_size: self.buffer_size,
                    ring_size: self.ring_size,
                });
            }
        }
        crate::shm::layout::check(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_that_do_not_fit_name_the_setting() {
        let base = InterfaceConfig::slave(0);
        let error = |config: InterfaceConfig| config.validate().unwrap_err().to_string();
        assert!(error(base.clone().ring_size(0)).contains("ring size"));
        assert!(error(base.clone().ring_size(32_768)).contains("ring size"));
        assert!(error(base.clone().buffer_size(0)).contains("buffer size"));
        assert!(error(base.clone().buffer_size(65_536)).contains("buffer size"));
        assert!(error(base.clone().rx_queues(0).tx_queues(0)).contains("queue"));
        assert!(error(base.clone().max_packet(65_536)).contains("packet"));
        let unchained = base.clone().chaining(false).max_packet(9000);
        assert!(error(unchained).contains("buffer size"));
        let small = base.clone().ring_size(2).max_packet(9000);
        assert!(error(small).contains("ring size"));
        assert_eq!(base.clone().ring_size(1).packet_limit(1), 2048);
        assert_eq!(base.packet_limit(1024), 65_535);
    }

    #[test]
    fn roles_and_modes_have_both_spellings() {
        assert_eq!("client".parse::<Role>(), Ok(Role::Slave));
        assert_eq!("server".parse::<Role>(), Ok(Role::Master));
        assert!("boss".parse::<Role>().unwrap_err().to_string().contains("master"));
        assert_eq!("ip".parse::<Mode>(), Ok(Mode::Ip));
        for mode in [Mode::Ethernet, Mode::Ip, Mode::PuntInject] {
            assert_eq!(Mode::from_wire(mode.to_wire()), Some(mode));
        }
        assert_eq!(Mode::from_wire(3), None);
    }

    #[test]
    fn secrets_have_1_to_23_bytes_and_are_not_printed() {
        assert!(Secret::new("").is_err());
        assert!(Secret::new("a\0b").is_err());
        assert!(Secret::new([b'x'; 24]).is_err());
        let secret = Secret::new([b'x'; 23]).unwrap();
        assert!(!format!("{secret:?}").contains('x'));
    }
}
