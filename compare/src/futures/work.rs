//! What the ends do while a slice lasts.

use std::io;
use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::io::unix::AsyncFd;

use super::Port;
use crate::clock::ticks;
use crate::job::{Job, Report, Task};
use crate::pause::Timer;
use crate::port::{Result, io_error};
use crate::shared::Control;
use crate::work::{Meter, Placed};

pub(super) async fn run(port: &mut impl Port, job: &Job, control: &Control) -> Result<Report> {
    let payload = Placed::new(&port.payload(job));
    let mut scratch = Placed::new(&[0; 65_536 + 64]);
    match job.task {
        Task::Send => send(port, job, control, &payload).await,
        Task::Receive => {
            let report = receive(port, job, control, &mut scratch).await?;
            let part = port.changed()..job.size;
            if scratch[part.clone()] != payload[part] {
                return Err("the last packet has other bytes than were sent".to_owned());
            }
            Ok(report)
        }
        Task::Ping => ping(port, job, control, &payload, &mut scratch).await,
        Task::Echo => echo(port, job, control, &mut scratch).await,
        task => Err(format!("{task:?} is no task of async ends")),
    }
}

async fn send(port: &mut impl Port, job: &Job, control: &Control, payload: &[u8]) -> Result<Report> {
    let mut packets = 0;
    while !control.stopped() {
        match port.send(payload, job.burst).await {
            Ok(sent) => packets += sent as u64,
            // The receiver may be gone before we see that the slice is over.
            Err(_) if control.stopped() => break,
            Err(error) => return Err(error),
        }
    }
    Ok(Report { packets, ..Report::default() })
}

async fn receive(port: &mut impl Port, job: &Job, control: &Control, scratch: &mut [u8]) -> Result<Report> {
    let mut meter = Meter::new(job);
    loop {
        let got = port.receive(scratch, job.burst).await?;
        if got.bytes != got.packets * job.size {
            return Err(format!("{} bytes in {} packets", got.bytes, got.packets));
        }
        if meter.count(got.packets) {
            break;
        }
    }
    control.stop();
    Ok(meter.report())
}

async fn ping(
    port: &mut impl Port,
    job: &Job,
    control: &Control,
    payload: &[u8],
    scratch: &mut [u8],
) -> Result<Report> {
    let mut times = Histogram::<u64>::new_with_bounds(1, 10_000_000_000, 3).map_err(|e| e.to_string())?;
    let mut meter = Meter::new(job);
    // So that the first one that counts finds its memory there.
    times.saturating_record(1);
    times.reset();
    let mut counted = false;
    let pause = Pause::new().map_err(io_error("a timer"))?;
    loop {
        if job.pause > 0 {
            pause.wait(Duration::from_micros(job.pause)).await.map_err(io_error("a pause"))?;
        }
        let start = ticks();
        port.send(payload, 1).await?;
        let got = port.receive(scratch, 1).await?;
        let time = ticks() - start;
        if got.packets != 1 || got.bytes != job.size {
            return Err(format!("{} bytes in {} packets", got.bytes, got.packets));
        }
        times.saturating_record((time as f64 * job.nanoseconds_per_tick) as u64);
        if meter.count(1) {
            break;
        }
        if meter.is_counting() && !counted {
            counted = true;
            times.reset();
        }
    }
    control.stop();
    // A socket does not tell the other end that this one goes.
    let _ = port.send(payload, 1).await;
    let mut report = meter.report();
    report.set_times(&times);
    Ok(report)
}

async fn echo(port: &mut impl Port, job: &Job, control: &Control, scratch: &mut [u8]) -> Result<Report> {
    let mut packets = 0;
    while !control.stopped() {
        match port.echo(scratch, job.burst).await {
            Ok(count) => packets += count as u64,
            // A wait ends with its peer, too.
            Err(_) if control.stopped() => break,
            Err(error) => return Err(error),
        }
    }
    Ok(Report { packets, ..Report::default() })
}

/// A pause as long as that of a thread.
struct Pause(AsyncFd<Timer>);

impl Pause {
    #[expect(deprecated, reason = "the other way is unsafe, for types whose descriptor may change or be closed")]
    fn new() -> io::Result<Self> {
        AsyncFd::new(Timer::nonblocking()?).map(Self)
    }

    async fn wait(&self, time: Duration) -> io::Result<()> {
        self.0.get_ref().start(time)?;
        let mut ready = self.0.readable().await?;
        self.0.get_ref().finish()?;
        ready.clear_ready();
        Ok(())
    }
}
