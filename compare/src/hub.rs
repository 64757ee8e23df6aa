//! What concerns the control side: setting interfaces up and deleting them, and many of them on one socket.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::clock::ticks;
use crate::job::{Job, Report, Task};
use crate::port::{Result, io_error};
use crate::shared::Control;
use crate::work::Meter;

/// Longest wait before an end looks whether the slice is over.
const PATIENCE: Duration = Duration::from_millis(20);
/// Longest wait for links.
const LINKS: Duration = Duration::from_secs(10);

/// Interfaces on one socket, which one thread drives through one descriptor.
pub(crate) trait Hub {
    /// Adds an interface; their ids count from 0.
    fn add(&mut self) -> Result<()>;
    /// Deletes the one that was added last.
    fn remove(&mut self) -> Result<()>;
    /// Waits at most that long for events, and does what they ask for.
    fn turn(&mut self, timeout: Duration) -> Result<()>;
    /// Links that came up so far, and that went down.
    fn links(&self) -> (u32, u32);
    /// Sends a packet through the first interface.
    fn send(&mut self, payload: &[u8]) -> Result<()>;
    /// Receives what interfaces were signalled for. Returns the number of packets.
    fn take(&mut self, scratch: &mut [u8]) -> Result<usize>;
    /// Sends back what interfaces were signalled for.
    fn answer(&mut self) -> Result<()>;
}

/// Runs the job's task. `meet` waits for the other end.
pub(crate) fn run(
    hub: &mut impl Hub,
    job: &Job,
    control: &Control,
    meet: impl FnOnce() -> Result<()>,
) -> Result<Report> {
    match job.task {
        Task::Serve => {
            (0..job.interfaces).try_for_each(|_| hub.add())?;
            meet()?;
            while !control.stopped() {
                hub.turn(PATIENCE)?;
                control.count().store(hub.links().1, Ordering::Release);
                match hub.answer() {
                    // The other end is gone, and the link with it.
                    Err(error) if !control.stopped() => return Err(error),
                    _ => {}
                }
            }
            Ok(Report::default())
        }
        Task::Return => {
            hub.add()?;
            meet()?;
            while !control.stopped() {
                hub.turn(PATIENCE)?;
            }
            Ok(Report::default())
        }
        Task::Cycle => {
            meet()?;
            cycle(hub, job, control)
        }
        _ => {
            meet()?;
            crowd(hub, job, control)
        }
    }
}

/// Stays away longer each time, so that the other end's pauses are met at different points.
const AWAY: [u64; 5] = [150, 550, 950, 1350, 1750];

/// A master is ended and comes back, again and again, to a slave that waits for it. `open` gives its socket.
pub(crate) fn restart<H: Hub>(
    open: impl Fn() -> Result<H>,
    job: &Job,
    control: &Control,
    meet: impl FnOnce() -> Result<()>,
) -> Result<Report> {
    let mut hub = open()?;
    hub.add()?;
    meet()?;
    wait_links(&mut hub, 1)?;
    let mut times = Histogram::<u64>::new_with_bounds(1, 100_000_000_000, 3).map_err(|e| e.to_string())?;
    // Few where little time is wanted.
    let times_away = (job.milliseconds / 40).max(1);
    for away in AWAY.into_iter().take(usize::try_from(times_away).unwrap_or(usize::MAX)) {
        drop(hub);
        // Where the library leaves it.
        let _ = std::fs::remove_file(job.place.join("memif.sock"));
        std::thread::sleep(Duration::from_millis(away));
        hub = open()?;
        hub.add()?;
        let listens = Instant::now();
        wait_links(&mut hub, 1)?;
        times.saturating_record(listens.elapsed().as_nanos() as u64);
    }
    control.stop();
    let mut report = Report::default();
    report.set_times(&times);
    Ok(report)
}

/// An interface comes, gets its link, and goes, again and again. A cycle ends when the master has seen it.
fn cycle(hub: &mut impl Hub, job: &Job, control: &Control) -> Result<Report> {
    let mut meter = Meter::new(job);
    for cycles in 1.. {
        hub.add()?;
        wait_links(hub, cycles)?;
        hub.remove()?;
        let start = Instant::now();
        let mut looks = 0_u32;
        while control.count().load(Ordering::Acquire) != cycles {
            std::hint::spin_loop();
            looks += 1;
            if looks.is_multiple_of(1 << 16) && start.elapsed() > LINKS {
                let seen = control.count().load(Ordering::Acquire);
                return Err(format!("the master saw {seen} links end after {cycles} of them"));
            }
        }
        if meter.count(1) {
            break;
        }
    }
    control.stop();
    Ok(meter.report())
}

/// Waits until so many links came up.
fn wait_links(hub: &mut impl Hub, links: u32) -> Result<()> {
    let start = Instant::now();
    while hub.links().0 < links {
        hub.turn(PATIENCE)?;
        if start.elapsed() > LINKS {
            return Err(format!("{} of {links} links within {LINKS:?}", hub.links().0));
        }
    }
    Ok(())
}

/// Sets all interfaces up, then lets one of them work while the others rest.
fn crowd(hub: &mut impl Hub, job: &Job, control: &Control) -> Result<Report> {
    let start = Instant::now();
    (0..job.interfaces).try_for_each(|_| hub.add())?;
    wait_links(hub, job.interfaces)?;
    let time = start.elapsed();
    let mut report = Report {
        packets: job.interfaces.into(),
        nanoseconds: time.as_nanos() as f64,
        kibibytes: resident()?,
        descriptors: std::fs::read_dir("/proc/self/fd").map_err(io_error("descriptors"))?.count() as u64,
        ..Report::default()
    };
    let payload = job.payload();
    let mut scratch = vec![0; 65_536];
    let mut times = Histogram::<u64>::new_with_bounds(1, 10_000_000_000, 3).map_err(|e| e.to_string())?;
    let end = Instant::now() + Duration::from_millis(job.milliseconds);
    while Instant::now() < end {
        let start = ticks();
        hub.send(&payload)?;
        let asked = Instant::now();
        while hub.take(&mut scratch)? == 0 {
            hub.turn(PATIENCE)?;
            if asked.elapsed() > LINKS {
                return Err("no packet came back".to_owned());
            }
        }
        let time = (ticks() - start) as f64 * job.nanoseconds_per_tick;
        times.saturating_record(time as u64);
    }
    control.stop();
    report.set_times(&times);
    Ok(report)
}

/// KiB of memory that this process has.
fn resident() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status").map_err(io_error("memory"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    number.ok_or_else(|| "no VmRSS".to_owned())
}

/// Lets this process open as many descriptors as it may.
pub(crate) fn raise_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // Where that is refused, adding interfaces will say so.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}
