//! Figures of each second, or of any other period, while a measurement goes on: said by a thread of their own, so that
//! no packet waits for a terminal.

use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::crew::Crew;
use super::report::{self, Period, Way};
use crate::error::Error;
use crate::output::times::histogram;

/// How long the histogram of a period may take to be handed over: longer than a packet counts as lost.
const HANDED: Duration = Duration::from_secs(2);

/// Says them until it is dropped.
#[must_use = "dropping it ends it"]
pub(crate) struct Interval {
    over: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Interval {
    /// Says what a crew sends or receives in each period, where there is one. Starts the thread before the caller is
    /// bound to a processor.
    pub(crate) fn of_counts(period: Option<Duration>, way: Way, crew: &Arc<Crew>) -> Result<Option<Self>, Error> {
        let crew = Arc::clone(crew);
        let mut before = crew.counts();
        let tell = move |period| {
            let now = crew.counts();
            let told = report::counts(way, period, (now.0 - before.0, now.1 - before.1));
            before = now;
            told
        };
        period.map(|period| Self::start(period, tell)).transpose()
    }

    /// Says how long round trips of each period took.
    pub(crate) fn of_times(period: Option<Duration>, recent: &Recent) -> Result<Option<Self>, Error> {
        let (Some(period), Some(slot)) = (period, recent.slot.clone()) else { return Ok(None) };
        let tell = move |period| match slot.take() {
            Some(times) => report::round_trips(period, &times),
            None => Ok(()),
        };
        Self::start(period, tell).map(Some)
    }

    fn start(
        period: Duration,
        mut tell: impl FnMut(Period) -> Result<(), Error> + Send + 'static,
    ) -> Result<Self, Error> {
        let (over, ended) = mpsc::channel::<()>();
        let decimals = Period::decimals(period);
        let run = move || {
            let (start, mut from) = (Instant::now(), Duration::ZERO);
            for number in 1_u32.. {
                let wait = (period * number).saturating_sub(start.elapsed());
                if ended.recv_timeout(wait) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
                let to = start.elapsed();
                // A pipe that closed is met again by the report of the end.
                if tell(Period { from, to, decimals }).is_err() {
                    return;
                }
                from = to;
            }
        };
        let thread = thread::Builder::new().name("interval".to_owned()).spawn(run);
        let thread = thread.map_err(|source| Error::System {
            what: "cannot start a thread".to_owned(),
            advice: "raise the limit of processes (ulimit -u), or leave --interval out",
            source,
        })?;
        Ok(Self { over: Some(over), thread: Some(thread) })
    }
}

impl Drop for Interval {
    fn drop(&mut self) {
        drop(self.over.take());
        if let Some(thread) = self.thread.take() {
            // A panic there was reported by itself.
            let _ = thread.join();
        }
    }
}

/// Times since they were last handed over.
pub(crate) struct Recent {
    times: Option<Histogram<u64>>,
    slot: Option<Arc<Slot>>,
}

/// Where they are handed over.
struct Slot {
    wanted: AtomicBool,
    times: Mutex<Histogram<u64>>,
    handed: Condvar,
}

impl Recent {
    /// Keeps them if they are wanted at all.
    pub(crate) fn new(wanted: bool) -> Result<Self, Error> {
        if !wanted {
            return Ok(Self { times: None, slot: None });
        }
        let slot = Slot { wanted: AtomicBool::new(false), times: Mutex::new(histogram()?), handed: Condvar::new() };
        Ok(Self { times: Some(histogram()?), slot: Some(Arc::new(slot)) })
    }

    #[inline]
    pub(crate) fn record(&mut self, nanoseconds: u64) {
        if let Some(times) = &mut self.times {
            times.saturating_record(nanoseconds);
        }
    }

    /// Hands them over if somebody waits for them.
    #[inline]
    pub(crate) fn hand_over(&mut self) {
        if let (Some(slot), Some(times)) = (&self.slot, &mut self.times)
            && slot.wanted.load(Ordering::Relaxed)
        {
            mem::swap(&mut *slot.times.lock().unwrap_or_else(PoisonError::into_inner), times);
            slot.wanted.store(false, Ordering::Release);
            slot.handed.notify_one();
        }
    }
}

impl Slot {
    /// The times since the last ones; `None` when they did not come.
    fn take(&self) -> Option<Histogram<u64>> {
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        times.reset();
        self.wanted.store(true, Ordering::Relaxed);
        let waited = self.handed.wait_timeout_while(times, HANDED, |_| self.wanted.load(Ordering::Acquire));
        let (times, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        (!timeout.timed_out()).then(|| times.clone())
    }
}
