//! How a measurement ends: what was found is told and drawn, and the link kept open for as long as that was asked for.

use memif::{Link, TxQueue};

use super::options::Work;
use super::plan::Plan;
use super::sink::Received;
use super::until::Until;
use super::{generator, outages, report};
use crate::error::Error;
use crate::output::exit::Outcome;
use crate::output::plot::{self, Bar, Panel, Picture};
use crate::output::progress::Progress;
use crate::output::{self, say, warn};
use crate::packet::numbered::Sizes;

/// Draws, if that was asked for.
pub(crate) fn draw(plan: &Plan, picture: &Picture<'_>) -> Result<(), Error> {
    let Some(file) = &plan.plot else { return Ok(()) };
    let conditions = plan.conditions().0;
    let heading = match plan.work {
        Work::Throughput => "One way",
        Work::Latency => "Round trips",
        Work::Ndr => "The highest rate without loss",
        Work::Setup => "Links that come and go",
        Work::Interfaces => "Round trips among many interfaces",
    };
    plot::draw(file, heading, &conditions, picture)
}

/// Draws rates, if that was asked for: each with its name, packets and bits per second.
pub(crate) fn draw_rates(plan: &Plan, rates: &[(String, f64, f64)]) -> Result<(), Error> {
    let panel = |title: &str, value: fn(&(String, f64, f64)) -> f64| {
        let bar = |rate| vec![Some(Bar { value: value(rate), range: None })];
        Panel { title: title.to_owned(), rows: rates.iter().map(|rate| (rate.0.clone(), bar(rate))).collect() }
    };
    draw(plan, &Picture::Bars(&[], &[panel("Mpps", |rate| rate.1 / 1e6), panel("Gb/s", |rate| rate.2 / 1e9)]))
}

/// Whether everything came.
pub(crate) fn outcome(complete: bool) -> Outcome {
    if complete { Outcome::Success } else { Outcome::Lost }
}

/// Tells what a sink found; says whether all is well.
pub(crate) fn tell(sizes: Option<Sizes>, received: &Received) -> Result<bool, Error> {
    let (row, report) = report::throughput(sizes, received);
    say(format_args!("{row}"))?;
    // An end alone does not know how a switch spreads packets.
    if sizes.is_none() {
        for line in report::queues(received) {
            say(format_args!("{line}"))?;
        }
    }
    if let Some(line) = outages::told(received.outages) {
        say(format_args!("{line}"))?;
    }
    output::report(&report)?;
    for (count, what) in [
        (received.missing, "did not come, though later ones did"),
        (received.reordered, "came after a later one on the same queue"),
        (received.duplicates, "came again"),
    ] {
        if count > 0 {
            let packets = if count == 1 { "packet" } else { "packets" };
            warn(format_args!("{count} {packets} {what}"));
        }
    }
    if let Some(silence) = received.silent {
        warn(format_args!(
            "nothing came for {} s, and the generator did not say that it sent all: how many packets were lost at the end is not known",
            silence.as_secs_f64(),
        ));
    }
    if received.cut && !received.outages.for_good {
        warn(format_args!("the link went down before the end: look what the other end says"));
    }
    Ok(received.is_complete())
}

/// Keeps the link open after the end, where that was asked for.
pub(crate) fn linger_if_told(plan: &Plan, link: &Link, progress: &Progress, until: &Until) {
    if plan.linger.is_some() {
        linger(plan, &link.tx, progress, until);
    }
}

/// Keeps the link open as long as the plan says, or until a sink had time to take everything.
pub(crate) fn linger(plan: &Plan, tx: &[TxQueue], progress: &Progress, until: &Until) {
    let time = plan.linger.unwrap_or(generator::LINGER);
    progress.show("link kept open", time);
    generator::linger(tx, time, plan.linger.map(|_| until));
    progress.clear();
}
