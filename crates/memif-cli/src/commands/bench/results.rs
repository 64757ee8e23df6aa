//! How a measurement ends: what was found is told and drawn, and the link kept open for as long as that was asked for.

use memif::{Link, TxQueue};

use super::end::End;
use super::options::Work;
use super::plan::Plan;
use super::received::Received;
use super::report::Of;
use super::spread::Spread;
use super::until::Until;
use super::{generator, outages, report};
use crate::error::Error;
use crate::output::exit::Outcome;
use crate::output::plot::{self, Bar, Panel, Picture};
use crate::output::progress::Progress;
use crate::output::{self, say, warn};

/// Draws, if that was asked for.
pub(crate) fn draw(plan: &Plan, picture: &Picture<'_>) -> Result<(), Error> {
    let Some(file) = &plan.plot else { return Ok(()) };
    let conditions = plan.conditions().0;
    let heading = match plan.work {
        Work::Throughput if plan.duplex => "Both ways at once",
        Work::Throughput => "One way",
        Work::Latency => "Round trips",
        Work::Ndr => "The highest rate without loss",
        Work::Setup => "Links that come and go",
        Work::Interfaces => "Round trips among many interfaces",
        // It draws by itself.
        Work::Compare => "Two measurements",
    };
    plot::draw(file, heading, &conditions, picture)
}

/// What is drawn of rates: a name, and for each direction packets and bits per second.
pub(crate) type Rates = (String, Vec<Option<(Spread, Spread)>>);

/// Draws rates, if that was asked for; `ways` names the directions where there are two.
pub(crate) fn draw_rates(plan: &Plan, ways: &[String], rates: &[Rates]) -> Result<(), Error> {
    let panel = |title: &str, bar: fn(&(Spread, Spread)) -> Bar| {
        let bars = |rates: &Rates| (rates.0.clone(), rates.1.iter().map(|rate| rate.as_ref().map(bar)).collect());
        Panel { title: title.to_owned(), rows: rates.iter().map(bars).collect() }
    };
    draw(plan, &Picture::Bars(ways, &[panel("Mpps", |rate| rate.0.bar(1e6)), panel("Gb/s", |rate| rate.1.bar(1e9))]))
}

/// Whether everything came.
pub(crate) fn outcome(complete: bool) -> Outcome {
    if complete { Outcome::Success } else { Outcome::Lost }
}

/// Tells what a sink found; says whether all is well.
pub(crate) fn tell(of: Of, received: &Received) -> Result<bool, Error> {
    let (row, report) = report::throughput(of, received);
    say(format_args!("{row}"))?;
    // An end alone does not know how a switch spreads packets.
    if of.sizes.is_none() {
        for line in report::queues(received) {
            say(format_args!("{line}"))?;
        }
    }
    if let Some(line) = outages::told(received.outages) {
        say(format_args!("{line}"))?;
    }
    output::report(&report)?;
    for (count, what) in [
        (received.unsent(), "found the ring full, or no link, at their time: not sent, and counted as lost"),
        (received.missing(), "did not come, though later ones did"),
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

/// Says that a link went down before the end, and why.
pub(crate) fn tell_cut(end: &mut End) {
    let reason = end.why_down().unwrap_or_else(|| "look what the other end says".to_owned());
    warn(format_args!("the link went down before the end: {reason}"));
}
