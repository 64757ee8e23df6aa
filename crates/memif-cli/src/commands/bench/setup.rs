//! How long a link takes to come up and to go away.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use memif::{ConnectError, Event, Role, WaitError};

use super::other::Other;
use super::place::Place;
use super::until::{LOOK, Until};
use crate::error::Error;
use crate::output::advice;
use crate::output::said::Told;
use crate::output::teller::Teller;
use crate::output::times::{histogram, nanoseconds};

/// What it took, in nanoseconds.
#[derive(Clone, Debug)]
pub(crate) struct Setups {
    /// From connecting to a link that is up.
    pub(crate) connect: Histogram<u64>,
    /// From there until the interface is gone, on this side.
    pub(crate) delete: Histogram<u64>,
    /// Both.
    pub(crate) whole: Histogram<u64>,
    pub(crate) time: Duration,
}

/// Connects and deletes, again and again, for that time; tells what it took so far to whoever asks.
pub(crate) fn run(
    place: &Place,
    time: Duration,
    other: &mut Option<Other>,
    until: &Until,
    so_far: fn(&Setups) -> Result<(), Error>,
) -> Result<Setups, Error> {
    let config = place.config(Role::Slave, place.id)?;
    let mut socket = place.socket(Role::Slave)?.retry_period(Duration::from_millis(1)).open()?;
    let mut found = Setups { connect: histogram()?, delete: histogram()?, whole: histogram()?, time: Duration::ZERO };
    let mut teller = Teller::new(place.address.clone(), Told::warn);
    let mut first = true;
    let mut start = Instant::now();
    while (first || start.elapsed() < time) && !until.is_over() {
        if until.takes_figures() {
            found.time = start.elapsed();
            so_far(&found)?;
        }
        let begin = Instant::now();
        let key = socket.add_interface(config.clone())?;
        let link = loop {
            match socket.wait_connected(key, LOOK.min(place.timeout)) {
                Err(WaitError::Woken) => {}
                Err(WaitError::TimedOut { .. }) if until.is_over() => return Ok(found),
                Err(WaitError::TimedOut { last }) if begin.elapsed() < place.timeout => {
                    if let Some(error) = last.filter(|_| !place.both) {
                        let retry_in = Some(Duration::ZERO);
                        let failed = Event::ConnectFailed { interface: key, error, retry_in };
                        teller.tell(&failed, |_| "link".to_owned(), |_| place.id)?;
                    }
                    other.as_mut().map_or(Ok(()), |other| other.check(until))?;
                }
                result => break result,
            }
        };
        let link = link.map_err(|error| cannot_connect(error, place))?;
        let up = Instant::now();
        socket.remove_interface(key)?;
        drop(link);
        let gone = Instant::now();
        if std::mem::take(&mut first) {
            // The first one waits for the other end to start.
            start = gone;
            continue;
        }
        for (times, took) in
            [(&mut found.connect, up - begin), (&mut found.delete, gone - up), (&mut found.whole, gone - begin)]
        {
            times.saturating_record(nanoseconds(took));
        }
    }
    found.time = start.elapsed();
    Ok(found)
}

fn cannot_connect(error: WaitError, place: &Place) -> Error {
    let text = |error: &ConnectError| format!("{error}; {}", advice::connect(error, &place.address));
    match error {
        WaitError::TimedOut { last } => place.not_connected(Role::Slave, last.as_ref().map(text)),
        WaitError::Socket(error) => error.into(),
        error => Error::NotConnected(error.to_string()),
    }
}
