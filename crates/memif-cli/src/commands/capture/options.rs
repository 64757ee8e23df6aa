//! What is captured, and where.

use std::time::Duration;

use clap::Args;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use memif::{InterfaceConfig, Role, SocketAddress, SocketBuilder};
use memif_capture::filter::Filter;

use super::target::Target;
use super::tcpdump;
use crate::endpoint::address::{SocketPlace, parse_socket};
use crate::endpoint::filter::parse_filter;
use crate::endpoint::metrics::MetricsOptions;
use crate::endpoint::options::{EndpointOptions, InterfaceOptions};
use crate::endpoint::record::{Named, RecordOptions, link_type};
use crate::endpoint::values::{number, parse_id, parse_period};
use crate::error::Error;
use crate::output::exit::STATUSES;
use crate::output::speaks_json;
use crate::packet::Framing;

const EXAMPLES: &str = "\
Examples:
  memif capture
      connects to VPP at /run/vpp/memif.sock as interface 0 and prints a line for each packet
  memif capture -w link.pcapng tcp port 443
      writes packets of that port to a file, for Wireshark, tshark or tcpdump -r
  memif capture -w link.pcapng.zst --rotate-size 100M --files 10
      keeps the last ten files of 100 MiB
  memif capture -w - | tshark -r -
      shows them at once
  memif capture --attach 4711 icmp
      watches a link of process 4711, which does not notice
  memif capture --via /tmp/tap.sock -w link.pcapng
      between VPP and who connects to /tmp/tap.sock: passes all packets on, both ways, and writes them";

/// Options of interfaces of one's own, of which a link that is watched has none.
const NOT_WATCHED: [&str; 27] = [
    "via",
    "via_id",
    "via_role",
    "id",
    "socket",
    "role",
    "secret",
    "secret_file",
    "rx_mode",
    "name",
    "require_sealed",
    "queues",
    "rx_queues",
    "tx_queues",
    "max_queues",
    "ring_size",
    "buffer_size",
    "no_chains",
    "huge_pages",
    "numa_node",
    "prefault",
    "app_name",
    "retry_period",
    "socket_mode",
    "socket_owner",
    "socket_group",
    "allow_uid",
];

/// Adds a word to what is said of one of these beside `--attach`.
pub(crate) fn advise(error: &mut clap::Error) {
    const ADVICE: &str = "--attach watches a link that other programs have, and has no end of its own: leave out what \
                          is about one, or leave out --attach to be the end of another link";
    let names = |kind| match error.get(kind) {
        Some(ContextValue::String(name)) => name.starts_with("--attach"),
        Some(ContextValue::Strings(names)) => names.iter().any(|name| name.starts_with("--attach")),
        _ => false,
    };
    // Both are the same where it was given twice.
    if error.kind() == ErrorKind::ArgumentConflict && names(ContextKind::InvalidArg) != names(ContextKind::PriorArg) {
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![ADVICE.into()]));
    }
}

/// Options of `memif capture`.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = format!("{EXAMPLES}\n\n{STATUSES}"),
    mut_arg("write", |write| write.short('w')),
    mut_arg("snaplen", |snaplen| snaplen.short('s')),
    args = tcpdump::options(),
)]
pub(crate) struct CaptureOptions {
    /// Which packets, in a subset of pcap-filter(7), as in: tcp port 80 and host 10.0.0.1 [default: all]
    #[arg(value_name = "FILTER")]
    filter: Vec<String>,

    /// End after so many packets
    #[arg(short, long, value_name = "N", value_parser = number::<u64>(1, u64::MAX), allow_negative_numbers = true)]
    pub(super) count: Option<u64>,

    /// End after that time, in seconds or as in 10min
    #[arg(long, value_name = "TIME", value_parser = parse_period, allow_negative_numbers = true)]
    pub(super) seconds: Option<Duration>,

