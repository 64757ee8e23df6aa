//! What is to be done by the options.

use std::path::PathBuf;
use std::time::Duration;

use memif::{Role, RxMode};

use super::cpus::{self, Pinned};
use super::generator::Flow;
use super::options::{BenchOptions, Part, Work};
use super::order::Order;
use super::place::Place;
use super::report::{self, LinkReport};
use super::sink;
use crate::endpoint::metrics::Metrics;
use crate::error::Error;
use crate::packet::numbered::{LAST, SHORTEST, Sizes};

/// How long the start is that is left out: this part of the time.
const WARM_UP: u32 = 10;
/// And not longer than this.
const LONGEST_WARM_UP: Duration = Duration::from_secs(1);

/// The options, checked.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) work: Work,
    pub(crate) part: Option<Part>,
    pub(crate) place: Place,
    /// Of the generator; of this end where it is the only one.
    pub(crate) role: Role,
    pub(crate) threads: bool,
    pub(crate) sizes: Vec<Sizes>,
    pub(crate) burst: usize,
    pub(crate) rate: Option<f64>,
    pub(crate) returns: bool,
    /// A part, not a percentage.
    pub(crate) loss: f64,
    pub(crate) count: u32,
    pub(crate) reconnect: bool,
    pub(crate) linger: Option<Duration>,
    pub(crate) time: Duration,
    pub(crate) cpus: (Vec<usize>, Vec<usize>),
    /// Whether the processors hold. One end alone goes where the kernel puts it unless told: where the other
    /// one is, it does not know.
    pub(crate) pinned: bool,
    /// Both directions at once.
    pub(crate) duplex: bool,
    pub(crate) thread_per_queue: bool,
    /// Whether the first link is waited for without end, as an echo does that was not told how long.
    pub(crate) patient: bool,
    pub(crate) repeat: u32,
    pub(crate) interval: Option<Duration>,
    pub(crate) plot: Option<PathBuf>,
    pub(crate) order: Option<Order>,
}

impl Plan {
    /// What the options say.
    pub(crate) fn new(options: &BenchOptions, metrics: &Metrics) -> Result<Self, Error> {
        options.check()?;
        let metrics = metrics.clone();
        let interface = options.end.interface.with_rx_mode(RxMode::Polling);
        let both = options.part.is_none();
        let address = match &options.end.interface.socket {
            None if both => format!("@memif-bench-{}", std::process::id()).parse()?,
            _ => interface.address()?,
        };
        let default_seconds = if options.work == Work::Ndr { 1 } else { 3 };
        let sizes = match options.size.as_slice() {
            [] => vec![Sizes::Fixed(SHORTEST)],
            sizes => sizes.to_vec(),
        };
        let plan = Self {
            work: options.work,
            part: options.part,
            role: interface.role(),
            place: Place {
                interface,
                address,
                id: options.end.id,
                both,
                timeout: options.wait.connect_timeout(),
                metrics,
            },
            threads: options.threads,
            sizes,
            burst: usize::try_from(options.burst).unwrap_or(1),
            rate: options.rate,
            returns: options.returns,
            loss: options.loss / 100.0,
            count: options.count.unwrap_or(1000),
            reconnect: options.reconnect,
            linger: options.linger,
            time: options.seconds.unwrap_or(Duration::from_secs(default_seconds)),
            cpus: cpus::choose(options.cpus.as_ref(), options.thread_per_queue)?,
            pinned: both || options.cpus.is_some(),
            duplex: options.duplex,
            thread_per_queue: options.thread_per_queue,
            patient: options.part == Some(Part::Echo) && options.wait.given().is_none(),
            repeat: options.repeat,
            interval: options.interval,
            plot: options.plot.clone(),
            order: options.other_end.clone(),
        };
        plan.check_interfaces()?;
        Ok(plan)
    }

    /// The longest packets must fit the rings that we make; the error names what to change.
    fn check_interfaces(&self) -> Result<(), Error> {
        let longest = self.sizes.iter().map(|sizes| sizes.longest()).max().unwrap_or(0).max(LAST);
        let longest = u32::try_from(longest).unwrap_or(u32::MAX);
        for role in [Role::Slave, Role::Master] {
            if !self.place.both && role != self.role {
                continue;
            }
            let config = self.place.config(role, self.place.id)?;
            if role == Role::Slave {
                config.max_packet(longest).validate()?;
            }
            let _checked = self.place.socket(role)?;
        }
        Ok(())
    }

    /// The role of the other end.
    pub(crate) fn other_role(&self) -> Role {
        match self.role {
            Role::Slave => Role::Master,
            Role::Master => Role::Slave,
        }
    }

    /// Keeps the calling thread on the first processor, where that is to be.
    pub(crate) fn pin(&self) -> Result<Option<Pinned>, Error> {
        cpus::pin_first(self.own_cpus())
    }

