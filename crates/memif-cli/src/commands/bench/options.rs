//! Options of `memif bench`, and which of them go together.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use memif::{Role, RxMode};

use super::cpus::Cpus;
use super::order::Order;
use crate::endpoint::metrics::MetricsOptions;
use crate::endpoint::options::{EndpointOptions, WaitOptions};
use crate::endpoint::values::{number, parse_seconds};
use crate::error::Error;
use crate::output::exit::STATUSES;
use crate::output::plot::parse_file;
use crate::packet::numbered::Sizes;
use crate::units::decimal;

/// What is waited for so long.
const PATIENCE: &str = "Seconds to wait for the link to come up, at first and with --reconnect, and for the first packet [default: 10; echo: \
     without end, and what is given is for the first link]";

const EXAMPLES: &str = "\
Examples:
  memif bench
      one way from slave to master, two processes on two processors, packets of 64 bytes
  memif bench throughput --size 64,512,1500,9000,imix --plot rates.svg
      the same with several sizes, drawn
  memif bench --size 64,1500 --repeat 5 --json > a.json
      five runs of each; with another b.json: memif bench compare a.json b.json
  memif bench --queues 4 --thread-per-queue --cpus 0,1,2,3,4,5,6,7
      a thread for each queue at both ends: how it scales over cores
  memif bench latency --rx-mode interrupt
      round trips of one packet in flight, both ends asleep until it comes
  memif bench latency --rate 100k
      round trips at a rate, each from the time at which its packet was due
  memif bench throughput --part sink --role master --socket @lab
      counts what a slave sends: memif bench --part generator --socket @lab, or any other program
  memif bench latency --part generator --socket /tmp/memif.sock
      round trips over a peer that sends packets back, as dpdk-testpmd --forward-mode=macswap
  memif bench --part generator --rate 100k --seconds 60 --reconnect
      with memif bench --part sink --reconnect at the other port of a switch: what a restart of it loses";

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
    /// Measures nothing: two files of bench --json side by side
    Compare,
}

impl Work {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Work::Throughput => "throughput",
            Work::Latency => "latency",
            Work::Ndr => "ndr",
            Work::Setup => "setup",
            Work::Interfaces => "interfaces",
            Work::Compare => "compare",
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
    /// Sends back what comes, on one link after the other, until Ctrl-C: when its peer ends it waits for the next one
    Echo,
}

/// Options of `memif bench`.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = format!("{EXAMPLES}\n\n{STATUSES}"),
    mut_arg("id", |id| id.help("Number of the interface; with many the first one")),
    mut_arg("connect_timeout", |time| time.help(PATIENCE))
)]
pub(crate) struct BenchOptions {
    /// What to measure
    #[arg(value_name = "WORK", value_enum, default_value_t)]
    pub(super) work: Work,

    /// compare: two files that memif bench --json wrote
    #[arg(value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,

    /// Be one end only; the other is another memif bench, or any other program [default: both]
    #[arg(long, value_enum)]
    pub(super) part: Option<Part>,

    /// Both ends as threads of one process instead of two processes
    #[arg(long, conflicts_with = "part")]
    pub(super) threads: bool,

    /// Seconds of each measurement, warm-up not counted [default: 3; ndr: 1 for each trial]
    #[arg(long, value_name = "SECONDS", value_parser = parse_time, allow_negative_numbers = true)]
    pub(super) seconds: Option<Duration>,

    /// Bytes of each packet, 64 to 65535, 9k are 9000, or imix (64, 570 and 1518 as 7 to 4 to 1); several with commas
    /// [default: 64]
    #[arg(long, value_name = "BYTES|imix", value_delimiter = ',', allow_negative_numbers = true)]
    pub(super) size: Vec<Sizes>,

