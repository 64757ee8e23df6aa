//! A link that goes down during a run, and comes back.

use std::time::Instant;

use memif::Link;

use super::end::End;
use super::outages::{OutageReport, Outages};
use super::until::Until;
use crate::error::Error;
use crate::output::{report, warn};

/// Waits for the next link, and keeps the time.
pub(crate) struct Reconnect<'e> {
    end: &'e mut End,
    asked: bool,
    /// Whether it waits for ever, and without being asked.
    patient: bool,
    outages: Outages,
}

impl<'e> Reconnect<'e> {
    /// Where it was asked for, a link is waited for as long as the first one may take; times are kept and told.
    pub(crate) fn new(end: &'e mut End, asked: bool) -> Self {
        Self { end, asked, patient: false, outages: Outages::default() }
    }

    /// The same for who serves one link after the other in any case: it waits for ever.
    pub(crate) fn patient(end: &'e mut End, asked: bool) -> Self {
        Self { patient: true, ..Self::new(end, asked) }
    }

    /// The link after one that went down. `None` where it is not to be waited for, or did not come, or a signal came
    /// before: what was measured until then is still to be told.
    pub(crate) fn link(&mut self, until: &Until) -> Result<Option<Link>, Error> {
        if until.is_over() || !(self.asked || self.patient) {
            return Ok(None);
        }
        let start = Instant::now();
        let link = match self.end.link(until, self.patient) {
            Ok(link) => link,
            Err(error @ Error::Output(_)) => return Err(error),
            // Whatever keeps it away: what was measured until then is told.
            Err(reason) => {
                warn(format_args!("the link did not come back: {reason}"));
                self.outages.for_good = true;
                None
            }
        };
        if !self.asked {
            return Ok(link);
        }
        let time = start.elapsed();
        self.outages.count += 1;
        self.outages.time += time;
        let reason = self.end.last_reason().unwrap_or_default();
        if link.is_some() {
            let seconds = time.as_secs_f64();
            warn(format_args!("the link is back after {seconds:.3} s without ({reason})"));
        }
        report(&OutageReport::new(reason, time, link.is_some()))?;
        Ok(link)
    }

    pub(crate) fn outages(&self) -> Outages {
        self.outages
    }
}
