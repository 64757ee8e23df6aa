//! The options that describe an interface and its socket: the same for every subcommand.

use std::fs;
use std::num::NonZero;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use clap::{Args, ValueEnum};
use memif::{
    InterfaceConfig, Limits, MAX_QUEUES, Mode, Name, Role, RxMode, Secret, Socket, SocketAddress, SocketBuilder,
};

use crate::endpoint::address::{default_socket, parse_socket};
use crate::endpoint::values::{number, parse_group, parse_id, parse_mode, parse_seconds, parse_user};
use crate::error::Error;
use crate::packet::Framing;

/// Queues each way that a master takes from its slave when nothing else is said.
const MASTERS_QUEUES: u8 = 32;

/// What a packet on the link starts with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum ModeOption {
    #[default]
    Ethernet,
    Ip,
}

/// Receive queues as they are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RxQueues {
    Number(u8),
    /// As many as a DPDK master transmits on.
    Auto,
}

/// The most receive queues that are tried when their number is to be found out.
const MOST_FOUND: u8 = 32;

fn parse_rx_queues(text: &str) -> Result<RxQueues, String> {
    if text == "auto" {
        return Ok(RxQueues::Auto);
    }
    number(1, 255)(text).map(RxQueues::Number).map_err(|error| format!("{error}, or auto"))
}

/// Options of one interface: its number, and what it is like. A subcommand in which the number means more says so with
/// `#[command(mut_arg("id", ...))]`.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Interface")]
pub(crate) struct EndpointOptions {
    /// Number that pairs this interface with one of the peer
    #[arg(long, value_name = "N", value_parser = parse_id, default_value_t = 0, allow_negative_numbers = true)]
    pub(crate) id: u32,

    #[command(flatten)]
    pub(crate) interface: InterfaceOptions,
}

/// How long a link is waited for. A subcommand says with `mut_arg`, too, for what else it waits so long.
#[derive(Args, Clone, Debug)]
pub(crate) struct WaitOptions {
    /// Seconds to wait for the link to come up, and to come back
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds, default_value = "10",
        allow_negative_numbers = true)]
    pub(crate) connect_timeout: Duration,
}

impl EndpointOptions {
    /// The role, slave when none was given.
    pub(crate) fn role(&self) -> Role {
        self.interface.role()
    }

    /// The address of the socket.
    pub(crate) fn address(&self) -> Result<SocketAddress, Error> {
        self.interface.address()
    }

    /// What packets start with.
    pub(crate) fn framing(&self) -> Framing {
        self.interface.framing()
    }

    /// The socket, not opened yet.
    pub(crate) fn socket(&self) -> Result<SocketBuilder, Error> {
        self.interface.socket(self.address()?, self.role())
    }

    /// The interface, checked.
    pub(crate) fn config(&self) -> Result<InterfaceConfig, Error> {
        self.interface.interface(self.role(), self.id)
    }
}

/// Options of the interface, but for its number, and of the socket.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Interface")]
pub(crate) struct InterfaceOptions {
    /// The socket: a path, or @NAME (as VPP writes it: abstract:NAME) for an abstract one [default: that of
    /// MEMIF_SOCKET in the environment, or /run/vpp/memif.sock; demo, bench with both ends: an abstract name of its
    /// own]
    #[arg(long, value_name = "PATH|@NAME", value_parser = parse_socket)]
    pub(crate) socket: Option<SocketAddress>,

    /// slave (or client): connects and brings the memory; master (or server): listens [default: slave]
    #[arg(long, value_name = "slave|master")]
    pub(crate) role: Option<Role>,

    /// The secret that the master demands. It shows in the list of processes: --secret-file does not
    #[arg(long, value_name = "SECRET", conflicts_with = "secret_file")]
    secret: Option<Secret>,

    /// A file whose first line is the secret
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,

    /// What packets start with: an ethernet header or an IPv4 header; both ends must agree
    #[arg(long, value_enum, default_value_t)]
    mode: ModeOption,

