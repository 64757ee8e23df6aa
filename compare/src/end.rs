//! One end of a slice: a process of its own, pinned to its core.

use std::io::Write;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::job::{Carrier, Job, Report};
use crate::port::bare::Bare;
use crate::port::library::Interface;
use crate::port::rust::Rust;
use crate::port::{Port, Result, io_error};
use crate::shared::Control;
use crate::work;

/// How long the other end may take to be ready.
const READY: Duration = Duration::from_secs(10);

/// Does the job and prints its report.
pub(crate) fn main(job: &str) -> std::process::ExitCode {
    let report = match serde_json::from_str::<Job>(job) {
        Ok(job) => execute(&job),
        Err(error) => Report { error: Some(error.to_string()), ..Report::default() },
    };
    let failed = report.error.is_some();
    print(&report);
    if failed { std::process::ExitCode::FAILURE } else { std::process::ExitCode::SUCCESS }
}

fn print(report: &Report) {
    // Nobody listens any more to an end that has reported and lingered.
    let _ = writeln!(std::io::stdout(), "{}", serde_json::to_string(report).unwrap_or_default());
}

fn execute(job: &Job) -> Report {
    let control = match Control::open(&job.control).map_err(io_error("opening the control page")) {
        Ok(control) => control,
        Err(error) => return Report { error: Some(error), ..Report::default() },
    };
    let done = pin(job.cpu).and_then(|()| dispatch(job, &control));
    // Whatever happened, the other end need not go on.
    control.stop();
    done.unwrap_or_else(|error| Report { error: Some(error), ..Report::default() })
}

fn dispatch(job: &Job, control: &Control) -> Result<Report> {
    match &job.carrier {
        Carrier::Bare { stride } => start(Bare::open(job, *stride)?, job, control),
        Carrier::Rust => start(Rust::open(job)?, job, control),
        Carrier::Library(path) => start(Interface::open(path, job)?, job, control),
        Carrier::Line => {
            meet(control)?;
            work::bounce(job, control)
        }
        carrier => Err(format!("{carrier:?} is not there")),
    }
}

fn start(mut port: impl Port, job: &Job, control: &Control) -> Result<Report> {
    meet(control)?;
    let report = work::run(&mut port, job, control)?;
    if job.lingers {
        print(&report);
        while !control.released() {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    Ok(report)
}

/// Waits until both ends are ready.
fn meet(control: &Control) -> Result<()> {
    control.ready().fetch_add(1, Ordering::AcqRel);
    let start = Instant::now();
    while control.ready().load(Ordering::Acquire) < 2 {
        if control.stopped() {
            return Err("the other end gave up".to_owned());
        }
        if start.elapsed() > READY {
            return Err("the other end did not come".to_owned());
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    Ok(())
}

/// Keeps this process on one core.
pub(crate) fn pin(cpu: usize) -> Result<()> {
    let mut set = rustix::thread::CpuSet::new();
    set.set(cpu);
    rustix::thread::sched_setaffinity(None, &set).map_err(|e| format!("pinning to core {cpu}: {e}"))
}