    /// Watch a link between other programs, which notice nothing: `memif links` lists all links of the host. Behind a
    /// / stands which queue, as 0, s2m (slave to master), m2s1 [default: all]
    #[arg(long, value_name = "PID[/QUEUE]|LINK", conflicts_with_all = NOT_WATCHED)]
    pub(super) attach: Option<Target>,

    /// Stand between the interface and another one at this socket, and pass all packets on, both ways
    #[arg(long, value_name = "PATH|@NAME", value_parser = parse_socket)]
    via: Option<SocketPlace>,

    /// With --via: number of the other interface [default: that of --id]
    #[arg(long, value_name = "N", requires = "via", value_parser = parse_id, allow_negative_numbers = true)]
    via_id: Option<u32>,

    /// With --via: role of the other interface [default: master, and slave where --role is master]
    #[arg(long, value_name = "slave|master", requires = "via")]
    via_role: Option<Role>,

    #[command(flatten)]
    pub(super) record: RecordOptions,

    #[command(flatten)]
    pub(super) metrics: MetricsOptions,

    #[command(flatten)]
    end: EndpointOptions,

    /// Nothing is said unless something goes wrong: whoever calls this takes every word for that.
    #[arg(skip)]
    pub(super) quiet: bool,
}

/// One end: an interface and its socket.
#[derive(Clone, Debug)]
pub(super) struct End {
    pub(super) interface: InterfaceOptions,
    pub(super) role: Role,
    pub(super) id: u32,
    pub(super) address: SocketAddress,
    /// Whether it is one of two.
    via: bool,
}

impl End {
    /// What it is called.
    pub(super) fn name(&self) -> String {
        format!("{} interface {} on {}", self.role, self.id, self.address)
    }

    /// The interface.
    pub(super) fn config(&self) -> Result<InterfaceConfig, Error> {
        self.interface.interface(self.role, self.id)
    }

    /// The socket, not opened yet. The calling thread enters the network namespace that it is in.
    pub(super) fn socket(&self) -> Result<SocketBuilder, Error> {
        if self.via {
            self.interface.socket_of_end(self.address.clone(), self.role)
        } else {
            self.interface.socket(self.address.clone(), self.role)
        }
    }
}

impl CaptureOptions {
    /// The first end, and the second where packets are passed on.
    pub(super) fn ends(&self) -> Result<Vec<End>, Error> {
        let (role, id, interface) = (self.end.role(), self.end.id, &self.end.interface);
        let first =
            End { interface: interface.clone(), role, id, address: self.end.address()?, via: self.via.is_some() };
        let Some(place) = &self.via else { return Ok(vec![first]) };
        let other = self.via_role.unwrap_or(match role {
            Role::Slave => Role::Master,
            Role::Master => Role::Slave,
        });
        let mut interface = interface.clone();
        interface.socket = Some(place.clone());
        let id = self.via_id.unwrap_or(id);
        if place.address == first.address {
            if (role, other) == (Role::Master, Role::Master) {
                return Err(Error::Usage("two masters need two sockets: name another one with --via".to_owned()));
            }
            if role != other || id == first.id {
                return Err(Error::Usage(format!(
                    "--via {} is the socket of the first interface, too: name another one, or give both the role slave \
                     and different numbers (--via-role slave --via-id N)",
                    place.address,
                )));
            }
        }
        // A master takes what its slave brings; the slave of the other end says how many that are here.
        let interface =
            if (role, other) == (Role::Slave, Role::Master) { interface.for_own_slave() } else { interface };
        let second = End { interface, role: other, id, address: place.address.clone(), via: true };
        Ok(vec![first, second])
    }

    /// Whether these options make sense together.
    pub(super) fn check(&self) -> Result<(), Error> {
        self.record.check()?;
        if self.record.takes_standard_output() && speaks_json() {
            return Err(Error::Usage("-w - and --json both want standard output: name a file".to_owned()));
        }
        Ok(())
    }

