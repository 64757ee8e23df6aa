//! `memif responder`: answers ARP, neighbour solicitations and echo requests on any number of interfaces of one socket.

mod console;
mod stations;
mod unread;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::ops::ControlFlow;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, FromArgMatches};
use memif::{Event, InterfaceKey};

use crate::endpoint::metrics::{MetricsOptions, Of};
use crate::endpoint::options::InterfaceOptions;
use crate::endpoint::record::{self, Named as Recorded, RecordOptions, Recording};
use crate::endpoint::report::InterfaceReport;
use crate::endpoint::responder::report::ResponderReport;
use crate::endpoint::responder::served::Served;
use crate::endpoint::signals::Stop;
use crate::endpoint::socket::{Endpoint, Happening, Inbox};
use crate::endpoint::values::{parse_any_host, parse_host6, parse_id};
use crate::endpoint::vlan::VlanOption;
use crate::error::Error;
use crate::output::exit::{Outcome, STATUSES};
use crate::output::said::Told;
use crate::output::{report, say, so_far, warn};
use crate::packet::Mac;
use stations::{Station, Word, stations, words};

const EXAMPLES: &str = "\
Examples:
  memif responder
      takes commands: conn 0 connects to VPP at /run/vpp/memif.sock, help lists the others
  memif responder --id 0
      connects to VPP at /run/vpp/memif.sock as interface 0 and answers for 192.168.1.2
  memif responder --role master --socket @lab --ip 10.0.0.1
      listens on an abstract socket
  memif responder --id 0 --ip 10.0.0.1 --ip fd00::1 --id 1 --ip 10.0.1.1
      two interfaces on one socket, the first with two addresses";

const VLAN: &str =
    "On all interfaces: send with the tag of this VLAN (802.1Q), and take nothing but what has it: 1 to 4094";

/// Options of `memif responder`.
#[derive(Args, Clone, Debug)]
#[command(after_help = format!("{EXAMPLES}\n\n{STATUSES}"), mut_arg("vlan", |vlan| vlan.help(VLAN)))]
pub(crate) struct ResponderOptions {
    // First: reading any other field takes its values away.
    #[command(flatten)]
    given: Given,

    /// Number that pairs this interface with one of the peer; may be repeated, each before its --ip
    #[arg(
        long,
        value_name = "N",
        help_heading = "Interface",
        value_parser = parse_id,
        default_value = "0",
        allow_negative_numbers = true
    )]
    id: Vec<u32>,

    /// An address to answer for, IPv4 or IPv6; may be repeated [default: 192.168.1.2, for further interfaces
    /// 192.168.2.2 and so on]
    #[arg(long, value_name = "ADDRESS", value_parser = parse_any_host)]
    ip: Vec<IpAddr>,

    /// An IPv6 address to answer for beside the default IPv4 address; may be repeated
    #[arg(long, value_name = "ADDRESS", value_parser = parse_host6)]
    ip6: Vec<Ipv6Addr>,

    /// The ethernet address to answer with [default: 02:fe and the last four bytes of the first address]
    #[arg(long, value_name = "MAC")]
    mac: Vec<Mac>,

    #[command(flatten)]
    vlan: VlanOption,

    /// Take commands (help lists them), which make the interfaces. So it is without any interface option, too
    #[arg(long, conflicts_with_all = ["id", "ip", "ip6", "mac", "role", "write"])]
    interactive: bool,

    #[command(flatten)]
    record: RecordOptions,

    #[command(flatten)]
    metrics: MetricsOptions,

    #[command(flatten)]
    interface: InterfaceOptions,
}

/// What stands on the command line.
#[derive(Clone, Debug)]
struct Given {
    /// Whether there is an option of an interface.
    any: bool,
    /// Those that are repeated.
    words: Vec<Word>,
}

fn is_typed(matches: &ArgMatches, arg: &clap::Arg) -> bool {
    matches.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine)
}