    /// Packets that are sent or taken in one go, on each queue
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = number::<u32>(1, 512), allow_negative_numbers = true)]
    pub(super) burst: u32,

    /// throughput, latency: packets per second, as in 250000, 250k or 1.5M. Latency counts from when a packet was due
    #[arg(long, value_name = "PPS", value_parser = parse_rate, allow_negative_numbers = true)]
    pub(super) rate: Option<f64>,

    /// ndr: count what the peer sends back, and not what it takes
    #[arg(long = "return")]
    pub(super) returns: bool,

    /// ndr: the loss that is allowed
    #[arg(long, value_name = "PERCENT", value_parser = parse_percent, default_value = "0", allow_negative_numbers = true)]
    pub(super) loss: f64,

    /// interfaces: how many
    #[arg(long, value_name = "N", value_parser = number::<u32>(1, 100_000), allow_negative_numbers = true)]
    pub(super) count: Option<u32>,

    /// With --part: wait for a link that goes down, and go on. What is lost meanwhile counts as lost
    #[arg(long)]
    pub(super) reconnect: bool,

    /// --part generator: keep the link open for that time after the end; DPDK's counters read 0 once it is gone
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds, allow_negative_numbers = true)]
    pub(super) linger: Option<Duration>,

    /// throughput: both directions at once, each end in one thread
    #[arg(long, conflicts_with = "part")]
    pub(super) duplex: bool,

    /// throughput: a thread for each queue at each end, each on a processor of its own as far as there are enough
    #[arg(long, conflicts_with_all = ["duplex", "reconnect"])]
    pub(super) thread_per_queue: bool,

    /// throughput, latency: so many runs of each, and their median, least and greatest
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = number::<u32>(1, 1000), allow_negative_numbers = true)]
    pub(super) repeat: u32,

    /// throughput, latency: figures of each period of so many seconds, as it goes on
    #[arg(long, value_name = "SECONDS", value_parser = parse_time, allow_negative_numbers = true)]
    pub(super) interval: Option<Duration>,

    /// Processors: of the generator and of the other end [default: the first two], or of the only one [default: any];
    /// with --thread-per-queue one for each thread, the generator's first
    #[arg(long, value_name = "A,B,...")]
    pub(super) cpus: Option<Cpus>,

    /// Draw what was measured into this file, as SVG
    #[arg(long, value_name = "FILE.svg", value_parser = parse_file)]
    pub(super) plot: Option<PathBuf>,

    #[command(flatten)]
    pub(super) metrics: MetricsOptions,

    #[command(flatten)]
    pub(super) wait: WaitOptions,

    /// For memif itself: what this process is to do
    #[arg(long, hide = true)]
    pub(super) other_end: Option<Order>,

    #[command(flatten)]
    pub(super) end: EndpointOptions,
}

impl BenchOptions {
    /// Options that make no sense together.
    pub(super) fn check(&self) -> Result<(), Error> {
        let name = self.work.name();
        let wrong = |text: String| Err(Error::Usage(text));
        if !self.files.is_empty() && self.work != Work::Compare {
            return wrong(format!("files are for compare: leave them out for {name}"));
        }
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
        if self.seconds.is_some() && self.part == Some(Part::Echo) {
            return wrong("an echo runs until Ctrl-C: give --seconds to the generator".to_owned());
        }
        self.check_runs()?;
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
            _ => Ok(()),
        }
    }

    /// The same for how often, in which threads and how closely something is measured.
    fn check_runs(&self) -> Result<(), Error> {
        let name = self.work.name();
        let wrong = |text: String| Err(Error::Usage(text));
        let measures = !matches!(self.part, Some(Part::Echo));
        if (self.duplex || self.thread_per_queue) && self.work != Work::Throughput {
            return wrong(format!("--duplex and --thread-per-queue are for throughput: leave them out for {name}"));
        }
        if self.thread_per_queue && self.part == Some(Part::Generator) && self.size.len() > 1 {
            return wrong("with --thread-per-queue a generator alone sends one --size".to_owned());
        }
        if self.thread_per_queue && !measures {
            return wrong("an echo has one thread: leave --thread-per-queue out".to_owned());
        }
        if self.duplex && self.end.interface.with_rx_mode(RxMode::Polling).rx_mode() != RxMode::Polling {
            return wrong("with --duplex an end looks at its rings between bursts: leave --rx-mode out".to_owned());
        }
        if self.repeat > 1 && !matches!((self.work, self.part), (Work::Throughput, None) | (Work::Latency, _)) {
            return wrong(
                "--repeat is for throughput with both ends, and for latency: leave it out here, or start it again"
                    .to_owned(),
            );
        }
        if self.interval.is_some() && !(matches!(self.work, Work::Throughput | Work::Latency) && measures) {
            return wrong("--interval is for throughput and latency, where something is measured".to_owned());
        }
        match self.cpus.as_ref().map(|cpus| cpus.0.len()) {
            Some(2..) if self.part.is_some() && !self.thread_per_queue => {
                wrong("there is one end here: give --cpus one processor".to_owned())
            }
            Some(3..) if !self.thread_per_queue => {
                wrong("give --cpus one or two numbers of processors, or --thread-per-queue".to_owned())
            }
            Some(cpus) if self.part.is_none() && self.thread_per_queue && cpus % 2 == 1 => {
                wrong("give --cpus as many processors for one end as for the other, the generator's first".to_owned())
            }
            _ => Ok(()),
        }
    }

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
        if self.metrics.are_given() && !matches!(self.work, Work::Throughput | Work::Latency | Work::Ndr) {
            return wrong(format!("--metrics is for throughput, latency and ndr: leave it out for {name}"));
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
    let rate = decimal(text);
    rate.filter(|rate| (1.0..=1e9).contains(rate))
        .ok_or_else(|| "give 1 to 1000M packets per second, as in 250000, 250k or 1.5M".to_owned())
}

fn parse_percent(text: &str) -> Result<f64, String> {
    let percent = text.parse::<f64>().ok().filter(|percent| (0.0..100.0).contains(percent));
    percent.ok_or_else(|| "give a percentage from 0 to less than 100, as in 0.1".to_owned())
}
