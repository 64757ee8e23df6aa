//! `memif bench`: measures a link, with both ends of its own or against any other program.

mod compare;
mod cpus;
mod crew;
mod crowd;
mod duplex;
mod echo;
mod end;
mod generator;
mod interval;
mod latency;
mod ndr;
mod numbers;
mod options;
mod order;
mod other;
mod outages;
mod parts;
mod place;
mod plan;
mod received;
mod reconnect;
mod report;
mod results;
mod runs;
mod setup;
mod sink;
mod spawn;
mod spread;
mod tally;
mod throughput;
mod until;

use std::sync::mpsc;

pub(crate) use options::BenchOptions;
use options::{Part, Work};
use plan::Plan;

use crate::endpoint::signals::Stop;
use crate::error::Error;
use crate::output::exit::Outcome;
use crate::output::{self, plot, say, warn};
use until::Until;

/// Measures what it is asked to.
pub(crate) fn run(options: &BenchOptions) -> Result<Outcome, Error> {
    options.check()?;
    if options.work == Work::Compare {
        return compare::run(&options.files, options.plot.as_deref());
    }
    // Signals are looked for between packets; nobody waits for a notice. Whoever waits for the metrics may send them.
    let (notices, _) = mpsc::channel();
    let until = Until::signalled(Stop::listen(notices)?);
    // Before a socket is made in another network namespace, and in the first of two processes alone.
    let serving = options.other_end.is_none().then(|| options.metrics.serve("bench")).transpose()?.unwrap_or_default();
    let plan = Plan::new(options, serving.metrics())?;
    if let Some(order) = &plan.order {
        return spawn::run(order, &plan, &until.part());
    }
    if let Some(file) = &plan.plot {
        plot::check(file)?;
    }
    let (text, report) = plan.conditions();
    say(format_args!("{text}"))?;
    output::report(&report)?;
    let doubt = cpus::doubt((&plan.cpus.0, &plan.cpus.1), plan.threads_of_ends());
    if let Some(doubt) = doubt.filter(|_| plan.place.both) {
        warn(format_args!("{doubt}"));
    }
    match (plan.part, plan.work) {
        (Some(Part::Echo), Work::Interfaces) => parts::echo_many(&plan, &until),
        (Some(Part::Echo), _) => parts::echo(&plan, &until),
        (Some(Part::Sink), _) => parts::sink(&plan, &until),
        (Some(Part::Generator), Work::Throughput) => parts::generator(&plan, &until),
        (None, Work::Throughput) => throughput::both(&plan, &until),
        (_, Work::Latency) => runs::latency(&plan, &until),
        (_, Work::Ndr) => runs::ndr(&plan, &until),
        (_, Work::Setup) => runs::setup(&plan, &until),
        (_, Work::Interfaces) => runs::interfaces(&plan, &until),
        (_, Work::Compare) => Ok(Outcome::Success),
    }
}
