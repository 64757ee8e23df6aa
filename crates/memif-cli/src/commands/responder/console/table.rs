//! The interfaces that commands make, change and show.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use memif::{Event, InterfaceKey, Role, RxMode, Side, SocketAddress};

use super::answer::{Answer, Report};
use super::command::MAX_INDEX;
use crate::endpoint::driver::Driver;
use crate::endpoint::metrics::{Metrics, Of};
use crate::endpoint::options::InterfaceOptions;
use crate::endpoint::report::InterfaceReport;
use crate::endpoint::responder::report::ResponderReport;
use crate::endpoint::responder::served::Served;
use crate::error::Error;
use crate::output::details::{DetailsReport, HEADING, More, Shown};
use crate::output::events::Reporter;
use crate::output::json::{DisconnectedReport, EventReport};
use crate::output::said::Told;
use crate::packet::{Addresses, Framing, Mac};

/// Said when the socket's thread has ended. The reason follows as an event.
const NOT_SERVED: &str = "the socket is not served any more";

/// All interfaces, by index.
#[derive(Debug)]
pub(crate) struct Table {
    driver: Driver,
    options: InterfaceOptions,
    address: SocketAddress,
    framing: Framing,
    entries: BTreeMap<u8, Entry>,
    reporter: Reporter,
    /// Whether it is told that nobody is there to connect to.
    verbose: bool,
    metrics: Metrics,
}

#[derive(Debug)]
struct Entry {
    key: InterfaceKey,
    role: Role,
    served: Served,
    up: bool,
    /// Why there is no link, and what to do.
    trouble: Option<String>,
}

impl Table {
    /// No interface yet, on a socket at that address.
    pub(crate) fn new(
        driver: Driver,
        options: InterfaceOptions,
        address: SocketAddress,
        verbose: bool,
        metrics: Metrics,
    ) -> Self {
        let framing = options.framing();
        let reporter = Reporter::new(address.clone());
        Self { driver, options, address, framing, entries: BTreeMap::new(), reporter, verbose, metrics }
    }

    /// Makes an interface. Gives what there is to say about it.
    ///
    /// # Errors
    /// Why it cannot be, and what to do.
    pub(crate) fn conn(&mut self, index: u8, role: Role) -> Result<Answer, String> {
        if self.entries.contains_key(&index) {
            let other = self.first_unused().map(|free| format!(", or take another index, as in conn {free}"));
            return Err(format!("interface {index} exists: del {index} first{}", other.unwrap_or_default()));
        }
        let config = self.options.interface(role, u32::from(index)).map_err(|error| error.to_string())?;
        let key = self
            .driver
            .with(move |socket| socket.add_interface(config))
            .ok_or(NOT_SERVED)?
            .map_err(|error| format!("conn {index}: {}", Error::from(error)))?;
        let ip = Ipv4Addr::new(192, 168, index.saturating_add(1), 2);
        let (mac, addresses) = (Mac::from_ip(ip.into()), Addresses::from_iter([IpAddr::V4(ip)]));
        let made = InterfaceReport::with_station(index.into(), role, &self.address, mac, &addresses);
        let counting = self.metrics.counting(Of::new(&self.address, index.into(), role));
        let served = Served::new(mac, addresses, self.framing.into(), counting);
        let up = false;
        self.entries.insert(index, Entry { key, role, served, up, trouble: None });
        let doubt = self.note_on_roles().or_else(|| Some(format!("note: {}", self.too_many_polls()?)));
        let answer = doubt.map_or_else(Answer::default, Answer::note);
        Ok(answer.and(made))
    }

    /// Deletes an interface. Gives what there is to say about it.
    ///
    /// # Errors
    /// That there is none.
    pub(crate) fn del(&mut self, index: u8) -> Result<Answer, String> {
        let key = self.entry(index)?.key;
        self.driver
            .with(move |socket| socket.remove_interface(key))
            .ok_or(NOT_SERVED)?
            .map_err(|error| format!("del {index}: {error}"))?;
        let Some(entry) = self.entries.remove(&index) else {
            return Ok(Answer::default());
        };
        let answer = if entry.up {
            let down = EventReport::Disconnected(DisconnectedReport {
                interface_id: index.into(),
                by: Side::Local.to_string(),
                reason: "deleted".to_owned(),
            });
            Answer::line(format!("INFO: memif disconnected! (interface {index}: deleted)")).and_event(Some(down))
        } else {
            Answer::default()
        };
        let tally = entry.served.finish();
        Ok(answer.and(ResponderReport::new(index.into(), &tally)))
    }

