//! What is done for each work: ends are opened, figures taken, told and drawn. `parts` has what one end does alone.

use hdrhistogram::Histogram;

use super::end::End;
use super::generator::{Flow, Generator};
use super::ndr::{self, Trial};
use super::order::Task;
use super::other::{self, Other};
use super::plan::Plan;
use super::reconnect::Reconnect;
use super::results::{draw, draw_rates, linger_if_told, outcome, tell};
use super::sink::{self, Received};
use super::spawn;
use super::until::Until;
use super::{cpus, crowd, latency as asking, outages, report, setup as setting_up};
use crate::error::Error;
use crate::output::exit::Outcome;
use crate::output::plot::{Picture, Search};
use crate::output::progress::Progress;
use crate::output::times;
use crate::output::{self, say, warn};
use crate::packet::numbered::Sizes;

/// A size, in words.
fn bytes(sizes: Sizes) -> String {
    sizes.fixed().map_or_else(|| sizes.to_string(), |size| format!("{size} bytes"))
}

/// Opens our end, and starts the other one where that is ours, too.
fn open(plan: &Plan, task: Task, until: &Until) -> Result<(Option<Other>, End), Error> {
    let end = End::open(&plan.place, plan.role)?;
    let other = plan.place.both.then(|| spawn::start(plan, plan.other_role(), task, until));
    Ok((other.transpose()?, end))
}

/// Receives from a generator that is started for this run.
fn one_way(plan: &Plan, catch: &sink::Catch, flow: &Flow, until: &Until) -> Result<Option<Received>, Error> {
    let mut end = End::open(&plan.place, plan.other_role())?;
    let task = Task::Generate { sizes: flow.sizes.to_string(), seconds: flow.time.as_secs_f64(), rate: flow.rate };
    let mut other = Some(spawn::start(plan, plan.role, task, until)?);
    let Some(mut link) = end.link_to(&mut other, until)? else { return Ok(None) };
    let received = {
        let _pinned = cpus::pin(plan.sink_cpu())?;
        sink::run(&mut link.rx, catch, until)?
    };
    if received.cut {
        return Err(other::gone(&mut other, until));
    }
    // The link goes down before the other end is waited for, which waits for that.
    drop(end);
    Ok(Some(received))
}

/// Both ends, one way, for each size.
pub(crate) fn throughput(plan: &Plan, until: &Until) -> Result<Outcome, Error> {
    say(format_args!("{}", report::THROUGHPUT))?;
    let progress = Progress::new();
    let (mut rows, mut complete) = (Vec::new(), true);
    for &sizes in &plan.sizes {
        progress.show(&format!("{sizes} bytes"), plan.time);
        let flow = Flow { sizes, ..plan.flow() };
        let Some(received) = one_way(plan, &plan.catch(), &flow, until)? else { break };
        progress.clear();
        complete &= tell(Some(sizes), &received)?;
        if let Some((pps, bps)) = received.rates() {
            rows.push((bytes(sizes), pps, bps));
        }
        if until.is_over() {
            break;
        }
    }
    draw_rates(plan, &rows)?;
    Ok(outcome(complete))
}

/// Round trips for each size.
pub(crate) fn latency(plan: &Plan, until: &Until) -> Result<Outcome, Error> {
    let (mut other, mut end) = open(plan, Task::Echo, until)?;
    let Some(mut link) = end.link_to(&mut other, until)? else { return Ok(Outcome::Success) };
    say(format_args!("{}", times::head("size")))?;
    let progress = Progress::new();
    let mut again = Reconnect::new(&mut end, plan.reconnect);
    let mut rows: Vec<(String, Histogram<u64>)> = Vec::new();
    let mut complete = true;
    for &sizes in &plan.sizes {
        progress.show(&format!("{sizes} bytes"), plan.time);
        let ask = asking::Ask {
            framing: plan.place.interface.framing(),
            sizes,
            mode: plan.mode(),
            warm_up: plan.warm_up(),
            time: plan.time,
            rate: plan.rate,
            patience: plan.place.timeout,
            so_far: report::latency_so_far,
        };
        let answers = {
            let _pinned = plan.pin()?;
            asking::run(&mut link, &ask, &mut again, until).map_err(|error| other::blame(&mut other, error, until))?
        };
        progress.clear();
        let Some(answers) = answers else { break };
        say(format_args!("{}", times::row(&sizes.to_string(), &answers.times)))?;
        if let Some(line) = outages::told(answers.outages) {
            say(format_args!("{line}"))?;
        }
        output::report(&report::latency(sizes, plan.rate, &answers))?;
        let lost = answers.sent.saturating_sub(answers.received);
        if lost + answers.corrupted > 0 {
            let corrupted = answers.corrupted;
            warn(format_args!("{lost} packets lost, {corrupted} came back changed or are not ours"));
            complete = false;
        }
        let lost_link = answers.outages.for_good;
        rows.push((bytes(sizes), answers.times));
        if lost_link || until.is_over() {
            break;
        }
    }
    for (name, times) in &rows {
        say(format_args!("{name}:"))?;
        for line in times::bars(times) {
            say(format_args!("{line}"))?;
        }
    }
    draw(plan, &Picture::Times(&rows))?;
    linger_if_told(plan, &link, &progress, until);
    Ok(outcome(complete))
}

