//! What the ends do while a slice lasts: the same loops over every carrier.

use std::sync::atomic::Ordering;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::clock::ticks;
use crate::end::pin;
use crate::job::{AFTER_VISIT, Job, Report, Task};
use crate::pause::Timer;
use crate::port::{Port, Result, io_error};
use crate::shared::Control;

/// Bursts between two looks at the clock.
const BURSTS: u32 = 32;
/// Calls between two looks at the control channel, and fruitless ones between two at the clock.
const RARELY: u32 = 1 << 14;
/// Nothing came for so long: the slice failed.
const PATIENCE_MS: u64 = 3000;
/// Packets under way between generator and echo: half of the smallest ring that is used for this.
const WINDOW: usize = 512;

/// Bounces there and back by which the distance of the cores is found: a millisecond at most.
const DISTANCE_BOUNCES: u32 = 3000;

/// Runs the job's task. The port is connected.
pub(crate) fn run(port: &mut impl Port, job: &Job, control: &Control) -> Result<Report> {
    let payload = Placed::new(&job.payload());
    let mut work = Work { job, control, payload, scratch: Placed::new(&[0; 65_536 + 64]), rarely: 0 };
    match job.task {
        Task::Send => work.send(port),
        Task::Receive => work.receive(port),
        Task::Ping => work.ping(port),
        Task::Echo => work.answer(port, |port, scratch, count| port.echo(scratch, count)),
        Task::Forward => work.answer(port, |port, scratch, count| port.forward(scratch, count)),
        Task::Generate => work.generate(port),
        Task::Cycle | Task::Crowd | Task::Serve | Task::Restart | Task::Return => {
            Err("a task without a port".to_owned())
        }
    }
}

struct Work<'a> {
    job: &'a Job,
    control: &'a Control,
    payload: Placed,
    scratch: Placed,
    rarely: u32,
}

/// Private bytes at the same place of their page in every slice: where a copy's two ends lie alike in their pages, some
/// processors take several times as long (glibc's bug 30994), and where the heap has them changes with the length of a
/// path.
pub(crate) struct Placed {
    bytes: Vec<u8>,
    range: std::ops::Range<usize>,
}

/// Bytes of a page.
const PAGE: usize = 4096;
/// Place in a page: far from the beginning, where ring buffers of whole pages have theirs.
const PLACE: usize = 2112;

impl Placed {
    pub(crate) fn new(content: &[u8]) -> Self {
        let mut bytes = vec![0; content.len() + PAGE];
        let start = PLACE.wrapping_sub(bytes.as_ptr().addr()) % PAGE;
        let range = start..start + content.len();
        bytes[range.clone()].copy_from_slice(content);
        Self { bytes, range }
    }
}

impl std::ops::Deref for Placed {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.bytes[self.range.clone()]
    }
}

impl std::ops::DerefMut for Placed {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.range.clone()]
    }
}

/// The part of a slice that counts.
pub(crate) struct Meter {
    nanoseconds_per_tick: f64,
    /// When it began or begins; when it ends.
    start: u64,
    end: u64,
    /// When a visit of the other end's core is over.
    home: u64,
    ticks_of_patience: u64,
    last: u64,
    bursts: u32,
    packets: u64,
    counting: bool,
    /// Bursts have pauses in between, so that the clock is looked at after each.
    paused: bool,
}

impl Meter {
    pub(crate) fn new(job: &Job) -> Self {
        let ticks_of = |ms: u64| (ms as f64 * 1e6 / job.nanoseconds_per_tick) as u64;
        let now = ticks();
        let start = now + ticks_of(job.warm_up);
        Self {
            nanoseconds_per_tick: job.nanoseconds_per_tick,
            start,
            end: start + ticks_of(job.milliseconds),
            home: start.saturating_sub(ticks_of(AFTER_VISIT)),
            ticks_of_patience: ticks_of(PATIENCE_MS),
            last: now,
            bursts: 0,
            packets: 0,
            counting: false,
            paused: job.pause > 0,
        }
    }

    /// Counts a burst. Returns whether the slice is over.
    #[inline]
    pub(crate) fn count(&mut self, packets: usize) -> bool {
        self.packets += packets as u64;
        self.bursts += 1;
        (self.paused || self.bursts.is_multiple_of(BURSTS)) && self.look()
    }

    #[cold]
    fn look(&mut self) -> bool {
        self.last = ticks();
        if !self.counting && self.last >= self.start {
            self.counting = true;
            let length = self.end - self.start;
            (self.start, self.end) = (self.last, self.last + length);
            self.packets = 0;
            return false;
        }
        self.counting && self.last >= self.end
    }

