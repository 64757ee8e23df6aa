//! One way or both at once, with both ends of ours, for each size and as often as is asked for.

use memif::Role;

use super::crew::Crew;
use super::end::End;
use super::generator::Flow;
use super::interval::Interval;
use super::order::Task;
use super::other;
use super::plan::Plan;
use super::received::Received;
use super::report::{self, Of, Way};
use super::results::{Rates, draw_rates, outcome, tell};
use super::spread::Spread;
use super::until::Until;
use super::{cpus, duplex, sink, spawn};
use crate::error::Error;
use crate::output::exit::Outcome;
use crate::output::progress::Progress;
use crate::output::{self, say};
use crate::packet::numbered::Sizes;

/// Measures each size in turn; with several runs, what they came to as well.
pub(crate) fn both(plan: &Plan, until: &Until) -> Result<Outcome, Error> {
    say(format_args!("{}", report::THROUGHPUT))?;
    let progress = Progress::new();
    let ways: Vec<Role> = if plan.duplex { vec![plan.role, plan.other_role()] } else { vec![plan.role] };
    let (mut drawn, mut complete): (Vec<Rates>, bool) = (Vec::new(), true);
    let mut failed = None;
    'sizes: for &sizes in &plan.sizes {
        let (mut rates, mut sums) = (vec![Vec::new(); ways.len()], Vec::new());
        for run in 1..=plan.repeat {
            if plan.interval.is_none() {
                progress.show(&format!("{sizes} bytes"), plan.time);
            }
            let found = once(plan, sizes, until);
            progress.clear();
            let found = match found {
                Ok(Some(found)) => found,
                Ok(None) => break,
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            };
            let all: Option<Vec<_>> = found.iter().map(|way| way.as_ref()?.rates()).collect();
            for ((from, rates), received) in ways.iter().zip(&mut rates).zip(found) {
                let run = (plan.repeat > 1).then_some(run);
                let Some(received) = received else { continue };
                complete &= tell(Of { sizes: Some(sizes), from: *from, duplex: plan.duplex, run }, &received)?;
                rates.extend(received.rates());
            }
            if let Some(all) = all.filter(|_| plan.duplex) {
                let sum = all.iter().fold((0.0, 0.0), |sum, way| (sum.0 + way.0, sum.1 + way.1));
                say(format_args!("{}", report::both_ways(sizes, sum)))?;
                sums.push(sum);
            }
            if until.is_over() {
                break;
            }
        }
        let spreads: Vec<_> = rates.iter().map(|rates| spread(rates)).collect();
        // A signal may have left one.
        let several = |spread: &(Spread, Spread)| spread.0.runs > 1;
        for (from, spread) in ways.iter().zip(&spreads).filter_map(|(from, spread)| Some((from, (*spread)?))) {
            if several(&spread) {
                let (text, report) = report::spread_of_rates(sizes, *from, plan.duplex.then(|| way(*from)), spread);
                say(format_args!("{text}"))?;
                output::report(&report)?;
            }
        }
        if let Some(sums) = spread(&sums).filter(several) {
            say(format_args!("{}", report::spread_of_both_ways(sizes, sums)))?;
        }
        if spreads.iter().any(Option::is_some) {
            drawn.push((sizes.in_words(), spreads));
        }
        if failed.is_some() || until.is_over() {
            break 'sizes;
        }
    }
    let names: Vec<_> = if plan.duplex { ways.iter().map(|from| way(*from).to_owned()).collect() } else { Vec::new() };
    // What was measured before something failed is drawn, too.
    draw_rates(plan, &names, &drawn)?;
    failed.map_or(Ok(outcome(complete)), Err)
}

fn spread(rates: &[(f64, f64)]) -> Option<(Spread, Spread)> {
    Spread::of(rates.iter().map(|rate| rate.0)).zip(Spread::of(rates.iter().map(|rate| rate.1)))
}

fn way(from: Role) -> &'static str {
    match from {
        Role::Slave => "slave to master",
        Role::Master => "master to slave",
    }
}