impl FromArgMatches for Given {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let known = ResponderOptions::augment_args(clap::Command::new("responder"));
        // Metrics may be read of the interfaces that commands make, too.
        let typed = |arg: &clap::Arg| arg.get_id() != MetricsOptions::NAME && is_typed(matches, arg);
        Ok(Self { any: known.get_arguments().any(typed), words: words(matches) })
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

/// Runs the responder: with commands where no interface was asked for, else until a signal ends it.
pub(crate) fn run(options: &ResponderOptions, verbose: bool) -> Result<Outcome, Error> {
    if options.interactive || !options.given.any {
        console::run(&options.interface, &options.metrics, verbose)
    } else {
        serve(options)
    }
}

/// How an interface is called in lines about it.
struct Named {
    id: u32,
    served: Served,
}

impl Named {
    fn name(&self) -> String {
        format!("interface {} ({})", self.id, self.served.addresses())
    }
}

fn serve(options: &ResponderOptions) -> Result<Outcome, Error> {
    let stations = stations(&options.given.words)?;
    let role = options.interface.role();
    let encapsulation = options.vlan.encapsulation(options.interface.framing())?;
    let address = options.interface.address()?;
    let mut configs = Vec::new();
    for station in &stations {
        configs.push(options.interface.interface(role, station.id)?);
    }
    let comment = format!("memif responder: {role} on {address}");
    let recording = Recording::beside(&options.record, options.interface.framing(), comment)?;
    let inbox = Inbox::new();
    // Whoever waits for the metrics may then send signals.
    let stop = Stop::listen(inbox.sender())?;
    let serving = options.metrics.serve("responder")?;
    let metrics = serving.metrics();
    record::count(recording.as_ref(), metrics);
    let vlan = encapsulation.vlan().map(|vlan| format!(", VLAN {vlan}")).unwrap_or_default();
    let mut socket = options.interface.socket(address.clone(), role)?.open()?;
    let mut served = HashMap::new();
    let mut order = Vec::new();
    for (Station { id, mac, addresses }, config) in stations.into_iter().zip(configs) {
        let key = socket.add_interface(config)?;
        let counting = metrics.counting(Of::new(&address, id, role));
        served.insert(key, Named { id, served: Served::new(mac, addresses, encapsulation, counting) });
        order.push(key);
    }
    if let Some(doubt) = options.interface.too_many_polls(order.len()) {
        warn(format_args!("{doubt}"));
    }
    unread::watch();
    let mut endpoint = Endpoint::start(socket, address.clone(), inbox, Told::say, metrics)?;
    for key in &order {
        if let Some(interface) = served.get(key) {
            say(format_args!("{}: {role} on {address}{vlan}", interface.name()))?;
            let (mac, addresses) = (interface.served.mac(), interface.served.addresses());
            let made = InterfaceReport::with_station(interface.id, role, &address, mac, addresses);
            report(&made)?;
        }
    }

    let ended = endpoint.serve(&stop, |endpoint, happening| {
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
            Event::Connected { interface: key, mut link } => {
                let Some(interface) = served.get_mut(&key) else { return Ok(ControlFlow::Continue(())) };
                if let Some(shortfall) = options.interface.shortfall(role, &link) {
                    warn(format_args!("{}: {shortfall}", interface.name()));
                }
                let tap = recording.as_ref().map(|recording| {
                    let (name, description) = (format!("memif{}", interface.id), interface.name());
                    let queues = (link.rx.len(), link.tx.len());
                    recording.view().tap(&Recorded { name: &name, description: &description }, queues)
                });
                if let Err(error) = interface.served.link_up(&mut link, tap) {
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
    recording.map_or(Ok(()), Recording::finish)?;
    ended?.map_or(Ok(Outcome::Success), |error| Err(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::typed::typed;

    fn asked(arguments: &str) -> Result<Vec<Station>, String> {
        stations(&typed::<ResponderOptions>(arguments)?.given.words).map_err(|error| error.to_string())
    }

    /// Each interface with its addresses.
    fn seen(arguments: &str) -> Vec<String> {
        let stations = asked(arguments).unwrap_or_else(|error| panic!("{arguments}: {error}"));
        stations.iter().map(|station| format!("{}: {}", station.id, station.addresses)).collect()
    }

    #[test]
    fn without_options_the_seed_address_is_served() {
        let ip: IpAddr = [192, 168, 1, 2].into();
        let station = Station { id: 0, mac: Mac::from_ip(ip), addresses: [ip].into_iter().collect() };
        assert_eq!(asked("").unwrap(), [station]);
    }

    #[test]
    fn ids_and_addresses_pair_up() {
        for (arguments, wanted) in [
            ("--id 4 --ip 10.0.0.4 --id 5 --ip 10.0.0.5", &["4: 10.0.0.4", "5: 10.0.0.5"][..]),
            ("--id 4 --id 5 --ip 10.0.0.4 --ip 10.0.0.5", &["4: 10.0.0.4", "5: 10.0.0.5"]),
            ("--ip 10.0.0.4 --id 4 --ip 10.0.0.5 --id 5", &["4: 10.0.0.4", "5: 10.0.0.5"]),
            ("--id 4 --id 5", &["4: 192.168.1.2", "5: 192.168.2.2"]),
            ("--ip 10.0.0.1 --ip fd00::1 --ip 10.0.0.2", &["0: 10.0.0.1, 10.0.0.2, fd00::1"]),
            ("--ip fd00::1", &["0: fd00::1"]),
            ("--ip6 fd00::1 --ip6 fd00::2", &["0: 192.168.1.2, fd00::1, fd00::2"]),
            ("--id 4 --ip 10.0.0.4 --ip fd00::4 --id 5", &["4: 10.0.0.4, fd00::4", "5: 192.168.2.2"]),
            (
                "--id 4 --id 5 --ip 10.0.0.5 --id 6 --ip6 fd00::6",
                &["4: 192.168.1.2", "5: 10.0.0.5", "6: 192.168.3.2, fd00::6"],
            ),
        ] {
            assert_eq!(seen(arguments), wanted, "{arguments}");
        }
        let macs = asked("--id 4 --mac 02:00:00:00:00:04 --id 5 --ip fd00::1:2").unwrap();
        let macs: Vec<_> = macs.iter().map(|station| station.mac.to_string()).collect();
        assert_eq!(macs, ["02:00:00:00:00:04", "02:fe:00:01:00:02"]);
    }

    #[test]
    fn any_option_of_an_interface_asks_for_one() {
        let given = |arguments: &str| typed::<ResponderOptions>(arguments).unwrap().given.any;
        assert!(!given(""));
        for arguments in ["--id 0", "--ip 192.168.1.2", "--mode ethernet", "--role slave", "--socket @x"] {
            assert!(given(arguments), "{arguments}");
        }
    }

    #[test]
    fn what_does_not_pair_up_is_refused() {
        for (arguments, answer) in [
            ("--id 1 --id 1", "--id 1 is given twice"),
            ("--id 1 --id 2 --ip 10.0.0.1", "give each --ip after the --id that it is for"),
            ("--id 1 --id 2 --ip6 fd00::1", "give each --ip6 after the --id that it is for"),
            ("--ip 10.0.0.1 --ip 10.0.0.1", "10.0.0.1 twice"),
            ("--ip fd00::1 --ip6 fd00::1", "fd00::1 twice"),
            ("--vlan 0", "from 1 to 4094"),
            ("--vlan 4095", "from 1 to 4094"),
            ("--ip6 ff02::1", "not the address of one host"),
            ("--interactive --ip 10.0.0.1", "cannot be used with"),
            ("--interactive --role master", "cannot be used with"),
            ("--mac 02:00:00:00:00:01 --mac 02:00:00:00:00:02", "give each interface one"),
            ("--ip 224.0.0.1", "not the address of one host"),
            ("--mac 01:00:00:00:00:01", "group address"),
            ("--id -1", "from 0 to 4294967295"),
            ("--id x", "give a whole number from 0 to 4294967295"),
            ("--id 4294967296", "from 0 to 4294967295"),
        ] {
            let error = asked(arguments).unwrap_err();
            assert!(error.contains(answer), "{arguments}: {error}");
        }
    }
}