    /// Whether the rest of the warm-up is for after a visit of the other end's core.
    #[inline]
    fn ends_visit(&self) -> bool {
        self.last >= self.home
    }

    /// Called when nothing comes for long.
    #[cold]
    fn idle(&self, control: &Control) -> Result<()> {
        if control.stopped() {
            return Err("the other end gave up".to_owned());
        }
        if ticks().saturating_sub(self.last) > self.ticks_of_patience {
            return Err(format!("no packet came for {PATIENCE_MS} ms, after {}", self.packets));
        }
        Ok(())
    }

    /// Whether the warm-up is over.
    pub(crate) fn is_counting(&self) -> bool {
        self.counting
    }

    pub(crate) fn report(&self) -> Report {
        Report {
            packets: self.packets,
            nanoseconds: (self.last - self.start) as f64 * self.nanoseconds_per_tick,
            ..Report::default()
        }
    }
}

impl Work<'_> {
    /// Looks after the control channel now and then.
    #[inline]
    fn rarely(&mut self, port: &mut impl Port) -> Result<()> {
        self.rarely += 1;
        if self.rarely.is_multiple_of(RARELY) { port.rarely() } else { Ok(()) }
    }

    fn send(&mut self, port: &mut impl Port) -> Result<Report> {
        let mut packets = 0;
        while !self.control.stopped() {
            match port.send(&self.payload, self.job.burst) {
                Ok(0) => std::hint::spin_loop(),
                Ok(sent) => packets += sent as u64,
                // The receiver may be gone before we see that the slice is over.
                Err(_) if self.control.stopped() => break,
                Err(error) => return Err(error),
            }
            self.rarely(port)?;
        }
        Ok(Report { packets, ..Report::default() })
    }

    fn receive(&mut self, port: &mut impl Port) -> Result<Report> {
        let mut meter = Meter::new(self.job);
        let mut idle = 0_u32;
        let burst = self.job.burst;
        loop {
            let got = port.receive(&mut self.scratch, burst)?;
            if got.packets == 0 {
                port.wait()?;
                idle += 1;
                if idle.is_multiple_of(RARELY) {
                    meter.idle(self.control)?;
                    port.rarely()?;
                }
                continue;
            }
            if got.bytes != got.packets * self.job.size {
                return Err(format!("{} bytes in {} packets", got.bytes, got.packets));
            }
            if meter.count(got.packets) {
                break;
            }
            self.rarely(port)?;
        }
        self.control.stop();
        self.verify()?;
        Ok(meter.report())
    }

    /// Compares the packet that came last with what was sent.
    fn verify(&self) -> Result<()> {
        let same = !self.job.own_packets || self.scratch[..self.job.size] == *self.payload;
        if same { Ok(()) } else { Err("the last packet has other bytes than were sent".to_owned()) }
    }

    fn ping(&mut self, port: &mut impl Port) -> Result<Report> {
        let mut times = Histogram::<u64>::new_with_bounds(1, 10_000_000_000, 3).map_err(|e| e.to_string())?;
        let mut meter = Meter::new(self.job);
        // So that the first one that counts finds its memory there.
        times.saturating_record(1);
        times.reset();
        let mut was_counting = false;
        let pause = Timer::new().map_err(io_error("a timer"))?;
        let mut visiting = self.job.visits;
        if let Some(cpu) = visiting {
            pin(cpu)?;
        }
        loop {
            if self.job.pause > 0 {
                let time = Duration::from_micros(self.job.pause);
                pause.start(time).and_then(|()| pause.finish()).map_err(io_error("a pause"))?;
            }
            let start = ticks();
            while port.send(&self.payload, 1)? == 0 {}
            let mut idle = 0_u32;
            let got = loop {
                let got = port.receive(&mut self.scratch, 1)?;
                if got.packets > 0 {
                    break got;
                }
                port.wait()?;
                idle += 1;
                if idle.is_multiple_of(RARELY) {
                    meter.idle(self.control)?;
                }
            };
            let time = ticks() - start;
            if got.packets != 1 || got.bytes != self.job.size {
                return Err(format!("{} bytes in {} packets", got.bytes, got.packets));
            }
            times.saturating_record((time as f64 * self.job.nanoseconds_per_tick) as u64);
            if meter.count(1) {
                break;
            }
            if meter.counting && !was_counting {
                was_counting = true;
                times.reset();
            }
            if visiting.is_some() && meter.ends_visit() {
                visiting = None;
                pin(self.job.cpu)?;
            }
            self.rarely(port)?;
        }
        self.control.stop();
        let mut report = meter.report();
        report.set_times(&times);
        Ok(report)
    }

    fn answer<P: Port>(
        &mut self,
        port: &mut P,
        answer: impl Fn(&mut P, &mut [u8], usize) -> Result<usize>,
    ) -> Result<Report> {
        let mut packets = 0;
        while !self.control.stopped() {
            match answer(port, &mut self.scratch, self.job.burst) {
                Ok(0) => match port.wait() {
                    // A wait ends with its peer, too.
                    Err(_) if self.control.stopped() => break,
                    waited => waited?,
                },
                Ok(count) => packets += count as u64,
                Err(_) if self.control.stopped() => break,
                Err(error) => return Err(error),
            }
            self.rarely(port)?;
        }
        Ok(Report { packets, ..Report::default() })
    }

    fn generate(&mut self, port: &mut impl Port) -> Result<Report> {
        let mut meter = Meter::new(self.job);
        let mut under_way = 0;
        let mut idle = 0_u32;
        loop {
            let room = (WINDOW - under_way).min(self.job.burst);
            let sent = if room > 0 { port.send(&self.payload, room)? } else { 0 };
            under_way += sent;
            let got = port.receive(&mut self.scratch, self.job.burst)?;
            if got.bytes != got.packets * self.job.size || got.packets > under_way {
                return Err(format!("{} bytes in {} packets", got.bytes, got.packets));
            }
            under_way -= got.packets;
            if got.packets > 0 {
                if meter.count(got.packets) {
                    break;
                }
            } else if sent == 0 {
                port.wait()?;
                idle += 1;
                if idle.is_multiple_of(RARELY) {
                    meter.idle(self.control)?;
                }
            }
            self.rarely(port)?;
        }
        self.control.stop();
        Ok(meter.report())
    }
}

