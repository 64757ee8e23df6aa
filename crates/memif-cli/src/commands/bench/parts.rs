//! One end alone: the other is another memif, or any other program.

use std::sync::Arc;

use memif::Link;

use super::crew::Crew;
use super::end::End;
use super::generator::{self, Flow, Generator};
use super::interval::Interval;
use super::outages::Outages;
use super::plan::Plan;
use super::reconnect::Reconnect;
use super::report::{Of, Way};
use super::results::{draw_rates, linger, outcome, tell, tell_cut};
use super::sink::{Ended, Sink};
use super::spread::Spread;
use super::until::Until;
use super::{crowd, echo as echoing, outages, report, throughput};
use crate::error::Error;
use crate::output::exit::Outcome;
use crate::output::progress::Progress;
use crate::output::{self, say};

/// The end that receives.
pub(crate) fn sink(plan: &Plan, until: &Until) -> Result<Outcome, Error> {
    let mut end = End::open(&plan.place, plan.role)?;
    let Some(mut link) = end.link(until, false)? else { return Ok(Outcome::Success) };
    let progress = Progress::new();
    if plan.interval.is_none() {
        progress.show("receiving", plan.time);
    }
    let catch = plan.catch();
    let (mut received, failed) = if plan.thread_per_queue {
        throughput::receive(plan, &mut end, &mut link.rx, &catch, plan.own_cpus(), until)?
    } else {
        let crew = Crew::new(1);
        let _interval = Interval::of_counts(plan.interval, Way::Received, &crew)?;
        let _pinned = plan.pin()?;
        let mut sink = Sink::new(&catch, crew.place(0));
        let mut again = Reconnect::new(&mut end, plan.reconnect);
        while sink.receive(&mut link.rx, until)? == Ended::LinkDown
            && let Some(next) = again.link(until)?
        {
            link = next;
        }
        (sink.finish(again.outages()), None)
    };
    if received.cut && !received.outages.for_good && !until.is_over() {
        tell_cut(&mut end);
    }
    drop(end);
    // A signal while there was no link is an end like any other.
    received.cut &= !until.is_over();
    progress.clear();
    say(format_args!("{}", report::THROUGHPUT))?;
    let complete = tell(Of::sender(catch.from), &received)?;
    let rates = received.rates().and_then(|(pps, bps)| Spread::of([pps]).zip(Spread::of([bps])));
    let rows: Vec<_> = rates.into_iter().map(|rates| ("received".to_owned(), vec![Some(rates)])).collect();
    draw_rates(plan, &[], &rows)?;
    // What came before is told in any case.
    if let Some(error) = failed {
        return Err(error);
    }
    Ok(outcome(complete))
}

/// The end that sends: one size after the other, and then the word that this was all.
pub(crate) fn generator(plan: &Plan, until: &Until) -> Result<Outcome, Error> {
    let mut end = End::open(&plan.place, plan.role)?;
    let Some(mut link) = end.link(until, false)? else { return Ok(Outcome::Success) };
    let progress = Progress::new();
    let crew = Crew::new(if plan.thread_per_queue { link.tx.len() } else { 1 });
    let mut generator = Generator::with_place(&plan.flow(), crew.place(0), 0);
    let _interval = Interval::of_counts(plan.interval, Way::Sent, &crew)?;
    if plan.thread_per_queue {
        return generator_threads(plan, &mut end, &mut link, &crew, &progress, until);
    }
    let mut again = Reconnect::new(&mut end, plan.reconnect);
    let _pinned = plan.pin()?;
    let mut cut = false;
    for &sizes in &plan.sizes {
        if plan.interval.is_none() {
            progress.show(&format!("sending {}", sizes.in_words()), plan.time);
        }
        let flow = Flow { sizes, ..plan.flow() };
        let before = again.outages();
        let sent = generator.run_on_links(&mut link, &flow, &mut again, until)?;
        progress.clear();
        let (text, report) = report::generator(sizes, &sent, again.outages().since(before));
        say(format_args!("{text}"))?;
        output::report(&report)?;
        cut = sent.cut;
        if cut || until.is_over() {
            break;
        }
    }
    if let Some(line) = outages::told(again.outages()) {
        say(format_args!("{line}"))?;
    }
    if cut && !again.outages().for_good && !until.is_over() {
        tell_cut(&mut end);
    }
    if !cut {
        // After a signal, too, the sink is to learn what was sent.
        generator::linger(&link.tx, generator::PAUSE, None);
        generator.close(&mut link.tx);
        linger(plan, &link.tx, &progress, until);
    }
    Ok(outcome(!cut))
}

/// The same with a thread for each queue, and one size.
fn generator_threads(
    plan: &Plan,
    end: &mut End,
    link: &mut Link,
    crew: &Arc<Crew>,
    progress: &Progress,
    until: &Until,
) -> Result<Outcome, Error> {
    let flow = plan.flow();
    let (sent, failed) = generator::run_threads(&mut link.tx, &flow, crew, plan.own_cpus(), until);
    if let Some(error) = &failed {
        end.give_up(error);
    }
    if sent.cut && !until.is_over() {
        tell_cut(end);
    }
    let (text, report) = report::generator(flow.sizes, &sent, Outages::default());
    say(format_args!("{text}"))?;
    output::report(&report)?;
    if let Some(error) = failed {
        return Err(error);
    }
    if !sent.cut {
        linger(plan, &link.tx, progress, until);
    }
    Ok(outcome(!sent.cut))
}

/// Sends back what comes over one link after the other, until a signal.
pub(crate) fn echo(plan: &Plan, until: &Until) -> Result<Outcome, Error> {
    let mut end = End::open(&plan.place, plan.role)?;
    let Some(mut link) = end.link(until, plan.patient)? else { return Ok(Outcome::Success) };
    let _pinned = plan.pin()?;
    let mut again = Reconnect::patient(&mut end, plan.reconnect);
    loop {
        let returned_packets = echoing::run(&mut link, plan.burst, plan.mode(), until, report::echo_so_far);
        say(format_args!("{returned_packets} packets sent back"))?;
        output::report(&report::echo(returned_packets, again.outages()))?;
        let Some(next) = again.link(until)? else { break };
        link = next;
    }
    if let Some(line) = outages::told(again.outages()) {
        say(format_args!("{line}"))?;
    }
    Ok(Outcome::Success)
}

/// The same on many interfaces.
pub(crate) fn echo_many(plan: &Plan, until: &Until) -> Result<Outcome, Error> {
    let _pinned = plan.pin()?;
    crowd::echo(&plan.place, plan.role, plan.count, plan.patient, until, || {})?;
    Ok(Outcome::Success)
}