/// One run: what was received, in the order of the directions.
fn once(plan: &Plan, sizes: Sizes, until: &Until) -> Result<Option<Vec<Option<Received>>>, Error> {
    let flow = Flow { sizes, ..plan.flow() };
    if plan.duplex {
        return both_ways(plan, &flow, until);
    }
    Ok(one_way(plan, &plan.catch(), &flow, until)?.map(|received| vec![Some(received)]))
}

/// Receives from a generator that is started for this run.
pub(crate) fn one_way(plan: &Plan, catch: &sink::Catch, flow: &Flow, until: &Until) -> Result<Option<Received>, Error> {
    let mut end = End::open(&plan.place, plan.other_role())?;
    let task = Task::Generate { sizes: flow.sizes.to_string(), seconds: flow.time.as_secs_f64(), rate: flow.rate };
    let mut other = Some(spawn::start(plan, plan.role, task, until)?);
    let Some(mut link) = end.link_to(&mut other, until)? else { return Ok(None) };
    let received = receive(plan, &mut end, &mut link.rx, catch, &plan.cpus.1, until);
    let received = received.and_then(|(received, error)| error.map_or(Ok(received), Err));
    let received = received.map_err(|error| other::blame(&mut other, error, until))?;
    if received.cut {
        return Err(other::gone(&mut other, until));
    }
    if let (Some(silence), Some(other)) = (received.silent, &other) {
        return Err(other.idle(silence));
    }
    // The link goes down before the other end is waited for, which waits for that.
    drop(end);
    Ok(Some(received))
}

/// Receives over one link, in as many threads as the plan has, on these processors; and what one of them failed with,
/// which ended the link.
pub(crate) fn receive(
    plan: &Plan,
    end: &mut End,
    rx: &mut [memif::RxQueue],
    catch: &sink::Catch,
    processors: &[usize],
    until: &Until,
) -> Result<(Received, Option<Error>), Error> {
    let crew = Crew::new(if plan.thread_per_queue { rx.len() } else { 1 });
    let _interval = Interval::of_counts(plan.interval, Way::Received, &crew)?;
    if plan.thread_per_queue {
        let (received, error) = sink::run_threads(rx, catch, &crew, processors, until);
        if let Some(error) = &error {
            end.give_up(error);
        }
        return Ok((received, error));
    }
    let _pinned = cpus::pin_first(processors)?;
    sink::run(rx, catch, crew.place(0), until).map(|received| (received, None))
}

/// Sends to another end and receives from it.
fn both_ways(plan: &Plan, flow: &Flow, until: &Until) -> Result<Option<Vec<Option<Received>>>, Error> {
    let mut end = End::open(&plan.place, plan.role)?;
    let task = Task::Both { sizes: flow.sizes.to_string(), seconds: flow.time.as_secs_f64(), rate: flow.rate };
    let mut other = Some(spawn::start(plan, plan.other_role(), task, until)?);
    let Some(mut link) = end.link_to(&mut other, until)? else { return Ok(None) };
    let crews = (Crew::new(1), Crew::new(1));
    let (_, here) = {
        let _intervals = (
            Interval::of_counts(plan.interval, Way::Sent, &crews.0)?,
            Interval::of_counts(plan.interval, Way::Received, &crews.1)?,
        );
        let _pinned = cpus::pin_first(&plan.cpus.0)?;
        let found = duplex::run(&mut link, flow, &plan.catch(), (&crews.0, &crews.1), until);
        found.map_err(|error| other::blame(&mut other, error, until))?
    };
    if here.cut {
        return Err(other::gone(&mut other, until));
    }
    if let (Some(silence), Some(other)) = (here.silent, &other) {
        return Err(other.idle(silence));
    }
    let over = until.is_over();
    if over {
        // The other end need not have been told to end.
        drop(end);
    }
    let there = other.as_mut().map(|other| other.result::<Received>(plan.place.timeout, until)).transpose();
    let there = if over { there.unwrap_or_default() } else { there? };
    let there = there.map(|there| Received { cut: there.cut && !over, ..there });
    Ok(Some(vec![there, Some(here)]))
}
