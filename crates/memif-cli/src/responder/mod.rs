//! `memif responder`: answers ARP and ICMP echo on any number of interfaces of one socket.

pub(crate) mod engine;
pub(crate) mod tally;
pub(crate) mod worker;

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::mpsc;
use std::thread::JoinHandle;

use clap::Args;
use memif::{Event, InterfaceKey};

use crate::events::Reporter;
use crate::exit::{Error, Outcome, STATUSES};
use crate::json::{InterfaceReport, Report, ResponderReport};
use crate::link::{Driver, Notice};
use crate::net::{Mac, Station};
use crate::options::{InterfaceOptions, parse_host};
use crate::output::{report, say};
use crate::signals::Stop;
use engine::Responder;
use tally::Tally;

const EXAMPLES: &str = "\
Examples:
  memif responder
      connects to VPP at /run/vpp/memif.sock as interface 0 and answers for 192.168.1.2
  memif responder --role master --socket @lab --ip 10.0.0.1
      listens on an abstract socket
  memif responder --id 0 --ip 10.0.0.1 --id 1 --ip 10.0.1.1
      two interfaces on one socket";

/// Options of `memif responder`.
#[derive(Args, Clone, Debug)]
#[command(after_help = format!("{EXAMPLES}\n\n{STATUSES}"))]
pub(crate) struct ResponderOptions {
    /// Number that pairs this interface with one of the peer; may be repeated, with --ip for each
    #[arg(
        long,
        value_name = "N",
        help_heading = "Interface",
        default_value = "0",
        allow_negative_numbers = true
    )]
    id: Vec<u32>,

    /// The IPv4 address to answer for [default: 192.168.1.2, for further interfaces 192.168.2.2 and so on]
    #[arg(long, value_name = "A.B.C.D", value_parser = parse_host)]
    ip: Vec<Ipv4Addr>,

    /// The ethernet address to answer with [default: 02:fe and the bytes of the IPv4 address]
    #[arg(long, value_name = "MAC")]
    mac: Vec<Mac>,

    #[command(flatten)]
    interface: InterfaceOptions,
}

impl ResponderOptions {
    /// The address of each interface, by id in the order given.
    fn stations(&self) -> Result<Vec<(u32, Station)>, Error> {
        for (at, id) in self.id.iter().enumerate() {
            if self.id[..at].contains(id) {
                return Err(Error::Usage(format!(
                    "--id {id} is given twice: give each interface an id of its own"
                )));
            }
        }
        for (given, option) in [(self.ip.len(), "--ip"), (self.mac.len(), "--mac")] {
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
        let ip = |at: usize, third| {
            self.ip.get(at).copied().unwrap_or_else(|| Ipv4Addr::new(192, 168, third, 2))
        };
        let mac = |at: usize, ip| self.mac.get(at).copied().unwrap_or_else(|| Mac::from_ip(ip));
        let numbered = self.id.iter().enumerate().zip((1_u8..=u8::MAX).cycle());
        Ok(numbered
            .map(|((at, id), third)| {
                let ip = ip(at, third);
                (*id, Station { mac: mac(at, ip), ip })
            })
            .collect())
    }
}

/// An interface that is answered for.
struct Served {
    id: u32,
    own: Station,
    worker: Option<JoinHandle<Tally>>,
    tally: Tally,
}

impl Served {
    /// Waits for the thread of a link that is down, and takes its counts.
    fn retire_worker(&mut self) {
        if let Some(worker) = self.worker.take() {
            // A panic there was reported by the thread itself; its counts are lost with it.
            self.tally += worker.join().unwrap_or_default();
        }
    }

