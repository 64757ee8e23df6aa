//! What an interface is like, apart from its number.

use std::fs;
use std::num::NonZero;
use std::path::PathBuf;
use std::thread;

use clap::{Args, ValueEnum};
use memif::{InterfaceConfig, Limits, Link, Mode, Name, Role, RxMode, Secret, SocketAddress, SocketBuilder};

use super::memory::MemoryOptions;
use super::queues::{MOST_FOUND, QueueOptions};
use super::socket::SocketOptions;
use crate::endpoint::address::{SocketPlace, default_socket, parse_socket};
use crate::endpoint::namespace;
use crate::error::Error;
use crate::packet::Framing;

/// What a packet on the link starts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ModeOption {
    Ethernet,
    Ip,
}

/// Options of the interface, but for its number, and of the socket.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Interface")]
pub(crate) struct InterfaceOptions {
    /// The socket: a path, or @NAME (as VPP writes it: abstract:NAME) for an abstract one [default: that of
    /// MEMIF_SOCKET in the environment, or /run/vpp/memif.sock; demo, bench with both ends: an abstract name of its
    /// own]. @NAME,netns=NS (VPP: abstract:NAME,netns_name=NS) is a name in another network namespace: NS of
    /// /run/netns, a path, or pid:N
    #[arg(long, value_name = "PATH|@NAME", value_parser = parse_socket)]
    pub(crate) socket: Option<SocketPlace>,

    /// slave (or client): connects and brings the memory; master (or server): listens [default: slave]
    #[arg(long, value_name = "slave|master")]
    pub(crate) role: Option<Role>,

    /// The secret that the master demands. It shows in the list of processes: --secret-file does not
    #[arg(long, value_name = "SECRET", conflicts_with = "secret_file")]
    secret: Option<Secret>,

    /// A file whose first line is the secret
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,

    /// What packets start with: an ethernet header or an IPv4 header; both ends must agree [default: ethernet]
    #[arg(long, value_enum)]
    mode: Option<ModeOption>,

    #[command(flatten)]
    queues: QueueOptions,

    #[command(flatten)]
    memory: MemoryOptions,

    /// How packets are waited for: polling (takes a core), interrupt, or adaptive [default: adaptive; bench: polling]
    #[arg(long, value_name = "polling|interrupt|adaptive")]
    rx_mode: Option<RxMode>,

    /// The interface name that the peer is told [default: memif and the id]
    #[arg(long, value_name = "IFNAME")]
    name: Option<Name>,

    #[command(flatten)]
    control: SocketOptions,

    /// Master: refuse memory that its owner can still shrink (VPP on huge pages offers such)
    #[arg(long)]
    require_sealed: bool,
}

impl InterfaceOptions {
    /// The role, slave when none was given.
    pub(crate) fn role(&self) -> Role {
        self.role.unwrap_or(Role::Slave)
    }

    /// The address of the socket.
    pub(crate) fn address(&self) -> Result<SocketAddress, Error> {
        Ok(self.place()?.address)
    }

    fn place(&self) -> Result<SocketPlace, Error> {
        self.socket.clone().map_or_else(default_socket, Ok)
    }

    /// What packets start with.
    pub(crate) fn framing(&self) -> Framing {
        self.given_framing().unwrap_or(Framing::Ethernet)
    }

    /// What packets start with, if that was said.
    pub(crate) fn given_framing(&self) -> Option<Framing> {
        self.mode.map(|mode| match mode {
            ModeOption::Ethernet => Framing::Ethernet,
            ModeOption::Ip => Framing::Ip,
        })
    }

    /// The socket for slaves at that address, whatever options for a master were given.
    pub(crate) fn slave_socket(&self, address: SocketAddress) -> SocketBuilder {
        self.control.slave_socket(address)
    }

    /// The same options with names for the program and the interface where none were given.
    pub(crate) fn with_names(&self, app_name: Name, name: Name) -> Self {
        let mut options = self.clone();
        options.control.app_name.get_or_insert(app_name);
        options.name.get_or_insert(name);
        options
    }

    /// The same options for a master whose slave has these, too, so that they are the numbers of that one's queues.
    pub(crate) fn for_own_slave(&self) -> Self {
        Self { queues: self.queues.for_own_slave(), ..self.clone() }
    }

    /// The same options with that receive mode where none was given.
    pub(crate) fn with_rx_mode(&self, mode: RxMode) -> Self {
        let mut options = self.clone();
        options.rx_mode.get_or_insert(mode);
        options
    }

    /// The socket for interfaces of that role at that address. The calling thread enters the network namespace that the
    /// socket is in, where one is named: it, and the threads that it starts from then on, make their sockets there.
    pub(crate) fn socket(&self, address: SocketAddress, role: Role) -> Result<SocketBuilder, Error> {
        self.check_socket(&address, role)?;
        if let Some(namespace) = self.place()?.namespace {
            namespace::enter(&namespace)?;
        }
        Ok(self.control.socket(address))
    }