    /// The filter, as text and to be asked.
    pub(super) fn filter(&self, framing: Framing) -> Result<Option<(String, Filter)>, Error> {
        const ABOUT_FILE: &str = "packets come from an interface here: memif replay sends those of a file, tcpdump -r \
                                  shows them, and -w writes one; the words behind the options are a filter";
        parse_filter(&self.filter, link_type(framing), ABOUT_FILE)
    }

    /// What stands in the head of a file.
    pub(super) fn comment(&self, ends: &[End]) -> String {
        let ends: Vec<_> = ends.iter().map(End::name).collect();
        format!("memif capture: {}", ends.join(", via "))
    }

    /// What the interface is called in a file.
    pub(super) fn short_name(&self) -> String {
        format!("memif{}", self.end.id)
    }

    /// Whether not all packets are wanted.
    pub(super) fn has_filter(&self) -> bool {
        self.filter.iter().any(|word| !word.trim().is_empty())
    }

    /// What packets begin with.
    pub(super) fn framing(&self) -> Framing {
        self.end.framing()
    }

    /// The same, if it was said.
    pub(super) fn given_framing(&self) -> Option<Framing> {
        self.end.interface.given_framing()
    }
}

/// How the packets of that end are called.
pub(super) fn named<'n>(short_name: &'n str, description: &'n str) -> Named<'n> {
    Named { name: short_name, description }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::typed::typed;

    fn ends(arguments: &str) -> Result<Vec<String>, String> {
        let options = typed::<CaptureOptions>(arguments)?;
        options.check().map_err(|error| error.to_string())?;
        options.filter(options.framing()).map_err(|error| error.to_string())?;
        let ends = options.ends().map_err(|error| error.to_string())?;
        Ok(ends.iter().map(End::name).collect())
    }

    #[test]
    fn the_other_end_has_the_other_role() {
        for (arguments, names) in [
            ("--socket @a", &["slave interface 0 on @a"][..]),
            ("--socket @a --via @b", &["slave interface 0 on @a", "master interface 0 on @b"]),
            ("--socket @a --via @b --role master --id 3", &["master interface 3 on @a", "slave interface 3 on @b"]),
            (
                "--socket @a --via @a --via-role slave --via-id 1",
                &["slave interface 0 on @a", "slave interface 1 on @a"],
            ),
        ] {
            assert_eq!(ends(arguments).unwrap(), names, "{arguments}");
        }
    }

    #[test]
    fn every_option_used_wrongly_has_an_answer() {
        for (arguments, answer) in [
            ("--socket @a --via @a", "name another one"),
            ("--socket @a --via @a --via-role slave", "--via-id N"),
            ("--socket @a --role master --via @a --via-role master --via-id 1", "two sockets"),
            ("--via-id 1", "--via"),
            ("--count 0", "from 1 to"),
            ("--seconds 0", "give a time"),
            ("--snaplen 0", "from 1 to 262144"),
            ("--snaplen 262145", "from 1 to 262144"),
            ("--files 3", "--write"),
            ("-w x --files 3", "needs --rotate-size or --rotate-time"),
            ("-w - --rotate-size 1M", "standard output is one file"),
            ("-w x --rotate-size 1T", "as in 500k"),
            ("-w x --rotate-time 0", "give a time"),
            ("nonsense here", "column 1 of the filter"),
            ("-i eth0", "--socket and --id"),
            ("--interface eth0", "--socket and --id"),
            ("-nn tcp", "addresses and ports are numbers"),
            ("-r x.pcap", "memif replay FILE"),
            ("-w x -C 10", "--rotate-size"),
            ("-w x -G60", "--rotate-time"),
            ("-w x -W 3", "--files"),
            ("-e", "memif capture -w - | tcpdump -r -"),
            ("-f tcp", "memif capture tcp port 80"),
            ("Cargo.toml", "Cargo.toml is a file, and packets come from an interface here"),
            ("-w x --rotate-time 5m", "5min"),
        ] {
            let error = ends(arguments).unwrap_err();
            assert!(error.contains(answer), "{arguments}: {error}");
        }
    }
}
