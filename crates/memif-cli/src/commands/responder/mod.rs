//! `memif responder`: answers ARP, neighbour solicitations and echo requests on any number of interfaces of one socket.

mod console;
mod unread;

use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::ControlFlow;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, FromArgMatches};
use memif::{Event, InterfaceKey};

use crate::endpoint::options::InterfaceOptions;
use crate::endpoint::report::InterfaceReport;
use crate::endpoint::responder::report::ResponderReport;
use crate::endpoint::responder::served::Served;
use crate::endpoint::signals::Stop;
use crate::endpoint::socket::{Endpoint, Happening, Inbox};
use crate::endpoint::values::{parse_host, parse_host6, parse_id};
use crate::error::Error;
use crate::output::exit::{Outcome, STATUSES};
use crate::output::said::Told;
use crate::output::{report, say, so_far, warn};
use crate::packet::{Mac, Station};

const EXAMPLES: &str = "\
Examples:
  memif responder
      takes commands: conn 0 connects to VPP at /run/vpp/memif.sock, help lists the others
  memif responder --id 0
      connects to VPP at /run/vpp/memif.sock as interface 0 and answers for 192.168.1.2
  memif responder --role master --socket @lab --ip 10.0.0.1
      listens on an abstract socket
  memif responder --id 0 --ip 10.0.0.1 --id 1 --ip 10.0.1.1
      two interfaces on one socket";

/// Options of `memif responder`.
#[derive(Args, Clone, Debug)]
#[command(after_help = format!("{EXAMPLES}\n\n{STATUSES}"))]
pub(crate) struct ResponderOptions {
    // First: reading any other field takes its values away.
    #[command(flatten)]
    given: Given,

    /// Number that pairs this interface with one of the peer; may be repeated, with --ip for each
    #[arg(
        long,
        value_name = "N",
        help_heading = "Interface",
        value_parser = parse_id,
        default_value = "0",
        allow_negative_numbers = true
    )]
    id: Vec<u32>,

    /// The IPv4 address to answer for [default: 192.168.1.2, for further interfaces 192.168.2.2 and so on]
    #[arg(long, value_name = "A.B.C.D", value_parser = parse_host)]
    ip: Vec<Ipv4Addr>,

    /// The IPv6 address to answer for, too [default: none]
    #[arg(long, value_name = "ADDRESS", value_parser = parse_host6)]
    ip6: Vec<Ipv6Addr>,

    /// The ethernet address to answer with [default: 02:fe and the bytes of the IPv4 address]
    #[arg(long, value_name = "MAC")]
    mac: Vec<Mac>,

    /// Take commands (help lists them), which make the interfaces. So it is without any interface option, too
    #[arg(long, conflicts_with_all = ["id", "ip", "ip6", "mac", "role"])]
    interactive: bool,

    #[command(flatten)]
    interface: InterfaceOptions,
}

/// Whether an option of an interface stands on the command line.
#[derive(Clone, Copy, Debug)]
struct Given(bool);

impl FromArgMatches for Given {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let known = ResponderOptions::augment_args(clap::Command::new("responder"));
        let typed = |arg: &clap::Arg| matches.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine);
        Ok(Self(known.get_arguments().any(typed)))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for Given {
    fn augment_args(command: clap::Command) -> clap::Command {
        command
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        command
    }
}

impl ResponderOptions {
    /// The address of each interface, by id in the order given.
    fn stations(&self) -> Result<Vec<(u32, Station, Option<Ipv6Addr>)>, Error> {
        for (at, id) in self.id.iter().enumerate() {
            if self.id[..at].contains(id) {
                return Err(Error::Usage(format!("--id {id} is given twice: give each interface an id of its own")));
            }
        }
        for (given, option) in [(self.ip.len(), "--ip"), (self.ip6.len(), "--ip6"), (self.mac.len(), "--mac")] {
            if given != 0 && given != self.id.len() {
                return Err(Error::Usage(format!(
                    "{} --id and {given} {option}: give one {option} for each --id, or none",
                    self.id.len(),
                )));
            }
        }
        if self.ip.is_empty() && self.id.len() > 254 {
            return Err(Error::Usage(
                "there are default addresses for 254 interfaces: give --ip for \
                 each --id"
                    .to_owned(),
            ));
        }
        let ip = |at: usize, third| self.ip.get(at).copied().unwrap_or_else(|| Ipv4Addr::new(192, 168, third, 2));
        let mac = |at: usize, ip| self.mac.get(at).copied().unwrap_or_else(|| Mac::from_ip(ip));
        let numbered = self.id.iter().enumerate().zip((1_u8..=u8::MAX).cycle());
        Ok(numbered
            .map(|((at, id), third)| {
                let ip = ip(at, third);
                (*id, Station { mac: mac(at, ip), ip }, self.ip6.get(at).copied())
            })
            .collect())
    }
}

/// Runs the responder: with commands where no interface was asked for, else until a signal ends it.
pub(crate) fn run(options: &ResponderOptions, verbose: bool) -> Result<Outcome, Error> {
    if options.interactive || !options.given.0 { console::run(&options.interface, verbose) } else { serve(options) }
}

/// How an interface is called in lines about it.
struct Named {
    id: u32,
    served: Served,
}

impl Named {
    fn name(&self) -> String {
        match self.served.ip6() {
            None => format!("interface {} ({})", self.id, self.served.ip()),
            Some(ip6) => format!("interface {} ({}, {ip6})", self.id, self.served.ip()),
        }
    }
}

