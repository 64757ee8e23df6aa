//! Options of `memif bench`, and what is to be done by them.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use memif::{Role, RxMode};

use super::cpus::{self, Cpus, Pinned};
use super::generator::Flow;
use super::link::Place;
use super::other::Order;
use super::report::{LinkReport, Report};
use super::{EXAMPLES, sink};
use crate::endpoint::options::EndpointOptions;
use crate::endpoint::values::{number, parse_seconds};
use crate::error::Error;
use crate::output::exit::STATUSES;
use crate::packet::numbered::{LAST, SHORTEST, Sizes};

/// How long the start is that is left out: this part of the time.
const WARM_UP: u32 = 10;
/// And not longer than this.
const LONGEST_WARM_UP: Duration = Duration::from_secs(1);

/// What is measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Work {
    /// One way, as fast as it goes, or at --rate
    #[default]
    Throughput,
    /// Round trips: one packet in flight, or at --rate
    Latency,
    /// The highest rate without loss
    Ndr,
    /// How long a link takes to come up and to go away
    Setup,
    /// Many interfaces on one socket
    Interfaces,
}

impl Work {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Work::Throughput => "throughput",
            Work::Latency => "latency",
            Work::Ndr => "ndr",
            Work::Setup => "setup",
            Work::Interfaces => "interfaces",
        }
    }
}

/// What this program is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Sends, and asks
    Generator,
    /// Receives and counts
    Sink,
    /// Sends back what comes
    Echo,
}

/// Options of `memif bench`.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = format!("{EXAMPLES}\n\n{STATUSES}"),
    mut_arg("id", |id| id.help("Number of the interface; with many the first one"))
)]
pub(crate) struct BenchOptions {
    /// What to measure
    #[arg(value_name = "WORK", value_enum, default_value_t)]
    work: Work,

    /// Be one end only; the other is another memif bench, or any other program [default: both]
    #[arg(long, value_enum)]
    part: Option<Part>,

    /// Both ends as threads of one process instead of two processes
    #[arg(long, conflicts_with = "part")]
    threads: bool,

    /// Seconds of each measurement, warm-up not counted [default: 3; ndr: 1 for each trial]
    #[arg(long, value_name = "SECONDS", value_parser = parse_time, allow_negative_numbers = true)]
    seconds: Option<Duration>,

    /// Bytes of each packet, 64 to 65535, or imix (64, 570 and 1518 as 7 to 4 to 1); several with commas [default: 64]
    #[arg(long, value_name = "BYTES|imix", value_delimiter = ',', allow_negative_numbers = true)]
    size: Vec<Sizes>,

    /// Packets that are sent or taken in one go, on each queue
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = number::<u32>(1, 512), allow_negative_numbers = true)]
    burst: u32,

    /// throughput, latency: packets per second, as in 250000, 250k or 1.5M. Latency counts from when a packet was due
    #[arg(long, value_name = "PPS", value_parser = parse_rate, allow_negative_numbers = true)]
    rate: Option<f64>,

    /// ndr: count what the peer sends back, and not what it takes
    #[arg(long = "return")]
    returns: bool,

    /// ndr: the loss that is allowed
    #[arg(long, value_name = "PERCENT", value_parser = parse_percent, default_value = "0", allow_negative_numbers = true)]
    loss: f64,

    /// interfaces: how many
    #[arg(long, value_name = "N", value_parser = number::<u32>(1, 100_000), allow_negative_numbers = true)]
    count: Option<u32>,

    /// With --part: wait for a link that goes down, and go on. What is lost meanwhile counts as lost
    #[arg(long)]
    reconnect: bool,

    /// --part generator: keep the link open for that time after the end; DPDK's counters read 0 once it is gone
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds, allow_negative_numbers = true)]
    linger: Option<Duration>,

    /// Processors: of the generator and of the other end [default: the first two], or of the only one [default: any]
    #[arg(long, value_name = "A,B")]
    cpus: Option<Cpus>,

    /// Draw what was measured into this file, as SVG
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,

    /// Seconds to wait for the link to come up, at first and with --reconnect, and for the first packet
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds, default_value = "10",
        allow_negative_numbers = true)]
    connect_timeout: Duration,

    /// For memif itself: what this process is to do
    #[arg(long, hide = true)]
    other_end: Option<Order>,

    #[command(flatten)]
    end: EndpointOptions,
}

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
    pub(crate) cpus: (usize, usize),
    /// Whether the processors hold. One end alone goes where the kernel puts it unless told: where the other
    /// one is, it does not know.
    pub(crate) pinned: bool,
    pub(crate) plot: Option<PathBuf>,
    pub(crate) order: Option<Order>,
}

impl Plan {
    /// What the options say.
    pub(crate) fn new(options: &BenchOptions) -> Result<Self, Error> {
        options.check()?;
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
            place: Place { interface, address, id: options.end.id, both, timeout: options.connect_timeout },
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
            cpus: cpus::choose(options.cpus.as_ref())?,
            pinned: both || options.cpus.is_some(),
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
        self.pinned.then(|| cpus::pin(self.cpus.0)).transpose()
    }

