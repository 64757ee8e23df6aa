//! What is done for each work: ends are opened, figures taken, told and drawn. `parts` has what one end does alone.

use hdrhistogram::Histogram;
use memif::Link;

use super::end::End;
use super::generator::{Flow, Generator};
use super::interval::{Interval, Recent};
use super::ndr::{self, Trial};
use super::order::Task;
use super::other::{self, Other};
use super::plan::Plan;
use super::reconnect::Reconnect;
use super::results::{draw, linger_if_told, outcome};
use super::sink;
use super::spawn;
use super::until::Until;
use super::{crowd, latency as asking, outages, report, setup as setting_up, throughput};
use crate::error::Error;
use crate::output::exit::Outcome;
use crate::output::plot::{Picture, Search};
use crate::output::progress::Progress;
use crate::output::times;
use crate::output::{self, say, warn};
use crate::packet::numbered::Sizes;

/// Opens our end, and starts the other one where that is ours, too.
fn open(plan: &Plan, task: Task, until: &Until) -> Result<(Option<Other>, End), Error> {
    let end = End::open(&plan.place, plan.role)?;
    let other = plan.place.both.then(|| spawn::start(plan, plan.other_role(), task, until));
    Ok((other.transpose()?, end))
}

/// Round trips for each size.
pub(crate) fn latency(plan: &Plan, until: &Until) -> Result<Outcome, Error> {
    let (mut other, mut end) = open(plan, Task::Echo, until)?;
    let Some(mut link) = end.link_to(&mut other, until)? else { return Ok(Outcome::Success) };
    say(format_args!("{}", times::head("size")))?;
    let progress = Progress::new();
    let mut again = Reconnect::new(&mut end, plan.reconnect);
    let mut rows: Vec<(String, Histogram<u64>)> = Vec::new();
    let (mut complete, mut failed) = (true, None);
    'sizes: for &sizes in &plan.sizes {
        let mut runs: Vec<Histogram<u64>> = Vec::new();
        let mut over = false;
        for run in 1..=plan.repeat {
            if plan.interval.is_none() {
                progress.show(&sizes.in_words(), plan.time);
            }
            let answers = ask(plan, sizes, &mut link, &mut again, until);
            progress.clear();
            let answers = match answers {
                Ok(Some(answers)) => answers,
                Ok(None) => break,
                Err(error) => {
                    failed = Some(other::blame(&mut other, error, until));
                    break;
                }
            };
            let run = (plan.repeat > 1).then_some(run);
            complete &= told(plan, sizes, run, &answers, &other)?;
            over = answers.outages.for_good || until.is_over();
            runs.push(answers.times);
            if over {
                break;
            }
        }
        if plan.repeat > 1
            && let Some((text, report)) = report::spread_of_times(sizes, &runs)
        {
            say(format_args!("{text}"))?;
            output::report(&report)?;
        }
        let all = runs.into_iter().reduce(|mut all, run| {
            // They have the same bounds.
            let _ = all.add(run);
            all
        });
        rows.extend(all.map(|all| (sizes.in_words(), all)));
        if over || failed.is_some() {
            break 'sizes;
        }
    }
    for (name, times) in &rows {
        say(format_args!("{name}:"))?;
        for line in times::bars(times) {
            say(format_args!("{line}"))?;
        }
    }
    // What was measured before something failed is told and drawn, too.
    draw(plan, &Picture::Times(&rows))?;
    if let Some(error) = failed {
        return Err(match (error, end.why_down()) {
            (Error::NotConnected(text), Some(reason)) => Error::NotConnected(format!("{text} ({reason})")),
            (error, _) => error,
        });
    }
    linger_if_told(plan, &link, &progress, until);
    Ok(outcome(complete))
}

/// Round trips of one size, once.
fn ask(
    plan: &Plan,
    sizes: Sizes,
    link: &mut Link,
    again: &mut Reconnect<'_>,
    until: &Until,
) -> Result<Option<asking::Answers>, Error> {
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
    let mut recent = Recent::new(plan.interval.is_some())?;
    let _interval = Interval::of_times(plan.interval, &recent)?;
    let _pinned = plan.pin()?;
    asking::run(link, &ask, &mut recent, again, until)
}

/// Tells what came of it; says whether all came back.
fn told(
    plan: &Plan,
    sizes: Sizes,
    run: Option<u32>,
    answers: &asking::Answers,
    other: &Option<Other>,
) -> Result<bool, Error> {
    let which = run.map(|run| format!("  run {run}")).unwrap_or_default();
    say(format_args!("{}{which}", times::row(&sizes.to_string(), &answers.times)))?;
    if let Some(line) = outages::told(answers.outages) {
        say(format_args!("{line}"))?;
    }
    output::report(&report::latency(sizes, plan.rate, run, answers))?;
    let lost = answers.sent.saturating_sub(answers.received);
    if lost + answers.corrupted == 0 {
        return Ok(true);
    }
    let corrupted = answers.corrupted;
    warn(format_args!("{lost} packets lost, {corrupted} came back changed or are not ours"));
    if let Some(stopped) = other::stopped(other) {
        warn(format_args!("{stopped}"));
    }
    Ok(false)
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
                let received = throughput::one_way(plan, &catch, &flow, until)?;
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
                let tried = tried.map_err(|error| other::blame(&mut other, error, until))?;
                // It would lose everything at every rate.
                other::stopped(&other).filter(|_| tried.lost() > 0).map_or(Ok(Some(tried)), Err)
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
            Some(Search { name: sizes.in_words(), trials: trials.iter().filter_map(judged).collect(), found })
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
        let setups = setting_up::run(&plan.place, plan.time, &mut other, until, report::setup_so_far);
        setups.map_err(|error| other::blame(&mut other, error, until))?
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
        if let Some(other) = &mut other {
            other.wait_ready(plan.place.timeout);
        }
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
        if let Some(stopped) = other::stopped(&other).filter(|_| found.lost > 0) {
            warn(format_args!("{stopped}"));
        }
        if found.went_down > 0 && !until.is_over() {
            warn(format_args!("{} links went down before the end: look what the other end says", found.went_down));
            complete = false;
        }
        complete &= found.up == usize::try_from(count).unwrap_or(usize::MAX);
        complete &= found.lost == 0 || found.round_trips.is_empty();
        rows.push((report::named(count), found.round_trips));
    }
    draw(plan, &Picture::Times(&rows))?;
    Ok(outcome(complete))
}