    /// Processors of the first end; none where it may run anywhere.
    pub(crate) fn own_cpus(&self) -> &[usize] {
        if self.pinned { &self.cpus.0 } else { &[] }
    }

    /// Threads of the generator and of the other end.
    pub(crate) fn threads_of_ends(&self) -> (usize, usize) {
        if !self.thread_per_queue {
            return (1, 1);
        }
        let (rx, tx) = self.place.interface.queues(Role::Slave);
        let queues = usize::from(if self.role == Role::Slave { tx } else { rx });
        (queues, queues)
    }

    pub(crate) fn mode(&self) -> RxMode {
        self.place.interface.rx_mode()
    }

    /// What is left out at the start.
    pub(crate) fn warm_up(&self) -> Duration {
        (self.time / WARM_UP).min(LONGEST_WARM_UP)
    }

    /// Packets of the first size for the time, after the warm-up.
    pub(crate) fn flow(&self) -> Flow {
        Flow {
            framing: self.place.interface.framing(),
            sizes: self.sizes.first().copied().unwrap_or(Sizes::Fixed(SHORTEST)),
            burst: self.burst,
            time: self.warm_up() + self.time,
            rate: self.rate,
            so_far: report::sent_so_far,
        }
    }

    /// How long nothing may come before whoever sends is given up: longer than a packet takes to be due.
    fn silence(&self) -> Duration {
        let due = self.rate.map_or(Duration::ZERO, |rate| Duration::from_secs_f64(3.0 / rate));
        self.place.timeout.max(due)
    }

    /// How a sink receives.
    pub(crate) fn catch(&self) -> sink::Catch {
        sink::Catch {
            burst: self.burst,
            mode: self.mode(),
            warm_up: self.warm_up(),
            time: self.time,
            patience: self.place.timeout,
            silence: self.silence(),
            from: if self.part.is_some() { self.other_role() } else { self.role },
            so_far: report::received_so_far,
        }
    }

    /// The conditions of the measurement, for people and programs.
    pub(crate) fn conditions(&self) -> (String, LinkReport) {
        let interface = &self.place.interface;
        let (ring, buffer) = interface.ring();
        // The slave's, or where that is another program the most that are taken.
        let foreign = !self.place.both && self.role == Role::Master;
        let queues = interface.queues(if foreign { Role::Master } else { Role::Slave }).0;
        let (huge_pages, numa_node, prefault) = interface.placement();
        let (one, other) = (named(&self.cpus.0), named(&self.cpus.1));
        let (role, mode, burst) = (self.role, self.mode(), self.burst);
        let (part, ends, cpus) = match self.part {
            Some(part) => {
                let name = match part {
                    Part::Generator => "generator",
                    Part::Sink => "sink",
                    Part::Echo => "echo",
                };
                if self.pinned {
                    (name, format!("{name}, {role}, on {one}"), self.cpus.0.clone())
                } else {
                    (name, format!("{name}, {role}, on any processor"), Vec::new())
                }
            }
            None => {
                let how = if self.threads { "threads" } else { "processes" };
                let there = self.other_role();
                let other = other.strip_prefix("processor ").unwrap_or(&other);
                let ways = if self.duplex { "and" } else { "to" };
                let ends = format!("{role} on {one} {ways} {there} on {other}, two {how}");
                ("both", ends, [self.cpus.0.as_slice(), &self.cpus.1].concat())
            }
        };
        let up_to = if foreign { "up to " } else { "" };
        let plural = if queues == 1 { "" } else { "s" };
        let placed = [
            huge_pages.then(|| " on huge pages".to_owned()),
            numa_node.map(|node| format!(" on NUMA node {node}")),
            prefault.then(|| " made ahead".to_owned()),
        ];
        let placed: String = placed.into_iter().flatten().collect();
        let text = format!(
            "{}: {ends}; {up_to}{queues} queue{plural} each way, rings of {ring} buffers of {buffer} bytes{placed}, {mode}, burst {burst}{}{}",
            self.work.name(),
            if self.duplex { ", both directions at once" } else { "" },
            if self.thread_per_queue { ", a thread for each queue" } else { "" },
        );
        let report = LinkReport {
            work: self.work.name(),
            part,
            role: role.to_string(),
            rx_mode: mode.to_string(),
            ring_size_slots: ring,
            buffer_size_bytes: buffer,
            huge_pages,
            numa_node,
            prefault,
            queues,
            burst_packets: burst,
            cpus,
            threads: self.threads,
            duplex: self.duplex,
            thread_per_queue: self.thread_per_queue,
        };
        (text, report)
    }
}

/// Processors, in words.
fn named(cpus: &[usize]) -> String {
    let list: Vec<_> = cpus.iter().map(usize::to_string).collect();
    let plural = if cpus.len() == 1 { "" } else { "s" };
    format!("processor{plural} {}", list.join(","))
}