/// Nanoseconds that one cache line takes from core to core and back, as the mean of many. On a virtual machine that
/// changes while cores of the host are changed, and with it every figure.
pub(crate) fn distance(job: &Job, control: &Control, first: bool) -> Result<f64> {
    let line = control.distance();
    let patience = PATIENCE_MS * 1_000_000;
    let mut start = ticks();
    for turn in 0..=DISTANCE_BOUNCES {
        // The other end may come to this late.
        if turn == 1 {
            start = ticks();
        }
        let expected = 2 * turn + u32::from(!first);
        let mut looks = 0_u32;
        while line.load(Ordering::Acquire) != expected {
            std::hint::spin_loop();
            looks = looks.wrapping_add(1);
            let waited = || (ticks() - start) as f64 * job.nanoseconds_per_tick;
            if looks.is_multiple_of(RARELY) && (control.stopped() || waited() > patience as f64) {
                return Err("the other end gave up".to_owned());
            }
        }
        line.store(expected + 1, Ordering::Release);
    }
    Ok((ticks() - start) as f64 * job.nanoseconds_per_tick / f64::from(DISTANCE_BOUNCES))
}

/// Bounces one cache line: each end waits for the other's number and answers with the next.
pub(crate) fn bounce(job: &Job, control: &Control) -> Result<Report> {
    let line = control.bounced();
    if job.task != Task::Ping {
        let mut expected = 1;
        while !control.stopped() {
            if line.load(Ordering::Acquire) == expected {
                line.store(expected + 1, Ordering::Release);
                expected = expected.wrapping_add(2);
            } else {
                std::hint::spin_loop();
            }
        }
        return Ok(Report::default());
    }
    let mut meter = Meter::new(job);
    let mut number: u32 = 0;
    loop {
        let answer = number.wrapping_add(2);
        line.store(number + 1, Ordering::Release);
        let mut idle = 0_u32;
        while line.load(Ordering::Acquire) != answer {
            std::hint::spin_loop();
            idle += 1;
            if idle.is_multiple_of(RARELY) {
                meter.idle(control)?;
            }
        }
        number = answer;
        if meter.count(2) {
            break;
        }
    }
    control.stop();
    let report = meter.report();
    // Two bounces are a round trip. Too short to look at the clock each time, so all count as the mean.
    let mean = 2.0 * report.nanoseconds / report.packets as f64;
    Ok(Report { times: vec![(mean.round() as u64, report.packets / 2)], ..report })
}
