//! One end of a slice: a process of its own, pinned to its core.

use std::cell::Cell;
use std::io::Write;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::futures;
use crate::hub;
use crate::job::{Carrier, Job, Report, Task};
use crate::port::bare::Bare;
use crate::port::kernel::Kernel;
use crate::port::library::Interface;
use crate::port::library::hub::LibraryHub;
use crate::port::rust::Rust;
use crate::port::rust_hub::RustHub;
use crate::port::threads::Threads;
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
    if job.task == Task::Restart {
        let meet = || meet(job, control).map(drop);
        return match &job.carrier {
            Carrier::Rust => hub::restart(|| RustHub::open(job), job, control, meet),
            Carrier::Library(path) => hub::restart(|| LibraryHub::open(path, job), job, control, meet),
            carrier => Err(format!("{carrier:?} has no interfaces")),
        };
    }
    if matches!(job.task, Task::Cycle | Task::Crowd | Task::Serve | Task::Return) {
        hub::raise_limit();
        let distance = Cell::new(None);
        let meet = || meet(job, control).map(|found| distance.set(found));
        let report = match &job.carrier {
            Carrier::Rust => hub::run(&mut RustHub::open(job)?, job, control, meet),
            Carrier::Library(path) => hub::run(&mut LibraryHub::open(path, job)?, job, control, meet),
            carrier => Err(format!("{carrier:?} has no interfaces")),
        };
        return report.map(|report| Report { distance: distance.get(), ..report });
    }
    match &job.carrier {
        Carrier::Bare { stride } => start(Bare::open(job, *stride)?, job, control),
        Carrier::Rust => start(Rust::open(job)?, job, control),
        Carrier::Library(path) => start(Interface::open(path, job)?, job, control),
        Carrier::Line => {
            let distance = meet(job, control)?;
            work::bounce(job, control).map(|report| Report { distance, ..report })
        }
        Carrier::Seqpacket => start(Kernel::seqpacket(job)?, job, control),
        Carrier::Udp => start(Kernel::udp(job)?, job, control),
        Carrier::Veth => start(Kernel::veth(job)?, job, control),
        Carrier::Threads => threads(job, control),
        Carrier::Tokio { way, threads } => futures::run(job, *way, *threads),
        #[cfg(feature = "iceoryx2")]
        Carrier::Iceoryx => start(crate::port::iceoryx::Iceoryx::open(job)?, job, control),
        #[cfg(not(feature = "iceoryx2"))]
        Carrier::Iceoryx => Err("built without the feature iceoryx2".to_owned()),
    }
}

fn start(mut port: impl Port, job: &Job, control: &Control) -> Result<Report> {
    let distance = meet(job, control)?;
    let report = Report { distance, ..work::run(&mut port, job, control)? };
    if job.lingers {
        print(&report);
        while !control.released() {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    Ok(report)
}

/// Both ends in this process, a thread each.
fn threads(job: &Job, control: &Control) -> Result<Report> {
    let other = job.other.as_deref().ok_or("no other end")?;
    let (mine, theirs) = Threads::open(job)?;
    let (first, second) = std::thread::scope(|scope| {
        let second = scope.spawn(|| {
            let done = pin(other.cpu).and_then(|()| start(theirs, other, control));
            control.stop();
            done
        });
        let first = start(mine, job, control);
        control.stop();
        (first, second.join().unwrap_or_else(|_| Err("a thread panicked".to_owned())))
    });
    let (first, second) = (first?, second?);
    Ok(if job.task.measures() { first } else { second })
}

/// Waits until both ends are ready. Returns how far apart they are, where both are this program's.
pub(crate) fn meet(job: &Job, control: &Control) -> Result<Option<f64>> {
    let came_first = control.ready().fetch_add(1, Ordering::AcqRel) == 0;
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
    // Ends that share a core would look for each other's bounce as long as they have it.
    if job.lingers || job.shared {
        return Ok(None);
    }
    work::distance(job, control, came_first).map(Some)
}

/// Keeps this process on one core.
pub(crate) fn pin(cpu: usize) -> Result<()> {
    let mut set = rustix::thread::CpuSet::new();
    set.set(cpu);
    rustix::thread::sched_setaffinity(None, &set).map_err(|e| format!("pinning to core {cpu}: {e}"))
}

/// The first two cores that this process may use, or the only one twice.
pub(crate) fn two_cpus() -> Result<(usize, usize)> {
    let set = rustix::thread::sched_getaffinity(None).map_err(|e| format!("asking for cores: {e}"))?;
    let mut cpus = (0..rustix::thread::CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu));
    let first = cpus.next().ok_or("no core")?;
    Ok((first, cpus.next().unwrap_or(first)))
}