    fn name(&self) -> String {
        format!("interface {} ({})", self.id, self.own.ip)
    }
}

/// Runs the responder until a signal ends it.
pub(crate) fn run(options: &ResponderOptions) -> Result<Outcome, Error> {
    let stations = options.stations()?;
    let role = options.interface.role();
    let framing = options.interface.framing();
    let address = options.interface.address()?;
    let mut configs = Vec::new();
    for (id, _) in &stations {
        configs.push(options.interface.interface(role, *id)?);
    }
    let (sender, notices) = mpsc::channel();
    let stop = Stop::listen(sender.clone())?;
    let mut socket = options.interface.socket(address.clone(), role)?.open()?;
    let mut served = HashMap::new();
    let mut order = Vec::new();
    for ((id, own), config) in stations.into_iter().zip(configs) {
        let key = socket.add_interface(config)?;
        served.insert(key, Served { id, own, worker: None, tally: Tally::default() });
        order.push(key);
    }
    let driver = Driver::start(socket, sender)?;
    for key in &order {
        if let Some(interface) = served.get(key) {
            say(format_args!("{}: {role} on {address}", interface.name()))?;
            let made = InterfaceReport::with_station(interface.id, role, &address, interface.own);
            report(&Report::Interface(made))?;
        }
    }

    let mut reporter = Reporter::new(address);
    let mut result = Ok(());
    while !stop.is_requested() {
        let event = match notices.recv() {
            Ok(Notice::Event(event)) => event,
            Ok(Notice::Failed(error)) => {
                result = Err(error.into());
                break;
            }
            Ok(Notice::Signal) | Err(_) => break,
        };
        let name = |key: InterfaceKey| served.get(&key).map(Served::name).unwrap_or_default();
        let line = reporter.line(&event, name);
        let id = |key: InterfaceKey| served.get(&key).map_or(0, |interface| interface.id);
        let for_programs = reporter.report(&event, id);
        match event {
            Event::Connected { interface, link } => {
                if let Some(interface) = served.get_mut(&interface) {
                    interface.retire_worker();
                    let responder = Responder::new(interface.own, framing);
                    interface.worker = Some(worker::start(link, responder)?);
                }
            }
            Event::Disconnected { interface, .. } => {
                if let Some(interface) = served.get_mut(&interface) {
                    interface.retire_worker();
                }
            }
            _ => {}
        }
        if let Some(line) = line {
            say(format_args!("{line}"))?;
            report(for_programs.as_ref())?;
        }
    }

    // Closing the links ends the threads that serve them.
    drop(driver);
    for key in &order {
        if let Some(interface) = served.get_mut(key) {
            interface.retire_worker();
            say(format_args!("{}: {}", interface.name(), interface.tally))?;
            let counts = ResponderReport::new(interface.id, &interface.tally);
            report(&Report::ResponderStatistics(counts))?;
        }
    }
    result.map(|()| Outcome::Success)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Test {
        #[command(flatten)]
        options: ResponderOptions,
    }

    fn stations(arguments: &str) -> Result<Vec<(u32, Station)>, String> {
        let arguments = ["memif"].into_iter().chain(arguments.split_whitespace());
        let test = Test::try_parse_from(arguments).map_err(|error| error.to_string())?;
        test.options.stations().map_err(|error| error.to_string())
    }

    #[test]
    fn without_options_the_seed_address_is_served() {
        let served = stations("").unwrap();
        let ip = Ipv4Addr::new(192, 168, 1, 2);
        assert_eq!(served, [(0, Station { mac: Mac::from_ip(ip), ip })]);
    }

    #[test]
    fn ids_and_addresses_pair_up() {
        let served = stations("--id 4 --ip 10.0.0.4 --id 5 --ip 10.0.0.5").unwrap();
        let seen: Vec<_> = served.iter().map(|(id, own)| (*id, own.ip.to_string())).collect();
        assert_eq!(seen, [(4, "10.0.0.4".to_owned()), (5, "10.0.0.5".to_owned())]);
        let served = stations("--id 4 --id 5").unwrap();
        assert_eq!(served[1].1.ip, Ipv4Addr::new(192, 168, 2, 2));
    }

    #[test]
    fn what_does_not_pair_up_is_refused() {
        for (arguments, answer) in [
            ("--id 1 --id 1", "--id 1 is given twice"),
            ("--id 1 --id 2 --ip 10.0.0.1", "one --ip for each --id"),
            ("--ip 10.0.0.1 --ip 10.0.0.2", "one --ip for each --id"),
            ("--mac 02:00:00:00:00:01 --mac 02:00:00:00:00:02", "one --mac for each --id"),
            ("--ip 224.0.0.1", "not the address of one host"),
            ("--mac 01:00:00:00:00:01", "group address"),
            ("--id -1", "-1 is not in 0..=4294967295"),
            ("--id 4294967296", "4294967296"),
        ] {
            let error = stations(arguments).unwrap_err();
            assert!(error.contains(answer), "{arguments}: {error}");
        }
    }
}