/// The rate without loss for each size.
pub(crate) fn ndr(plan: &Plan, until: &Until) -> Result<Outcome, Error> {
    let progress = Progress::new();
    let mut found = Vec::new();
    if plan.place.both && !plan.returns {
        for &sizes in &plan.sizes {
            let catch = sink::Catch { warm_up: std::time::Duration::ZERO, ..plan.catch() };
            let trial = |rate| {
                progress.show(&format!("{sizes} bytes, trial"), plan.time);
                let flow = Flow { sizes, rate, time: plan.time, ..plan.flow() };
                let received = one_way(plan, &catch, &flow, until)?;
                Ok(received.map(|received| ndr::received(rate, &received, plan.time)))
            };
            found.push(search(plan, sizes, &progress, until, trial)?);
        }
    } else {
        let (mut other, mut end) = open(plan, Task::Echo, until)?;
        let Some(mut link) = end.link_to(&mut other, until)? else { return Ok(Outcome::Success) };
        for &sizes in &plan.sizes {
            let _pinned = plan.pin()?;
            let flow = Flow { sizes, rate: None, time: plan.time, ..plan.flow() };
            let mut generator = Generator::new(&flow);
            let returns = plan.returns.then_some(plan.place.timeout);
            let trial = |rate| {
                progress.show(&format!("{sizes} bytes, trial"), plan.time);
                let flow = Flow { rate, ..flow.clone() };
                let tried = ndr::over_link(&mut generator, &mut link, &flow, returns, until);
                tried.map(Some).map_err(|error| other::blame(&mut other, error, until))
            };
            found.push(search(plan, sizes, &progress, until, trial)?);
        }
        linger_if_told(plan, &link, &progress, until);
    }
    let complete = found.iter().all(|found| found.as_ref().is_some_and(|(_, rate)| *rate > 0.0));
    let searches: Vec<_> = plan
        .sizes
        .iter()
        .zip(found)
        .filter_map(|(sizes, found)| {
            let (trials, found) = found?;
            let judged = |trial: &Trial| Some((trial.rate?, trial.loss(), trial.passed(plan.loss)));
            Some(Search { name: bytes(*sizes), trials: trials.iter().filter_map(judged).collect(), found })
        })
        .collect();
    draw(plan, &Picture::Losses(&searches))?;
    Ok(outcome(complete))
}

/// Looks for the rate of one size, and tells every trial.
fn search(
    plan: &Plan,
    sizes: Sizes,
    progress: &Progress,
    until: &Until,
    mut trial: impl FnMut(Option<f64>) -> Result<Option<Trial>, Error>,
) -> Result<Option<(Vec<Trial>, f64)>, Error> {
    say(format_args!("{}", report::TRIALS))?;
    let mut trials = Vec::new();
    let found = ndr::search(plan.loss, |rate| {
        let Some(tried) = trial(rate)?.filter(|_| !until.is_over()) else { return Ok(None) };
        progress.clear();
        let (row, report) = report::trial(sizes, &tried, plan.loss);
        say(format_args!("{row}"))?;
        output::report(&report)?;
        trials.push(tried);
        Ok(Some(tried))
    })?;
    let Some(found) = found else {
        warn(format_args!("{sizes} bytes: ended before a rate was found"));
        return Ok(None);
    };
    let (text, report) = report::ndr(sizes, plan.loss, &found);
    if found.rate > 0.0 {
        say(format_args!("{text}"))?;
    } else {
        warn(format_args!("{text}"));
    }
    output::report(&report)?;
    Ok(Some((trials, found.rate)))
}

/// Links that come and go.
pub(crate) fn setup(plan: &Plan, until: &Until) -> Result<Outcome, Error> {
    let other = plan.place.both.then(|| spawn::start(plan, plan.other_role(), Task::Echo, until));
    let mut other = other.transpose()?;
    let progress = Progress::new();
    progress.show("links", plan.time);
    let setups = {
        let _pinned = plan.pin()?;
        setting_up::run(&plan.place, plan.time, &mut other, until, report::setup_so_far)?
    };
    progress.clear();
    let rows = [("connect", &setups.connect), ("delete", &setups.delete), ("both", &setups.whole)];
    say(format_args!("{}", times::head("")))?;
    for (name, times) in rows {
        say(format_args!("{}", times::row(name, times)))?;
    }
    output::report(&report::setup(&setups))?;
    draw(plan, &Picture::Times(&rows.map(|(name, times)| (name.to_owned(), times.clone()))))?;
    Ok(Outcome::Success)
}

/// Many interfaces; one alone beside them, so that it shows what the others cost.
pub(crate) fn interfaces(plan: &Plan, until: &Until) -> Result<Outcome, Error> {
    let mut rows = Vec::new();
    let mut complete = true;
    let counts = if plan.place.both && plan.count > 1 { vec![1, plan.count] } else { vec![plan.count] };
    for count in counts {
        let progress = Progress::new();
        progress.show(&report::named(count), plan.time);
        let mut other =
            plan.place.both.then(|| spawn::start(plan, plan.other_role(), Task::Crowd(count), until)).transpose()?;
        // Else the time would be that of starting a process.
        other.as_mut().map(Other::wait_ready);
        let found = {
            let _pinned = plan.pin()?;
            crowd::run(&plan.place, plan.role, count, plan.time, &mut other, until, report::crowd_so_far)?
        };
        progress.clear();
        let Some(found) = found else { break };
        let (lines, report) = report::crowd(&found);
        for line in lines {
            say(format_args!("{line}"))?;
        }
        output::report(&report)?;
        complete &= found.lost == 0 || found.round_trips.is_empty();
        rows.push((report::named(count), found.round_trips));
    }
    draw(plan, &Picture::Times(&rows))?;
    Ok(outcome(complete))
}