    /// Changes the IPv4 address of an interface, or its IPv6 address.
    ///
    /// # Errors
    /// That there is no such interface.
    pub(crate) fn ip_set(&mut self, index: u8, ip: IpAddr) -> Result<(), String> {
        self.entry(index)?.served.set_ip(ip);
        Ok(())
    }

    /// Changes how a receive queue learns of packets, now and on later links.
    ///
    /// # Errors
    /// That there is no such interface or queue.
    pub(crate) fn rx_mode(&mut self, index: u8, queue: u8, mode: RxMode) -> Result<(), String> {
        let entry = self.entry(index)?;
        let (key, role) = (entry.key, entry.role);
        let details = self
            .driver
            .with(move |socket| socket.details(key))
            .ok_or(NOT_SERVED)?
            .map_err(|error| format!("rx-mode {index}: {error}"))?;
        let queues = if details.link_up { details.rx.len() } else { usize::from(self.options.queues(role).0) };
        if usize::from(queue) >= queues {
            return Err(format!(
                "interface {index} has no receive queue {queue}: give {}",
                match queues.saturating_sub(1) {
                    0 => "0".to_owned(),
                    last => format!("0 to {last}"),
                }
            ));
        }
        self.entry(index)?.served.set_rx_mode(queue, mode);
        Ok(())
    }

    /// The details of all interfaces, and the first index without one.
    ///
    /// # Errors
    /// Why they cannot be had.
    pub(crate) fn show(&mut self) -> Result<Answer, String> {
        let keys: Vec<_> = self.entries.values().map(|entry| entry.key).collect();
        let all = self
            .driver
            .with(move |socket| keys.into_iter().map(|key| socket.details(key)).collect::<Vec<_>>())
            .ok_or(NOT_SERVED)?;
        let default = self.options.rx_mode();
        let mut text = HEADING.to_owned();
        let mut reports = Vec::new();
        for ((index, entry), details) in self.entries.iter_mut().zip(all) {
            let details = details.map_err(|error| format!("show: {error}"))?;
            let tally = entry.served.tally();
            let addresses = entry.served.addresses();
            let (ip, ip6) = (addresses.first4().unwrap_or(Ipv4Addr::UNSPECIFIED), addresses.first6());
            reports.push(Report::Details(Box::new(DetailsReport {
                ip6: ip6.map(|ip6| ip6.to_string()),
                last_reason: entry.trouble.clone().filter(|_| !details.link_up),
                ..DetailsReport::new(usize::from(*index), &details, Some(ip.to_string()))
            })));
            reports.push(ResponderReport::new(details.id, &tally).into());
            let mode = |queue: u8| entry.served.rx_mode(queue).unwrap_or(default);
            let more = More {
                ip6,
                rx_modes: details.rx.iter().map(|queue| mode(queue.index)).collect(),
                tally: tally.to_string(),
                trouble: entry.trouble.clone(),
            };
            let index = usize::from(*index);
            let shown = Shown { index, details: &details, ip, more: Some(more) };
            text += &format!("\n{shown}");
        }
        if let Some(free) = self.first_unused() {
            text += &format!("\ninterface index: {free}\n\tno connection");
        }
        Ok(Answer { text: Some(text + "\n"), reports, ..Answer::default() })
    }