    /// The same for one of two ends that have these options: those for a master are for whichever is one.
    pub(crate) fn socket_of_end(&self, address: SocketAddress, role: Role) -> Result<SocketBuilder, Error> {
        if role == Role::Master {
            return self.socket(address, role);
        }
        if let Some(namespace) = self.place()?.namespace {
            namespace::enter(&namespace)?;
        }
        Ok(self.control.slave_socket(address))
    }

    /// The socket for interfaces of both roles at that address, as [`socket`](Self::socket) makes it.
    pub(crate) fn socket_of_both(&self, address: SocketAddress) -> Result<SocketBuilder, Error> {
        self.control.check(&address, Role::Master, [])?;
        if let Some(namespace) = self.place()?.namespace {
            namespace::enter(&namespace)?;
        }
        Ok(self.control.socket(address))
    }

    /// Whether the options of the socket make sense together.
    pub(crate) fn check_socket(&self, address: &SocketAddress, role: Role) -> Result<(), Error> {
        let more = [(self.require_sealed, "--require-sealed"), (self.queues.limits_slaves(), "--max-queues")];
        self.control.check(address, role, more)
    }

    /// Does what makes the socket, on a thread of its own where that enters another network namespace and the calling
    /// thread has something to do in its own.
    pub(crate) fn apart<T: Send>(&self, work: impl FnOnce() -> Result<T, Error> + Send) -> Result<T, Error> {
        if self.place()?.namespace.is_some() { namespace::apart(work) } else { work() }
    }

    /// The interface of that role and id, checked.
    pub(crate) fn interface(&self, role: Role, id: u32) -> Result<InterfaceConfig, Error> {
        let mode = match self.framing() {
            Framing::Ethernet => Mode::Ethernet,
            Framing::Ip => Mode::Ip,
        };
        let (rx_queues, tx_queues) = self.queues(role);
        if self.finds_rx_queues() && role == Role::Master {
            return Err(Error::Usage(
                "--rx-queues auto is for the slave, who brings the queues: give a number, or leave it out".to_owned(),
            ));
        }
        let mut config = InterfaceConfig::new(role, id)
            .mode(mode)
            .secret(self.secret()?)
            .rx_queues(rx_queues)
            .probe_rx_queues(self.finds_rx_queues().then_some(MOST_FOUND))
            .tx_queues(tx_queues)
            .rx_mode(self.rx_mode())
            .require_sealed(self.require_sealed)
            .limits(Limits::for_queues(rx_queues, tx_queues));
        config = self.memory.apply(config);
        if let Some(name) = self.name {
            config = config.name(name);
        }
        config.validate()?;
        Ok(config)
    }

    /// Receive and transmit queues: as many as a slave brings, and a master takes at most.
    pub(crate) fn queues(&self, role: Role) -> (u8, u8) {
        self.queues.queues(role)
    }

    /// Whether the receive queues are as many as a DPDK master transmits on.
    pub(crate) fn finds_rx_queues(&self) -> bool {
        self.queues.finds_rx_queues()
    }

    /// The larger of both numbers that were asked for, 1 where none was.
    pub(crate) fn queues_asked_for(&self) -> u8 {
        self.queues.queues_asked_for()
    }

    /// What is to be said of a link of this interface that has fewer queues than were asked for.
    pub(crate) fn shortfall(&self, role: Role, link: &Link) -> Option<String> {
        self.queues.shortfall(role, (link.rx.len(), link.tx.len()))
    }

    /// How receive queues learn of packets.
    pub(crate) fn rx_mode(&self) -> RxMode {
        self.rx_mode.unwrap_or_default()
    }

    /// What is to be said about so many threads of which each waits for packets, where there are fewer processors.
    pub(crate) fn too_many_polls(&self, threads: usize) -> Option<String> {
        let processors = thread::available_parallelism().map_or(1, NonZero::get);
        (self.rx_mode() == RxMode::Polling && threads > processors).then(|| {
            format!(
                "{threads} threads poll, each of which takes a processor, and this process may run on {processors}: they \
                 wait for each other; give --rx-mode adaptive or interrupt, or more processors"
            )
        })
    }

    /// Slots of each ring and bytes of each buffer asked for.
    pub(crate) fn ring(&self) -> (u32, u32) {
        self.memory.ring()
    }

    /// Whether the buffers lie on huge pages, the NUMA node of the memory, and whether it is made ahead.
    pub(crate) fn placement(&self) -> (bool, Option<u32>, bool) {
        self.memory.placement()
    }

    fn secret(&self) -> Result<Option<Secret>, Error> {
        let Some(file) = &self.secret_file else { return Ok(self.secret) };
        let content = fs::read(file).map_err(|source| Error::System {
            what: format!("cannot read the secret from {}", file.display()),
            advice: "give --secret-file a file that this user may read",
            source,
        })?;
        let line = content.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let secret = Secret::new(line)
            .map_err(|error| Error::Usage(format!("the first line of {} is no secret: {error}", file.display())))?;
        Ok(Some(secret))
    }
}

#[cfg(test)]
#[path = "interface_tests.rs"]
mod tests;