    /// Queues in each direction: as many are brought by a slave, and taken at most by a master
    #[arg(long, value_name = "N", value_parser = number::<u8>(1, 255), allow_negative_numbers = true,
        conflicts_with_all = ["rx_queues", "tx_queues"])]
    queues: Option<u8>,

    /// Receive queues, likewise [default: 1; master: what the slave brings, up to --max-queues]. auto, as slave:
    /// towards DPDK and OVS as many as the master transmits on, up to 32, and one towards others
    #[arg(long, value_name = "N|auto", value_parser = parse_rx_queues, allow_negative_numbers = true)]
    rx_queues: Option<RxQueues>,

    /// Transmit queues, likewise
    #[arg(long, value_name = "N", value_parser = number::<u8>(1, 255), allow_negative_numbers = true)]
    tx_queues: Option<u8>,

    /// Master: the most queues in each direction that a slave may bring; all that it brings are served [default: 32]
    #[arg(long, value_name = "N", value_parser = number::<u8>(1, 255), allow_negative_numbers = true,
        conflicts_with_all = ["queues", "rx_queues", "tx_queues"])]
    max_queues: Option<u8>,

    /// Slots of each ring, a power of two up to 16384; the slave's choice counts
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = number::<u32>(1, 16384), allow_negative_numbers = true)]
    ring_size: u32,

    /// Bytes of each buffer; longer packets are chained. Towards DPDK not above its own buffer size
    #[arg(long, value_name = "BYTES", default_value_t = 2048, value_parser = number::<u32>(1, 65535), allow_negative_numbers = true)]
    buffer_size: u32,

    /// Slave: put the buffers on huge pages of 2 MiB, which must be reserved (sysctl vm.nr_hugepages)
    #[arg(long)]
    huge_pages: bool,

    /// Slave: take the memory from this NUMA node
    #[arg(long, value_name = "N", value_parser = number::<u32>(0, 1023), allow_negative_numbers = true)]
    numa_node: Option<u32>,

    /// Make and map all memory before the link comes up, not as packets first come to it
    #[arg(long)]
    prefault: bool,

    /// How packets are waited for: polling (takes a core), interrupt, or adaptive [default: adaptive; bench: polling]
    #[arg(long, value_name = "polling|interrupt|adaptive")]
    rx_mode: Option<RxMode>,

    /// The interface name that the peer is told [default: memif and the id]
    #[arg(long, value_name = "IFNAME")]
    name: Option<Name>,

    /// The program name that the peer is told [default: memif and its version]
    #[arg(long, value_name = "NAME")]
    app_name: Option<Name>,

    /// Master: permissions of the socket file, octal
    #[arg(long, value_name = "MODE", value_parser = parse_mode)]
    socket_mode: Option<u32>,

    /// Master: group of the socket file, by name or number
    #[arg(long, value_name = "GROUP", value_parser = parse_group)]
    socket_group: Option<u32>,

    /// Master: serve only this user, by name or number; may be repeated
    #[arg(long, value_name = "USER", value_parser = parse_user)]
    allow_uid: Vec<u32>,

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
        self.socket.clone().map_or_else(default_socket, Ok)
    }

    /// What packets start with.
    pub(crate) fn framing(&self) -> Framing {
        match self.mode {
            ModeOption::Ethernet => Framing::Ethernet,
            ModeOption::Ip => Framing::Ip,
        }
    }

    /// The socket for slaves at that address, whatever options for a master were given.
    pub(crate) fn slave_socket(&self, address: SocketAddress) -> SocketBuilder {
        let default = || Name::lossy(concat!("memif ", env!("CARGO_PKG_VERSION")).as_bytes());
        Socket::builder(address).app_name(self.app_name.unwrap_or_else(default))
    }

    /// The same options with names for the program and the interface where none were given.
    pub(crate) fn with_names(&self, app_name: Name, name: Name) -> Self {
        let mut options = self.clone();
        options.app_name.get_or_insert(app_name);
        options.name.get_or_insert(name);
        options
    }

    /// The same options for a master whose slave has these, too, so that they are the numbers of that one's queues.
    pub(crate) fn for_own_slave(&self) -> Self {
        let unsaid = (None, None, None);
        let mut options = self.clone();
        (options.queues, options.rx_queues, options.tx_queues) = unsaid;
        options.max_queues = Some(MAX_QUEUES);
        options
    }

    /// The same options with that receive mode where none was given.
    pub(crate) fn with_rx_mode(&self, mode: RxMode) -> Self {
        let mut options = self.clone();
        options.rx_mode.get_or_insert(mode);
        options
    }

    /// The socket for interfaces of that role at that address.
    pub(crate) fn socket(&self, address: SocketAddress, role: Role) -> Result<SocketBuilder, Error> {
        self.check_master_options(&address, role)?;
        let mut builder = self.slave_socket(address);
        if let Some(mode) = self.socket_mode {
            builder = builder.file_mode(mode);
        }
        if let Some(group) = self.socket_group {
            builder = builder.group(group);
        }
        for uid in &self.allow_uid {
            builder = builder.allow_uid(*uid);
        }
        Ok(builder)
    }

    /// The interface of that role and id, checked.
    pub(crate) fn interface(&self, role: Role, id: u32) -> Result<InterfaceConfig, Error> {
        let mode = match self.mode {
            ModeOption::Ethernet => Mode::Ethernet,
            ModeOption::Ip => Mode::Ip,
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
            .ring_size(self.ring_size)
            .buffer_size(self.buffer_size)
            .rx_mode(self.rx_mode())
            .huge_pages(self.huge_pages)
            .numa_node(self.numa_node)
            .prefault(self.prefault)
            .require_sealed(self.require_sealed)
            .limits(Limits::for_queues(rx_queues, tx_queues));
        if let Some(name) = self.name {
            config = config.name(name);
        }
        config.validate()?;
        Ok(config)
    }

    /// Receive and transmit queues: as many as a slave brings, and a master takes at most.
    pub(crate) fn queues(&self, role: Role) -> (u8, u8) {
        let unsaid = match role {
            Role::Slave => 1,
            Role::Master => self.max_queues.unwrap_or(MASTERS_QUEUES),
        };
        let queues = |own: Option<u8>| own.or(self.queues).unwrap_or(unsaid);
        (queues(self.rx_queues_asked_for()), queues(self.tx_queues))
    }

    /// Whether the receive queues are as many as a DPDK master transmits on.
    pub(crate) fn finds_rx_queues(&self) -> bool {
        self.rx_queues == Some(RxQueues::Auto)
    }

    fn rx_queues_asked_for(&self) -> Option<u8> {
        match self.rx_queues? {
            RxQueues::Number(number) => Some(number),
            RxQueues::Auto => None,
        }
    }

    /// The larger of both numbers that were asked for, 1 where none was.
    pub(crate) fn queues_asked_for(&self) -> u8 {
        let asked = [self.queues, self.rx_queues_asked_for(), self.tx_queues, self.max_queues];
        asked.into_iter().flatten().max().unwrap_or(1)
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
        (self.ring_size, self.buffer_size)
    }

    /// Whether the buffers lie on huge pages, the NUMA node of the memory, and whether it is made ahead.
    pub(crate) fn placement(&self) -> (bool, Option<u32>, bool) {
        (self.huge_pages, self.numa_node, self.prefault)
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

    /// Settings of a listener make no sense without one.
    fn check_master_options(&self, address: &SocketAddress, role: Role) -> Result<(), Error> {
        let file = [(self.socket_mode.is_some(), "--socket-mode"), (self.socket_group.is_some(), "--socket-group")];
        let peers = [
            (!self.allow_uid.is_empty(), "--allow-uid"),
            (self.require_sealed, "--require-sealed"),
            (self.max_queues.is_some(), "--max-queues"),
        ];
        let given = |options: &[(bool, &'static str)]| options.iter().find_map(|(given, name)| given.then_some(*name));
        let abstract_name = matches!(address, SocketAddress::Abstract(_));
        if let (Role::Slave, Some(name)) = (role, given(&file).or(given(&peers))) {
            return Err(Error::Usage(format!(
                "{name} is for the master, who makes the socket: add --role master, or leave {name} out"
            )));
        }
        if let (true, Some(name)) = (abstract_name, given(&file)) {
            return Err(Error::Usage(format!(
                "{name} sets permissions of a file, which the abstract name {address} has not: give a path \
                 as --socket, or leave {name} out and use --allow-uid"
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::typed::typed;

    fn options(arguments: &str) -> Result<InterfaceOptions, String> {
        typed(arguments)
    }

    #[test]
    fn defaults_are_those_of_every_peer() {
        let options = options("").unwrap();
        assert_eq!(options.role(), Role::Slave);
        assert_eq!(options.address().unwrap(), SocketAddress::default());
        assert_eq!(options.framing(), Framing::Ethernet);
        let config = options.interface(Role::Slave, 3).unwrap();
        assert_eq!((config.role(), config.id()), (Role::Slave, 3));
    }

    #[test]
    fn a_master_takes_up_to_32_queues_and_a_slave_brings_one() {
        for (arguments, slave, master, asked) in [
            ("", (1, 1), (32, 32), 1),
            ("--max-queues 255", (1, 1), (255, 255), 255),
            ("--queues 3", (3, 3), (3, 3), 3),
            ("--rx-queues 2", (2, 1), (2, 32), 2),
            ("--rx-queues 2 --tx-queues 5", (2, 5), (2, 5), 5),
        ] {
            let options = options(arguments).unwrap();
            assert_eq!(options.queues(Role::Slave), slave, "{arguments}");
            assert_eq!(options.queues(Role::Master), master, "{arguments}");
            assert_eq!(options.queues_asked_for(), asked, "{arguments}");
            assert_eq!(options.for_own_slave().queues(Role::Master), (255, 255));
        }
    }

    #[test]
    fn both_names_of_a_role_and_both_kinds_of_address_are_taken() {
        for (text, role) in
            [("slave", Role::Slave), ("client", Role::Slave), ("master", Role::Master), ("server", Role::Master)]
        {
            assert_eq!(options(&format!("--role {text}")).unwrap().role(), role);
        }
        let address = options("--socket @name").unwrap().address().unwrap();
        assert_eq!(address, SocketAddress::Abstract(b"name".to_vec()));
    }

    #[test]
    fn every_option_used_wrongly_has_an_answer() {
        for (arguments, answer) in [
            ("--role boss", "master (or server) or slave (or client)"),
            ("--mode token-ring", "[possible values: ethernet, ip]"),
            ("--rx-mode busy", "polling, interrupt or adaptive"),
            ("--queues 0", "give a whole number from 1 to 255"),
            ("--queues x", "give a whole number from 1 to 255"),
            ("--ring-size x", "from 1 to 16384"),
            ("--buffer-size 0", "from 1 to 65535"),
            ("--queues 256", "from 1 to 255"),
            ("--rx-queues all", "from 1 to 255, or auto"),
            ("--rx-queues 256", "from 1 to 255, or auto"),
            ("--tx-queues auto", "from 1 to 255"),
            ("--rx-queues auto --queues 2", "cannot be used with"),
            ("--queues 2 --rx-queues 1", "cannot be used with"),
            ("--max-queues 0", "from 1 to 255"),
            ("--max-queues 256", "from 1 to 255"),
            ("--max-queues 2 --queues 1", "cannot be used with"),
            ("--max-queues 2 --tx-queues 1", "cannot be used with"),
            ("--secret this-secret-is-too-long-to-fit", "1 to 23 bytes"),
            ("--secret a --secret-file b", "cannot be used with"),
            ("--numa-node x", "from 0 to 1023"),
            ("--numa-node 1024", "from 0 to 1023"),
            ("--name a-name-of-more-than-thirty-one-bytes", "at most 31 bytes"),
            ("--socket-mode 888", "octal"),
            ("--socket-mode 1777", "octal"),
            ("--socket-group no-such-group-here", "no such group"),
            ("--allow-uid no-such-user-here", "no such user"),
        ] {
            let error = options(arguments).unwrap_err();
            assert!(error.contains(answer), "{arguments}: {error}");
        }
    }

    #[test]
    fn receive_queues_are_found_by_a_slave() {
        let options = options("--rx-queues auto --tx-queues 3").unwrap();
        assert_eq!(options.queues(Role::Slave), (1, 3));
        assert!(options.finds_rx_queues());
        assert!(options.interface(Role::Slave, 0).is_ok());
        let error = options.interface(Role::Master, 0).unwrap_err().to_string();
        assert!(error.contains("--rx-queues auto is for the slave"), "{error}");
    }

    #[test]
    fn options_of_a_listener_need_one() {
        let path: SocketAddress = "/tmp/x".parse().unwrap();
        let name: SocketAddress = "@x".parse().unwrap();
        for arguments in
            ["--socket-mode 660", "--socket-group 0", "--allow-uid 0", "--require-sealed", "--max-queues 2"]
        {
            let options = options(arguments).unwrap();
            let error = options.socket(path.clone(), Role::Slave).unwrap_err().to_string();
            assert!(error.contains("--role master"), "{error}");
            assert!(options.socket(path.clone(), Role::Master).is_ok());
        }
        let error = options("--socket-mode 660").unwrap().socket(name, Role::Master).unwrap_err();
        assert!(error.to_string().contains("abstract name @x"), "{error}");
    }

    #[test]
    fn settings_that_cannot_be_name_themselves() {
        let error = |arguments| options(arguments).unwrap().interface(Role::Slave, 0).unwrap_err().to_string();
        assert!(error("--ring-size 1000").contains("ring size 1000"));
        assert!(error("--secret-file /no/such/file").contains("--secret-file"));
        assert!(error("--numa-node 1023").contains("NUMA node 1023"));
    }
}