    /// Where a sink runs whose generator is ours.
    pub(crate) fn sink_cpu(&self) -> usize {
        self.cpus.1
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
        }
    }

    /// How a sink receives.
    pub(crate) fn catch(&self) -> sink::Catch {
        sink::Catch {
            burst: self.burst,
            mode: self.mode(),
            warm_up: self.warm_up(),
            time: self.time,
            patience: self.place.timeout,
            silence: (!self.place.both).then_some(self.place.timeout),
        }
    }

    /// The conditions of the measurement, for people and programs.
    pub(crate) fn conditions(&self) -> (String, Report) {
        let interface = &self.place.interface;
        let (ring, buffer) = interface.ring();
        // The slave's, or where that is another program the most that are taken.
        let foreign = !self.place.both && self.role == Role::Master;
        let queues = interface.queues(if foreign { Role::Master } else { Role::Slave }).0;
        let (huge_pages, numa_node, prefault) = interface.placement();
        let (one, other) = self.cpus;
        let (role, mode, burst) = (self.role, self.mode(), self.burst);
        let (part, ends, cpus) = match self.part {
            Some(part) => {
                let name = match part {
                    Part::Generator => "generator",
                    Part::Sink => "sink",
                    Part::Echo => "echo",
                };
                if self.pinned {
                    (name, format!("{name}, {role}, on processor {one}"), vec![one])
                } else {
                    (name, format!("{name}, {role}, on any processor"), Vec::new())
                }
            }
            None => {
                let how = if self.threads { "threads" } else { "processes" };
                let there = self.other_role();
                let ends = format!("{role} on processor {one} to {there} on {other}, two {how}");
                ("both", ends, vec![one, other])
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
            "{}: {ends}; {up_to}{queues} queue{plural} each way, rings of {ring} buffers of {buffer} bytes{placed}, {mode}, burst {burst}",
            self.work.name(),
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
        };
        (text, Report::Link(report))
    }
}

impl BenchOptions {
    /// Options that make no sense together.
    fn check(&self) -> Result<(), Error> {
        let name = self.work.name();
        let wrong = |text: String| Err(Error::Usage(text));
        if self.rate.is_some() && !matches!(self.work, Work::Throughput | Work::Latency) {
            return wrong(format!("--rate is for throughput and latency: leave it out for {name}"));
        }
        if self.rate.is_some() && matches!(self.part, Some(Part::Sink | Part::Echo)) {
            return wrong("--rate is the generator's: give it there".to_owned());
        }
        if (self.returns || self.loss > 0.0) && self.work != Work::Ndr {
            return wrong(format!("--return and --loss are for ndr: leave them out for {name}"));
        }
        if self.count.is_some() && self.work != Work::Interfaces {
            return wrong(format!("--count is for interfaces: leave it out for {name}"));
        }
        if !self.size.is_empty() && matches!(self.work, Work::Setup | Work::Interfaces) {
            return wrong(format!("{name} measures no packets of a size: leave --size out"));
        }
        if !self.size.is_empty() && matches!(self.part, Some(Part::Sink | Part::Echo)) {
            return wrong("the generator chooses the size: give --size there".to_owned());
        }
        self.check_link()?;
        match (self.part, self.work) {
            (Some(Part::Sink), Work::Latency | Work::Setup | Work::Interfaces) => {
                wrong(format!("a sink sends nothing back, which {name} needs: give --part echo"))
            }
            (Some(Part::Sink | Part::Echo), _) if self.plot.is_some() && self.part != Some(Part::Sink) => {
                wrong("an echo measures nothing: give --plot to the generator".to_owned())
            }
            (Some(Part::Generator), Work::Throughput) if self.plot.is_some() => {
                wrong("the sink measures: give --plot there".to_owned())
            }
            (Some(Part::Generator) | None, Work::Setup) if self.end.interface.role() == Role::Master => {
                wrong("setup is measured by the slave, who connects: leave --role out".to_owned())
            }
            (Some(_), _) if self.cpus.as_ref().is_some_and(|cpus| cpus.0.len() > 1) => {
                wrong("there is one end here: give --cpus one processor".to_owned())
            }
            _ => Ok(()),
        }
    }
}

impl BenchOptions {
    /// The same for options of how the link is kept.
    fn check_link(&self) -> Result<(), Error> {
        let name = self.work.name();
        let wrong = |text: String| Err(Error::Usage(text));
        if self.reconnect && self.part.is_none() {
            return wrong("--reconnect is for a link to another program: give --part".to_owned());
        }
        if self.reconnect && !matches!(self.work, Work::Throughput | Work::Latency) {
            return wrong(format!("--reconnect is for throughput and latency: leave it out for {name}"));
        }
        if self.linger.is_some() && self.part != Some(Part::Generator) {
            return wrong("--linger is for --part generator: leave it out here".to_owned());
        }
        if self.linger.is_some() && matches!(self.work, Work::Setup | Work::Interfaces) {
            return wrong(format!("{name} takes its links down itself: leave --linger out"));
        }
        Ok(())
    }
}

fn parse_time(text: &str) -> Result<Duration, String> {
    let time = parse_seconds(text)?;
    if time.is_zero() { Err("give more than 0 seconds".to_owned()) } else { Ok(time) }
}

/// Packets per second.
fn parse_rate(text: &str) -> Result<f64, String> {
    let (number, unit) = match text.char_indices().next_back() {
        Some((at, 'k' | 'K')) => (&text[..at], 1e3),
        Some((at, 'M' | 'm')) => (&text[..at], 1e6),
        _ => (text, 1.0),
    };
    let rate = number.parse::<f64>().ok().map(|number| number * unit);
    rate.filter(|rate| (1.0..=1e9).contains(rate))
        .ok_or_else(|| "give 1 to 1000M packets per second, as in 250000, 250k or 1.5M".to_owned())
}

fn parse_percent(text: &str) -> Result<f64, String> {
    let percent = text.parse::<f64>().ok().filter(|percent| (0.0..100.0).contains(percent));
    percent.ok_or_else(|| "give a percentage from 0 to less than 100, as in 0.1".to_owned())
}
