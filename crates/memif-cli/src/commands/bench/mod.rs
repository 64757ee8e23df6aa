//! `memif bench`: measures a link, with both ends of its own or against any other program.

mod cpus;
mod crowd;
mod echo;
mod generator;
mod latency;
mod link;
mod ndr;
mod numbers;
mod other;
mod parts;
mod plan;
mod reconnect;
mod report;
mod runs;
mod setup;
mod sink;
mod tally;

use std::sync::mpsc;

pub(crate) use plan::BenchOptions;
use plan::{Part, Plan, Work};

use crate::endpoint::signals::Stop;
use crate::error::Error;
use crate::output::exit::Outcome;
use crate::output::{self, plot, say, warn};
use link::Until;

const EXAMPLES: &str = "\
Examples:
  memif bench
      one way from slave to master, two processes on two processors, packets of 64 bytes
  memif bench throughput --size 64,512,1500,9000,imix --plot rates.svg
      the same with several sizes, drawn
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

/// Measures what it is asked to.
pub(crate) fn run(options: &BenchOptions) -> Result<Outcome, Error> {
    let plan = Plan::new(options)?;
    // Signals are looked for between packets; nobody waits for a notice.
    let (notices, _) = mpsc::channel();
    let until = Until::signalled(Stop::listen(notices)?);
    if let Some(order) = &plan.order {
        return other::run(order, &plan, &until);
    }
    if let Some(file) = &plan.plot {
        plot::check(file)?;
    }
    let (text, report) = plan.conditions();
    say(format_args!("{text}"))?;
    output::report(&report)?;
    if let Some(doubt) = cpus::doubt(plan.cpus).filter(|_| plan.place.both) {
        warn(format_args!("{doubt}"));
    }
    match (plan.part, plan.work) {
        (Some(Part::Echo), Work::Interfaces) => parts::echo_many(&plan, &until),
        (Some(Part::Echo), _) => parts::echo(&plan, &until),
        (Some(Part::Sink), _) => parts::sink(&plan, &until),
        (Some(Part::Generator), Work::Throughput) => parts::generator(&plan, &until),
        (None, Work::Throughput) => runs::throughput(&plan, &until),
        (_, Work::Latency) => runs::latency(&plan, &until),
        (_, Work::Ndr) => runs::ndr(&plan, &until),
        (_, Work::Setup) => runs::setup(&plan, &until),
        (_, Work::Interfaces) => runs::interfaces(&plan, &until),
    }
}