fn serve(options: &ResponderOptions) -> Result<Outcome, Error> {
    let stations = options.stations()?;
    let role = options.interface.role();
    let framing = options.interface.framing();
    let address = options.interface.address()?;
    let mut configs = Vec::new();
    for (id, ..) in &stations {
        configs.push(options.interface.interface(role, *id)?);
    }
    let inbox = Inbox::new();
    let stop = Stop::listen(inbox.sender())?;
    let mut socket = options.interface.socket(address.clone(), role)?.open()?;
    let mut served = HashMap::new();
    let mut order = Vec::new();
    for ((id, own, ip6), config) in stations.into_iter().zip(configs) {
        let key = socket.add_interface(config)?;
        served.insert(key, Named { id, served: Served::new(own, ip6, framing) });
        order.push(key);
    }
    if let Some(doubt) = options.interface.too_many_polls(order.len()) {
        warn(format_args!("{doubt}"));
    }
    unread::watch();
    let mut endpoint = Endpoint::start(socket, address.clone(), inbox, Told::say)?;
    for key in &order {
        if let Some(interface) = served.get(key) {
            say(format_args!("{}: {role} on {address}", interface.name()))?;
            let (station, ip6) = (interface.served.station(), interface.served.ip6());
            let made = InterfaceReport::with_station(interface.id, role, &address, station, ip6);
            report(&made)?;
        }
    }

    let ended = endpoint.serve_and_tell(&stop, |endpoint, happening| {
        let event = match happening {
            Happening::Event(event) => event,
            Happening::Asked => {
                for key in &order {
                    let Some(interface) = served.get_mut(key) else { continue };
                    let tally = interface.served.tally();
                    so_far(format_args!("{}: {tally}", interface.name()), &ResponderReport::new(interface.id, &tally))?;
                }
                return Ok(ControlFlow::Continue(()));
            }
        };
        let name = |key: InterfaceKey| served.get(&key).map(Named::name).unwrap_or_default();
        let id = |key: InterfaceKey| served.get(&key).map_or(0, |interface| interface.id);
        let told = endpoint.teller().note(&event, name, id);
        endpoint.teller().say(told.as_ref())?;
        match event {
            Event::Connected { interface: key, link } => {
                if let Some(interface) = served.get_mut(&key)
                    && let Err(error) = interface.served.link_up(link)
                {
                    endpoint.give_up(key, &interface.name(), &error);
                }
            }
            Event::Disconnected { interface, .. } => {
                if let Some(interface) = served.get_mut(&interface) {
                    interface.served.link_down();
                }
            }
            _ => {}
        }
        Ok(ControlFlow::Continue(()))
    });

    // Closing the links ends the threads that serve them. What was counted is told however it ended.
    endpoint.close();
    for key in &order {
        if let Some(interface) = served.remove(key) {
            let (id, name) = (interface.id, interface.name());
            let tally = interface.served.finish();
            say(format_args!("{name}: {tally}"))?;
            report(&ResponderReport::new(id, &tally))?;
        }
    }
    ended?.map_or(Ok(Outcome::Success), |error| Err(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::typed::typed;

    fn stations(arguments: &str) -> Result<Vec<(u32, Station, Option<Ipv6Addr>)>, String> {
        typed::<ResponderOptions>(arguments)?.stations().map_err(|error| error.to_string())
    }

    #[test]
    fn without_options_the_seed_address_is_served() {
        let served = stations("").unwrap();
        let ip = Ipv4Addr::new(192, 168, 1, 2);
        assert_eq!(served, [(0, Station { mac: Mac::from_ip(ip), ip }, None)]);
    }

    #[test]
    fn ids_and_addresses_pair_up() {
        let served = stations("--id 4 --ip 10.0.0.4 --id 5 --ip 10.0.0.5").unwrap();
        let seen: Vec<_> = served.iter().map(|(id, own, _)| (*id, own.ip.to_string())).collect();
        assert_eq!(seen, [(4, "10.0.0.4".to_owned()), (5, "10.0.0.5".to_owned())]);
        let served = stations("--id 4 --id 5").unwrap();
        assert_eq!(served[1].1.ip, Ipv4Addr::new(192, 168, 2, 2));
    }

    #[test]
    fn any_option_of_an_interface_asks_for_one() {
        let given = |arguments: &str| typed::<ResponderOptions>(arguments).unwrap().given.0;
        assert!(!given(""));
        for arguments in ["--id 0", "--ip 192.168.1.2", "--mode ethernet", "--role slave", "--socket @x"] {
            assert!(given(arguments), "{arguments}");
        }
    }

    #[test]
    fn what_does_not_pair_up_is_refused() {
        for (arguments, answer) in [
            ("--id 1 --id 1", "--id 1 is given twice"),
            ("--id 1 --id 2 --ip 10.0.0.1", "one --ip for each --id"),
            ("--ip 10.0.0.1 --ip 10.0.0.2", "one --ip for each --id"),
            ("--ip6 fd00::1 --ip6 fd00::2", "one --ip6 for each --id"),
            ("--ip6 ff02::1", "not the address of one host"),
            ("--interactive --ip 10.0.0.1", "cannot be used with"),
            ("--interactive --role master", "cannot be used with"),
            ("--mac 02:00:00:00:00:01 --mac 02:00:00:00:00:02", "one --mac for each --id"),
            ("--ip 224.0.0.1", "not the address of one host"),
            ("--mac 01:00:00:00:00:01", "group address"),
            ("--id -1", "from 0 to 4294967295"),
            ("--id x", "give a whole number from 0 to 4294967295"),
            ("--id 4294967296", "from 0 to 4294967295"),
        ] {
            let error = stations(arguments).unwrap_err();
            assert!(error.contains(answer), "{arguments}: {error}");
        }
    }
}
