//! `memif top`: the links of the host, live, between whatever programs, without touching either of them.
//!
//! `sample` looks at rings and tells `figures` once a period; `view` turns those into cells, `report` into lines and
//! JSON; `screen` has the terminal.

mod figures;
mod numbers;
mod options;
mod report;
mod sample;
mod screen;
mod ui;
mod view;

use std::sync::mpsc;

pub(crate) use options::TopOptions;

use crate::endpoint::driver::Notice;
use crate::endpoint::signals::Stop;
use crate::error::Error;
use crate::output;
use crate::output::exit::Outcome;
use figures::Snapshot;
use report::TopReport;
use sample::{Plan, Sampler};

/// Shows links until a key or a signal ends it, or prints as many periods as the options say.
pub(crate) fn run(options: &TopOptions) -> Result<Outcome, Error> {
    if options.is_live() { screen::run(options) } else { print(options) }
}

enum Item {
    Snapshot(Snapshot),
    Notice(Notice),
}

fn print(options: &TopOptions) -> Result<Outcome, Error> {
    let (items, inbox) = mpsc::channel();
    let (notices, told) = mpsc::channel();
    Stop::listen(notices)?;
    let to = items.clone();
    sample::spawn("notices", move || {
        // Without a receiver the command is ending already.
        told.into_iter().for_each(|notice| drop(to.send(Item::Notice(notice))));
    })?;
    let plan = Plan { pid: options.pid, period: options.delay, at_once: false };
    let sampler = Sampler::start(plan, move |snapshot| items.send(Item::Snapshot(snapshot)).is_ok())?;
    let mut left = options.count();
    let mut printed = false;
    while left != Some(0) {
        match inbox.recv() {
            Ok(Item::Snapshot(snapshot)) => {
                if printed {
                    output::say(format_args!(""))?;
                }
                output::say(format_args!("{}", report::lines(&snapshot).trim_end()))?;
                output::report(&TopReport::of(&snapshot))?;
                printed = true;
                left = left.map(|left| left - 1);
            }
            Ok(Item::Notice(Notice::Figures)) => sampler.tell_now(),
            Ok(Item::Notice(Notice::Signal)) | Err(_) => break,
            Ok(Item::Notice(_)) => {}
        }
    }
    Ok(Outcome::Success)
}