    /// Takes an event. Gives what there is to say about it.
    pub(crate) fn handle(&mut self, event: Event) -> Answer {
        let name = |key| position(&self.entries, key).map(|index| format!("interface {index}")).unwrap_or_default();
        let id = |key| position(&self.entries, key).map_or(0, u32::from);
        let said = self.reporter.tell(&event, name, id);
        let for_programs = said.as_ref().and_then(|said| said.report.clone());
        let told = said.map(|said| self.inform(said)).unwrap_or_default();
        match event {
            Event::Connected { interface, mut link } => {
                let many = self.entries.len() > 1;
                let options = self.options.clone();
                let Some((index, entry)) = self.find(interface) else { return Answer::default() };
                let note = options.shortfall(entry.role, &link).map(|text| format!("note: interface {index}: {text}"));
                if let Err(error) = entry.served.link_up(&mut link, None) {
                    let reason = error.to_string();
                    // Its queues are gone: nobody would take packets from the link.
                    self.driver.with(move |socket| socket.disconnect(interface, "no resources"));
                    return Answer::note(format!("INFO: interface {index}: {reason}")).and_event(for_programs);
                }
                entry.up = true;
                entry.trouble = None;
                let which = if many { format!(" (interface {index})") } else { String::new() };
                let text = Some(format!("INFO: memif connected!{which}"));
                Answer { text, note, ..Answer::default() }.and_event(for_programs)
            }
            Event::Disconnected { interface, reason } => {
                let Some((index, entry)) = self.find(interface) else { return Answer::default() };
                entry.served.link_down();
                entry.up = false;
                entry.trouble = Some(reason.to_string());
                let line = format!("INFO: memif disconnected! (interface {index}: {reason})");
                Answer::line(line).and_event(for_programs)
            }
            Event::ConnectFailed { interface, .. } => {
                let cause = self.reporter.cause(&event);
                let Some((_, entry)) = self.find(interface) else { return Answer::default() };
                entry.trouble = cause;
                told
            }
            _ => told,
        }
    }

    /// A line as libmemif's example prints them. That nobody is there yet is no news to people who have just asked for
    /// it.
    fn inform(&self, said: Told) -> Answer {
        let text = (self.verbose || !said.nobody).then(|| format!("INFO: {}", said.line));
        Answer { text, ..Answer::default() }.and_event(said.report)
    }

    /// When there is something to say although nothing happens.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.reporter.due()
    }

    /// What is to be said by now although nothing happened.
    pub(crate) fn overdue(&mut self) -> Vec<Answer> {
        let said = self.reporter.overdue();
        said.into_iter().map(|said| self.inform(said)).collect()
    }

    /// What is still to be said at the end.
    pub(crate) fn finish(&mut self) -> Vec<Answer> {
        let said = self.reporter.finish();
        said.into_iter().map(|said| self.inform(said)).collect()
    }

    /// Closes all links and waits for the threads that served them. Gives the last counts.
    pub(crate) fn close(self) -> Vec<ResponderReport> {
        drop(self.driver);
        let last = self.entries.into_iter().map(|(index, entry)| {
            let tally = entry.served.finish();
            ResponderReport::new(index.into(), &tally)
        });
        last.collect()
    }

    /// A socket that this program listens on leads its slaves to itself, where no master has their ids.
    /// What is to be said of threads that poll, one for each interface.
    fn too_many_polls(&self) -> Option<String> {
        self.options.too_many_polls(self.entries.len())
    }

    fn note_on_roles(&self) -> Option<String> {
        let indices = |role| {
            let of_role = self.entries.iter().filter(move |(_, entry)| entry.role == role);
            of_role.map(|(index, _)| index.to_string()).collect::<Vec<_>>().join(", ")
        };
        let (slaves, masters) = (indices(Role::Slave), indices(Role::Master));
        (!slaves.is_empty() && !masters.is_empty()).then(|| {
            format!(
                "note: this program now listens on {} for its masters ({masters}), so its slaves ({slaves}) reach only \
                 itself there, and no master here has their ids: del the masters, or start memif responder \
                 --interactive a second time, and del the slaves here",
                self.address
            )
        })
    }

    fn first_unused(&self) -> Option<u8> {
        (0..=MAX_INDEX).find(|index| !self.entries.contains_key(index))
    }

    fn entry(&mut self, index: u8) -> Result<&mut Entry, String> {
        let known: Vec<_> = self.entries.keys().map(u8::to_string).collect();
        let there = match known.as_slice() {
            [] => "there is none yet".to_owned(),
            _ => format!("there is {}", known.join(", ")),
        };
        self.entries
            .get_mut(&index)
            .ok_or_else(|| format!("there is no interface {index} ({there}): make it with conn {index}"))
    }

    fn find(&mut self, key: InterfaceKey) -> Option<(u8, &mut Entry)> {
        let mut entries = self.entries.iter_mut();
        entries.find(|(_, entry)| entry.key == key).map(|(index, entry)| (*index, entry))
    }
}

fn position(entries: &BTreeMap<u8, Entry>, key: InterfaceKey) -> Option<u8> {
    entries.iter().find(|(_, entry)| entry.key == key).map(|(index, _)| *index)
}
